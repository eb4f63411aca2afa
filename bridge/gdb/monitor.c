#include "bridge/gdb/monitor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bridge/target/memory.h"
#include "bridge/target/modules.h"

enum { COUNTS_MAX = 128, ARGUMENTS_MAX = 1024 };

void monitor_print(struct gdb *g, const char *format, ...)
{
	char text[1024];
	struct rsp *r = g->owner->client(g->owner_context);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (r)
		rsp_console(r, text, strlen(text));
}

/* ---- the commands ---- */

static void on_help(struct gdb *g, const char *arguments)
{
	bool found = false;

	for (const struct monitor_command *c = monitor_commands; c->name; c++) {
		char usage[48];

		if (arguments[0] && strcmp(arguments, c->name) != 0)
			continue;
		snprintf(usage, sizeof(usage), "%s %s", c->name, c->arguments);
		monitor_print(g, "%-26s %s\n", usage, c->help);
		found = true;
	}
	if (!found)
		monitor_print(
			g, "There is no command \"%s\": \"monitor help\" lists them.\n",
			arguments);
}

static void on_version(struct gdb *g, const char *arguments)
{
	const struct kd_version *v = target_version(g->target);

	(void)arguments;
	monitor_print(g, "kdbridge %s\n", KDBRIDGE_VERSION);
	if (v)
		monitor_print(g,
			      "target: Windows build %u, machine %04x, KD protocol %u, "
			      "kernel at %#" PRIx64 "\n",
			      v->build, v->machine, v->protocol, v->kernel_base);
	else
		monitor_print(g, "target: not known yet\n");
}

static void print_link(struct gdb *g)
{
	const struct kdnet *k = target_kdnet(g->target);

	monitor_print(g,
		      "link: round trip %" PRIu64 " us, %" PRIu64
		      " repeated by us, %" PRIu64 " by the target, %" PRIu64 " dropped\n",
		      kdnet_round_trip_us(k), kdnet_count(k, KDNET_COUNT_REPEATED),
		      kdnet_count(k, KDNET_COUNT_DUPLICATES),
		      kdnet_count(k, KDNET_COUNT_DROPPED_FORM) +
			      kdnet_count(k, KDNET_COUNT_DROPPED_TAG) +
			      kdnet_count(k, KDNET_COUNT_DROPPED_REPLAY) +
			      kdnet_count(k, KDNET_COUNT_DROPPED_STRANGER));
}

static void on_stats(struct gdb *g, const char *arguments)
{
	struct rsp_count counts[COUNTS_MAX];
	struct rsp *r = g->owner->client(g->owner_context);
	size_t n = r ? rsp_counts(r, counts, COUNTS_MAX) : 0;

	(void)arguments;
	monitor_print(g, "exchanges %" PRIu64 "\n", target_exchanges(g->target));
	for (size_t i = 0; i < n; i++)
		monitor_print(g, "%s %" PRIu64 " %" PRIu64 "\n", counts[i].kind,
			      counts[i].packets, counts[i].cost);
	print_link(g);
}

static bool is_live(struct gdb *g)
{
	if (!gdb_is_live(g))
		monitor_print(g, "The target is not stopped.\n");
	return gdb_is_live(g);
}

/* A name of the target's must not steer the user's terminal. */
static void print_module(struct gdb *g, const struct module *m)
{
	char path[MODULE_PATH_MAX];
	size_t i;

	for (i = 0; m->path[i] && i < sizeof(path) - 1; i++) {
		unsigned char c = (unsigned char)m->path[i];

		path[i] = m->path[i];
		if (c < 0x20 || c == 0x7f)
			path[i] = '?';
	}
	path[i] = '\0';
	monitor_print(g, "%016" PRIx64 " %8x %s\n", m->base, m->size, path);
}

static void on_modules(struct gdb *g, const char *arguments)
{
	const struct module *modules = NULL;
	size_t count = 0;
	enum kd_result result;

	(void)arguments;
	if (!is_live(g))
		return;
	result = modules_list(g->target, &modules, &count);
	if (result != KD_DONE && count == 0) {
		monitor_print(g, result == KD_REFUSED
					 ? "The target has no module list yet.\n"
					 : "The target did not answer.\n");
		return;
	}
	for (size_t i = 0; i < count; i++)
		print_module(g, &modules[i]);
}

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

static void on_images(struct gdb *g, const char *arguments)
{
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
	if (gdb_libraries_due(g))
		monitor_print(g, "The new ones come with the next step or continue.\n");
}

static void cache_off(struct gdb *g)
{
	memory_cache_enable(g->target, false);
}

static void cache_on(struct gdb *g)
{
	memory_cache_enable(g->target, true);
}

static void cache_flush(struct gdb *g)
{
	memory_cache_flush(g->target);
}

static void cache_stats(struct gdb *g)
{
	struct memory_statistics s = memory_statistics(g->target);

	monitor_print(
		g, "cache %s, %" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " bytes\n",
		s.enabled ? "on" : "off", s.hits, s.misses, s.bytes);
}

static void on_cache(struct gdb *g, const char *arguments)
{
	static const struct {
		const char *word;
		void (*handler)(struct gdb *g);
	} words[] = {
		{ "", cache_stats },  { "stats", cache_stats }, { "on", cache_on },
		{ "off", cache_off }, { "flush", cache_flush },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(words[i].word, arguments)) {
			words[i].handler(g);
			return;
		}
	}
	monitor_print(g, "Usage: monitor cache on|off|flush|stats\n");
}

static void on_reply(struct gdb *g, const char *arguments)
{
	if (!target_answer_prompt(g->target, arguments, strlen(arguments)))
		monitor_print(g, "The target asks nothing.\n");
	else
		monitor_print(g, "Answered. Type \"continue\" to go on.\n");
}

static void on_reboot(struct gdb *g, const char *arguments)
{
	(void)arguments;
	if (!is_live(g))
		return;
	if (g->owner->reboot(g->owner_context) == KD_DONE)
		monitor_print(g,
			      "The target reboots. Type \"continue\" to wait for it.\n");
	else
		monitor_print(g, "The target did not take the request.\n");
}

const struct monitor_command monitor_commands[] = {
	{ "cache", "on|off|flush|stats", "what was read of a stopped target is kept",
	  on_cache },
	{ "exception", "[CODE|NAME|all stop|second|pass|default] | first on|off",
	  "which exceptions are shown, and which are left to Windows",
	  monitor_exception },
	{ "help", "[COMMAND]", "this list", on_help },
	{ "images", "[wait]", "for how many modules there are names and backtraces",
	  on_images },
	{ "in", "PORT [1|2|4]", "read an I/O port", monitor_in },
	{ "modules", "", "base, size and path of each loaded module", on_modules },
	{ "out", "PORT VALUE [1|2|4]", "write an I/O port", monitor_out },
	{ "phys", "ADDRESS [LENGTH | = BYTES]", "read or write physical memory",
	  monitor_phys },
	{ "pte", "ADDRESS", "the page tables' entries for an address", monitor_pte },
	{ "rdmsr", "NUMBER", "read a model-specific register", monitor_rdmsr },
	{ "reboot", "", "reboot the target", on_reboot },
	{ "reply", "TEXT", "answer the target's question (DbgPrompt)", on_reply },
	{ "stats", "", "KD exchanges so far; packets and exchanges by kind of packet",
	  on_stats },
	{ "version", "", "versions of the bridge and of the target", on_version },
	{ "wrmsr", "NUMBER VALUE", "write a model-specific register", monitor_wrmsr },
	{ NULL, NULL, NULL, NULL },
};

/* ---- dispatch ---- */

const struct monitor_command *monitor_find(const char *text, const char **arguments)
{
	size_t length;

	text += strspn(text, " \t");
	length = strcspn(text, " \t");
	*arguments = text + length + strspn(text + length, " \t");
	for (const struct monitor_command *c = monitor_commands; c->name; c++)
		if (strlen(c->name) == length && !memcmp(c->name, text, length))
			return c;
	return NULL;
}

static bool takes(struct gdb *g, const struct monitor_command *c, const char *arguments)
{
	if (c->arguments[0] || !arguments[0])
		return true;
	monitor_print(g, "Usage: monitor %s\n", c->name);
	return false;
}

enum rsp_result gdb_command(void *context, const char *text)
{
	struct gdb *g = context;
	char arguments[ARGUMENTS_MAX];
	const char *rest;
	const struct monitor_command *c = monitor_find(text, &rest);
	size_t length;

	console_flush(&g->console, g->owner->client(g->owner_context));
	if (!c) {
		monitor_print(
			g, "There is no command \"%.*s\": \"monitor help\" lists them.\n",
			(int)(strcspn(text, " \t") % ARGUMENTS_MAX), text);
		return RSP_OK;
	}
	snprintf(arguments, sizeof(arguments), "%s", rest);
	length = strlen(arguments);
	while (length && strchr(" \t", arguments[length - 1]))
		arguments[--length] = '\0';
	if (takes(g, c, arguments))
		c->handler(g, arguments);
	gdb_charge(g);
	return RSP_OK;
}
