#include "rsp/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	READ_SIZE = 0x10000,
	DRAIN_MS = 500, /* connection_drain waits so long for a full socket */
};

#define CANDIDATE_SECONDS 5.0
#define LEAVING_SECONDS	  2.0

uint64_t connection_now_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void mark_gone(struct connection *c)
{
	c->gone = true;
	ev_io_stop(c->loop, &c->reading);
	ev_io_stop(c->loop, &c->writing);
}

/* Our half is closed first, so that the last reply is not lost with what the client may
 * still have sent us. */
static void say_last(struct connection *c)
{
	c->said_last = true;
	if (!c->is_socket || shutdown(c->out, SHUT_WR) != 0)
		mark_gone(c);
}

static ssize_t write_some(struct connection *c, const uint8_t *bytes, size_t length)
{
	if (c->is_socket)
		return send(c->out, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	return write(c->out, bytes, length);
}

/* At once and as much as the socket takes; the loop is asked only when it is full. */
static void write_out(struct connection *c)
{
	size_t length;
	const uint8_t *bytes = rsp_output(c->rsp, &length);
	while (!c->gone && length > 0) {
		ssize_t sent = write_some(c, bytes, length);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			ev_io_start(c->loop, &c->writing);
			return;
		}
		if (sent < 0) {
			mark_gone(c);
			return;
		}
		rsp_sent(c->rsp, (size_t)sent);
		bytes = rsp_output(c->rsp, &length);
	}
	ev_io_stop(c->loop, &c->writing);
	if (c->role == LEAVING && !c->gone && !c->said_last)
		say_last(c);
}

static void start_timer(struct connection *c, double seconds)
{
	ev_timer_stop(c->loop, &c->timer);
	ev_timer_set(&c->timer, seconds, 0.);
	ev_timer_start(c->loop, &c->timer);
}

/* The keep-alive of a client, and of one that waits until its predecessor is gone. */
static void arm_keepalive(struct connection *c)
{
	if (c->role == LEAVING || !rsp_is_client(c->rsp))
		return;
	uint64_t deadline = rsp_deadline(c->rsp);
	uint64_t now = connection_now_us();
	ev_timer_stop(c->loop, &c->timer);
	if (deadline != UINT64_MAX && !c->gone)
		start_timer(c, deadline > now ? (double)(deadline - now) / 1e6 : 0.);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct connection *c = timer->data;
	if (c->role != LEAVING && rsp_is_client(c->rsp)) {
		rsp_expire(c->rsp, connection_now_us());
	} else {
		c->foreign = c->role == CANDIDATE;
		mark_gone(c);
	}
	c->settle(c->owner);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	struct connection *c = io->data;
	c->settle(c->owner); /* writes, and serves what waited for room */
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	struct connection *c = io->data;
	uint8_t bytes[READ_SIZE];
	ssize_t length = read(c->in, bytes, sizeof(bytes));
	if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (length <= 0) {
		c->foreign = c->role == CANDIDATE && !rsp_is_client(c->rsp);
		mark_gone(c);
	} else if (c->role != LEAVING &&
		   !rsp_receive(c->rsp, bytes, (size_t)length, connection_now_us())) {
		c->foreign = !rsp_is_client(c->rsp);
		mark_gone(c);
	}
	c->settle(c->owner); /* the last: it may free c */
}

struct connection *connection_new(struct ev_loop *loop, const struct rsp_target *target,
				  void *context, int in, int out, bool is_socket)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct rsp *r = rsp_new(target, context);
	if (!c || !r) {
		free(c);
		rsp_free(r);
		return NULL;
	}
	c->loop = loop;
	c->rsp = r;
	c->in = in;
	c->out = out;
	c->is_socket = is_socket;
	ev_io_init(&c->reading, on_readable, in, EV_READ);
	ev_io_init(&c->writing, on_writable, out, EV_WRITE);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->reading.data = c->writing.data = c->timer.data = c;
	ev_io_start(loop, &c->reading);
	return c;
}

void connection_free(struct connection *c)
{
	mark_gone(c);
	ev_timer_stop(c->loop, &c->timer);
	if (c->is_socket)
		(void)close(c->in);
	rsp_free(c->rsp);
	free(c);
}

void connection_forward(struct connection *c)
{
	if (c->gone)
		return;
	write_out(c);
	arm_keepalive(c);
}

void connection_expect_packet(struct connection *c)
{
	start_timer(c, CANDIDATE_SECONDS);
}

void connection_make_client(struct connection *c)
{
	c->role = CLIENT;
	ev_timer_stop(c->loop, &c->timer);
}

void connection_leave(struct connection *c)
{
	c->role = LEAVING;
	start_timer(c, LEAVING_SECONDS);
	if (!c->gone)
		write_out(c);
}

void connection_drain(struct connection *c)
{
	size_t length;
	connection_forward(c);
	(void)rsp_output(c->rsp, &length);
	if (c->gone || length == 0)
		return;
	struct pollfd full = { .fd = c->out, .events = POLLOUT };
	if (poll(&full, 1, DRAIN_MS) > 0)
		connection_forward(c);
}
