#include <string.h>

#include "bridge/target/internal.h"

enum {
	LINE_MAX = 64,	/* front ends read code in lines of it */
	STEPS_MAX = 64, /* so old it may get */
};

static uint64_t block_of(uint64_t address)
{
	return address - address % MEMORY_CARRIED_SIZE;
}

/* What another process has at a user address is another thing. */
static bool is_kernel(uint64_t address)
{
	return address >> 63 != 0;
}

void memory_carry_forget(struct target *t)
{
	for (size_t i = 0; i < MEMORY_CARRIED; i++)
		t->memory.carried[i].length = 0;
}

/* ---- out of one stop ---- */

/* Its place: the one that has it, a free one, the oldest. */
static struct memory_carried *place_for(struct memory_state *m, uint64_t block)
{
	struct memory_carried *best = &m->carried[0];
	for (size_t i = 0; i < MEMORY_CARRIED; i++) {
		struct memory_carried *c = &m->carried[i];
		if (c->length > 0 && c->address == block)
			return c;
		if (best->length > 0 && (c->length == 0 || c->steps > best->steps))
			best = c;
	}
	return best;
}

static void keep(struct target *t, uint64_t pc)
{
	uint8_t bytes[MEMORY_CARRIED_SIZE];
	uint64_t block = block_of(pc);
	size_t known = memory_cache_get(&t->memory.cache, block, bytes, sizeof(bytes));
	if (known <= pc - block)
		return; /* nothing but what came with the report */
	struct memory_carried *c = place_for(&t->memory, block);
	c->address = block;
	c->length = known;
	c->steps = 0;
	memcpy(c->bytes, bytes, known);
}

static bool is_single_step(const struct target *t)
{
	return t->plan.kind == PLAN_STEP && t->plan.processor == t->stop.change.processor;
}

void memory_carry_on_resume(struct target *t)
{
	if (!is_single_step(t) || t->memory.off) {
		memory_carry_forget(t);
		return;
	}
	for (size_t i = 0; i < MEMORY_CARRIED; i++) {
		struct memory_carried *c = &t->memory.carried[i];
		if (c->length > 0 && ++c->steps > STEPS_MAX)
			c->length = 0;
	}
	if (is_kernel(t->stop.stop.pc))
		keep(t, t->stop.stop.pc);
}

/* ---- into the next ---- */

struct range {
	uint64_t first;
	size_t length;
};

static struct range common(struct range a, struct range b)
{
	uint64_t first = a.first > b.first ? a.first : b.first;
	uint64_t a_left = first - a.first < a.length ? a.length - (first - a.first) : 0;
	uint64_t b_left = first - b.first < b.length ? b.length - (first - b.first) : 0;
	return (struct range){ first, (size_t)(a_left < b_left ? a_left : b_left) };
}

/* The bytes that came with the report, those of this block: are they what they were? */
static bool is_confirmed(const struct target *t, const struct memory_carried *c,
			 struct range line)
{
	uint8_t now[KD_INSTRUCTION_STREAM];
	struct range stream = { t->stop.stop.pc, sizeof(now) };
	struct range seen = common(stream, (struct range){ c->address, c->length });
	return common(seen, line).length > 0 &&
	       memory_cache_get(&t->memory.cache, seen.first, now, seen.length) ==
		       seen.length &&
	       memcmp(now, c->bytes + (seen.first - c->address), seen.length) == 0;
}

bool memory_carry_get(const struct target *t, uint64_t address, void *out, size_t length)
{
	if (t->life != LIFE_STOPPED || t->stop.stop.kind != TARGET_STOP_STEP ||
	    length > LINE_MAX || t->memory.off)
		return false;
	for (size_t i = 0; i < MEMORY_CARRIED; i++) {
		const struct memory_carried *c = &t->memory.carried[i];
		if (address < c->address || address - c->address > c->length ||
		    length > c->length - (address - c->address) ||
		    !is_confirmed(t, c, (struct range){ address, length }))
			continue;
		memcpy(out, c->bytes + (address - c->address), length);
		return true;
	}
	return false;
}
