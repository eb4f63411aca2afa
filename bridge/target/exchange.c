#include "bridge/target/exchange.h"

#include <string.h>

#include "bridge/target/internal.h"

enum {
	GIVE_UP_US = 10000000,	    /* without a sign of progress */
	LAST_GIVE_UP_US = 60000000, /* whatever comes in between */
	CANCEL_US = 500000,	    /* a read that the front end does not want any more */
	/* For a stopped target's repetition of its state: some of its retransmissions. */
	RESET_PATIENCE_US = 3000000,
	RESENDS_MAX = 3,
	/* Learnt limits below it are some fault: progress matters more. */
	LIMIT_MIN = 64,
	WRITE_LIMIT_FIRST = KD_REQUEST_MAX - KD_MANIPULATE_SIZE,
};

/* ---- the wait: the only place that runs the loop inside a call ---- */

static void on_timeout(struct ev_loop *loop, struct ev_timer *watcher, int events);

static void arm(struct target *t, uint64_t now_us)
{
	struct exchange_state *x = &t->exchange;
	uint64_t left_us = x->deadline_us > now_us ? x->deadline_us - now_us : 0;
	ev_now_update(t->loop);
	ev_timer_set(&x->timer, (double)left_us / 1e6, 0.);
	ev_timer_start(t->loop, &x->timer);
}

static void over(struct target *t, enum kd_result result)
{
	if (t->exchange.wait == WAIT_NOTHING)
		return;
	t->exchange.wait = WAIT_NOTHING;
	t->exchange.result = result;
	/* libev runs pending events before it sleeps: without this it would sleep on */
	ev_break(t->loop, EVBREAK_ONE);
}

/*
 * One timer serves all exchanges: it is not touched while they succeed, and when it
 * fires it looks whether the present one, begun later, has time left.
 */
static void on_timeout(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct target *t = watcher->data;
	struct exchange_state *x = &t->exchange;
	uint64_t now_us = kdnet_udp_now_us();
	if (x->wait == WAIT_NOTHING)
		return;
	if (now_us < x->deadline_us)
		arm(t, now_us);
	else
		over(t, x->cancel ? KD_INTERRUPTED : KD_TIMED_OUT);
}

static enum kd_result wait_until(struct target *t, enum exchange_wait wait,
				 uint64_t give_up_us)
{
	struct exchange_state *x = &t->exchange;
	uint64_t now_us = kdnet_udp_now_us();
	x->wait = wait;
	x->deadline_us = now_us + give_up_us;
	x->last_deadline_us = now_us + LAST_GIVE_UP_US;
	x->cancel = false;
	if (!ev_is_active(&x->timer) || give_up_us != GIVE_UP_US) {
		ev_timer_stop(t->loop, &x->timer);
		arm(t, now_us);
	}
	x->busy = true; /* until the loop is left, not only until the answer is there */
	while (x->wait != WAIT_NOTHING)
		(void)ev_run(t->loop, EVRUN_ONCE);
	x->busy = false;
	target_feed_work(t);
	return x->result;
}

static enum kd_result wait_for(struct target *t, enum exchange_wait wait)
{
	return wait_until(t, wait, GIVE_UP_US);
}

bool exchange_busy(const struct target *t)
{
	return t->exchange.busy;
}

void exchange_on_progress(struct target *t)
{
	struct exchange_state *x = &t->exchange;
	if (x->wait == WAIT_NOTHING || x->cancel)
		return;
	uint64_t deadline_us = kdnet_udp_now_us() + GIVE_UP_US;
	x->deadline_us =
		deadline_us < x->last_deadline_us ? deadline_us : x->last_deadline_us;
}

/* ---- sending ---- */

enum kd_result exchange_reset(struct target *t)
{
	kdnet_reset(t->kdnet, kdnet_udp_now_us());
	t->exchange.posted = false;
	target_flush(t);
	/* a request before the repetition was acknowledged would be answered by RESEND */
	t->stop.report_expected = true;
	enum kd_result result = wait_until(t, WAIT_REPORT, RESET_PATIENCE_US);
	t->stop.report_expected = false;
	t->stop.pending = false; /* the same stop once more */
	return result == KD_TIMED_OUT ? KD_DONE : result;
}

/*
 * What is still in flight comes first. When it never arrives the link is stuck: a RESET
 * drops it, and a stopped target answers with its state.
 */
static enum kd_result make_room(struct target *t)
{
	if (!kdnet_send_pending(t->kdnet))
		return KD_DONE;
	enum kd_result result = wait_for(t, WAIT_ROOM);
	return result == KD_TIMED_OUT ? exchange_reset(t) : result;
}

static bool resumes(enum kd_api api)
{
	return api == KD_CONTINUE || api == KD_CONTINUE2 || api == KD_REBOOT ||
	       api == KD_CAUSE_BUGCHECK;
}

/* KD_REFUSED: a guard says no. */
static enum kd_result transmit(struct target *t, const struct kd_request *request)
{
	uint8_t bytes[KD_REQUEST_MAX];
	enum kd_refusal refusal;
	struct kd_request leveled = *request;
	leveled.processor_level = t->stop.change.processor_level;
	size_t length = kd_request_encode(bytes, &leveled, &t->exchange.guard, &refusal);
	if (length == 0)
		return KD_REFUSED;
	if (!kdnet_send(t->kdnet, KD_PACKET_MANIPULATE, bytes, length,
			kdnet_udp_now_us()))
		return KD_TIMED_OUT;
	if (!kd_api_has_reply(request->api))
		t->exchange.posted = true;
	/* before anything can come back */
	if (resumes(request->api))
		target_become(t, LIFE_RUNNING);
	target_flush(t);
	return KD_DONE;
}

static enum kd_result send_request(struct target *t, const struct kd_request *request)
{
	if (exchange_busy(t))
		return KD_REFUSED;
	if (!target_asks(t))
		return KD_GONE;
	enum kd_result result = make_room(t);
	return result == KD_DONE ? transmit(t, request) : result;
}

static void learn_context(struct kd_guard *guard, const struct kd_reply *reply)
{
	if (reply->api == KD_GET_CONTEXT && reply->processor < 64)
		guard->contexts_fetched |= UINT64_C(1) << reply->processor;
	else if (reply->api == KD_GET_CONTEXT)
		guard->all_contexts_fetched = true;
}

static void learn_limit(size_t *limit, const struct kd_request *request,
			const struct kd_reply *reply)
{
	/* fewer with success is the link's limit; fewer with an error is a hole */
	size_t actual = reply->u.memory.actual;
	if (actual > 0 && actual < request->u.memory.count && actual < *limit)
		*limit = actual > LIMIT_MIN ? actual : LIMIT_MIN;
}

static void learn(struct target *t, const struct kd_request *request,
		  const struct kd_reply *reply)
{
	struct exchange_state *x = &t->exchange;
	learn_context(&x->guard, reply);
	if (reply->api == KD_READ_VIRTUAL || reply->api == KD_READ_PHYSICAL)
		learn_limit(&x->read_limit, request, reply);
	if (reply->api == KD_WRITE_VIRTUAL || reply->api == KD_WRITE_PHYSICAL)
		learn_limit(&x->write_limit, request, reply);
}

enum kd_result exchange(struct target *t, const struct kd_request *request,
			struct kd_reply *reply)
{
	struct exchange_state *x = &t->exchange;
	*reply = (struct kd_reply){ .api = request->api,
				    .status = KD_STATUS_UNSUCCESSFUL };
	if (!kd_api_has_reply(request->api))
		return KD_REFUSED;
	enum kd_result result = send_request(t, request);
	if (result != KD_DONE)
		return result;
	x->request = request;
	x->resends = 0;
	result = wait_for(t, WAIT_REPLY);
	x->request = NULL;
	if (result != KD_DONE)
		return result;
	*reply = x->reply;
	if (reply->status != KD_STATUS_SUCCESS)
		return KD_REFUSED;
	learn(t, request, reply);
	return KD_DONE;
}

enum kd_result exchange_post(struct target *t, const struct kd_request *request)
{
	return kd_api_has_reply(request->api) ? KD_REFUSED : send_request(t, request);
}

enum kd_result exchange_send(struct target *t, const struct kd_request *request)
{
	enum kd_result result = exchange_post(t, request);
	if (result != KD_DONE || !t->exchange.posted)
		return result;
	return wait_for(t, WAIT_DELIVERY);
}

enum kd_result exchange_wait_report(struct target *t)
{
	if (exchange_busy(t))
		return KD_REFUSED;
	return t->stop.pending ? KD_DONE : wait_for(t, WAIT_REPORT);
}

/* ---- what the link says meanwhile ---- */

void exchange_on_reply(struct target *t, const uint8_t *data, size_t length)
{
	struct exchange_state *x = &t->exchange;
	if (x->wait != WAIT_REPLY || length > sizeof(x->bytes))
		return;
	memcpy(x->bytes, data, length);
	if (!kd_reply_decode(&x->reply, x->guard.machine, x->bytes, length) ||
	    !kd_reply_answers(&x->reply, x->request))
		return;
	kdnet_confirm(t->kdnet);
	x->count++;
	over(t, KD_DONE);
}

static void posted_arrived(struct target *t)
{
	struct exchange_state *x = &t->exchange;
	if (x->posted) {
		x->posted = false;
		x->count++;
	}
	if (x->wait == WAIT_DELIVERY || x->wait == WAIT_ROOM)
		over(t, KD_DONE);
}

void exchange_on_delivered(struct target *t)
{
	posted_arrived(t);
	exchange_on_progress(t);
}

void exchange_on_proof(struct target *t)
{
	if (!t->exchange.posted)
		return;
	kdnet_confirm(t->kdnet);
	posted_arrived(t);
}

void exchange_on_report(struct target *t)
{
	exchange_on_proof(t);
	if (t->exchange.wait == WAIT_REPORT)
		over(t, KD_DONE);
}

/* A breakpoint asked for twice uses up two slots; all else may be asked again. */
static bool may_repeat(enum kd_api api)
{
	return api != KD_WRITE_BREAKPOINT && api != KD_WRITE_CUSTOM_BREAKPOINT;
}

/*
 * The target forgot us: a request that it had acknowledged will not be answered. One in
 * flight is repeated by kdnet itself.
 */
void exchange_on_reset(struct target *t)
{
	struct exchange_state *x = &t->exchange;
	x->guard.contexts_fetched = 0;
	x->guard.all_contexts_fetched = false;
	if (x->wait != WAIT_REPLY || kdnet_send_pending(t->kdnet))
		return;
	if (!may_repeat(x->request->api) || x->resends++ >= RESENDS_MAX ||
	    transmit(t, x->request) != KD_DONE)
		over(t, KD_TIMED_OUT);
}

void exchange_on_gone(struct target *t)
{
	t->exchange.posted = false;
	over(t, KD_GONE);
}

void target_cancel(struct target *t)
{
	struct exchange_state *x = &t->exchange;
	x->cancel = true;
	if (x->wait == WAIT_NOTHING)
		return;
	/* what changes something is waited for: its outcome must be known */
	bool reads = x->wait == WAIT_REPLY && (x->request->api == KD_READ_VIRTUAL ||
					       x->request->api == KD_READ_PHYSICAL);
	uint64_t soon_us = kdnet_udp_now_us() + CANCEL_US;
	if (!reads || soon_us >= x->deadline_us)
		return;
	x->deadline_us = soon_us;
	ev_timer_stop(t->loop, &x->timer);
	arm(t, kdnet_udp_now_us());
}

/* ---- limits, life ---- */

size_t exchange_read_limit(const struct target *t)
{
	return t->exchange.read_limit;
}

size_t exchange_write_limit(const struct target *t)
{
	return t->exchange.write_limit;
}

uint64_t target_exchanges(const struct target *t)
{
	return t->exchange.count;
}

void exchange_restart(struct target *t)
{
	struct exchange_state *x = &t->exchange;
	x->posted = false;
	x->read_limit = KD_TRANSFER_FIRST;
	x->write_limit = WRITE_LIMIT_FIRST;
	x->guard = (struct kd_guard){ .machine = KD_MACHINE_UNKNOWN };
}

void exchange_init(struct target *t)
{
	ev_timer_init(&t->exchange.timer, on_timeout, 0., 0.);
	t->exchange.timer.data = t;
	exchange_restart(t);
}

void exchange_stop(struct target *t)
{
	ev_timer_stop(t->loop, &t->exchange.timer);
}
