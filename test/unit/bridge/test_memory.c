#include "bridge/target/memory.h"

#include "test/unit/bridge/fake_target.h"

/* ---- the cache alone ---- */

static void what_was_put_is_got(void **state)
{
	(void)state;
	struct memory_cache c = { 0 };
	uint8_t out[16];
	memory_cache_put(&c, 0x1ffc, "abcdefgh", 8);
	assert_int_equal(memory_cache_get(&c, 0x1ffa, out, 8), 0);
	assert_int_equal(memory_cache_get(&c, 0x1ffc, out, 16), 8);
	assert_memory_equal(out, "abcdefgh", 8);
	assert_int_equal(c.bytes, 8);
	memory_cache_put(&c, 0x1ffe, "XY", 2);
	assert_int_equal(c.bytes, 8);
	assert_int_equal(memory_cache_get(&c, 0x1ffc, out, 4), 4);
	assert_memory_equal(out, "abXY", 4);
	memory_cache_clear(&c);
	assert_int_equal(memory_cache_get(&c, 0x1ffc, out, 1), 0);
}

static void a_hole_is_what_is_not_known_of_its_page(void **state)
{
	(void)state;
	struct memory_cache c = { 0 };
	memory_cache_put(&c, 0x1000, "abc", 3);
	assert_false(memory_cache_is_hole(&c, 0x1003));
	memory_cache_put_hole(&c, 0x1003);
	assert_false(memory_cache_is_hole(&c, 0x1002));
	assert_true(memory_cache_is_hole(&c, 0x1003));
	assert_true(memory_cache_is_hole(&c, 0x1fff));
	assert_false(memory_cache_is_hole(&c, 0x2000));
	memory_cache_clear(&c);
}

static void the_last_byte_of_the_address_space_is_one_as_any(void **state)
{
	(void)state;
	struct memory_cache c = { 0 };
	uint8_t out[4];
	memory_cache_put(&c, UINT64_MAX - 1, "zz", 2);
	assert_int_equal(memory_cache_get(&c, UINT64_MAX - 1, out, 2), 2);
	memory_cache_clear(&c);
}

static void it_never_holds_more_than_its_limit(void **state)
{
	(void)state;
	struct memory_cache c = { 0 };
	uint8_t out;
	for (uint64_t page = 0; page < MEMORY_PAGES_MAX + 100; page++) {
		memory_cache_put(&c, page * MEMORY_PAGE_SIZE, "x", 1);
		assert_true(c.pages <= MEMORY_PAGES_MAX);
		assert_int_equal(memory_cache_get(&c, page * MEMORY_PAGE_SIZE, &out, 1),
				 1);
	}
	memory_cache_clear(&c);
}

/* ---- reads ---- */

static size_t read_some(struct fake_target *f, uint64_t address, size_t length)
{
	uint8_t *out = malloc(length);
	size_t done;
	assert_int_equal(memory_read(f->t, address, out, length, &done), KD_DONE);
	for (size_t i = 0; i < done; i++)
		assert_int_equal(out[i], *fake_at(f, address + i));
	free(out);
	return done;
}

static void what_was_read_once_is_not_asked_again(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(read_some(f, FAKE_BASE + 0x800, 64), 64);
	unsigned asked = fake_count(f, KD_READ_VIRTUAL);
	assert_int_equal(asked, 1);
	assert_int_equal(read_some(f, FAKE_BASE + 0x800, 64), 64);
	/* what came with it, up to a packet's worth */
	assert_int_equal(read_some(f, FAKE_BASE + 0x900, 64), 64);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 1);
	fake_end(f);
}

static void a_long_read_wastes_no_exchange_at_page_borders(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	size_t length = 0x3000;
	assert_int_equal(read_some(f, FAKE_BASE, length), length);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL),
			 (length + FAKE_REPLY_MAX - 1) / FAKE_REPLY_MAX);
	fake_end(f);
}

static void reading_on_in_pieces_wastes_none_either(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	size_t length = 0x3000;
	for (size_t at = 0; at < length; at += 0x400)
		assert_int_equal(read_some(f, FAKE_BASE + at, 0x400), 0x400);
	assert_true(fake_count(f, KD_READ_VIRTUAL) <=
		    (length + FAKE_REPLY_MAX - 1) / FAKE_REPLY_MAX + 1);
	fake_end(f);
}

static bool note_highest(struct fake_target *f, uint16_t api, uint8_t *data,
			 size_t length)
{
	(void)length;
	if (api == KD_READ_VIRTUAL) {
		uint64_t end = load_le(data + 16, 8) + load_le(data + 24, 4);
		uint64_t so_far = f->last_dr7; /* of no use here otherwise */
		f->last_dr7 = end > so_far ? end : so_far;
	}
	return false;
}

static void reading_downwards_in_a_page_is_cheap_too(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	for (size_t at = 0x1000; at > 0; at -= 64)
		assert_int_equal(read_some(f, FAKE_BASE + 0x1000 + at - 64, 64), 64);
	assert_true(fake_count(f, KD_READ_VIRTUAL) <= 4);
	fake_end(f);
}

static void a_linked_list_of_neighbours_costs_a_read_a_block(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	for (unsigned i = 0; i < 32; i++) /* there and back: 0, 31, 1, 30 … */
		assert_int_equal(read_some(f,
					   FAKE_BASE + 0x1000 +
						   (i % 2 ? 31 - i / 2 : i / 2) * 0x80,
					   16),
				 16);
	assert_true(fake_count(f, KD_READ_VIRTUAL) <= 5);
	fake_end(f);
}

/* Some kernels serve nothing of a range whose end is not there. */
static bool serve_all_or_nothing(struct fake_target *f, uint16_t api, uint8_t *data,
				 size_t length)
{
	(void)length;
	uint64_t address = load_le(data + 16, 8);
	size_t count = (size_t)load_le(data + 24, 4);
	if (api != KD_READ_VIRTUAL || fake_readable(address, count) == count)
		return false;
	store_le(data + 28, 0, 4);
	fake_reply(f, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
	return true;
}

static void a_hole_does_not_spoil_what_lies_before_it(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = serve_all_or_nothing;
	uint64_t end = FAKE_BASE + FAKE_RAM;
	/* read on in order, up to it and into it */
	for (uint64_t at = end - 0x1000; at < end; at += 0x200)
		assert_int_equal(read_some(f, at, 0x200), 0x200);
	uint8_t out[64];
	size_t done;
	assert_int_equal(memory_read(f->t, end, out, 64, &done), KD_REFUSED);
	memory_cache_flush(f->t);
	assert_int_equal(read_some(f, end - 24, 64), 24);
	unsigned asked = fake_count(f, KD_READ_VIRTUAL);
	/* a sweep over what is not there asks once a page */
	for (uint64_t at = end + 0x1000; at < end + 0x2000; at += 64)
		assert_int_equal(memory_read(f->t, at, out, 64, &done), KD_REFUSED);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), asked + 1);
	fake_end(f);
}

static bool answer_a_third(struct fake_target *f, uint16_t api, uint8_t *data,
			   size_t length)
{
	(void)length;
	if (api != KD_READ_VIRTUAL)
		return false;
	size_t count = (size_t)load_le(data + 24, 4);
	uint64_t address = load_le(data + 16, 8);
	count = count < 300 ? count : 300;
	store_le(data + 28, count, 4);
	fake_reply(f, data, KD_STATUS_SUCCESS, fake_at(f, address), count);
	return true;
}

static void an_answer_too_short_for_what_is_wanted_is_no_hole(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = answer_a_third;
	assert_int_equal(read_some(f, FAKE_BASE + 0x13c0, 64), 64);
	assert_int_equal(read_some(f, FAKE_BASE + 0x1000, 0x1000), 0x1000);
	fake_end(f);
}

static bool serve_a_device(struct fake_target *f, uint16_t api, uint8_t *data,
			   size_t length)
{
	(void)length;
	if (api != KD_READ_VIRTUAL)
		return false;
	size_t count = (size_t)load_le(data + 24, 4);
	assert_int_equal(count, 4); /* nothing beside what is wanted */
	store_le(data + 28, count, 4);
	fake_reply(f, data, KD_STATUS_SUCCESS, f->ram, count);
	f->ram[0]++;
	return true;
}

static void a_device_is_asked_each_time(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = serve_a_device;
	uint8_t out[4];
	size_t done;
	uint8_t first = f->ram[0];
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(
			memory_read(f->t, UINT64_C(0xfffffffffffe0020), out, 4, &done),
			KD_DONE);
		assert_int_equal(out[0], first + i);
	}
	fake_end(f);
}

static void a_lone_read_does_not_enter_the_next_page(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = note_highest;
	assert_int_equal(read_some(f, FAKE_BASE + 0xff0, 8), 8);
	assert_int_equal(f->last_dr7, FAKE_BASE + 0x1000);
	fake_end(f);
}

static void the_stack_is_read_over_the_border_of_its_pages(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	fake_set_register(f, 0, FAKE_RSP, FAKE_BASE + 0x1ff0);
	uint64_t sp;
	assert_int_equal(registers_get(f->t, 0, 7, &sp), KD_DONE);
	assert_int_equal(read_some(f, sp, 64), 64);
	assert_int_equal(read_some(f, sp + 64, 512), 512);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 1);
	fake_end(f);
}

static void a_read_into_a_hole_gives_what_lies_before(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	uint64_t end = FAKE_BASE + FAKE_RAM;
	assert_int_equal(read_some(f, end - 24, 64), 24);
	assert_int_equal(read_some(f, end - 24, 64), 24);
	uint8_t byte;
	size_t done;
	assert_int_equal(memory_read(f->t, end, &byte, 1, &done), KD_REFUSED);
	assert_int_equal(done, 0);
	assert_int_equal(memory_read_all(f->t, end - 1, &done, 2), KD_REFUSED);
	/* the hole is known by now */
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 1);
	fake_end(f);
}

static void impossible_addresses_are_refused(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	uint8_t out[64];
	size_t done;
	assert_int_equal(memory_read(f->t, UINT64_C(0x800000000000), out, 8, &done),
			 KD_REFUSED);
	assert_int_equal(memory_read(f->t, UINT64_C(0x7ffffffffff0), out, 64, &done),
			 KD_REFUSED);
	assert_int_equal(memory_read(f->t, UINT64_MAX - 3, out, 64, &done), KD_REFUSED);
	fake_end(f);
}

static void nothing_is_remembered_over_a_resume(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(read_some(f, FAKE_BASE + 0x800, 64), 64);
	fake_go(f, TARGET_STEP, 0);
	*fake_at(f, FAKE_BASE + 0x800) = 0x11;
	assert_int_equal(read_some(f, FAKE_BASE + 0x800, 64), 64);
	fake_end(f);
}

static void instructions_at_the_pc_come_with_the_stop(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(read_some(f, FAKE_CODE, 16), 16);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 0);
	fake_end(f);
}

static void a_running_target_has_no_memory(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	uint8_t byte;
	size_t done;
	assert_int_equal(memory_read(f->t, FAKE_BASE, &byte, 1, &done), KD_GONE);
	assert_int_equal(memory_write(f->t, FAKE_BASE, &byte, 1, &done), KD_GONE);
	fake_end(f);
}

static void without_the_cache_each_read_asks_for_just_its_bytes(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	memory_cache_enable(f->t, false);
	assert_int_equal(read_some(f, FAKE_BASE + 0x800, 8), 8);
	*fake_at(f, FAKE_BASE + 0x800) = 0x77;
	assert_int_equal(read_some(f, FAKE_BASE + 0x800, 8), 8);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 2);
	assert_false(memory_statistics(f->t).enabled);
	assert_int_equal(memory_statistics(f->t).bytes, 8);
	memory_cache_enable(f->t, true);
	assert_int_equal(memory_statistics(f->t).bytes, 0);
	fake_end(f);
}

static bool cancel_at_second_read(struct fake_target *f, uint16_t api, uint8_t *data,
				  size_t length)
{
	(void)data;
	(void)length;
	if (api == KD_READ_VIRTUAL && fake_count(f, KD_READ_VIRTUAL) == 2)
		target_cancel(f->t);
	return false;
}

static void a_long_read_can_be_given_up(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = cancel_at_second_read;
	uint8_t out[0x3000];
	size_t done;
	assert_int_equal(memory_read(f->t, FAKE_BASE, out, sizeof(out), &done),
			 KD_INTERRUPTED);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 2);
	assert_int_equal(memory_read(f->t, FAKE_BASE, out, sizeof(out), &done), KD_DONE);
	fake_end(f);
}

static bool after_the_first(void *context)
{
	(void)context;
	return true;
}

static void one_who_has_gone_is_read_nothing_more(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	struct target_events impatient = *f->t->events;
	impatient.given_up = after_the_first;
	f->t->events = &impatient;
	uint8_t out[0x3000];
	size_t done;
	assert_int_equal(memory_read(f->t, FAKE_BASE, out, sizeof(out), &done),
			 KD_INTERRUPTED);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 1);
	fake_end(f);
}

static bool answer_nothing_with_success(struct fake_target *f, uint16_t api,
					uint8_t *data, size_t length)
{
	(void)length;
	if (api != KD_READ_VIRTUAL)
		return false;
	store_le(data + 28, 0, 4);
	fake_reply(f, data, KD_STATUS_SUCCESS, NULL, 0);
	return true;
}

static void a_target_that_answers_nothing_for_ever_is_not_asked_for_ever(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = answer_nothing_with_success;
	uint8_t out[0x1000];
	size_t done;
	assert_int_equal(memory_read(f->t, FAKE_BASE, out, sizeof(out), &done),
			 KD_REFUSED);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 1);
	fake_end(f);
}

/* ---- writes ---- */

static void a_write_reaches_target_and_cache(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	size_t done;
	assert_int_equal(read_some(f, FAKE_BASE + 0x800, 64), 64);
	assert_int_equal(memory_write(f->t, FAKE_BASE + 0x810, "hello", 5, &done),
			 KD_DONE);
	assert_int_equal(done, 5);
	assert_memory_equal(fake_at(f, FAKE_BASE + 0x810), "hello", 5);
	assert_int_equal(read_some(f, FAKE_BASE + 0x800, 64), 64);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 1);
	assert_int_equal(fake_count(f, KD_WRITE_VIRTUAL), 1);
	fake_end(f);
}

static void a_kibibyte_is_written_in_one_exchange(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	uint8_t in[3000];
	memset(in, 0x5a, sizeof(in));
	size_t done;
	assert_int_equal(memory_write(f->t, FAKE_BASE + 0x800, in, 1024, &done), KD_DONE);
	assert_int_equal(fake_count(f, KD_WRITE_VIRTUAL), 1);
	assert_int_equal(memory_write(f->t, FAKE_BASE + 0x800, in, sizeof(in), &done),
			 KD_DONE);
	assert_int_equal(done, sizeof(in));
	assert_memory_equal(fake_at(f, FAKE_BASE + 0x800), in, sizeof(in));
	fake_end(f);
}

static void a_write_into_a_hole_tells_how_far_it_came(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	uint64_t end = FAKE_BASE + FAKE_RAM;
	size_t done;
	assert_int_equal(memory_write(f->t, end - 3, "hello", 5, &done), KD_DONE);
	assert_int_equal(done, 3);
	assert_int_equal(memory_write(f->t, end, "hello", 5, &done), KD_REFUSED);
	assert_int_equal(done, 0);
	fake_end(f);
}

/* ---- physical memory: only one caching type works ---- */

static bool only_uncached(struct fake_target *f, uint16_t api, uint8_t *data,
			  size_t length)
{
	if (api != KD_READ_PHYSICAL && api != KD_WRITE_PHYSICAL)
		return false;
	if (load_le(data + 28, 4) != KD_CACHING_UNCACHED) {
		store_le(data + 28, 0, 4);
		fake_reply(f, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
		return true;
	}
	store_le(data + 16, FAKE_BASE + load_le(data + 16, 8), 8);
	uint64_t address = load_le(data + 16, 8) - FAKE_BASE;
	size_t count = (size_t)load_le(data + 24, 4);
	store_le(data + 16, address, 8);
	store_le(data + 28, count, 4);
	if (api == KD_WRITE_PHYSICAL)
		memcpy(f->ram + address, data + KD_MANIPULATE_SIZE,
		       length - KD_MANIPULATE_SIZE);
	fake_reply(f, data, KD_STATUS_SUCCESS, f->ram + address,
		   api == KD_READ_PHYSICAL ? count : 0);
	return true;
}

static void the_caching_type_that_works_is_found_and_kept(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = only_uncached;
	uint8_t out[8];
	size_t done;
	assert_int_equal(memory_read_physical(f->t, 0x100, out, 8, &done), KD_DONE);
	assert_int_equal(done, 8);
	assert_memory_equal(out, f->ram + 0x100, 8);
	assert_int_equal(fake_count(f, KD_READ_PHYSICAL), 3);
	assert_int_equal(memory_read_physical(f->t, 0x100, out, 8, &done), KD_DONE);
	assert_int_equal(fake_count(f, KD_READ_PHYSICAL), 4);
	assert_int_equal(memory_write_physical(f->t, 0x200, "hello", 5, &done), KD_DONE);
	assert_int_equal(fake_count(f, KD_WRITE_PHYSICAL), 1);
	assert_memory_equal(f->ram + 0x200, "hello", 5);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_got),
		cmocka_unit_test(a_hole_is_what_is_not_known_of_its_page),
		cmocka_unit_test(the_last_byte_of_the_address_space_is_one_as_any),
		cmocka_unit_test(it_never_holds_more_than_its_limit),
		cmocka_unit_test(what_was_read_once_is_not_asked_again),
		cmocka_unit_test(a_long_read_wastes_no_exchange_at_page_borders),
		cmocka_unit_test(reading_on_in_pieces_wastes_none_either),
		cmocka_unit_test(reading_downwards_in_a_page_is_cheap_too),
		cmocka_unit_test(a_linked_list_of_neighbours_costs_a_read_a_block),
		cmocka_unit_test(a_hole_does_not_spoil_what_lies_before_it),
		cmocka_unit_test(an_answer_too_short_for_what_is_wanted_is_no_hole),
		cmocka_unit_test(a_device_is_asked_each_time),
		cmocka_unit_test(a_lone_read_does_not_enter_the_next_page),
		cmocka_unit_test(the_stack_is_read_over_the_border_of_its_pages),
		cmocka_unit_test(a_read_into_a_hole_gives_what_lies_before),
		cmocka_unit_test(impossible_addresses_are_refused),
		cmocka_unit_test(nothing_is_remembered_over_a_resume),
		cmocka_unit_test(instructions_at_the_pc_come_with_the_stop),
		cmocka_unit_test(a_running_target_has_no_memory),
		cmocka_unit_test(without_the_cache_each_read_asks_for_just_its_bytes),
		cmocka_unit_test(a_long_read_can_be_given_up),
		cmocka_unit_test(one_who_has_gone_is_read_nothing_more),
		cmocka_unit_test(
			a_target_that_answers_nothing_for_ever_is_not_asked_for_ever),
		cmocka_unit_test(a_write_reaches_target_and_cache),
		cmocka_unit_test(a_kibibyte_is_written_in_one_exchange),
		cmocka_unit_test(a_write_into_a_hole_tells_how_far_it_came),
		cmocka_unit_test(the_caching_type_that_works_is_found_and_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
