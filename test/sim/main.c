/*
 * kdsim: the loop, the UDP socket and the signals around one target. A running
 * machine gets a slice every millisecond, sized to use only part of it; a stopped
 * one costs nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ev.h>
#include <sodium.h>

#include "test/sim/control.h"
#include "test/sim/options.h"
#include "test/sim/target.h"

enum {
	SLICE_BUDGET_US = 150, /* of each SLICE_PERIOD_US */
	SLICE_PERIOD_US = 1000,
	SLICE_REST =
		5, /* a slice that took longer is followed by this many times of rest */
};

#define STATS_PERIOD_S 0.1

struct app {
	struct options options;
	struct ev_loop *loop;
	struct target *target;
	struct control *control;
	struct sockaddr_storage host;
	socklen_t host_length;
	int socket;
	ev_io readable;
	ev_timer deadline;
	ev_timer slice;
	ev_timer stats;
	ev_signal terminate;
	ev_signal interrupt;
};

static uint64_t now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- addresses ---- */

static struct net_address to_net(const struct sockaddr_storage *s)
{
	struct net_address a = { .port = 0 };
	if (s->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, s, sizeof(in6));
		memcpy(a.ip, &in6.sin6_addr, sizeof(a.ip));
		a.port = ntohs(in6.sin6_port);
	} else if (s->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, s, sizeof(in));
		a.ip[10] = a.ip[11] = 0xff;
		memcpy(a.ip + 12, &in.sin_addr, 4);
		a.port = ntohs(in.sin_port);
	}
	return a;
}

static socklen_t from_net(struct sockaddr_storage *s, sa_family_t family,
			  const struct net_address *a)
{
	memset(s, 0, sizeof(*s));
	if (family == AF_INET6) {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
					    .sin6_port = htons(a->port) };
		memcpy(&in6.sin6_addr, a->ip, sizeof(a->ip));
		memcpy(s, &in6, sizeof(in6));
		return sizeof(in6);
	}
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
	memcpy(&in.sin_addr, a->ip + 12, 4);
	memcpy(s, &in, sizeof(in));
	return sizeof(in);
}

static bool resolve(struct app *app)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_DGRAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char port[8];
	(void)snprintf(port, sizeof(port), "%u", app->options.port);
	if (getaddrinfo(app->options.host, port, &hints, &found) != 0)
		return false;
	memcpy(&app->host, found->ai_addr, found->ai_addrlen);
	app->host_length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* ---- the socket ---- */

static int open_socket(struct app *app, uint16_t port)
{
	struct sockaddr_storage any;
	const struct net_address wildcard = { .port = port };
	socklen_t length = from_net(&any, app->host.ss_family, &wildcard);
	int fd =
		socket(app->host.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&any, length) == 0)
		return fd;
	(void)fprintf(stderr, "kdsim: UDP port %u: %s\n", port, strerror(errno));
	exit(1);
}

/* The address out of which the host is reached, as a poke tells it. */
static struct net_address own_address(struct app *app, uint16_t port)
{
	struct sockaddr_storage s = { .ss_family = AF_UNSPEC };
	socklen_t length = sizeof(s);
	int fd = socket(app->host.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&app->host, app->host_length) == 0)
		(void)getsockname(fd, (struct sockaddr *)&s, &length);
	if (fd >= 0)
		(void)close(fd);
	struct net_address own = to_net(&s);
	own.port = port;
	return own;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage s = { .ss_family = AF_UNSPEC };
	socklen_t length = sizeof(s);
	(void)getsockname(fd, (struct sockaddr *)&s, &length);
	return to_net(&s).port;
}

/* The old socket stays until the new one has its port, so that they differ. */
static void on_start(void *context, struct net_address *own, struct net_address *host)
{
	struct app *app = context;
	bool first = app->socket < 0;
	int fd = open_socket(app, first ? app->options.source_port : 0);
	if (!first) {
		ev_io_stop(app->loop, &app->readable);
		(void)close(app->socket);
	}
	app->socket = fd;
	ev_io_set(&app->readable, fd, EV_READ);
	ev_io_start(app->loop, &app->readable);
	*own = own_address(app, bound_port(fd));
	*host = to_net(&app->host);
}

static void on_transmit(void *context, const struct net_address *to,
			const uint8_t *datagram, size_t length)
{
	struct app *app = context;
	struct sockaddr_storage s;
	socklen_t size = from_net(&s, app->host.ss_family, to);
	(void)sendto(app->socket, datagram, length, 0, (struct sockaddr *)&s, size);
}

/* ---- the loop ---- */

static void write_stats(struct app *app)
{
	char aside[4200];
	int length = snprintf(aside, sizeof(aside), "%s.new", app->options.stats);
	FILE *out =
		length > 0 && (size_t)length < sizeof(aside) ? fopen(aside, "w") : NULL;
	if (!out)
		return;
	target_print_stats(app->target, out);
	if (fclose(out) == 0)
		(void)rename(aside, app->options.stats);
	app->target->stats.changed = false;
}

/* Arms what the target wants next; the last thing that every callback does. */
static void settle(struct app *app)
{
	uint64_t due = target_deadline(app->target);
	uint64_t time = now();
	ev_timer_stop(app->loop, &app->deadline);
	if (due != UINT64_MAX) {
		double wait = due > time ? (double)(due - time) / 1e6 : 0;
		ev_now_update(app->loop);
		ev_timer_set(&app->deadline, wait, 0);
		ev_timer_start(app->loop, &app->deadline);
	}
	if (target_is_running(app->target) && !ev_is_active(&app->slice)) {
		ev_timer_set(&app->slice, 0, 0);
		ev_timer_start(app->loop, &app->slice);
	}
	if (app->options.stats && app->target->stats.changed &&
	    !ev_is_active(&app->stats)) {
		ev_timer_set(&app->stats, STATS_PERIOD_S, 0);
		ev_timer_start(app->loop, &app->stats);
	}
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct app *app = watcher->data;
	uint8_t datagram[KDNET_DATAGRAM_MAX + 1];
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	socklen_t size = sizeof(from);
	ssize_t length;
	(void)loop;
	(void)events;
	while ((length = recvfrom(app->socket, datagram, sizeof(datagram), 0,
				  (struct sockaddr *)&from, &size)) >= 0) {
		struct net_address address = to_net(&from);
		target_receive(app->target, &address, datagram, (size_t)length, now());
		size = sizeof(from);
	}
	settle(app);
}

static void on_deadline(struct ev_loop *loop, ev_timer *watcher, int events)
{
	struct app *app = watcher->data;
	(void)loop;
	(void)events;
	target_expire(app->target, now());
	settle(app);
}

/* Keeps a slice near its budget, however fast the host's processor is. */
static void adapt(struct target *t, uint64_t took_us)
{
	if (took_us < SLICE_BUDGET_US / 2 && t->slice < TARGET_SLICE_MAX)
		t->slice *= 2;
	else if (took_us > SLICE_BUDGET_US && t->slice > TARGET_SLICE_MIN)
		t->slice /= 2;
}

static void on_slice(struct ev_loop *loop, ev_timer *watcher, int events)
{
	struct app *app = watcher->data;
	uint64_t start = now();
	(void)events;
	bool more = target_run(app->target, start);
	uint64_t took = now() - start;
	if (more) {
		adapt(app->target, took);
		uint64_t wait = took * SLICE_REST;
		ev_timer_set(&app->slice,
			     (double)(wait > SLICE_PERIOD_US ? wait : SLICE_PERIOD_US) /
				     1e6,
			     0);
		ev_timer_start(loop, &app->slice);
	}
	settle(app);
}

static void on_stats(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	write_stats(watcher->data);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	(void)watcher;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void on_control(void *context, bool quit)
{
	struct app *app = context;
	app->target->stats.changed = true;
	if (quit)
		ev_break(app->loop, EVBREAK_ALL);
	settle(app);
}

static void init_watchers(struct app *app)
{
	ev_io_init(&app->readable, on_readable, 0, EV_READ);
	ev_timer_init(&app->deadline, on_deadline, 0, 0);
	ev_timer_init(&app->slice, on_slice, 0, 0);
	ev_timer_init(&app->stats, on_stats, 0, 0);
	ev_signal_init(&app->terminate, on_signal, SIGTERM);
	ev_signal_init(&app->interrupt, on_signal, SIGINT);
	app->readable.data = app;
	app->deadline.data = app;
	app->slice.data = app;
	app->stats.data = app;
	ev_signal_start(app->loop, &app->terminate);
	ev_signal_start(app->loop, &app->interrupt);
}

static int fail(const char *what, const char *why)
{
	(void)fprintf(stderr, "kdsim: %s: %s\n", what, why);
	return 1;
}

static int run(struct app *app)
{
	const struct target_handlers handlers = { app, on_transmit, on_start };
	const char *error = NULL;

	init_watchers(app);
	app->target = target_new(&app->options.target, &handlers, now(), &error);
	if (!app->target)
		return fail(app->options.images, error);
	if (app->options.control) {
		app->control = control_open(app->loop, app->options.control, app->target,
					    on_control, app);
		if (!app->control)
			return fail(app->options.control, strerror(errno));
	}
	app->target->stats.changed = true;
	settle(app);
	ev_run(app->loop, 0);
	if (app->options.stats)
		write_stats(app);
	return 0;
}

int main(int argc, char **argv)
{
	static struct app app;
	switch (options_parse(&app.options, argc, argv)) {
	case OPTIONS_HELP:
		options_help(stdout);
		return 0;
	case OPTIONS_WRONG:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	if (sodium_init() < 0)
		return fail("libsodium", "does not start");
	app.socket = -1;
	app.loop = ev_default_loop(0);
	if (!resolve(&app))
		return fail(app.options.host, "not a numeric address");
	int code = run(&app);
	control_close(app.control);
	target_free(app.target);
	if (app.socket >= 0)
		(void)close(app.socket);
	return code;
}
