/* User memory of another process, through page tables in a few pages of physical memory. */
#include "bridge/target/address_space.h"

#include "test/unit/bridge/fake_tables.h"

enum {
	/* pages of physical memory, by number */
	PML4 = 1,
	USER_PDPT,
	USER_PD,
	USER_PT,
	USER_DATA,
	USER_MORE,
	KERNEL_PDPT,
	EMPTY_PML4,
};
#define CR3  ((uint64_t)PML4 * PAGE)
#define USER UINT64_C(0x00007ff700000000)

/* Two user pages with a hole behind them; the kernel's half is one large page. */
static struct fake_target *start(void)
{
	memset(physical, 0, sizeof(physical));
	entry(PML4, USER, 3, USER_PDPT * PAGE | PRESENT);
	entry(USER_PDPT, USER, 2, USER_PD * PAGE | PRESENT);
	entry(USER_PD, USER, 1, USER_PT * PAGE | PRESENT);
	entry(USER_PT, USER, 0, USER_DATA * PAGE | PRESENT);
	entry(USER_PT, USER + PAGE, 0, USER_MORE * PAGE | PRESENT);
	entry(PML4, FAKE_BASE, 3, KERNEL_PDPT * PAGE | PRESENT);
	entry(KERNEL_PDPT, FAKE_BASE, 2, LARGE | PRESENT);
	for (unsigned i = 0; i < 2 * PAGE; i++)
		physical[USER_DATA * PAGE + i] = (uint8_t)(i * 7 + i / 256);
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = on_physical;
	physical_reads = 0;
	return f;
}

static void user_memory_is_the_other_processs_then(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint8_t bytes[64];
	size_t done;
	assert_int_equal(memory_read(f->t, USER, bytes, 64, &done), KD_REFUSED);
	assert_int_equal(address_space_select(f->t, CR3), KD_DONE);
	assert_true(address_space_selected(f->t) == CR3);
	assert_int_equal(memory_read(f->t, USER + 8, bytes, 64, &done), KD_DONE);
	assert_int_equal(done, 64);
	assert_memory_equal(bytes, physical + USER_DATA * PAGE + 8, 64);
	assert_int_equal(address_space_select(f->t, 0), KD_DONE);
	assert_int_equal(memory_read(f->t, USER, bytes, 64, &done), KD_REFUSED);
	fake_end(f);
}

static void the_kernels_half_stays(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint8_t bytes[16];
	assert_int_equal(address_space_select(f->t, CR3), KD_DONE);
	physical_reads = 0;
	assert_int_equal(memory_read_all(f->t, FAKE_CODE, bytes, 16), KD_DONE);
	assert_memory_equal(bytes, fake_at(f, FAKE_CODE), 16);
	assert_int_equal(physical_reads, 0);
	fake_end(f);
}

static void reads_cross_pages_and_end_at_a_hole(void **state)
{
	(void)state;
	struct fake_target *f = start();
	static uint8_t bytes[3 * PAGE];
	size_t done;
	assert_int_equal(address_space_select(f->t, CR3), KD_DONE);
	assert_int_equal(memory_read(f->t, USER + 100, bytes, sizeof(bytes), &done),
			 KD_DONE);
	assert_int_equal(done, 2 * PAGE - 100);
	assert_memory_equal(bytes, physical + USER_DATA * PAGE + 100, done);
	assert_int_equal(memory_read(f->t, USER + 2 * PAGE, bytes, 1, &done), KD_REFUSED);
	fake_end(f);
}

static void what_was_read_is_not_asked_for_again(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint8_t bytes[256];
	assert_int_equal(address_space_select(f->t, CR3), KD_DONE);
	assert_int_equal(memory_read_all(f->t, USER, bytes, 256), KD_DONE);
	physical_reads = 0;
	assert_int_equal(memory_read_all(f->t, USER + 8, bytes, 200), KD_DONE);
	assert_int_equal(physical_reads, 0);
	/* the tables are known: a page costs its own bytes alone */
	assert_int_equal(memory_read_all(f->t, USER + PAGE, bytes, 256), KD_DONE);
	assert_int_equal(physical_reads, 1);
	memory_cache_flush(f->t);
	assert_int_equal(memory_read_all(f->t, USER, bytes, 8), KD_DONE);
	assert_true(physical_reads > 2);
	fake_end(f);
}

static void writes_go_through_and_are_seen(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint8_t bytes[8];
	size_t done;
	assert_int_equal(address_space_select(f->t, CR3), KD_DONE);
	assert_int_equal(memory_read_all(f->t, USER + PAGE - 4, bytes, 8), KD_DONE);
	assert_int_equal(memory_write(f->t, USER + PAGE - 4, "abcdefgh", 8, &done),
			 KD_DONE);
	assert_int_equal(done, 8);
	assert_memory_equal(physical + USER_MORE * PAGE - 4, "abcdefgh", 8);
	assert_int_equal(memory_read_all(f->t, USER + PAGE - 4, bytes, 8), KD_DONE);
	assert_memory_equal(bytes, "abcdefgh", 8);
	assert_int_equal(memory_write(f->t, USER + 2 * PAGE, "x", 1, &done), KD_REFUSED);
	fake_end(f);
}

static void a_number_that_has_no_kernel_is_refused(void **state)
{
	(void)state;
	struct fake_target *f = start();
	assert_int_equal(address_space_select(f->t, EMPTY_PML4 * PAGE), KD_REFUSED);
	assert_int_equal(address_space_select(f->t, UINT64_C(0x123456000)), KD_REFUSED);
	assert_true(address_space_selected(f->t) == 0);
	assert_int_equal(address_space_select(f->t, CR3), KD_DONE);
	assert_int_equal(address_space_select(f->t, EMPTY_PML4 * PAGE), KD_REFUSED);
	assert_true(address_space_selected(f->t) == CR3);
	fake_end(f);
}

static void it_ends_when_the_target_runs(void **state)
{
	(void)state;
	struct fake_target *f = start();
	assert_int_equal(address_space_select(f->t, CR3), KD_DONE);
	fake_go(f, TARGET_STEP, 0);
	assert_true(address_space_selected(f->t) == 0);
	fake_end(f);
}

/* Planted at the same address of the stopped processor's process. */
static void a_breakpoint_is_hidden_only_where_it_is(void **state)
{
	(void)state;
	struct fake_target *f = start();
	struct breakpoint planted = {
		.address = USER + 0x20,
		.planted = PLANTED_KD,
		.saved_known = true,
		.saved = { 0x55 },
	};
	uint8_t byte;
	f->t->breakpoints.list = &planted;
	f->t->breakpoints.count = 1;
	assert_int_equal(address_space_select(f->t, CR3), KD_DONE);
	assert_int_equal(memory_read_all(f->t, USER + 0x20, &byte, 1), KD_DONE);
	assert_int_equal(byte, physical[USER_DATA * PAGE + 0x20]);
	physical[USER_DATA * PAGE + 0x20] = 0xcc; /* a page that both share */
	memory_cache_flush(f->t);
	assert_int_equal(memory_read_all(f->t, USER + 0x20, &byte, 1), KD_DONE);
	assert_int_equal(byte, 0x55);
	f->t->breakpoints.list = NULL;
	f->t->breakpoints.count = 0;
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_memory_is_the_other_processs_then),
		cmocka_unit_test(the_kernels_half_stays),
		cmocka_unit_test(reads_cross_pages_and_end_at_a_hole),
		cmocka_unit_test(what_was_read_is_not_asked_for_again),
		cmocka_unit_test(writes_go_through_and_are_seen),
		cmocka_unit_test(a_number_that_has_no_kernel_is_refused),
		cmocka_unit_test(it_ends_when_the_target_runs),
		cmocka_unit_test(a_breakpoint_is_hidden_only_where_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
