#include "bridge/gdb/monitor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 1024, HELP_COLUMN = 26 };

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

/* ---- the table ---- */

static void on_help(struct gdb *g, const char *arguments)
{
	bool found = false;

	for (const struct monitor_command *c = monitor_commands; c->name; c++) {
		char usage[96];

		if (arguments[0] && strcmp(arguments, c->name) != 0)
			continue;
		snprintf(usage, sizeof(usage), "%s %s", c->name, c->arguments);
		monitor_print(g, "%-*s", HELP_COLUMN, usage);
		if (strlen(usage) > HELP_COLUMN)
			monitor_print(g, "\n%*s", HELP_COLUMN, "");
		monitor_print(g, " %s\n", c->help);
		found = true;
	}
	if (!found)
		monitor_print(
			g, "There is no command \"%s\": \"monitor help\" lists them.\n",
			arguments);
}

const struct monitor_command monitor_commands[] = {
	{ "bugcheck", "", "the last bugcheck of the target", monitor_bugcheck },
	{ "cache", "on|off|flush|stats", "what was read of a stopped target is kept",
	  monitor_cache },
	{ "crash", "", "make the target bugcheck", monitor_crash },
	{ "exception", "[CODE|NAME|all stop|second|pass|default] | first on|off",
	  "which exceptions are shown, and which are left to Windows",
	  monitor_exception },
	{ "gdt", "[SELECTOR] [cpu N]", "the segment descriptors of a processor",
	  monitor_gdt },
	{ "help", "[COMMAND]", "this list", on_help },
	{ "idt", "[VECTOR] [cpu N]", "the interrupt handlers of a processor",
	  monitor_idt },
	{ "image", "[since NUMBER | BASE OFFSET]",
	  "the files of modules, for an lldb on another host", monitor_image },
	{ "images", "[wait]", "for how many modules there are names and backtraces",
	  monitor_images },
	{ "in", "PORT [1|2|4]", "read an I/O port", monitor_in },
	{ "log", "[LINES]", "what the target printed last (DbgPrint)", monitor_log },
	{ "modules", "[GLOB|ADDRESS]", "base, size and path of loaded modules",
	  monitor_modules },
	{ "out", "PORT VALUE [1|2|4]", "write an I/O port", monitor_out },
	{ "phys", "ADDRESS [LENGTH | = BYTES]", "read or write physical memory",
	  monitor_phys },
	{ "process", "[CR3|off]", "show the user memory of another process",
	  monitor_process },
	{ "ps", "[GLOB]", "id, parent, CR3 and name of processes", monitor_ps },
	{ "pte", "ADDRESS", "the page tables' entries for an address", monitor_pte },
	{ "rdmsr", "NUMBER", "read a model-specific register", monitor_rdmsr },
	{ "reboot", "", "reboot the target", monitor_reboot },
	{ "reply", "TEXT", "answer the target's question (DbgPrompt)", monitor_reply },
	{ "stats", "", "KD exchanges so far; packets and exchanges by kind of packet",
	  monitor_stats },
	{ "u", "[ADDRESS] [COUNT]", "disassemble, with names; again: go on", monitor_u },
	{ "version", "", "versions of the bridge and of the target", monitor_version },
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
