#include "bridge/target/memory_window.h"

#include "test/util.h"

#include "bridge/target/memory_cache.h"

enum { LIMIT = 1096 };
#define PAGE UINT64_C(0xfffff80000010000)

static struct memory_window window_at(uint64_t address, size_t wanted)
{
	const struct memory_miss miss = { address, wanted, LIMIT, false, false };
	return memory_window(&miss);
}

static void expect(struct memory_window w, uint64_t first, uint64_t end)
{
	assert_int_equal(w.address, first);
	assert_int_equal(w.address + w.count, end);
}

static void a_small_read_brings_its_block_and_what_else_fits(void **state)
{
	(void)state;
	expect(window_at(PAGE, 8), PAGE, PAGE + LIMIT);
	expect(window_at(PAGE + 0x7f8, 8), PAGE + 0x400, PAGE + 0x400 + LIMIT);
	expect(window_at(PAGE + 0x800, 1), PAGE + 0x800, PAGE + 0x800 + LIMIT);
}

static void it_does_not_enter_a_page_that_was_not_asked_for(void **state)
{
	(void)state;
	expect(window_at(PAGE + 0xff8, 8), PAGE + 0xc00, PAGE + 0x1000);
	expect(window_at(PAGE + 0xfff, 1), PAGE + 0xc00, PAGE + 0x1000);
	/* where it leads into one, the block stays around it as far as it goes */
	expect(window_at(PAGE + 0xff8, 16), PAGE + 0xc00, PAGE + 0xc00 + LIMIT);
	expect(window_at(PAGE + 0xff8, 0x100), PAGE + 0xff8, PAGE + 0xff8 + LIMIT);
}

static void all_that_is_wanted_comes_if_one_reply_carries_it(void **state)
{
	(void)state;
	for (uint64_t at = PAGE; at < PAGE + 0x1000; at += 7) {
		for (size_t wanted = 1; wanted < LIMIT; wanted += 31) {
			struct memory_window w = window_at(at, wanted);
			assert_true(w.address <= at);
			assert_true(w.count <= LIMIT);
			assert_true(at + wanted <= w.address + w.count);
			assert_int_equal(w.address / MEMORY_PAGE_SIZE,
					 at / MEMORY_PAGE_SIZE);
			assert_int_equal((w.address + w.count - 1) / MEMORY_PAGE_SIZE,
					 (at + wanted - 1) / MEMORY_PAGE_SIZE);
		}
	}
}

static void what_goes_on_takes_a_whole_reply_over_the_border(void **state)
{
	(void)state;
	const struct memory_miss miss = { PAGE + 0xff8, 8, LIMIT, true, false };
	expect(memory_window(&miss), PAGE + 0xff8, PAGE + 0xff8 + LIMIT);
	expect(window_at(PAGE + 0xff8, 0x3000), PAGE + 0xff8, PAGE + 0xff8 + LIMIT);
}

static void small_replies_have_small_blocks(void **state)
{
	(void)state;
	const struct memory_miss miss = { PAGE + 0x1f0, 8, 300, false, false };
	expect(memory_window(&miss), PAGE + 0x100, PAGE + 0x100 + 300);
	const struct memory_miss tiny = { PAGE + 0x1f3, 8, 1, false, false };
	expect(memory_window(&tiny), PAGE + 0x1f3, PAGE + 0x1f4);
}

static void without_the_cache_only_what_is_wanted_is_asked_for(void **state)
{
	(void)state;
	const struct memory_miss miss = { PAGE + 0xff8, 16, LIMIT, true, true };
	expect(memory_window(&miss), PAGE + 0xff8, PAGE + 0x1008);
}

static void the_narrow_one_stays_in_its_page(void **state)
{
	(void)state;
	const struct memory_miss miss = { PAGE + 0xff8, 64, LIMIT, true, false };
	expect(memory_window_narrow(&miss), PAGE + 0xff8, PAGE + 0x1000);
	const struct memory_miss inner = { PAGE + 0x123, 64, LIMIT, true, false };
	expect(memory_window_narrow(&inner), PAGE + 0x123, PAGE + 0x163);
}

static void devices_are_not_read_ahead(void **state)
{
	(void)state;
	const uint64_t apic = UINT64_C(0xfffffffffffe0000);
	assert_true(memory_is_device(apic));
	assert_false(memory_is_device(UINT64_C(0xffffffffffbfffff)));
	expect(window_at(apic + 0x20, 4), apic + 0x20, apic + 0x24);
	/* nor entered from below */
	const struct memory_miss below = { UINT64_C(0xffffffffffbffff8), 8, LIMIT, true,
					   false };
	expect(memory_window(&below), below.address, UINT64_C(0xffffffffffc00000));
}

static void no_range_leaves_the_address_space_or_its_half(void **state)
{
	(void)state;
	struct memory_window w = window_at(UINT64_MAX - 3, 4);
	assert_int_equal(w.address, UINT64_MAX - 3);
	assert_int_equal(w.count, 4);
	const uint64_t end = UINT64_C(0x800000000000);
	const struct memory_miss miss = { end - 16, 64, LIMIT, true, false };
	expect(memory_window(&miss), end - 16, end);
	expect(window_at(end - 8, 64), end - 0x400, end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_read_brings_its_block_and_what_else_fits),
		cmocka_unit_test(it_does_not_enter_a_page_that_was_not_asked_for),
		cmocka_unit_test(all_that_is_wanted_comes_if_one_reply_carries_it),
		cmocka_unit_test(what_goes_on_takes_a_whole_reply_over_the_border),
		cmocka_unit_test(small_replies_have_small_blocks),
		cmocka_unit_test(without_the_cache_only_what_is_wanted_is_asked_for),
		cmocka_unit_test(the_narrow_one_stays_in_its_page),
		cmocka_unit_test(devices_are_not_read_ahead),
		cmocka_unit_test(no_range_leaves_the_address_space_or_its_half),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
