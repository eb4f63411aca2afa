#include "rsp/conn.h"

#include <stdlib.h>
#include <string.h>

struct rsp *rsp_new(const struct rsp_target *target, void *context)
{
	struct rsp *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->target = target;
	r->context = context;
	r->resume_thread = RSP_ALL_THREADS;
	return r;
}

void rsp_free(struct rsp *r)
{
	if (!r)
		return;
	free(r->document);
	free(r);
}

void *rsp_context(struct rsp *r)
{
	return r->context;
}

void conn_enter(struct rsp *r, enum rsp_state state)
{
	if (r->state != RSP_OVER)
		r->state = state;
}

void conn_leave(struct rsp *r, bool gone)
{
	if (!r->attached)
		return;
	r->attached = false;
	if (r->target->detached)
		r->target->detached(r->context, gone);
}

const struct rsp_description *conn_description(struct rsp *r)
{
	if (!r->description && r->target->description)
		r->description = r->target->description(r->context);
	return r->description;
}

/* ---- bytes that come in ---- */

static void interrupt(struct rsp *r)
{
	if (r->attached && r->target->interrupt)
		r->target->interrupt(r->context);
}

/* At once, whatever is queued before it; before the first packet it means nothing. */
static void take_interrupt(struct rsp *r)
{
	r->interrupt_behind = r->frame.packets + (r->serving ? 1 : 0);
	interrupt(r);
}

/* gdb says '-' after each timeout even without acks (RSP.md §6): only a reply that
 * nobody acknowledged is sent again. */
static void send_again(struct rsp *r)
{
	if (!r->unacked || r->resends == RSP_RESENDS_MAX ||
	    frame_room(&r->frame) < (size_t)2 * FRAME_RESERVE)
		return;
	r->resends++;
	(void)frame_send(&r->frame, r->reply, r->reply_length);
}

static void take_packet(struct rsp *r, uint64_t now_us)
{
	if (!r->frame.no_ack)
		frame_send_byte(&r->frame, '+');
	if (r->state == RSP_CANDIDATE)
		conn_enter(r, RSP_ARRIVED);
	r->alive_us = now_us;
}

/* False: close the connection. */
static bool take_byte(struct rsp *r, uint8_t byte, uint64_t now_us)
{
	switch (frame_take(&r->frame, byte)) {
	case FRAME_PACKET:
		take_packet(r, now_us);
		break;
	case FRAME_BROKEN:
		if (!r->frame.no_ack)
			frame_send_byte(&r->frame, '-');
		break;
	case FRAME_INTERRUPT:
		take_interrupt(r);
		break;
	case FRAME_ACK:
		r->unacked = false;
		break;
	case FRAME_NAK:
		send_again(r);
		break;
	case FRAME_FOREIGN:
		return r->state != RSP_CANDIDATE;
	case FRAME_OVERFLOW:
		return false;
	case FRAME_NOTHING:
		break;
	}
	return true;
}

bool rsp_receive(struct rsp *r, const uint8_t *bytes, size_t length, uint64_t now_us)
{
	for (size_t i = 0; i < length && r->state != RSP_OVER; i++) {
		if (!take_byte(r, bytes[i], now_us))
			return false;
	}
	return true;
}

/* ---- serving ---- */

bool rsp_is_busy(const struct rsp *r)
{
	return r->serving || r->stopping ||
	       (r->target->busy && r->target->busy(r->context));
}

/* Does the next packet's turn come before the target's stop? */
static bool may_serve_now(const struct rsp *r)
{
	const uint8_t *payload;
	size_t length;
	if (r->state == RSP_CANDIDATE || r->state == RSP_OVER ||
	    !frame_peek(&r->frame, &payload, &length))
		return false;
	if (r->state != RSP_RUNNING)
		return true;
	const struct rsp_packet *row = packet_find(r->target, payload, length);
	return row && row->when == RSP_WHILE_RUNNING;
}

bool rsp_has_work(const struct rsp *r)
{
	return may_serve_now(r) && frame_room(&r->frame) >= FRAME_RESERVE &&
	       !rsp_is_busy(r);
}

static void greet(struct rsp *r)
{
	if (r->state != RSP_ARRIVED)
		return;
	conn_enter(r, RSP_HALTED);
	r->attached = true;
	if (r->target->attached)
		r->target->attached(r->context);
}

static void serve_one(struct rsp *r, uint64_t now_us)
{
	const uint8_t *payload;
	size_t length;
	if (!frame_peek(&r->frame, &payload, &length))
		return;
	/* A copy: the queue moves when more comes in meanwhile. */
	memcpy(r->packet, payload, length);
	frame_pop(&r->frame);

	r->serving = true;
	r->reply_owed = true;
	r->unacked = false; /* who asks for more has the last reply */
	r->alive_us = now_us;
	greet(r);
	if (escape_decode(r->packet, &length))
		packet_serve(r, r->packet, length);
	else
		rsp_reply_error(r);
	if (r->reply_owed)
		rsp_reply_empty(r);
	r->serving = false;

	if (r->interrupt_behind > 0) {
		r->interrupt_behind--;
		if (r->state == RSP_RUNNING)
			interrupt(r);
	}
}

bool rsp_serve(struct rsp *r, uint64_t now_us)
{
	while (rsp_has_work(r))
		serve_one(r, now_us);
	return r->state != RSP_OVER;
}

/* ---- output and time ---- */

const uint8_t *rsp_output(const struct rsp *r, size_t *length)
{
	*length = r->frame.out_tail - r->frame.out_head;
	return r->frame.output + r->frame.out_head;
}

void rsp_sent(struct rsp *r, size_t length)
{
	frame_sent(&r->frame, length);
}

uint64_t rsp_deadline(const struct rsp *r)
{
	bool owed = r->serving || may_serve_now(r);
	if (!owed || r->state == RSP_RUNNING || r->state == RSP_OVER)
		return UINT64_MAX;
	return r->alive_us + RSP_KEEPALIVE_US;
}

/* lldb would take a '+' for the reply, and waits without one, but not for a command's
 * (RSP.md §18). */
void rsp_expire(struct rsp *r, uint64_t now_us)
{
	if (now_us < rsp_deadline(r))
		return;
	r->alive_us = now_us;
	if (!rsp_is_lldb(r)) {
		frame_send_byte(&r->frame, '+');
	} else if (r->in_command) {
		reply_begin(r);
		reply_char(r, 'O');
		reply_send(r);
	}
}

/* ---- what the owner says ---- */

void rsp_closed(struct rsp *r)
{
	conn_enter(r, RSP_OVER);
	conn_leave(r, true);
}

bool rsp_is_client(const struct rsp *r)
{
	return r->state != RSP_CANDIDATE;
}

bool rsp_is_running(const struct rsp *r)
{
	return r->state == RSP_RUNNING;
}

bool rsp_is_multiprocess(const struct rsp *r)
{
	return r->client.multiprocess && r->client.thread_events;
}

bool rsp_is_extended(const struct rsp *r)
{
	return r->extended;
}

bool rsp_is_lldb(const struct rsp *r)
{
	return r->lldb.thread_suffix || r->lldb.threads_in_stop || r->lldb.host_asked;
}

void rsp_stop(struct rsp *r, const struct rsp_stop *stop)
{
	if (r->state != RSP_RUNNING)
		return;
	/* First, so that console text that comes while registers are read is refused. */
	conn_enter(r, RSP_HALTED);
	r->stopping = true;
	stop_build(r, stop);
	r->stopping = false;
	if (r->state == RSP_HALTED)
		reply_send(r);
}

void rsp_exited(struct rsp *r)
{
	if (r->state != RSP_RUNNING)
		return;
	conn_enter(r, RSP_VACANT);
	reply_begin(r);
	/* gdb crashes on a process that it never heard of (RSP.md §1). */
	reply_string(r, rsp_is_multiprocess(r) ? "W00;process:1" : "W00");
	reply_send(r);
}

bool rsp_console(struct rsp *r, const char *text, size_t length)
{
	enum { PIECE = 0x4000 }; /* gdb took 63,000 in one packet */
	if (r->state != RSP_RUNNING && !r->in_command)
		return false;
	size_t room = frame_room(&r->frame);
	if (length > FRAME_OUTPUT_SIZE ||
	    room < FRAME_RESERVE + 2 * length +
			    (length / PIECE + 1) * (FRAME_OVERHEAD + 1))
		return false;
	for (size_t done = 0; done < length; done += PIECE) {
		size_t left = length - done;
		reply_begin(r);
		reply_char(r, 'O');
		reply_bytes_hex(r, text + done, left < PIECE ? left : PIECE);
		reply_send(r);
	}
	return true;
}
