#include <string.h>

#include "bridge/target/internal.h"

/*
 * Stopping a running target: a byte, then RESET, then a byte … every 500 ms until it
 * stops (KDNET.md §5 "Attaching"); and the stops that such bytes cause too late
 * (KD.md trap 7).
 */

enum {
	REPEAT_MS = 500,
	/* A step, or the next one of a range, ends it without a byte. */
	STEP_PATIENCE_MS = 500,
	STALE_US = 2000000,
	STALE_QUIET_US = 100000,
	DUMP_US = 20000000,
};

static void arm(struct target *t, double seconds)
{
	ev_now_update(t->loop);
	ev_timer_stop(t->loop, &t->break_in.timer);
	ev_timer_set(&t->break_in.timer, seconds, 0.);
	ev_timer_start(t->loop, &t->break_in.timer);
}

static void send_next(struct target *t)
{
	struct break_in_state *b = &t->break_in;
	uint64_t now_us = kdnet_udp_now_us();
	if (now_us < b->not_before_us) {
		arm(t, (double)(b->not_before_us - now_us) / 1e6);
		return;
	}
	if (b->reset_next) {
		kdnet_reset(t->kdnet, now_us);
	} else {
		kdnet_break_in(t->kdnet);
		b->unanswered++;
	}
	b->reset_next = !b->reset_next;
	target_flush(t);
	arm(t, REPEAT_MS / 1e3);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct target *t = watcher->data;
	/* no byte for a target that has stopped already, nor a RESET in an exchange */
	if (!t->break_in.wanted || t->life == LIFE_WAITING)
		return;
	if (t->life == LIFE_RUNNING && !t->stop.pending && !exchange_busy(t))
		send_next(t);
	else
		arm(t, REPEAT_MS / 1e3);
}

void target_break_in(struct target *t)
{
	struct break_in_state *b = &t->break_in;
	if (t->life == LIFE_WAITING || t->life == LIFE_STOPPED || b->wanted)
		return;
	b->wanted = true;
	b->reset_next = false;
	if (t->plan.kind == PLAN_RANGE || t->plan.kind == PLAN_STEP)
		arm(t, STEP_PATIENCE_MS / 1e3);
	else if (t->life == LIFE_RUNNING && !t->stop.pending)
		send_next(t);
	else
		arm(t, REPEAT_MS / 1e3);
}

void break_in_init(struct target *t)
{
	ev_timer_init(&t->break_in.timer, on_timer, 0., 0.);
	t->break_in.timer.data = t;
}

void break_in_stop_timer(struct target *t)
{
	ev_timer_stop(t->loop, &t->break_in.timer);
}

void break_in_forget(struct target *t)
{
	break_in_stop_timer(t);
	t->break_in.wanted = false;
	t->break_in.stale_until_us = 0;
	t->break_in.unanswered = 0;
	t->break_in.stale_left = 0;
	t->break_in.not_before_us = 0;
	t->break_in.addresses_count = 0;
}

/* ---- which stop answers, and which is stale ---- */

/*
 * A load event in between answers nothing: the front end resumes it by itself, and the
 * byte that is on its way stops the target then.
 */
static bool answers(enum target_stop_kind kind)
{
	return kind != TARGET_STOP_LOAD && kind != TARGET_STOP_COMMAND;
}

/* Not a step, or a breakpoint of ours, that came first: then the byte is on its way. */
static bool is_by_byte(const struct target *t)
{
	const struct stop_state *s = &t->stop;
	return s->stop.kind == TARGET_STOP_BREAK_IN && !s->hit_planted &&
	       !breakpoint_wanted(t, s->stop.pc) &&
	       s->stop.exception.code == KD_STATUS_BREAKPOINT;
}

void break_in_on_stop(struct target *t)
{
	struct break_in_state *b = &t->break_in;
	if (kdnet_udp_now_us() >= b->stale_until_us)
		b->stale_left = 0;
	b->stale_until_us = 0;
	if (!answers(t->stop.stop.kind))
		return;
	/* an older one may have come first: then the newer is on its way */
	if (is_by_byte(t) && b->unanswered > 0)
		b->unanswered--;
	else if (is_by_byte(t) && b->stale_left > 0)
		b->stale_left--;
	b->wanted = false;
	break_in_stop_timer(t);
}

void break_in_on_resume(struct target *t)
{
	struct break_in_state *b = &t->break_in;
	uint64_t now_us = kdnet_udp_now_us();
	if (t->stop.stop.kind == TARGET_STOP_BUGCHECK)
		b->not_before_us = now_us + DUMP_US;
	/* resumed by the user, later: that the target stops is not wished any more */
	if (b->wanted && !t->stop.delivering) {
		b->wanted = false;
		break_in_stop_timer(t);
	}
	if (b->wanted)
		return;
	b->stale_left += b->unanswered;
	b->unanswered = 0;
	b->left_pc = t->stop.stop.pc;
	b->stale_until_us = now_us + STALE_US;
	b->stale_quiet_us = now_us + STALE_QUIET_US;
}

void break_in_on_crash(struct target *t)
{
	break_in_on_resume(t);
	t->break_in.not_before_us = kdnet_udp_now_us() + DUMP_US;
}

void break_in_learn(struct target *t, uint64_t pc)
{
	struct break_in_state *b = &t->break_in;
	for (unsigned i = 0; i < b->addresses_count; i++) {
		if (b->addresses[i] == pc)
			return;
	}
	b->addresses[b->addresses_count % BREAK_IN_ADDRESSES] = pc;
	if (b->addresses_count < BREAK_IN_ADDRESSES)
		b->addresses_count++;
}

static bool is_break_in_address(const struct target *t, uint64_t pc)
{
	const struct break_in_state *b = &t->break_in;
	for (unsigned i = 0; i < b->addresses_count; i++) {
		if (b->addresses[i] == pc)
			return true;
	}
	return t->attach.kdbg.tagged &&
	       kdbg_address(&t->attach.kdbg, KDBG_BREAKPOINT_WITH_STATUS) == pc;
}

/*
 * Where break-ins stop nothing else stops by chance, so the whole window holds there;
 * at the place just left silence closes it. Two processors can meet one breakpoint at
 * the same time: the second reports when it is gone already, and no breakpoint
 * instruction is left there to be seen.
 */
bool break_in_take_stale(struct target *t, uint64_t pc, bool has_instruction)
{
	struct break_in_state *b = &t->break_in;
	uint64_t now_us = kdnet_udp_now_us();
	if (b->wanted || now_us >= b->stale_until_us)
		return false;
	if (!has_instruction && breakpoint_was_removed(t, pc))
		return true;
	bool quiet = now_us >= b->stale_quiet_us + kdnet_round_trip_us(t->kdnet);
	if (b->stale_left == 0 ||
	    !(is_break_in_address(t, pc) || (pc == b->left_pc && !quiet)))
		return false;
	b->stale_left--;
	b->stale_quiet_us = now_us + STALE_QUIET_US;
	return true;
}
