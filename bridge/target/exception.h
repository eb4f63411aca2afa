/*
 * What becomes of an exception when it is reported: shown to the user, or left to Windows
 * without a word. By code, for as long as the target object lives. Breakpoints, steps and
 * what happens while one steps are always shown.
 */
#ifndef BRIDGE_TARGET_EXCEPTION_H
#define BRIDGE_TARGET_EXCEPTION_H

#include "bridge/target/target.h"

enum exception_action {
	EXCEPTION_STOP,	  /* at the first and at the second chance */
	EXCEPTION_SECOND, /* at the second only, which is the last before a bugcheck */
	EXCEPTION_PASS,	  /* never */
};

struct exception_policy {
	uint32_t code;
	enum exception_action action;
};

enum { EXCEPTION_POLICIES = 64 };

/* False: there are too many already, or it is a breakpoint's or a step's code. */
bool exception_set(struct target *t, uint32_t code, enum exception_action action);
/* No rule of its own any more. */
void exception_unset(struct target *t, uint32_t code);
/* For all that have none; EXCEPTION_STOP at first. */
void exception_set_others(struct target *t, enum exception_action action);
enum exception_action exception_others(const struct target *t);
/* All rules, in the order in which they were made. */
const struct exception_policy *exception_policies(const struct target *t, size_t *count);

/*
 * Kernels report the first chance only when bit 0 of NtGlobalFlag, a ULONG at `address`,
 * is set [nt-clone], KD.md §3. What was set here is cleared when the target is left.
 */
enum kd_result exception_first_chance(struct target *t, uint64_t address, bool on);

#endif
