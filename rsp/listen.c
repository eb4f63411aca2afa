/*
 * Connections: candidates that have sent no valid packet yet, at most one client, and
 * those that are leaving. One function, settle, brings everything forward; it runs after
 * each event and before each wait of the loop, and serves nothing when it is called
 * from inside a target function. Only it frees the client's connection.
 */
#include "rsp/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rsp/connection.h"

/* The client, and 9 that are not or no longer. */
enum { CONNECTIONS_MAX = 10 };

#define ACCEPT_SECONDS 1.0 /* pause when there are no descriptors left */

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

static void drop(struct rsp_listener *l, struct connection *c)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (l->connections[i] == c)
			l->connections[i] = NULL;
	}
	connection_free(c);
}

/* ---- bringing everything forward ---- */

static void sweep(struct rsp_listener *l)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = l->connections[i];
		if (!c || c->role == CLIENT || !c->gone)
			continue;
		if (c->foreign)
			raise_event(l, RSP_NOT_RSP, c->peer);
		drop(l, c);
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
			drop(l, next);
			continue;
		}
		client = next;
		connection_make_client(client);
		raise_event(l, RSP_CLIENT_CONNECTED, client->peer);
	}
}

static void forward_all(struct rsp_listener *l)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (l->connections[i])
			connection_forward(l->connections[i]);
	}
}

static void drop_client(struct rsp_listener *l, struct connection *c)
{
	rsp_closed(c->rsp);
	raise_event(l, RSP_CLIENT_CLOSED, c->peer);
	drop(l, c);
}

/* Serves the client or lets it go; true when there may be more to do. */
static bool serve_client(struct rsp_listener *l)
{
	struct connection *c = client_of(l);
	if (!c || rsp_is_busy(c->rsp))
		return false;
	if (c->gone) {
		drop_client(l, c);
		return true;
	}
	if (!rsp_has_work(c->rsp))
		return false;
	if (!rsp_serve(c->rsp, connection_now_us())) {
		raise_event(l, RSP_CLIENT_CLOSED, c->peer);
		connection_leave(c);
	}
	return true;
}

static void settle(struct rsp_listener *l)
{
	bool outermost = !l->settling;
	bool more;
	do {
		sweep(l);
		promote(l);
		forward_all(l);
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

static void on_changed(void *owner)
{
	settle(owner);
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
	drop(l, *oldest);
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

static struct connection *new_connection(struct rsp_listener *l, int in, int out,
					 bool is_socket)
{
	struct connection *c = connection_new(l->loop, l->options.target,
					      l->options.context, in, out, is_socket);
	if (!c)
		return NULL;
	c->owner = l;
	c->settle = on_changed;
	c->age = l->arrivals++;
	c->is_here = !is_socket || endpoint_peer_is_here(in);
	return c;
}

static void add_candidate(struct rsp_listener *l, int fd)
{
	struct connection **place = free_place(l);
	set_up_socket(fd);
	*place = new_connection(l, fd, fd, true);
	if (!*place) {
		(void)close(fd);
		return;
	}
	endpoint_peer(fd, (*place)->peer);
	connection_expect_packet(*place);
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
	struct connection *c = new_connection(l, in, outward, false);
	if (!c) {
		listener_free(l);
		return -ENOMEM;
	}
	l->connections[0] = c;
	(void)snprintf(c->peer, sizeof(c->peer), "stdio");
	*out = l;
	return 0;
}

void rsp_listen_close(struct rsp_listener *l)
{
	if (!l)
		return;
	l->settling = true; /* a loop that runs inside `detached` serves nobody else */
	struct connection *client = client_of(l);
	if (client) {
		connection_drain(client);
		drop_client(l, client);
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (l->connections[i])
			drop(l, l->connections[i]);
	}
	listener_free(l);
}

const char *rsp_listen_name(const struct rsp_listener *l)
{
	return l->name;
}

const char *rsp_listen_peer(const struct rsp_listener *l)
{
	const struct connection *client = client_of(l);
	return client ? client->peer : "";
}

bool rsp_listen_client_is_here(const struct rsp_listener *l)
{
	const struct connection *client = client_of(l);
	return !client || client->is_here;
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
