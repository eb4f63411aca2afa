#include "bridge/gdb/gdb_conditions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/gdb/gdb.h"
#include "bridge/target/breakpoint.h"
#include "bridge/target/memory.h"
#include "bridge/target/watchpoint.h"
#include "kdnet/wire.h"
#include "rsp/agent.h"

enum { LENGTH_SIZE = 4, ROOM_FIRST = 16 };

/* ---- the list ---- */

static bool comes_before(const struct condition *c, enum rsp_breakpoint_type type,
			 uint64_t address)
{
	return c->address != address ? c->address < address : c->type < type;
}

static size_t lower_bound(const struct conditions *cs, enum rsp_breakpoint_type type,
			  uint64_t address)
{
	size_t low = 0, high = cs->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (comes_before(&cs->list[middle], type, address))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct condition *find(const struct conditions *cs, enum rsp_breakpoint_type type,
			      uint64_t address)
{
	size_t i = lower_bound(cs, type, address);

	if (i == cs->count || cs->list[i].address != address || cs->list[i].type != type)
		return NULL;
	return &cs->list[i];
}

static void drop_unwanted(struct conditions *cs)
{
	size_t kept = 0;

	for (size_t i = 0; i < cs->count; i++) {
		if (cs->list[i].wanted) {
			cs->list[kept++] = cs->list[i];
			continue;
		}
		cs->bytes -= cs->list[i].length;
		free(cs->list[i].code);
	}
	cs->count = kept;
}

static bool has_room(struct conditions *cs, size_t bytes)
{
	struct condition *list;
	size_t room;

	if (cs->bytes + bytes > CONDITIONS_BYTES_MAX || cs->count >= BREAKPOINTS_MAX)
		drop_unwanted(cs);
	if (cs->bytes + bytes > CONDITIONS_BYTES_MAX)
		return false;
	if (cs->count < cs->room)
		return true;
	room = cs->room ? 2 * cs->room : ROOM_FIRST;
	list = realloc(cs->list, room * sizeof(*list));
	if (!list)
		return false;
	cs->list = list;
	cs->room = room;
	return true;
}

/* ---- what gdb wants ---- */

/* All of them as one piece, malloc'ed. */
static uint8_t *pack(const struct rsp_conditions *conditions, size_t *length)
{
	uint8_t *code, *out;

	*length = 0;
	for (size_t i = 0; i < conditions->count; i++)
		*length += LENGTH_SIZE + conditions->list[i].length;
	code = out = malloc(*length);
	for (size_t i = 0; out && i < conditions->count; i++) {
		const struct rsp_condition *c = &conditions->list[i];

		store_le(out, c->length, LENGTH_SIZE);
		memcpy(out + LENGTH_SIZE, c->code, c->length);
		out += LENGTH_SIZE + c->length;
	}
	return code;
}

static void replace(struct conditions *cs, struct condition *c, uint8_t *code,
		    size_t length)
{
	bool same = c->code && c->length == length && memcmp(c->code, code, length) == 0;

	cs->bytes += length - c->length;
	free(c->code);
	c->code = code;
	c->length = length;
	c->wanted = true;
	c->explained &= same;
}

static struct condition *add(struct conditions *cs, enum rsp_breakpoint_type type,
			     uint64_t address)
{
	size_t i = lower_bound(cs, type, address);

	memmove(&cs->list[i + 1], &cs->list[i], (cs->count - i) * sizeof(cs->list[0]));
	cs->list[i] = (struct condition){ .address = address, .type = type };
	cs->count++;
	return &cs->list[i];
}

bool gdb_conditions_set(struct gdb *g, enum rsp_breakpoint_type type, uint64_t address,
			const struct rsp_conditions *conditions)
{
	struct conditions *cs = &g->conditions;
	struct condition *c;
	size_t length;
	uint8_t *code;

	if (conditions->count == 0) {
		gdb_conditions_drop(g, type, address);
		return true;
	}
	code = pack(conditions, &length);
	if (!code || !has_room(cs, length)) {
		free(code);
		return false;
	}
	c = find(cs, type, address);
	replace(cs, c ? c : add(cs, type, address), code, length);
	return true;
}

void gdb_conditions_drop(struct gdb *g, enum rsp_breakpoint_type type, uint64_t address)
{
	struct condition *c = find(&g->conditions, type, address);

	if (c)
		c->wanted = false;
}

void gdb_conditions_forget(struct gdb *g)
{
	struct conditions *cs = &g->conditions;

	for (size_t i = 0; i < cs->count; i++)
		free(cs->list[i].code);
	free(cs->list);
	*cs = (struct conditions){ .missed = cs->missed };
}

/* ---- a hit ---- */

struct hit {
	struct target *target;
	unsigned processor;
	uint64_t address; /* read last */
};

static bool read_register(void *context, unsigned number, uint64_t *value)
{
	struct hit *hit = context;

	return registers_get(hit->target, hit->processor, number, value) == KD_DONE;
}

static bool read_memory(void *context, uint64_t address, size_t length, uint64_t *value)
{
	struct hit *hit = context;
	uint8_t bytes[sizeof(*value)];

	hit->address = address;
	if (memory_read_all(hit->target, address, bytes, length) != KD_DONE)
		return false;
	*value = load_le(bytes, length);
	return true;
}

static void explain(struct gdb *g, struct condition *c, const struct hit *hit,
		    enum rsp_agent_error error)
{
	char where[32] = "";

	if (c->explained)
		return;
	c->explained = true;
	if (error == RSP_AGENT_NO_MEMORY)
		snprintf(where, sizeof(where), " (%#" PRIx64 ")", hit->address);
	console_say(&g->console,
		    "[kdbridge: the condition of the breakpoint at %#" PRIx64
		    " cannot be evaluated: %s%s]\n",
		    c->address, rsp_agent_error_text(error), where);
}

/* Any that is true, or has no answer, stops. */
static bool holds(struct gdb *g, struct condition *c, unsigned processor)
{
	struct hit hit = { .target = g->target, .processor = processor };
	const struct rsp_agent_source source = { .context = &hit,
						 .read_register = read_register,
						 .read_memory = read_memory };
	struct reader r = rd_init(c->code, c->length);

	while (rd_ok(&r) && !rd_done(&r)) {
		size_t length = rd_le32(&r);
		const uint8_t *code = rd_bytes(&r, length);
		uint64_t value = 0;
		enum rsp_agent_error error =
			rsp_agent_evaluate(code, length, &source, &value);

		if (error != RSP_AGENT_DONE)
			explain(g, c, &hit, error);
		if (error != RSP_AGENT_DONE || value != 0)
			return true;
	}
	return false;
}

static bool is_wanted(struct gdb *g, enum rsp_breakpoint_type type, uint64_t address)
{
	if (type == RSP_SOFTWARE_BREAKPOINT)
		return breakpoint_wanted(g->target, address);
	return watchpoint_wanted(g->target, WATCHPOINT_EXECUTE, address, 1);
}

/* Both kinds may be at one address, and one stops for both. */
bool gdb_conditions_miss(struct gdb *g, const struct target_stop *stop)
{
	static const enum rsp_breakpoint_type types[] = { RSP_SOFTWARE_BREAKPOINT,
							  RSP_HARDWARE_BREAKPOINT };
	bool missed = false;

	if (g->conditions.count == 0)
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct condition *c = find(&g->conditions, types[i], stop->pc);

		if (!is_wanted(g, types[i], stop->pc))
			continue;
		if (!c || !c->wanted || holds(g, c, stop->processor))
			return false;
		missed = true;
	}
	g->conditions.missed += missed;
	return missed;
}
