/* hal.dll: what the kernel needs of the hardware. */
#include "nt.h"

__declspec(dllimport) extern ULONG KeNumberProcessors;

static volatile ULONG64 HalpPerformanceCounter;

/* One link of the kernel's deep chain goes through here, and back by the callback. */
__declspec(dllexport) NOINLINE ULONG64
	HalpTransform(ULONG64 Value, ULONG64 (*Callback)(ULONG64))
{
	ULONG64 scaled = opaque(Value) * KeNumberProcessors;
	ULONG64 result = Callback(scaled + 1);
	return result - scaled;
}

#define PM_TIMER_PORT 0x408

/* Reads the ACPI timer. */
__declspec(dllexport) ULONG64 KeQueryPerformanceCounter(void)
{
	ULONG timer;
	__asm__ volatile("inl %1, %0" : "=a"(timer) : "d"((USHORT)PM_TIMER_PORT));
	return HalpPerformanceCounter += 10 + timer;
}

__declspec(dllexport) void HalRequestClockInterrupt(void)
{
	HalpPerformanceCounter++;
}

static void WritePort(USHORT port, UCHAR value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static UCHAR ReadPort(USHORT port)
{
	UCHAR value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* A byte of the real-time clock. */
__declspec(dllexport) UCHAR HalReadCmos(UCHAR index)
{
	WritePort(0x70, index);
	return ReadPort(0x71);
}

/* Reboots: pulls the processor's reset line by the keyboard controller. */
__declspec(dllexport) void HalReturnToFirmware(void)
{
	for (;;)
		WritePort(0x64, 0xfe);
}

NTSTATUS HalInitSystem(void)
{
	return STATUS_SUCCESS;
}
