/* The template of the synthetic modules: the loader gives each its name and time. */
#include "nt.h"

__declspec(dllexport) ULONG64 SynthValue = 0x73796e7468;

__declspec(dllexport) NOINLINE ULONG64 SynthAdd(ULONG64 Value)
{
	return SynthValue + opaque(Value);
}

static NOINLINE ULONG64 SynthTwice(ULONG64 Value)
{
	return SynthAdd(Value) + SynthAdd(Value + 1);
}

__declspec(dllexport) ULONG64 SynthWork(ULONG64 Value)
{
	volatile ULONG64 local[6];
	local[Value % 6] = SynthTwice(Value);
	return local[Value % 6];
}

NTSTATUS DriverEntry(struct driver_object *Driver, struct unicode_string *RegistryPath)
{
	SynthValue += SynthWork((ULONG64)Driver->DriverStart) + RegistryPath->Length;
	return STATUS_SUCCESS;
}
