#include <inttypes.h>
#include <string.h>

#include "bridge/gdb/monitor.h"

/* What the target says and does by itself: questions, prints, bugchecks, its end. */

enum { LOG_LINES = 20 };

void monitor_reply(struct gdb *g, const char *arguments)
{
	if (!target_answer_prompt(g->target, arguments, strlen(arguments)))
		monitor_print(g, "The target asks nothing.\n");
	else
		monitor_print(g, "Answered. Type \"continue\" to go on.\n");
}

void monitor_reboot(struct gdb *g, const char *arguments)
{
	(void)arguments;
	if (!monitor_is_stopped(g))
		return;
	if (g->owner->reboot(g->owner_context) == KD_DONE)
		monitor_print(g,
			      "The target reboots. Type \"continue\" to wait for it.\n");
	else
		monitor_print(g, "The target did not take the request.\n");
}

/* ---- bugchecks ---- */

void monitor_crash(struct gdb *g, const char *arguments)
{
	(void)arguments;
	if (!monitor_is_stopped(g))
		return;
	if (g->owner->crash(g->owner_context) == KD_DONE)
		monitor_print(g,
			      "The target runs into its bugcheck. Type \"continue\" to "
			      "see it.\n");
	else
		monitor_print(g, "The target did not take the request.\n");
}

void monitor_bugcheck(struct gdb *g, const char *arguments)
{
	struct target_bugcheck b;
	const char *name;

	(void)arguments;
	if (!target_last_bugcheck(g->target, &b)) {
		monitor_print(g, "No bugcheck of this target was seen.\n");
		return;
	}
	name = bugcheck_name(b.code);
	monitor_print(g, "Bugcheck %08" PRIx32 " %s%s\n", b.code,
		      name ? name : "(no documented name)",
		      b.earlier_boot ? ", before the last reboot" : "");
	for (size_t i = 0; i < sizeof(b.parameters) / sizeof(b.parameters[0]); i++)
		monitor_print(g, "parameter %zu: %016" PRIx64 "\n", i + 1,
			      b.parameters[i]);
	if (b.driver[0])
		monitor_print(g, "driver at fault: %s\n", b.driver);
}

/* ---- what was printed ---- */

static void print_line(void *context, const char *text, size_t length)
{
	char line[CONSOLE_LINE_MAX + 1];

	console_harmless(line, sizeof(line), text, length);
	monitor_print(context, "%s\n", line);
}

void monitor_log(struct gdb *g, const char *arguments)
{
	uint64_t lines = LOG_LINES;

	if (arguments[0] &&
	    (!monitor_take_number(&arguments, CONSOLE_SIZE, &lines) || *arguments)) {
		monitor_usage(g, "log");
		return;
	}
	if (console_lines(&g->log, (size_t)lines, print_line, g) == 0)
		monitor_print(g, "The target has printed nothing.\n");
}
