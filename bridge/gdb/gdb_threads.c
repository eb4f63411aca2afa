#include "bridge/gdb/gdb.h"

#include <stdio.h>

#include "bridge/target/processors.h"

/* What a client sees of a machine that is not there: one processor, or no process at all
 * in extended mode (RSP.md §7). */
static size_t placeholder(const struct gdb *g, struct rsp_thread *out, size_t max)
{
	struct rsp *r = g->owner->client(g->owner_context);

	if (max == 0 || (r && rsp_is_extended(r)))
		return 0;
	*out = (struct rsp_thread){ .id = 1 };
	snprintf(out->name, sizeof(out->name), "CPU 0");
	snprintf(out->extra, sizeof(out->extra), "no target yet");
	return 1;
}

/*
 * gdb asks for the list when it connects and after each stop, which must cost nothing:
 * these lists are bare ones. Who asks again in the same stop looks at it (info threads),
 * and is told what runs on each processor.
 */
size_t gdb_threads(void *context, struct rsp_thread *out, size_t max)
{
	struct gdb *g = context;
	bool describe = !g->client->takes_titles && g->bare_lists == 0;
	size_t count;

	if (!gdb_is_live(g))
		return placeholder(g, out, max);
	count = processors_count(g->target);
	if (count > max)
		count = max;
	for (unsigned i = 0; i < count; i++) {
		out[i] = (struct rsp_thread){ .id = (int)i + 1, .core = i };
		snprintf(out[i].name, sizeof(out[i].name), "CPU %u", i);
		if (describe)
			processors_describe(g->target, i, out[i].extra,
					    sizeof(out[i].extra));
	}
	g->bare_lists -= !describe && g->bare_lists > 0;
	gdb_charge(g);
	return count;
}

bool gdb_user_saw_stop(const struct gdb *g)
{
	return !g->client->forgets_interrupts || g->bare_lists < GDB_LISTS_AT_STOP;
}

bool gdb_thread_alive(void *context, int thread)
{
	struct gdb *g = context;

	if (!gdb_is_live(g))
		return thread == 1;
	return thread >= 1 && (unsigned)thread <= processors_count(g->target);
}
