#include "test/unit/bridge/fake_watch.h"

enum { DR0 = 0x20, DR7 = 0x48, CONTROL = 69 };

static uint64_t dr(struct fake_target *f, unsigned cpu, unsigned slot)
{
	return load_le(f->special[cpu] + DR0 + 8u * slot, 8);
}

static void it_is_on_every_processor(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(4);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	assert_int_equal(fake_count(f, KD_READ_CONTROL_SPACE), 4);
	assert_int_equal(fake_count(f, KD_WRITE_CONTROL_SPACE), 4);
	run_until_hit(f, 3, 1);
	for (unsigned cpu = 0; cpu < 4; cpu++)
		assert_int_equal(dr(f, cpu, 0), DATA);
	/* global enable, writes, 8 bytes */
	assert_int_equal(f->last_dr7, 0x400 | 2 | 1 << 16 | 2 << 18);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_WATCHPOINT);
	assert_int_equal(f->last_stop.processor, 3);
	assert_int_equal(f->last_stop.watch.address, DATA);
	assert_false(f->last_stop.watch.access);
	fake_end(f);
}

static void lengths_and_kinds_are_coded(void **state)
{
	static const struct {
		enum watchpoint_kind kind;
		uint64_t length;
		uint64_t field;
	} rows[] = {
		{ WATCHPOINT_EXECUTE, 0, 0 }, { WATCHPOINT_WRITE, 1, 1 },
		{ WATCHPOINT_WRITE, 2, 5 },   { WATCHPOINT_ACCESS, 4, 15 },
		{ WATCHPOINT_ACCESS, 8, 11 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_target *f = fake_start_stopped(1);
		assert_int_equal(
			watchpoint_insert(f->t, rows[i].kind, DATA, rows[i].length),
			KD_DONE);
		f->on_resume = never_ends;
		fake_do_resume(f, TARGET_CONTINUE, 0);
		fake_spin(f, 2);
		assert_int_equal(f->last_dr7, 0x402 | rows[i].field << 16);
		fake_end(f);
	}
}

static void regions_are_split_into_aligned_pieces(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(write_watch(f, DATA + 2, 14), KD_DONE); /* 2, 4, 8 */
	assert_int_equal(dr(f, 0, 0), DATA + 2);
	assert_int_equal(dr(f, 0, 1), DATA + 4);
	assert_int_equal(dr(f, 0, 2), DATA + 8);
	run_until_hit(f, 0, 4);
	assert_int_equal(f->last_stop.watch.address, DATA + 8);
	fake_end(f);
}

static void what_does_not_fit_is_refused(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(write_watch(f, DATA, 0), KD_REFUSED);
	assert_int_equal(write_watch(f, DATA, 33), KD_REFUSED);
	assert_int_equal(write_watch(f, DATA + 1, 32), KD_REFUSED);
	assert_int_equal(write_watch(f, UINT64_MAX - 3, 8), KD_REFUSED);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(write_watch(f, DATA + 8 * i, 8), KD_DONE);
	assert_int_equal(write_watch(f, DATA + 64, 1), KD_REFUSED);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE); /* it is there */
	assert_int_equal(watchpoint_count(f->t), 4);
	fake_end(f);
}

static void pieces_may_be_shared(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(write_watch(f, DATA, 16), KD_DONE);
	assert_int_equal(write_watch(f, DATA + 8, 8), KD_DONE);
	assert_int_equal(watchpoint_remove(f->t, WATCHPOINT_WRITE, DATA, 16), KD_DONE);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 2);
	assert_int_equal(f->last_dr7 & 0xf, 8);
	fake_end(f);
}

static unsigned refusing_cpu;

static bool refuse_writes(struct fake_target *f, uint16_t api, uint8_t *data,
			  size_t length)
{
	(void)length;
	if (api != KD_WRITE_CONTROL_SPACE || load_le(data + 6, 2) != refusing_cpu)
		return false;
	fake_reply(f, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
	return true;
}

static void one_processor_that_refuses_undoes_all(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(3);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	refusing_cpu = 2;
	f->on_request = refuse_writes;
	assert_int_equal(write_watch(f, DATA + 64, 8), KD_REFUSED);
	assert_int_equal(watchpoint_count(f->t), 1);
	f->on_request = NULL;
	run_until_hit(f, 1, 1);
	assert_int_equal(f->last_dr7 & 0xff, 2);
	assert_int_equal(f->last_stop.watch.address, DATA);
	/* and a later one fits again */
	assert_int_equal(write_watch(f, DATA + 64, 8), KD_DONE);
	for (unsigned cpu = 0; cpu < 3; cpu++)
		assert_int_equal(dr(f, cpu, 1), DATA + 64);
	fake_end(f);
}

static void what_is_set_again_costs_nothing(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(4);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	assert_int_equal(watchpoint_insert(f->t, WATCHPOINT_EXECUTE, SITE, 1), KD_DONE);
	run_until_hit(f, 0, 1);
	fake_forget_counts(f);
	for (int i = 0; i < 3; i++) {
		uint64_t before = target_exchanges(f->t);
		assert_int_equal(watchpoint_remove(f->t, WATCHPOINT_WRITE, DATA, 8),
				 KD_DONE);
		assert_int_equal(watchpoint_remove(f->t, WATCHPOINT_EXECUTE, SITE, 1),
				 KD_DONE);
		assert_int_equal(watchpoint_insert(f->t, WATCHPOINT_EXECUTE, SITE, 1),
				 KD_DONE);
		assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
		run_until_hit(f, 1, 1);
		assert_int_equal(target_exchanges(f->t), before + 1);
		assert_int_equal(f->last_stop.watch.address, DATA);
	}
	fake_end(f);
}

static void a_processor_that_appears_later_gets_them(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(4);
	f->cpus_told = 2;
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	assert_int_equal(dr(f, 2, 0), 0);
	f->cpus_told = 4;
	run_until_hit(f, 0, 1);
	assert_int_equal(dr(f, 2, 0), 0);
	run_until_hit(f, 3, 1);
	assert_int_equal(dr(f, 2, 0), DATA);
	assert_int_equal(dr(f, 3, 0), DATA);
	fake_end(f);
}

static void one_that_appears_in_a_step_off_a_breakpoint_gets_them_too(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(3);
	f->cpus_told = 2;
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(watchpoint_insert(f->t, WATCHPOINT_EXECUTE, SITE, 1), KD_DONE);
	fake_set_register(f, 0, FAKE_RIP, SITE);
	run_until_hit(f, 0, 1);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 2);
	f->cpus_told = 3;
	fake_set_register(f, 0, FAKE_RIP, SITE + 1);
	fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
	fake_spin(f, 2);
	assert_false(f->stopped);
	assert_int_equal(f->stops, 2);
	assert_int_equal(f->last_dr7 & 0xff, 2);
	assert_int_equal(dr(f, 2, 0), SITE);
	fake_end(f);
}

static void later_ones_that_refuse_switch_all_off(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(2);
	f->cpus_told = 1;
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	f->cpus_told = 2;
	run_until_hit(f, 0, 1);
	refusing_cpu = 1;
	f->on_request = refuse_writes;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 2);
	assert_int_equal(f->last_dr7, 0x400);
	assert_non_null(strstr(f->notice_text, "processor 1"));
	fake_end(f);
}

static void an_execute_hit_is_stepped_off_first(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(watchpoint_insert(f->t, WATCHPOINT_EXECUTE, SITE, 1), KD_DONE);
	assert_int_equal(write_watch(f, DATA, 4), KD_DONE);
	fake_set_register(f, 1, FAKE_RIP, SITE);
	run_until_hit(f, 1, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARDWARE_BREAKPOINT);
	assert_int_equal(f->last_stop.processor, 1);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 2);
	/* a step with the one at PC off, the other stays on */
	assert_true(f->last_trace);
	assert_int_equal(f->last_dr7 & 0xff, 8);
	fake_set_register(f, 1, FAKE_RIP, SITE + 1);
	fake_exception(f, 1, KD_STATUS_SINGLE_STEP);
	fake_spin(f, 2);
	assert_false(f->last_trace);
	assert_int_equal(f->last_dr7 & 0xff, 10);
	assert_int_equal(f->stops, 2);
	fake_end(f);
}

static void a_range_stops_at_one(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(watchpoint_insert(f->t, WATCHPOINT_EXECUTE, FAKE_CODE + 5, 1),
			 KD_DONE);
	assert_int_equal(
		target_resume(f->t, &(struct target_resume){ .kind = TARGET_RANGE_STEP,
							     .start = FAKE_CODE,
							     .end = FAKE_CODE + 10 }),
		KD_DONE);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARDWARE_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, FAKE_CODE + 5);
	fake_end(f);
}

static void leaving_puts_the_registers_back(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(2);
	store_le(f->special[1] + DR0, 0x1234, 8);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 2);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_false(f->stopped);
	assert_int_equal(dr(f, 0, 0), 0);
	assert_int_equal(dr(f, 1, 0), 0x1234);
	for (unsigned cpu = 0; cpu < 2; cpu++)
		assert_int_equal(load_le(f->special[cpu] + DR7, 8), 0x400);
	assert_int_equal(watchpoint_count(f->t), 0);
	fake_end(f);
}

static void leaving_it_stopped_switches_them_off_too(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	run_until_hit(f, 0, 1);
	assert_int_equal(target_leave(f->t, false), KD_DONE);
	assert_true(f->stopped);
	for (unsigned cpu = 0; cpu < 2; cpu++)
		assert_int_equal(load_le(f->special[cpu] + DR7, 8), 0x400);
	fake_end(f);
}

static void what_a_debugger_before_us_left_goes_at_the_first_resume(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	store_le(f->special[0] + DR7, 0x70402, 8);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_dr7, 0x400);
	/* what the user sets by hand stays */
	assert_int_equal(registers_set(f->t, 0, CONTROL, 0x402), KD_DONE);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_dr7, 0x402);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	assert_int_equal(dr(f, 0, 1), DATA);
	fake_end(f);
}

static void an_exception_passed_on_takes_dr7_from_the_processors(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_exception(f, 0, 0xc0000005);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	assert_int_equal(
		target_resume(f->t, &(struct target_resume){ .kind = TARGET_CONTINUE,
							     .not_handled = true }),
		KD_DONE);
	fake_spin(f, 2);
	assert_int_equal(f->last_status, KD_DBG_NOT_HANDLED);
	for (unsigned cpu = 0; cpu < 2; cpu++)
		assert_int_equal(load_le(f->special[cpu] + DR7, 8), 0x90402);
	fake_end(f);
}

static void a_new_boot_has_none(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(write_watch(f, DATA, 8), KD_DONE);
	run_until_hit(f, 0, 1);
	f->stopped = false;
	fake_boot(&f->link, 2);
	fake_spin_until(f, &f->connects, 2);
	assert_int_equal(f->reboots, 1);
	assert_int_equal(watchpoint_count(f->t), 0);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_on_every_processor),
		cmocka_unit_test(lengths_and_kinds_are_coded),
		cmocka_unit_test(regions_are_split_into_aligned_pieces),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(pieces_may_be_shared),
		cmocka_unit_test(one_processor_that_refuses_undoes_all),
		cmocka_unit_test(what_is_set_again_costs_nothing),
		cmocka_unit_test(a_processor_that_appears_later_gets_them),
		cmocka_unit_test(
			one_that_appears_in_a_step_off_a_breakpoint_gets_them_too),
		cmocka_unit_test(later_ones_that_refuse_switch_all_off),
		cmocka_unit_test(an_execute_hit_is_stepped_off_first),
		cmocka_unit_test(a_range_stops_at_one),
		cmocka_unit_test(leaving_puts_the_registers_back),
		cmocka_unit_test(leaving_it_stopped_switches_them_off_too),
		cmocka_unit_test(what_a_debugger_before_us_left_goes_at_the_first_resume),
		cmocka_unit_test(an_exception_passed_on_takes_dr7_from_the_processors),
		cmocka_unit_test(a_new_boot_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
