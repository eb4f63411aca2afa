#include "test/sim/machine_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "kdnet/wire.h"

/*
 * Builds what a running Windows 8.1 kernel would have made: the KDBG block, the
 * module list, processes and threads, KPCR and KPRCB with GDT and IDT, user pages,
 * the shared page. Offsets are Windows 8.1's; those that KDBG tells are the values
 * of test/vectors/win81-kdbg.txt.
 */
enum {
	/* EPROCESS */
	EPROCESS_SIZE = 0x6d8,
	EPROCESS_DIRECTORY_TABLE_BASE = 0x28,
	EPROCESS_ID = 0x2e0,
	EPROCESS_LINKS = 0x2e8,
	EPROCESS_PARENT = 0x3d0,
	EPROCESS_PEB = 0x3e8,
	EPROCESS_IMAGE_NAME = 0x438,
	/* ETHREAD */
	ETHREAD_SIZE = 0x778,
	KTHREAD_INITIAL_STACK = 0x28,
	KTHREAD_STACK_LIMIT = 0x30,
	KTHREAD_STACK_BASE = 0x38,
	KTHREAD_KERNEL_STACK = 0x58,
	KTHREAD_APC_PROCESS = 0xb8,
	KTHREAD_TEB = 0xf0,
	KTHREAD_STATE = 0x184,
	KTHREAD_NEXT_PROCESSOR = 0x218,
	KTHREAD_PROCESS = 0x220,
	ETHREAD_PROCESS_ID = 0x628,
	ETHREAD_THREAD_ID = 0x630,
	STATE_RUNNING = 2,
	/* KPCR and KPRCB */
	PCR_STRIDE = 0x8000,
	PCR_PAGES = 8,
	PCR_SIZE = 0x5f00,
	PRCB_SIZE = 0x5d80,
	PCR_GDT = 0x00,
	PCR_TSS = 0x08,
	PCR_SELF = 0x18,
	PCR_CURRENT_PRCB = 0x20,
	PCR_IDT = 0x38,
	PCR_MAJOR_VERSION = 0x5c,
	PCR_PRCB = 0x180,
	PRCB_MXCSR = 0x00,
	PRCB_CURRENT_THREAD = 0x08,
	PRCB_IDLE_THREAD = 0x18,
	PRCB_NUMBER = 0x24,
	PRCB_CONTEXT = 0x120,
	PRCB_CPU_TYPE = 0x5f0,
	PRCB_MHZ = 0x5f4,
	PRCB_DPC_ACTIVE = 0x2dea,
	PRCB_VENDOR = 0x5958,
	IDT_OFFSET = 0x6000,
	GDT_OFFSET = 0x7000,
	TSS_OFFSET = 0x7100,
	/* stacks */
	STACK_STRIDE = 0x8000,
	STACK_PAGES = 6, /* of 8: the two below are not mapped */
	/* modules */
	KLDR_SIZE = 0xa0,
	DRIVER_SPACING = 0x10000,
	UNLOADED_DRIVERS_SIZE = 50 * 0x28,
};

#define WRITABLE (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NO_EXECUTE)

static uint64_t symbol(struct machine *m, const char *name)
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
static void link_tail(struct machine *m, uint64_t head, uint64_t entry)
{
	uint64_t last = memory_get(m, head + 8, 8);
	memory_put(m, entry, head, 8);
	memory_put(m, entry + 8, last, 8);
	memory_put(m, last, entry, 8);
	memory_put(m, head + 8, entry, 8);
}

static void init_list(struct machine *m, uint64_t head)
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
		base += images[i]->size + (1 + machine_random(m) % 8) * PAGE_SIZE;
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

/* ---- processes and threads ---- */

static uint64_t user_page(struct machine *m, uint64_t root, uint64_t address,
			  uint64_t flags)
{
	uint64_t physical = memory_allocate(m, 1);
	memory_map(m, root, address, physical, 1,
		   PTE_USER | PTE_ACCESSED | PTE_NO_EXECUTE | flags);
	return physical;
}

/* Pages: one to write, one not resident, one to read, then the PEB. */
static void make_user_pages(struct machine *m, struct process *p)
{
	uint64_t data = user_page(m, p->cr3, USER_ADDRESS, PTE_PRESENT | PTE_WRITE);
	user_page(m, p->cr3, USER_ADDRESS + PAGE_SIZE, PTE_WRITE);
	uint64_t text = user_page(m, p->cr3, USER_ADDRESS + 2 * PAGE_SIZE, PTE_PRESENT);
	user_page(m, p->cr3, USER_ADDRESS + 3 * PAGE_SIZE, PTE_PRESENT | PTE_WRITE);
	for (unsigned i = 0; i < PAGE_SIZE; i += 8)
		store_le(m->ram + data + i, p->id << 32 | i, 8);
	snprintf((char *)m->ram + data, 64, "user page of %s", p->name);
	snprintf((char *)m->ram + text, 64, "text of %s, process %u", p->name,
		 (unsigned)p->id);
}

static void make_process(struct machine *m, struct process *p, uint64_t head)
{
	uint64_t e = p->eprocess = memory_pool(m, EPROCESS_SIZE);
	bool user = p->id != 4;
	p->cr3 = user ? memory_new_root(m, true) : m->kernel_cr3;
	if (user)
		make_user_pages(m, p);
	memory_put(m, e, 0x00b60003, 4); /* DISPATCHER_HEADER: a process */
	memory_put(m, e + EPROCESS_DIRECTORY_TABLE_BASE, p->cr3, 8);
	memory_put(m, e + EPROCESS_ID, p->id, 8);
	memory_put(m, e + EPROCESS_PARENT, user ? 4 : 0, 8);
	memory_put(m, e + EPROCESS_PEB, user ? USER_ADDRESS + 3 * PAGE_SIZE : 0, 8);
	char name[15] = { 0 };
	memcpy(name, p->name, strnlen(p->name, 14));
	memory_put_bytes(m, e + EPROCESS_IMAGE_NAME, name, sizeof(name));
	link_tail(m, head, e + EPROCESS_LINKS);
}

static void make_processes(struct machine *m)
{
	static const struct process rows[PROCESSES] = {
		{ 0, 0, 4, "System" },
		{ 0, 0, 1236, "explorer.exe" },
		{ 0, 0, 884, "svchost.exe" },
	};
	uint64_t head = symbol(m, "PsActiveProcessHead");
	init_list(m, head);
	for (unsigned i = 0; i < PROCESSES; i++) {
		m->processes[i] = rows[i];
		make_process(m, &m->processes[i], head);
	}
	memory_put(m, symbol(m, "PsInitialSystemProcess"), m->processes[0].eprocess, 8);
}

/* Processors 0 and 1 run threads of the two users' processes, the others System's. */
static const struct process *process_of(const struct machine *m, unsigned cpu)
{
	return &m->processes[cpu < 2 ? cpu + 1 : 0];
}

static uint64_t stack_top(unsigned cpu)
{
	return STACK_ADDRESS + (cpu + 1) * (uint64_t)STACK_STRIDE;
}

static void make_thread(struct machine *m, struct cpu *c)
{
	const struct process *p = process_of(m, c->number);
	uint64_t t = c->kthread = memory_pool(m, ETHREAD_SIZE),
		 top = stack_top(c->number);
	uint64_t limit = top - STACK_PAGES * PAGE_SIZE;
	memory_map(m, m->kernel_cr3, limit, memory_allocate(m, STACK_PAGES), STACK_PAGES,
		   WRITABLE | PTE_GLOBAL);
	memory_put(m, t, 0x00c00006, 4); /* DISPATCHER_HEADER: a thread */
	memory_put(m, t + KTHREAD_INITIAL_STACK, top, 8);
	memory_put(m, t + KTHREAD_STACK_LIMIT, limit, 8);
	memory_put(m, t + KTHREAD_STACK_BASE, top, 8);
	memory_put(m, t + KTHREAD_KERNEL_STACK, top - 0x100, 8);
	memory_put(m, t + KTHREAD_APC_PROCESS, p->eprocess, 8);
	memory_put(m, t + KTHREAD_PROCESS, p->eprocess, 8);
	memory_put(m, t + KTHREAD_TEB, p->id == 4 ? 0 : USER_ADDRESS + 0x3800, 8);
	memory_put(m, t + KTHREAD_STATE, STATE_RUNNING, 1);
	memory_put(m, t + KTHREAD_NEXT_PROCESSOR, c->number, 4);
	memory_put(m, t + ETHREAD_PROCESS_ID, p->id, 8);
	memory_put(m, t + ETHREAD_THREAD_ID, 8 + 4 * c->number, 8);
}

/* ---- processors ---- */

static const uint64_t gdt[] = {
	0,
	0,
	0x00209b0000000000,
	0x00cf93000000ffff,
	0x00cffb000000ffff,
	0x00cff3000000ffff,
	0x0020fb0000000000,
	0,
	0,
	0,
	0x0040f30000003c00,
};

static void make_tables(struct machine *m, struct cpu *c)
{
	static const struct {
		unsigned vector;
		const char *handler;
	} gates[] = {
		{ 0, "KiDivideErrorFault" },	{ 1, "KiDebugTrapOrFault" },
		{ 2, "KiNmiInterrupt" },	{ 3, "KiBreakpointTrap" },
		{ 6, "KiInvalidOpcodeFault" },	{ 13, "KiGeneralProtectionFault" },
		{ 14, "KiPageFault" },		{ 0x2c, "KiRaiseAssertion" },
		{ 0x2d, "KiDebugServiceTrap" }, { 0xd1, "KiClockInterrupt" },
	};
	uint64_t handlers[256], tss = c->kpcr + TSS_OFFSET;
	for (unsigned i = 0; i < 256; i++)
		handlers[i] = symbol(m, "KiUnexpectedInterrupt");
	for (unsigned i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
		handlers[gates[i].vector] = symbol(m, gates[i].handler);
	for (unsigned i = 0; i < 256; i++) {
		uint64_t h = handlers[i], dpl = i == 3 || i == 0x2c || i == 0x2d ? 3 : 0;
		uint64_t low = (h & 0xffff) | SELECTOR_CODE << 16 |
			       (0x8e00ull | dpl << 13) << 32 | (h >> 16 & 0xffff) << 48;
		memory_put(m, c->kpcr + IDT_OFFSET + i * 16, low, 8);
		memory_put(m, c->kpcr + IDT_OFFSET + i * 16 + 8, h >> 32, 8);
	}
	for (unsigned i = 0; i < sizeof(gdt) / sizeof(gdt[0]); i++)
		memory_put(m, c->kpcr + GDT_OFFSET + i * 8, gdt[i], 8);
	uint64_t descriptor =
		0x67 | (tss & 0xffffff) << 16 | 0x8bull << 40 | (tss >> 24 & 0xff) << 56;
	memory_put(m, c->kpcr + GDT_OFFSET + SELECTOR_TSS, descriptor, 8);
	memory_put(m, c->kpcr + GDT_OFFSET + SELECTOR_TSS + 8, tss >> 32, 8);
	memory_put(m, tss + 4, stack_top(c->number), 8);
	memory_put(m, tss + 0x66, 0x68, 2);
}

static void make_pcr(struct machine *m, struct cpu *c)
{
	uint64_t pcr = c->kpcr, prcb = c->kprcb;
	memory_put(m, pcr + PCR_GDT, pcr + GDT_OFFSET, 8);
	memory_put(m, pcr + PCR_TSS, pcr + TSS_OFFSET, 8);
	memory_put(m, pcr + PCR_SELF, pcr, 8);
	memory_put(m, pcr + PCR_CURRENT_PRCB, prcb, 8);
	memory_put(m, pcr + PCR_IDT, pcr + IDT_OFFSET, 8);
	memory_put(m, pcr + PCR_MAJOR_VERSION, 1, 2);
	memory_put(m, prcb + PRCB_MXCSR, 0x1f80, 4);
	memory_put(m, prcb + PRCB_CURRENT_THREAD, c->kthread, 8);
	memory_put(m, prcb + PRCB_IDLE_THREAD, c->kthread, 8);
	memory_put(m, prcb + PRCB_NUMBER, c->number, 4);
	memory_put(m, prcb + PRCB_CPU_TYPE, 6, 1);
	memory_put(m, prcb + PRCB_MHZ, 2400, 4);
	memory_put_bytes(m, prcb + PRCB_VENDOR, "GenuineIntel", 13);
	make_tables(m, c);
}

static bool make_processor(struct machine *m, unsigned number)
{
	struct cpu *c = &m->cpus[number];
	c->number = number;
	c->kpcr = PCR_ADDRESS + number * (uint64_t)PCR_STRIDE;
	c->kprcb = c->kpcr + PCR_PRCB;
	make_thread(m, c);
	make_pcr(m, c);
	memory_put(m, symbol(m, "KiProcessorBlock") + 8 * number, c->kprcb, 8);
	if (!cpu_init(m, c, number))
		return false;
	cpu_set_special(c, SPECIAL_CR3, process_of(m, number)->cr3);
	cpu_set(c, UC_X86_REG_RIP, symbol(m, "KiStartSystemThread"));
	cpu_set(c, UC_X86_REG_RSP, stack_top(number) - 0x18);
	cpu_set(c, UC_X86_REG_RBX, symbol(m, number ? "KiIdleLoop" : "ExpWorkerThread"));
	cpu_set(c, UC_X86_REG_RCX, number ? number : 1);
	return true;
}

static bool make_processors(struct machine *m)
{
	uint32_t pages = m->options.cpus * PCR_PAGES;
	memory_map(m, m->kernel_cr3, PCR_ADDRESS, memory_allocate(m, pages), pages,
		   WRITABLE | PTE_GLOBAL);
	memory_put(m, symbol(m, "KeNumberProcessors"), m->options.cpus, 4);
	for (unsigned i = 0; i < m->options.cpus; i++)
		if (!make_processor(m, i))
			return false;
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
	uint64_t head = symbol(m, "KdpDebuggerDataListHead");
	uint64_t block = symbol(m, "KdDebuggerDataBlock");
	uint64_t ring = symbol(m, "KdPrintDefaultCircularBuffer");
	init_list(m, head);
	link_tail(m, head, block);
	memory_put_bytes(m, block + 0x10, "KDBG", 4);
	memory_put(m, block + 0x14, KDBG_SIZE, 4);
	memory_put(m, block + 0x18, machine_kernel_base(m), 8);
	memory_put(m, block + 0x138, PAGE_SIZE, 8);
	memory_put(m, block + 0x1e0, ring, 8);
	memory_put(m, block + 0x1e8, ring + CIRCULAR_SIZE, 8);
	for (unsigned i = 0; i < sizeof(kdbg) / sizeof(kdbg[0]); i++) {
		const struct field *f = &kdbg[i];
		if (f->symbol)
			memory_put(m, block + f->offset, symbol(m, f->symbol), 8);
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
	memory_put(m, symbol(m, "MmPhysicalMemoryBlock"), block, 8);
	memory_put(m, symbol(m, "MmHighestPhysicalPage"), RAM_SIZE / PAGE_SIZE - 1, 8);
	memory_put(m, symbol(m, "MmNumberOfPhysicalPages"), runs[0][1] + runs[1][1], 8);
	memory_put(m, symbol(m, "MmUnloadedDrivers"),
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
		link_tail(m, head, image->list_entry);
	}
	return true;
}

/* Without a boot probe.sys is loaded already; it is started as its first act. */
static void find_handlers(struct machine *m)
{
	m->mailbox = symbol(m, "KiSimMailbox");
	m->break_in = symbol(m, "KdpBreakInPending");
	m->global_flag = symbol(m, "NtGlobalFlag");
	m->clock_handler = symbol(m, "KiClockInterrupt");
	m->dispatch_handler = symbol(m, "KiExceptionDispatch");
}

bool guest_init(struct machine *m, const char **error)
{
	if (!load_kernel(m, error))
		return false;
	uint64_t head = machine_module_list(m);
	init_list(m, head);
	for (unsigned i = 0; i < 2; i++)
		link_tail(m, head, m->images[i].list_entry);
	memory_map(m, m->kernel_cr3, DEVICE_ADDRESS, DEVICE_PHYSICAL, 1,
		   WRITABLE | PTE_UNCACHED | PTE_GLOBAL);
	make_processes(m);
	make_shared_page(m);
	make_physical_memory(m);
	make_debugger_data(m);
	*error = "the processors cannot be made";
	if (!make_processors(m))
		return false;
	find_handlers(m);
	return m->options.boot || load_drivers(m, error);
}
