#include "bridge/worker/session_internal.h"

#include "bridge/gdb/gdb_stop.h"

/* ---- what happens in the target ---- */

static void on_connected(void *context, bool reboot)
{
	struct session *s = context;
	struct policy_facts f;

	log_event(s->log, LOG_INFO, reboot ? "target-rebooted" : "target-connected",
		  reboot ? "the target rebooted and connected" : "the target connected");
	/* A link that was cut and came back is no boot. */
	if (reboot || !s->seen)
		s->break_due = s->options->break_at != BREAK_NONE;
	s->seen = true;
	s->noted_open = false;
	s->gdb.asked = false;
	/* A boot that began under our eyes has nothing of anybody's. */
	s->reclaim = !reboot && s->client == SESSION_NOBODY && leave_may_be_unclean(s);
	if (leave_was_clean(s))
		target_trust(s->target);
	if (s->client == SESSION_PROMPT)
		session_become(s, SESSION_PLACEHOLDER);
	if (s->client != SESSION_NOBODY)
		leave_note_open(s);
	if (session_waits(s))
		console_say(&s->gdb.console, "[kdbridge: the target %s]\n",
			    reboot ? "rebooted" : "connected");
	if (s->client == SESSION_RUNNING)
		ev_timer_again(s->loop, &s->look);
	if (s->reclaim)
		log_event(s->log, LOG_INFO, "reclaim",
			  "stopping the target once, to remove what an earlier debugger "
			  "may have left in it");
	f = session_facts(s);
	if (policy_breaks_in(&f))
		target_break_in(s->target);
}

static void on_lost(void *context)
{
	struct session *s = context;

	log_event(s->log, LOG_WARN, "target-lost",
		  "the target is silent: waiting for it on UDP port {port}",
		  LOG_NUMBER("port", target_port(s->target)));
	if (s->client == SESSION_PROMPT)
		session_become(s, SESSION_PLACEHOLDER);
	if (session_waits(s))
		console_say(&s->gdb.console, "[kdbridge: the target is silent]\n");
	ev_timer_stop(s->loop, &s->look);
	s->gdb.asked = s->passing = false;
}

static void resume_unattended(struct session *s, bool not_handled)
{
	const struct target_stop *stop = target_stopped(s->target);
	struct target_resume resume = {
		.kind = TARGET_CONTINUE,
		.not_handled = not_handled,
		.processor = stop ? stop->processor : 0,
	};
	enum kd_result result;

	s->busy++;
	result = target_resume(s->target, &resume);
	s->busy--;
	/* One that goes, to reboot perhaps, needs none. */
	if (result != KD_DONE && result != KD_GONE)
		log_event(s->log, LOG_WARN, "resume-failed",
			  "the target did not take a resume");
}

static void on_stopped(void *context, const struct target_stop *stop)
{
	struct session *s = context;
	struct policy_facts f = session_facts(s);
	enum policy_action action;
	bool holds;

	ev_timer_stop(s->loop, &s->look);
	f.kind = stop->kind;
	action = policy_on_stop(&f);
	/* the byte on its way stops the target all the same */
	s->passing = s->passing && stop->kind == TARGET_STOP_LOAD;
	holds = action == POLICY_HOLD || action == POLICY_CLEAN_AND_HOLD;
	log_event(s->log, holds ? LOG_INFO : LOG_DEBUG, "target-stopped",
		  "the target stopped: {text}", LOG_TEXT("text", stop->text),
		  LOG_NUMBER("cpu", stop->processor), LOG_HEX("pc", stop->pc));
	if (action != POLICY_CONTINUE && action != POLICY_PASS_ON &&
	    action != POLICY_LIBRARIES &&
	    (stop->kind == TARGET_STOP_BREAK_IN || stop->kind == TARGET_STOP_LOAD))
		s->break_due = false;
	if (stop->kind == TARGET_STOP_LOAD && action != POLICY_REPORT && session_waits(s))
		console_say(&s->gdb.console, "%s\n", stop->text);
	switch (action) {
	case POLICY_HOLD:
		break;
	case POLICY_REPORT:
	case POLICY_LIBRARIES:
		s->stop_owed = action == POLICY_REPORT;
		s->report_due = true;
		break;
	case POLICY_CLEAN:
	case POLICY_CLEAN_AND_HOLD:
		s->clean_due = true;
		s->clean_holds = action == POLICY_CLEAN_AND_HOLD;
		break;
	case POLICY_CONTINUE:
	case POLICY_PASS_ON:
		resume_unattended(s, action == POLICY_PASS_ON);
		break;
	}
}

static bool on_missed(void *context, const struct target_stop *stop)
{
	struct session *s = context;

	return gdb_conditions_miss(&s->gdb, stop);
}

static void on_print(void *context, unsigned processor, const char *text, size_t length)
{
	struct session *s = context;

	(void)processor;
	console_put(&s->gdb.console, text, length);
	console_put(&s->gdb.log, text, length);
}

/*
 * A client that waits is given a stop, so that its user can type `monitor reply`; the
 * target itself cannot be asked anything before its question is answered.
 */
static void on_prompt(void *context, const char *text, size_t length)
{
	struct session *s = context;

	s->gdb.asked = false;
	console_put(&s->gdb.console, text, length);
	console_put(&s->gdb.log, text, length);
	if (s->client == SESSION_NOBODY || s->hurry) {
		target_answer_prompt(s->target, "", 0);
		return;
	}
	console_say(&s->gdb.console, "\n[kdbridge: the target asks; answer with "
				     "\"monitor reply TEXT\", then \"continue\"]\n");
	if (session_waits(s))
		s->placeholder_due = GDB_SIGTRAP;
}

/* What we do on our own account is done to its end, whether the client is there or not. */
static bool on_given_up(void *context)
{
	const struct session *s = context;

	return s->busy == 0 && !target_busy(s->target) &&
	       (s->hurry || (s->listener && rsp_listen_client_gone(s->listener)));
}

static void on_notice(void *context, enum kdnet_notice notice, const char *text)
{
	static const char *const names[KDNET_NOTICES + 1] = {
		[KDNET_NOTICE_WRONG_KEY] = "wrong-key",
		[KDNET_NOTICE_STRANGER] = "stranger",
		[KDNET_NOTICE_LINK_LOCAL] = "link-local",
		[KDNET_NOTICE_NEW_VERSION] = "new-version",
		[KDNET_NOTICE_REPLAY] = "replay",
		[KDNET_NOTICE_NOT_KDNET] = "not-kdnet",
		[KDNET_NOTICES] = "target-notice",
	};
	struct session *s = context;

	log_event(s->log, LOG_WARN, names[notice], "{text}", LOG_TEXT("text", text));
}

const struct target_events session_target_events = {
	.connected = on_connected,
	.lost = on_lost,
	.stopped = on_stopped,
	.missed = on_missed,
	.print = on_print,
	.prompt = on_prompt,
	.given_up = on_given_up,
	.notice = on_notice,
};
