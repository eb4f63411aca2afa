/*
 * A target for the tests of rsp/: an amd64 of two threads with registers and memory in a
 * struct, every call counted. Header only, since a test program links the library alone.
 */
#ifndef FAKE_TARGET_H
#define FAKE_TARGET_H

#include <stdio.h>

#include "rsp/rsp.h"
#include "test/util.h"

enum {
	FAKE_MEMORY_BASE = 0x1000,
	FAKE_MEMORY_SIZE = 0x20000,
	FAKE_REGISTERS = 61,
	FAKE_RIP = 16,
	FAKE_CR3 = 60,
	FAKE_THREADS = 2,
};

struct fake {
	struct rsp *rsp; /* set by tests whose functions call back */
	uint64_t registers[FAKE_THREADS][FAKE_REGISTERS];
	uint8_t memory[FAKE_MEMORY_SIZE];
	struct rsp_stop stop;
	bool no_process, refuse_resume, is_busy, no_pc;
	bool stop_at_once; /* resume reports the stop before it returns */
	unsigned attached, detached, gone, interrupts, resumes, inserted, removed, reads;
	unsigned descriptions, documents;
	int attach_process;
	enum rsp_breakpoint_type type;
	uint64_t address, kind;
	/* of the breakpoint inserted last, one behind the other */
	size_t conditions, code_lengths[RSP_CONDITIONS_MAX], code_length;
	uint8_t code[64];
	struct rsp_resume resume;
	char command[64];
	const char *document; /* of "libraries" */
	/* Called inside stop_reason, read_memory, resume, command and detached, when set. */
	void (*inside)(struct fake *f);
};

static inline void fake_call_inside(struct fake *f)
{
	if (f->inside)
		f->inside(f);
}

static inline bool fake_busy(void *context)
{
	return ((struct fake *)context)->is_busy;
}

static inline void fake_attached(void *context)
{
	((struct fake *)context)->attached++;
}

static inline void fake_detached(void *context, bool gone)
{
	struct fake *f = context;
	f->detached++;
	f->gone += gone;
	fake_call_inside(f);
}

static inline enum rsp_result fake_stop_reason(void *context, struct rsp_stop *stop)
{
	struct fake *f = context;
	fake_call_inside(f);
	*stop = f->stop;
	return f->no_process ? RSP_ERROR : RSP_OK;
}

static inline enum rsp_result fake_attach(void *context, int process,
					  struct rsp_stop *stop)
{
	((struct fake *)context)->attach_process = process;
	return fake_stop_reason(context, stop);
}

static const struct rsp_flag fake_eflags[] = {
	{ "CF", 0 }, { "ZF", 6 }, { "IF", 9 }, { "", 0 }
};
static const struct rsp_flags_type fake_flags_types[] = {
	{ "i386_eflags", "org.gnu.gdb.i386.core", 4, fake_eflags },
};

#define FAKE_CODE   "org.gnu.gdb.i386.core"
#define FAKE_SSE    "org.gnu.gdb.i386.sse"
#define FAKE_SYSTEM "org.kdbridge.system"
#define FAKE_GPR(n)                                                                      \
	{                                                                                \
		n, "uint64", "general", FAKE_CODE, 64, true, false                       \
	}
#define FAKE_SEG(n)                                                                      \
	{                                                                                \
		n, "uint32", "general", FAKE_CODE, 32, true, false                       \
	}
#define FAKE_X87(n)                                                                      \
	{                                                                                \
		n, "i387_ext", "float", FAKE_CODE, 80, true, false                       \
	}
#define FAKE_CTRL(n)                                                                     \
	{                                                                                \
		n, "uint32", "float", FAKE_CODE, 32, true, false                         \
	}
#define FAKE_XMM(n)                                                                      \
	{                                                                                \
		n, "vec128", "vector", FAKE_SSE, 128, true, false                        \
	}
#define FAKE_SYS(n)                                                                      \
	{                                                                                \
		n, "uint64", "system", FAKE_SYSTEM, 64, false, false                     \
	}

static const struct rsp_register fake_registers[] = {
	FAKE_GPR("rax"),
	FAKE_GPR("rbx"),
	FAKE_GPR("rcx"),
	FAKE_GPR("rdx"),
	FAKE_GPR("rsi"),
	FAKE_GPR("rdi"),
	{ "rbp", "data_ptr", "general", FAKE_CODE, 64, true, true },
	{ "rsp", "data_ptr", "general", FAKE_CODE, 64, true, true },
	FAKE_GPR("r8"),
	FAKE_GPR("r9"),
	FAKE_GPR("r10"),
	FAKE_GPR("r11"),
	FAKE_GPR("r12"),
	FAKE_GPR("r13"),
	FAKE_GPR("r14"),
	FAKE_GPR("r15"),
	{ "rip", "code_ptr", "general", FAKE_CODE, 64, true, true },
	{ "eflags", "i386_eflags", "general", FAKE_CODE, 32, true, false },
	FAKE_SEG("cs"),
	FAKE_SEG("ss"),
	FAKE_SEG("ds"),
	FAKE_SEG("es"),
	FAKE_SEG("fs"),
	FAKE_SEG("gs"),
	FAKE_X87("st0"),
	FAKE_X87("st1"),
	FAKE_X87("st2"),
	FAKE_X87("st3"),
	FAKE_X87("st4"),
	FAKE_X87("st5"),
	FAKE_X87("st6"),
	FAKE_X87("st7"),
	FAKE_CTRL("fctrl"),
	FAKE_CTRL("fstat"),
	FAKE_CTRL("ftag"),
	FAKE_CTRL("fiseg"),
	FAKE_CTRL("fioff"),
	FAKE_CTRL("foseg"),
	FAKE_CTRL("fooff"),
	FAKE_CTRL("fop"),
	FAKE_XMM("xmm0"),
	FAKE_XMM("xmm1"),
	FAKE_XMM("xmm2"),
	FAKE_XMM("xmm3"),
	FAKE_XMM("xmm4"),
	FAKE_XMM("xmm5"),
	FAKE_XMM("xmm6"),
	FAKE_XMM("xmm7"),
	FAKE_XMM("xmm8"),
	FAKE_XMM("xmm9"),
	FAKE_XMM("xmm10"),
	FAKE_XMM("xmm11"),
	FAKE_XMM("xmm12"),
	FAKE_XMM("xmm13"),
	FAKE_XMM("xmm14"),
	FAKE_XMM("xmm15"),
	{ "mxcsr", "uint32", "vector", "org.gnu.gdb.i386.sse", 32, true, false },
	FAKE_SYS("cr0"),
	FAKE_SYS("cr2"),
	{ "tr", "uint16", "system", "org.kdbridge.system", 16, false, false },
	FAKE_SYS("cr3"),
};
_Static_assert(sizeof(fake_registers) / sizeof(*fake_registers) == FAKE_REGISTERS,
	       "the table has as many rows as the fake target has registers");

static const struct rsp_description fake_table = {
	.architecture = "i386:x86-64",
	.registers = fake_registers,
	.count = FAKE_REGISTERS,
	.flags_types = fake_flags_types,
	.flags_count = 1,
	.pc = FAKE_RIP,
	.sp = 7,
	.fp = 6,
};

static inline const struct rsp_description *fake_description(void *context)
{
	((struct fake *)context)->descriptions++;
	return &fake_table;
}

static inline size_t fake_threads(void *context, struct rsp_thread *out, size_t max)
{
	(void)context;
	size_t count = 0;
	for (; count < FAKE_THREADS && count < max; count++) {
		out[count] = (struct rsp_thread){ .id = (int)count + 1,
						  .core = (unsigned)count };
		(void)snprintf(out[count].name, sizeof(out[count].name), "CPU %zu",
			       count);
		(void)snprintf(out[count].extra, sizeof(out[count].extra), "<idle & co>");
	}
	return count;
}

static inline bool fake_alive(void *context, int thread)
{
	(void)context;
	return thread >= 1 && thread <= FAKE_THREADS;
}

static inline enum rsp_result
fake_read_register(void *context, int thread, unsigned number, uint8_t *out, bool *valid)
{
	struct fake *f = context;
	if (!fake_alive(f, thread) || number >= FAKE_REGISTERS)
		return RSP_ERROR;
	memcpy(out, &f->registers[thread - 1][number], sizeof(uint64_t));
	*valid = strcmp(fake_registers[number].name, "fop") != 0 &&
		 !(f->no_pc && number == FAKE_RIP);
	return RSP_OK;
}

static inline enum rsp_result fake_write_register(void *context, int thread,
						  unsigned number, const uint8_t *bytes)
{
	struct fake *f = context;
	if (!fake_alive(f, thread) || number >= FAKE_REGISTERS)
		return RSP_ERROR;
	size_t size = fake_registers[number].bits / 8u;
	memcpy(&f->registers[thread - 1][number], bytes, size < 8 ? size : 8);
	return RSP_OK;
}

static inline size_t fake_clip(uint64_t address, size_t length)
{
	uint64_t offset = address - FAKE_MEMORY_BASE;
	if (offset >= FAKE_MEMORY_SIZE)
		return 0;
	return length < FAKE_MEMORY_SIZE - offset ? length : FAKE_MEMORY_SIZE - offset;
}

static inline enum rsp_result fake_read_memory(void *context, uint64_t address,
					       uint8_t *out, size_t length, size_t *done)
{
	struct fake *f = context;
	f->reads++;
	fake_call_inside(f);
	*done = fake_clip(address, length);
	memcpy(out, f->memory + (*done ? address - FAKE_MEMORY_BASE : 0), *done);
	return *done > 0 ? RSP_OK : RSP_ERROR;
}

static inline enum rsp_result fake_write_memory(void *context, uint64_t address,
						const uint8_t *bytes, size_t length,
						size_t *done)
{
	struct fake *f = context;
	*done = fake_clip(address, length);
	memcpy(f->memory + (*done ? address - FAKE_MEMORY_BASE : 0), bytes, *done);
	return *done > 0 ? RSP_OK : RSP_ERROR;
}

static inline enum rsp_result fake_change(struct fake *f, unsigned *count,
					  enum rsp_breakpoint_type type, uint64_t address,
					  uint64_t kind)
{
	(*count)++;
	f->type = type;
	f->address = address;
	f->kind = kind;
	return type == RSP_READ_WATCHPOINT ? RSP_UNSUPPORTED : RSP_OK;
}

static inline enum rsp_result fake_insert(void *context, enum rsp_breakpoint_type type,
					  uint64_t address, uint64_t kind,
					  const struct rsp_conditions *conditions)
{
	struct fake *f = context;
	f->conditions = conditions->count;
	f->code_length = 0;
	for (size_t i = 0; i < conditions->count; i++) {
		f->code_lengths[i] = conditions->list[i].length;
		for (size_t n = 0; n < conditions->list[i].length; n++)
			f->code[f->code_length++ % sizeof(f->code)] =
				conditions->list[i].code[n];
	}
	return fake_change(f, &f->inserted, type, address, kind);
}

static inline enum rsp_result fake_remove(void *context, enum rsp_breakpoint_type type,
					  uint64_t address, uint64_t kind)
{
	struct fake *f = context;
	return fake_change(f, &f->removed, type, address, kind);
}

static inline enum rsp_result fake_resume(void *context, const struct rsp_resume *resume)
{
	struct fake *f = context;
	f->resumes++;
	f->resume = *resume;
	fake_call_inside(f);
	if (f->stop_at_once)
		rsp_stop(f->rsp, &f->stop);
	return f->refuse_resume ? RSP_ERROR : RSP_OK;
}

static inline void fake_interrupt(void *context)
{
	((struct fake *)context)->interrupts++;
}

static inline enum rsp_result fake_command(void *context, const char *text)
{
	struct fake *f = context;
	(void)snprintf(f->command, sizeof(f->command), "%s", text);
	fake_call_inside(f);
	return RSP_OK;
}

static inline enum rsp_result fake_document(void *context, const char *object,
					    const char *annex, char **document,
					    size_t *length)
{
	struct fake *f = context;
	(void)object;
	(void)annex;
	f->documents++;
	if (!f->document)
		return RSP_ERROR;
	*document = strdup(f->document);
	*length = strlen(f->document);
	return RSP_OK;
}

static const char *const fake_documents[] = { "libraries", NULL };

static const struct rsp_target fake_target = {
	.busy = fake_busy,
	.attached = fake_attached,
	.detached = fake_detached,
	.stop_reason = fake_stop_reason,
	.attach = fake_attach,
	.description = fake_description,
	.threads = fake_threads,
	.thread_alive = fake_alive,
	.read_register = fake_read_register,
	.write_register = fake_write_register,
	.read_memory = fake_read_memory,
	.write_memory = fake_write_memory,
	.insert = fake_insert,
	.remove = fake_remove,
	.resume = fake_resume,
	.interrupt = fake_interrupt,
	.command = fake_command,
	.document = fake_document,
	.documents = fake_documents,
};

static inline struct fake *fake_new(void)
{
	struct fake *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->stop = (struct rsp_stop){ .signal = 5, .thread = 1 };
	f->registers[0][FAKE_RIP] = 0x1010;
	f->registers[1][FAKE_RIP] = 0x1020;
	f->registers[0][7] = 0x2000;
	f->registers[0][FAKE_CR3] = 0x1ad000;
	for (size_t i = 0; i < FAKE_MEMORY_SIZE; i++)
		f->memory[i] = 0x90;
	return f;
}

#endif
