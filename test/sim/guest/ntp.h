/*
 * Inside the guest's kernel alone: its routines by file, and the table that tells
 * the loader outside (test/sim/machine_guest.c) where things are that NT does not
 * export. The table lies in a section that is discarded before the kernel runs.
 */
#ifndef GUEST_NTP_H
#define GUEST_NTP_H

#include "nt.h"

struct sim_symbol {
	char Name[56];
	const volatile void *Address;
};

#define SIM_SYMBOL_AS(name, address)                                                     \
	__attribute__((                                                                  \
		section(".simtab"), used,                                                \
		aligned(64))) static const struct sim_symbol sim_symbol_##name = {       \
		#name, (const volatile void *)(address)                                  \
	}
#define SIM_SYMBOL(name) SIM_SYMBOL_AS(name, &name)

/* What the machine asks of the worker on processor 0; machine_act.c has the same list. */
enum sim_action {
	SIM_NONE,
	SIM_PRINT,
	SIM_PROMPT,
	SIM_BREAK,
	SIM_ASSERT,
	SIM_FAULT,
	SIM_DIVIDE,
	SIM_LOAD,
	SIM_UNLOAD,
	SIM_BUGCHECK,
	SIM_COMMAND,
	SIM_REBOOT,
	SIM_TOUCH,
	SIM_IMAGE,
	SIM_START,
};

struct sim_mailbox {
	volatile ULONG
		Action; /* set last by the machine, cleared by the guest when done */
	ULONG Length;
	ULONG64 Parameter[4];
	char Text[512];
};

extern volatile struct sim_mailbox KiSimMailbox;

/* trap.S, chain.S */
void DbgBreakPoint(void);
void DbgBreakPointWithStatus(ULONG Status);
void DbgAssertionFailure(void);
ULONG DebugPrint(const struct string *Text, ULONG ComponentId, ULONG Level);
ULONG DebugPrompt(const struct string *Text, struct string *Answer);
ULONG DebugService(ULONG Service, PVOID Argument1, PVOID Argument2);
void KiHalt(void);
ULONG64 ObpHashChained(ULONG64 Value, ULONG64 Flags);
ULONG64 RtlpMixVersion2(ULONG64 Value);
ULONG64 RtlpRotateLeaf(ULONG64 Value);
ULONG64 SeTailJump(ULONG64 Value, ULONG64 Kind);

/* dbg.c */
ULONG DbgPrint(const char *Format, ...);
ULONG DbgPrompt(const char *Prompt, char *Answer, ULONG Length);
void DbgCommandString(const char *Name, const char *Command);
void DbgLoadImageSymbols(ULONG Service, const struct string *Path,
			 const struct kldr_data_table_entry *Entry);
__attribute__((noreturn)) void KeBugCheckEx(ULONG Code, ULONG64 P1, ULONG64 P2,
					    ULONG64 P3, ULONG64 P4);

/* ke.c */
extern volatile ULONG64 KeTickCount;
ULONG64 KeUpdateRunTime(ULONG64 Value);

/* chain.c */
ULONG64 IopProcessRequest(ULONG64 Seed);

/* io.c */
extern struct list_entry PsLoadedModuleList;
void IopLoadDriver(struct kldr_data_table_entry *Entry, struct string *Path);
void IopUnloadDriver(struct kldr_data_table_entry *Entry, struct string *Path);
void IopPollDrivers(ULONG64 Value);
void IopStartDriver(struct kldr_data_table_entry *Entry);
void IopReportImage(struct kldr_data_table_entry *Entry, struct string *Path);

/* data.c */
extern volatile UCHAR KdDebuggerNotPresent;
extern ULONG64 KiBugCheckData[5];

/* mm.c */
ULONG64 MmReadUserWord(ULONG64 Offset);
ULONG64 NtPagedRoutine(ULONG64 Value);

#endif
