#include "test/sim/control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"
#include "test/sim/kd_register.h"

enum { PEEK_MAX = 65536, CHAIN_MAX = 64 };

struct command {
	const char *name;
	const char *usage;
	void (*run)(struct target *t, const char *arguments, FILE *out);
};

enum { WORD_SIZE = 64 };

struct word {
	char text[WORD_SIZE];
};

/* The next word of the arguments, cut where it is too long; "" when there is none. */
static struct word word(const char **arguments)
{
	struct word found = { "" };
	const char *start = *arguments + strspn(*arguments, " ");
	size_t length = strcspn(start, " ");
	*arguments = start + length + (start[length] == ' ');
	for (size_t i = 0; i < length && i < WORD_SIZE - 1; i++)
		found.text[i] = start[i];
	return found;
}

static unsigned processor(struct target *t, const char **arguments)
{
	unsigned long number = strtoul(word(arguments).text, NULL, 0);
	unsigned long last = machine_cpus(t->machine) - 1;
	return (unsigned)(number < last ? number : last);
}

/* User addresses are those of the processor that serves the debugger. */
static unsigned serving(const struct target *t)
{
	return t->kd.state == KD_RUNNING ? 0 : t->kd.current;
}

static void run_stop(struct target *t, const char *arguments, FILE *out)
{
	static const char *const types[] = {
		[MACHINE_NONE] = "none",       [MACHINE_EXCEPTION] = "exception",
		[MACHINE_PRINT] = "print",     [MACHINE_PROMPT] = "prompt",
		[MACHINE_LOAD] = "load",       [MACHINE_UNLOAD] = "unload",
		[MACHINE_COMMAND] = "command", [MACHINE_REBOOT] = "reboot",
	};
	const struct machine_event *e = &t->kd.event;
	(void)arguments;
	if (t->kd.state == KD_RUNNING) {
		(void)fprintf(out, "none\n");
		return;
	}
	(void)fprintf(out, "%s cpu=%u pc=%" PRIx64, types[e->type], e->processor,
		      e->program_counter);
	if (e->type == MACHINE_EXCEPTION)
		(void)fprintf(out, " code=%x address=%" PRIx64 " first=%d",
			      e->u.exception.code, e->u.exception.address,
			      e->u.exception.first_chance);
	(void)fprintf(out, "\n");
}

static void run_state(struct target *t, const char *arguments, FILE *out)
{
	(void)fprintf(out, "%s ", target_state(t));
	run_stop(t, arguments, out);
}

static void run_stats(struct target *t, const char *arguments, FILE *out)
{
	(void)arguments;
	target_print_stats(t, out);
}

/* \n in the text is a line's end. */
static void run_act(struct target *t, const char *arguments, FILE *out)
{
	char text[CONTROL_LINE_SIZE];
	size_t length = 0;
	for (const char *from = arguments; *from && length < sizeof(text) - 1; from++) {
		bool line_end = from[0] == '\\' && from[1] == 'n';
		text[length] = *from;
		if (line_end) {
			text[length] = '\n';
			from++;
		}
		length++;
	}
	text[length] = '\0';
	(void)fprintf(out,
		      machine_act(t->machine, text) ? "ok\n" : "error: no such action\n");
}

static void run_peek(struct target *t, const char *arguments, FILE *out)
{
	uint64_t address = strtoull(word(&arguments).text, NULL, 16);
	unsigned long length = strtoul(word(&arguments).text, NULL, 0);
	if (length > PEEK_MAX)
		length = PEEK_MAX;
	uint8_t *bytes = malloc(length + 1);
	if (!bytes)
		return;
	size_t count = machine_read(t->machine, serving(t), address, bytes, length);
	for (size_t i = 0; i < count; i++)
		(void)fprintf(out, "%02x", bytes[i]);
	(void)fprintf(out, "%s\n", count == 0 ? "unreadable" : "");
	free(bytes);
}

static void run_chain(struct target *t, const char *arguments, FILE *out)
{
	uint64_t chain[CHAIN_MAX];
	unsigned cpu = processor(t, &arguments);
	size_t count = machine_call_chain(t->machine, cpu, chain, CHAIN_MAX);
	for (size_t i = 0; i < count; i++)
		(void)fprintf(out, "%" PRIx64 "\n", chain[i]);
}

static void run_symbol(struct target *t, const char *arguments, FILE *out)
{
	struct word module = word(&arguments);
	struct word name = word(&arguments);
	uint64_t address = machine_symbol(t->machine, module.text, name.text);
	if (address == 0)
		(void)fprintf(out, "error: no such symbol\n");
	else
		(void)fprintf(out, "%" PRIx64 "\n", address);
}

static void run_regs(struct target *t, const char *arguments, FILE *out)
{
	static const char names[16][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp",
					   "rsi", "rdi", "r8",	"r9",  "r10", "r11",
					   "r12", "r13", "r14", "r15" };
	uint8_t context[MACHINE_CONTEXT_SIZE], special[MACHINE_SPECIAL_SIZE];
	unsigned cpu = processor(t, &arguments);
	machine_get_context(t->machine, cpu, context);
	machine_get_special(t->machine, cpu, special);
	(void)fprintf(out, "rip=%" PRIx64, load_le(context + CONTEXT_RIP, 8));
	for (size_t i = 0; i < 16; i++)
		(void)fprintf(out, " %s=%" PRIx64, names[i],
			      load_le(context + CONTEXT_RAX + 8 * i, 8));
	(void)fprintf(out, " eflags=%" PRIx64, load_le(context + CONTEXT_EFLAGS, 4));
	(void)fprintf(out, " cr3=%" PRIx64, load_le(special + SPECIAL_CR3, 8));
	for (unsigned n = 0; n < DEBUG_REGISTERS; n++)
		(void)fprintf(out, " dr%u=%" PRIx64, n,
			      load_le(special + SPECIAL_DR0 + sizeof(uint64_t) * n, 8));
	(void)fprintf(out, " dr6=%" PRIx64, load_le(special + SPECIAL_DR6, 8));
	(void)fprintf(out, " dr7=%" PRIx64 "\n", load_le(special + SPECIAL_DR7, 8));
}

static void run_instructions(struct target *t, const char *arguments, FILE *out)
{
	(void)fprintf(out, "%" PRIu64 "\n",
		      machine_instructions(t->machine, processor(t, &arguments)));
}

static void run_device_reads(struct target *t, const char *arguments, FILE *out)
{
	(void)arguments;
	(void)fprintf(out, "%" PRIu64 "\n", machine_device_reads(t->machine));
}

static void run_add_cpu(struct target *t, const char *arguments, FILE *out)
{
	(void)arguments;
	(void)fprintf(out, machine_add_cpu(t->machine)
				   ? "ok\n"
				   : "error: none is left, or the target is stopped\n");
}

/* Says goodbye first, as Windows does; `reboot now` is a power cut. */
static void run_reboot(struct target *t, const char *arguments, FILE *out)
{
	target_reboot(t, strcmp(word(&arguments).text, "now") != 0, t->now_us);
	(void)fprintf(out, "ok\n");
}

static void run_silence(struct target *t, const char *arguments, FILE *out)
{
	double seconds = strtod(word(&arguments).text, NULL);
	target_silence(t, seconds > 0 ? (uint64_t)(seconds * 1e6) : 0, t->now_us);
	(void)fprintf(out, "ok\n");
}

static void run_impair(struct target *t, const char *arguments, FILE *out)
{
	struct impair_options options = t->options.impair;
	struct word setting;
	while ((setting = word(&arguments)).text[0] != '\0') {
		char *value = strchr(setting.text, '=');
		if (value)
			*value++ = '\0';
		if (!value || !impair_set(&options, setting.text, value)) {
			(void)fprintf(out, "error: %s\n", setting.text);
			return;
		}
	}
	target_impair(t, &options);
	(void)fprintf(out, "ok\n");
}

static void run_help(struct target *t, const char *arguments, FILE *out);

static const struct command commands[] = {
	{ "help", "", run_help },
	{ "state", "", run_state },
	{ "break-state", "", run_stop },
	{ "stats", "", run_stats },
	{ "act", "TEXT", run_act },
	{ "peek", "ADDRESS LENGTH", run_peek },
	{ "chain", "CPU", run_chain },
	{ "symbol", "MODULE NAME", run_symbol },
	{ "regs", "CPU", run_regs },
	{ "instructions", "CPU", run_instructions },
	{ "device-reads", "", run_device_reads },
	{ "add-cpu", "", run_add_cpu },
	{ "reboot", "[now]", run_reboot },
	{ "silence", "SECONDS", run_silence },
	{ "impair", "[loss=P] [dup=P] [reorder=P] [corrupt=P] [delay=MS]", run_impair },
	{ "quit", "", NULL },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void run_help(struct target *t, const char *arguments, FILE *out)
{
	(void)t;
	(void)arguments;
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(out, "%s %s\n", commands[i].name, commands[i].usage);
}

void control_execute(struct target *t, const char *line, FILE *out, uint64_t now_us,
		     bool *quit)
{
	const char *arguments = line;
	struct word name = word(&arguments);
	t->now_us = now_us;
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name.text) != 0)
			continue;
		if (commands[i].run)
			commands[i].run(t, arguments, out);
		else
			*quit = true;
		return;
	}
	(void)fprintf(out, "error: no such command\n");
}
