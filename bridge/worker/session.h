/*
 * One target and its client: the states of both (policy.h), and what happens when they
 * come, stop and go. Everything a stop leads to is done from session_work, outside of the
 * loop's callbacks, so that no exchange runs inside another one.
 */
#ifndef BRIDGE_WORKER_SESSION_H
#define BRIDGE_WORKER_SESSION_H

#include <stdbool.h>

#include "bridge/cli/log.h"
#include "bridge/cli/options.h"
#include "bridge/worker/status.h"

struct ev_loop;
struct session;

enum {
	/* A target pokes every 3 s: so long after the start `?` waits for the first. */
	SESSION_FIRST_POKE_MS = 4000,
	/* So long `?` waits for a break-in to be answered. */
	SESSION_BREAK_IN_MS = 10000,
};

/*
 * Opens the UDP port and the endpoint for clients and logs where it listens. NULL: it
 * could not, and the log says why and what to do. `options`, `log` and `loop` must
 * outlive it; the key is copied.
 */
struct session *session_new(struct ev_loop *loop, const struct options *options,
			    struct log *log);

/* After each turn of the loop: reports stops, prints, cleans up. */
void session_work(struct session *s);

/* Is it over (--stdio: the client has gone)? */
bool session_is_over(const struct session *s);
/* What there is to tell of it; never asks the target. `target` and `label` are left as
 * they are. */
void session_status(struct session *s, struct status *out);
/* From a signal watcher: a wait inside a call shall end soon. */
void session_hurry(struct session *s);

/* A detach: the target is left as --on-disconnect says. False when that failed. */
bool session_end(struct session *s);
void session_free(struct session *s);

#endif
