/*
 * The processes of a Windows kernel: PsActiveProcessHead, with the offsets that KDBG tells
 * and the two that processors.c finds. KD.md §4.
 */
#ifndef BRIDGE_TARGET_PROCESSES_H
#define BRIDGE_TARGET_PROCESSES_H

#include "bridge/target/target.h"

enum { PROCESSES_MAX = 4096, PROCESS_NAME_MAX = 16 };

struct process {
	uint64_t object; /* EPROCESS */
	uint64_t id;
	uint64_t parent; /* its id; 0: none, or not known */
	uint64_t cr3;	 /* of its kernel half; 0: not known */
	uint64_t peb;
	char name[PROCESS_NAME_MAX]; /* printable; cut by the kernel to 14 or 15 */
};

/*
 * Walks the list: bounded, and ended by a loop or an entry that cannot be read. About one
 * exchange a process. `system`: the value of PsInitialSystemProcess, 0 when it is not known;
 * needed while no processor runs a process that is in the list. *list is the caller's, to
 * be freed, also when it is not the whole one. KD_REFUSED: KDBG or the offsets are not there.
 */
enum kd_result processes_list(struct target *t, uint64_t system, struct process **list,
			      size_t *count);

#endif
