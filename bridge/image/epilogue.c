#include "bridge/image/epilogue.h"

#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"

/* What the prologue did to RSP, as executed: the pushes and allocations. */
struct undo {
	const struct unwind_operation *items[UNWIND_OPERATIONS_MAX];
	size_t count;
	size_t pushes;		/* leading ones: an epilogue's pops */
	uint8_t frame_register; /* 0: none */
};

static void make_undo(const struct unwind_info *info, struct undo *undo)
{
	undo->count = undo->pushes = 0;
	undo->frame_register = 0;
	for (size_t i = 0; i < info->count; i++) {
		const struct unwind_operation *o = &info->operations[i];
		if (o->kind == UNWIND_SET_FRAME)
			undo->frame_register = o->reg;
		if (o->kind != UNWIND_PUSH && o->kind != UNWIND_ALLOCATE)
			continue;
		if (o->kind == UNWIND_PUSH && undo->pushes == undo->count)
			undo->pushes++;
		undo->items[undo->count++] = o;
	}
}

static bool add_step(struct epilogue_steps *s, uint32_t offset, size_t left, bool ends)
{
	if (s->count == s->capacity) {
		size_t wanted = s->capacity ? s->capacity * 2 : 64;
		if (wanted > EPILOGUE_STEPS_MAX)
			return false;
		struct epilogue_step *grown = realloc(s->steps, wanted * sizeof(*grown));
		if (!grown)
			return false;
		s->steps = grown;
		s->capacity = wanted;
	}
	s->steps[s->count++] = (struct epilogue_step){ offset, (uint16_t)left, ends };
	return true;
}

void epilogue_steps_clear(struct epilogue_steps *steps)
{
	steps->count = 0;
}

void epilogue_steps_wipe(struct epilogue_steps *steps)
{
	free(steps->steps);
	memset(steps, 0, sizeof(*steps));
}

bool epilogue_needs_code(const struct unwind_info *info)
{
	if (info->version != 1 || info->machine_frame)
		return false;
	for (size_t i = 0; i < info->count; i++)
		if (info->operations[i].kind == UNWIND_PUSH ||
		    info->operations[i].kind == UNWIND_ALLOCATE)
			return true;
	return false;
}

/* ---- version 2 ---- */

static int by_begin(const void *a, const void *b)
{
	const struct unwind_epilogue *x = a, *y = b;
	return (x->begin > y->begin) - (x->begin < y->begin);
}

static uint32_t pop_size(const struct unwind_operation *push)
{
	return push->reg >= 8 ? 2 : 1;
}

/* The pops of one epilogue, innermost push first, and what ends it. */
static bool add_pops(const struct undo *undo, struct unwind_epilogue e,
		     struct epilogue_steps *out)
{
	uint32_t at = e.begin, pops = 0;
	for (size_t i = 0; i < undo->pushes; i++)
		pops += pop_size(undo->items[i]);
	if (pops >= e.end - e.begin)
		return true; /* not what the format says: no rows are better than wrong ones */
	for (size_t left = undo->pushes; left > 0; left--) {
		if (!add_step(out, at, left, false))
			return false;
		at += pop_size(undo->items[left - 1]);
	}
	return add_step(out, at, 0, false) && add_step(out, e.end, 0, true);
}

bool epilogues_from_codes(const struct unwind_info *info, struct epilogue_steps *out)
{
	struct unwind_epilogue sorted[UNWIND_EPILOGUES_MAX];
	struct undo undo;
	uint32_t last = 0;
	if (info->epilogue_count == 0)
		return true;
	make_undo(info, &undo);
	memcpy(sorted, info->epilogues, info->epilogue_count * sizeof(*sorted));
	qsort(sorted, info->epilogue_count, sizeof(*sorted), by_begin);
	for (size_t i = 0; i < info->epilogue_count; i++) {
		if (sorted[i].begin < last)
			continue;
		if (!add_pops(&undo, sorted[i], out))
			return false;
		last = sorted[i].end;
	}
	return true;
}

/* ---- version 1 ---- */

static int64_t signed_at(const uint8_t *p, size_t n)
{
	uint64_t sign = 1ull << (8 * n - 1);
	return (int64_t)((load_le(p, n) ^ sign) - sign);
}

/* Bytes of a jump whose target is in the code, and whether it goes away; 0: none here. */
static size_t jump_away(const struct epilogue_code *c, size_t at)
{
	const uint8_t *p = c->code + at;
	size_t n = p[0] == 0xeb ? 2 : 5;
	if (c->length - at < n)
		return 0;
	int64_t target = (int64_t)(c->begin + at + n) + signed_at(p + 1, n == 2 ? 1 : 4);
	if (target < 0 || target > UINT32_MAX)
		return 0;
	return c->leaves(c->context, (uint32_t)target) ? n : 0;
}

/* Length of the instruction that ends an epilogue at `at`; 0: it is none. */
static size_t terminator(const struct epilogue_code *c, size_t at)
{
	static const struct {
		uint8_t bytes[3], mask[3];
		uint8_t count, length;
	} ends[] = {
		{ { 0xc3 }, { 0xff }, 1, 1 },			      /* ret */
		{ { 0xc2, 0, 0 }, { 0xff, 0xff, 0xff }, 3, 3 },	      /* ret 0 */
		{ { 0xf3, 0xc3 }, { 0xff, 0xff }, 2, 2 },	      /* rep ret */
		{ { 0xff, 0x25 }, { 0xff, 0xff }, 2, 6 },	      /* jmp [rip+n] */
		{ { 0x48, 0xff, 0x25 }, { 0xf8, 0xff, 0xff }, 3, 7 }, /* the same */
		{ { 0x48, 0xff, 0xe0 }, { 0xf8, 0xff, 0xf8 }, 3, 3 }, /* jmp reg */
		{ { 0xff, 0xe0 }, { 0xff, 0xf8 }, 2, 2 }, /* some compilers' */
		{ { 0x41, 0xff, 0xe0 }, { 0xff, 0xff, 0xf8 }, 3, 3 },
	};
	size_t left = c->length - at;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t n = 0;
		while (n < ends[i].count && n < left &&
		       (c->code[at + n] & ends[i].mask[n]) == ends[i].bytes[n])
			n++;
		if (n == ends[i].count && ends[i].length <= left)
			return ends[i].length;
	}
	return c->code[at] == 0xeb || c->code[at] == 0xe9 ? jump_away(c, at) : 0;
}

/* Is it this string that ends at `at`? */
static bool ends_with(const uint8_t *code, size_t at, const uint8_t *bytes, size_t n)
{
	return at >= n && memcmp(code + at - n, bytes, n) == 0;
}

static size_t match_pop(const uint8_t *code, size_t at, uint8_t reg)
{
	uint8_t pop[2] = { 0x41, (uint8_t)(0x58 | (reg & 7)) };
	if (reg >= 8)
		return ends_with(code, at, pop, 2) ? 2 : 0;
	return ends_with(code, at, pop + 1, 1) ? 1 : 0;
}

/* add rsp, size; or a pop into a register that may be lost. */
static size_t match_allocation(const uint8_t *code, size_t at, uint32_t size)
{
	static const uint8_t lost[] = { 0, 1, 2, 8, 9, 10, 11 };
	uint8_t add[7] = { 0x48, 0x81, 0xc4 }, add_short[4] = { 0x48, 0x83, 0xc4 };
	store_le(add + 3, size, 4);
	add_short[3] = (uint8_t)size;
	if (ends_with(code, at, add, 7))
		return 7;
	if (size < 0x80 && ends_with(code, at, add_short, 4))
		return 4;
	for (size_t i = 0; size == 8 && i < sizeof(lost); i++) {
		size_t n = match_pop(code, at, lost[i]);
		if (n > 0)
			return n;
	}
	return 0;
}

/* lea rsp, [frame + n], mov rsp, frame; `mov rsp, r11` is Microsoft's. */
static bool restores_rsp(const uint8_t *code, size_t at, uint8_t frame)
{
	for (unsigned i = 0; i < 2; i++) {
		uint8_t reg = i == 0 ? frame : 11;
		uint8_t high = reg >= 8, low = reg & 7;
		uint8_t moves[2][3] = { { 0x48 | high, 0x8b, 0xe0 | low },
					{ 0x48 | (uint8_t)(high << 2), 0x89,
					  0xc4 | (uint8_t)(low << 3) } };
		uint8_t lea[2][3] = { { 0x48 | high, 0x8d, 0x60 | low },
				      { 0x48 | high, 0x8d, 0xa0 | low } };
		if (reg == 0)
			continue;
		if (ends_with(code, at, moves[0], 3) || ends_with(code, at, moves[1], 3))
			return true;
		if ((at >= 1 && ends_with(code, at - 1, lea[0], 3)) ||
		    (at >= 4 && ends_with(code, at - 4, lea[1], 3)))
			return true;
	}
	return false;
}

/* The walk back from a terminator: where each item's undoing begins. */
struct match {
	size_t at[UNWIND_OPERATIONS_MAX + 1]; /* [i]: the first i items are left */
	size_t count;			      /* items undone here */
};

static void match_back(const struct undo *undo, const uint8_t *code, size_t end,
		       struct match *m)
{
	size_t at = end;
	m->at[0] = at;
	for (m->count = 0; m->count < undo->count; m->count++) {
		const struct unwind_operation *o = undo->items[m->count];
		size_t n = o->kind == UNWIND_PUSH ? match_pop(code, at, o->reg)
						  : match_allocation(code, at, o->size);
		if (n == 0)
			return;
		at -= n;
		m->at[m->count + 1] = at;
	}
}

/* All pops there, or without any to do the release just before? */
static bool believable(const struct undo *undo, const uint8_t *code,
		       const struct match *m)
{
	if (undo->pushes > 0)
		return m->count >= undo->pushes;
	return m->count > 0 || restores_rsp(code, m->at[0], undo->frame_register);
}

bool epilogues_from_code(const struct unwind_info *info, const struct epilogue_code *code,
			 struct epilogue_steps *out)
{
	struct undo undo;
	struct match m;
	size_t last = info->prologue; /* where the search may begin */
	make_undo(info, &undo);
	for (size_t end = last; end < code->length; end++) {
		size_t n = terminator(code, end);
		if (n == 0)
			continue;
		match_back(&undo, code->code, end, &m);
		if (!believable(&undo, code->code, &m) || m.at[m.count] < last)
			continue;
		/* before a complete undoing begins it is the body still */
		size_t left = m.count == undo.count ? m.count - 1 : m.count;
		for (size_t i = left + 1; i-- > 0;)
			if (!add_step(out, (uint32_t)m.at[i], i, false))
				return false;
		last = end + n;
		if (!add_step(out, (uint32_t)last, 0, true))
			return false;
		end = last - 1;
	}
	return true;
}
