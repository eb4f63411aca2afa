#include "test/sim/machine_internal.h"

#include <string.h>

#include "kdnet/wire.h"

uint64_t cpu_get(const struct cpu *c, int uc_register)
{
	uint64_t value = 0;
	uc_context_reg_read(c->registers, uc_register, &value);
	return value;
}

void cpu_set(struct cpu *c, int uc_register, uint64_t value)
{
	uc_context_reg_write(c->registers, uc_register, &value);
}

void cpu_move_rip(struct cpu *c, int by)
{
	cpu_set(c, UC_X86_REG_RIP, cpu_get(c, UC_X86_REG_RIP) + (uint64_t)(int64_t)by);
}

uint64_t cpu_special(const struct cpu *c, unsigned offset)
{
	return load_le(c->special + offset, 8);
}

void cpu_set_special(struct cpu *c, unsigned offset, uint64_t value)
{
	store_le(c->special + offset, value, 8);
}

/* ---- CONTEXT ---- */

enum {
	CONTEXT_AMD64 = 0x100000,
	CONTEXT_CONTROL = 1,
	CONTEXT_INTEGER = 2,
	CONTEXT_SEGMENTS = 4,
	CONTEXT_FLOATING_POINT = 8,
	CONTEXT_FULL = 0x10001f,
	OFFSET_FLAGS = 0x30,
	OFFSET_MXCSR = 0x34,
	OFFSET_FXSAVE = 0x100,
	OFFSET_FXSAVE_MXCSR = 0x118,
	OFFSET_ST0 = 0x120,
	OFFSET_XMM0 = 0x1a0,
	OFFSET_DR0 = 0x48,
};

/* What NT lets a debugger set in EFLAGS of kernel code; bit 1 is always set. */
#define EFLAGS_SETTABLE 0x003f4fd7ull

struct row {
	uint16_t offset;
	uint8_t size;
	uint8_t group;
	int uc_register;
};

/* KD.md §5 */
static const struct row rows[] = {
	{ 0x38, 2, CONTEXT_CONTROL, UC_X86_REG_CS },
	{ 0x42, 2, CONTEXT_CONTROL, UC_X86_REG_SS },
	{ 0x44, 4, CONTEXT_CONTROL, UC_X86_REG_EFLAGS },
	{ 0x78, 8, CONTEXT_INTEGER, UC_X86_REG_RAX },
	{ 0x80, 8, CONTEXT_INTEGER, UC_X86_REG_RCX },
	{ 0x88, 8, CONTEXT_INTEGER, UC_X86_REG_RDX },
	{ 0x90, 8, CONTEXT_INTEGER, UC_X86_REG_RBX },
	{ 0x98, 8, CONTEXT_CONTROL, UC_X86_REG_RSP },
	{ 0xa0, 8, CONTEXT_INTEGER, UC_X86_REG_RBP },
	{ 0xa8, 8, CONTEXT_INTEGER, UC_X86_REG_RSI },
	{ 0xb0, 8, CONTEXT_INTEGER, UC_X86_REG_RDI },
	{ 0xb8, 8, CONTEXT_INTEGER, UC_X86_REG_R8 },
	{ 0xc0, 8, CONTEXT_INTEGER, UC_X86_REG_R9 },
	{ 0xc8, 8, CONTEXT_INTEGER, UC_X86_REG_R10 },
	{ 0xd0, 8, CONTEXT_INTEGER, UC_X86_REG_R11 },
	{ 0xd8, 8, CONTEXT_INTEGER, UC_X86_REG_R12 },
	{ 0xe0, 8, CONTEXT_INTEGER, UC_X86_REG_R13 },
	{ 0xe8, 8, CONTEXT_INTEGER, UC_X86_REG_R14 },
	{ 0xf0, 8, CONTEXT_INTEGER, UC_X86_REG_R15 },
	{ 0xf8, 8, CONTEXT_CONTROL, UC_X86_REG_RIP },
	{ OFFSET_MXCSR, 4, CONTEXT_FLOATING_POINT, UC_X86_REG_MXCSR },
	{ OFFSET_FXSAVE, 2, CONTEXT_FLOATING_POINT, UC_X86_REG_FPCW },
	{ OFFSET_FXSAVE + 2, 2, CONTEXT_FLOATING_POINT, UC_X86_REG_FPSW },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* FXSAVE has one bit a register (in use), the engine two (11: empty). */
static uint8_t abridge_tags(uint16_t tags)
{
	uint8_t out = 0;
	for (unsigned i = 0; i < 8; i++)
		if ((tags >> (2 * i) & 3) != 3)
			out |= (uint8_t)(1u << i);
	return out;
}

static uint16_t expand_tags(uint8_t in)
{
	uint16_t out = 0;
	for (unsigned i = 0; i < 8; i++)
		if (!(in >> i & 1))
			out |= (uint16_t)(3u << (2 * i));
	return out;
}

static void get_floating_point(const struct cpu *c, uint8_t *out)
{
	out[OFFSET_FXSAVE + 4] = abridge_tags((uint16_t)cpu_get(c, UC_X86_REG_FPTAG));
	store_le(out + OFFSET_FXSAVE_MXCSR, cpu_get(c, UC_X86_REG_MXCSR), 4);
	store_le(out + OFFSET_FXSAVE_MXCSR + 4, 0xffff, 4);
	for (int i = 0; i < 8; i++)
		uc_context_reg_read(c->registers, UC_X86_REG_ST0 + i,
				    out + OFFSET_ST0 + 16 * i);
	for (int i = 0; i < 16; i++)
		uc_context_reg_read(c->registers, UC_X86_REG_XMM0 + i,
				    out + OFFSET_XMM0 + 16 * i);
}

void machine_get_context(struct machine *m, unsigned cpu,
			 uint8_t out[static MACHINE_CONTEXT_SIZE])
{
	const struct cpu *c = &m->cpus[cpu];
	memset(out, 0, MACHINE_CONTEXT_SIZE);
	store_le(out + OFFSET_FLAGS, CONTEXT_FULL, 4);
	store_le(out + 0x3a, SELECTOR_DATA, 2);
	store_le(out + 0x3c, SELECTOR_DATA, 2);
	store_le(out + 0x3e, SELECTOR_FS, 2);
	store_le(out + 0x40, SELECTOR_DATA, 2);
	for (unsigned i = 0; i < ROWS; i++)
		store_le(out + rows[i].offset, cpu_get(c, rows[i].uc_register),
			 rows[i].size);
	/* What a kernel shows for DR0-7 here is garbage; KD.md §3. */
	for (unsigned i = 0; i < 6; i++)
		store_le(out + OFFSET_DR0 + 8 * i, 0xdddd0000u + i, 8);
	get_floating_point(c, out);
}

static void set_floating_point(struct cpu *c, const uint8_t *in)
{
	uint8_t value[16];
	cpu_set(c, UC_X86_REG_FPTAG, expand_tags(in[OFFSET_FXSAVE + 4]));
	for (int i = 0; i < 8; i++) {
		memcpy(value, in + OFFSET_ST0 + 16 * i, sizeof(value));
		uc_context_reg_write(c->registers, UC_X86_REG_ST0 + i, value);
	}
	for (int i = 0; i < 16; i++) {
		memcpy(value, in + OFFSET_XMM0 + 16 * i, sizeof(value));
		uc_context_reg_write(c->registers, UC_X86_REG_XMM0 + i, value);
	}
}

void machine_set_context(struct machine *m, unsigned cpu,
			 const uint8_t in[static MACHINE_CONTEXT_SIZE])
{
	struct cpu *c = &m->cpus[cpu];
	uint64_t flags = load_le(in + OFFSET_FLAGS, 4);
	if (!(flags & CONTEXT_AMD64))
		return;
	for (unsigned i = 0; i < ROWS; i++) {
		uint64_t value = load_le(in + rows[i].offset, rows[i].size);
		if (!(flags & rows[i].group))
			continue;
		if (rows[i].uc_register == UC_X86_REG_CS ||
		    rows[i].uc_register == UC_X86_REG_SS)
			continue; /* kernel code stays in the kernel's segments */
		if (rows[i].uc_register == UC_X86_REG_EFLAGS)
			value = (value & EFLAGS_SETTABLE) | 2;
		cpu_set(c, rows[i].uc_register, value);
	}
	if (flags & CONTEXT_FLOATING_POINT)
		set_floating_point(c, in);
}

void machine_get_special(struct machine *m, unsigned cpu,
			 uint8_t out[static MACHINE_SPECIAL_SIZE])
{
	struct cpu *c = &m->cpus[cpu];
	store_le(c->special + SPECIAL_MXCSR, cpu_get(c, UC_X86_REG_MXCSR), 4);
	memcpy(out, c->special, MACHINE_SPECIAL_SIZE);
}

void machine_set_special(struct machine *m, unsigned cpu,
			 const uint8_t in[static MACHINE_SPECIAL_SIZE])
{
	struct cpu *c = &m->cpus[cpu];
	memcpy(c->special, in, MACHINE_SPECIAL_SIZE);
	cpu_set(c, UC_X86_REG_GS_BASE, cpu_special(c, SPECIAL_GS_BASE));
}

/* ---- start ---- */

struct start {
	unsigned offset;
	uint64_t value;
};

static const struct start special_start[] = {
	{ SPECIAL_CR0, 0x80050031 },
	{ SPECIAL_CR4, 0x001506f8 },
	{ SPECIAL_DR6, 0xffff0ff0 },
	{ SPECIAL_DR7, 0x400 },
	{ SPECIAL_STAR, 0x0023001000000000 },
	{ SPECIAL_SFMASK, 0x4700 },
	{ SPECIAL_XCR0, 7 },
};

bool cpu_init(struct machine *m, struct cpu *c, unsigned number)
{
	uint16_t code = SELECTOR_CODE, stack = SELECTOR_STACK;
	c->number = number;
	/* the processors tick one after the other, not all at once */
	c->next_tick = CLOCK_PERIOD + number * (CLOCK_PERIOD / m->options.cpus);
	for (unsigned i = 0; i < sizeof(special_start) / sizeof(special_start[0]); i++)
		cpu_set_special(c, special_start[i].offset, special_start[i].value);
	if (uc_context_alloc(m->uc, &c->registers) != UC_ERR_OK)
		return false;
	uc_x86_mmr gdtr = { .base = c->kpcr + 0x7000, .limit = 0x7f };
	store_le(c->special + SPECIAL_GDTR + 6, gdtr.limit, 2);
	store_le(c->special + SPECIAL_GDTR + 8, gdtr.base, 8);
	store_le(c->special + SPECIAL_IDTR + 6, 0xfff, 2);
	store_le(c->special + SPECIAL_IDTR + 8, c->kpcr + 0x6000, 8);
	store_le(c->special + SPECIAL_TR, SELECTOR_TSS, 2);
	cpu_set_special(c, SPECIAL_GS_BASE, c->kpcr);
	uc_reg_write(m->uc, UC_X86_REG_GDTR, &gdtr);
	uc_reg_write(m->uc, UC_X86_REG_CS, &code);
	uc_reg_write(m->uc, UC_X86_REG_SS, &stack);
	uc_context_save(m->uc, c->registers);
	cpu_set(c, UC_X86_REG_GS_BASE, c->kpcr);
	cpu_set(c, UC_X86_REG_MXCSR, 0x1f80);
	cpu_set(c, UC_X86_REG_FPCW, 0x27f);
	cpu_set(c, UC_X86_REG_FPTAG, 0xffff);
	cpu_set(c, UC_X86_REG_EFLAGS, 0x202);
	return true;
}

/* ---- interrupts ---- */

bool cpu_interrupt(struct machine *m, struct cpu *c, uint64_t handler, bool error_code)
{
	uint64_t flags = cpu_get(c, UC_X86_REG_EFLAGS), rsp = cpu_get(c, UC_X86_REG_RSP);
	uint64_t frame[6] = {
		0, cpu_get(c, UC_X86_REG_RIP), SELECTOR_CODE, flags, rsp, SELECTOR_STACK
	};
	uint8_t bytes[sizeof(frame)];
	unsigned first = error_code ? 0 : 1;
	size_t size = (6 - first) * sizeof(frame[0]);
	for (unsigned i = 0; i < 6; i++)
		store_le(bytes + i * 8, frame[i], 8);
	uint64_t top = (rsp & ~15ull) - size;
	if (machine_write(m, c->number, top, bytes + first * 8, size) != size)
		return false;
	cpu_set(c, UC_X86_REG_RSP, top);
	cpu_set(c, UC_X86_REG_RIP, handler);
	cpu_set(c, UC_X86_REG_EFLAGS,
		flags & ~(uint64_t)(FLAG_TRAP | FLAG_INTERRUPT | FLAG_RESUME));
	return true;
}

/* ---- MSRs ---- */

struct msr {
	uint32_t number;
	int special; /* offset in the special registers, or -1: `value`, read-only */
	uint64_t value;
};

static const struct msr msrs[] = {
	{ 0x0000001b, -1, 0xfee00900 },		/* APIC base */
	{ 0x00000277, -1, 0x0007010600070106 }, /* PAT */
	{ 0xc0000080, -1, 0xd01 },		/* EFER */
	{ 0xc0000081, SPECIAL_STAR, 0 },
	{ 0xc0000082, SPECIAL_LSTAR, 0 },
	{ 0xc0000083, SPECIAL_CSTAR, 0 },
	{ 0xc0000084, SPECIAL_SFMASK, 0 },
	{ 0xc0000100, -1, 0 },
	{ 0xc0000101, SPECIAL_GS_BASE, 0 },
	{ 0xc0000102, SPECIAL_KERNEL_GS_BASE, 0 },
};

static const struct msr *find_msr(uint32_t number)
{
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		if (msrs[i].number == number)
			return &msrs[i];
	return NULL;
}

enum { MSR_TIME_STAMP = 0x10 };

uint64_t machine_msr(struct machine *m, unsigned cpu, uint32_t number, bool *known)
{
	const struct msr *msr = find_msr(number);
	*known = msr || number == MSR_TIME_STAMP;
	if (number == MSR_TIME_STAMP)
		return m->cpus[cpu].time;
	if (!msr)
		return 0;
	return msr->special < 0 ? msr->value
				: cpu_special(&m->cpus[cpu], (unsigned)msr->special);
}

bool machine_set_msr(struct machine *m, unsigned cpu, uint32_t number, uint64_t value)
{
	const struct msr *msr = find_msr(number);
	if (!msr || msr->special < 0)
		return false;
	cpu_set_special(&m->cpus[cpu], (unsigned)msr->special, value);
	if (msr->special == SPECIAL_GS_BASE)
		cpu_set(&m->cpus[cpu], UC_X86_REG_GS_BASE, value);
	return true;
}
