#include "test/unit/bridge/fake_target.h"

enum { CC = 0xcc };
#define SITE (FAKE_CODE + 0x40)

static void never_ends(struct fake_target *f, bool trace)
{
	(void)f;
	(void)trace;
}

static void break_in_and_wait(struct fake_target *f)
{
	unsigned stops = f->stops;
	target_break_in(f->t);
	fake_spin_until(f, &f->stops, stops + 1);
}

static void a_byte_stops_the_target(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	break_in_and_wait(f);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	assert_int_equal(f->last_stop.pc, FAKE_BREAK);
	assert_int_equal(f->link.break_ins, 1);
	target_break_in(f->t); /* it stands already */
	fake_spin(f, 5);
	assert_int_equal(f->link.break_ins, 1);
	fake_end(f);
}

static void nobody_there_is_not_asked_to_stop(void **state)
{
	(void)state;
	struct fake_target *f = calloc(1, sizeof(*f));
	f->loop = ev_loop_new(EVFLAG_AUTO);
	struct target_options options = { .context = f };
	assert_int_equal(target_open(&f->t, f->loop, &options), 0);
	target_break_in(f->t);
	assert_int_equal(target_wait_stopped(f->t, 10), KD_TIMED_OUT);
	target_close(f->t);
	ev_loop_destroy(f->loop);
	free(f);
}

static void byte_and_reset_take_turns_until_it_stops(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->ignores_break_in = true;
	target_break_in(f->t);
	target_break_in(f->t); /* asked twice is asked once */
	fake_spin(f, 300);
	assert_int_equal(f->link.break_ins, 1);
	assert_int_equal(f->link.resets, 0);
	fake_spin(f, 500);
	assert_int_equal(f->link.break_ins, 1);
	assert_int_equal(f->link.resets, 1);
	fake_spin(f, 400);
	assert_int_equal(f->link.break_ins, 2);
	f->ignores_break_in = false;
	break_in_and_wait(f);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	fake_end(f);
}

static void a_reset_finds_a_target_that_stands_already(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	/* a report that never reached us */
	f->stopped = true;
	fake_prepare_exception(f, 0xc0000005, FAKE_CODE);
	store_le(f->state, KD_STATE_EXCEPTION, 4);
	store_le(f->state + 8, 1, 4);
	store_le(f->state + 24, FAKE_CODE, 8);
	target_break_in(f->t);
	assert_int_equal(target_wait_stopped(f->t, 2000), KD_DONE);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	fake_end(f);
}

/* The byte is on its way when a breakpoint stops the target for another reason. */
static void stop_with_a_byte_on_its_way(struct fake_target *f)
{
	f->on_resume = never_ends;
	f->ignores_break_in = true;
	target_break_in(f->t);
	fake_spin(f, 5);
	fake_exception(f, 0, 0xc0000005);
	fake_spin_until(f, &f->stops, f->stops + 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	f->ignores_break_in = false;
}

static void a_stale_break_in_is_swallowed(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	break_in_and_wait(f); /* now it is known where they stop */
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	stop_with_a_byte_on_its_way(f);
	unsigned stops = f->stops;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_break_with_status(f, 1);
	fake_spin(f, 50);
	assert_int_equal(f->stops, stops);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	assert_int_equal(fake_pc(f, 0), FAKE_BREAK + 1);
	/* one byte, one stop: the next one is news */
	fake_break_with_status(f, 1);
	fake_spin_until(f, &f->stops, stops + 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARD_BREAKPOINT);
	fake_end(f);
}

static void a_stale_one_at_the_place_just_left_is_swallowed(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	*fake_at(f, FAKE_CODE) = CC;
	stop_with_a_byte_on_its_way(f);
	unsigned stops = f->stops;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_set_register(f, 0, FAKE_RIP, FAKE_CODE);
	fake_exception(f, 0, KD_STATUS_BREAKPOINT);
	fake_spin(f, 50);
	assert_int_equal(f->stops, stops);
	assert_int_equal(fake_pc(f, 0), FAKE_CODE + 1);
	fake_end(f);
}

static void a_stop_after_silence_is_news(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	*fake_at(f, FAKE_CODE) = CC;
	stop_with_a_byte_on_its_way(f);
	unsigned stops = f->stops;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 250);
	fake_set_register(f, 0, FAKE_RIP, FAKE_CODE);
	fake_exception(f, 0, KD_STATUS_BREAKPOINT);
	fake_spin_until(f, &f->stops, stops + 1);
	fake_end(f);
}

static void a_break_in_that_the_user_asked_for_is_never_swallowed(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	break_in_and_wait(f);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	stop_with_a_byte_on_its_way(f);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	break_in_and_wait(f);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	fake_end(f);
}

static void a_breakpoint_in_the_stale_time_is_never_swallowed(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	stop_with_a_byte_on_its_way(f);
	assert_int_equal(breakpoint_insert(f->t, SITE), KD_DONE);
	f->on_resume = NULL;
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	fake_end(f);
}

static void a_second_processor_at_a_breakpoint_just_removed_goes_on(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(breakpoint_insert(f->t, SITE), KD_DONE);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(breakpoint_remove(f->t, SITE), KD_DONE);
	f->on_resume = never_ends;
	unsigned stops = f->stops;
	fake_do_resume(f, TARGET_STEP, 0);
	/* it was on its way into the debugger when the first one reported */
	fake_set_register(f, 1, FAKE_RIP, SITE);
	fake_exception(f, 1, KD_STATUS_BREAKPOINT);
	fake_spin(f, 20);
	assert_int_equal(f->stops, stops);
	assert_int_equal(fake_pc(f, 1), SITE);
	/* and the step of the first one still ends as one */
	fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
	fake_spin_until(f, &f->stops, stops + 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
	fake_end(f);
}

static void a_load_in_between_does_not_answer(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->resumes_loads = true;
	f->on_resume = never_ends;
	f->ignores_break_in = true;
	target_break_in(f->t);
	fake_load(f, "\\x.sys", FAKE_BASE, 0x100, false);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_break_with_status(f, 1);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	fake_end(f);
}

static void no_byte_disturbs_the_dump_of_a_bugcheck(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->on_resume = never_ends;
	fake_print(f, KD_PRINT, "*** Fatal System Error: 0x0000001e\n");
	fake_spin(f, 5);
	fake_break_with_status(f, 3);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BUGCHECK);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	target_break_in(f->t);
	fake_spin(f, 700);
	assert_int_equal(f->link.break_ins, 0);
	/* the next boot is asked at once */
	fake_boot(&f->link, 2);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->link.break_ins, 1);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_byte_stops_the_target),
		cmocka_unit_test(nobody_there_is_not_asked_to_stop),
		cmocka_unit_test(byte_and_reset_take_turns_until_it_stops),
		cmocka_unit_test(a_reset_finds_a_target_that_stands_already),
		cmocka_unit_test(a_stale_break_in_is_swallowed),
		cmocka_unit_test(a_stale_one_at_the_place_just_left_is_swallowed),
		cmocka_unit_test(a_stop_after_silence_is_news),
		cmocka_unit_test(a_break_in_that_the_user_asked_for_is_never_swallowed),
		cmocka_unit_test(a_breakpoint_in_the_stale_time_is_never_swallowed),
		cmocka_unit_test(a_second_processor_at_a_breakpoint_just_removed_goes_on),
		cmocka_unit_test(a_load_in_between_does_not_answer),
		cmocka_unit_test(no_byte_disturbs_the_dump_of_a_bugcheck),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
