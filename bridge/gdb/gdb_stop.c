#include "bridge/gdb/gdb_stop.h"

#include <stddef.h>

/* Exceptions that are signals elsewhere, KD.md §2. */
static const struct exception_row {
	uint32_t first, last;
	enum gdb_signal signal;
} exceptions[] = {
	{ 0x80000001, 0x80000001, GDB_SIGSEGV }, /* guard page */
	{ 0x80000002, 0x80000002, GDB_SIGBUS },	 /* misaligned data */
	{ 0x80000003, 0x80000004, GDB_SIGTRAP }, /* breakpoint, single step */
	{ 0xc0000005, 0xc0000005, GDB_SIGSEGV }, /* access violation */
	{ 0xc0000006, 0xc0000006, GDB_SIGSEGV }, /* page could not be read in */
	{ 0xc000001d, 0xc000001d, GDB_SIGILL },	 /* illegal instruction */
	{ 0xc000008c, 0xc000008c, GDB_SIGSEGV }, /* array bounds */
	{ 0xc000008d, 0xc0000095, GDB_SIGFPE },	 /* floating point, divide, overflow */
	{ 0xc0000096, 0xc0000096, GDB_SIGILL },	 /* privileged instruction */
	{ 0xc00000fd, 0xc00000fd, GDB_SIGSEGV }, /* stack overflow */
	{ 0xc0000420, 0xc0000420, GDB_SIGABRT }, /* assertion */
};

enum gdb_signal gdb_signal_of(uint32_t code)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
		if (code >= exceptions[i].first && code <= exceptions[i].last)
			return exceptions[i].signal;
	return GDB_SIGTRAP;
}

static const struct stop_row {
	enum rsp_stop_reason reason;
	enum gdb_signal signal;
	bool tells;
} stops[] = {
	/* the signal of an exception is that of its code */
	[TARGET_STOP_EXCEPTION] = { RSP_STOP_PLAIN, GDB_SIGTRAP, true },
	[TARGET_STOP_BREAKPOINT] = { RSP_STOP_SWBREAK, GDB_SIGTRAP, false },
	[TARGET_STOP_HARD_BREAKPOINT] = { RSP_STOP_PLAIN, GDB_SIGTRAP, true },
	[TARGET_STOP_BREAK_IN] = { RSP_STOP_PLAIN, GDB_SIGINT, false },
	[TARGET_STOP_STEP] = { RSP_STOP_TRACE, GDB_SIGTRAP, false },
	[TARGET_STOP_BUGCHECK] = { RSP_STOP_PLAIN, GDB_SIGABRT, true },
	[TARGET_STOP_LOAD] = { RSP_STOP_PLAIN, GDB_SIGTRAP, true },
	[TARGET_STOP_COMMAND] = { RSP_STOP_PLAIN, GDB_SIGTRAP, true },
	[TARGET_STOP_HARDWARE_BREAKPOINT] = { RSP_STOP_HWBREAK, GDB_SIGTRAP, false },
	[TARGET_STOP_WATCHPOINT] = { RSP_STOP_WATCH, GDB_SIGTRAP, false },
};

struct rsp_stop gdb_stop_of(const struct target_stop *stop, const struct client *client)
{
	const struct stop_row *row = &stops[stop->kind];
	struct rsp_stop out = {
		.reason = row->reason,
		.signal = (int)row->signal,
		.thread = (int)stop->processor + 1,
		.address = stop->watch.address,
	};

	if (stop->kind == TARGET_STOP_EXCEPTION)
		out.signal = (int)gdb_signal_of(stop->exception.code);
	if (out.reason == RSP_STOP_WATCH && stop->watch.access)
		out.reason = RSP_STOP_AWATCH;
	if (out.reason == RSP_STOP_TRACE)
		out.reason = client->step_reason;
	return out;
}

bool gdb_stop_tells(const struct target_stop *stop)
{
	return stops[stop->kind].tells && stop->text[0];
}

/* What the stopped processor itself shall do: the leftmost action that fits it, but one
 * that steps another processor is what the user asked for. */
static const struct rsp_resume_action *choose(const struct rsp_resume *resume, int thread)
{
	const struct rsp_resume_action *own = NULL;

	for (size_t i = 0; i < resume->count; i++) {
		const struct rsp_resume_action *action = &resume->actions[i];

		if (action->kind != RSP_CONTINUE && action->thread > 0)
			return action;
		if (!own && (action->thread <= 0 || action->thread == thread))
			own = action;
	}
	return own;
}

/* A step of one alone is also how gdb gets off a breakpoint: nothing to explain then. */
static bool continues_one_alone(const struct rsp_resume *resume)
{
	return resume->count == 1 && resume->actions[0].kind == RSP_CONTINUE &&
	       resume->actions[0].thread > 0;
}

/*
 * gdb names at most one, for the thread that it was told of. For a stop that was no
 * exception (a bugcheck's SIGABRT) it means nothing.
 */
static bool has_signal(const struct rsp_resume *resume)
{
	for (size_t i = 0; i < resume->count; i++)
		if (resume->actions[i].signal != 0)
			return true;
	return false;
}

static enum target_resume_kind kind_of(enum rsp_resume_kind kind)
{
	switch (kind) {
	case RSP_STEP:
		return TARGET_STEP;
	case RSP_RANGE_STEP:
		return TARGET_RANGE_STEP;
	case RSP_CONTINUE:
		break;
	}
	return TARGET_CONTINUE;
}

struct target_resume gdb_resume_of(const struct rsp_resume *resume,
				   const struct target_stop *stop, bool *holds_others)
{
	struct target_resume out = { .kind = TARGET_CONTINUE };
	const struct rsp_resume_action *action;

	out.processor = stop->processor;
	*holds_others = continues_one_alone(resume);
	action = choose(resume, (int)stop->processor + 1);
	if (!action)
		return out;
	out.kind = kind_of(action->kind);
	if (out.kind != TARGET_CONTINUE && action->thread > 0)
		out.processor = (unsigned)action->thread - 1;
	out.alone = out.kind == TARGET_STEP && resume->count == 1 && action->thread > 0;
	out.start = action->start;
	out.end = action->end;
	out.not_handled = stop->kind == TARGET_STOP_EXCEPTION && has_signal(resume);
	return out;
}
