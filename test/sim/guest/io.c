/* Drivers come and go: the list, the load event, the entry, polling, the unload. */
#include "ntp.h"

enum {
	DRIVERS_MAX = 16, /* those that want to be polled */
	UNLOADED_MAX = 50,
	LOAD = 3,
	UNLOAD = 4,
};

/* What !lm shows of drivers that are gone; KDBG 220. */
struct unloaded_driver {
	struct unicode_string Name;
	PVOID StartAddress;
	PVOID EndAddress;
	ULONG64 CurrentTime;
};

extern struct unloaded_driver *MmUnloadedDrivers;
extern ULONG MmLastUnloadedDriver;

static struct driver_object IopDrivers[DRIVERS_MAX];

static struct driver_object *find_driver(PVOID Start)
{
	for (ULONG i = 0; i < DRIVERS_MAX; i++)
		if (IopDrivers[i].DriverStart == Start)
			return &IopDrivers[i];
	return NULL;
}

static NOINLINE void MiInsertModule(struct list_entry *Link)
{
	struct list_entry *last = PsLoadedModuleList.Blink;
	Link->Flink = &PsLoadedModuleList;
	Link->Blink = last;
	last->Flink = Link;
	PsLoadedModuleList.Blink = Link;
}

static NOINLINE void MiRemoveModule(struct list_entry *Link)
{
	Link->Blink->Flink = Link->Flink;
	Link->Flink->Blink = Link->Blink;
}

static NOINLINE NTSTATUS IopCallEntry(struct kldr_data_table_entry *Entry)
{
	struct driver_object scratch = { 0 };
	struct driver_object *driver = find_driver(NULL);
	if (!driver)
		driver = &scratch;
	driver->DriverStart = Entry->DllBase;
	driver->DriverSize = Entry->SizeOfImage;
	driver->DriverName = &Entry->BaseDllName;
	NTSTATUS status = STATUS_SUCCESS;
	if (Entry->EntryPoint)
		status = ((driver_entry *)Entry->EntryPoint)(driver, &Entry->FullDllName);
	if (!driver->DriverPoll && !driver->DriverUnload)
		driver->DriverStart = NULL;
	return status;
}

/* The image is in the list, its entry has not run: then comes the event. */
NOINLINE void IopLoadDriver(struct kldr_data_table_entry *Entry, struct string *Path)
{
	MiInsertModule(&Entry->InLoadOrderLinks);
	DbgLoadImageSymbols(LOAD, Path, Entry);
	IopCallEntry(Entry);
}

/* A driver that was loaded before the debugger came: it prints to nobody. */
NOINLINE void IopStartDriver(struct kldr_data_table_entry *Entry)
{
	KdDebuggerNotPresent = 1;
	IopCallEntry(Entry);
	KdDebuggerNotPresent = 0;
}

/* As KdInitSystem does for the kernel and the HAL, which are in the list already. */
NOINLINE void IopReportImage(struct kldr_data_table_entry *Entry, struct string *Path)
{
	DbgLoadImageSymbols(LOAD, Path, Entry);
	opaque(Entry->LoadCount);
}

static void MiRememberUnloaded(struct kldr_data_table_entry *Entry)
{
	struct unloaded_driver *slot =
		&MmUnloadedDrivers[MmLastUnloadedDriver++ % UNLOADED_MAX];
	slot->Name = Entry->BaseDllName;
	slot->StartAddress = Entry->DllBase;
	slot->EndAddress = (UCHAR *)Entry->DllBase + Entry->SizeOfImage;
	slot->CurrentTime = KeTickCount;
}

/* The unload routine has run, the image is still in the list: then comes the event. */
NOINLINE void IopUnloadDriver(struct kldr_data_table_entry *Entry, struct string *Path)
{
	struct driver_object *driver = find_driver(Entry->DllBase);
	if (driver && driver->DriverUnload)
		driver->DriverUnload(driver);
	if (driver)
		*driver = (struct driver_object){ 0 };
	DbgLoadImageSymbols(UNLOAD, Path, Entry);
	MiRememberUnloaded(Entry);
	MiRemoveModule(&Entry->InLoadOrderLinks);
}

NOINLINE void IopPollDrivers(ULONG64 Value)
{
	for (ULONG i = 0; i < DRIVERS_MAX; i++)
		if (IopDrivers[i].DriverPoll)
			IopDrivers[i].DriverPoll(&IopDrivers[i], Value);
}

SIM_SYMBOL(IopDrivers);
SIM_SYMBOL(IopLoadDriver);
SIM_SYMBOL(IopUnloadDriver);
SIM_SYMBOL(IopCallEntry);
