/*
 * What to do about a stop of the target, given who is there: the rules of the design,
 * "Life of a session", as one function without side effects.
 */
#ifndef BRIDGE_WORKER_POLICY_H
#define BRIDGE_WORKER_POLICY_H

#include <stdbool.h>

#include "bridge/cli/options.h"
#include "bridge/target/target.h"

/*
 * The client and what it believes; changed by one function in session.c.
 *
 *   NOBODY       no client                              ─ first valid packet ─▶ ATTACHING
 *   ATTACHING    waits for the answer to its `?`        ─ shown ─▶ PROMPT or PLACEHOLDER
 *   PROMPT       was shown the stop at which the target stands        ─ resume ─▶ RUNNING
 *   PLACEHOLDER  was shown a stop of no target, or of one that is no more
 *                                                       ─ resume ─▶ AWAITING
 *   RUNNING      the target runs for it; a stop is reported           ─ stop ─▶ PROMPT
 *   AWAITING     as RUNNING, but nothing was ever resumed: a target that arrives is
 *                stopped for it                                       ─ stop ─▶ PROMPT
 *   any but NOBODY                                      ─ detach, kill, closed ─▶ NOBODY
 */
enum session_client {
	SESSION_NOBODY,
	SESSION_ATTACHING,
	SESSION_PROMPT,
	SESSION_PLACEHOLDER,
	SESSION_RUNNING,
	SESSION_AWAITING,
};

enum policy_action {
	POLICY_HOLD,	       /* stays stopped, for a client that comes or asks */
	POLICY_REPORT,	       /* tell the client that waits */
	POLICY_LIBRARIES,      /* tell it of the module only: it resumes by itself */
	POLICY_CONTINUE,       /* resume at once, handled */
	POLICY_PASS_ON,	       /* resume at once, the exception is Windows' */
	POLICY_CLEAN,	       /* remove what is left in it, then let it run */
	POLICY_CLEAN_AND_HOLD, /* the same, but it stays stopped */
};

struct policy_facts {
	enum session_client client;
	enum options_unattended unattended;
	enum options_disconnect disconnect;
	bool libraries; /* the client follows the list of modules, and it changed */
	bool break_due; /* --break: the stop of this boot is still to come */
	enum options_break break_at;
	bool reclaim; /* an earlier run may have left something behind */
	bool passing; /* stopped for what a resume plants, and nothing else */
	enum target_stop_kind kind;
};

enum policy_action policy_on_stop(const struct policy_facts *facts);

/* Does a target that has just connected have to be stopped? */
bool policy_breaks_in(const struct policy_facts *facts);

#endif
