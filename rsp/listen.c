/*
 * Connections: candidates that have sent no valid packet yet, at most one client, and
 * those that are leaving. One function, settle, brings everything forward; it runs after
 * each event and before each wait of the loop, and serves nothing when it is called
 * from inside a target function. Only it frees the client's connection.
 */
#include "rsp/listen.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rsp/endpoint.h"

enum {
	CONNECTIONS_MAX = 10, /* the client, and 9 that are not or no longer */
	READ_SIZE = 0x10000,
	CLOSE_WAIT_MS = 500, /* rsp_listen_close waits so long for a full socket */
};

#define CANDIDATE_SECONDS 5.0
#define LEAVING_SECONDS	  2.0
#define ACCEPT_SECONDS	  1.0 /* pause when there are no descriptors left */

enum role { CANDIDATE, CLIENT, LEAVING };

struct connection {
	struct rsp_listener *listener;
	struct rsp *rsp;
	enum role role;
	bool gone; /* read or written no more; freed by settle */
	bool is_socket;
	bool foreign;	/* gone because it does not speak RSP */
	bool said_last; /* LEAVING: all was written, and our half closed */
	int in, out;
	uint64_t age; /* order of arrival */
	ev_io reading, writing;
	ev_timer timer; /* for CANDIDATE and LEAVING the end, for CLIENT the keep-alive */
	char peer[RSP_NAME_MAX];
};

struct rsp_listener {
	struct ev_loop *loop;
	struct rsp_listen_options options;
	int fd; /* -1: stdio */
	ev_io accepting;
	ev_timer accept_pause;
	ev_prepare before_wait;
	struct connection *connections[CONNECTIONS_MAX];
	uint64_t arrivals;
	bool settling;
	char name[RSP_NAME_MAX];
	char socket_path[sizeof(((struct rsp_endpoint *)0)->address)];
};

static void settle(struct rsp_listener *l);

static uint64_t now_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void raise_event(struct rsp_listener *l, enum rsp_listen_event event,
			const char *peer)
{
	if (l->options.event)
		l->options.event(l->options.context, event, peer);
}

static struct connection *client_of(const struct rsp_listener *l)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (l->connections[i] && l->connections[i]->role == CLIENT)
			return l->connections[i];
	}
	return NULL;
}

/* ---- one connection ---- */

static void mark_gone(struct connection *c)
{
	c->gone = true;
	ev_io_stop(c->listener->loop, &c->reading);
	ev_io_stop(c->listener->loop, &c->writing);
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
			ev_io_start(c->listener->loop, &c->writing);
			return;
		}
		if (sent < 0) {
			mark_gone(c);
			return;
		}
		rsp_sent(c->rsp, (size_t)sent);
		bytes = rsp_output(c->rsp, &length);
	}
	ev_io_stop(c->listener->loop, &c->writing);
	if (c->role == LEAVING && !c->gone && !c->said_last)
		say_last(c);
}

static void start_timer(struct connection *c, double seconds)
{
	ev_timer_stop(c->listener->loop, &c->timer);
	ev_timer_set(&c->timer, seconds, 0.);
	ev_timer_start(c->listener->loop, &c->timer);
}

/* The keep-alive of a client, and of one that waits until its predecessor is gone. */
static void arm_keepalive(struct connection *c)
{
	if (c->role == LEAVING || !rsp_is_client(c->rsp))
		return;
	uint64_t deadline = rsp_deadline(c->rsp);
	uint64_t now = now_us();
	ev_timer_stop(c->listener->loop, &c->timer);
	if (deadline != UINT64_MAX && !c->gone)
		start_timer(c, deadline > now ? (double)(deadline - now) / 1e6 : 0.);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct connection *c = timer->data;
	if (c->role != LEAVING && rsp_is_client(c->rsp)) {
		rsp_expire(c->rsp, now_us());
	} else {
		c->foreign = c->role == CANDIDATE;
		mark_gone(c);
	}
	settle(c->listener);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	struct connection *c = io->data;
	settle(c->listener); /* writes, and serves what waited for room */
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
		   !rsp_receive(c->rsp, bytes, (size_t)length, now_us())) {
		c->foreign = !rsp_is_client(c->rsp);
		mark_gone(c);
	}
	settle(c->listener); /* the last: it may free c */
}

static struct connection *connection_new(struct rsp_listener *l, int in, int out,
					 bool is_socket)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct rsp *r = rsp_new(l->options.target, l->options.context);
	if (!c || !r) {
		free(c);
		rsp_free(r);
		return NULL;
	}
	c->listener = l;
	c->rsp = r;
	c->in = in;
	c->out = out;
	c->is_socket = is_socket;
	c->age = l->arrivals++;
	ev_io_init(&c->reading, on_readable, in, EV_READ);
	ev_io_init(&c->writing, on_writable, out, EV_WRITE);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->reading.data = c->writing.data = c->timer.data = c;
	ev_io_start(l->loop, &c->reading);
	return c;
}

static void connection_free(struct connection *c)
{
	struct rsp_listener *l = c->listener;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (l->connections[i] == c)
			l->connections[i] = NULL;
	}
	mark_gone(c);
	ev_timer_stop(l->loop, &c->timer);
	if (c->is_socket)
		(void)close(c->in);
	rsp_free(c->rsp);
	free(c);
}

/* ---- all of them ---- */

static void sweep(struct rsp_listener *l)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = l->connections[i];
		if (!c || c->role == CLIENT || !c->gone)
			continue;
		if (c->foreign)
			raise_event(l, RSP_NOT_RSP, c->peer);
		connection_free(c);
	}
}

/* The candidate with a valid packet that came first. */
static struct connection *next_client(struct rsp_listener *l)
{
	struct connection *first = NULL;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = l->connections[i];
		if (c && c->role == CANDIDATE && !c->gone && rsp_is_client(c->rsp) &&
		    (!first || c->age < first->age))
			first = c;
	}
	return first;
}

/* While a client is there others are refused; while one is being left they wait. */
static void promote(struct rsp_listener *l)
{
	struct connection *client = client_of(l);
	struct connection *next;
	if (client && client->gone)
		return;
	while ((next = next_client(l)) != NULL) {
		if (client) {
			raise_event(l, RSP_CLIENT_REFUSED, next->peer);
			connection_free(next);
			continue;
		}
		client = next;
		client->role = CLIENT;
		ev_timer_stop(l->loop, &client->timer);
		raise_event(l, RSP_CLIENT_CONNECTED, client->peer);
	}
}

static void write_all(struct rsp_listener *l)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = l->connections[i];
		if (!c || c->gone)
			continue;
		write_out(c);
		arm_keepalive(c);
	}
}

/* The session ended by a packet: the last reply still goes out. */
static void let_client_leave(struct connection *c)
{
	c->role = LEAVING;
	start_timer(c, LEAVING_SECONDS);
	raise_event(c->listener, RSP_CLIENT_CLOSED, c->peer);
	write_out(c);
}

static void drop_client(struct connection *c)
{
	struct rsp_listener *l = c->listener;
	rsp_closed(c->rsp);
	raise_event(l, RSP_CLIENT_CLOSED, c->peer);
	connection_free(c);
}

/* Serves the client or lets it go; true when there may be more to do. */
static bool serve_client(struct rsp_listener *l)
{
	struct connection *c = client_of(l);
	if (!c || rsp_is_busy(c->rsp))
		return false;
	if (c->gone) {
		drop_client(c);
		return true;
	}
	if (!rsp_has_work(c->rsp))
		return false;
	if (!rsp_serve(c->rsp, now_us()))
		let_client_leave(c);
	return true;
}

static void settle(struct rsp_listener *l)
{
	bool outermost = !l->settling;
	bool more;
	do {
		sweep(l);
		promote(l);
		write_all(l);
		l->settling = true;
		more = outermost && serve_client(l);
	} while (more);
	if (outermost)
		l->settling = false;
}

void rsp_listen_flush(struct rsp_listener *l)
{
	settle(l);
}

static void on_before_wait(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	(void)loop;
	(void)events;
	settle(prepare->data);
}

/* ---- new connections ---- */

/* A free place; when there is none the oldest that is no client gives up its own, so
 * that idle connections never keep a client out. */
static struct connection **free_place(struct rsp_listener *l)
{
	struct connection **oldest = NULL;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection **place = &l->connections[i];
		if (!*place)
			return place;
		if ((*place)->role != CLIENT &&
		    (!oldest || (*place)->age < (*oldest)->age))
			oldest = place;
	}
	connection_free(*oldest);
	return oldest;
}

/* A host that vanished is noticed within two minutes. */
static void set_up_socket(int fd)
{
	const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },   { SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 60 }, { IPPROTO_TCP, TCP_KEEPINTVL, 15 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 4 },
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) /* TCP only */
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
				 sizeof(options[i].value));
}

static void add_candidate(struct rsp_listener *l, int fd)
{
	struct connection **place = free_place(l);
	set_up_socket(fd);
	*place = connection_new(l, fd, fd, true);
	if (!*place) {
		(void)close(fd);
		return;
	}
	endpoint_peer(fd, (*place)->peer);
	start_timer(*place, CANDIDATE_SECONDS);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
	(void)events;
	struct rsp_listener *l = io->data;
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		add_candidate(l, fd);
		return;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		ev_io_stop(loop, &l->accepting);
		ev_timer_set(&l->accept_pause, ACCEPT_SECONDS, 0.);
		ev_timer_start(loop, &l->accept_pause);
	}
}

static void on_accept_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)events;
	struct rsp_listener *l = timer->data;
	ev_io_start(loop, &l->accepting);
}

/* ---- the listener ---- */

static struct rsp_listener *listener_new(struct ev_loop *loop,
					 const struct rsp_listen_options *options)
{
	struct rsp_listener *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->loop = loop;
	l->options = *options;
	l->fd = -1;
	ev_timer_init(&l->accept_pause, on_accept_pause, 0., 0.);
	ev_io_init(&l->accepting, on_accept, -1, EV_READ);
	ev_prepare_init(&l->before_wait, on_before_wait);
	l->accept_pause.data = l->accepting.data = l->before_wait.data = l;
	ev_prepare_start(loop, &l->before_wait);
	return l;
}

static void listener_free(struct rsp_listener *l)
{
	ev_prepare_stop(l->loop, &l->before_wait);
	ev_io_stop(l->loop, &l->accepting);
	ev_timer_stop(l->loop, &l->accept_pause);
	if (l->fd >= 0)
		(void)close(l->fd);
	if (l->socket_path[0] != '\0')
		(void)unlink(l->socket_path);
	free(l);
}

int rsp_listen_open(struct rsp_listener **out, struct ev_loop *loop,
		    const struct rsp_endpoint *endpoint,
		    const struct rsp_listen_options *options)
{
	struct rsp_listener *l = listener_new(loop, options);
	if (!l)
		return -ENOMEM;
	int fd = endpoint_listen(endpoint, l->name);
	if (fd < 0) {
		listener_free(l);
		return fd;
	}
	l->fd = fd;
	if (endpoint->is_unix)
		memcpy(l->socket_path, endpoint->address, sizeof(l->socket_path));
	ev_io_set(&l->accepting, fd, EV_READ);
	ev_io_start(loop, &l->accepting);
	*out = l;
	return 0;
}

int rsp_listen_stdio(struct rsp_listener **out, struct ev_loop *loop, int in, int outward,
		     const struct rsp_listen_options *options)
{
	if (fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK) != 0 ||
	    fcntl(outward, F_SETFL, fcntl(outward, F_GETFL) | O_NONBLOCK) != 0)
		return -errno;
	struct rsp_listener *l = listener_new(loop, options);
	if (!l)
		return -ENOMEM;
	(void)snprintf(l->name, sizeof(l->name), "stdio");
	struct connection *c = connection_new(l, in, outward, false);
	if (!c) {
		listener_free(l);
		return -ENOMEM;
	}
	l->connections[0] = c;
	(void)snprintf(c->peer, sizeof(c->peer), "stdio");
	*out = l;
	return 0;
}

/* What is left goes out, but nobody is waited for long. */
static void write_last(struct connection *c)
{
	write_out(c);
	size_t length;
	(void)rsp_output(c->rsp, &length);
	if (c->gone || length == 0)
		return;
	struct pollfd full = { .fd = c->out, .events = POLLOUT };
	if (poll(&full, 1, CLOSE_WAIT_MS) > 0)
		write_out(c);
}

void rsp_listen_close(struct rsp_listener *l)
{
	if (!l)
		return;
	l->settling = true; /* a loop that runs inside `detached` serves nobody else */
	struct connection *client = client_of(l);
	if (client) {
		write_last(client);
		drop_client(client);
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (l->connections[i])
			connection_free(l->connections[i]);
	}
	listener_free(l);
}

const char *rsp_listen_name(const struct rsp_listener *l)
{
	return l->name;
}

struct rsp *rsp_listen_client(struct rsp_listener *l)
{
	struct connection *client = client_of(l);
	return client ? client->rsp : NULL;
}

bool rsp_listen_client_gone(const struct rsp_listener *l)
{
	const struct connection *client = client_of(l);
	return client && client->gone;
}
