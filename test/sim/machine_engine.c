#include "test/sim/machine_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/*
 * The hooks are set once and stay: code that Unicorn has translated calls only the
 * hooks that existed then. The one on each instruction also keeps RIP and EFLAGS
 * exact when an access faults, and is what stops a slice; it costs less than half
 * of the speed. TF works by itself: the engine raises interrupt 1.
 */

/* ---- mapping ---- */

/* Two neighbouring pages belong to one mapping when their entries agree in these. */
#define SAME_FLAGS (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_UNCACHED | PTE_NO_EXECUTE)
enum { REGION_PAGES_MAX = 512 };

static struct region *region_at(struct machine *m, uint64_t address)
{
	for (unsigned i = 0; i < m->region_count; i++)
		if (address - m->regions[i].address <
		    (uint64_t)m->regions[i].pages * PAGE_SIZE)
			return &m->regions[i];
	return NULL;
}

/* What was translated goes first: the engine may give the same RAM to another region. */
static void drop_region(struct machine *m, struct region *r)
{
	uc_ctl_remove_cache(m->uc, r->address,
			    r->address + (uint64_t)r->pages * PAGE_SIZE);
	uc_mem_unmap(m->uc, r->address, (size_t)r->pages * PAGE_SIZE);
	*r = m->regions[--m->region_count];
}

void engine_unmap(struct machine *m, uint64_t address, uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++) {
		struct region *r = region_at(m, address + (uint64_t)i * PAGE_SIZE);
		if (r)
			drop_region(m, r);
	}
}

/* Does the page map where a run that begins with `entry` would have it? */
static bool continues(struct machine *m, uint64_t root, uint64_t address,
		      uint64_t physical, uint64_t flags)
{
	uint64_t entry, place;
	bool large;
	return memory_walk(m, root, address, &entry, &large, &place) && !large &&
	       (entry & SAME_FLAGS) == flags && (entry & PTE_FRAME) == physical &&
	       !region_at(m, address);
}

static uint32_t permissions(uint64_t entry)
{
	uint32_t p = UC_PROT_READ;
	if (entry & PTE_WRITE)
		p |= UC_PROT_WRITE;
	if (!(entry & PTE_NO_EXECUTE))
		p |= UC_PROT_EXEC;
	return p;
}

static uint64_t device_in(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
	(void)uc;
	uint64_t value = 0;
	machine_read_physical(user, DEVICE_PHYSICAL + offset, &value, size);
	return value;
}

static void device_out(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value,
		       void *user)
{
	(void)uc, (void)offset, (void)size, (void)value, (void)user;
}

static bool add_region(struct machine *m, struct region r, uint32_t prot)
{
	size_t size = (size_t)r.pages * PAGE_SIZE;
	uc_err error;
	if (r.physical == DEVICE_PHYSICAL)
		error = uc_mmio_map(m->uc, r.address, size, device_in, m, device_out, m);
	else
		error = uc_mem_map_ptr(m->uc, r.address, size, prot, m->ram + r.physical);
	if (error != UC_ERR_OK)
		return false;
	m->regions[m->region_count++] = r;
	return true;
}

bool engine_map(struct machine *m, uint64_t root, uint64_t address)
{
	uint64_t entry, place;
	bool large;
	address &= ~(uint64_t)(PAGE_SIZE - 1);
	if (!memory_walk(m, root, address, &entry, &large, &place) ||
	    !(entry & PTE_PRESENT) || region_at(m, address) ||
	    m->region_count == ENGINE_REGIONS_MAX)
		return false;
	struct region r = { address, entry & PTE_FRAME, 1, address >> 47 == 0 };
	if (large) {
		r.address &= ~(uint64_t)(LARGE_PAGE_SIZE - 1);
		r.pages = LARGE_PAGE_SIZE / PAGE_SIZE;
		return add_region(m, r, permissions(entry));
	}
	uint64_t flags = entry & SAME_FLAGS;
	while (r.pages < REGION_PAGES_MAX &&
	       continues(m, root, r.address - PAGE_SIZE, r.physical - PAGE_SIZE, flags)) {
		r.address -= PAGE_SIZE;
		r.physical -= PAGE_SIZE;
		r.pages++;
	}
	for (;;) {
		uint64_t size = (uint64_t)r.pages * PAGE_SIZE;
		if (r.pages == REGION_PAGES_MAX ||
		    !continues(m, root, r.address + size, r.physical + size, flags))
			break;
		r.pages++;
	}
	if (r.user)
		m->user_cr3 = root;
	return add_region(m, r, permissions(entry));
}

void engine_written(struct machine *m, uint64_t physical, size_t length)
{
	for (unsigned i = 0; i < m->region_count; i++) {
		struct region *r = &m->regions[i];
		uint64_t size = (uint64_t)r->pages * PAGE_SIZE;
		if (physical + length <= r->physical || physical >= r->physical + size)
			continue;
		uint64_t start = physical > r->physical ? physical - r->physical : 0;
		uint64_t end = physical + length - r->physical;
		if (end > size)
			end = size;
		/* uc_mem_write leaves stale translations, this does not (2.0.1) */
		uc_ctl_remove_cache(m->uc, r->address + start, r->address + end);
	}
}

/* User pages of another process than the one that runs now. */
static void drop_user_pages(struct machine *m, uint64_t cr3)
{
	if (m->user_cr3 == 0 || m->user_cr3 == cr3)
		return;
	for (unsigned i = m->region_count; i > 0; i--)
		if (m->regions[i - 1].user)
			drop_region(m, &m->regions[i - 1]);
	m->user_cr3 = 0;
}

/* ---- hooks ---- */

static void stop_now(struct machine *m, enum stop why)
{
	m->stop = why;
	uc_emu_stop(m->uc);
}

static bool is_halt(struct machine *m, uint64_t address)
{
	uint64_t physical;
	return memory_translate(m, cpu_special(m->running, SPECIAL_CR3), address,
				&physical) &&
	       physical < RAM_SIZE && m->ram[physical] == 0xf4;
}

static void on_instruction(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
	struct machine *m = user;
	struct cpu *c = m->running;
	(void)uc;
	if (m->hits)
		stop_now(m, STOP_WATCH);
	else if (m->left == 0)
		stop_now(m, STOP_SLICE);
	else if (!c->passed_execute && debug_hits(c, 0, address, 1))
		stop_now(m, STOP_EXECUTE);
	else if (size == 1 && is_halt(m, address))
		stop_now(m, STOP_HALT);
	if (m->stop != STOP_NONE)
		return;
	c->passed_execute = false;
	m->left--;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
	struct machine *m = user;
	(void)uc;
	m->interrupt = number;
	stop_now(m, STOP_INTERRUPT);
}

static bool on_invalid(uc_engine *uc, void *user)
{
	on_interrupt(uc, 6, user);
	return false;
}

static void on_access(uc_engine *uc, uc_mem_type type, uint64_t address, int size,
		      int64_t value, void *user)
{
	struct machine *m = user;
	(void)uc, (void)value;
	m->hits |= debug_hits(m->running, type == UC_MEM_WRITE ? 1 : 3, address,
			      (unsigned)size);
}

static bool on_bad_access(uc_engine *uc, uc_mem_type type, uint64_t address, int size,
			  int64_t value, void *user)
{
	struct machine *m = user;
	(void)uc, (void)value;
	bool unmapped = type == UC_MEM_READ_UNMAPPED || type == UC_MEM_WRITE_UNMAPPED ||
			type == UC_MEM_FETCH_UNMAPPED;
	bool fetch = type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT;
	bool write = type == UC_MEM_WRITE_UNMAPPED || type == UC_MEM_WRITE_PROT;
	uint64_t last = address + (unsigned)size - 1;
	/* of an access over two pages the second may be the one that is missing */
	m->fault_address = region_at(m, address) && !region_at(m, last) ? last : address;
	m->fault_access = fetch ? FAULT_EXECUTE : write ? FAULT_WRITE : FAULT_READ;
	m->stop = unmapped ? STOP_MAP : STOP_FAULT;
	return false;
}

static uint32_t on_port_in(uc_engine *uc, uint32_t port, int size, void *user)
{
	struct machine *m = user;
	(void)uc;
	m->hits |= debug_hits(m->running, 2, port, (unsigned)size);
	return machine_port_read(m, (uint16_t)port, (unsigned)size);
}

static void on_port_out(uc_engine *uc, uint32_t port, int size, uint32_t value,
			void *user)
{
	struct machine *m = user;
	(void)uc;
	m->hits |= debug_hits(m->running, 2, port, (unsigned)size);
	machine_port_write(m, (uint16_t)port, (unsigned)size, value);
	if (m->reset_line)
		stop_now(m, STOP_REBOOT);
}

/* uc_hook_add takes any hook's function as a void pointer. */
#define HOOK(f) __extension__(void *)(f)

static bool add_hooks(struct machine *m)
{
	uc_hook h;
	uc_engine *uc = m->uc;
	return uc_hook_add(uc, &h, UC_HOOK_CODE, HOOK(on_instruction), m, 1, 0) ==
		       UC_ERR_OK &&
	       uc_hook_add(uc, &h, UC_HOOK_INTR, HOOK(on_interrupt), m, 1, 0) ==
		       UC_ERR_OK &&
	       uc_hook_add(uc, &h, UC_HOOK_INSN_INVALID, HOOK(on_invalid), m, 1, 0) ==
		       UC_ERR_OK &&
	       uc_hook_add(uc, &h, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, HOOK(on_access),
			   m, 1, 0) == UC_ERR_OK &&
	       uc_hook_add(uc, &h, UC_HOOK_MEM_INVALID, HOOK(on_bad_access), m, 1, 0) ==
		       UC_ERR_OK &&
	       uc_hook_add(uc, &h, UC_HOOK_INSN, HOOK(on_port_in), m, 1, 0,
			   UC_X86_INS_IN) == UC_ERR_OK &&
	       uc_hook_add(uc, &h, UC_HOOK_INSN, HOOK(on_port_out), m, 1, 0,
			   UC_X86_INS_OUT) == UC_ERR_OK;
}

bool engine_init(struct machine *m)
{
	m->regions = calloc(ENGINE_REGIONS_MAX, sizeof(*m->regions));
	return m->regions && uc_open(UC_ARCH_X86, UC_MODE_64, &m->uc) == UC_ERR_OK &&
	       add_hooks(m);
}

void engine_free(struct machine *m)
{
	if (m->uc)
		uc_close(m->uc);
	free(m->regions);
}

/* ---- one slice ---- */

/* The page is in the tables: map it, and the instruction begins again. */
static bool map_and_retry(struct machine *m, uint64_t cr3)
{
	if (!engine_map(m, cr3, m->fault_address)) {
		m->stop = STOP_FAULT;
		return false;
	}
	if (m->fault_access != FAULT_EXECUTE)
		m->left++; /* it was counted when it began */
	return true;
}

enum stop engine_run(struct machine *m, struct cpu *c, uint64_t instructions)
{
	uint64_t cr3 = cpu_special(c, SPECIAL_CR3) & PTE_FRAME;
	drop_user_pages(m, cr3);
	uc_context_restore(m->uc, c->registers);
	m->running = c;
	m->left = instructions;
	do {
		uint64_t rip = 0;
		m->stop = STOP_NONE;
		m->hits = 0;
		uc_reg_read(m->uc, UC_X86_REG_RIP, &rip);
		uc_err error = uc_emu_start(m->uc, rip, RANGE_END, 0, 0);
		if (m->stop == STOP_NONE) /* the engine gave up by itself */
			m->stop = error == UC_ERR_OK ? STOP_SLICE : STOP_REBOOT;
	} while (m->stop == STOP_MAP && map_and_retry(m, cr3));
	uc_context_save(m->uc, c->registers);
	c->instructions += instructions - m->left;
	m->running = NULL;
	return m->stop;
}
