#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "bridge/gdb/monitor.h"
#include "bridge/target/modules.h"

/* Modules, and the images that are made for them. */

/* ---- modules ---- */

/* A name of the target's must not steer the user's terminal. */
static void print_module(struct gdb *g, const struct module *m)
{
	char path[MODULE_PATH_MAX];

	console_harmless(path, sizeof(path), m->path, strlen(m->path));
	monitor_print(g, "%016" PRIx64 " %8x %s\n", m->base, m->size, path);
}

/* "ntoskrnl.exe", its stem, or what its symbols begin with. */
static bool is_named(const struct module *m, const char *glob)
{
	char text[sizeof(m->name)];
	char *dot;

	memcpy(text, m->name, sizeof(text));
	if (fnmatch(glob, text, FNM_CASEFOLD) == 0)
		return true;
	dot = strrchr(text, '.');
	if (dot)
		*dot = '\0';
	if (fnmatch(glob, text, FNM_CASEFOLD) == 0)
		return true;
	image_prefix(m->name, text);
	return fnmatch(glob, text, FNM_CASEFOLD) == 0;
}

static bool is_wanted(const struct module *m, const char *which)
{
	const char *rest = which;
	uint64_t address;

	if (!which[0] || is_named(m, which))
		return true;
	return monitor_take_number(&rest, UINT64_MAX, &address) && !*rest &&
	       address >= m->base && address - m->base < m->size;
}

void monitor_modules(struct gdb *g, const char *arguments)
{
	const struct module *modules = NULL;
	size_t count = 0, shown = 0;
	enum kd_result result;

	if (strpbrk(arguments, " \t")) {
		monitor_usage(g, "modules");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	result = modules_list(g->target, &modules, &count);
	if (result != KD_DONE && count == 0) {
		monitor_print(g, result == KD_REFUSED
					 ? "The target has no module list yet.\n"
					 : "The target did not answer.\n");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_wanted(&modules[i], arguments))
			continue;
		print_module(g, &modules[i]);
		shown++;
	}
	if (shown == 0)
		monitor_print(g, "No module matches \"%s\".\n", arguments);
}

/* ---- images ---- */

/* The packets of a client that waits for this command do not end it; a second does. */
static void build_all(struct gdb *g)
{
	size_t before;

	do {
		before = images_waiting(&g->images);
		monitor_print(g, "%zu to build …\n", before);
	} while (gdb_builds_ahead(g) && images_waiting(&g->images) > 0 &&
		 !(g->owner->hurries && g->owner->hurries(g->owner_context)));
}

void monitor_images(struct gdb *g, const char *arguments)
{
	const struct module *reading;
	uint64_t bytes = 0;
	size_t ready = 0, waiting;

	if (!strcmp(arguments, "wait")) {
		build_all(g);
	} else if (arguments[0]) {
		monitor_print(g, "Usage: monitor images [wait]\n");
		return;
	}
	waiting = images_waiting(&g->images);
	for (size_t i = 0; i < g->images.count; i++) {
		const struct image_entry *entry = &g->images.list[i];

		ready += entry->state == IMAGE_READY;
		if (entry->state == IMAGE_UNSERVABLE)
			monitor_print(g, "%s is no image that makes sense\n",
				      entry->module.name);
	}
	monitor_print(g, "%zu of %zu modules have their names, %zu to come\n", ready,
		      g->images.count, waiting);
	reading = images_reading(&g->images, &bytes);
	if (reading)
		monitor_print(g, "%s is being read, %" PRIu64 " KiB so far\n",
			      reading->name, bytes / 1024);
	if (gdb_libraries_due(g))
		monitor_print(g, "The new ones come with the next step or continue.\n");
}
