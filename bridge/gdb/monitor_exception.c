#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/gdb/monitor.h"
#include "bridge/image/exports.h"
#include "bridge/target/exception.h"
#include "bridge/target/memory.h"
#include "bridge/target/status.h"

/* `monitor exception`: what becomes of exceptions, by code; and of first chances. */

static const struct {
	const char *word;
	const char *meaning;
} actions[] = {
	[EXCEPTION_STOP] = { "stop", "shown" },
	[EXCEPTION_SECOND] = { "second", "shown at the second chance only" },
	[EXCEPTION_PASS] = { "pass", "left to Windows" },
};
enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

static void print_usage(struct gdb *g)
{
	monitor_print(g,
		      "Usage: monitor exception\n"
		      "       monitor exception CODE|NAME|all stop|second|pass|default\n"
		      "       monitor exception first on|off\n");
}

static void print_rules(struct gdb *g)
{
	size_t count;
	const struct exception_policy *rules = exception_policies(g->target, &count);

	for (size_t i = 0; i < count; i++) {
		const char *name = status_name(rules[i].code);

		monitor_print(g, "%08" PRIx32 " %s: %s\n", rules[i].code,
			      name ? name : "(no name known)",
			      actions[rules[i].action].meaning);
	}
	monitor_print(g, "all %s: %s\n", count ? "others" : "exceptions",
		      actions[exception_others(g->target)].meaning);
}

/* ---- rules ---- */

static bool parse_action(const char *word, enum exception_action *action)
{
	for (unsigned i = 0; i < ACTIONS; i++) {
		*action = (enum exception_action)i;
		if (!strcmp(actions[i].word, word))
			return true;
	}
	return false;
}

static bool parse_code(const char *word, uint32_t *code)
{
	char *end;
	unsigned long long value;

	if (status_of(word, code))
		return true;
	value = strtoull(word, &end, 16);
	*code = (uint32_t)value;
	return word[0] && !*end && value <= UINT32_MAX && value != 0;
}

static void set_rule(struct gdb *g, const char *which, const char *what)
{
	enum exception_action action = EXCEPTION_STOP;
	bool is_default = !strcmp(what, "default");
	uint32_t code;

	if (!is_default && !parse_action(what, &action)) {
		print_usage(g);
	} else if (!strcmp(which, "all")) {
		exception_set_others(g->target, action);
	} else if (!parse_code(which, &code)) {
		monitor_print(g,
			      "\"%s\" is neither a code in hex nor a name known here.\n",
			      which);
	} else if (is_default) {
		exception_unset(g->target, code);
	} else if (!exception_set(g->target, code, action)) {
		monitor_print(g,
			      "Breakpoints and steps are always shown, and there can "
			      "be %d rules.\n",
			      EXCEPTION_POLICIES);
	}
}

/* ---- the first chance ---- */

struct kernel_source {
	struct target *target;
	uint64_t base;
};

static bool read_kernel(void *context, uint64_t rva, void *out, size_t length,
			size_t *done)
{
	const struct kernel_source *k = context;
	enum kd_result result = memory_read(k->target, k->base + rva, out, length, done);

	return result == KD_DONE || result == KD_REFUSED;
}

static uint64_t find_export(struct image_memory *memory, uint64_t base, const char *name)
{
	struct exports exports = { 0 };
	struct pe pe;
	uint64_t found = 0;

	if (pe_read(memory, &pe) != PE_OK)
		return 0;
	(void)exports_read(memory, &pe, &exports);
	for (size_t i = 0; i < exports.count; i++)
		if (!strcmp(exports.names[i].name, name))
			found = base + exports.names[i].rva;
	exports_wipe(&exports);
	return found;
}

/* 0: there is no kernel yet, or it does not export it. */
static uint64_t find_global_flag(struct gdb *g)
{
	const struct kd_version *version = target_version(g->target);
	struct kernel_source kernel = { .target = g->target };
	const struct image_source source = { &kernel, read_kernel };
	struct image_memory *memory;
	uint64_t address;

	if (!version || version->kernel_base == 0)
		return 0;
	kernel.base = version->kernel_base;
	memory = image_memory_new(&source);
	if (!memory)
		return 0;
	address = find_export(memory, kernel.base, "NtGlobalFlag");
	image_memory_free(memory);
	return address;
}

static void set_first_chance(struct gdb *g, const char *word)
{
	bool on = !strcmp(word, "on");
	uint64_t address;

	if (!on && strcmp(word, "off") != 0) {
		print_usage(g);
		return;
	}
	if (!gdb_is_live(g)) {
		monitor_print(g, "The target is not stopped.\n");
		return;
	}
	address = find_global_flag(g);
	if (address == 0)
		monitor_print(g, "The kernel's export NtGlobalFlag cannot be found, and "
				 "its bit 0 decides.\n");
	else if (exception_first_chance(g->target, address, on) != KD_DONE)
		monitor_print(g, "NtGlobalFlag at %#" PRIx64 " cannot be changed.\n",
			      address);
	else
		monitor_print(
			g,
			"The kernel reports first chances %s (NtGlobalFlag at %#" PRIx64
			").\n",
			on ? "from now on" : "no more", address);
}

void monitor_exception(struct gdb *g, const char *arguments)
{
	char which[64], what[16];
	size_t first = strcspn(arguments, " \t");
	const char *rest = arguments + first + strspn(arguments + first, " \t");

	if (!arguments[0]) {
		print_rules(g);
		return;
	}
	if (first >= sizeof(which) || !rest[0] || strlen(rest) >= sizeof(what)) {
		print_usage(g);
		return;
	}
	memcpy(which, arguments, first);
	which[first] = '\0';
	memcpy(what, rest, strlen(rest) + 1);
	if (!strcmp(which, "first"))
		set_first_chance(g, what);
	else
		set_rule(g, which, what);
}
