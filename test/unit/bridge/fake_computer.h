/*
 * The computer behind the fake target: its memory, its processors, how it runs and what it
 * reports. Every instruction is one byte long and does nothing, but CC, which is int3.
 */
#ifndef TEST_FAKE_COMPUTER_H
#define TEST_FAKE_COMPUTER_H

#include "bridge/target/internal.h"
#include "test/unit/bridge/fake_link.h"

enum {
	FAKE_RAM = 0x4000,
	FAKE_CPUS = 4,
	FAKE_STATE_SIZE = 240,
	FAKE_REPLY_MAX = 1096, /* bytes of memory in one reply */
	FAKE_APIS = 0x40,      /* from 3130 on */
	FAKE_TF = 0x100,
	FAKE_LOG = 4096,

	FAKE_RIP = 0xf8,
	FAKE_RSP = 0x98,
	FAKE_RCX = 0x80,
	FAKE_EFLAGS = 0x44,
};

#define FAKE_BASE	 UINT64_C(0xfffff80000001000)
#define FAKE_CODE	 (FAKE_BASE + 0x100)  /* where the processors start */
#define FAKE_BREAK	 (FAKE_BASE + 0x3f00) /* the int3 of break-ins */
#define FAKE_MODULE_LIST (FAKE_BASE + 0x3800)
#define FAKE_DATA_LIST	 (FAKE_BASE + 0x3000)

struct fake_target {
	struct fake_link link;
	struct target *t;
	struct ev_loop *loop;

	uint8_t ram[FAKE_RAM];
	uint8_t context[FAKE_CPUS][KD_CONTEXT_AMD64];
	uint8_t special[FAKE_CPUS][KD_SPECIAL_AMD64];
	bool context_read[FAKE_CPUS];
	unsigned cpus;
	uint32_t cpus_told; /* in reports */
	unsigned owner, current;
	bool stopped;
	uint16_t machine;
	uint64_t data_list; /* of the version block */
	uint64_t module_list;
	struct {
		bool used;
		uint64_t address;
		uint8_t saved;
	} breakpoints[KD_BREAKPOINTS];
	unsigned breakpoint_limit;
	size_t reply_max;
	uint8_t state[FAKE_STATE_SIZE + 512];
	size_t state_length;
	uint32_t last_status;
	bool last_trace;
	uint64_t last_dr7;
	unsigned dr6_hits; /* in the next reports */

	unsigned count[FAKE_APIS];
	uint16_t log[FAKE_LOG];
	unsigned logged;

	/* Instead of running; NULL: the computer above. */
	void (*on_resume)(struct fake_target *f, bool trace);
	/* Before a request is served; true: the test did it, or wants no answer. */
	bool (*on_request)(struct fake_target *f, uint16_t api, uint8_t *data,
			   size_t length);
	void (*on_other)(struct fake_target *f, enum kd_packet_type type,
			 const uint8_t *data, size_t length);
	bool ignores_break_in;

	/* what the front end was told */
	unsigned stops, connects, reboots, losses, prints, prompts, notices;
	struct target_stop last_stop;
	bool resumes_loads;
	char print_text[256];
	char prompt_text[256];
	char notice_text[256];
	void (*on_stopped)(struct fake_target *f);
	/* Is the hit one that the front end does not want? NULL: it wants all. */
	bool (*on_missed)(struct fake_target *f, const struct target_stop *stop);
};

/* ---- memory and registers of the computer ---- */

static inline uint8_t *fake_at(struct fake_target *f, uint64_t address)
{
	return address >= FAKE_BASE && address - FAKE_BASE < FAKE_RAM
		       ? &f->ram[address - FAKE_BASE]
		       : NULL;
}

/* Bytes from there to the next one that is not there. */
static inline size_t fake_readable(uint64_t address, size_t length)
{
	if (address < FAKE_BASE || address - FAKE_BASE >= FAKE_RAM)
		return 0;
	size_t left = (size_t)(FAKE_BASE + FAKE_RAM - address);
	return length < left ? length : left;
}

static inline uint64_t fake_register(struct fake_target *f, unsigned cpu, size_t offset)
{
	return load_le(f->context[cpu] + offset, 8);
}

static inline void fake_set_register(struct fake_target *f, unsigned cpu, size_t offset,
				     uint64_t value)
{
	store_le(f->context[cpu] + offset, value, 8);
}

static inline uint64_t fake_pc(struct fake_target *f, unsigned cpu)
{
	return fake_register(f, cpu, FAKE_RIP);
}

static inline uint32_t fake_eflags(struct fake_target *f, unsigned cpu)
{
	return (uint32_t)load_le(f->context[cpu] + FAKE_EFLAGS, 4);
}

static inline void fake_put64(struct fake_target *f, uint64_t address, uint64_t value)
{
	store_le(fake_at(f, address), value, 8);
}

static inline unsigned fake_count(const struct fake_target *f, enum kd_api api)
{
	return f->count[api - 0x3130];
}

/* ---- reports ---- */

static inline void fake_vanish(struct fake_target *f, uint64_t pc)
{
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++) {
		if (!f->breakpoints[i].used || f->breakpoints[i].address - pc >= 16)
			continue;
		f->breakpoints[i].used = false;
		*fake_at(f, f->breakpoints[i].address) = f->breakpoints[i].saved;
	}
}

static inline void fake_report_state(struct fake_target *f, unsigned cpu, uint32_t state,
				     uint64_t pc)
{
	f->stopped = true;
	f->current = cpu;
	memset(f->context_read, 0, sizeof(f->context_read));
	fake_vanish(f, pc);
	uint8_t *s = f->state;
	store_le(s, state, 4);
	store_le(s + 6, cpu, 2);
	store_le(s + 8, f->cpus_told, 4);
	store_le(s + 16, FAKE_BASE + 0x3400, 8);
	store_le(s + 24, pc, 8);
	store_le(s + 192, 0xffff0ff0 | f->dr6_hits, 8);
	store_le(s + 200, load_le(f->special[cpu] + 0x48, 8), 8);
	store_le(s + 208, fake_eflags(f, cpu), 4);
	/* from the exception's address on, where that is an int3 just executed */
	bool behind = state == KD_STATE_EXCEPTION && load_le(s + 48, 8) == pc - 1;
	uint64_t at = behind ? pc - 1 : pc;
	size_t stream = fake_readable(at, 16);
	store_le(s + 212, stream, 2);
	if (stream > 0)
		memcpy(s + 216, fake_at(f, at), stream);
	fake_send(&f->link, KD_PACKET_STATE_CHANGE64, s, f->state_length);
}

static inline void fake_prepare_exception(struct fake_target *f, uint32_t code,
					  uint64_t address)
{
	memset(f->state, 0, sizeof(f->state));
	f->state_length = FAKE_STATE_SIZE;
	store_le(f->state + 32, code, 4);
	store_le(f->state + 48, address, 8);
	store_le(f->state + 184, 1, 4);
}

/* The processor stops where it is. */
static inline void fake_exception(struct fake_target *f, unsigned cpu, uint32_t code)
{
	f->owner = cpu;
	fake_prepare_exception(f, code, fake_pc(f, cpu));
	fake_report_state(f, cpu, KD_STATE_EXCEPTION, fake_pc(f, cpu));
}

static inline void fake_load(struct fake_target *f, const char *path, uint64_t base,
			     uint32_t size, bool unload)
{
	memset(f->state, 0, sizeof(f->state));
	f->owner = 0;
	size_t length = strlen(path) + 1;
	store_le(f->state + 32, length, 4);
	store_le(f->state + 40, base, 8);
	store_le(f->state + 48, UINT64_MAX, 8);
	store_le(f->state + 56, 0x1234, 4);
	store_le(f->state + 60, size, 4);
	f->state[64] = unload;
	memcpy(f->state + FAKE_STATE_SIZE, path, length);
	f->state_length = FAKE_STATE_SIZE + length;
	fake_report_state(f, 0, KD_STATE_LOAD_SYMBOLS, fake_pc(f, 0));
}

/* From the processor at the int3 that break-ins and bugchecks end in. */
static inline void fake_break_with_status(struct fake_target *f, uint64_t why)
{
	fake_set_register(f, 0, FAKE_RIP, FAKE_BREAK);
	fake_set_register(f, 0, FAKE_RCX, why);
	fake_exception(f, 0, KD_STATUS_BREAKPOINT);
}

static inline void fake_print(struct fake_target *f, uint32_t api, const char *text)
{
	uint8_t data[16 + 512] = { 0 };
	store_le(data, api, 4);
	store_le(data + 8, strlen(text), 4);
	store_le(data + 12, api == KD_PROMPT ? 8 : 0, 4);
	memcpy(data + 16, text, strlen(text));
	fake_send(&f->link, KD_PACKET_DEBUG_IO, data, 16 + strlen(text));
}

/* ---- the computer runs ---- */

static inline void fake_run(struct fake_target *f, bool trace)
{
	for (unsigned cpu = 0; cpu < f->cpus; cpu++) {
		uint64_t pc = fake_pc(f, cpu);
		uint8_t *code = fake_at(f, pc);
		if (code && *code == 0xcc) {
			fake_exception(f, cpu, KD_STATUS_BREAKPOINT);
			return;
		}
		if (fake_eflags(f, cpu) & FAKE_TF) {
			fake_set_register(f, cpu, FAKE_RIP, pc + 1);
			fake_exception(f, cpu, KD_STATUS_SINGLE_STEP);
			return;
		}
	}
	(void)trace;
	/* only the first one gets anywhere, the others wait */
	uint64_t pc = fake_pc(f, 0);
	for (uint8_t *code; (code = fake_at(f, pc)) != NULL && pc < FAKE_BREAK; pc++) {
		if (*code != 0xcc)
			continue;
		fake_set_register(f, 0, FAKE_RIP, pc);
		fake_exception(f, 0, KD_STATUS_BREAKPOINT);
		return;
	}
}

static inline void fake_set_tf(struct fake_target *f, unsigned cpu, bool on)
{
	uint32_t flags = fake_eflags(f, cpu) & ~(uint32_t)FAKE_TF;
	store_le(f->context[cpu] + FAKE_EFLAGS, on ? flags | FAKE_TF : flags, 4);
}

static inline void fake_resume(struct fake_target *f, const uint8_t *u, bool second)
{
	f->last_status = (uint32_t)load_le(u, 4);
	f->last_trace = second && load_le(u + 4, 4) != 0;
	if (second && !(f->last_status >> 31)) {
		f->last_dr7 = load_le(u + 8, 8);
		fake_set_tf(f, f->current, f->last_trace);
		for (unsigned cpu = 0; cpu < f->cpus; cpu++)
			store_le(f->special[cpu] + 0x48, f->last_dr7, 8);
	}
	if (f->current != f->owner) {
		fake_prepare_exception(f, KD_STATUS_WAKE_DEBUGGER, fake_pc(f, f->owner));
		fake_report_state(f, f->owner, KD_STATE_EXCEPTION, fake_pc(f, f->owner));
		return;
	}
	f->stopped = false;
	if (f->on_resume)
		f->on_resume(f, f->last_trace);
	else
		fake_run(f, f->last_trace);
}

static inline void fake_switch(struct fake_target *f, unsigned cpu)
{
	fake_prepare_exception(f, KD_STATUS_WAKE_DEBUGGER, fake_pc(f, cpu));
	fake_report_state(f, cpu, KD_STATE_EXCEPTION, fake_pc(f, cpu));
}

#endif
