#include "test/sim/machine_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "kdnet/wire.h"
#include "test/sim/machine_layout.h"

/*
 * Builds what a running Windows 8.1 kernel would have made: the KDBG block, the
 * module list, physical memory, the shared page.
 */
enum {
	KLDR_SIZE = 0xa0,
	DRIVER_SPACING = 0x10000,
	FILE_SIZE_MAX = 64 << 20,
	UNLOADED_DRIVERS_SIZE = 50 * 0x28,
};

uint64_t guest_symbol(struct machine *m, const char *name)
{
	uint64_t address = machine_symbol(m, "ntoskrnl", name);
	assert(address != 0); /* the guest is ours: a name that is missing is a mistake */
	return address;
}

/* ---- modules ---- */

static void put_unicode(struct machine *m, uint64_t at, const char *text)
{
	size_t n = strlen(text);
	uint64_t buffer = memory_pool(m, 2 * n + 2);
	for (size_t i = 0; i < n; i++)
		memory_put(m, buffer + 2 * i, (uint8_t)text[i], 2);
	memory_put(m, at, 2 * n, 2);
	memory_put(m, at + 2, 2 * n + 2, 2);
	memory_put(m, at + 8, buffer, 8);
}

static uint64_t make_string(struct machine *m, const char *text)
{
	size_t n = strlen(text) + 1; /* the event's path has its NUL; KD.md §2 */
	uint64_t string = memory_pool(m, 16), buffer = memory_pool(m, n);
	memory_put_bytes(m, buffer, text, n);
	memory_put(m, string, n - 1, 2);
	memory_put(m, string + 2, n, 2);
	memory_put(m, string + 8, buffer, 8);
	return string;
}

void guest_list_entry(struct machine *m, struct image *image)
{
	uint64_t e = image->list_entry = memory_pool(m, KLDR_SIZE);
	uint64_t exceptions =
		image->exception_size ? image->base + image->exception_table : 0;
	memory_put(m, e + 0x10, exceptions, 8);
	memory_put(m, e + 0x18, image->exception_size, 4);
	memory_put(m, e + 0x30, image->base, 8);
	memory_put(m, e + 0x38, image->entry ? image->base + image->entry : 0, 8);
	memory_put(m, e + 0x40, image->size, 4);
	put_unicode(m, e + 0x48, image->path);
	put_unicode(m, e + 0x58, image->name);
	memory_put(m, e + 0x68, 0x09104000, 4);
	memory_put(m, e + 0x6c, 1, 2);
	memory_put(m, e + 0x78, image->checksum, 4);
	memory_put(m, e + 0x98, image->size, 4);
	memory_put(m, e + 0x9c, image->timestamp, 4);
	image->path_string = make_string(m, image->path);
}

/* At the list's end, as the guest itself does it later. */
void guest_link_tail(struct machine *m, uint64_t head, uint64_t entry)
{
	uint64_t last = memory_get(m, head + 8, 8);
	memory_put(m, entry, head, 8);
	memory_put(m, entry + 8, last, 8);
	memory_put(m, last, entry, 8);
	memory_put(m, head + 8, entry, 8);
}

void guest_init_list(struct machine *m, uint64_t head)
{
	memory_put(m, head, head, 8);
	memory_put(m, head + 8, head, 8);
}

static uint64_t next_driver(struct machine *m, uint32_t size)
{
	uint64_t base = m->next_driver;
	uint64_t gap = (machine_random(m) % 4) * PAGE_SIZE * 4;
	m->next_driver = (base + size + gap + 2 * DRIVER_SPACING - 1) &
			 ~(uint64_t)(DRIVER_SPACING - 1);
	return base;
}

struct image *guest_load_driver(struct machine *m, const char *name, const char **error)
{
	char file[64], path[128];
	size_t stem = strcspn(name, ".");
	if (stem == 0 || stem > 40 || strpbrk(name, "/\\") || image_find(m, name))
		return NULL;
	snprintf(file, sizeof(file), "%.*s.sys", (int)stem, name);
	snprintf(path, sizeof(path), "\\SystemRoot\\System32\\drivers\\%s", file);
	uint64_t base = next_driver(m, 0x40000);
	struct image *image = image_load(m, file, file, path, base, error);
	if (!image || !image_bind(m, image, error))
		return NULL;
	image_map(m, image);
	guest_list_entry(m, image);
	return image;
}

/* Header fields by which two synthetic modules differ: time, checksum, PDB's GUID. */
static void make_different(struct machine *m, struct image *image, unsigned number)
{
	uint8_t *bytes = m->ram + image->physical;
	size_t pe = (size_t)load_le(bytes + 0x3c, 4);
	image->timestamp = 0x53000000u + number * 0x1003u;
	image->checksum = 0x10000u + number;
	store_le(bytes + pe + 0x08, image->timestamp, 4);
	store_le(bytes + pe + 0x18 + 0x40, image->checksum, 4);
	for (size_t at = 0; at + 24 < image->size; at += 4)
		if (memcmp(bytes + at, "RSDS", 4) == 0)
			store_le(bytes + at + 4, number * 0x0101010101ull + 1, 8);
}

struct image *guest_load_synthetic(struct machine *m, unsigned number, const char **error)
{
	char name[64], path[128];
	snprintf(name, sizeof(name), "synth%u.sys", number);
	snprintf(path, sizeof(path), "\\SystemRoot\\System32\\drivers\\%s", name);
	uint64_t base = next_driver(m, 0x8000);
	struct image *image = image_load(m, "synth.sys", name, path, base, error);
	if (!image)
		return NULL;
	make_different(m, image, number);
	image_map(m, image);
	guest_list_entry(m, image);
	return image;
}

/* Any PE file of this host: there to be looked at, and to be run by who sets a PC. */
static struct image *load_file(struct machine *m, const char *spec, const char **error)
{
	char file[512], name[64], path[128];
	const char *equals = strrchr(spec, '=');
	size_t length = equals ? (size_t)(equals - spec) : strlen(spec);
	snprintf(file, sizeof(file), "%.*s", (int)length, spec);
	const char *slash = strrchr(file, '/');
	snprintf(name, sizeof(name), "%.63s",
		 equals	 ? equals + 1
		 : slash ? slash + 1
			 : file);
	snprintf(path, sizeof(path), "\\SystemRoot\\System32\\%s", name);
	*error = "a module has that name already";
	if (image_find(m, name))
		return NULL;
	struct image *image =
		image_load(m, file, name, path, next_driver(m, FILE_SIZE_MAX), error);
	if (!image)
		return NULL;
	image_map(m, image);
	guest_list_entry(m, image);
	return image;
}

static bool load_kernel(struct machine *m, const char **error)
{
	uint64_t base = IMAGE_ADDRESS + 0x200000000ull +
			(machine_random(m) % 0x400) * LARGE_PAGE_SIZE +
			(machine_random(m) % 0x100) * PAGE_SIZE;
	static const char *const files[2] = { "ntoskrnl.exe", "hal.dll" };
	struct image *images[2];
	for (unsigned i = 0; i < 2; i++) {
		char path[128];
		snprintf(path, sizeof(path), "\\SystemRoot\\system32\\%s", files[i]);
		images[i] = image_load(m, files[i], files[i], path, base, error);
		if (!images[i])
			return false;
		base += images[i]->size; /* without a gap, as Windows' loader does it */
	}
	m->next_driver = IMAGE_ADDRESS + 0x100000000ull +
			 (machine_random(m) % 0x4000) * DRIVER_SPACING;
	for (unsigned i = 0; i < 2; i++) {
		if (!image_bind(m, images[i], error))
			return false;
		image_map(m, images[i]);
		image_discard(m, images[i]);
		guest_list_entry(m, images[i]);
	}
	return true;
}

/* ---- KDBG, physical memory, the shared page ---- */

struct field {
	uint16_t offset;
	const char *symbol; /* its address, or else: */
	uint16_t value;	    /* 16 bits */
};

static const struct field kdbg[] = {
	{ 0x20, "RtlpBreakWithStatusInstruction", 0 },
	{ 0x48, "PsLoadedModuleList", 0 },
	{ 0x50, "PsActiveProcessHead", 0 },
	{ 0x58, "PspCidTable", 0 },
	{ 0x88, "KiBugCheckData", 0 },
	{ 0xc0, "MmPfnDatabase", 0 },
	{ 0xf0, "MmHighestPhysicalPage", 0 },
	{ 0xf8, "MmNumberOfPhysicalPages", 0 },
	{ 0x1c8, "MmHighestUserAddress", 0 },
	{ 0x1d0, "MmSystemRangeStart", 0 },
	{ 0x1f0, "KdPrintWritePointer", 0 },
	{ 0x1f8, "KdPrintRolloverCount", 0 },
	{ 0x208, "NtBuildLab", 0 },
	{ 0x218, "KiProcessorBlock", 0 },
	{ 0x220, "MmUnloadedDrivers", 0 },
	{ 0x228, "MmLastUnloadedDriver", 0 },
	{ 0x268, "CmNtCSDVersion", 0 },
	{ 0x270, "MmPhysicalMemoryBlock", 0 },
	{ 0x298, NULL, KTHREAD_NEXT_PROCESSOR },
	{ 0x29a, NULL, KTHREAD_TEB },
	{ 0x29c, NULL, KTHREAD_KERNEL_STACK },
	{ 0x29e, NULL, KTHREAD_INITIAL_STACK },
	{ 0x2a0, NULL, KTHREAD_APC_PROCESS },
	{ 0x2a2, NULL, KTHREAD_STATE },
	{ 0x2a8, NULL, EPROCESS_SIZE },
	{ 0x2aa, NULL, EPROCESS_PEB },
	{ 0x2ac, NULL, EPROCESS_PARENT },
	{ 0x2ae, NULL, EPROCESS_DIRECTORY_TABLE_BASE },
	{ 0x2b0, NULL, PRCB_SIZE },
	{ 0x2b2, NULL, PRCB_DPC_ACTIVE },
	{ 0x2b4, NULL, PRCB_CURRENT_THREAD },
	{ 0x2b6, NULL, PRCB_MHZ },
	{ 0x2b8, NULL, PRCB_CPU_TYPE },
	{ 0x2ba, NULL, PRCB_VENDOR },
	{ 0x2bc, NULL, PRCB_CONTEXT },
	{ 0x2be, NULL, PRCB_NUMBER },
	{ 0x2c0, NULL, ETHREAD_SIZE },
	{ 0x2e0, NULL, PCR_SIZE },
	{ 0x2e2, NULL, PCR_SELF },
	{ 0x2e4, NULL, PCR_CURRENT_PRCB },
	{ 0x2e6, NULL, PCR_PRCB },
};

enum { KDBG_SIZE = 0x360, CIRCULAR_SIZE = 0x1000 };

static void make_debugger_data(struct machine *m)
{
	uint64_t head = guest_symbol(m, "KdpDebuggerDataListHead");
	uint64_t block = guest_symbol(m, "KdDebuggerDataBlock");
	uint64_t ring = guest_symbol(m, "KdPrintDefaultCircularBuffer");
	guest_init_list(m, head);
	guest_link_tail(m, head, block);
	memory_put_bytes(m, block + 0x10, "KDBG", 4);
	memory_put(m, block + 0x14, KDBG_SIZE, 4);
	memory_put(m, block + 0x18, machine_kernel_base(m), 8);
	memory_put(m, block + 0x138, PAGE_SIZE, 8);
	memory_put(m, block + 0x1e0, ring, 8);
	memory_put(m, block + 0x1e8, ring + CIRCULAR_SIZE, 8);
	for (unsigned i = 0; i < sizeof(kdbg) / sizeof(kdbg[0]); i++) {
		const struct field *f = &kdbg[i];
		if (f->symbol)
			memory_put(m, block + f->offset, guest_symbol(m, f->symbol), 8);
		else
			memory_put(m, block + f->offset, f->value, 2);
	}
}

/* PHYSICAL_MEMORY_DESCRIPTOR: the low 640 KiB without page 0, then all from 1 MiB on. */
static void make_physical_memory(struct machine *m)
{
	static const uint64_t runs[2][2] = { { 1, 0x9e },
					     { 0x100, RAM_SIZE / PAGE_SIZE - 0x100 } };
	uint64_t block = memory_pool(m, 0x10 + sizeof(runs));
	memory_put(m, block, 2, 4);
	memory_put(m, block + 8, runs[0][1] + runs[1][1], 8);
	for (unsigned i = 0; i < 2; i++) {
		memory_put(m, block + 0x10 + 16 * i, runs[i][0], 8);
		memory_put(m, block + 0x18 + 16 * i, runs[i][1], 8);
	}
	memory_put(m, guest_symbol(m, "MmPhysicalMemoryBlock"), block, 8);
	memory_put(m, guest_symbol(m, "MmHighestPhysicalPage"), RAM_SIZE / PAGE_SIZE - 1,
		   8);
	memory_put(m, guest_symbol(m, "MmNumberOfPhysicalPages"), runs[0][1] + runs[1][1],
		   8);
	memory_put(m, guest_symbol(m, "MmUnloadedDrivers"),
		   memory_pool(m, UNLOADED_DRIVERS_SIZE), 8);
}

/* KUSER_SHARED_DATA, for the kernel and, to read, for the two users' processes. */
static void make_shared_page(struct machine *m)
{
	uint64_t physical = memory_allocate(m, 1);
	memory_map(m, m->kernel_cr3, SHARED_DATA_ADDRESS, physical, 1,
		   WRITABLE | PTE_GLOBAL);
	store_le(m->ram + physical + 0x260, 9600, 4); /* NtBuildNumber */
	store_le(m->ram + physical + 0x26c, 6, 4);    /* version 6.3 */
	store_le(m->ram + physical + 0x270, 3, 4);
	for (unsigned i = 1; i < PROCESSES; i++)
		memory_map(m, m->processes[i].cr3, USER_SHARED_ADDRESS, physical, 1,
			   PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_NO_EXECUTE);
}

/* ---- all of it ---- */

static bool load_drivers(struct machine *m, const char **error)
{
	uint64_t head = machine_module_list(m);
	for (unsigned i = 0; i <= m->options.modules; i++) {
		struct image *image = i < m->options.modules
					      ? guest_load_synthetic(m, i, error)
					      : guest_load_driver(m, "probe", error);
		if (!image)
			return false;
		guest_link_tail(m, head, image->list_entry);
	}
	for (unsigned i = 0; i < m->options.file_count; i++) {
		struct image *image = load_file(m, m->options.files[i], error);
		if (!image)
			return false;
		guest_link_tail(m, head, image->list_entry);
	}
	return true;
}

/* Without a boot probe.sys is loaded already; it is started as its first act. */
static void find_handlers(struct machine *m)
{
	m->mailbox = guest_symbol(m, "KiSimMailbox");
	m->break_in = guest_symbol(m, "KdpBreakInPending");
	m->global_flag = guest_symbol(m, "NtGlobalFlag");
	m->clock_handler = guest_symbol(m, "KiClockInterrupt");
	m->dispatch_handler = guest_symbol(m, "KiExceptionDispatch");
}

bool guest_init(struct machine *m, const char **error)
{
	if (!load_kernel(m, error))
		return false;
	uint64_t head = machine_module_list(m);
	guest_init_list(m, head);
	for (unsigned i = 0; i < 2; i++)
		guest_link_tail(m, head, m->images[i].list_entry);
	memory_map(m, m->kernel_cr3, DEVICE_ADDRESS, DEVICE_PHYSICAL, 1,
		   WRITABLE | PTE_UNCACHED | PTE_GLOBAL);
	guest_make_processes(m);
	make_shared_page(m);
	make_physical_memory(m);
	make_debugger_data(m);
	*error = "the processors cannot be made";
	if (!guest_make_processors(m))
		return false;
	find_handlers(m);
	return m->options.boot || load_drivers(m, error);
}
