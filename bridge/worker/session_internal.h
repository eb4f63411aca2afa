/* What the files of a session share: its state, and the calls between them. */
#ifndef BRIDGE_WORKER_SESSION_INTERNAL_H
#define BRIDGE_WORKER_SESSION_INTERNAL_H

#include <ev.h>

#include "bridge/gdb/gdb.h"
#include "bridge/worker/note.h"
#include "bridge/worker/policy.h"
#include "bridge/worker/recording.h"
#include "bridge/worker/session.h"
#include "rsp/listen.h"

struct session {
	struct ev_loop *loop;
	const struct options *options;
	struct log *log;
	struct target *target;
	struct rsp_listener *listener;
	struct gdb gdb;
	struct note note;
	struct recording recording;

	enum session_client client; /* changed by session_become alone */
	bool report_due;	    /* the client waits, and the target has stopped */
	bool stop_owed;		    /* it is to hear why: not of modules alone */
	int placeholder_due;	    /* the client waits in vain: this signal, 0: none */
	bool interrupted;	    /* it asked for a stop, and has not seen one yet */
	bool crossed;		    /* another stop was told meanwhile, or just before */
	bool passing;		    /* a break-in is on its way that it shall not see */
	bool clean_due;		    /* what was left in the target has to go */
	bool clean_holds;	    /* and then it stays stopped */
	bool stays;		    /* a client left, and it shall not run by that */
	bool reclaim;		    /* an earlier run may have left something in it */
	bool seen;		    /* a target was there before */
	bool break_due;		    /* --break: this boot's stop is still to come */
	bool noted_open;	    /* on disk, for this boot */
	unsigned status_state;	    /* enum status_state, since when (1970) */
	uint64_t status_since;
	unsigned busy; /* exchanges of ours under way, not of a packet */
	bool hurry, over;
	uint64_t started_ms;
	ev_timer progress, retry, look;
	ev_timer quiet;	  /* since the client's last packet */
	uint64_t packets; /* that it had sent then */
	ev_idle wake;	  /* so that the loop does not sleep before session_work */
};

/* ---- session.c ---- */

void session_become(struct session *s, enum session_client client);
/* Does the client wait for a stop? */
bool session_waits(const struct session *s);
struct policy_facts session_facts(const struct session *s);
uint64_t session_now_ms(void);
/*
 * Stops the target for a client that goes on waiting: what it wants is planted, or it is
 * told of the modules, and the target runs on.
 */
void session_pass(struct session *s);
/* Tells a waiting client's user why nothing happens. */
void session_say_awaited(struct session *s);

/* ---- session_target.c, session_client.c: what happens on the two sides ---- */

extern const struct target_events session_target_events;
extern const struct gdb_owner session_gdb_owner;
void session_on_listen_event(void *context, enum rsp_listen_event event,
			     const char *peer);

/* ---- leave.c ---- */

/* Before anything is planted: from here on a kill -9 leaves traces. */
void leave_note_open(struct session *s);
/* May this boot hold what an earlier run left behind? */
bool leave_may_be_unclean(const struct session *s);
/* Is it known that an earlier run left nothing in it? */
bool leave_was_clean(const struct session *s);
/*
 * Nothing of ours stays in the target; `run`: it runs. A target that does not answer is
 * tried again later; one that has gone is remembered on disk. False: it did not answer.
 */
bool leave_target(struct session *s, bool run);
/* The same, running or stopped as the client and --on-disconnect say. */
bool leave_as_asked(struct session *s);

#endif
