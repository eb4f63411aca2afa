/* Coming and going: qSupported, no-ack and extended mode, `?`, attach, detach, kill. */
#include "rsp/conn.h"

#include <stddef.h>

/* ---- features ---- */

static const struct client_feature {
	const char *name;
	size_t flag; /* in struct rsp_features */
} client_features[] = {
	{ "multiprocess+", offsetof(struct rsp_features, multiprocess) },
	{ "QThreadEvents+", offsetof(struct rsp_features, thread_events) },
	{ "swbreak+", offsetof(struct rsp_features, swbreak) },
	{ "hwbreak+", offsetof(struct rsp_features, hwbreak) },
};

static bool always(const struct rsp *r)
{
	(void)r;
	return true;
}

static bool has_description(const struct rsp *r)
{
	return r->target->description;
}

static bool has_threads(const struct rsp *r)
{
	return r->target->threads;
}

static bool has_breakpoints(const struct rsp *r)
{
	return r->target->insert;
}

/* lldb says multiprocess+, too, but must not be taken at its word; only gdb knows
 * QThreadEvents (RSP.md §10). */
static const struct offer {
	const char *text;
	bool (*wanted)(const struct rsp *r);
} offers[] = {
	{ ";QStartNoAckMode+", always },
	{ ";multiprocess+", rsp_is_multiprocess },
	{ ";swbreak+;hwbreak+;vContSupported+", always },
	{ ";ConditionalBreakpoints+", has_breakpoints },
	{ ";qXfer:features:read+", has_description },
	{ ";qXfer:threads:read+", has_threads },
};

static void learn_feature(struct rsp *r, const struct rsp_text *word)
{
	for (size_t i = 0; i < sizeof(client_features) / sizeof(*client_features); i++) {
		if (text_is(word, client_features[i].name))
			*(bool *)((char *)&r->client + client_features[i].flag) = true;
	}
}

void on_supported(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	r->client = (struct rsp_features){ 0 };
	if (rsp_text_accept(&t, ':')) {
		while (t.left > 0) {
			struct rsp_text word = text_until(&t, ';');
			learn_feature(r, &word);
		}
	}
	reply_begin(r);
	reply_string(r, "PacketSize=");
	reply_number(r, RSP_PACKET_MAX, 1);
	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++) {
		if (offers[i].wanted(r))
			reply_string(r, offers[i].text);
	}
	for (const char *const *name = r->target->documents; name && *name; name++) {
		reply_string(r, ";qXfer:");
		reply_string(r, *name);
		reply_string(r, ":read+");
	}
	reply_answer(r);
}

void on_no_ack_mode(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	rsp_reply_ok(r);
	r->frame.no_ack = true;
	r->unacked = false;
}

void on_extended(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	r->extended = true;
	rsp_reply_ok(r);
}

void on_attached(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	rsp_reply_text(r, "1"); /* so that quit detaches and does not kill */
}

void on_symbol(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	rsp_reply_ok(r); /* we want to know none */
}

/* ---- the process ---- */

static void report(struct rsp *r, const struct rsp_stop *stop)
{
	conn_enter(r, RSP_HALTED);
	stop_build(r, stop);
	reply_answer(r);
}

void on_stop_reason(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	struct rsp_stop stop = { .reason = RSP_STOP_PLAIN, .signal = 5, .thread = 1 };
	enum rsp_result result = RSP_ERROR;
	if (r->attached && r->target->stop_reason)
		result = r->target->stop_reason(r->context, &stop);
	if (result == RSP_OK) {
		report(r, &stop);
		return;
	}
	conn_enter(r, RSP_VACANT);
	rsp_reply_text(r, "W00");
}

void on_attach(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	uint64_t process = rsp_text_hex(&t);
	if (!r->target->attach) {
		rsp_reply_empty(r);
		return;
	}
	if (!rsp_text_done(&t) || process > INT32_MAX) {
		rsp_reply_error(r);
		return;
	}
	struct rsp_stop stop = { .reason = RSP_STOP_PLAIN, .signal = 5, .thread = 1 };
	r->attached = true;
	if (r->target->attach(r->context, (int)process, &stop) == RSP_OK)
		report(r, &stop);
	else
		rsp_reply_error(r);
}

/* vRun and R: a kernel is not started again from here (RSP.md §7). */
void on_restart(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	rsp_reply_error(r);
}

/* `D1`, which only lldb says, once it was told that it may: all stays as it stands. */
static bool take_stay(struct rsp *r, struct rsp_text *t)
{
	return rsp_is_lldb(r) && r->target->stays_stopped && rsp_text_accept(t, '1');
}

/* The owner lets go before the client hears OK, so that OK means that it is done. */
static void leave_process(struct rsp *r)
{
	conn_enter(r, r->extended ? RSP_VACANT : RSP_OVER);
	conn_leave(r, false);
	rsp_reply_ok(r);
}

void on_detach(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	bool stays = take_stay(r, &t);
	if (t.left > 0) {
		rsp_text_expect(&t, ';');
		if (rsp_text_hex(&t) != 1)
			t.bad = true;
	}
	if (!rsp_text_done(&t)) {
		rsp_reply_error(r);
		return;
	}
	if (stays)
		r->target->stays_stopped(r->context);
	leave_process(r);
}

/* Any number: without multiprocess gdb invents one. */
void on_vkill(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	leave_process(r);
}

/* A kernel is never killed, only left. gdb waits for no reply, lldb for X09: its quit says
 * `k`, too (RSP.md §16). */
void on_kill(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	conn_enter(r, RSP_OVER);
	conn_leave(r, false);
	if (rsp_is_lldb(r))
		rsp_reply_text(r, "X09");
	else
		r->reply_owed = false;
}
