/* How a stop of the target looks to gdb, and what gdb's resume means: tables, no state. */
#ifndef BRIDGE_GDB_GDB_STOP_H
#define BRIDGE_GDB_GDB_STOP_H

#include <stdbool.h>

#include "bridge/gdb/client.h"
#include "bridge/target/target.h"
#include "rsp/rsp.h"

/* gdb's own numbers, the same on every host. */
enum gdb_signal {
	GDB_SIGINT = 2,
	GDB_SIGILL = 4,
	GDB_SIGTRAP = 5,
	GDB_SIGABRT = 6,
	GDB_SIGFPE = 8,
	GDB_SIGBUS = 10,
	GDB_SIGSEGV = 11,
};

/* The signal of an NTSTATUS; SIGTRAP for those without one. */
enum gdb_signal gdb_signal_of(uint32_t exception_code);

/*
 * The T packet's content. A break-in is always SIGINT; `swbreak` only for breakpoints
 * that gdb planted (RSP.md §4).
 */
struct rsp_stop gdb_stop_of(const struct target_stop *stop, const struct client *client);

/* Is the stop's sentence worth a line on the console? Not for what gdb says itself. */
bool gdb_stop_tells(const struct target_stop *stop);

/*
 * One resume of the target from gdb's actions. The stop that is left decides whether a
 * signal passes an exception on to Windows. *holds_others: gdb wants the other processors
 * to stand still, which KD cannot do.
 */
struct target_resume gdb_resume_of(const struct rsp_resume *resume,
				   const struct target_stop *stop, bool *holds_others);

#endif
