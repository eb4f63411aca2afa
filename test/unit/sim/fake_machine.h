/*
 * A machine that executes nothing, for tests of the debugger side: it defines every
 * function of machine.h that KD uses, so that the real one is not linked. Included by
 * exactly one source file of a test program.
 */
#ifndef TEST_FAKE_MACHINE_H
#define TEST_FAKE_MACHINE_H

#include <stdio.h>

#include "kdnet/wire.h"
#include "test/sim/kd_register.h"
#include "test/sim/machine.h"
#include "test/util.h"

enum {
	FAKE_PAGE = 4096,
	FAKE_PAGES = 16,
	FAKE_CPUS = 4,
	/* In the one module: headers, then code. */
	FAKE_CODE = 0x1000,
	FAKE_DATA = 0x4000,
	FAKE_LIST = 0x8000,
	FAKE_ENTRY = 0x8100,
};

#define FAKE_BASE UINT64_C(0xfffff80000400000)

struct machine {
	uint8_t memory[FAKE_PAGES * FAKE_PAGE];
	uint8_t physical[2 * FAKE_PAGE];
	bool absent[FAKE_PAGES];
	unsigned cpus;
	uint8_t context[FAKE_CPUS][MACHINE_CONTEXT_SIZE];
	uint8_t special[FAKE_CPUS][MACHINE_SPECIAL_SIZE];
	uint64_t msr;
	uint32_t port;
	/* what was done to it */
	unsigned resumes;
	bool handled;
	char answer[MACHINE_TEXT_MAX];
	size_t answer_length;
	unsigned break_ins;
	uint32_t bugcheck;
	char action[64];
	struct machine_event next; /* what machine_run raises */
};

static struct machine fake;

static inline void fake_module(void)
{
	uint8_t *m = fake.memory;
	store_le(m + 0x3c, 0x80, 4);
	store_le(m + 0x80 + 6, 1, 2);	    /* sections */
	store_le(m + 0x80 + 0x14, 0xf0, 2); /* size of the optional header */
	uint8_t *section = m + 0x80 + 0x18 + 0xf0;
	store_le(section + 8, 0x2000, 4);
	store_le(section + 12, FAKE_CODE, 4);
	store_le(section + 36, 0x60000020, 4);
	store_le(m + FAKE_LIST, FAKE_BASE + FAKE_ENTRY, 8);
	store_le(m + FAKE_ENTRY, FAKE_BASE + FAKE_LIST, 8);
	store_le(m + FAKE_ENTRY + 0x30, FAKE_BASE, 8);
	store_le(m + FAKE_ENTRY + 0x40, 0x6000, 4);
}

static inline struct machine *fake_reset(unsigned cpus)
{
	memset(&fake, 0, sizeof(fake));
	fake.cpus = cpus;
	for (size_t i = 0; i < 0x2000; i++)
		fake.memory[FAKE_CODE + i] = (uint8_t)(0x90 + i % 7);
	fake_module();
	for (unsigned i = 0; i < cpus; i++) {
		store_le(fake.context[i] + CONTEXT_FLAGS, 0x10001f, 4);
		store_le(fake.context[i] + CONTEXT_CS, 0x10, 2);
		store_le(fake.context[i] + CONTEXT_EFLAGS, 0x202, 4);
		store_le(fake.context[i] + CONTEXT_RIP,
			 FAKE_BASE + FAKE_CODE + UINT64_C(64) * i, 8);
		store_le(fake.special[i] + SPECIAL_CR0, 0x80050031, 8);
		store_le(fake.special[i] + SPECIAL_CR3, 0x1aa000, 8);
		store_le(fake.special[i] + SPECIAL_DR6, 0xffff0ff0, 8);
		store_le(fake.special[i] + SPECIAL_DR7, 0x400, 8);
	}
	return &fake;
}

/* A stop of processor 0 at its PC. */
static inline struct machine_event fake_stop(uint32_t code)
{
	struct machine_event e = { .type = MACHINE_EXCEPTION };
	e.program_counter = load_le(fake.context[0] + CONTEXT_RIP, 8);
	e.thread = UINT64_C(0xffffe00012345000);
	e.u.exception.code = code;
	e.u.exception.address = e.program_counter;
	e.u.exception.first_chance = true;
	return e;
}

/* ---- machine.h ---- */

struct machine *machine_new(const struct machine_options *options, const char **error)
{
	*error = NULL;
	return fake_reset(options->cpus);
}
void machine_free(struct machine *m)
{
	(void)m;
}
enum machine_event_type machine_run(struct machine *m, unsigned instructions,
				    struct machine_event *event)
{
	(void)instructions;
	*event = m->next;
	m->next.type = MACHINE_NONE;
	if (event->type == MACHINE_NONE && m->break_ins > 0) {
		m->break_ins = 0;
		*event = fake_stop(0x80000003);
	}
	return event->type;
}
void machine_resume(struct machine *m, bool handled, const char *answer, size_t length)
{
	m->resumes++;
	m->handled = handled;
	m->answer_length = length;
	if (length > 0)
		memcpy(m->answer, answer, length);
}
void machine_bugcheck(struct machine *m, uint32_t code)
{
	m->bugcheck = code;
}
void machine_break_in(struct machine *m)
{
	m->break_ins++;
}
bool machine_add_cpu(struct machine *m)
{
	m->cpus++;
	return m->cpus <= 3;
}
void machine_switch_event(struct machine *m, unsigned processor,
			  struct machine_event *event)
{
	*event = fake_stop(0x80000007);
	event->processor = processor;
	event->program_counter = load_le(m->context[processor] + CONTEXT_RIP, 8);
	event->u.exception.address = event->program_counter;
}
unsigned machine_cpus(const struct machine *m)
{
	return m->cpus;
}
void machine_get_context(struct machine *m, unsigned cpu,
			 uint8_t out[static MACHINE_CONTEXT_SIZE])
{
	memcpy(out, m->context[cpu], MACHINE_CONTEXT_SIZE);
}
void machine_set_context(struct machine *m, unsigned cpu,
			 const uint8_t in[static MACHINE_CONTEXT_SIZE])
{
	memcpy(m->context[cpu], in, MACHINE_CONTEXT_SIZE);
}
void machine_get_special(struct machine *m, unsigned cpu,
			 uint8_t out[static MACHINE_SPECIAL_SIZE])
{
	memcpy(out, m->special[cpu], MACHINE_SPECIAL_SIZE);
}
void machine_set_special(struct machine *m, unsigned cpu,
			 const uint8_t in[static MACHINE_SPECIAL_SIZE])
{
	memcpy(m->special[cpu], in, MACHINE_SPECIAL_SIZE);
}
bool machine_is_resident(struct machine *m, unsigned cpu, uint64_t address)
{
	(void)cpu;
	uint64_t page = (address - FAKE_BASE) / FAKE_PAGE;
	return page < FAKE_PAGES && !m->absent[page];
}
static inline size_t fake_copy(struct machine *m, uint64_t address, uint8_t *out,
			       const uint8_t *in, size_t length)
{
	size_t done = 0;
	while (done < length && machine_is_resident(m, 0, address + done)) {
		uint8_t *byte = m->memory + (address + done - FAKE_BASE);
		if (out)
			out[done] = *byte;
		else
			*byte = in[done];
		done++;
	}
	return done;
}
size_t machine_read(struct machine *m, unsigned cpu, uint64_t address, void *out,
		    size_t length)
{
	(void)cpu;
	return fake_copy(m, address, out, NULL, length);
}
size_t machine_write(struct machine *m, unsigned cpu, uint64_t address, const void *in,
		     size_t length)
{
	(void)cpu;
	return fake_copy(m, address, NULL, in, length);
}
static inline size_t fake_fit(uint64_t address, size_t length)
{
	uint64_t left =
		address < sizeof(fake.physical) ? sizeof(fake.physical) - address : 0;
	return length < left ? length : left;
}
size_t machine_read_physical(struct machine *m, uint64_t address, void *out,
			     size_t length)
{
	size_t n = fake_fit(address, length);
	if (n > 0)
		memcpy(out, m->physical + address, n);
	return n;
}
size_t machine_write_physical(struct machine *m, uint64_t address, const void *in,
			      size_t length)
{
	size_t n = fake_fit(address, length);
	if (n > 0)
		memcpy(m->physical + address, in, n);
	return n;
}
uint64_t machine_msr(struct machine *m, unsigned cpu, uint32_t number, bool *known)
{
	(void)cpu;
	*known = number == 0xc0000080;
	return m->msr;
}
bool machine_set_msr(struct machine *m, unsigned cpu, uint32_t number, uint64_t value)
{
	(void)cpu;
	m->msr = value;
	return number == 0xc0000080;
}
uint32_t machine_port_read(struct machine *m, uint16_t port, unsigned size)
{
	(void)port;
	(void)size;
	return m->port;
}
void machine_port_write(struct machine *m, uint16_t port, unsigned size, uint32_t value)
{
	(void)port;
	(void)size;
	m->port = value;
}
uint64_t machine_kernel_base(const struct machine *m)
{
	(void)m;
	return FAKE_BASE;
}
uint64_t machine_module_list(const struct machine *m)
{
	(void)m;
	return FAKE_BASE + FAKE_LIST;
}
uint64_t machine_debugger_data(const struct machine *m)
{
	(void)m;
	return FAKE_BASE + FAKE_DATA;
}
uint64_t machine_kpcr(const struct machine *m, unsigned cpu)
{
	(void)m;
	return UINT64_C(0xffffd00010000000) + UINT64_C(0x10000) * cpu;
}
uint64_t machine_kprcb(const struct machine *m, unsigned cpu)
{
	return machine_kpcr(m, cpu) + 0x180;
}
uint64_t machine_kthread(const struct machine *m, unsigned cpu)
{
	(void)m;
	return UINT64_C(0xffffe00012345000) + UINT64_C(0x1000) * cpu;
}
uint64_t machine_symbol(const struct machine *m, const char *module, const char *name)
{
	(void)m;
	return strcmp(module, "ntoskrnl") == 0 && strcmp(name, "Work") == 0
		       ? FAKE_BASE + FAKE_CODE
		       : 0;
}
size_t machine_call_chain(struct machine *m, unsigned cpu, uint64_t *out, size_t max)
{
	(void)max;
	out[0] = load_le(m->context[cpu] + CONTEXT_RIP, 8);
	return 1;
}
uint64_t machine_instructions(const struct machine *m, unsigned cpu)
{
	(void)m;
	(void)cpu;
	return 12345;
}
uint64_t machine_device_reads(const struct machine *m)
{
	(void)m;
	return 0;
}
bool machine_act(struct machine *m, const char *action)
{
	(void)snprintf(m->action, sizeof(m->action), "%s", action);
	return strcmp(action, "nonsense") != 0;
}

#endif
