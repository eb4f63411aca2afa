/* Memory of others: user pages of the current process, a routine in paged code. */
#include "ntp.h"

#define USER_PAGE 0x7ff700000000

/* A word of the current process's page, as a system service reads its arguments. */
NOINLINE ULONG64 MmReadUserWord(ULONG64 Offset)
{
	return *(volatile ULONG64 *)(USER_PAGE + Offset);
}

/* Not resident until somebody calls it. */
__attribute__((section("PAGE"))) NOINLINE ULONG64 NtPagedRoutine(ULONG64 Value)
{
	ULONG64 result = KeUpdateRunTime(Value);
	return result ^ RtlpRotateLeaf(Value);
}

SIM_SYMBOL(NtPagedRoutine);
SIM_SYMBOL(MmReadUserWord);
