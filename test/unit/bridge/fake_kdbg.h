/* Kernel data of the fake target: KDBG, modules, processes, at addresses of its RAM. */
#ifndef TEST_FAKE_KDBG_H
#define TEST_FAKE_KDBG_H

#include "test/unit/bridge/fake_target.h"

#define FAKE_KDBG	   (FAKE_BASE + 0x3100)
#define FAKE_BUGCHECK_DATA (FAKE_BASE + 0x3700)

/* A block that names the int3 of break-ins and the bugcheck's words. */
static inline void fake_give_kdbg(struct fake_target *f)
{
	f->data_list = FAKE_DATA_LIST;
	fake_put64(f, FAKE_DATA_LIST, FAKE_KDBG);
	fake_put64(f, FAKE_DATA_LIST + 8, FAKE_KDBG);
	fake_put64(f, FAKE_KDBG, FAKE_DATA_LIST);
	fake_put64(f, FAKE_KDBG + 8, FAKE_DATA_LIST);
	memcpy(fake_at(f, FAKE_KDBG + 16), "KDBG", 4);
	store_le(fake_at(f, FAKE_KDBG + 20), 0x300, 4);
	fake_put64(f, FAKE_KDBG + KDBG_BREAKPOINT_WITH_STATUS, FAKE_BREAK);
	fake_put64(f, FAKE_KDBG + KDBG_BUGCHECK_DATA, FAKE_BUGCHECK_DATA);
}

static inline void fake_put_utf16(struct fake_target *f, uint64_t address,
				  const char *text)
{
	for (; *text; text++, address += 2)
		store_le(fake_at(f, address), (uint8_t)*text, 2);
}

/* One entry of the module list, its name behind it; `next` is the entry after it. */
static inline void fake_put_module(struct fake_target *f, uint64_t entry, uint64_t next,
				   uint64_t base, uint32_t size, const char *path)
{
	fake_put64(f, entry, next);
	fake_put64(f, entry + 0x30, base);
	store_le(fake_at(f, entry + 0x40), size, 4);
	store_le(fake_at(f, entry + 0x48), strlen(path) * 2, 2);
	store_le(fake_at(f, entry + 0x4a), strlen(path) * 2, 2);
	fake_put64(f, entry + 0x50, entry + 0xa0);
	store_le(fake_at(f, entry + 0x78), 0x1111, 4);
	store_le(fake_at(f, entry + 0x9c), 0x2222, 4);
	fake_put_utf16(f, entry + 0xa0, path);
}

#endif
