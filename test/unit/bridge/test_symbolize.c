#include "bridge/gdb/symbolize.h"

#include "test/unit/bridge/gdb_fixture.h"
#include "test/unit/bridge/image_fixture.h"

#define NT UINT64_C(0xfffff80300000000)

static void load(struct gdb_fixture *f, const char *path, uint64_t base, uint32_t size)
{
	unsigned stops = f->fake->stops;

	fake_do_resume(f->fake, TARGET_CONTINUE, 0);
	fake_load(f->fake, path, base, size, false);
	fake_spin_until(f->fake, &f->fake->stops, stops + 1);
}

/* As if it had been built: the guest's kernel. */
static void give_image(struct gdb_fixture *f)
{
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct image_memory *memory = module_source(&m);
	struct image_request request = { .name = "ntoskrnl.exe",
					 .base = NT,
					 .client = IMAGE_FOR_GDB,
					 .code_max = SIZE_MAX };
	struct image_entry *entry;

	load(f, "\\ntoskrnl.exe", NT, (uint32_t)m.size);
	images_sync(&f->gdb.images);
	entry = &f->gdb.images.list[0];
	assert_int_equal(served_image_build(memory, &request, &entry->image, NULL),
			 IMAGE_OK);
	entry->state = IMAGE_READY;
	image_memory_free(memory);
	free(m.bytes);
}

static void addresses_get_the_name_before_them(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	char text[SYMBOLIZED_MAX];
	uint64_t address = 0;

	(void)state;
	give_image(f);
	assert_true(symbol_address(&f->gdb, "nt!DbgPrint", &address));
	symbolize(&f->gdb, address, text);
	assert_string_equal(text, "nt!DbgPrint");
	symbolize(&f->gdb, address + 4, text);
	assert_string_equal(text, "nt!DbgPrint+0x4");
	symbolize(&f->gdb, NT + 1, text); /* headers */
	assert_string_equal(text, "nt+0x1");
	fixture_end(f);
}

static void names_are_those_of_their_module_alone(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	uint64_t with, without;

	(void)state;
	give_image(f);
	load(f, "\\x.sys", NT + 0x1000000, 0x2000);
	assert_true(symbol_address(&f->gdb, "NT!DbgPrint", &with));
	assert_true(symbol_address(&f->gdb, "DbgPrint", &without));
	assert_int_equal(with, without);
	assert_false(symbol_address(&f->gdb, "x!DbgPrint", &with));
	assert_false(symbol_address(&f->gdb, "ntx!DbgPrint", &with));
	assert_false(symbol_address(&f->gdb, "!DbgPrint", &with));
	assert_false(symbol_address(&f->gdb, "nt!", &with));
	fixture_end(f);
}

static void a_module_without_names_gives_its_own(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	char text[SYMBOLIZED_MAX];

	(void)state;
	load(f, "\\My Driver.sys", NT, 0x2000);
	symbolize(&f->gdb, NT + 0x123, text);
	assert_string_equal(text, "my_driver+0x123");
	symbolize(&f->gdb, NT + 0x2000, text);
	assert_string_equal(text, "");
	symbolize(&f->gdb, 0, text);
	assert_string_equal(text, "");
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_get_the_name_before_them),
		cmocka_unit_test(names_are_those_of_their_module_alone),
		cmocka_unit_test(a_module_without_names_gives_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
