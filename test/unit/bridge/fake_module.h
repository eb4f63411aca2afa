/* A module of the guest's in the memory of the fake target, which lists it as loaded. */
#ifndef TEST_FAKE_MODULE_H
#define TEST_FAKE_MODULE_H

#include <unistd.h>

#include "test/unit/bridge/fake_kdbg.h"
#include "test/unit/bridge/gdb_fixture.h"
#include "test/unit/bridge/image_fixture.h"

#define MODULE_BASE UINT64_C(0xfffff80300000000)

static struct module_memory fake_module;
static unsigned fake_module_reads;

static inline bool on_module_read(struct fake_target *f, uint16_t api, uint8_t *data,
				  size_t length)
{
	uint64_t rva = load_le(data + 16, 8) - MODULE_BASE;
	size_t count = (size_t)load_le(data + 24, 4);
	(void)length;
	if (api != KD_READ_VIRTUAL || rva >= fake_module.size)
		return false;
	count = count < f->reply_max ? count : f->reply_max;
	count = count < fake_module.size - rva ? count : fake_module.size - (size_t)rva;
	fake_module_reads++;
	store_le(data + 28, count, 4);
	fake_reply(f, data, KD_STATUS_SUCCESS, fake_module.bytes + rva, count);
	return true;
}

/* A client whose target has probe.sys alone, and a second entry that is no image. */
static inline struct gdb_fixture *fixture_with_module(void)
{
	struct fake_target *fake = fake_start_stopped(1);
	fake_module = map_guest("probe.sys");
	fake_module_reads = 0;
	fake->on_request = on_module_read;
	fake_put64(fake, FAKE_MODULE_LIST, FAKE_MODULE_LIST - 0x400);
	fake_put_module(fake, FAKE_MODULE_LIST - 0x400, FAKE_MODULE_LIST - 0x200,
			MODULE_BASE, (uint32_t)fake_module.size,
			"\\SystemRoot\\drivers\\probe.sys");
	fake_put_module(fake, FAKE_MODULE_LIST - 0x200, FAKE_MODULE_LIST,
			MODULE_BASE + 0x10000000, 0x1000, "\\none.sys");
	return fixture_over(fake);
}

static inline void fixture_with_module_end(struct gdb_fixture *f)
{
	fixture_end(f);
	free(fake_module.bytes);
}

/* A directory of this test's alone. */
struct fake_cache {
	char directory[64];
};

static inline struct fake_cache fake_cache_new(void)
{
	struct fake_cache c = { .directory = "/tmp/kdbridge-images-XXXXXX" };
	assert_non_null(mkdtemp(c.directory));
	return c;
}

static inline void fake_cache_remove(const struct fake_cache *c)
{
	char line[80];
	snprintf(line, sizeof(line), "rm -r %s", c->directory);
	assert_int_equal(system(line), 0);
}

#endif
