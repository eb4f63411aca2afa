#include "test/unit/bridge/gdb_fixture.h"

#include "test/unit/bridge/fake_tables.h"

/* Two modules in one run of pages with the same rights. */
#define FIRST	   UINT64_C(0xfffff80300000000)
#define SECOND	   (FIRST + 0x2000)
#define RUN_LENGTH 0x6000

static void load(struct gdb_fixture *f, const char *path, uint64_t base)
{
	unsigned stops = f->fake->stops;

	fake_do_resume(f->fake, TARGET_CONTINUE, 0);
	fake_load(f->fake, path, base, 0x2000, false);
	fake_spin_until(f->fake, &f->fake->stops, stops + 1);
}

static struct gdb_fixture *start(void)
{
	struct gdb_fixture *f = fixture_start(1);

	load(f, "\\one.sys", FIRST);
	load(f, "\\two.sys", SECOND);
	images_sync(&f->gdb.images);
	tables_begin(f->fake, 4);
	for (unsigned at = 0; at < RUN_LENGTH; at += PAGE)
		tables_map(FIRST + at, 0, PRESENT);
	return f;
}

static void expect(struct gdb_fixture *f, uint64_t address, const char *answer)
{
	char packet[64];

	snprintf(packet, sizeof(packet), "qMemoryRegionInfo:%llx",
		 (unsigned long long)address);
	assert_string_equal(fixture_ask(f, packet), answer);
}

static void each_module_of_a_run_is_a_region_with_its_name(void **state)
{
	struct gdb_fixture *f = start();

	(void)state;
	expect(f, FIRST + 5,
	       "start:fffff80300000000;size:2000;permissions:rwx;name:6f6e652e737973;");
	expect(f, SECOND + 0x1fff,
	       "start:fffff80300002000;size:2000;permissions:rwx;name:74776f2e737973;");
	fixture_end(f);
}

static void what_is_behind_the_modules_is_nobodys(void **state)
{
	struct gdb_fixture *f = start();

	(void)state;
	expect(f, FIRST + 0x5000, "start:fffff80300004000;size:2000;permissions:rwx;");
	fixture_end(f);
}

static void a_gap_has_neither_rights_nor_a_name(void **state)
{
	struct gdb_fixture *f = start();

	(void)state;
	expect(f, 0x10, "start:0;size:fffff80300000000;");
	expect(f, UINT64_MAX, "start:fffff80300006000;size:7fcffffa000;");
	entry(tables_to(FIRST, 0), FIRST + PAGE, 0, 0); /* discarded when it had begun */
	memory_cache_flush(f->fake->t);
	expect(f, FIRST + PAGE, "start:fffff80300001000;size:1000;");
	fixture_end(f);
}

static void a_question_within_a_module_costs_little(void **state)
{
	struct gdb_fixture *f = start();

	(void)state;
	fixture_ask(f, "qMemoryRegionInfo:fffff80300000000");
	assert_in_range(physical_reads, 1, 4);
	fixture_end(f);
}

static void without_a_stopped_target_there_is_none(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start(1));

	(void)state;
	expect(f, FIRST, "E01");
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_module_of_a_run_is_a_region_with_its_name),
		cmocka_unit_test(what_is_behind_the_modules_is_nobodys),
		cmocka_unit_test(a_gap_has_neither_rights_nor_a_name),
		cmocka_unit_test(a_question_within_a_module_costs_little),
		cmocka_unit_test(without_a_stopped_target_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
