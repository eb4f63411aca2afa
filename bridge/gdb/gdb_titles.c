#include "bridge/gdb/gdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/target/processors.h"

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void gdb_titles_wipe(struct gdb *g)
{
	free(g->titles.list);
	g->titles = (struct gdb_titles){ .list = NULL };
}

void gdb_titles_expire(struct gdb *g)
{
	for (size_t i = 0; i < g->titles.count; i++)
		g->titles.list[i].fresh = false;
	g->titles.deadline_us = 0;
}

static struct gdb_title *title_of(struct gdb *g, unsigned processor)
{
	struct gdb_titles *titles = &g->titles;
	unsigned count = processors_count(g->target);

	if (titles->count < count) {
		struct gdb_title *list = realloc(titles->list, count * sizeof(*list));

		if (!list)
			return NULL;
		for (size_t i = titles->count; i < count; i++)
			list[i] = (struct gdb_title){ .fresh = false };
		titles->list = list;
		titles->count = count;
	}
	return processor < count ? &titles->list[processor] : NULL;
}

/* The processor that stopped, after anything but a step, and others while there is time. */
static bool is_worth_asking(struct gdb *g, unsigned processor)
{
	const struct target_stop *stop = target_stopped(g->target);

	if (!stop || stop->kind == TARGET_STOP_STEP)
		return false;
	if (g->titles.deadline_us == 0)
		g->titles.deadline_us = now_us() + TITLES_US;
	return stop->processor == processor || now_us() < g->titles.deadline_us;
}

void gdb_thread_title(void *context, int thread, char *out, size_t size)
{
	struct gdb *g = context;
	unsigned processor = thread > 0 ? (unsigned)thread - 1 : 0;
	struct gdb_title *title;

	if (!gdb_is_live(g)) {
		snprintf(out, size, "CPU %u: no target yet", processor);
		return;
	}
	title = title_of(g, processor);
	if (title && !title->fresh && is_worth_asking(g, processor)) {
		processors_describe(g->target, processor, title->text,
				    sizeof(title->text));
		title->fresh = true;
	}
	snprintf(out, size, "CPU %u%s%s", processor, title && title->text[0] ? ": " : "",
		 title ? title->text : "");
	gdb_charge(g);
}
