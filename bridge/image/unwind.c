#include "bridge/image/unwind.h"

#include <stdlib.h>
#include <string.h>

enum {
	FUNCTION_CODE_MAX = 1 << 20, /* a longer one has no rows in its epilogues */
	STARTER_MAX = 4,	     /* bytes behind the prologue of a thread's start */
};

struct unwind_row unwind_leaf(uint32_t rva)
{
	return (struct unwind_row){ .rva = rva,
				    .cfa_register = REGISTER_RSP,
				    .cfa_offset = 8 };
}

/* A row that begins where the last one does takes its place. */
static bool add_row(struct unwind_rows *rows, const struct unwind_row *row)
{
	if (rows->count > 0 && rows->rows[rows->count - 1].rva >= row->rva)
		rows->count--;
	if (rows->count == rows->capacity) {
		size_t wanted = rows->capacity ? rows->capacity * 2 : 64;
		if (wanted > UNWIND_ROWS_MAX)
			return false;
		struct unwind_row *grown = realloc(rows->rows, wanted * sizeof(*grown));
		if (!grown)
			return false;
		rows->rows = grown;
		rows->capacity = wanted;
	}
	rows->rows[rows->count++] = *row;
	return true;
}

/* What one operation of the prologue changes. */
static void apply(struct unwind_row *row, const struct unwind_operation *o)
{
	switch (o->kind) {
	case UNWIND_PUSH:
	case UNWIND_SAVE:
		row->saved |= (uint16_t)(1u << o->reg);
		row->slot[o->reg] = (int32_t)o->slot;
		break;
	case UNWIND_SET_FRAME:
		row->cfa_register = o->reg;
		row->cfa_offset = (int32_t)o->slot;
		return;
	case UNWIND_MACHINE_FRAME: /* what was before is of no use: RSP is here now */
		*row = unwind_leaf(row->rva);
		row->machine_frame = true;
		break;
	case UNWIND_ALLOCATE:
		break;
	}
	if (row->cfa_register == REGISTER_RSP)
		row->cfa_offset = (int32_t)o->depth;
}

/* The prologue's rows; *body is what is true behind it. */
static bool add_prologue(struct unwinder *u, const struct unwind_function *f,
			 struct unwind_row *body)
{
	uint32_t at = 0, length = f->end - f->begin;
	*body = unwind_leaf(f->begin);
	if (!add_row(&u->rows, body))
		return false;
	for (size_t i = 0; i < u->info.count; i++) {
		const struct unwind_operation *o = &u->info.operations[i];
		apply(body, o);
		at = o->end > at ? o->end : at;
		body->rva = f->begin + at;
		if (at < length && !add_row(&u->rows, body))
			return false;
	}
	return true;
}

/* The row with only the first `left` movers of RSP still undone. */
static struct unwind_row row_of_step(const struct unwind_info *info, uint32_t rva,
				     size_t left)
{
	struct unwind_row row = unwind_leaf(rva);
	for (size_t i = 0; i < info->count && left > 0; i++) {
		const struct unwind_operation *o = &info->operations[i];
		if (o->kind != UNWIND_PUSH && o->kind != UNWIND_ALLOCATE)
			continue;
		apply(&row, o);
		left--;
	}
	return row;
}

static bool add_epilogues(struct unwinder *u, const struct unwind_function *f,
			  const struct unwind_row *body)
{
	uint32_t last = body->rva;
	for (size_t i = 0; i < u->steps.count; i++) {
		const struct epilogue_step *s = &u->steps.steps[i];
		uint32_t rva = f->begin + s->offset;
		struct unwind_row row = *body;
		row.rva = rva;
		if (!s->ends)
			row = row_of_step(&u->info, rva, s->left);
		/* within the prologue's rows, or behind the function: not believable */
		if (rva < last || rva >= f->end)
			continue;
		last = rva;
		if (!add_row(&u->rows, &row))
			return false;
	}
	return true;
}

/* ---- epilogues of version 1, from the code ---- */

static uint32_t primary_of(const struct unwinder *u, const struct unwind_function *f)
{
	return u->primaries[f - u->table->functions];
}

struct jump_context {
	const struct unwinder *unwinder;
	const struct unwind_function *function;
};

static bool leaves(void *context, uint32_t rva)
{
	const struct jump_context *c = context;
	const struct unwinder *u = c->unwinder;
	const struct unwind_function *to = unwind_table_find(u->table, rva);
	if (!to || rva == u->info.primary) /* a call of itself may be the last one */
		return true;
	return to != c->function && primary_of(u, to) != u->info.primary;
}

static bool read_code(struct unwinder *u, const struct unwind_function *f)
{
	size_t length = f->end - f->begin;
	bool known = image_memory_has(u->memory, f->begin, length);
	/* so small that it can be no more than a thread's start, which is worth it */
	known |= length > u->info.prologue && length - u->info.prologue <= STARTER_MAX;
	if (length > FUNCTION_CODE_MAX || (!known && length > u->code_left)) {
		u->code_complete = false;
		return false;
	}
	if (length > u->code_size) {
		uint8_t *grown = realloc(u->code, length);
		if (!grown)
			return false;
		u->code = grown;
		u->code_size = length;
	}
	if (!image_memory_read(u->memory, f->begin, u->code, length))
		return false;
	u->code_left -= known ? 0 : length;
	u->code_read += length;
	return true;
}

/*
 * The start of a thread: behind its prologue nothing but a call through a register that
 * no caller passes (so a context was made up with it), and it does not come back. No
 * unwind data says so [inferred].
 */
static bool starts_thread(const struct unwinder *u, const struct unwind_function *f)
{
	static const uint16_t kept = 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 0xf000;
	const uint8_t *p = u->code + u->info.prologue;
	size_t left = f->end - f->begin;
	if (left <= u->info.prologue || left - u->info.prologue > STARTER_MAX)
		return false;
	left -= u->info.prologue;
	unsigned high = p[0] == 0x41;
	if (left < 3u + high || p[high] != 0xff || (p[high + 1] & 0xf8) != 0xd0 ||
	    p[high + 2] != 0xcc)
		return false;
	return kept >> ((p[high + 1] & 7) | high << 3) & 1;
}

/* Looks at the code, if it may be had. False: no memory. */
static bool find_epilogues(struct unwinder *u, const struct unwind_function *f,
			   struct unwind_row *body)
{
	struct jump_context context = { u, f };
	struct epilogue_code code = { NULL, f->end - f->begin, f->begin, leaves,
				      &context };
	if (!read_code(u, f))
		return !image_memory_was_interrupted(u->memory);
	code.code = u->code;
	body->outermost = starts_thread(u, f);
	return epilogues_from_code(&u->info, &code, &u->steps);
}

bool unwind_function_rows(struct unwinder *u, const struct unwind_function *f)
{
	struct unwind_row body, leaf = unwind_leaf(f->end);
	u->rows.count = 0;
	epilogue_steps_clear(&u->steps);
	if (!unwind_info_read(u->memory, f, &u->info) || !add_prologue(u, f, &body))
		return false;
	if (u->info.version == 2 && !epilogues_from_codes(&u->info, &u->steps))
		return false;
	if (epilogue_needs_code(&u->info) && !find_epilogues(u, f, &body))
		return false;
	for (size_t i = 0; body.outermost && i < u->rows.count; i++)
		u->rows.rows[i].outermost = true;
	return add_epilogues(u, f, &body) && add_row(&u->rows, &leaf);
}

void unwinder_wipe(struct unwinder *u)
{
	epilogue_steps_wipe(&u->steps);
	free(u->rows.rows);
	free(u->code);
	u->code = NULL;
	u->rows = (struct unwind_rows){ 0 };
}
