/* Hits that the front end does not want: what they cost, and what ends them. */
#include "test/util.h"

#include "test/unit/bridge/fake_target.h"

#define SITE  (FAKE_CODE + 0x40)
#define SITES 8

static unsigned misses_left, misses;
static bool reads_rcx;

/* Not this time, as long as some are left. */
static bool miss_some(struct fake_target *f, const struct target_stop *stop)
{
	uint64_t value;
	misses++;
	if (reads_rcx)
		assert_int_equal(registers_get(f->t, stop->processor, 2, &value),
				 KD_DONE);
	if (misses_left == 0)
		return false;
	misses_left--;
	return true;
}

static struct fake_target *start(unsigned cpus, unsigned count)
{
	struct fake_target *f = fake_start_stopped(cpus);
	f->on_missed = miss_some;
	misses_left = count;
	misses = 0;
	reads_rcx = false;
	return f;
}

static void insert(struct fake_target *f, uint64_t address)
{
	assert_int_equal(breakpoint_insert(f->t, address), KD_DONE);
}

static void a_miss_is_not_told_and_the_target_goes_on(void **state)
{
	(void)state;
	struct fake_target *f = start(1, 1);
	insert(f, SITE);
	insert(f, SITE + 0x40);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->stops, 2);
	assert_int_equal(misses, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE + 0x40);
	assert_int_equal(*fake_at(f, SITE), 0xcc); /* planted again */
	fake_end(f);
}

static void a_miss_costs_trace_plant_and_resume(void **state)
{
	(void)state;
	struct fake_target *f = start(1, SITES);
	for (unsigned i = 0; i <= SITES; i++)
		insert(f, SITE + i * 0x20);
	fake_forget_counts(f);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(misses, SITES + 1);
	/* before the first one: all are planted, and the target resumed */
	assert_int_equal(fake_count(f, KD_WRITE_BREAKPOINT), SITES + 1 + SITES);
	assert_int_equal(fake_count(f, KD_CONTINUE2), 1 + 2 * SITES);
	assert_int_equal(f->logged, 2 + 4 * SITES - 1 + 1);
	fake_end(f);
}

static void what_the_front_end_reads_is_read_once(void **state)
{
	(void)state;
	struct fake_target *f = start(1, 1);
	reads_rcx = true;
	insert(f, SITE);
	insert(f, SITE + 0x40);
	fake_forget_counts(f);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(fake_count(f, KD_GET_CONTEXT), 2);
	assert_int_equal(fake_count(f, KD_SET_CONTEXT), 0);
	fake_end(f);
}

static void an_opcode_of_ours_is_lifted_for_the_step(void **state)
{
	(void)state;
	struct fake_target *f = start(1, 1);
	f->breakpoint_limit = 0;
	insert(f, SITE);
	insert(f, SITE + 0x40);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.pc, SITE + 0x40);
	assert_int_equal(*fake_at(f, SITE), 0xcc);
	fake_end(f);
}

/* The boot debugger's report: PC behind the instruction, KD's breakpoint still there. */
static void hit_from_behind(struct fake_target *f, bool trace)
{
	if (trace) {
		assert_int_equal(fake_pc(f, 0), SITE);
		assert_int_equal(*fake_at(f, SITE), 0x90);
		f->on_resume = NULL;
		fake_run(f, trace);
		return;
	}
	fake_set_register(f, 0, FAKE_RIP, SITE + 1);
	fake_prepare_exception(f, KD_STATUS_BREAKPOINT, SITE);
	fake_report_state(f, 0, KD_STATE_EXCEPTION, SITE + 1);
}

static void a_miss_in_the_boot_debugger_starts_on_the_instruction(void **state)
{
	(void)state;
	struct fake_target *f = start(1, 1);
	insert(f, SITE);
	insert(f, SITE + 0x40);
	f->on_resume = hit_from_behind;
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.pc, SITE + 0x40);
	assert_int_equal(*fake_at(f, SITE), 0xcc);
	fake_end(f);
}

/* A loop of one instruction: the processor comes back for ever. */
static void run_in_circles(struct fake_target *f, bool trace)
{
	if (trace) {
		fake_run(f, trace);
		return;
	}
	fake_set_register(f, 0, FAKE_RIP, SITE);
	fake_exception(f, 0, KD_STATUS_BREAKPOINT);
}

static void storm(struct fake_target *f, unsigned count)
{
	for (int tries = 0; misses < count && tries < 500; tries++)
		fake_spin(f, 2);
	assert_true(misses >= count);
}

static void wait_for_byte(struct fake_target *f, bool trace)
{
	(void)f;
	(void)trace;
}

/* The byte that was sent in a storm, as the target comes to it after the resume. */
static void serve_the_byte(struct fake_target *f, bool trace)
{
	if (trace) {
		fake_run(f, trace);
		return;
	}
	f->on_resume = NULL;
	fake_break_with_status(f, 1);
}

static void a_break_in_ends_a_storm_and_its_byte_is_swallowed(void **state)
{
	(void)state;
	struct fake_target *f = start(1, 1000000);
	f->on_resume = wait_for_byte;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	target_break_in(f->t); /* where break-ins stop is learnt */
	fake_spin_until(f, &f->stops, 2);
	insert(f, SITE);
	f->on_resume = run_in_circles;
	f->ignores_break_in = true;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	storm(f, 20);
	target_break_in(f->t);
	fake_spin_until(f, &f->stops, 3);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	assert_true(f->last_stop.pc == SITE || f->last_stop.pc == SITE + 1);
	assert_int_equal(breakpoint_remove(f->t, SITE), KD_DONE);
	f->on_resume = serve_the_byte;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 20);
	assert_null(f->on_resume);
	assert_int_equal(f->stops, 3);
	assert_false(f->stopped);
	fake_end(f);
}

static void leaving_ends_a_storm(void **state)
{
	(void)state;
	struct fake_target *f = start(1, 1000000);
	insert(f, SITE);
	f->on_resume = run_in_circles;
	f->ignores_break_in = true;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	storm(f, 5);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_int_equal(*fake_at(f, SITE), 0x90);
	assert_false(f->stopped && f->on_resume == NULL);
	assert_int_equal(f->stops, 1);
	fake_end(f);
}

static unsigned steps_made;

/* Processor 1 comes to its own while 0 makes its step off another. */
static void other_hits_during_step(struct fake_target *f, bool trace)
{
	if (!trace) {
		steps_made += f->current == 1;
		f->on_resume = NULL;
		fake_run(f, false);
		return;
	}
	assert_int_equal(f->current, 0);
	fake_set_register(f, 1, FAKE_RIP, SITE + 0x100);
	fake_exception(f, 1, KD_STATUS_BREAKPOINT);
}

static void first_hit(struct fake_target *f, bool trace)
{
	f->on_resume = other_hits_during_step;
	fake_run(f, trace);
}

static void a_miss_in_anothers_step_waits_for_no_step_of_its_own(void **state)
{
	(void)state;
	struct fake_target *f = start(2, 2);
	steps_made = 0;
	insert(f, SITE);
	insert(f, SITE + 0x40);
	insert(f, SITE + 0x100);
	f->on_resume = first_hit;
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(steps_made, 1);
	/* processor 0 made its step, and both were planted before the other one got on */
	assert_int_equal(fake_pc(f, 0), SITE + 1);
	assert_int_equal(*fake_at(f, SITE), 0xcc);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE + 0x100);
	fake_end(f);
}

/* Processor 0 made its step while 1 reported, and has waited for its turn. */
static void tell_late_step(struct fake_target *f, bool trace)
{
	(void)trace;
	fake_set_tf(f, 0, false);
	fake_set_register(f, 0, FAKE_RIP, SITE + 1);
	f->on_resume = NULL;
	fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
}

static void a_step_that_anothers_hit_overtook_is_not_told_later(void **state)
{
	(void)state;
	struct fake_target *f = start(2, 1);
	insert(f, SITE);
	insert(f, SITE + 0x40);
	insert(f, SITE + 0x100);
	f->on_resume = first_hit;
	fake_go(f, TARGET_CONTINUE, 0); /* processor 0 misses, 1 hits during its step */
	assert_int_equal(f->last_stop.processor, 1);
	assert_int_equal(breakpoint_remove(f->t, SITE + 0x100), KD_DONE);
	f->on_resume = tell_late_step;
	fake_go(f, TARGET_CONTINUE, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE + 0x40);
	/* the next of its kind is news */
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 20);
	fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
	fake_spin_until(f, &f->stops, 4);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	fake_end(f);
}

static void a_step_that_hits_one_is_the_front_ends(void **state)
{
	(void)state;
	struct fake_target *f = start(1, 1);
	insert(f, FAKE_CODE + 1);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
	assert_int_equal(misses, 0);
	fake_end(f);
}

static void hit_hardware(struct fake_target *f, bool trace)
{
	if (trace) {
		assert_int_equal(f->last_dr7 & 0xff, 0); /* or it hits again */
		f->dr6_hits = 0;
		f->on_resume = NULL;
		fake_run(f, trace);
		return;
	}
	assert_int_equal(f->last_dr7 & 3, 2);
	fake_set_register(f, 0, FAKE_RIP, SITE);
	f->dr6_hits = 1;
	fake_exception(f, 0, KD_STATUS_SINGLE_STEP);
}

static void a_hardware_breakpoint_misses_without_a_plant(void **state)
{
	(void)state;
	struct fake_target *f = start(1, 1);
	assert_int_equal(watchpoint_insert(f->t, WATCHPOINT_EXECUTE, SITE, 1), KD_DONE);
	insert(f, SITE + 0x40);
	f->on_resume = hit_hardware;
	fake_forget_counts(f);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(misses, 2);
	assert_int_equal(f->last_stop.pc, SITE + 0x40);
	assert_int_equal(f->last_dr7 & 3, 2); /* on again */
	assert_int_equal(fake_count(f, KD_CONTINUE2), 3);
	assert_int_equal(fake_count(f, KD_WRITE_BREAKPOINT), 1);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_miss_is_not_told_and_the_target_goes_on),
		cmocka_unit_test(a_miss_costs_trace_plant_and_resume),
		cmocka_unit_test(what_the_front_end_reads_is_read_once),
		cmocka_unit_test(an_opcode_of_ours_is_lifted_for_the_step),
		cmocka_unit_test(a_miss_in_the_boot_debugger_starts_on_the_instruction),
		cmocka_unit_test(a_break_in_ends_a_storm_and_its_byte_is_swallowed),
		cmocka_unit_test(leaving_ends_a_storm),
		cmocka_unit_test(a_miss_in_anothers_step_waits_for_no_step_of_its_own),
		cmocka_unit_test(a_step_that_anothers_hit_overtook_is_not_told_later),
		cmocka_unit_test(a_step_that_hits_one_is_the_front_ends),
		cmocka_unit_test(a_hardware_breakpoint_misses_without_a_plant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
