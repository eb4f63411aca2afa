/*
 * Hardware breakpoints and watchpoints: the four debug registers, the same on every
 * processor. Either all processors take one or it is refused. KD.md §3 "Continue".
 */
#ifndef BRIDGE_TARGET_WATCHPOINT_H
#define BRIDGE_TARGET_WATCHPOINT_H

#include "bridge/target/target.h"

/* What the processor stops for. x64 cannot watch reads alone. */
enum watchpoint_kind { WATCHPOINT_EXECUTE, WATCHPOINT_WRITE, WATCHPOINT_ACCESS };

enum { WATCHPOINT_SLOTS = 4 };

/*
 * Wants one on `length` bytes; of WATCHPOINT_EXECUTE the address alone counts. What is
 * not aligned, or is longer than 8 bytes, takes several registers. While stopped the
 * addresses are written to each processor at once (two exchanges for each, where they
 * differ), so that KD_REFUSED tells the user: too many, a bad address, or a processor
 * said no and all were set back. They are switched on at the resume, which costs nothing.
 */
enum kd_result watchpoint_insert(struct target *t, enum watchpoint_kind kind,
				 uint64_t address, uint64_t length);
/* No more; KD_REFUSED when there was none. Switched off at the resume, for nothing. */
enum kd_result watchpoint_remove(struct target *t, enum watchpoint_kind kind,
				 uint64_t address, uint64_t length);
bool watchpoint_wanted(const struct target *t, enum watchpoint_kind kind,
		       uint64_t address, uint64_t length);
/* How many are wanted. */
size_t watchpoint_count(const struct target *t);

#endif
