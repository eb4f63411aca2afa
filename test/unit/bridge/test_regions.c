/* Runs and gaps in page tables of a few pages, and what they cost to tell. */
#include "bridge/target/regions.h"

#include "test/unit/bridge/fake_tables.h"

#define NO_EXECUTE (UINT64_C(1) << 63)
#define READ_ONLY  UINT64_C(1)
#define CODE	   UINT64_C(0xfffff80000400000)
#define USER	   UINT64_C(0x00007ff700000000)
#define GIB	   (UINT64_C(1) << 30)
#define HALF	   (UINT64_C(1) << 47)

static struct fake_target *start(void)
{
	struct fake_target *f = fake_start_stopped(1);
	tables_begin(f, 4);
	return f;
}

static void expect(struct fake_target *f, uint64_t address, uint64_t start, uint64_t last,
		   const char *rights)
{
	struct region r;
	assert_int_equal(region_find(f->t, address, NULL, &r), KD_DONE);
	assert_int_equal(r.start, start);
	assert_int_equal(r.last, last);
	assert_int_equal(r.mapped, strchr(rights, 'r') != NULL);
	assert_int_equal(r.writable, strchr(rights, 'w') != NULL);
	assert_int_equal(r.executable, strchr(rights, 'x') != NULL);
}

static void pages_with_the_same_rights_are_one_run(void **state)
{
	(void)state;
	struct fake_target *f = start();
	for (unsigned i = 0; i < 5; i++)
		tables_map(CODE + i * PAGE, 0, READ_ONLY);
	for (unsigned i = 5; i < 8; i++)
		tables_map(CODE + i * PAGE, 0, PRESENT | NO_EXECUTE);
	tables_map(CODE + 8 * PAGE, 0, PRESENT);
	expect(f, CODE + 2 * PAGE + 0x123, CODE, CODE + 5 * PAGE - 1, "rx");
	expect(f, CODE + 5 * PAGE, CODE + 5 * PAGE, CODE + 8 * PAGE - 1, "rw");
	expect(f, CODE + 8 * PAGE, CODE + 8 * PAGE, CODE + 9 * PAGE - 1, "rwx");
	fake_end(f);
}

static void rights_are_those_of_every_level(void **state)
{
	(void)state;
	struct fake_target *f = start();
	tables_map(CODE, 0, PRESENT);
	tables_map(CODE + GIB, 0, PRESENT);
	unsigned upper = tables_to(CODE, 2);
	entry(upper, CODE, 2, entry_at(upper, CODE, 2) & ~UINT64_C(2));
	entry(upper, CODE + GIB, 2, entry_at(upper, CODE + GIB, 2) | NO_EXECUTE);
	expect(f, CODE, CODE, CODE + PAGE - 1, "rx");
	expect(f, CODE + GIB, CODE + GIB, CODE + GIB + PAGE - 1, "rw");
	fake_end(f);
}

/* From a page of one process to one of the kernel, the addresses between the halves too. */
static void a_gap_is_one_whatever_it_is_made_of(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint64_t begin = USER + PAGE, last = CODE - 1;
	tables_map(USER, 0, PRESENT);
	tables_map(CODE, 0, PRESENT);
	(void)tables_to(USER + 4 * GIB, 0); /* tables without a page */
	(void)tables_to(CODE - GIB, 0);
	expect(f, begin, begin, last, "");
	expect(f, USER + 3 * GIB, begin, last, "");
	expect(f, HALF, begin, last, "");
	expect(f, last, begin, last, "");
	fake_end(f);
}

static void the_last_gap_ends_where_the_addresses_do(void **state)
{
	(void)state;
	struct fake_target *f = start();
	tables_map(CODE, 0, PRESENT);
	expect(f, 0, 0, CODE - 1, "");
	expect(f, CODE + PAGE, CODE + PAGE, UINT64_MAX, "");
	expect(f, UINT64_MAX, CODE + PAGE, UINT64_MAX, "");
	fake_end(f);
}

static void an_empty_address_space_is_one_gap(void **state)
{
	(void)state;
	struct fake_target *f = start();
	expect(f, CODE, 0, UINT64_MAX, "");
	fake_end(f);
}

static void there_may_be_five_levels(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	uint64_t high = UINT64_C(0xff00000000000000);
	tables_begin(f, 5);
	tables_map(high, 0, PRESENT);
	expect(f, high + 1, high, high + PAGE - 1, "rwx");
	expect(f, UINT64_C(1) << 56, 0, high - 1, "");
	fake_end(f);
}

static void large_pages_are_no_more_than_pages(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint64_t mib = 1 << 20;
	tables_map(CODE, 1, PRESENT);
	tables_map(CODE + 2 * mib, 0, PRESENT);
	tables_map(CODE + GIB * 5, 2, PRESENT);
	expect(f, CODE + 5, CODE, CODE + 2 * mib + PAGE - 1, "rwx");
	uint64_t huge = (CODE + GIB * 5) & ~(GIB - 1);
	expect(f, CODE + GIB * 5, huge, huge + GIB - 1, "rwx");
	fake_end(f);
}

static void a_long_run_is_told_in_parts_side_by_side(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint64_t begin = CODE + PAGE;
	for (unsigned i = 0; i < (REGION_BLOCK + (4 << 20)) / PAGE; i++)
		tables_map(begin + i * PAGE, 0, PRESENT);
	expect(f, begin, begin, CODE + (4 << 20) - 1, "rwx");
	expect(f, CODE + (4 << 20) + 5, CODE + (4 << 20),
	       CODE + (4 << 20) + REGION_BLOCK - 1, "rwx");
	expect(f, CODE + (12 << 20), CODE + (12 << 20), CODE + (12 << 20) + PAGE - 1,
	       "rwx");
	fake_end(f);
}

static void bounds_cut_a_run_but_no_gap(void **state)
{
	(void)state;
	struct fake_target *f = start();
	const struct region_bounds bounds = { CODE + 0x800, CODE + 2 * PAGE + 0x7ff };
	struct region r;
	for (unsigned i = 0; i < 4; i++)
		tables_map(CODE + i * PAGE, 0, PRESENT);
	assert_int_equal(region_find(f->t, CODE + PAGE, &bounds, &r), KD_DONE);
	assert_int_equal(r.start, bounds.first);
	assert_int_equal(r.last, bounds.last);
	const struct region_bounds behind = { CODE + 5 * PAGE, CODE + 6 * PAGE };
	assert_int_equal(region_find(f->t, CODE + 5 * PAGE, &behind, &r), KD_DONE);
	assert_false(r.mapped);
	assert_int_equal(r.start, CODE + 4 * PAGE);
	assert_int_equal(r.last, UINT64_MAX);
	fake_end(f);
}

static void a_question_about_pages_is_cheap(void **state)
{
	(void)state;
	struct fake_target *f = start();
	const struct region_bounds bounds = { CODE, CODE + 64 * PAGE - 1 };
	struct region r;
	for (unsigned i = 0; i < (REGION_BLOCK + (4 << 20)) / PAGE; i++)
		tables_map(CODE + i * PAGE, 0, PRESENT);
	assert_int_equal(region_find(f->t, CODE + PAGE, &bounds, &r), KD_DONE);
	assert_in_range(physical_reads, 1, 4); /* a piece of each table */
	physical_reads = 0;
	assert_int_equal(region_find(f->t, CODE + PAGE, &bounds, &r), KD_DONE);
	assert_int_equal(physical_reads, 0); /* of this stop all is known */
	assert_int_equal(region_find(f->t, CODE + (6 << 20), NULL, &r), KD_DONE);
	assert_in_range(physical_reads, 1, REGION_BLOCK / PAGE / 128 + 4);
	fake_end(f);
}

/* Every entry of every table leads to the next one: 2^36 entries without a page. */
static void tables_that_lead_in_circles_come_to_an_end(void **state)
{
	(void)state;
	struct fake_target *f = start();
	struct region r;
	for (unsigned table = FAKE_TOP; table < FAKE_TOP + 3; table++)
		for (unsigned i = 0; i < 512; i++)
			store_le(physical + table * PAGE + i * 8,
				 (uint64_t)(table + 1) * PAGE | PRESENT, 8);
	assert_int_equal(region_find(f->t, CODE, NULL, &r), KD_DONE);
	assert_false(r.mapped);
	assert_true(r.start < CODE && r.last > CODE);
	assert_true(physical_reads <= 16);
	for (unsigned i = 0; i < 512; i++) /* and each of them a page */
		store_le(physical + (FAKE_TOP + 3) * PAGE + i * 8, PRESENT, 8);
	memory_cache_flush(f->t);
	expect(f, CODE + (4 << 20), CODE + (4 << 20), CODE + (4 << 20) + REGION_BLOCK - 1,
	       "rwx");
	fake_end(f);
}

static void without_tables_nothing_is_told(void **state)
{
	(void)state;
	struct fake_target *f = start();
	struct region r;
	store_le(f->special[0] + 0x10, UINT64_C(0x7777) * PAGE, 8);
	assert_int_equal(region_find(f->t, CODE, NULL, &r), KD_REFUSED);
	fake_end(f);
}

/* A table that cannot be read ends what is around it. */
static void a_table_that_is_not_there_is_a_border(void **state)
{
	(void)state;
	struct fake_target *f = start();
	tables_map(CODE, 0, PRESENT);
	entry(tables_to(CODE, 1), CODE + (2 << 20), 1, UINT64_C(0x7777) * PAGE | PRESENT);
	expect(f, CODE + PAGE, CODE + PAGE, CODE + (2 << 20) - 1, "");
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_with_the_same_rights_are_one_run),
		cmocka_unit_test(rights_are_those_of_every_level),
		cmocka_unit_test(a_gap_is_one_whatever_it_is_made_of),
		cmocka_unit_test(the_last_gap_ends_where_the_addresses_do),
		cmocka_unit_test(an_empty_address_space_is_one_gap),
		cmocka_unit_test(there_may_be_five_levels),
		cmocka_unit_test(large_pages_are_no_more_than_pages),
		cmocka_unit_test(a_long_run_is_told_in_parts_side_by_side),
		cmocka_unit_test(bounds_cut_a_run_but_no_gap),
		cmocka_unit_test(a_question_about_pages_is_cheap),
		cmocka_unit_test(tables_that_lead_in_circles_come_to_an_end),
		cmocka_unit_test(without_tables_nothing_is_told),
		cmocka_unit_test(a_table_that_is_not_there_is_a_border),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
