/*
 * The two sockets of a session without sockets: what kdnet/udp.c and rsp/listen.c do, with
 * the lying target and a client of bytes at the other ends. A program defines each
 * function once, here, and the libraries' own are not linked.
 */
#ifndef TEST_FUZZ_VIRTUAL_WIRE_H
#define TEST_FUZZ_VIRTUAL_WIRE_H

#include "kdnet/udp.h"
#include "rsp/listen.h"
#include "test/fuzz/lying_machine.h"
#include "test/fuzz/rsp_output.h"
#include "test/fuzz/virtual_loop.h"

enum { WIRE_TRIP_US = 300 };

/* ---- KDNET ---- */

struct kdnet_udp {
	struct kdnet *k;
	kdnet_udp_notify *notify;
	void *context;
	struct lying_target *far;
};

static struct kdnet_udp virtual_udp;

int kdnet_udp_open(struct kdnet_udp **out, struct ev_loop *loop, struct kdnet *k,
		   uint16_t port, kdnet_udp_notify *notify, void *context,
		   const struct kdnet_udp_tap *tap)
{
	(void)loop;
	(void)port;
	(void)tap;
	virtual_udp.k = k;
	virtual_udp.notify = notify;
	virtual_udp.context = context;
	*out = &virtual_udp;
	return 0;
}

void kdnet_udp_close(struct kdnet_udp *udp)
{
	if (udp)
		udp->k = NULL;
}

uint16_t kdnet_udp_port(const struct kdnet_udp *udp)
{
	(void)udp;
	return 50000;
}

uint64_t kdnet_udp_now_us(void)
{
	return virtual_loop.now_us;
}

void kdnet_udp_flush(struct kdnet_udp *udp)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	struct kdnet_peer to;
	size_t length;
	while ((length = kdnet_transmit(udp->k, &to, sealed, sizeof(sealed),
					virtual_loop.now_us)) > 0) {
		udp->far->now_us = virtual_loop.now_us;
		lying_take(udp->far, sealed, length);
	}
}

/* One datagram arrives, or the endpoint's timer runs out. */
static bool wire_turn(void)
{
	static const struct kdnet_peer from = { .address = { [10] = 0xff, 0xff, 10, 1 },
						.port = 5555 };
	struct lying_target *far = virtual_udp.far;
	bool due = kdnet_deadline(virtual_udp.k) <= virtual_loop.now_us;
	if (lying_next_us(far) <= virtual_loop.now_us)
		lying_expire(far, virtual_loop.now_us);
	if (far->wire_count > 0) {
		struct lying_datagram d = far->wire[far->wire_first];
		far->wire_first = (far->wire_first + 1) % LYING_WIRE;
		far->wire_count--;
		virtual_loop.now_us += WIRE_TRIP_US;
		kdnet_receive(virtual_udp.k, &from, d.bytes, d.length,
			      virtual_loop.now_us);
	} else if (due) {
		kdnet_expire(virtual_udp.k, virtual_loop.now_us);
	} else {
		return false;
	}
	kdnet_udp_flush(&virtual_udp);
	virtual_udp.notify(virtual_udp.context);
	return true;
}

static uint64_t wire_next_us(void)
{
	uint64_t deadline_us = kdnet_deadline(virtual_udp.k);
	uint64_t far_us = lying_next_us(virtual_udp.far);
	return deadline_us < far_us ? deadline_us : far_us;
}

/* ---- the client: one connection, which may end ---- */

struct rsp_listener {
	struct rsp_listen_options options;
	struct rsp *rsp; /* NULL: there is no connection */
	bool client, gone, settling;
};

static struct rsp_listener virtual_listener;

static void listener_say(enum rsp_listen_event event)
{
	struct rsp_listener *l = &virtual_listener;
	if (l->options.event)
		l->options.event(l->options.context, event, "fuzzer");
}

int rsp_listen_open(struct rsp_listener **out, struct ev_loop *loop,
		    const struct rsp_endpoint *endpoint,
		    const struct rsp_listen_options *options)
{
	(void)loop;
	(void)endpoint;
	virtual_listener = (struct rsp_listener){ .options = *options };
	*out = &virtual_listener;
	return 0;
}

int rsp_listen_stdio(struct rsp_listener **out, struct ev_loop *loop, int in, int outward,
		     const struct rsp_listen_options *options)
{
	(void)in;
	(void)outward;
	return rsp_listen_open(out, loop, NULL, options);
}

const char *rsp_listen_name(const struct rsp_listener *l)
{
	(void)l;
	return "nowhere";
}

const char *rsp_listen_peer(const struct rsp_listener *l)
{
	return l->client ? "fuzzer" : "";
}

bool rsp_listen_client_is_here(const struct rsp_listener *l)
{
	(void)l;
	return true;
}

struct rsp *rsp_listen_client(struct rsp_listener *l)
{
	return l->client ? l->rsp : NULL;
}

bool rsp_listen_client_gone(const struct rsp_listener *l)
{
	return l->client && l->gone;
}

static void listener_drop(struct rsp_listener *l, bool closed)
{
	struct rsp *r = l->rsp;
	bool client = l->client;
	if (closed)
		rsp_closed(r);
	l->rsp = NULL;
	l->client = false;
	rsp_free(r);
	listener_say(client ? RSP_CLIENT_CLOSED : RSP_NOT_RSP);
}

void rsp_listen_flush(struct rsp_listener *l)
{
	bool outermost = !l->settling;
	if (!l->rsp)
		return;
	if (!l->client && rsp_is_client(l->rsp)) {
		l->client = true;
		listener_say(RSP_CLIENT_CONNECTED);
	}
	if (!l->gone)
		read_output(l->rsp);
	if (!outermost || rsp_is_busy(l->rsp))
		return;
	l->settling = true;
	while (l->rsp && !rsp_is_busy(l->rsp)) {
		if (l->gone) {
			listener_drop(l, true);
		} else if (!l->client || !rsp_has_work(l->rsp)) {
			break;
		} else {
			bool on = rsp_serve(l->rsp, virtual_loop.now_us);
			read_output(l->rsp);
			if (!on)
				listener_drop(l, false);
		}
	}
	l->settling = false;
}

void rsp_listen_close(struct rsp_listener *l)
{
	if (!l || !l->rsp)
		return;
	read_output(l->rsp);
	listener_drop(l, l->client);
}

static void client_connect(void)
{
	struct rsp_listener *l = &virtual_listener;
	l->rsp = rsp_new(l->options.target, l->options.context);
	must(l->rsp != NULL);
	l->gone = l->client = false;
}

/* Bytes of the client's arrive, at any time but in the midst of a call into its server. */
static void client_send(const uint8_t *bytes, size_t length)
{
	struct rsp_listener *l = &virtual_listener;
	if (!l->rsp && !l->settling)
		client_connect();
	if (!l->rsp || l->gone)
		return;
	if (!rsp_receive(l->rsp, bytes, length, virtual_loop.now_us))
		l->gone = true;
	rsp_listen_flush(l);
}

static void client_hang_up(void)
{
	if (!virtual_listener.rsp)
		return;
	virtual_listener.gone = true;
	rsp_listen_flush(&virtual_listener);
}

#endif
