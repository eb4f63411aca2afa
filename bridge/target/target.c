#include "bridge/target/target.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"

/* ---- life ---- */

/* Nothing of a stop holds any longer once the target runs. */
static void forget_stop(struct target *t)
{
	memory_on_resume(t);
	address_space_drop(t);
	registers_drop(t);
	modules_on_resume(t);
	watchpoint_on_resume(t);
	t->exchange.guard.contexts_fetched = 0;
	t->exchange.guard.all_contexts_fetched = false;
}

static bool is_stopped(enum life life)
{
	return life == LIFE_LOOKING || life == LIFE_STOPPED;
}

void target_become(struct target *t, enum life life)
{
	if (is_stopped(t->life) && !is_stopped(life))
		forget_stop(t);
	t->life = life;
	if (life == LIFE_STOPPED && t->waiting && !exchange_busy(t))
		ev_break(t->loop, EVBREAK_ONE);
}

bool target_asks(const struct target *t)
{
	return is_stopped(t->life);
}

enum target_state target_state(const struct target *t)
{
	static const enum target_state shown[] = {
		[LIFE_WAITING] = TARGET_WAITING,
		[LIFE_RUNNING] = TARGET_RUNNING,
		[LIFE_LOOKING] = TARGET_RUNNING,
		[LIFE_STOPPED] = TARGET_STOPPED,
	};
	return shown[t->life];
}

bool target_busy(const struct target *t)
{
	return t->working || exchange_busy(t);
}

const struct target_stop *target_stopped(const struct target *t)
{
	return t->life == LIFE_STOPPED ? &t->stop.stop : NULL;
}

/* ---- what kdnet tells ---- */

static void forget_session(struct target *t)
{
	t->stop.pending = false;
	t->stop.step_made = false;
	t->stop.fatal_length = 0;
	memset(t->late_steps, 0, sizeof(t->late_steps));
	t->plan = (struct plan){ .kind = PLAN_CONTINUE };
	break_in_forget(t);
	asked_forget(t);
}

static void on_connected(struct target *t, const struct kdnet_event *event)
{
	bool break_in = t->break_in.wanted;
	t->bound_elsewhere = event->bound_elsewhere;
	target_become(t, LIFE_RUNNING);
	bugcheck_on_session_end(t, event->reboot);
	forget_session(t);
	memory_cache_flush(t);
	exchange_restart(t);
	t->attach = (struct attach_state){ .fresh = true };
	t->stop.change = (struct kd_state_change){ 0 };
	modules_clear(t);
	processors_clear(t);
	if (event->reboot) {
		breakpoint_clear(t);
		watchpoint_clear(t);
		exception_forget_flag(t);
	} else {
		breakpoint_on_reconnect(t);
		watchpoint_on_reconnect(t);
	}
	exchange_on_gone(t);
	if (t->events->connected)
		t->events->connected(t->context, event->reboot);
	if (break_in)
		target_break_in(t);
}

static void on_lost(struct target *t)
{
	target_become(t, LIFE_WAITING);
	bugcheck_on_session_end(t, false);
	forget_session(t);
	exchange_on_gone(t);
	if (t->events->lost)
		t->events->lost(t->context);
}

/* It forgot us, and repeats its state if it is stopped: that asks all anew. */
static void on_reset_by_target(struct target *t)
{
	t->attach.fresh = true;
	t->attach.trusted = false;
	memory_cache_flush(t);
	exchange_on_reset(t);
}

static void on_state_change(struct target *t, const uint8_t *data, size_t length)
{
	if (!stop_note(t, data, length))
		return;
	exchange_on_report(t);
	target_feed_work(t);
}

static void on_packet(struct target *t, const struct kdnet_event *event)
{
	exchange_on_progress(t);
	switch (event->packet) {
	case KD_PACKET_MANIPULATE:
		exchange_on_reply(t, event->data, event->length);
		break;
	case KD_PACKET_STATE_CHANGE64:
		on_state_change(t, event->data, event->length);
		break;
	case KD_PACKET_DEBUG_IO:
		asked_on_debug_io(t, event->data, event->length);
		break;
	case KD_PACKET_FILE_IO:
		asked_on_file_io(t, event->data, event->length);
		break;
	case KD_PACKET_CONTROL_REQUEST:
		asked_on_control_request(t, event->data, event->length);
		break;
	default: /* trace I/O and what only hosts send: acknowledged, ignored */
		break;
	}
}

static void on_event(struct target *t, const struct kdnet_event *event)
{
	static const char *const notices[KDNET_NOTICES] = {
		[KDNET_NOTICE_WRONG_KEY] =
			"KDNET datagrams arrive that this key does not open: the key is "
			"most likely not the target's",
		[KDNET_NOTICE_STRANGER] =
			"another machine with the same key pokes us, a clone perhaps: "
			"ignored while this target is connected",
		[KDNET_NOTICE_LINK_LOCAL] =
			"the target has a link-local address (169.254.x.x): it got none by "
			"DHCP, and answers may not reach it",
		[KDNET_NOTICE_NEW_VERSION] =
			"the target speaks a newer KDNET version than is known here",
		[KDNET_NOTICE_REPLAY] = "an old poke came again: ignored",
		[KDNET_NOTICE_NOT_KDNET] =
			"datagrams arrive that are no KDNET at all: ignored",
	};
	switch (event->type) {
	case KDNET_CONNECTED:
		on_connected(t, event);
		break;
	case KDNET_PACKET:
		on_packet(t, event);
		break;
	case KDNET_DELIVERED:
		exchange_on_delivered(t);
		asked_flush(t);
		break;
	case KDNET_RESET_BY_TARGET:
		on_reset_by_target(t);
		break;
	case KDNET_LOST:
		on_lost(t);
		break;
	case KDNET_NOTICE:
		target_notice(t, event->notice, "%s", notices[event->notice]);
		break;
	case KDNET_NOTHING:
		break;
	}
}

static void on_notify(void *context)
{
	struct target *t = context;
	struct kdnet_event event;
	while (kdnet_event(t->kdnet, &event))
		on_event(t, &event);
	target_flush(t);
}

void target_flush(struct target *t)
{
	kdnet_udp_flush(t->udp);
}

void target_notice(struct target *t, enum kdnet_notice notice, const char *format, ...)
{
	if (!t->events->notice)
		return;
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	t->events->notice(t->context, notice, text);
}

/* ---- a new stop, looked at in a clean turn of the loop ---- */

void target_feed_work(struct target *t)
{
	if (t->stop.pending || t->stop.step_made)
		ev_feed_event(t->loop, &t->work, EV_ASYNC);
}

static void on_work(struct ev_loop *loop, struct ev_async *watcher, int events)
{
	(void)loop;
	(void)events;
	struct target *t = watcher->data;
	/* in the midst of something: it feeds us again when it is done */
	if (exchange_busy(t) || t->working)
		return;
	t->working = true;
	while (t->stop.pending || t->stop.step_made)
		stop_look(t);
	t->working = false;
	target_flush(t);
}

/* ---- opening, closing, waiting ---- */

static const struct target_events no_events;

static struct target *new_target(struct ev_loop *loop,
				 const struct target_options *options)
{
	struct target *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->loop = loop;
	t->events = options->events ? options->events : &no_events;
	t->context = options->context;
	t->arch = &arch_amd64;
	t->attach.fresh = true;
	ev_async_init(&t->work, on_work);
	t->work.data = t;
	exchange_init(t);
	break_in_init(t);
	return t;
}

int target_open(struct target **out, struct ev_loop *loop,
		const struct target_options *options)
{
	struct target *t = new_target(loop, options);
	if (!t)
		return -ENOMEM;
	int error = -ENOMEM;
	t->kdnet = kdnet_new(&options->kdnet, kdnet_udp_now_us());
	if (t->kdnet)
		error = kdnet_udp_open(&t->udp, loop, t->kdnet, options->port, on_notify,
				       t, &options->tap);
	if (error) {
		target_close(t);
		return error;
	}
	*out = t;
	return 0;
}

void target_close(struct target *t)
{
	if (!t)
		return;
	exchange_stop(t);
	break_in_stop_timer(t);
	(void)ev_clear_pending(t->loop, &t->work);
	kdnet_udp_close(t->udp);
	kdnet_free(t->kdnet);
	memory_cache_clear(&t->memory.cache);
	address_space_forget(t);
	registers_free(t);
	breakpoint_free(t);
	watchpoint_free(t);
	modules_free(t);
	free(t);
}

static void on_wait_timeout(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)events;
	*(bool *)watcher->data = true;
	ev_break(loop, EVBREAK_ONE);
}

enum kd_result target_wait_stopped(struct target *t, unsigned timeout_ms)
{
	if (exchange_busy(t) || t->waiting)
		return KD_REFUSED;
	bool timed_out = false;
	struct ev_timer timer;
	ev_timer_init(&timer, on_wait_timeout, (double)timeout_ms / 1e3, 0.);
	timer.data = &timed_out;
	ev_now_update(t->loop);
	ev_timer_start(t->loop, &timer);
	t->waiting = true;
	t->exchange.cancel = false;
	while (t->life != LIFE_STOPPED && !timed_out && !t->exchange.cancel)
		(void)ev_run(t->loop, EVRUN_ONCE);
	t->waiting = false;
	ev_timer_stop(t->loop, &timer);
	if (t->life == LIFE_STOPPED)
		return KD_DONE;
	return timed_out ? KD_TIMED_OUT : KD_INTERRUPTED;
}

/* ---- what is known ---- */

uint16_t target_port(const struct target *t)
{
	return kdnet_udp_port(t->udp);
}

bool target_bound_elsewhere(const struct target *t)
{
	return t->bound_elsewhere;
}

const struct kdnet *target_kdnet(const struct target *t)
{
	return t->kdnet;
}

const struct kd_version *target_version(const struct target *t)
{
	return t->attach.version_known ? &t->attach.version : NULL;
}

const struct arch *target_arch(const struct target *t)
{
	return t->arch;
}
