#include "test/sim/machine_internal.h"

#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"

enum {
	TRACE_SLICE = 16, /* what the others execute while one processor is traced */
	KEYBOARD_CONTROLLER = 0x64,
	PULSE_RESET = 0xfe,
};

/* ---- life ---- */

struct machine *machine_new(const struct machine_options *options, const char **error)
{
	struct machine *m = calloc(1, sizeof(*m));
	*error = "out of memory";
	if (!m)
		return NULL;
	m->options = *options;
	m->random = options->seed + options->boot_number * 0x51ed27f5ull;
	m->images = calloc(IMAGES_MAX, sizeof(*m->images));
	m->cpus = calloc(options->cpus ? options->cpus : 1, sizeof(*m->cpus));
	m->online = options->cpus - options->late_cpus;
	m->boot_end = options->boot ? options->modules + 3 : 0;
	if (m->images && m->cpus && memory_init(m) && engine_init(m)) {
		*error = "processors: 1 to 256, not all late; modules: at most 4096";
		if (options->cpus > options->late_cpus &&
		    options->cpus <= MACHINE_CPUS_MAX && options->modules <= 4096 &&
		    guest_init(m, error))
			return m;
	}
	machine_free(m);
	return NULL;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	for (unsigned i = 0; m->cpus && i < m->options.cpus; i++)
		uc_context_free(m->cpus[i].registers);
	engine_free(m);
	memory_free(m);
	free(m->cpus);
	free(m->images);
	free(m);
}

/* The page is absent: paged code comes in, and KD may plant what it owes meanwhile. */
static bool paged_in(struct machine *m)
{
	return image_page_in(m, m->fault_address);
}

/* ---- running ---- */

static void halt(struct machine *m, struct cpu *c)
{
	bool traced = cpu_get(c, UC_X86_REG_EFLAGS) & FLAG_TRAP;
	cpu_move_rip(c, 1);
	if (traced)
		trap_debug(m, c, 0x4000);
	else
		c->halted = true;
}

/* What became of a slice; true: the others' turn has to wait (event, page-in). */
static bool settle(struct machine *m, struct cpu *c, enum stop stop)
{
	switch (stop) {
	case STOP_INTERRUPT:
		trap_interrupt(m, c);
		break;
	case STOP_EXECUTE:
		trap_debug(m, c, debug_hits(c, 0, cpu_get(c, UC_X86_REG_RIP), 1));
		break;
	case STOP_WATCH:
		trap_debug(m, c, m->hits);
		break;
	case STOP_HALT:
		halt(m, c);
		break;
	case STOP_FAULT:
		if (paged_in(m))
			return true;
		trap_fault(m, c);
		break;
	case STOP_REBOOT:
		trap_event(m, c, MACHINE_REBOOT);
		break;
	case STOP_NONE:
	case STOP_SLICE:
	case STOP_MAP:
		break;
	}
	return m->stopped;
}

static bool interrupts_enabled(const struct cpu *c)
{
	return cpu_get(c, UC_X86_REG_EFLAGS) & FLAG_INTERRUPT;
}

/* A clock interrupt that is due; false: the stack is gone, a double fault. */
static bool tick(struct machine *m, struct cpu *c)
{
	if (c->time < c->next_tick || !interrupts_enabled(c))
		return true;
	c->next_tick = c->time + CLOCK_PERIOD;
	c->halted = false;
	return cpu_interrupt(m, c, m->clock_handler, false);
}

/* How long until something has to be looked at. */
static uint64_t until_tick(const struct cpu *c, uint64_t budget)
{
	uint64_t left = c->next_tick > c->time ? c->next_tick - c->time : budget;
	return left < budget ? left : budget;
}

/* True: stop here, the round does not go on. */
static bool run_cpu(struct machine *m, struct cpu *c, uint64_t budget)
{
	while (budget > 0) {
		if (m->reset_line || !tick(m, c)) {
			trap_event(m, c, MACHINE_REBOOT);
			return true;
		}
		uint64_t n = until_tick(c, budget), before = c->instructions;
		enum stop stop = c->halted ? STOP_SLICE : engine_run(m, c, n);
		uint64_t done = stop == STOP_SLICE ? n : c->instructions - before;
		c->time += done;
		budget -= done;
		if (settle(m, c, stop))
			return true;
	}
	return false;
}

static bool any_traced(const struct machine *m)
{
	for (unsigned i = 0; i < m->online; i++)
		if (cpu_get(&m->cpus[i], UC_X86_REG_EFLAGS) & FLAG_TRAP)
			return true;
	return false;
}

enum machine_event_type machine_run(struct machine *m, unsigned instructions,
				    struct machine_event *event)
{
	if (m->second_chance) {
		m->second_chance = false;
		m->event.u.exception.first_chance = false;
		m->stopped = true;
		*event = m->event;
		return event->type;
	}
	act_post(m);
	uint64_t slice = instructions;
	if (slice > TRACE_SLICE && any_traced(m))
		slice = TRACE_SLICE;
	event->type = MACHINE_NONE;
	for (unsigned i = 0; i < m->online; i++) {
		struct cpu *c = &m->cpus[m->turn];
		m->turn = (m->turn + 1) % m->online;
		if (run_cpu(m, c, slice))
			break;
	}
	if (m->stopped)
		*event = m->event;
	return event->type;
}

/* ---- going on ---- */

static void answer_prompt(struct machine *m, struct cpu *c, const char *answer,
			  size_t length)
{
	size_t room = m->event.u.text.room;
	if (length > room)
		length = room;
	if (length > 0)
		length = machine_write(m, c->number, cpu_get(c, UC_X86_REG_R8), answer,
				       length);
	cpu_set(c, UC_X86_REG_RAX, length);
}

/* Behind the int3 that follows int 2d, unless the debugger moved PC itself. */
static void step_over(struct machine *m, struct cpu *c)
{
	if (cpu_get(c, UC_X86_REG_RIP) == m->event.program_counter)
		cpu_move_rip(c, 1);
}

/*
 * Nobody handled it: the kernel raises bugcheck 1E on that processor, through its
 * own code, from a machine frame at the fault.
 */
static void dispatch(struct machine *m, struct cpu *c, uint32_t code, uint64_t address,
		     const uint64_t parameters[static 2])
{
	if (!cpu_interrupt(m, c, m->dispatch_handler, true)) {
		m->reset_line = true;
		return;
	}
	cpu_set(c, UC_X86_REG_RCX, code);
	cpu_set(c, UC_X86_REG_RDX, address);
	cpu_set(c, UC_X86_REG_R8, parameters[0]);
	cpu_set(c, UC_X86_REG_R9, parameters[1]);
}

void machine_bugcheck(struct machine *m, uint32_t code)
{
	static const uint64_t none[2];
	dispatch(m, &m->cpus[m->event.processor], code, 0, none);
}

static void resume_exception(struct machine *m, struct cpu *c, bool handled)
{
	if (handled)
		return;
	if (m->event.u.exception.first_chance)
		m->second_chance = true;
	else
		dispatch(m, c, m->event.u.exception.code, m->event.u.exception.address,
			 m->event.u.exception.parameters);
}

/* The freeze ends: a processor that waited in hlt goes on behind it; RF counts now. */
static void thaw(struct machine *m)
{
	for (unsigned i = 0; i < m->online; i++) {
		struct cpu *c = &m->cpus[i];
		uint64_t flags = cpu_get(c, UC_X86_REG_EFLAGS);
		c->halted = false;
		c->passed_execute = flags & FLAG_RESUME;
		if (c->passed_execute)
			cpu_set(c, UC_X86_REG_EFLAGS, flags & ~(uint64_t)FLAG_RESUME);
	}
}

void machine_resume(struct machine *m, bool handled, const char *answer, size_t length)
{
	struct cpu *c = &m->cpus[m->event.processor];
	if (!m->stopped)
		return;
	m->stopped = false;
	switch (m->event.type) {
	case MACHINE_PROMPT:
		answer_prompt(m, c, answer, length);
		step_over(m, c);
		break;
	case MACHINE_PRINT:
	case MACHINE_LOAD:
	case MACHINE_UNLOAD:
	case MACHINE_COMMAND:
		cpu_set(c, UC_X86_REG_RAX, 0);
		step_over(m, c);
		break;
	case MACHINE_EXCEPTION:
		resume_exception(m, c, handled);
		break;
	case MACHINE_NONE:
	case MACHINE_REBOOT:
		break;
	}
	thaw(m);
}

void machine_break_in(struct machine *m)
{
	memory_put(m, m->break_in, 1, 4);
}

bool machine_add_cpu(struct machine *m)
{
	if (m->stopped || m->online == m->options.cpus)
		return false;
	m->online++;
	guest_count_processors(m);
	return true;
}

void machine_switch_event(struct machine *m, unsigned processor,
			  struct machine_event *event)
{
	const struct cpu *c = &m->cpus[processor];
	*event = (struct machine_event){
		.type = MACHINE_EXCEPTION,
		.processor = processor,
		.program_counter = cpu_get(c, UC_X86_REG_RIP),
		.thread = c->kthread,
	};
	event->u.exception.code = CODE_WAKE_DEBUGGER;
	event->u.exception.address = event->program_counter;
	event->u.exception.first_chance = true;
}

/* ---- ports ---- */

uint32_t machine_port_read(struct machine *m, uint16_t port, unsigned size)
{
	uint8_t bytes[4] = { 0 };
	for (unsigned i = 0; i < size && i < 4 && port + i < sizeof(m->ports); i++)
		bytes[i] = m->ports[port + i];
	return (uint32_t)load_le(bytes, 4);
}

void machine_port_write(struct machine *m, uint16_t port, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size && i < 4 && port + i < sizeof(m->ports); i++)
		m->ports[port + i] = (uint8_t)(value >> (8 * i));
	if (port == KEYBOARD_CONTROLLER && (value & 0xff) == PULSE_RESET)
		m->reset_line = true;
}

/* ---- where things are ---- */

unsigned machine_cpus(const struct machine *m)
{
	return m->online;
}

uint64_t machine_kernel_base(const struct machine *m)
{
	return m->images[0].base;
}

uint64_t machine_module_list(const struct machine *m)
{
	return machine_symbol(m, "ntoskrnl", "PsLoadedModuleList");
}

uint64_t machine_debugger_data(const struct machine *m)
{
	return machine_symbol(m, "ntoskrnl", "KdpDebuggerDataListHead");
}

uint64_t machine_kpcr(const struct machine *m, unsigned cpu)
{
	return m->cpus[cpu].kpcr;
}

uint64_t machine_kprcb(const struct machine *m, unsigned cpu)
{
	return m->cpus[cpu].kprcb;
}

uint64_t machine_kthread(const struct machine *m, unsigned cpu)
{
	return m->cpus[cpu].kthread;
}

uint64_t machine_instructions(const struct machine *m, unsigned cpu)
{
	return m->cpus[cpu].instructions;
}
