#include "bridge/target/watchpoint.h"

#include "bridge/target/internal.h"

/*
 * What a report says of the debug registers: which were hit, and whether by anybody who
 * wants to know. DR6 has a bit for each slot whose condition held, armed or not, and one
 * for a single step; an instruction breakpoint is told before its instruction runs, a
 * watchpoint behind the access. KD.md §2, §5.
 */

unsigned watchpoint_at_pc(const struct target *t, uint64_t pc)
{
	unsigned slots = 0;
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++) {
		const struct watchpoint_slot *s = &t->watchpoints.slots[i];
		if (s->used && s->kind == WATCHPOINT_EXECUTE && s->address == pc)
			slots |= 1u << i;
	}
	return slots;
}

static bool is_debug_trap(const struct target *t)
{
	const struct kd_state_change *change = &t->stop.change;
	return change->state == KD_STATE_EXCEPTION &&
	       change->u.exception.code == KD_STATUS_SINGLE_STEP;
}

unsigned watchpoint_dr6(const struct target *t)
{
	enum { ALL = (1 << WATCHPOINT_SLOTS) - 1 };
	const struct kd_control_report *report = &t->stop.change.report;
	/* those of registers that are switched off may be set as well */
	unsigned on = t->watchpoints.armed | watchpoint_used(t) |
		      watchpoint_enabled_in(report->dr7);
	return is_debug_trap(t) ? (unsigned)report->dr6 & ALL & on : 0;
}

/* At its address without a bit in DR6: a kernel may have cleared it. */
static unsigned execute_hits(const struct target *t)
{
	enum { DR6_STEP = 0x4000 };
	unsigned slots = watchpoint_at_pc(t, t->stop.change.program_counter);
	if (!is_debug_trap(t) || t->stop.change.report.dr6 & DR6_STEP)
		return slots & watchpoint_dr6(t);
	return slots;
}

bool watchpoint_hit_execute(const struct target *t)
{
	return execute_hits(t) != 0;
}

bool watchpoint_find_hit(struct target *t, struct target_stop *stop)
{
	unsigned hits = watchpoint_dr6(t) & watchpoint_used(t);
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++) {
		const struct watchpoint_slot *s = &t->watchpoints.slots[i];
		if (!(hits >> i & 1) || s->kind == WATCHPOINT_EXECUTE)
			continue;
		stop->kind = TARGET_STOP_WATCHPOINT;
		stop->watch.address = s->address;
		stop->watch.access = s->kind == WATCHPOINT_ACCESS;
		return true;
	}
	if (!execute_hits(t))
		return false;
	stop->kind = TARGET_STOP_HARDWARE_BREAKPOINT;
	return true;
}

bool watchpoint_is_stale(const struct target *t)
{
	enum { DR6_STEP = 0x4000 };
	const struct watchpoint_state *w = &t->watchpoints;
	uint64_t dr6 = t->stop.change.report.dr6;
	return is_debug_trap(t) && !(dr6 & DR6_STEP) && dr6 & w->retired &&
	       !watchpoint_dr6(t) && kdnet_udp_now_us() < w->retired_until_us;
}
