#include "test/sim/machine_internal.h"

#include <string.h>

#include "kdnet/wire.h"

/*
 * Unwinds the guest as RtlVirtualUnwind does, from the .pdata of the images in RAM
 * (published x64 exception handling format; versions 1 and 2). The unit test checks
 * it against a shadow stack at every instruction of the worker. It trusts the guest.
 */
enum {
	RSP = 4,
	OP_PUSH_NONVOL = 0,
	OP_ALLOC_LARGE,
	OP_ALLOC_SMALL,
	OP_SET_FPREG,
	OP_SAVE_NONVOL,
	OP_SAVE_NONVOL_FAR,
	OP_EPILOG,
	OP_SPARE,
	OP_SAVE_XMM128,
	OP_SAVE_XMM128_FAR,
	OP_PUSH_MACHFRAME,
	FLAG_CHAINED = 4,
	CHAIN_MAX = 32,
	WINDOW = 64, /* bytes of an epilogue that are looked at */
};

struct function {
	uint32_t begin, end, info;
};

static uint64_t word_at(struct machine *m, unsigned cpu, uint64_t address)
{
	uint8_t bytes[8] = { 0 };
	machine_read(m, cpu, address, bytes, sizeof(bytes));
	return load_le(bytes, 8);
}

static bool find_function(const struct machine *m, const struct image *image,
			  uint64_t rva, struct function *f)
{
	for (uint32_t at = 0; at + 12 <= image->exception_size; at += 12) {
		const uint8_t *p = image_bytes(m, image, image->exception_table + at, 12);
		if (!p)
			return false;
		*f = (struct function){ (uint32_t)load_le(p, 4),
					(uint32_t)load_le(p + 4, 4),
					(uint32_t)load_le(p + 8, 4) };
		if (rva >= f->begin && rva < f->end)
			return true;
	}
	return false;
}

/* One UNWIND_INFO; its codes as pairs of bytes. */
struct info {
	uint8_t flags, prolog, count, frame_register;
	uint64_t frame_offset;
	const uint8_t *codes;
	struct function parent;
};

static bool read_info(const struct machine *m, const struct image *image, uint32_t rva,
		      struct info *i)
{
	const uint8_t *p = image_bytes(m, image, rva, 4);
	if (!p)
		return false;
	*i = (struct info){ .flags = p[0] >> 3, .prolog = p[1], .count = p[2] };
	i->frame_register = p[3] & 15;
	i->frame_offset = (uint64_t)(p[3] >> 4) * 16;
	size_t even = (size_t)(i->count + 1) / 2 * 4;
	i->codes = image_bytes(m, image, rva + 4ull, even + 12);
	if (!i->codes)
		return false;
	if (i->flags & FLAG_CHAINED) {
		const uint8_t *c = i->codes + even;
		i->parent = (struct function){ (uint32_t)load_le(c, 4),
					       (uint32_t)load_le(c + 4, 4),
					       (uint32_t)load_le(c + 8, 4) };
	}
	return true;
}

/* The function at the head of a chain. */
static uint32_t primary_of(const struct machine *m, const struct image *image,
			   struct function f)
{
	struct info i;
	for (unsigned n = 0; n < CHAIN_MAX && read_info(m, image, f.info, &i); n++) {
		if (!(i.flags & FLAG_CHAINED))
			break;
		f = i.parent;
	}
	return f.begin;
}

/* ---- epilogues, by their instructions ---- */

struct epilogue {
	const uint8_t *code; /* at PC */
	size_t at;
	uint64_t rip;
	struct unwind u;
};

static uint64_t signed_at(const uint8_t *p, size_t n)
{
	uint64_t value = load_le(p, n), sign = 1ull << (8 * n - 1);
	return (value ^ sign) - sign;
}

/* add rsp, n; lea rsp, [frame register + n] */
static void skip_release(struct epilogue *e)
{
	const uint8_t *p = e->code;
	if (p[0] == 0x48 && (p[1] == 0x83 || p[1] == 0x81) && p[2] == 0xc4) {
		size_t n = p[1] == 0x83 ? 1 : 4;
		e->u.reg[RSP] += signed_at(p + 3, n);
		e->at = 3 + n;
	} else if ((p[0] & 0xfe) == 0x48 && p[1] == 0x8d && (p[2] & 0x38) == 0x20 &&
		   (p[2] >> 6 == 1 || p[2] >> 6 == 2) && (p[2] & 7) != 4) {
		size_t n = p[2] >> 6 == 1 ? 1 : 4;
		unsigned frame = (p[2] & 7) | (p[0] & 1) << 3;
		e->u.reg[RSP] = e->u.reg[frame] + signed_at(p + 3, n);
		e->at = 3 + n;
	}
}

static void skip_pops(struct machine *m, unsigned cpu, struct epilogue *e)
{
	for (;;) {
		bool rex = e->code[e->at] == 0x41;
		uint8_t op = e->code[e->at + rex];
		if (op < 0x58 || op > 0x5f || e->at > WINDOW - 16)
			return;
		e->u.reg[(op & 7) | rex << 3] = word_at(m, cpu, e->u.reg[RSP]);
		e->u.reg[RSP] += 8;
		e->at += 1u + rex;
	}
}

/* Does it end here: a return, or a jump that leaves the function? */
static bool ends(const struct machine *m, const struct image *image,
		 const struct epilogue *e, const struct function *f)
{
	const uint8_t *p = e->code + e->at;
	uint64_t target;
	if (p[0] == 0xc3 || p[0] == 0xc2 || (p[0] == 0xf3 && p[1] == 0xc3))
		return true;
	if (p[0] == 0xff && p[1] == 0x25)
		return true;
	if ((p[0] & 0xf8) == 0x48 && p[1] == 0xff &&
	    (p[2] == 0x25 || (p[2] & 0xf8) == 0xe0))
		return true;
	if (p[0] == 0xeb)
		target = e->rip + e->at + 2 + signed_at(p + 1, 1);
	else if (p[0] == 0xe9)
		target = e->rip + e->at + 5 + signed_at(p + 1, 4);
	else
		return false;
	uint64_t rva = target - image->base;
	struct function to;
	if (!find_function(m, image, rva, &to))
		return true;
	return primary_of(m, image, to) != primary_of(m, image, *f);
}

static bool unwind_epilogue(struct machine *m, unsigned cpu, const struct image *image,
			    const struct function *f, struct unwind *u)
{
	uint8_t code[WINDOW] = { 0 };
	struct epilogue e = { .code = code, .rip = u->rip, .u = *u };
	const uint8_t *p = image_bytes(m, image, u->rip - image->base, WINDOW);
	if (!p) /* the image ends within the window: pages are padded, take what is left */
		return false;
	memcpy(code, p, WINDOW);
	skip_release(&e);
	skip_pops(m, cpu, &e);
	if (!ends(m, image, &e, f))
		return false;
	*u = e.u;
	u->rip = word_at(m, cpu, u->reg[RSP]);
	u->reg[RSP] += 8;
	return true;
}

/* ---- unwind codes ---- */

static unsigned slots(uint8_t op, uint8_t argument)
{
	switch (op) {
	case OP_ALLOC_LARGE:
		return argument == 0 ? 2 : 3;
	case OP_SAVE_NONVOL:
	case OP_SAVE_XMM128:
		return 2;
	case OP_SAVE_NONVOL_FAR:
	case OP_SAVE_XMM128_FAR:
		return 3;
	default:
		return 1;
	}
}

/* Where saved registers are counted from. */
static uint64_t frame_of(const struct info *i, uint64_t offset, const struct unwind *u)
{
	uint64_t fixed = u->reg[i->frame_register] - i->frame_offset;
	if (i->frame_register == 0)
		return u->reg[RSP];
	if (offset >= i->prolog)
		return fixed;
	for (unsigned n = 0; n < i->count;) {
		const uint8_t *code = i->codes + (size_t)n * 2;
		uint8_t op = code[1] & 15;
		if (op == OP_SET_FPREG && code[0] <= offset)
			return fixed;
		n += slots(op, code[1] >> 4);
	}
	return u->reg[RSP];
}

/* One code's effect; true: it was a machine frame, RIP is known. */
static bool apply(struct machine *m, unsigned cpu, const uint8_t *code, uint64_t frame,
		  struct unwind *u)
{
	uint8_t op = code[1] & 15, argument = code[1] >> 4;
	uint64_t rsp = u->reg[RSP];
	switch (op) {
	case OP_PUSH_NONVOL:
		u->reg[argument] = word_at(m, cpu, rsp);
		u->reg[RSP] = rsp + 8;
		break;
	case OP_ALLOC_LARGE:
		u->reg[RSP] = rsp + (argument ? load_le(code + 2, 4)
					      : load_le(code + 2, 2) * 8);
		break;
	case OP_ALLOC_SMALL:
		u->reg[RSP] = rsp + argument * 8u + 8;
		break;
	case OP_SET_FPREG:
		u->reg[RSP] = frame;
		break;
	case OP_SAVE_NONVOL:
		u->reg[argument] = word_at(m, cpu, frame + load_le(code + 2, 2) * 8);
		break;
	case OP_SAVE_NONVOL_FAR:
		u->reg[argument] = word_at(m, cpu, frame + load_le(code + 2, 4));
		break;
	case OP_PUSH_MACHFRAME:
		rsp += argument ? 8 : 0;
		u->rip = word_at(m, cpu, rsp);
		u->reg[RSP] = word_at(m, cpu, rsp + 24);
		return true;
	default:
		break;
	}
	return false;
}

static bool unwind_codes(struct machine *m, unsigned cpu, const struct image *image,
			 struct function f, struct unwind *u)
{
	uint64_t offset = u->rip - image->base - f.begin;
	struct info i;
	for (unsigned depth = 0; depth < CHAIN_MAX; depth++) {
		if (!read_info(m, image, f.info, &i))
			return false;
		uint64_t frame = frame_of(&i, offset, u);
		for (unsigned n = 0; n < i.count;) {
			const uint8_t *code = i.codes + (size_t)n * 2;
			uint8_t op = code[1] & 15;
			bool done = op == OP_EPILOG || code[0] <= offset;
			if (done && op != OP_EPILOG && apply(m, cpu, code, frame, u))
				return true;
			n += slots(op, code[1] >> 4);
		}
		if (!(i.flags & FLAG_CHAINED))
			break;
		f = i.parent;
		offset = UINT64_MAX; /* the parent's prologue is done */
	}
	u->rip = word_at(m, cpu, u->reg[RSP]);
	u->reg[RSP] += 8;
	return true;
}

bool unwind_step(struct machine *m, unsigned cpu, struct unwind *u)
{
	const struct image *image = image_at(m, u->rip);
	struct function f;
	if (image && find_function(m, image, u->rip - image->base, &f)) {
		if (unwind_epilogue(m, cpu, image, &f, u))
			return true;
		return unwind_codes(m, cpu, image, f, u);
	}
	u->rip = word_at(m, cpu, u->reg[RSP]); /* a leaf */
	u->reg[RSP] += 8;
	return true;
}

size_t machine_call_chain(struct machine *m, unsigned cpu, uint64_t *out, size_t max)
{
	static const int registers[16] = {
		UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
		UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
		UC_X86_REG_R8,	UC_X86_REG_R9,	UC_X86_REG_R10, UC_X86_REG_R11,
		UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
	};
	const struct cpu *c = &m->cpus[cpu];
	struct unwind u = { .rip = cpu_get(c, UC_X86_REG_RIP) };
	size_t n = 0;
	for (unsigned i = 0; i < 16; i++)
		u.reg[i] = cpu_get(c, registers[i]);
	while (n < max) {
		out[n++] = u.rip;
		if (!unwind_step(m, cpu, &u) || u.rip == 0)
			break;
	}
	return n;
}
