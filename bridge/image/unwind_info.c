#include "bridge/image/unwind_info.h"

#include <string.h>

#include "kdnet/wire.h"

enum {
	OP_PUSH_NONVOL = 0,
	OP_ALLOC_LARGE,
	OP_ALLOC_SMALL,
	OP_SET_FPREG,
	OP_SAVE_NONVOL,
	OP_SAVE_NONVOL_FAR,
	OP_EPILOG, /* version 1: SAVE_XMM */
	OP_SPARE,  /* version 1: SAVE_XMM_FAR */
	OP_SAVE_XMM128,
	OP_SAVE_XMM128_FAR,
	OP_PUSH_MACHFRAME,
	OP_COUNT,
	FLAG_CHAINED = 4,
	HEADER_SIZE = 4,
	SLOT_SIZE = 2,
	FUNCTION_SIZE = 12,
	RAW_MAX = HEADER_SIZE + 256 * SLOT_SIZE + FUNCTION_SIZE,
};

/* One UNWIND_INFO as it lies there. */
struct raw_info {
	uint8_t version, flags, prologue, slots;
	uint8_t frame_register;
	uint32_t frame_offset;
	const uint8_t *codes;
	struct unwind_function parent;
	uint8_t bytes[RAW_MAX];
};

struct chain {
	struct raw_info links[UNWIND_CHAIN_MAX]; /* the function's own first */
	size_t count;
};

static bool read_raw(struct image_memory *memory, uint32_t rva, struct raw_info *raw)
{
	if (!image_memory_read(memory, rva, raw->bytes, HEADER_SIZE))
		return false;
	raw->version = raw->bytes[0] & 7;
	raw->flags = raw->bytes[0] >> 3;
	raw->prologue = raw->bytes[1];
	raw->slots = raw->bytes[2];
	raw->frame_register = raw->bytes[3] & 15;
	raw->frame_offset = (uint32_t)(raw->bytes[3] >> 4) * 16;
	raw->codes = raw->bytes + HEADER_SIZE;
	if (raw->version < 1 || raw->version > 2)
		return false;
	size_t even = (raw->slots + 1u) / 2 * 2 * SLOT_SIZE;
	size_t rest = even + (raw->flags & FLAG_CHAINED ? FUNCTION_SIZE : 0);
	if (!image_memory_read(memory, (uint64_t)rva + HEADER_SIZE,
			       raw->bytes + HEADER_SIZE, rest))
		return false;
	if (raw->flags & FLAG_CHAINED) {
		struct reader r = rd_init(raw->codes + even, FUNCTION_SIZE);
		raw->parent.begin = rd_le32(&r);
		raw->parent.end = rd_le32(&r);
		raw->parent.info = rd_le32(&r);
	}
	return true;
}

/* An entry whose unwind data is another entry: bit 0 of its address is set. */
static bool follow(struct image_memory *memory, struct unwind_function *f)
{
	for (unsigned n = 0; n < UNWIND_CHAIN_MAX; n++) {
		uint8_t bytes[FUNCTION_SIZE];
		if (!(f->info & 1))
			return true;
		if (!image_memory_read(memory, f->info & ~1u, bytes, sizeof(bytes)))
			return false;
		f->begin = (uint32_t)load_le(bytes, 4);
		f->info = (uint32_t)load_le(bytes + 8, 4);
	}
	return false;
}

static bool read_chain(struct image_memory *memory, struct unwind_function f,
		       struct chain *chain, uint32_t *primary)
{
	chain->count = 0;
	while (chain->count < UNWIND_CHAIN_MAX) {
		struct raw_info *raw = &chain->links[chain->count];
		if (!follow(memory, &f) || !read_raw(memory, f.info, raw))
			return false;
		chain->count++;
		*primary = f.begin;
		if (!(raw->flags & FLAG_CHAINED))
			return true;
		f = raw->parent;
	}
	return false; /* a loop */
}

/* ---- codes to operations ---- */

struct code {
	uint8_t offset, op, argument;
	uint32_t value; /* of the slots that follow */
};

/* Slots of a code; 0: there is no such code. */
static unsigned slots_of(const struct raw_info *raw, uint8_t op, uint8_t argument)
{
	static const uint8_t slots[OP_COUNT] = { 1, 0, 1, 1, 2, 3, 2, 3, 2, 3, 1 };
	if (op >= OP_COUNT)
		return 0;
	if (op == OP_ALLOC_LARGE)
		return argument == 0 ? 2 : argument == 1 ? 3 : 0;
	if (op == OP_EPILOG && raw->version == 2)
		return 1;
	return slots[op];
}

static bool read_code(const struct raw_info *raw, struct reader *r, struct code *code)
{
	code->offset = rd_8(r);
	uint8_t packed = rd_8(r);
	code->op = packed & 15;
	code->argument = packed >> 4;
	unsigned slots = slots_of(raw, code->op, code->argument);
	if (slots == 0)
		return false;
	code->value = (uint32_t)rd_le(r, (slots - 1) * (size_t)SLOT_SIZE);
	return rd_ok(r);
}

/* How a code moves RSP; its operation's kind. False: it does neither. */
static bool operation_of(const struct raw_info *raw, const struct code *code,
			 struct unwind_operation *o)
{
	*o = (struct unwind_operation){ .reg = code->argument, .end = code->offset };
	switch (code->op) {
	case OP_PUSH_NONVOL:
		o->kind = UNWIND_PUSH;
		o->size = 8;
		break;
	case OP_ALLOC_SMALL:
		o->kind = UNWIND_ALLOCATE;
		o->size = code->argument * 8u + 8;
		break;
	case OP_ALLOC_LARGE:
		o->kind = UNWIND_ALLOCATE;
		o->size = code->argument ? code->value : code->value * 8;
		break;
	case OP_SET_FPREG:
		o->kind = UNWIND_SET_FRAME;
		o->reg = raw->frame_register;
		break;
	case OP_SAVE_NONVOL:
		o->kind = UNWIND_SAVE;
		o->slot = (int64_t)code->value * 8;
		break;
	case OP_SAVE_NONVOL_FAR:
		o->kind = UNWIND_SAVE;
		o->slot = code->value;
		break;
	case OP_PUSH_MACHFRAME:
		o->kind = UNWIND_MACHINE_FRAME;
		o->size = code->argument ? 8 : 0;
		break;
	default: /* XMM registers: no debugger here asks a caller for them */
		return false;
	}
	if (o->kind == UNWIND_SET_FRAME && o->reg == 0)
		return false;
	return o->kind == UNWIND_ALLOCATE || o->kind == UNWIND_MACHINE_FRAME ||
	       o->reg != REGISTER_RSP;
}

static void add_epilogue(struct unwind_info *info, const struct code *code, uint32_t size,
			 uint32_t length, bool first)
{
	uint32_t back = code->offset | (uint32_t)code->argument << 8;
	if (first) /* its size, and whether one ends the function */
		back = code->argument & 1 ? code->offset : 0;
	if (back == 0 || back > length || size == 0 || size > back ||
	    info->epilogue_count == UNWIND_EPILOGUES_MAX)
		return;
	info->epilogues[info->epilogue_count++] =
		(struct unwind_epilogue){ length - back, length - back + size };
}

/*
 * The codes of one link, which lie last first, appended as executed; of the function's
 * own (length > 0) the epilogues, too.
 */
static bool add_codes(const struct raw_info *raw, uint32_t length,
		      struct unwind_info *info)
{
	struct reader r = rd_init(raw->codes, (size_t)raw->slots * SLOT_SIZE);
	size_t first = info->count, epilogues = 0;
	uint32_t size = 0;
	struct code code;
	while (r.left > 0) {
		struct unwind_operation o;
		info->work++;
		if (!read_code(raw, &r, &code) || info->count == UNWIND_OPERATIONS_MAX)
			return false;
		if (code.op == OP_EPILOG && raw->version == 2) {
			size = epilogues == 0 ? code.offset : size;
			if (length > 0)
				add_epilogue(info, &code, size, length, epilogues == 0);
			epilogues++;
		} else if (operation_of(raw, &code, &o)) {
			o.end = length > 0 ? o.end : 0;
			info->operations[info->count++] = o;
		}
	}
	for (size_t a = first, b = info->count; a + 1 < b; a++) {
		struct unwind_operation swap = info->operations[a];
		info->operations[a] = info->operations[--b];
		info->operations[b] = swap;
	}
	return true;
}

/* ---- where things lie ---- */

struct frame {
	int64_t depth; /* CFA - RSP now */
	int64_t base;  /* CFA - what saves count from, where a frame register is set */
	bool set;
};

/* RSP's way through one link's operations. */
static bool walk(struct unwind_info *info, size_t first, const struct raw_info *raw,
		 struct frame *frame)
{
	for (size_t i = first; i < info->count; i++) {
		struct unwind_operation *o = &info->operations[i];
		frame->depth += o->size;
		if (o->kind == UNWIND_MACHINE_FRAME) {
			frame->depth = o->size;
			info->machine_frame = true;
		}
		o->depth = frame->depth;
		if (o->kind == UNWIND_PUSH)
			o->slot = -frame->depth;
		if (o->kind == UNWIND_SET_FRAME) {
			o->slot = frame->depth - raw->frame_offset;
			frame->base = frame->depth;
			frame->set = true;
		}
		if (frame->depth > UNWIND_DEPTH_MAX || frame->depth % 8 != 0)
			return false;
	}
	return true;
}

/* Saves count from the bottom of the fixed frame, which comes after them, maybe. */
static bool place_saves(struct unwind_info *info, size_t first,
			const struct raw_info *raw, const struct frame *frame)
{
	int64_t base = frame->set && raw->frame_register ? frame->base : frame->depth;
	for (size_t i = first; i < info->count; i++) {
		struct unwind_operation *o = &info->operations[i];
		if (o->kind == UNWIND_SAVE)
			o->slot -= base;
		if (o->slot % 8 != 0 || o->slot > UNWIND_DEPTH_MAX)
			return false;
	}
	return true;
}

bool unwind_info_read(struct image_memory *memory, const struct unwind_function *function,
		      struct unwind_info *info)
{
	struct chain chain;
	struct frame frame = { .depth = 8 };
	memset(info, 0, offsetof(struct unwind_info, operations));
	info->count = info->epilogue_count = 0;
	info->machine_frame = false;
	bool ends = read_chain(memory, *function, &chain, &info->primary);
	info->work = 8 * chain.count + 1;
	if (!ends)
		return false;
	info->version = chain.links[0].version;
	info->prologue = chain.links[0].prologue;
	for (size_t i = chain.count; i-- > 0;) {
		const struct raw_info *raw = &chain.links[i];
		size_t first = info->count;
		uint32_t length = i == 0 ? function->end - function->begin : 0;
		if (!add_codes(raw, length, info) || !walk(info, first, raw, &frame) ||
		    !place_saves(info, first, raw, &frame))
			return false;
	}
	return true;
}
