#include "bridge/gdb/gdb.h"

#include "bridge/gdb/gdb_stop.h"
#include "bridge/target/address_space.h"

/* The placeholder's processor; RSP.md §7. */
static const struct rsp_stop placeholder = { .signal = GDB_SIGINT, .thread = 1 };

/*
 * gdb 13 fails an assertion when a step of one thread alone, its way off a breakpoint, ends
 * with another thread's event: whatever stopped the machine is told as that one's.
 */
static void name_the_one(struct gdb *g, struct rsp_stop *stop)
{
	if (!g->alone || stop->thread == g->alone)
		return;
	console_say(&g->console, "[kdbridge: that was processor %d]\n", stop->thread - 1);
	stop->thread = g->alone;
	/* a watchpoint is not tied to a thread: its values are told all the same */
	if (stop->reason != RSP_STOP_WATCH && stop->reason != RSP_STOP_AWATCH)
		stop->reason = RSP_STOP_PLAIN;
}

/* Words before the stop itself, as gdb takes them only while it waits. */
static void tell(struct gdb *g, const struct target_stop *at, struct rsp_stop *stop)
{
	if (gdb_stop_tells(at))
		console_say(&g->console, "%s\n", at->text);
	name_the_one(g, stop);
	console_flush(&g->console, g->owner->client(g->owner_context));
}

void gdb_report_stop(struct gdb *g)
{
	const struct target_stop *at = target_stopped(g->target);
	struct rsp *r = g->owner->client(g->owner_context);
	struct rsp_stop stop;

	if (!at || !r)
		return;
	stop = gdb_stop_of(at, g->client);
	tell(g, at, &stop);
	g->bare_lists = GDB_LISTS_AT_STOP;
	rsp_stop(r, &stop);
	gdb_charge(g);
}

void gdb_report_libraries(struct gdb *g)
{
	const struct target_stop *at = target_stopped(g->target);
	struct rsp *r = g->owner->client(g->owner_context);
	struct rsp_stop stop = { .reason = RSP_STOP_LIBRARY,
				 .signal = g->client->libraries_signal };

	if (!at || !r)
		return;
	stop.thread = g->alone ? g->alone : (int)at->processor + 1;
	gdb_libraries_told(g);
	g->bare_lists = GDB_LISTS_AT_STOP;
	console_flush(&g->console, r);
	rsp_stop(r, &stop);
	gdb_charge(g);
}

void gdb_report_placeholder(struct gdb *g, int signal)
{
	struct rsp *r = g->owner->client(g->owner_context);
	struct rsp_stop stop = placeholder;

	if (!r)
		return;
	stop.signal = signal;
	console_flush(&g->console, r);
	rsp_stop(r, &stop);
}

static enum rsp_result present_stop(struct gdb *g, bool attach, struct rsp_stop *stop)
{
	struct rsp *r = g->owner->client(g->owner_context);
	const struct target_stop *at;
	bool there;

	g->client = client_kind(r);
	there = g->owner->await_stop(g->owner_context, attach);
	at = target_stopped(g->target);
	gdb_charge(g);
	if (there && at) {
		*stop = gdb_stop_of(at, g->client);
		if (gdb_registers_foreign(g))
			console_say(&g->console,
				    "[kdbridge: the registers of this machine are not "
				    "known here; memory and modules are]\n");
		/* gdb takes no text here: it is shown at the next resume or command. */
		if (gdb_stop_tells(at) && !g->client->shows_stop_words)
			console_say(&g->console, "[kdbridge: it had stopped: %s]\n",
				    at->text);
		return RSP_OK;
	}
	*stop = placeholder;
	return r && rsp_is_extended(r) ? RSP_ERROR : RSP_OK;
}

enum rsp_result gdb_stop_reason(void *context, struct rsp_stop *stop)
{
	return present_stop(context, false, stop);
}

enum rsp_result gdb_attach(void *context, int process, struct rsp_stop *stop)
{
	(void)process;
	return present_stop(context, true, stop);
}

static void explain_locking(struct gdb *g)
{
	if (!g->locking_explained)
		console_say(&g->console, "[kdbridge: the other processors run, too: "
					 "a kernel cannot hold them back]\n");
	g->locking_explained = true;
}

/* `c ADDRESS` and `s ADDRESS`. */
static enum kd_result move_pc(struct gdb *g, const struct target_resume *plan,
			      uint64_t address)
{
	return registers_set(g->target, plan->processor, g->description.pc, address);
}

/* What a monitor command was looking at. */
static void forget_place(struct gdb *g)
{
	if (address_space_selected(g->target))
		console_say(&g->console,
			    "[kdbridge: the user memory shown is that of the "
			    "stopped processor again]\n");
	(void)address_space_select(g->target, 0);
	g->listed_to = 0;
}

/* Unless the user has moved the PC, which says that it is dealt with. */
static bool is_passed_on(struct gdb *g, const struct target_stop *stop,
			 const struct target_resume *plan)
{
	uint64_t pc;

	return g->client->passes_exceptions && stop &&
	       stop->kind == TARGET_STOP_EXCEPTION && plan->kind == TARGET_CONTINUE &&
	       gdb_signal_of(stop->exception.code) != GDB_SIGTRAP &&
	       registers_get(g->target, stop->processor, g->description.pc, &pc) ==
		       KD_DONE &&
	       pc == stop->pc;
}

enum rsp_result gdb_resume(void *context, const struct rsp_resume *resume)
{
	static const struct target_stop nowhere = { .kind = TARGET_STOP_BREAK_IN };
	struct gdb *g = context;
	const struct target_stop *stop = target_stopped(g->target);
	bool holds_others;
	struct target_resume plan =
		gdb_resume_of(resume, stop ? stop : &nowhere, &holds_others);
	enum rsp_result result;

	if (holds_others)
		explain_locking(g);
	forget_place(g);
	if (resume->has_address && stop && move_pc(g, &plan, resume->address) != KD_DONE)
		return RSP_ERROR;
	plan.not_handled |= is_passed_on(g, stop, &plan);
	gdb_titles_expire(g);
	g->alone = plan.alone ? (int)plan.processor + 1 : 0;
	result = g->owner->resume(g->owner_context, &plan);
	gdb_charge(g);
	return result;
}
