#include "test/unit/bridge/fake_watch.h"

enum { DR6_STEP = 0x4000 };

static void the_kind_and_the_address_are_those_of_the_slot(void **state)
{
	static const struct {
		enum watchpoint_kind kind;
		enum target_stop_kind stop;
		bool access;
	} rows[] = {
		{ WATCHPOINT_WRITE, TARGET_STOP_WATCHPOINT, false },
		{ WATCHPOINT_ACCESS, TARGET_STOP_WATCHPOINT, true },
		{ WATCHPOINT_EXECUTE, TARGET_STOP_HARDWARE_BREAKPOINT, false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_target *f = fake_start_stopped(2);
		assert_int_equal(watchpoint_insert(f->t, rows[i].kind, SITE, 4), KD_DONE);
		fake_set_register(f, 1, FAKE_RIP, SITE);
		run_until_hit(f, 1, 1);
		assert_int_equal(f->last_stop.kind, rows[i].stop);
		assert_int_equal(f->last_stop.processor, 1);
		if (rows[i].stop == TARGET_STOP_WATCHPOINT)
			assert_int_equal(f->last_stop.watch.address, SITE);
		assert_int_equal(f->last_stop.watch.access, rows[i].access);
		fake_end(f);
	}
}

static void a_bit_of_a_register_that_nobody_set_is_no_hit(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(write_watch(f, DATA, 4), KD_DONE);
	run_until_hit(f, 0, 1 << 3);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	fake_end(f);
}

static void a_bit_in_another_exceptions_report_is_no_hit(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(write_watch(f, DATA, 4), KD_DONE);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	f->dr6_hits = 1;
	fake_exception(f, 0, 0xc0000005);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	fake_end(f);
}

static void a_step_onto_an_instruction_breakpoint_has_not_hit_it(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(watchpoint_insert(f->t, WATCHPOINT_EXECUTE, SITE, 1), KD_DONE);
	fake_set_register(f, 0, FAKE_RIP, SITE);
	run_until_hit(f, 0, DR6_STEP);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	fake_end(f);
}

static void a_cleared_dr6_does_not_hide_an_execute_hit(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(watchpoint_insert(f->t, WATCHPOINT_EXECUTE, SITE, 1), KD_DONE);
	fake_set_register(f, 0, FAKE_RIP, SITE);
	run_until_hit(f, 0, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARDWARE_BREAKPOINT);
	fake_end(f);
}

static void a_hit_of_one_just_removed_is_swallowed(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	run_until_hit(f, 0, 1);
	assert_int_equal(watchpoint_remove(f->t, WATCHPOINT_WRITE, DATA, 8), KD_DONE);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 2);
	assert_int_equal(f->last_dr7, 0x400);
	hit(f, 0, 1);
	fake_spin(f, 5);
	assert_int_equal(f->stops, 2);
	assert_false(f->stopped);
	/* its bit may also come with a step, that is no hit then */
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 3);
	f->dr6_hits = 0x4001;
	f->on_resume = NULL;
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kind_and_the_address_are_those_of_the_slot),
		cmocka_unit_test(a_bit_of_a_register_that_nobody_set_is_no_hit),
		cmocka_unit_test(a_bit_in_another_exceptions_report_is_no_hit),
		cmocka_unit_test(a_step_onto_an_instruction_breakpoint_has_not_hit_it),
		cmocka_unit_test(a_cleared_dr6_does_not_hide_an_execute_hit),
		cmocka_unit_test(a_hit_of_one_just_removed_is_swallowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
