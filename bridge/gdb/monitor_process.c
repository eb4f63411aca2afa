#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/gdb/monitor.h"
#include "bridge/gdb/symbolize.h"
#include "bridge/target/address_space.h"
#include "bridge/target/memory.h"
#include "bridge/target/processes.h"

/* `monitor process` and `monitor ps`: processes, and whose user memory is shown. */

/* ---- process ---- */

static void say_selected(struct gdb *g)
{
	uint64_t cr3 = address_space_selected(g->target);

	if (cr3)
		monitor_print(g,
			      "User memory is that of CR3 %#" PRIx64
			      " until the target runs.\n",
			      cr3);
	else
		monitor_print(g, "User memory is that of the stopped processor.\n");
}

void monitor_process(struct gdb *g, const char *arguments)
{
	const char *rest = arguments;
	enum kd_result result;
	uint64_t cr3 = 0;

	if (arguments[0] && strcmp(arguments, "off") != 0 &&
	    (!monitor_take_number(&rest, UINT64_MAX, &cr3) || *rest || cr3 == 0)) {
		monitor_usage(g, "process");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	result = arguments[0] ? address_space_select(g->target, cr3) : KD_DONE;
	if (result == KD_REFUSED)
		monitor_print(g,
			      "%#" PRIx64
			      " is no CR3 of a process: its page tables do not "
			      "have the kernel. \"monitor ps\" lists them.\n",
			      cr3);
	else if (result != KD_DONE)
		monitor_say_failed(g, result);
	else
		say_selected(g);
}

/* ---- ps ---- */

/* Of a process that is in the list though no processor runs one of them. */
static uint64_t system_process(struct gdb *g)
{
	uint64_t address, process = 0;

	if (symbol_address(g, "nt!PsInitialSystemProcess", &address))
		(void)memory_read_pointer(g->target, address, &process);
	return process;
}

static void print_process(struct gdb *g, const struct process *p)
{
	monitor_print(g, "%6" PRIu64 " %6" PRIu64 " %#14" PRIx64 " %016" PRIx64 " %s\n",
		      p->id, p->parent, p->cr3, p->object, p->name);
}

void monitor_ps(struct gdb *g, const char *arguments)
{
	struct process *list;
	size_t count, shown = 0;
	enum kd_result result;

	if (strpbrk(arguments, " \t")) {
		monitor_usage(g, "ps");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	result = processes_list(g->target, system_process(g), &list, &count);
	if (count > 0)
		monitor_print(g, "%6s %6s %14s %16s %s\n", "id", "parent", "CR3",
			      "object", "name");
	for (size_t i = 0; i < count; i++) {
		if (arguments[0] && fnmatch(arguments, list[i].name, FNM_CASEFOLD) != 0)
			continue;
		print_process(g, &list[i]);
		shown++;
	}
	free(list);
	if (result == KD_REFUSED)
		monitor_print(g, "The target does not tell of its processes (yet).\n");
	else if (result != KD_DONE)
		monitor_say_failed(g, result);
	else if (shown == 0)
		monitor_print(g, "No process matches \"%s\".\n", arguments);
}
