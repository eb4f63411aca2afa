/* Clock ticks, the break-in poll, the idle loops, the worker on processor 0. */
#include "ntp.h"

DECLSPEC_IMPORT ULONG64 KeQueryPerformanceCounter(void);
DECLSPEC_IMPORT void HalReturnToFirmware(void);

#define SHARED_TICK_COUNT ((volatile ULONG64 *)0xfffff78000000320)

volatile ULONG64 KeTickCount;
volatile ULONG64 KeMaximumIncrement = 156250;
volatile ULONG KdpBreakInPending;
volatile struct sim_mailbox KiSimMailbox;
volatile ULONG64 KiProcessorTicks[PROCESSORS_MAX];
volatile ULONG64 KiRunTime[PROCESSORS_MAX];
volatile ULONG64 KiIdleValue[PROCESSORS_MAX];
volatile ULONG64 KiWorkerIterations;
volatile ULONG64 KiWorkerResult;

/* Common to all processors: a breakpoint here is hit on each of them. */
NOINLINE ULONG64 KeUpdateRunTime(ULONG64 Value)
{
	ULONG processor = KeGetCurrentProcessorNumber();
	KiRunTime[processor] += 1;
	return Value + KiRunTime[processor] * 2;
}

/* A byte came from the debugger: stop here. */
static NOINLINE void KdCheckForDebugBreak(void)
{
	if (KdpBreakInPending) {
		KdpBreakInPending = 0;
		DbgBreakPointWithStatus(1);
	}
	KeQueryPerformanceCounter();
}

/* The clock interrupt's routine; KiClockInterrupt calls it on every processor. */
NOINLINE void KeUpdateSystemTime(ULONG64 InterruptedPc)
{
	ULONG processor = KeGetCurrentProcessorNumber();
	KiProcessorTicks[processor] += opaque(InterruptedPc) != 0;
	if (processor == 0) {
		KeTickCount++;
		*SHARED_TICK_COUNT = KeTickCount;
		KdCheckForDebugBreak();
	}
}

static NOINLINE ULONG64 PoIdleWork(ULONG64 Value)
{
	ULONG64 a = KeUpdateRunTime(Value);
	ULONG64 b = RtlpRotateLeaf(a);
	return ObpHashChained(b, a & 1) + a;
}

static NOINLINE ULONG64 PoIdle(ULONG Processor, ULONG64 Value)
{
	Value = PoIdleWork(Value + Processor);
	KiIdleValue[Processor] = Value;
	KiHalt();
	return Value;
}

/* What a processor does that has nothing else to do. */
NOINLINE void KiIdleLoop(ULONG64 Processor)
{
	ULONG64 value = Processor * 0x10001;
	for (;;) {
		value = PoIdle((ULONG)Processor, value);
		value += RtlpRotateLeaf(value) >> 3;
	}
}

/* Nobody handles this: the machine enters here when the debugger did not, either. */
__attribute__((noreturn)) void KiDispatchException(ULONG Code, ULONG64 Address,
						   ULONG64 P1, ULONG64 P2)
{
	if (Address == 0) /* not an exception: the debugger wants this bugcheck */
		KeBugCheckEx(Code, 0, 0, 0, 0);
	KeBugCheckEx(0x1e, (ULONG64)(long long)(LONG)Code, Address, P1, P2);
}

static NOINLINE void KiReadNowhere(volatile ULONG64 *Address)
{
	KiWorkerResult += *Address;
}

static NOINLINE ULONG64 KiDivide(ULONG64 Value, ULONG Divisor)
{
	return (ULONG)Value / Divisor;
}

/* What the machine may ask for: a row for each, by its number. */
static NOINLINE void KiSimPrint(struct sim_mailbox *Box)
{
	DbgPrint("%s", Box->Text);
}

static NOINLINE void KiSimPrompt(struct sim_mailbox *Box)
{
	char answer[64];
	ULONG length = DbgPrompt(Box->Text, answer, sizeof(answer));
	if (length > sizeof(answer) - 1)
		length = sizeof(answer) - 1;
	answer[length] = 0;
	DbgPrint("answer: %s\n", answer);
}

static NOINLINE void KiSimBreak(struct sim_mailbox *Box)
{
	DbgBreakPoint();
	Box->Length = 0;
}

static NOINLINE void KiSimAssert(struct sim_mailbox *Box)
{
	DbgAssertionFailure();
	Box->Length = 0;
}

static NOINLINE void KiSimFault(struct sim_mailbox *Box)
{
	KiReadNowhere((volatile ULONG64 *)Box->Parameter[0]);
	Box->Length = 0;
}

static NOINLINE void KiSimDivide(struct sim_mailbox *Box)
{
	KiWorkerResult += KiDivide(KiWorkerResult, (ULONG)Box->Parameter[0]);
}

static NOINLINE void KiSimLoad(struct sim_mailbox *Box)
{
	IopLoadDriver((PVOID)Box->Parameter[0], (PVOID)Box->Parameter[1]);
}

static NOINLINE void KiSimUnload(struct sim_mailbox *Box)
{
	IopUnloadDriver((PVOID)Box->Parameter[0], (PVOID)Box->Parameter[1]);
}

static NOINLINE void KiSimImage(struct sim_mailbox *Box)
{
	IopReportImage((PVOID)Box->Parameter[0], (PVOID)Box->Parameter[1]);
}

static NOINLINE void KiSimStart(struct sim_mailbox *Box)
{
	IopStartDriver((PVOID)Box->Parameter[0]);
}

static NOINLINE void KiSimBugCheck(struct sim_mailbox *Box)
{
	KeBugCheckEx((ULONG)Box->Parameter[0], 1, 2, 3, 4);
}

static NOINLINE void KiSimCommand(struct sim_mailbox *Box)
{
	DbgCommandString("kdsim", Box->Text);
}

static NOINLINE void KiSimReboot(struct sim_mailbox *Box)
{
	Box->Length = 0;
	HalReturnToFirmware();
}

static NOINLINE void KiSimTouch(struct sim_mailbox *Box)
{
	KiWorkerResult += NtPagedRoutine(Box->Parameter[0]);
}

static void (*const KiSimActions[])(struct sim_mailbox *) = {
	[SIM_PRINT] = KiSimPrint,	[SIM_PROMPT] = KiSimPrompt,
	[SIM_BREAK] = KiSimBreak,	[SIM_ASSERT] = KiSimAssert,
	[SIM_FAULT] = KiSimFault,	[SIM_DIVIDE] = KiSimDivide,
	[SIM_LOAD] = KiSimLoad,		[SIM_UNLOAD] = KiSimUnload,
	[SIM_BUGCHECK] = KiSimBugCheck, [SIM_COMMAND] = KiSimCommand,
	[SIM_REBOOT] = KiSimReboot,	[SIM_TOUCH] = KiSimTouch,
	[SIM_IMAGE] = KiSimImage,	[SIM_START] = KiSimStart,
};

static NOINLINE void KiSimAct(struct sim_mailbox *Box)
{
	ULONG action = Box->Action;
	if (action < sizeof(KiSimActions) / sizeof(KiSimActions[0]))
		KiSimActions[action](Box);
	Box->Action = SIM_NONE;
}

/* A system worker: the deep chain over and over, now and then something else. */
NOINLINE void ExpWorkerThread(ULONG64 Context)
{
	ULONG64 value = Context;
	for (;;) {
		value = IopProcessRequest(value);
		KiWorkerResult = value;
		ULONG64 count = ++KiWorkerIterations;
		if (count % 16 == 0)
			value += MmReadUserWord(count & 0xf8);
		if (count % 4 == 0)
			IopPollDrivers(count);
		if (KiSimMailbox.Action != SIM_NONE)
			KiSimAct((struct sim_mailbox *)&KiSimMailbox);
	}
}

SIM_SYMBOL(KeUpdateSystemTime);
SIM_SYMBOL(KdCheckForDebugBreak);
SIM_SYMBOL(KdpBreakInPending);
SIM_SYMBOL(KiSimMailbox);
SIM_SYMBOL(KiProcessorTicks);
SIM_SYMBOL(KiRunTime);
SIM_SYMBOL(KiWorkerIterations);
SIM_SYMBOL(KiIdleValue);
SIM_SYMBOL(KiIdleLoop);
SIM_SYMBOL(ExpWorkerThread);
SIM_SYMBOL(KiReadNowhere);
SIM_SYMBOL(KiDivide);

extern char KiStartSystemThread[], KiClockInterrupt[], KiExceptionDispatch[];
extern char KiInterruptReturn[];
extern char KiDivideErrorFault[], KiDebugTrapOrFault[], KiNmiInterrupt[];
extern char KiBreakpointTrap[], KiInvalidOpcodeFault[], KiGeneralProtectionFault[];
extern char KiPageFault[], KiRaiseAssertion[], KiDebugServiceTrap[];
extern char KiUnexpectedInterrupt[], RtlpBreakWithStatusInstruction[];
SIM_SYMBOL_AS(KiStartSystemThread, KiStartSystemThread);
SIM_SYMBOL_AS(KiClockInterrupt, KiClockInterrupt);
SIM_SYMBOL_AS(KiInterruptReturn, KiInterruptReturn);
SIM_SYMBOL_AS(KiExceptionDispatch, KiExceptionDispatch);
SIM_SYMBOL_AS(KiDivideErrorFault, KiDivideErrorFault);
SIM_SYMBOL_AS(KiDebugTrapOrFault, KiDebugTrapOrFault);
SIM_SYMBOL_AS(KiNmiInterrupt, KiNmiInterrupt);
SIM_SYMBOL_AS(KiBreakpointTrap, KiBreakpointTrap);
SIM_SYMBOL_AS(KiInvalidOpcodeFault, KiInvalidOpcodeFault);
SIM_SYMBOL_AS(KiGeneralProtectionFault, KiGeneralProtectionFault);
SIM_SYMBOL_AS(KiPageFault, KiPageFault);
SIM_SYMBOL_AS(KiRaiseAssertion, KiRaiseAssertion);
SIM_SYMBOL_AS(KiDebugServiceTrap, KiDebugServiceTrap);
SIM_SYMBOL_AS(KiUnexpectedInterrupt, KiUnexpectedInterrupt);
SIM_SYMBOL_AS(RtlpBreakWithStatusInstruction, RtlpBreakWithStatusInstruction);
SIM_SYMBOL(KiHalt);
SIM_SYMBOL(DbgAssertionFailure);
SIM_SYMBOL(DebugService);
SIM_SYMBOL(DebugPrint);
SIM_SYMBOL(DebugPrompt);

/* Boot is not simulated: the machine starts the threads itself, INIT is gone by then. */
__attribute__((section("INIT"))) NTSTATUS KiSystemStartup(void)
{
	return STATUS_SUCCESS;
}
