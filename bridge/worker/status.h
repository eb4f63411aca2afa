/*
 * What `kdbridge status` tells of a target: one struct, and one table of its fields that is
 * the form on the socket, JSON and the man page's list.
 *
 * On the socket a target is lines "name value", and an empty one behind them; the whole is
 * sent to whoever connects, and then the connection ends.
 */
#ifndef BRIDGE_WORKER_STATUS_H
#define BRIDGE_WORKER_STATUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum status_state {
	STATUS_DOWN,	   /* it has no worker: that died, or could not start */
	STATUS_NEVER_SEEN, /* since the worker began */
	STATUS_WAITING,	   /* it was there, and is silent */
	STATUS_RUNNING,
	STATUS_STOPPED,
	STATUS_STATES,
};

struct status {
	char target[64];
	char label[128];
	uint64_t state;	    /* enum status_state */
	char reason[256];   /* why it is stopped or down; else "" */
	uint64_t since;	    /* of that state, seconds since 1970 */
	char client[128];   /* who debugs it: an address; "": nobody */
	char endpoint[128]; /* for gdb */
	uint64_t port;	    /* UDP */
	uint64_t kdnet;	    /* protocol version, 0: not known */
	uint64_t build;	    /* Windows', 0: not known; so with what follows */
	uint64_t processors;
	uint64_t round_trip_us;
	uint64_t sent, received; /* datagrams */
	uint64_t repeated;	 /* sent again, as their answers were lost */
	uint64_t duplicates;	 /* that the target sent again */
	uint64_t dropped;	 /* that were not the target's, or not whole */
	uint64_t exchanges;
	char bugcheck[128];	/* the last one that was seen: code and name; "": none */
	uint64_t pid, restarts; /* of the worker */
};

struct status_field {
	const char *name;
	enum { STATUS_TEXT, STATUS_NUMBER, STATUS_STATE } kind;
	size_t offset, size;
};

/* Ends with a row without a name. */
extern const struct status_field status_fields[];
/* "running"; "unknown" for a number that is no state. */
const char *status_state_name(uint64_t state);

void status_write(FILE *out, const struct status *s);
/*
 * Takes the next target of a text and moves on; names that are not known are passed over,
 * values that do not fit are cut. False: there is none.
 */
bool status_read(struct status *s, const char **text);

/* ---- from a worker to its supervisor, in shared memory ---- */

struct status_board {
	atomic_uint changes; /* odd: a change is under way */
	struct status status;
};

void status_post(struct status_board *b, const struct status *s);
/* A copy that is sound whatever the worker does: texts end, the state is one. */
void status_look(struct status_board *b, struct status *out);

#endif
