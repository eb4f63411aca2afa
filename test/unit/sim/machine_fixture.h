/* What the machine's unit tests share: a machine of two processors, ways to run it. */
#ifndef MACHINE_FIXTURE_H
#define MACHINE_FIXTURE_H

#include "test/sim/machine.h"
#include "test/util.h"

#include "kdnet/wire.h"

#define NT "ntoskrnl"

enum {
	SLICE = 5000,
	ROUNDS = 4000,
	CONTEXT_EFLAGS = 0x44,
	CONTEXT_RSP = 0x98,
	CONTEXT_RCX = 0x80,
	CONTEXT_RIP = 0xf8,
	SPECIAL_DR0 = 0x20,
	SPECIAL_DR6 = 0x40,
	SPECIAL_DR7 = 0x48,
	EFLAGS_TF = 0x100,
};

static inline struct machine *new_machine_with(struct machine_options options)
{
	const char *error = NULL, *folder = getenv("KDSIM_GUEST");
	options.images = folder ? folder : GUEST_IMAGES;
	struct machine *m = machine_new(&options, &error);
	if (!m)
		fail_msg("%s", error);
	return m;
}

static inline struct machine *new_machine(unsigned cpus)
{
	return new_machine_with(
		(struct machine_options){ .cpus = cpus, .modules = 3, .seed = 7 });
}

static inline uint64_t symbol(struct machine *m, const char *name)
{
	uint64_t address = machine_symbol(m, NT, name);
	if (!address)
		fail_msg("no symbol %s", name);
	return address;
}

static inline uint64_t read_word(struct machine *m, uint64_t address, size_t size)
{
	uint8_t bytes[8];
	assert_int_equal(machine_read(m, 0, address, bytes, size), size);
	return load_le(bytes, size);
}

static inline void write_byte(struct machine *m, uint64_t address, uint8_t byte)
{
	assert_int_equal(machine_write(m, 0, address, &byte, 1), 1);
}

static inline uint64_t context_word(struct machine *m, unsigned cpu, unsigned offset)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	machine_get_context(m, cpu, context);
	return load_le(context + offset, offset == CONTEXT_EFLAGS ? 4 : 8);
}

static inline void set_context_word(struct machine *m, unsigned cpu, unsigned offset,
				    uint64_t value)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	machine_get_context(m, cpu, context);
	store_le(context + offset, value, offset == CONTEXT_EFLAGS ? 4 : 8);
	machine_set_context(m, cpu, context);
}

static inline uint64_t special_word(struct machine *m, unsigned cpu, unsigned offset)
{
	uint8_t special[MACHINE_SPECIAL_SIZE];
	machine_get_special(m, cpu, special);
	return load_le(special + offset, 8);
}

static inline void set_special_word(struct machine *m, unsigned cpu, unsigned offset,
				    uint64_t value)
{
	uint8_t special[MACHINE_SPECIAL_SIZE];
	machine_get_special(m, cpu, special);
	store_le(special + offset, value, 8);
	machine_set_special(m, cpu, special);
}

/* Runs until something happens; fails the test when nothing does. */
static inline struct machine_event run(struct machine *m)
{
	struct machine_event event;
	for (unsigned i = 0; i < ROUNDS; i++)
		if (machine_run(m, SLICE, &event) != MACHINE_NONE)
			return event;
	fail_msg("no event");
	return event;
}

static inline struct machine_event run_to(struct machine *m, enum machine_event_type type)
{
	struct machine_event event = run(m);
	assert_int_equal(event.type, type);
	return event;
}

/* Runs some rounds in which nothing may happen. */
static inline void run_quietly(struct machine *m, unsigned rounds)
{
	struct machine_event event;
	for (unsigned i = 0; i < rounds; i++)
		assert_int_equal(machine_run(m, SLICE, &event), MACHINE_NONE);
}

static inline void resume(struct machine *m)
{
	machine_resume(m, true, NULL, 0);
}

/* Behind a hard-coded int3, as a debugger does it. */
static inline void resume_behind(struct machine *m, const struct machine_event *event)
{
	set_context_word(m, event->processor, CONTEXT_RIP, event->program_counter + 1);
	resume(m);
}

/* One instruction of a processor by TF; the event must be its own. */
static inline struct machine_event step(struct machine *m, unsigned cpu)
{
	uint64_t flags = context_word(m, cpu, CONTEXT_EFLAGS);
	set_context_word(m, cpu, CONTEXT_EFLAGS, flags | EFLAGS_TF);
	resume(m);
	struct machine_event event = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(event.processor, cpu);
	return event;
}

static inline void clear_trace(struct machine *m, unsigned cpu)
{
	uint64_t flags = context_word(m, cpu, CONTEXT_EFLAGS);
	set_context_word(m, cpu, CONTEXT_EFLAGS, flags & ~(uint64_t)EFLAGS_TF);
}

/* Stops processor 0 in its clock interrupt. */
static inline struct machine_event break_in(struct machine *m)
{
	machine_break_in(m);
	return run_to(m, MACHINE_EXCEPTION);
}

/* Stops at an address with a planted int3 and takes that away again. */
static inline struct machine_event run_to_address(struct machine *m, uint64_t address)
{
	uint8_t before = (uint8_t)read_word(m, address, 1);
	write_byte(m, address, 0xcc);
	struct machine_event event = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(event.u.exception.code, 0x80000003);
	assert_int_equal(event.program_counter, address);
	write_byte(m, address, before);
	return event;
}

#endif
