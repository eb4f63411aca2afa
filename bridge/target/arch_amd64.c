#include "bridge/target/arch.h"

#include <string.h>

#include "kdnet/wire.h"

/* Offsets: KD.md §5. Numbers, order, features and types: RSP.md §2. */

enum {
	MXCSR = 0x34,	/* what CONTEXT's integer part holds … */
	FXSAVE = 0x100, /* … and the FXSAVE area within it once more */
	FXSAVE_FSW = FXSAVE + 2,
	FXSAVE_FTW = FXSAVE + 4,
	FXSAVE_MXCSR = FXSAVE + 0x18,
	FXSAVE_ST = FXSAVE + 0x20,
	FXSAVE_ST_SIZE = 16,
	X87_REGISTERS = 8,
};

#define MSR_EFER    UINT32_C(0xc0000080)
#define MSR_FS_BASE UINT32_C(0xc0000100)

#define CORE	 "org.gnu.gdb.i386.core"
#define SSE	 "org.gnu.gdb.i386.sse"
#define SEGMENTS "org.gnu.gdb.i386.segments"
#define SYSTEM	 "org.kdbridge.system"

#define GENERAL(number, name, offset, type)                                              \
	{                                                                                \
		number, name, 64, IN_CONTEXT, offset, 8, type, "general", CORE, true,    \
			true                                                             \
	}
#define SEGMENT(number, name, offset)                                                    \
	{                                                                                \
		number, name, 32, IN_CONTEXT, offset, 2, "uint32", "general", CORE,      \
			true, true                                                       \
	}
#define ST(n)                                                                            \
	{                                                                                \
		24 + (n), "st" #n, 80, IN_CONTEXT, FXSAVE_ST + FXSAVE_ST_SIZE *(n), 10,  \
			"i387_ext", "float", CORE, true, false                           \
	}
#define X87(number, name, place, offset, stored)                                         \
	{                                                                                \
		number, name, 32, place, offset, stored, "uint32", "float", CORE, true,  \
			false                                                            \
	}
#define XMM(n)                                                                           \
	{                                                                                \
		40 + (n), "xmm" #n, 128, IN_CONTEXT, 0x1a0 + 16 * (n), 16, "vec128",     \
			"vector", SSE, true, false                                       \
	}
#define SPECIAL(number, name, bits, offset, stored, type)                                \
	{                                                                                \
		number, name, bits, IN_SPECIAL, offset, stored, type, "system", SYSTEM,  \
			false, false                                                     \
	}

static const struct arch_register registers[] = {
	GENERAL(0, "rax", 0x78, "uint64"),
	GENERAL(1, "rbx", 0x90, "uint64"),
	GENERAL(2, "rcx", 0x80, "uint64"),
	GENERAL(3, "rdx", 0x88, "uint64"),
	GENERAL(4, "rsi", 0xa8, "uint64"),
	GENERAL(5, "rdi", 0xb0, "uint64"),
	GENERAL(6, "rbp", 0xa0, "data_ptr"),
	GENERAL(7, "rsp", 0x98, "data_ptr"),
	GENERAL(8, "r8", 0xb8, "uint64"),
	GENERAL(9, "r9", 0xc0, "uint64"),
	GENERAL(10, "r10", 0xc8, "uint64"),
	GENERAL(11, "r11", 0xd0, "uint64"),
	GENERAL(12, "r12", 0xd8, "uint64"),
	GENERAL(13, "r13", 0xe0, "uint64"),
	GENERAL(14, "r14", 0xe8, "uint64"),
	GENERAL(15, "r15", 0xf0, "uint64"),
	GENERAL(16, "rip", 0xf8, "code_ptr"),
	{ 17, "eflags", 32, IN_CONTEXT, 0x44, 4, "i386_eflags", "general", CORE, true,
	  true },
	SEGMENT(18, "cs", 0x38),
	SEGMENT(19, "ss", 0x42),
	SEGMENT(20, "ds", 0x3a),
	SEGMENT(21, "es", 0x3c),
	SEGMENT(22, "fs", 0x3e),
	SEGMENT(23, "gs", 0x40),
	ST(0),
	ST(1),
	ST(2),
	ST(3),
	ST(4),
	ST(5),
	ST(6),
	ST(7),
	X87(32, "fctrl", IN_CONTEXT, FXSAVE + 0, 2),
	X87(33, "fstat", IN_CONTEXT, FXSAVE_FSW, 2),
	X87(34, "ftag", IN_CONTEXT_CODED, FXSAVE_FTW, 1),
	X87(35, "fiseg", IN_CONTEXT, FXSAVE + 0x0c, 2),
	X87(36, "fioff", IN_CONTEXT, FXSAVE + 0x08, 4),
	X87(37, "foseg", IN_CONTEXT, FXSAVE + 0x14, 2),
	X87(38, "fooff", IN_CONTEXT, FXSAVE + 0x10, 4),
	X87(39, "fop", IN_CONTEXT, FXSAVE + 0x06, 2),
	XMM(0),
	XMM(1),
	XMM(2),
	XMM(3),
	XMM(4),
	XMM(5),
	XMM(6),
	XMM(7),
	XMM(8),
	XMM(9),
	XMM(10),
	XMM(11),
	XMM(12),
	XMM(13),
	XMM(14),
	XMM(15),
	{ 56, "mxcsr", 32, IN_CONTEXT_CODED, MXCSR, 4, "uint32", "vector", SSE, true,
	  false },
	/* both or none; `g` ends before them (RSP.md §2). MSRs are the serving CPU's */
	{ 57, "fs_base", 64, IN_MSR, MSR_FS_BASE, 8, "uint64", "system", SEGMENTS, false,
	  false },
	{ 58, "gs_base", 64, IN_SPECIAL, 0xa8, 8, "uint64", "system", SEGMENTS, false,
	  false },
	SPECIAL(59, "cr0", 64, 0x00, 8, "uint64"),
	SPECIAL(60, "cr2", 64, 0x08, 8, "uint64"),
	SPECIAL(61, "cr3", 64, 0x10, 8, "uint64"),
	SPECIAL(62, "cr4", 64, 0x18, 8, "uint64"),
	SPECIAL(63, "cr8", 64, 0xa0, 8, "uint64"),
	SPECIAL(64, "dr0", 64, 0x20, 8, "uint64"),
	SPECIAL(65, "dr1", 64, 0x28, 8, "uint64"),
	SPECIAL(66, "dr2", 64, 0x30, 8, "uint64"),
	SPECIAL(67, "dr3", 64, 0x38, 8, "uint64"),
	SPECIAL(68, "dr6", 64, 0x40, 8, "uint64"),
	SPECIAL(69, "dr7", 64, 0x48, 8, "uint64"),
	SPECIAL(70, "gdtr", 64, 0x58, 8, "data_ptr"),
	SPECIAL(71, "gdtr_limit", 16, 0x56, 2, "uint16"),
	SPECIAL(72, "idtr", 64, 0x68, 8, "data_ptr"),
	SPECIAL(73, "idtr_limit", 16, 0x66, 2, "uint16"),
	SPECIAL(74, "tr", 16, 0x70, 2, "uint16"),
	SPECIAL(75, "ldtr", 16, 0x72, 2, "uint16"),
	SPECIAL(76, "kernel_gs_base", 64, 0xb0, 8, "uint64"),
	SPECIAL(77, "star", 64, 0xb8, 8, "uint64"),
	SPECIAL(78, "lstar", 64, 0xc0, 8, "code_ptr"),
	SPECIAL(79, "cstar", 64, 0xc8, 8, "code_ptr"),
	SPECIAL(80, "sfmask", 64, 0xd0, 8, "uint64"),
	SPECIAL(81, "xcr0", 64, 0xd8, 8, "uint64"),
	{ 82, "efer", 64, IN_MSR, MSR_EFER, 8, "uint64", "system", SYSTEM, false, false },
};

/* ---- x87 tags: two bits a register for gdb, one in FXSAVE ---- */

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned tag_of_value(const uint8_t *st)
{
	const uint16_t exponent_mask = 0x7fff;
	uint64_t mantissa = load_le(st, 8);
	unsigned exponent = (unsigned)load_le(st + 8, 2) & exponent_mask;
	if (exponent == exponent_mask)
		return TAG_SPECIAL;
	if (exponent == 0)
		return mantissa == 0 ? TAG_ZERO : TAG_SPECIAL;
	return mantissa >> 63 ? TAG_VALID : TAG_SPECIAL;
}

/* FXSAVE keeps ST(0) first, tags are by physical register: the stack's top turns them. */
static uint16_t full_tags(const uint8_t *context)
{
	enum { TOP_SHIFT = 11 };
	unsigned top = (unsigned)load_le(context + FXSAVE_FSW, 2) >> TOP_SHIFT & 7;
	unsigned used = context[FXSAVE_FTW];
	unsigned tags = 0;
	for (unsigned physical = 0; physical < X87_REGISTERS; physical++) {
		unsigned st = (physical + X87_REGISTERS - top) % X87_REGISTERS;
		unsigned tag = used >> physical & 1
				       ? tag_of_value(context + FXSAVE_ST +
						      (size_t)st * FXSAVE_ST_SIZE)
				       : TAG_EMPTY;
		tags |= tag << (2 * physical);
	}
	return (uint16_t)tags;
}

static uint8_t abridged_tags(unsigned tags)
{
	unsigned used = 0;
	for (unsigned physical = 0; physical < X87_REGISTERS; physical++) {
		if ((tags >> (2 * physical) & 3) != TAG_EMPTY)
			used |= 1u << physical;
	}
	return (uint8_t)used;
}

static void load(const struct arch_register *row, const uint8_t *context, uint8_t *out)
{
	if (row->offset == FXSAVE_FTW)
		store_le(out, full_tags(context), 4);
	else
		store_le(out, load_le(context + MXCSR, 4), 4);
}

static bool store(const struct arch_register *row, uint8_t *context, const uint8_t *in)
{
	uint64_t value = load_le(in, 4);
	if (row->offset == FXSAVE_FTW) {
		context[FXSAVE_FTW] = abridged_tags((unsigned)value);
		return true;
	}
	/* a reserved bit that is set would fault the kernel when it loads it */
	if (value >> 16)
		return false;
	store_le(context + MXCSR, value, 4);
	store_le(context + FXSAVE_MXCSR, value, 4);
	return true;
}

const struct arch arch_amd64 = {
	.machine = KD_MACHINE_AMD64,
	.name = "i386:x86-64",
	.pointer_size = 8,
	.context_size = KD_CONTEXT_AMD64,
	.special_size = KD_SPECIAL_AMD64,
	.context_flags = 0x10001f,
	.context_flags_offset = 0x30,
	.registers = registers,
	.count = sizeof(registers) / sizeof(registers[0]),
	.pc = 16,
	.sp = 7,
	.fp = 6,
	.flags = 17,
	.argument = 2,
	.debug = 64,
	.debug_control = 69,
	.breakpoint = { 0xcc },
	.breakpoint_size = 1,
	.load = load,
	.store = store,
};

const struct arch_register *arch_register_named(const struct arch *arch, const char *name)
{
	for (size_t i = 0; i < arch->count; i++)
		if (!strcmp(arch->registers[i].name, name))
			return &arch->registers[i];
	return NULL;
}

const struct arch *arch_of(enum kd_machine machine)
{
	return machine == KD_MACHINE_AMD64 ? &arch_amd64 : NULL;
}
