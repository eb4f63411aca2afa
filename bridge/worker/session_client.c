#include "bridge/worker/session_internal.h"

#include "bridge/gdb/gdb_stop.h"

enum {
	CRASH_WAIT_MS = 3000,
	WAIT_SLICE_MS = 200, /* a wait looks so often whether the client is still there */
};

/* ---- what the client wants ---- */

static bool on_busy(void *context)
{
	const struct session *s = context;

	return s->busy > 0 || target_busy(s->target);
}

static void on_attached(void *context)
{
	struct session *s = context;

	session_become(s, SESSION_ATTACHING);
	s->reclaim = s->stays = false;
	leave_note_open(s);
	target_break_in(s->target);
}

static void on_detached(void *context, bool gone)
{
	struct session *s = context;

	(void)gone;
	session_become(s, SESSION_NOBODY);
	if (target_has_prompt(s->target))
		target_answer_prompt(s->target, "", 0);
	(void)leave_as_asked(s);
}

static void on_stays_stopped(void *context)
{
	struct session *s = context;

	s->stays = true;
}

/* Has whoever waits given up? */
static bool gave_up(const struct session *s)
{
	return s->hurry || rsp_listen_client_gone(s->listener);
}

/* Until when `?` waits: for the first poke since the start, then for the break-in. */
static uint64_t deadline_ms(const struct session *s, uint64_t begun)
{
	if (target_state(s->target) == TARGET_WAITING)
		return s->started_ms + SESSION_FIRST_POKE_MS;
	return begun + SESSION_BREAK_IN_MS;
}

static bool on_await_stop(void *context, bool attach)
{
	struct session *s = context;
	uint64_t begun = session_now_ms();

	session_become(s, SESSION_ATTACHING);
	target_break_in(s->target);
	while (target_state(s->target) != TARGET_STOPPED && !gave_up(s) &&
	       (attach || session_now_ms() < deadline_ms(s, begun)) &&
	       !target_has_prompt(s->target) &&
	       target_wait_stopped(s->target, WAIT_SLICE_MS) != KD_REFUSED)
		; /* until something of it changes */
	if (target_state(s->target) != TARGET_STOPPED) {
		session_become(s, SESSION_PLACEHOLDER);
		return false;
	}
	if (s->clean_due) {
		(void)leave_target(s, false); /* of one that could not be left before */
		leave_note_open(s);	      /* it noted that all is clean */
	}
	session_become(s, SESSION_PROMPT);
	return true;
}

/* A question that came while the client could not be shown it. */
static enum rsp_result show_question(struct session *s)
{
	session_become(s, SESSION_RUNNING);
	s->placeholder_due = GDB_SIGTRAP;
	ev_idle_start(s->loop, &s->wake);
	return RSP_OK;
}

/* The target runs since it had its answer; what the client wants now is to be planted. */
static enum rsp_result run_on(struct session *s)
{
	session_become(s, SESSION_RUNNING);
	ev_idle_start(s->loop, &s->wake);
	session_pass(s);
	return RSP_OK;
}

/* What the client saw was not the target: it is shown the real stop first. */
static enum rsp_result await_target(struct session *s)
{
	session_become(s, SESSION_AWAITING);
	ev_idle_start(s->loop, &s->wake);
	s->report_due = s->stop_owed = target_state(s->target) == TARGET_STOPPED;
	target_break_in(s->target);
	session_say_awaited(s);
	return RSP_OK;
}

/*
 * Before the target runs the client may have to read the list of modules, or it has read
 * it and is still to hear of the stop itself. A signal would be lost on that way, and a
 * step of one alone is gdb's own: these come first.
 */
static bool is_to_be_told(struct session *s, const struct target_resume *resume)
{
	return s->stop_owed ||
	       (gdb_libraries_due(&s->gdb) && !resume->not_handled && !resume->alone);
}

/* The client was shown no stop of the target, or one that is over. */
static enum rsp_result resume_placeholder(struct session *s,
					  const struct target_resume *resume)
{
	bool asked = s->gdb.asked;

	if (target_has_prompt(s->target) && !asked)
		return show_question(s);
	if (target_has_prompt(s->target))
		target_answer_prompt(s->target, "", 0);
	if (asked && resume->kind == TARGET_CONTINUE &&
	    target_state(s->target) == TARGET_RUNNING)
		return run_on(s);
	return await_target(s);
}

/* An interrupt that a stop crossed is answered by it, if the user saw that one. */
static void forget_answered_interrupt(struct session *s)
{
	if (s->crossed && gdb_user_saw_stop(&s->gdb))
		s->interrupted = false;
	s->crossed = false;
}

static enum rsp_result on_resume(void *context, const struct target_resume *resume)
{
	struct session *s = context;
	enum kd_result result;

	if (s->client != SESSION_PROMPT || target_state(s->target) != TARGET_STOPPED)
		return resume_placeholder(s, resume);
	forget_answered_interrupt(s);
	session_become(s, SESSION_RUNNING);
	if (is_to_be_told(s, resume)) {
		s->report_due = true;
		ev_idle_start(s->loop, &s->wake);
		return RSP_OK;
	}
	result = target_resume(s->target, resume);
	/* A stop that came inside is reported by session_work: not after a sleep. */
	ev_idle_start(s->loop, &s->wake);
	/* a load event, or a stop of no interest, came before the one that it asked for */
	if (result == KD_DONE && s->interrupted)
		target_break_in(s->target);
	if (result == KD_DONE || target_state(s->target) != TARGET_STOPPED ||
	    s->report_due)
		return RSP_OK;
	session_become(s, SESSION_PROMPT);
	return RSP_ERROR;
}

static void on_interrupt(void *context)
{
	struct session *s = context;

	/* its stop is on the way to the client: does that answer it? */
	if (s->client == SESSION_PROMPT && !gdb_user_saw_stop(&s->gdb))
		s->interrupted = s->crossed = true;
	if (!session_waits(s))
		return;
	if (target_state(s->target) == TARGET_WAITING || target_has_prompt(s->target))
		s->placeholder_due = GDB_SIGINT;
	else
		target_break_in(s->target);
	s->interrupted = true;
}

static enum kd_result on_reboot(void *context)
{
	struct session *s = context;
	enum kd_result result = target_reboot(s->target);

	if (result == KD_DONE)
		session_become(s, SESSION_PLACEHOLDER);
	return result;
}

/*
 * Its stop shall be there when the client resumes: one that is asked to run while the
 * target is on its way would break in.
 */
static enum kd_result on_crash(void *context)
{
	struct session *s = context;
	uint64_t begun = session_now_ms();
	enum kd_result result = target_crash(s->target);

	if (result != KD_DONE)
		return result;
	session_become(s, SESSION_PLACEHOLDER);
	while (target_state(s->target) == TARGET_RUNNING && !gave_up(s) &&
	       session_now_ms() - begun < CRASH_WAIT_MS &&
	       target_wait_stopped(s->target, WAIT_SLICE_MS) != KD_REFUSED)
		; /* until something of it changes */
	return KD_DONE;
}

/* gdb takes no words while it connects: they are in the log. */
static void on_progress(void *context, size_t ready, size_t count)
{
	struct session *s = context;

	log_event(s->log, LOG_INFO, "reading-modules",
		  "reading modules for the client: {ready} of {count} are there",
		  LOG_NUMBER("ready", ready), LOG_NUMBER("count", count));
}

static bool on_client_is_here(void *context)
{
	const struct session *s = context;

	return !s->listener || rsp_listen_client_is_here(s->listener);
}

static void on_files_withheld(void *context)
{
	struct session *s = context;

	log_event(s->log, LOG_INFO, "client-elsewhere",
		  "{peer} is an lldb on another host, where the files of modules are "
		  "not: \"kd-connect HOST:PORT\" of kdbridge.py fetches them",
		  LOG_TEXT("peer", rsp_listen_peer(s->listener)));
}

/* Would a packet be served, were it not for what we do meanwhile? */
static bool holds_packet_up(struct session *s)
{
	const struct rsp *r = rsp_listen_client(s->listener);
	bool waits;

	if (!r || s->busy == 0)
		return false;
	s->busy--;
	waits = rsp_has_work(r);
	s->busy++;
	return waits;
}

static bool on_hurries(void *context)
{
	struct session *s = context;

	return gave_up(s) || holds_packet_up(s);
}

static struct rsp *on_client(void *context)
{
	const struct session *s = context;

	return s->listener ? rsp_listen_client(s->listener) : NULL;
}

const struct gdb_owner session_gdb_owner = {
	.busy = on_busy,
	.attached = on_attached,
	.detached = on_detached,
	.stays_stopped = on_stays_stopped,
	.await_stop = on_await_stop,
	.resume = on_resume,
	.interrupt = on_interrupt,
	.reboot = on_reboot,
	.crash = on_crash,
	.client = on_client,
	.progress = on_progress,
	.client_is_here = on_client_is_here,
	.files_withheld = on_files_withheld,
	.hurries = on_hurries,
};

void session_on_listen_event(void *context, enum rsp_listen_event event, const char *peer)
{
	static const struct {
		enum log_level level;
		const char *name, *sentence;
	} rows[] = {
		[RSP_CLIENT_CONNECTED] = { LOG_INFO, "client-connected",
					   "{peer} is debugging" },
		[RSP_CLIENT_CLOSED] = { LOG_INFO, "client-closed", "{peer} has left" },
		[RSP_CLIENT_REFUSED] = { LOG_WARN, "client-refused",
					 "{peer} is refused: another one is debugging" },
		[RSP_NOT_RSP] = { LOG_WARN, "not-rsp",
				  "{peer} does not speak gdb's protocol: closed" },
	};
	struct gdb *g = context;
	struct session *s = g->owner_context;

	log_event(s->log, rows[event].level, rows[event].name, rows[event].sentence,
		  LOG_TEXT("peer", peer));
	if (s->options->stdio && (event == RSP_CLIENT_CLOSED || event == RSP_NOT_RSP))
		s->over = true;
}
