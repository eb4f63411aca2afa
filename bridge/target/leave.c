#include "bridge/target/internal.h"

/* Nothing of ours stays in a kernel that nobody debugs any more. KD.md §8 "Leave". */

enum { DR7_OFF = 0x400, MANUALLY_INITIATED_CRASH = 0xe2 };

static enum kd_result stop_quietly(struct target *t)
{
	enum { PATIENCE_MS = 10000 };
	t->stop.quiet = true;
	target_break_in(t);
	enum kd_result result = target_wait_stopped(t, PATIENCE_MS);
	t->stop.quiet = false;
	return result;
}

/* A break-in on its way stops the target when nobody is there any more: it is awaited. */
static bool needs_a_stop(const struct target *t)
{
	return t->break_in.wanted || breakpoint_planted_count(t) > 0 ||
	       watchpoint_is_armed(t) || exception_flag_is_ours(t) ||
	       t->plan.kind != PLAN_CONTINUE;
}

/*
 * An exception that the user was looking at is Windows' own to handle: resumed as
 * handled it would only happen again.
 */
static bool passes_on(const struct target_stop *stop)
{
	return stop->kind == TARGET_STOP_EXCEPTION &&
	       stop->exception.code != KD_STATUS_SINGLE_STEP &&
	       stop->exception.code != KD_STATUS_WAKE_DEBUGGER;
}

static enum kd_result run_for_good(struct target *t)
{
	bool not_handled = passes_on(&t->stop.stop);
	bool passed;
	enum kd_result result = step_prepare(t, not_handled, &passed);
	if (result == KD_DONE)
		result = registers_write_back(t);
	if (result != KD_DONE)
		return result;
	t->plan = (struct plan){ .kind = PLAN_CONTINUE };
	break_in_on_resume(t);
	return step_resume(t, false, not_handled ? KD_DBG_NOT_HANDLED : KD_DBG_CONTINUE,
			   DR7_OFF);
}

enum kd_result target_leave(struct target *t, bool run)
{
	if (exchange_busy(t))
		return KD_REFUSED;
	address_space_drop(t);
	breakpoint_want_none(t);
	watchpoint_want_none(t);
	if (t->asked.prompt)
		(void)target_answer_prompt(t, "", 0);
	if (t->life == LIFE_WAITING)
		return KD_DONE;
	if (t->life != LIFE_STOPPED) {
		if (!needs_a_stop(t))
			return KD_DONE;
		enum kd_result stopped = stop_quietly(t);
		if (stopped != KD_DONE)
			return stopped;
		run = true;
	}
	enum kd_result result = breakpoint_sync(t, NULL);
	if (result == KD_DONE)
		result = watchpoint_restore(t);
	if (result == KD_DONE)
		result = exception_restore(t);
	return result == KD_DONE && run ? run_for_good(t) : result;
}

/* Nothing is taken out: the target is to stop once more, at its bugcheck. */
enum kd_result target_crash(struct target *t)
{
	if (t->life != LIFE_STOPPED)
		return KD_GONE;
	struct kd_request request = { .api = KD_CAUSE_BUGCHECK,
				      .processor = t->stop.change.processor,
				      .u.bugcheck_code = MANUALLY_INITIATED_CRASH };
	enum kd_result result = registers_write_back(t);
	if (result != KD_DONE)
		return result;
	t->plan = (struct plan){ .kind = PLAN_CONTINUE };
	break_in_on_crash(t);
	return exchange_send(t, &request);
}

enum kd_result target_reboot(struct target *t)
{
	if (t->life != LIFE_STOPPED)
		return KD_GONE;
	struct kd_request request = { .api = KD_REBOOT,
				      .processor = t->stop.change.processor };
	enum kd_result result = exchange_send(t, &request);
	if (result == KD_DONE) {
		breakpoint_clear(t);
		watchpoint_clear(t);
		exception_forget_flag(t);
	}
	return result;
}
