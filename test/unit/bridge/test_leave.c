#include "test/unit/bridge/fake_target.h"

enum { CC = 0xcc, NOP = 0x90 };
#define FAR_SITE (FAKE_CODE + 0x800)

static void never_ends(struct fake_target *f, bool trace)
{
	(void)f;
	(void)trace;
}

static void expect_clean(struct fake_target *f)
{
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++)
		assert_false(f->breakpoints[i].used);
	assert_int_equal(*fake_at(f, FAR_SITE), NOP);
	assert_int_equal(breakpoint_planted_count(f->t), 0);
	assert_int_equal(breakpoint_count(f->t), 0);
}

static void a_stopped_target_is_cleaned_and_runs(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(breakpoint_insert(f->t, FAR_SITE), KD_DONE);
	fake_go(f, TARGET_STEP, 0);
	store_le(f->special[1] + 0x48, 0x402, 8);
	f->on_resume = never_ends;
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	expect_clean(f);
	assert_false(f->stopped);
	assert_int_equal(load_le(f->special[1] + 0x48, 8), 0x400);
	fake_end(f);
}

static void it_can_be_left_standing(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(breakpoint_insert(f->t, FAR_SITE), KD_DONE);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(target_leave(f->t, false), KD_DONE);
	expect_clean(f);
	assert_true(f->stopped);
	assert_int_equal(target_state(f->t), TARGET_STOPPED);
	fake_end(f);
}

static void a_running_target_with_nothing_planted_is_let_alone(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_int_equal(f->link.break_ins, 0);
	fake_end(f);
}

static void a_running_target_is_stopped_for_what_is_planted_without_a_word(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(breakpoint_insert(f->t, FAR_SITE), KD_DONE);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 5);
	assert_int_equal(*fake_at(f, FAR_SITE), CC);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	expect_clean(f);
	assert_int_equal(f->stops, 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	assert_int_equal(fake_pc(f, 0), FAKE_BREAK + 1);
	fake_end(f);
}

static void a_break_in_on_its_way_is_awaited(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->on_resume = never_ends;
	target_break_in(f->t);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_int_equal(f->link.break_ins, 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	assert_false(f->stopped);
	fake_end(f);
}

static void a_hard_breakpoint_is_passed_when_leaving(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_break_with_status(f, 1);
	fake_spin_until(f, &f->stops, 1);
	f->on_resume = never_ends;
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_int_equal(fake_pc(f, 0), FAKE_BREAK + 1);
	assert_int_equal(f->last_status, KD_DBG_CONTINUE);
	fake_end(f);
}

static void an_exception_is_left_to_windows(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_exception(f, 0, 0xc0000005);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_int_equal(f->last_status, KD_DBG_NOT_HANDLED);
	fake_end(f);
}

static void step_for_ever(struct fake_target *f, bool trace)
{
	if (trace)
		fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
}

static void a_range_is_ended_by_leaving(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_resume = step_for_ever;
	assert_int_equal(
		target_resume(f->t, &(struct target_resume){ .kind = TARGET_RANGE_STEP,
							     .start = 0,
							     .end = UINT64_MAX }),
		KD_DONE);
	fake_spin(f, 5);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	unsigned resumes = fake_count(f, KD_CONTINUE2);
	fake_spin(f, 20);
	assert_int_equal(fake_count(f, KD_CONTINUE2), resumes);
	assert_int_equal(f->stops, 1);
	assert_false(f->last_trace);
	fake_end(f);
}

static void nobody_there_is_left_at_once(void **state)
{
	(void)state;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct target *t;
	assert_int_equal(target_open(&t, loop, &(struct target_options){ 0 }), 0);
	assert_int_equal(target_leave(t, true), KD_DONE);
	target_close(t);
	ev_loop_destroy(loop);
}

static void a_reboot_is_sent_and_not_waited_for(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(target_reboot(f->t), KD_DONE);
	assert_int_equal(fake_count(f, KD_REBOOT), 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	assert_int_equal(target_reboot(f->t), KD_GONE);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stopped_target_is_cleaned_and_runs),
		cmocka_unit_test(it_can_be_left_standing),
		cmocka_unit_test(a_running_target_with_nothing_planted_is_let_alone),
		cmocka_unit_test(
			a_running_target_is_stopped_for_what_is_planted_without_a_word),
		cmocka_unit_test(a_break_in_on_its_way_is_awaited),
		cmocka_unit_test(a_hard_breakpoint_is_passed_when_leaving),
		cmocka_unit_test(an_exception_is_left_to_windows),
		cmocka_unit_test(a_range_is_ended_by_leaving),
		cmocka_unit_test(nobody_there_is_left_at_once),
		cmocka_unit_test(a_reboot_is_sent_and_not_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
