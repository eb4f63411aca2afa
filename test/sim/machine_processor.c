#include "test/sim/machine_internal.h"

#include <stdio.h>
#include <string.h>

#include "kdnet/wire.h"
#include "test/sim/machine_layout.h"

/* Processes with pages of their own, threads with stacks, processors with their tables. */
enum {
	PCR_STRIDE = 0x8000,
	PCR_PAGES = 8,
	IDT_OFFSET = 0x6000,
	GDT_OFFSET = 0x7000,
	TSS_OFFSET = 0x7100,
	STACK_STRIDE = 0x8000,
	STACK_PAGES = 6, /* of 8: the two below are not mapped */
	STATE_RUNNING = 2,
};

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
	guest_link_tail(m, head, e + EPROCESS_LINKS);
}

void guest_make_processes(struct machine *m)
{
	static const struct process rows[PROCESSES] = {
		{ 0, 0, 4, "System" },
		{ 0, 0, 1236, "explorer.exe" },
		{ 0, 0, 884, "svchost.exe" },
	};
	uint64_t head = guest_symbol(m, "PsActiveProcessHead");
	guest_init_list(m, head);
	for (unsigned i = 0; i < PROCESSES; i++) {
		m->processes[i] = rows[i];
		make_process(m, &m->processes[i], head);
	}
	memory_put(m, guest_symbol(m, "PsInitialSystemProcess"), m->processes[0].eprocess,
		   8);
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
		handlers[i] = guest_symbol(m, "KiUnexpectedInterrupt");
	for (unsigned i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
		handlers[gates[i].vector] = guest_symbol(m, gates[i].handler);
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

/* One that stands by while the processor works for a process. */
static uint64_t idle_thread(struct machine *m, const struct cpu *c)
{
	bool works = process_of(m, c->number) != process_of(m, MACHINE_CPUS_MAX);
	return works ? memory_pool(m, ETHREAD_SIZE) : c->kthread;
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
	memory_put(m, prcb + PRCB_IDLE_THREAD, idle_thread(m, c), 8);
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
	memory_put(m, guest_symbol(m, "KiProcessorBlock") + 8 * number, c->kprcb, 8);
	if (!cpu_init(m, c, number))
		return false;
	cpu_set_special(c, SPECIAL_CR3, process_of(m, number)->cr3);
	cpu_set(c, UC_X86_REG_RIP, guest_symbol(m, "KiStartSystemThread"));
	cpu_set(c, UC_X86_REG_RSP, stack_top(number) - 0x18);
	cpu_set(c, UC_X86_REG_RBX,
		guest_symbol(m, number ? "KiIdleLoop" : "ExpWorkerThread"));
	cpu_set(c, UC_X86_REG_RCX, number ? number : 1);
	return true;
}

void guest_count_processors(struct machine *m)
{
	memory_put(m, guest_symbol(m, "KeNumberProcessors"), m->online, 4);
}

bool guest_make_processors(struct machine *m)
{
	uint32_t pages = m->options.cpus * PCR_PAGES;
	memory_map(m, m->kernel_cr3, PCR_ADDRESS, memory_allocate(m, pages), pages,
		   WRITABLE | PTE_GLOBAL);
	guest_count_processors(m);
	for (unsigned i = 0; i < m->options.cpus; i++)
		if (!make_processor(m, i))
			return false;
	return true;
}
