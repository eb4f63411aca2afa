#include "bridge/worker/policy.h"

static bool waits_for_stop(enum session_client client)
{
	return client == SESSION_RUNNING || client == SESSION_AWAITING;
}

/*
 * Load events go on, hundreds of them at a boot, but for the first with --break=load. With
 * --break=init it is early enough, too: the break-in may be lost in a boot. A client that
 * follows the list of modules is told of each.
 */
static enum policy_action on_load(const struct policy_facts *f)
{
	if (!f->break_due || f->break_at == BREAK_NONE)
		return f->libraries && f->client == SESSION_RUNNING ? POLICY_LIBRARIES
								    : POLICY_CONTINUE;
	return waits_for_stop(f->client) ? POLICY_REPORT : POLICY_HOLD;
}

/* Asked for by --break=init. */
static bool is_initial_break(const struct policy_facts *f)
{
	return f->kind == TARGET_STOP_BREAK_IN && f->break_due &&
	       f->break_at == BREAK_INIT;
}

/* Asked for by the session, for a client that goes on waiting. */
static bool is_in_passing(const struct policy_facts *f)
{
	return f->passing && f->kind == TARGET_STOP_BREAK_IN &&
	       f->client == SESSION_RUNNING;
}

/* Nobody is there who could look at it. */
static enum policy_action unattended(const struct policy_facts *f)
{
	switch (f->kind) {
	case TARGET_STOP_BREAK_IN: /* late, by a client that has left */
		return f->disconnect == DISCONNECT_STOP ? POLICY_HOLD : POLICY_CONTINUE;
	case TARGET_STOP_BREAKPOINT:
	case TARGET_STOP_HARDWARE_BREAKPOINT:
	case TARGET_STOP_WATCHPOINT:
	case TARGET_STOP_STEP:
		return POLICY_CLEAN;
	case TARGET_STOP_EXCEPTION:
		return f->unattended == UNATTENDED_WAIT ? POLICY_HOLD : POLICY_PASS_ON;
	case TARGET_STOP_HARD_BREAKPOINT:
	case TARGET_STOP_BUGCHECK:
		return f->unattended == UNATTENDED_WAIT ? POLICY_HOLD : POLICY_CONTINUE;
	case TARGET_STOP_LOAD:
	case TARGET_STOP_COMMAND:
		break;
	}
	return POLICY_CONTINUE;
}

enum policy_action policy_on_stop(const struct policy_facts *f)
{
	if (f->kind == TARGET_STOP_LOAD)
		return on_load(f);
	if (is_in_passing(f))
		return f->libraries ? POLICY_LIBRARIES : POLICY_CONTINUE;
	if (waits_for_stop(f->client))
		return POLICY_REPORT;
	if (f->client != SESSION_NOBODY)
		return POLICY_HOLD;
	if (f->reclaim)
		return is_initial_break(f) ? POLICY_CLEAN_AND_HOLD : POLICY_CLEAN;
	return is_initial_break(f) ? POLICY_HOLD : unattended(f);
}

bool policy_breaks_in(const struct policy_facts *f)
{
	switch (f->client) {
	case SESSION_ATTACHING:
	case SESSION_PLACEHOLDER:
	case SESSION_AWAITING:
		return true;
	case SESSION_NOBODY:
	case SESSION_PROMPT:
	case SESSION_RUNNING:
		break;
	}
	return f->reclaim || (f->break_due && f->break_at == BREAK_INIT);
}
