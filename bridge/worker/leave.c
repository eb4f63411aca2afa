#include "bridge/worker/session_internal.h"

#include <string.h>

/* ---- what is noted on disk ---- */

static void note(struct session *s, bool clean)
{
	const uint8_t *identity = kdnet_identity(target_kdnet(s->target));
	int status;

	if (!identity)
		return;
	status = note_write(&s->note, identity, clean);
	if (status != 0)
		log_event(s->log, LOG_WARN, "note-failed", "cannot write {path}: {why}",
			  LOG_TEXT("path", s->note.path),
			  LOG_TEXT("why", strerror(-status)));
	s->noted_open = !clean;
}

/* Before anything is planted: from here on a kill -9 leaves traces. */
void leave_note_open(struct session *s)
{
	if (!s->noted_open && target_state(s->target) != TARGET_WAITING)
		note(s, false);
}

static enum note_past noted(const struct session *s)
{
	const uint8_t *identity = kdnet_identity(target_kdnet(s->target));

	return identity ? note_read(&s->note, identity) : NOTE_UNKNOWN;
}

bool leave_may_be_unclean(const struct session *s)
{
	switch (noted(s)) {
	case NOTE_CLEAN:
		return false;
	case NOTE_OPEN:
		return true;
	case NOTE_UNKNOWN:
		break;
	}
	return target_bound_elsewhere(s->target);
}

bool leave_was_clean(const struct session *s)
{
	return noted(s) == NOTE_CLEAN;
}

/* ---- leaving ---- */

bool leave_target(struct session *s, bool run)
{
	enum kd_result result;

	s->clean_due = s->clean_holds = false;
	if (target_state(s->target) == TARGET_WAITING)
		return true; /* the note on disk reminds us when it comes back */
	s->busy++;
	result = target_leave(s->target, run);
	s->busy--;
	if (result == KD_DONE) {
		s->reclaim = false;
		note(s, true);
		return true;
	}
	if (result == KD_GONE)
		return true;
	log_event(
		s->log, LOG_WARN, "leave-failed",
		"the target does not answer: what is planted in it stays until it does");
	ev_timer_again(s->loop, &s->retry);
	return false;
}

bool leave_as_asked(struct session *s)
{
	bool run = (s->options->disconnect == DISCONNECT_RUN && !s->stays) || s->reclaim;
	bool left = leave_target(s, run && !s->clean_holds);

	if (left)
		s->stays = false; /* a wish of that client's alone */
	return left;
}
