#include "test/unit/bridge/fake_target.h"

enum { CC = 0xcc, NOP = 0x90, RIP = 16 };
#define SITE (FAKE_CODE + 0x40)

static void range(struct fake_target *f, uint64_t start, uint64_t end)
{
	assert_int_equal(
		target_resume(f->t, &(struct target_resume){ .kind = TARGET_RANGE_STEP,
							     .start = start,
							     .end = end }),
		KD_DONE);
}

static void a_plain_resume_costs_one_exchange(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	uint64_t before = target_exchanges(f->t);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	assert_int_equal(target_exchanges(f->t), before + 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	assert_null(target_stopped(f->t));
	assert_int_equal(f->last_status, KD_DBG_CONTINUE);
	assert_false(f->last_trace);
	assert_int_equal(f->last_dr7, 0x400);
	assert_int_equal(target_resume(f->t, &(struct target_resume){ 0 }), KD_GONE);
	fake_end(f);
}

static void a_step_costs_one_exchange(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	for (unsigned i = 1; i <= 20; i++) {
		uint64_t before = target_exchanges(f->t);
		fake_go(f, TARGET_STEP, 0);
		assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
		assert_int_equal(f->last_stop.pc, FAKE_CODE + i);
		assert_int_equal(target_exchanges(f->t), before + 1);
	}
	fake_end(f);
}

static void a_range_costs_one_exchange_for_each_instruction(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	uint64_t before = target_exchanges(f->t);
	range(f, FAKE_CODE, FAKE_CODE + 100);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
	assert_int_equal(f->last_stop.pc, FAKE_CODE + 100);
	assert_int_equal(target_exchanges(f->t), before + 100);
	fake_end(f);
}

static void a_breakpoint_within_a_range_ends_it(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(breakpoint_insert(f->t, SITE), KD_DONE);
	range(f, FAKE_CODE, FAKE_CODE + 100);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE);
	fake_end(f);
}

static void a_range_leaves_its_breakpoints_planted_behind(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(breakpoint_insert(f->t, FAKE_CODE), KD_DONE);
	assert_int_equal(breakpoint_insert(f->t, FAKE_CODE + 200), KD_DONE);
	uint64_t before = target_exchanges(f->t);
	range(f, FAKE_CODE, FAKE_CODE + 100);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.pc, FAKE_CODE + 100);
	assert_int_equal(*fake_at(f, FAKE_CODE), CC);
	assert_int_equal(*fake_at(f, FAKE_CODE + 200), CC);
	assert_int_equal(target_exchanges(f->t), before + 100 + 2);
	fake_end(f);
}

static void a_hard_breakpoint_within_a_range_ends_it(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	*fake_at(f, SITE) = CC;
	range(f, FAKE_CODE, FAKE_CODE + 100);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARD_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE);
	fake_end(f);
}

/* The processor loops on the spot. */
static void step_on_the_spot(struct fake_target *f, bool trace)
{
	if (trace)
		fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
}

static void a_range_without_end_is_interrupted_without_a_byte(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_resume = step_on_the_spot;
	range(f, FAKE_CODE, FAKE_CODE + 100);
	fake_spin(f, 20);
	assert_int_equal(f->stops, 1);
	target_break_in(f->t);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	assert_int_equal(f->link.break_ins, 0);
	fake_end(f);
}

static void never_ends(struct fake_target *f, bool trace)
{
	(void)f;
	(void)trace;
}

static void a_step_that_never_ends_is_interrupted(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_STEP, 0);
	target_break_in(f->t);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	fake_end(f);
}

/* The processor's step ends while somebody wants the target to stop. */
static struct fake_target *interrupt_a_step(void)
{
	struct fake_target *f = fake_start_stopped(1);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_STEP, 0);
	target_break_in(f->t);
	fake_set_register(f, 0, FAKE_RIP, FAKE_CODE + 1);
	fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
	fake_spin_until(f, &f->stops, 2);
	f->on_resume = NULL;
	return f;
}

static void the_end_of_a_step_answers_an_interrupt_without_a_byte(void **state)
{
	(void)state;
	struct fake_target *f = interrupt_a_step();
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	assert_int_equal(f->last_stop.pc, FAKE_CODE + 1);
	assert_int_equal(f->link.break_ins, 0);
	fake_end(f);
}

static void an_interrupted_step_has_not_met_the_breakpoint_instruction(void **state)
{
	(void)state;
	struct fake_target *f = interrupt_a_step();
	*fake_at(f, FAKE_CODE + 1) = 0xcc;
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARD_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, FAKE_CODE + 1);
	fake_end(f);
}

static bool hit_a_debug_register(struct fake_target *f, uint16_t api, uint8_t *data,
				 size_t length)
{
	(void)data;
	(void)length;
	f->dr6_hits = api == KD_CONTINUE2 && fake_count(f, KD_CONTINUE2) == 3;
	return false;
}

static void a_hit_of_a_debug_register_is_no_step(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	enum { DR7 = 69 };
	assert_int_equal(registers_set(f->t, 0, DR7, 0x402), KD_DONE);
	f->on_request = hit_a_debug_register;
	range(f, FAKE_CODE, FAKE_CODE + 10);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	assert_int_equal(f->last_stop.exception.code, KD_STATUS_SINGLE_STEP);
	assert_int_equal(f->last_stop.pc, FAKE_CODE + 3);
	fake_end(f);
}

/* Another processor meets a breakpoint instruction at the third step. */
static void meet_another(struct fake_target *f, bool trace)
{
	if (fake_count(f, KD_CONTINUE2) == 3) {
		fake_set_register(f, 1, FAKE_RIP, SITE);
		*fake_at(f, SITE) = CC;
		fake_exception(f, 1, KD_STATUS_BREAKPOINT);
	} else {
		fake_run(f, trace);
	}
}

static void another_processors_stop_ends_a_range_and_its_trap_flag_goes(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	f->on_resume = meet_another;
	range(f, FAKE_CODE, FAKE_CODE + 100);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARD_BREAKPOINT);
	assert_int_equal(f->last_stop.processor, 1);
	assert_true(fake_eflags(f, 0) & FAKE_TF);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 20);
	assert_false(fake_eflags(f, 0) & FAKE_TF);
	assert_int_equal(fake_pc(f, 1), SITE + 1);
	assert_int_equal(f->stops, 2);
	fake_end(f);
}

static void a_hard_breakpoint_is_passed_by_a_resume(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	*fake_at(f, SITE) = CC;
	*fake_at(f, SITE + 8) = CC;
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARD_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.pc, SITE + 8);
	fake_end(f);
}

static void a_step_over_a_hard_breakpoint_ends_right_behind_it(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	*fake_at(f, SITE) = CC;
	fake_go(f, TARGET_CONTINUE, 0);
	fake_forget_counts(f);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
	assert_int_equal(f->last_stop.pc, SITE + 1);
	uint64_t pc;
	assert_int_equal(registers_get(f->t, 0, RIP, &pc), KD_DONE);
	assert_int_equal(pc, SITE + 1);
	assert_int_equal(fake_count(f, KD_CONTINUE2), 0);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_stop.pc, SITE + 2);
	fake_end(f);
}

static void a_range_goes_on_behind_a_hard_breakpoint(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	*fake_at(f, SITE) = CC;
	fake_go(f, TARGET_CONTINUE, 0);
	range(f, SITE, SITE + 10);
	fake_spin_until(f, &f->stops, 3);
	assert_int_equal(f->last_stop.pc, SITE + 10);
	fake_end(f);
}

static void longer_breakpoint_instructions_are_passed_whole(void **state)
{
	(void)state;
	static const struct {
		uint8_t code[3];
		unsigned length;
	} cases[] = {
		{ { 0xcd, 0x03, NOP }, 2 },
		{ { 0xcd, 0x2d, NOP }, 2 },
		{ { 0xcd, 0x2d, CC }, 3 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_target *f = fake_start_stopped(1);
		f->on_resume = never_ends;
		memcpy(fake_at(f, SITE), cases[i].code, 3);
		fake_do_resume(f, TARGET_CONTINUE, 0);
		fake_set_register(f, 0, FAKE_RIP, SITE);
		fake_exception(f, 0, KD_STATUS_BREAKPOINT);
		fake_spin_until(f, &f->stops, 2);
		assert_int_equal(f->last_stop.kind, TARGET_STOP_HARD_BREAKPOINT);
		fake_do_resume(f, TARGET_CONTINUE, 0);
		assert_int_equal(fake_pc(f, 0), SITE + cases[i].length);
		fake_end(f);
	}
}

static void a_pc_that_the_user_moved_is_left_alone(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	*fake_at(f, SITE) = CC;
	*fake_at(f, SITE + 0x20) = CC;
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(registers_set(f->t, 0, RIP, SITE + 0x20), KD_DONE);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.pc, SITE + 0x20);
	fake_end(f);
}

static void a_load_stop_moves_by_itself(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	*fake_at(f, FAKE_CODE) = CC;
	fake_load(f, "\\SystemRoot\\x.sys", FAKE_BASE, 0x1000, false);
	fake_spin_until(f, &f->stops, 1);
	f->on_resume = never_ends;
	fake_forget_counts(f);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	assert_int_equal(fake_count(f, KD_SET_CONTEXT), 0);
	assert_int_equal(f->logged, 1);
	fake_end(f);
}

static void an_assertion_is_passed_when_it_is_handled(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_resume = never_ends;
	memcpy(fake_at(f, FAKE_CODE), "\xcd\x2c", 2);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_exception(f, 0, KD_STATUS_ASSERTION);
	fake_spin_until(f, &f->stops, 2);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	assert_int_equal(fake_pc(f, 0), FAKE_CODE + 2);
	fake_set_register(f, 0, FAKE_RIP, FAKE_CODE);
	fake_exception(f, 0, KD_STATUS_ASSERTION);
	fake_spin_until(f, &f->stops, 3);
	assert_int_equal(
		target_resume(f->t, &(struct target_resume){ .kind = TARGET_CONTINUE,
							     .not_handled = true }),
		KD_DONE);
	assert_int_equal(fake_pc(f, 0), FAKE_CODE);
	assert_int_equal(f->last_status, KD_DBG_NOT_HANDLED);
	fake_end(f);
}

static void an_exception_that_is_passed_on_takes_no_trap_flag_along(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	fake_go(f, TARGET_STEP, 0);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_STEP, 0);
	fake_exception(f, 0, 0xc0000005);
	fake_spin_until(f, &f->stops, 3);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	assert_int_equal(
		target_resume(f->t, &(struct target_resume){ .kind = TARGET_CONTINUE,
							     .not_handled = true }),
		KD_DONE);
	assert_false(fake_eflags(f, 0) & FAKE_TF);
	fake_end(f);
}

/* Processor 1 meets the breakpoint again and again, until the step came. */
static void meet_it_three_times(struct fake_target *f, bool trace)
{
	(void)trace;
	if (fake_count(f, KD_CONTINUE2) > 3) {
		fake_set_register(f, 0, FAKE_RIP, FAKE_CODE + 1);
		fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
		return;
	}
	assert_int_equal(*fake_at(f, SITE), CC);
	fake_set_register(f, 1, FAKE_RIP, SITE);
	fake_exception(f, 1, KD_STATUS_BREAKPOINT);
}

static void hits_of_others_wait_for_the_step_of_one_alone(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(breakpoint_insert(f->t, SITE), KD_DONE);
	f->on_resume = meet_it_three_times;
	assert_int_equal(target_resume(f->t, &(struct target_resume){ .kind = TARGET_STEP,
								      .alone = true }),
			 KD_DONE);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
	assert_int_equal(f->last_stop.processor, 0);
	fake_end(f);
}

/* ---- another processor ---- */

static void another_processor_makes_the_step(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(3);
	for (unsigned i = 1; i <= 3; i++) {
		fake_go(f, TARGET_STEP, 2);
		assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
		assert_int_equal(f->last_stop.processor, 2);
		assert_int_equal(f->last_stop.pc, FAKE_CODE + 0x200 + i);
	}
	assert_int_equal(fake_pc(f, 0), FAKE_CODE);
	assert_int_equal(fake_count(f, KD_SWITCH_PROCESSOR), 1);
	assert_int_equal(f->stops, 4);
	fake_end(f);
}

static void breakpoints_near_both_processors_are_planted_for_the_step(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(breakpoint_insert(f->t, FAKE_CODE + 4), KD_DONE);
	assert_int_equal(breakpoint_insert(f->t, FAKE_CODE + 0x100), KD_DONE);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_STEP, 1);
	fake_spin(f, 10);
	assert_int_equal(*fake_at(f, FAKE_CODE + 4), CC);
	/* the one that it steps from must not be hit */
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x100), NOP);
	fake_end(f);
}

static bool ignore_switch(struct fake_target *f, uint16_t api, uint8_t *data,
			  size_t length)
{
	(void)data;
	(void)length;
	if (api != KD_SWITCH_PROCESSOR)
		return false;
	fake_switch(f, 0); /* the same report again */
	return true;
}

static void a_processor_that_cannot_be_reached_is_refused(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	f->on_request = ignore_switch;
	assert_int_equal(target_resume(f->t, &(struct target_resume){ .kind = TARGET_STEP,
								      .processor = 1 }),
			 KD_REFUSED);
	assert_int_equal(target_state(f->t), TARGET_STOPPED);
	fake_spin(f, 20);
	assert_int_equal(f->stops, 1);
	assert_int_equal(target_resume(f->t, &(struct target_resume){ .kind = TARGET_STEP,
								      .processor = 2 }),
			 KD_REFUSED);
	fake_end(f);
}

/* ---- from within the event ---- */

static void resume_at_once(struct fake_target *f)
{
	fake_do_resume(f, TARGET_CONTINUE, 0);
}

static void a_stop_can_be_answered_where_it_is_told(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->on_stopped = resume_at_once;
	for (unsigned i = 0; i < 5; i++)
		*fake_at(f, FAKE_CODE + 0x10 * (i + 1)) = CC;
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 6);
	fake_spin(f, 10);
	assert_int_equal(f->stops, 6);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_end(f);
}

static void a_machine_without_a_map_can_be_resumed(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->machine = KD_MACHINE_ARM64;
	f->on_resume = never_ends;
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	uint64_t value;
	assert_int_equal(registers_get(f->t, 0, 0, &value), KD_REFUSED);
	assert_non_null(strstr(f->notice_text, "aa64"));
	fake_do_resume(f, TARGET_CONTINUE, 0);
	assert_int_equal(fake_count(f, KD_CONTINUE), 1);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_resume_costs_one_exchange),
		cmocka_unit_test(a_step_costs_one_exchange),
		cmocka_unit_test(a_range_costs_one_exchange_for_each_instruction),
		cmocka_unit_test(a_breakpoint_within_a_range_ends_it),
		cmocka_unit_test(a_range_leaves_its_breakpoints_planted_behind),
		cmocka_unit_test(a_hard_breakpoint_within_a_range_ends_it),
		cmocka_unit_test(a_range_without_end_is_interrupted_without_a_byte),
		cmocka_unit_test(a_step_that_never_ends_is_interrupted),
		cmocka_unit_test(the_end_of_a_step_answers_an_interrupt_without_a_byte),
		cmocka_unit_test(
			an_interrupted_step_has_not_met_the_breakpoint_instruction),
		cmocka_unit_test(a_hit_of_a_debug_register_is_no_step),
		cmocka_unit_test(
			another_processors_stop_ends_a_range_and_its_trap_flag_goes),
		cmocka_unit_test(a_hard_breakpoint_is_passed_by_a_resume),
		cmocka_unit_test(a_step_over_a_hard_breakpoint_ends_right_behind_it),
		cmocka_unit_test(a_range_goes_on_behind_a_hard_breakpoint),
		cmocka_unit_test(longer_breakpoint_instructions_are_passed_whole),
		cmocka_unit_test(a_pc_that_the_user_moved_is_left_alone),
		cmocka_unit_test(a_load_stop_moves_by_itself),
		cmocka_unit_test(an_assertion_is_passed_when_it_is_handled),
		cmocka_unit_test(an_exception_that_is_passed_on_takes_no_trap_flag_along),
		cmocka_unit_test(hits_of_others_wait_for_the_step_of_one_alone),
		cmocka_unit_test(another_processor_makes_the_step),
		cmocka_unit_test(
			breakpoints_near_both_processors_are_planted_for_the_step),
		cmocka_unit_test(a_processor_that_cannot_be_reached_is_refused),
		cmocka_unit_test(a_stop_can_be_answered_where_it_is_told),
		cmocka_unit_test(a_machine_without_a_map_can_be_resumed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
