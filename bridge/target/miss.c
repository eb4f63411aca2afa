#include "bridge/target/internal.h"

/*
 * Hits that the front end does not want to stop at: conditions that do not hold. There may
 * be very many, so none becomes a stop, and each costs what it must and no more:
 *
 *                          what the front end reads   trace   plant   resume
 *   software breakpoint            0 …                  1       1       1
 *   hardware breakpoint            0 …                  1       -       1
 *
 * KD deletes its own breakpoint at the PC with the report itself, and with the report of
 * the step it can be planted again. To do the instruction's work here would not save a
 * request (a context to write in place of the trace), and most functions begin with one
 * that writes memory or flags. Between the trace and the plant other processors can pass
 * the breakpoint unseen, as at any resume off one. KD.md §2, §3 "Continue".
 */

static bool is_breakpoint(const struct target_stop *stop)
{
	return stop->kind == TARGET_STOP_BREAKPOINT ||
	       stop->kind == TARGET_STOP_HARDWARE_BREAKPOINT;
}

/* A step's own processor that hits one before its step ended, in an interrupt: the front
 * end knows better what becomes of its step. */
static bool is_of_step(const struct target *t)
{
	return t->plan.kind != PLAN_CONTINUE && t->plan.kind != PLAN_OFF &&
	       t->stop.change.processor == t->plan.processor;
}

/*
 * While another processor makes a step, its report is what plants anew: until then this
 * one needs no step of its own.
 */
static bool go_on(struct target *t)
{
	uint64_t pc = t->stop.stop.pc;
	unsigned processor = t->stop.change.processor;
	bool other_steps =
		t->plan.kind != PLAN_CONTINUE && t->plan.processor != processor;
	enum kd_result result = breakpoint_lift(t, pc);
	if (result == KD_DONE)
		result = registers_write_back(t);
	/* in an interrupt: its frame has the trap flag of the step that it came before */
	if (t->plan.kind == PLAN_OFF && !other_steps)
		t->late_steps[processor] = UINT64_MAX;
	if (!other_steps)
		t->plan = (struct plan){ .kind = PLAN_OFF,
					 .processor = processor,
					 .skip = { .address = { pc }, .count = 1 } };
	t->plan.skip.slots |= watchpoint_at_pc(t, pc);
	return result == KD_DONE && step_resume_at_once(t, !other_steps) == KD_DONE;
}

bool miss_goes_on(struct target *t)
{
	struct target_stop *stop = &t->stop.stop;
	if (!is_breakpoint(stop) || is_of_step(t) || !t->events->missed ||
	    !t->events->missed(t->context, stop))
		return false;
	/* whoever wants the target to stop is given this stop: there may be no end of them */
	if (t->break_in.wanted)
		stop->kind = TARGET_STOP_BREAK_IN;
	return !t->break_in.wanted && go_on(t);
}
