#include <string.h>

#include "bridge/target/internal.h"

/*
 * Letting the target run: continue, step, step through a range, and what must happen
 * before it may. KD.md §3 "Continue", "Breakpoint instructions", "Stepping another
 * processor".
 *
 * A range goes on from report to report, in on_work and without a wait, one exchange for
 * an instruction; anything but its own step ends it.
 */

/* ---- one resume ---- */

static struct kd_request resume_request(struct target *t, bool trace, uint32_t status,
					uint64_t dr7)
{
	/* a machine without a map has 3136 at least */
	if (!registers_known_machine(t))
		return (struct kd_request){ .api = KD_CONTINUE,
					    .processor = t->stop.change.processor,
					    .u.resume.status = KD_DBG_CONTINUE };
	return (struct kd_request){
		.api = KD_CONTINUE2,
		.processor = t->stop.change.processor,
		.u.resume = { .status = status,
			      .trace = trace,
			      .dr7 = dr7,
			      /* no range of KD's own: it steps one instruction */
			      .symbol_start = 1,
			      .symbol_end = 1 },
	};
}

enum kd_result step_resume(struct target *t, bool trace, uint32_t status, uint64_t dr7)
{
	struct kd_request request = resume_request(t, trace, status, dr7);
	return exchange_send(t, &request);
}

enum kd_result step_resume_at_once(struct target *t, bool trace)
{
	/* the report may be the first one that counts a new processor */
	enum kd_result result = watchpoint_is_broken(t) ? KD_DONE : watchpoint_sync(t);
	if (result != KD_DONE)
		return result;
	struct kd_request request = resume_request(t, trace, KD_DBG_CONTINUE,
						   watchpoint_arm(t, t->plan.skip.slots));
	return exchange_post(t, &request);
}

/* ---- before a resume ---- */

static bool pc_of(struct target *t, unsigned processor, uint64_t *pc)
{
	if (processor == t->stop.stop.processor &&
	    (processor >= t->registers.count || !t->registers.processors[processor] ||
	     !t->registers.processors[processor]->context_known)) {
		*pc = t->stop.stop.pc; /* nobody can have changed it */
		return true;
	}
	return registers_get(t, processor, t->arch->pc, pc) == KD_DONE;
}

static bool stops_on_instruction(const struct target_stop *stop, bool not_handled)
{
	switch (stop->kind) {
	case TARGET_STOP_HARD_BREAKPOINT:
	case TARGET_STOP_BUGCHECK:
	case TARGET_STOP_BREAKPOINT:
		return true;
	case TARGET_STOP_BREAK_IN: /* a step that ended in front of one has not met it */
		return stop->exception.code == KD_STATUS_BREAKPOINT;
	case TARGET_STOP_EXCEPTION: /* `int 2c`: one that is passed on is the handler's */
		return stop->exception.code == KD_STATUS_ASSERTION && !not_handled;
	default:
		return false;
	}
}

/*
 * A breakpoint instruction in the code itself would hit again for ever. In a load or
 * command stop, PC on the one behind `int 2d`, the kernel moves by itself.
 */
static enum kd_result pass_hard_breakpoint(struct target *t, bool not_handled,
					   bool *passed)
{
	*passed = false;
	const struct target_stop *stop = &t->stop.stop;
	uint64_t pc;
	if (!stops_on_instruction(stop, not_handled) || !pc_of(t, stop->processor, &pc) ||
	    pc != stop->pc)
		return KD_DONE;
	size_t length = stop_hard_breakpoint(t);
	if (length == 0)
		return KD_DONE;
	enum kd_result result = registers_show_pc(t, stop->processor, pc + length);
	*passed = result == KD_DONE;
	return result;
}

/*
 * The step that another processor's event cut short may have been made already, and wait
 * for its turn to be told: then it comes next, and is nobody's any more.
 */
static void expect_late_step(struct target *t, unsigned processor)
{
	enum { LATE_US = 2000000 };
	t->late_steps[processor] = kdnet_udp_now_us() + LATE_US;
}

bool step_take_late(struct target *t)
{
	uint64_t *until_us = &t->late_steps[t->stop.change.processor];
	if (!stop_is_step_of(t, t->stop.change.processor) ||
	    kdnet_udp_now_us() >= *until_us)
		return false;
	*until_us = 0;
	return true;
}

/* A trap flag that nobody's step will clear: KD.md §3 at "TF may be left set". */
static enum kd_result clear_trap_flags(struct target *t, bool not_handled)
{
	enum { EFLAGS_TF = 0x100 };
	enum kd_result result = KD_DONE;
	if (!registers_known_machine(t))
		return KD_DONE;
	if (t->plan.trap_flag_left) {
		t->plan.trap_flag_left = false;
		expect_late_step(t, t->plan.trap_flag_processor);
		result = registers_clear_trap_flag(t, t->plan.trap_flag_processor);
	}
	/* an exception that is passed on keeps it, any other resume clears it */
	if (result == KD_DONE && not_handled && t->stop.change.report.eflags & EFLAGS_TF)
		result = registers_clear_trap_flag(t, t->stop.change.processor);
	return result == KD_REFUSED ? KD_DONE : result;
}

/* Ours under a PC that runs or steps from there would hit again without progress. */
static void skip_breakpoint_at_pc(struct target *t, unsigned processor,
				  struct breakpoint_skip *skip)
{
	uint64_t pc;
	if (!pc_of(t, processor, &pc))
		return;
	/* put there by the user, who wants it to hit */
	if (processor == t->stop.stop.processor && pc != t->stop.stop.pc)
		return;
	if (breakpoint_wanted(t, pc))
		skip->address[skip->count++] = pc;
	skip->slots |= watchpoint_at_pc(t, pc);
}

/* ---- another processor than the one that reported ---- */

static enum kd_result switch_processor(struct target *t, unsigned processor)
{
	struct kd_request request = { .api = KD_SWITCH_PROCESSOR,
				      .processor = (uint16_t)processor };
	t->stop.report_expected = true;
	enum kd_result result = exchange_send(t, &request);
	if (result == KD_DONE)
		result = exchange_wait_report(t);
	t->stop.report_expected = false;
	if (result != KD_DONE)
		return result;
	(void)stop_take_report(t);
	return t->stop.change.processor == processor ? KD_DONE : KD_REFUSED;
}

/*
 * N gets its trap flag, and the processor that reported first reports again, as nobody
 * has run yet: the resume of that one lets all go. Any other report is news, and *news
 * says so: it is looked at as any stop.
 */
static enum kd_result trace_other(struct target *t, unsigned owner, bool *news)
{
	enum kd_result result = switch_processor(t, t->plan.processor);
	if (result == KD_DONE)
		result = step_resume(t, true, KD_DBG_CONTINUE,
				     watchpoint_arm(t, t->plan.skip.slots));
	if (result == KD_DONE)
		result = exchange_wait_report(t);
	if (result != KD_DONE)
		return result;
	*news = !stop_pending_is_repetition(t, owner);
	if (!*news)
		(void)stop_take_report(t);
	return KD_DONE;
}

static enum kd_result step_other(struct target *t, const struct breakpoint_skip *skip)
{
	bool news = false;
	enum kd_result result = registers_write_back(t);
	if (result == KD_DONE)
		result = trace_other(t, t->stop.change.processor, &news);
	if (news)
		return result;
	/* the reports in between deleted some once more */
	if (result == KD_DONE)
		result = breakpoint_sync(t, skip);
	if (result == KD_DONE)
		result = step_resume(t, false, KD_DBG_CONTINUE,
				     watchpoint_arm(t, skip->slots));
	/* no step, and nothing ran: it is still the same stop */
	if (result != KD_DONE && target_asks(t))
		target_become(t, LIFE_STOPPED);
	return result;
}

/* ---- what the front end asks for ---- */

static struct plan plan_of(const struct target *t, const struct target_resume *resume,
			   bool off)
{
	static const enum plan_kind kinds[] = {
		[TARGET_CONTINUE] = PLAN_CONTINUE,
		[TARGET_STEP] = PLAN_STEP,
		[TARGET_RANGE_STEP] = PLAN_RANGE,
	};
	struct plan plan = { .kind = kinds[resume->kind],
			     .processor = resume->processor,
			     .start = resume->start,
			     .end = resume->end,
			     .alone = resume->alone };
	if (resume->kind == TARGET_CONTINUE)
		plan.processor = t->stop.stop.processor;
	if (plan.kind == PLAN_CONTINUE && off)
		plan.kind = PLAN_OFF;
	return plan;
}

enum kd_result step_prepare(struct target *t, bool not_handled, bool *passed)
{
	enum kd_result result = clear_trap_flags(t, not_handled);
	if (result == KD_DONE)
		result = pass_hard_breakpoint(t, not_handled, passed);
	return result == KD_REFUSED ? KD_DONE : result;
}

static enum kd_result resume_reporter(struct target *t, uint32_t status,
				      const struct breakpoint_skip *skip)
{
	enum kd_result result = breakpoint_sync(t, skip);
	uint64_t dr7 = watchpoint_arm(t, skip->slots);
	if (result == KD_DONE && status == KD_DBG_NOT_HANDLED)
		result = watchpoint_pass_on(t, dr7);
	if (result == KD_DONE)
		result = registers_write_back(t);
	if (result == KD_DONE)
		result = step_resume(t, t->plan.kind != PLAN_CONTINUE, status, dr7);
	return result;
}

static bool in_range(const struct plan *plan, uint64_t pc)
{
	return pc >= plan->start && pc < plan->end;
}

/* The step over a breakpoint instruction is made by moving PC: nothing has to run. */
static bool is_stepped_already(struct target *t)
{
	uint64_t pc;
	return (t->plan.kind == PLAN_STEP || t->plan.kind == PLAN_RANGE) &&
	       pc_of(t, t->plan.processor, &pc) && !in_range(&t->plan, pc);
}

enum kd_result target_resume(struct target *t, const struct target_resume *resume)
{
	if (t->life != LIFE_STOPPED)
		return KD_GONE;
	if (exchange_busy(t) ||
	    (resume->kind != TARGET_CONTINUE && resume->processor >= processors_count(t)))
		return KD_REFUSED;
	address_space_drop(t); /* the code at PC is the processor's own */
	bool passed = false;
	enum kd_result result = step_prepare(t, resume->not_handled, &passed);
	if (result == KD_DONE)
		result = watchpoint_sync(t);
	if (result != KD_DONE)
		return result;

	struct breakpoint_skip skip = { .count = 0 };
	unsigned owner = t->stop.stop.processor;
	/* one that is passed on goes to its handler, not to the instruction at PC */
	if (!resume->not_handled)
		skip_breakpoint_at_pc(t, owner, &skip);
	t->plan = plan_of(t, resume, skip.count > 0 || skip.slots != 0);
	break_in_on_resume(t);
	if (t->plan.processor != owner)
		skip_breakpoint_at_pc(t, t->plan.processor, &skip);
	t->plan.skip = skip;
	if (t->plan.processor != owner)
		return step_other(t, &skip);
	if (passed && is_stepped_already(t)) {
		stop_step_made(t);
		return KD_DONE;
	}
	return resume_reporter(
		t, resume->not_handled ? KD_DBG_NOT_HANDLED : KD_DBG_CONTINUE, &skip);
}

/* ---- the next report ---- */

static bool range_goes_on(struct target *t)
{
	uint64_t pc = t->stop.change.program_counter;
	if (!in_range(&t->plan, pc) || breakpoint_wanted(t, pc) ||
	    watchpoint_at_pc(t, pc) != 0)
		return false;
	t->plan.skip.slots = 0;
	return breakpoint_sync_away_from(t, pc) == KD_DONE &&
	       step_resume_at_once(t, true) == KD_DONE;
}

static bool continue_goes_on(struct target *t)
{
	if (breakpoint_sync(t, NULL) != KD_DONE)
		return false;
	t->plan.kind = PLAN_CONTINUE;
	t->plan.skip = (struct breakpoint_skip){ 0 };
	return step_resume_at_once(t, false) == KD_DONE;
}

/*
 * Another processor's hit while one is stepped alone: gdb 13 fails an assertion when its
 * step off a breakpoint ends with another thread's event. Planted again, it hits again
 * at once, without progress, until the step came first.
 */
static bool is_put_off(struct target *t)
{
	enum { PUT_OFF_MAX = 100 };
	return t->plan.kind == PLAN_STEP && t->plan.alone &&
	       (t->stop.hit_planted || watchpoint_hit_execute(t)) &&
	       t->stop.change.processor != t->plan.processor && !t->break_in.wanted &&
	       t->plan.put_off++ < PUT_OFF_MAX;
}

static bool put_off(struct target *t)
{
	return breakpoint_sync(t, &t->plan.skip) == KD_DONE &&
	       step_resume_at_once(t, false) == KD_DONE;
}

bool step_goes_on(struct target *t)
{
	if (is_put_off(t))
		return put_off(t);
	if ((t->plan.kind != PLAN_RANGE && t->plan.kind != PLAN_OFF) ||
	    t->break_in.wanted || !stop_is_step_of(t, t->plan.processor))
		return false;
	return t->plan.kind == PLAN_RANGE ? range_goes_on(t) : continue_goes_on(t);
}

/* An interrupt saved the trap flag with the rest, where no resume clears it. */
static bool is_cut_short_by_interrupt(const struct target *t)
{
	enum { EFLAGS_TF = 0x100 };
	return t->plan.kind != PLAN_CONTINUE && t->stop.stop.kind != TARGET_STOP_STEP &&
	       t->plan.processor == t->stop.stop.processor &&
	       !stop_is_step_of(t, t->plan.processor) &&
	       !(t->stop.change.report.eflags & EFLAGS_TF);
}

void step_on_stop(struct target *t)
{
	if (is_cut_short_by_interrupt(t))
		t->late_steps[t->plan.processor] = UINT64_MAX;
	/* another processor's event cut the step short; on its own the resume clears TF */
	if (t->plan.kind != PLAN_CONTINUE &&
	    t->plan.processor != t->stop.stop.processor) {
		t->plan.trap_flag_left = true;
		t->plan.trap_flag_processor = t->plan.processor;
	}
	t->plan.kind = PLAN_CONTINUE;
	t->plan.skip = (struct breakpoint_skip){ 0 };
}

void step_swallow(struct target *t)
{
	enum kd_result result = KD_DONE;
	bool passed;
	if (!t->stop.hit_planted)
		result = pass_hard_breakpoint(t, false, &passed);
	/* the step that it interrupted still starts at one that must not be hit */
	if (result == KD_DONE)
		result = breakpoint_sync(t, &t->plan.skip);
	if (result == KD_DONE)
		result = registers_write_back(t);
	if (result == KD_DONE)
		(void)step_resume_at_once(t, false);
}

bool step_pass_on(struct target *t)
{
	struct breakpoint_skip none = { 0 };
	bool passed;
	if (step_prepare(t, true, &passed) != KD_DONE || watchpoint_sync(t) != KD_DONE)
		return false;
	t->plan.kind = PLAN_CONTINUE;
	t->plan.skip = none;
	return resume_reporter(t, KD_DBG_NOT_HANDLED, &none) == KD_DONE;
}
