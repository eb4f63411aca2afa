/*
 * Software breakpoints. What the front end wants is noted at once; what is planted
 * changes at resume, and only by the difference. KD's 32 slots first, then the opcode
 * written by ourselves. Memory reads show neither. KD.md §3 "Breakpoints".
 */
#ifndef BRIDGE_TARGET_BREAKPOINT_H
#define BRIDGE_TARGET_BREAKPOINT_H

#include "bridge/target/target.h"

enum { BREAKPOINTS_MAX = 4096 };

/*
 * Wants a breakpoint at the address. While stopped the original byte is read at once
 * (usually from the cache), so that KD_REFUSED tells the user of a bad address.
 */
enum kd_result breakpoint_insert(struct target *t, uint64_t address);
/* No more; KD_REFUSED when there was none. */
enum kd_result breakpoint_remove(struct target *t, uint64_t address);
bool breakpoint_wanted(const struct target *t, uint64_t address);
size_t breakpoint_count(const struct target *t);
/* How many are in the target's memory now. */
size_t breakpoint_planted_count(const struct target *t);

#endif
