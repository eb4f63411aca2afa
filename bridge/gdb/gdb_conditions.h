/*
 * Conditions of breakpoints, evaluated here: a hit whose condition does not hold costs
 * the client nothing (RSP.md §4 "Conditions"). They belong to one client's session.
 */
#ifndef BRIDGE_GDB_GDB_CONDITIONS_H
#define BRIDGE_GDB_GDB_CONDITIONS_H

#include "bridge/target/target.h"
#include "rsp/rsp.h"

struct gdb;

enum { CONDITIONS_BYTES_MAX = 4 << 20 };

/* Of one breakpoint. */
struct condition {
	uint64_t address;
	enum rsp_breakpoint_type type;
	/* gdb takes all of its own back at every stop and sets them again: one that it does
	 * not want now stays, so that it is known when it comes back as it was. */
	bool wanted;
	bool explained; /* that it cannot be evaluated */
	size_t length;
	uint8_t *code; /* expressions, each behind its length in 4 bytes; malloc'ed */
};

struct conditions {
	struct condition *list; /* by address, then type */
	size_t count, room;
	size_t bytes;	 /* of all code */
	uint64_t missed; /* hits whose condition did not hold, since the start */
};

/*
 * In place of those that the breakpoint has; none: it has none. False: they are too many,
 * or there is no memory, and all is as it was.
 */
bool gdb_conditions_set(struct gdb *g, enum rsp_breakpoint_type type, uint64_t address,
			const struct rsp_conditions *conditions);
/* The breakpoint goes. */
void gdb_conditions_drop(struct gdb *g, enum rsp_breakpoint_type type, uint64_t address);
void gdb_conditions_forget(struct gdb *g);

/*
 * A breakpoint was hit: do its conditions say that this is none of the user's business?
 * One that cannot be evaluated stops, and the console says why, once.
 */
bool gdb_conditions_miss(struct gdb *g, const struct target_stop *stop);

#endif
