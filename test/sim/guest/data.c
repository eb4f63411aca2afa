/*
 * The kernel's variables that a debugger looks for. Values that only the machine
 * knows (addresses of pool blocks, counts) are written by it before the start.
 */
#include "ntp.h"

struct list_entry PsLoadedModuleList;
struct list_entry PsActiveProcessHead;
PVOID PspCidTable;
PVOID PsInitialSystemProcess;
ULONG64 KiBugCheckData[5];
ULONG NtGlobalFlag;
volatile UCHAR KdDebuggerNotPresent;
ULONG NtBuildNumber = 0xf0002580; /* 9600, free */
char NtBuildLab[] = "9600.17031.amd64fre.winblue_gdr.140221-1952";
ULONG64 CmNtCSDVersion;
ULONG KeNumberProcessors;
PVOID KiProcessorBlock[PROCESSORS_MAX];
ULONG64 MmPfnDatabase = 0xfffffa8000000000;
ULONG64 MmHighestPhysicalPage;
ULONG64 MmNumberOfPhysicalPages;
ULONG64 MmHighestUserAddress = 0x7ffffffeffff;
ULONG64 MmSystemRangeStart = 0xffff080000000000;
ULONG64 MmUserProbeAddress = 0x7fffffff0000;
PVOID MmPhysicalMemoryBlock;
PVOID MmUnloadedDrivers;
ULONG MmLastUnloadedDriver;

/* KdVersionBlock's place and the KDBG block itself; KD.md §4. */
struct list_entry KdpDebuggerDataListHead;
__attribute__((aligned(16))) UCHAR KdDebuggerDataBlock[0x360];

SIM_SYMBOL(PsActiveProcessHead);
SIM_SYMBOL(PspCidTable);
SIM_SYMBOL(NtBuildLab);
SIM_SYMBOL(CmNtCSDVersion);
SIM_SYMBOL(KiProcessorBlock);
SIM_SYMBOL(MmPfnDatabase);
SIM_SYMBOL(MmHighestPhysicalPage);
SIM_SYMBOL(MmNumberOfPhysicalPages);
SIM_SYMBOL(MmPhysicalMemoryBlock);
SIM_SYMBOL(MmUnloadedDrivers);
SIM_SYMBOL(MmLastUnloadedDriver);
SIM_SYMBOL(KdpDebuggerDataListHead);
SIM_SYMBOL(KdDebuggerDataBlock);
