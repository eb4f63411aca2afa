/*
 * What the guest's kernel, HAL and drivers share: the few NT types and routines
 * that they need, with NT's own names and layouts (64-bit, Windows 8.1).
 */
#ifndef GUEST_NT_H
#define GUEST_NT_H

typedef unsigned char UCHAR;
typedef unsigned short USHORT;
typedef unsigned int ULONG;
typedef int LONG;
typedef int NTSTATUS;
typedef unsigned long long ULONG64;
typedef void *PVOID;

#define NULL		((void *)0)
#define NOINLINE	__attribute__((noinline))
#define DECLSPEC_IMPORT __declspec(dllimport)

enum {
	STATUS_SUCCESS = 0,
	PROCESSORS_MAX = 256,
};

struct list_entry {
	struct list_entry *Flink;
	struct list_entry *Blink;
};

struct unicode_string {
	USHORT Length;
	USHORT MaximumLength;
	USHORT *Buffer;
};

struct string {
	USHORT Length;
	USHORT MaximumLength;
	char *Buffer;
};

/* KLDR_DATA_TABLE_ENTRY; KD.md §7 */
struct kldr_data_table_entry {
	struct list_entry InLoadOrderLinks;
	PVOID ExceptionTable;
	ULONG ExceptionTableSize;
	PVOID GpValue;
	PVOID NonPagedDebugInfo;
	PVOID DllBase;
	PVOID EntryPoint;
	ULONG SizeOfImage;
	struct unicode_string FullDllName;
	struct unicode_string BaseDllName;
	ULONG Flags;
	USHORT LoadCount;
	USHORT SignatureInfo;
	PVOID SectionPointer;
	ULONG CheckSum;
	ULONG CoverageSectionSize;
	PVOID CoverageSection;
	PVOID LoadedImports;
	PVOID Spare;
	ULONG SizeOfImageNotRounded;
	ULONG TimeDateStamp;
};

struct driver_object {
	PVOID DriverStart;
	ULONG DriverSize;
	struct unicode_string *DriverName;
	void (*DriverUnload)(struct driver_object *);
	/* Called now and then by a system worker once the driver is loaded. */
	ULONG (*DriverPoll)(struct driver_object *, ULONG64 Value);
	ULONG64 Polls;
};

typedef NTSTATUS driver_entry(struct driver_object *,
			      struct unicode_string *RegistryPath);

/* The processor that runs this: KPRCB.Number, KPCR 180 + KPRCB 24. */
static inline ULONG KeGetCurrentProcessorNumber(void)
{
	ULONG number;
	__asm__ volatile("movl %%gs:0x1a4, %0" : "=r"(number));
	return number;
}

/* Keeps the compiler from knowing a value, and so from folding a call chain away. */
static inline ULONG64 opaque(ULONG64 value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

#endif
