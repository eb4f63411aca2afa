/* A listener on loopback in a loop that ends, and its clients' ends of the sockets. */
#ifndef TEST_LISTEN_FIXTURE_H
#define TEST_LISTEN_FIXTURE_H

#include "test/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rsp/listen.h"
#include "test/unit/rsp/client.h"
#include "test/unit/rsp/fake_target.h"

struct server {
	struct fake *fake; /* the first, so that the context is both */
	struct ev_loop *loop;
	struct rsp_listener *listener;
	struct rsp_endpoint endpoint;
	unsigned events[RSP_NOT_RSP + 1];
	ev_timer limit, tick;
	bool timed_out;
};

static struct server *the_server; /* for functions called inside the fake target */

static inline void on_event(void *context, enum rsp_listen_event event, const char *peer)
{
	(void)context;
	assert_true(peer[0] != '\0');
	the_server->events[event]++;
}

static inline void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	*(bool *)timer->data = true;
}

/* So that a turn of the loop ends when all has been written before it waits. */
static inline void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;
}

static inline struct server *server_new(void)
{
	struct server *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	the_server = s;
	s->loop = ev_loop_new(0);
	assert_non_null(s->loop);
	s->fake = fake_new();
	ev_timer_init(&s->limit, on_limit, 10., 0.);
	s->limit.data = &s->timed_out;
	ev_timer_start(s->loop, &s->limit);
	ev_timer_init(&s->tick, on_tick, 0.005, 0.005);
	ev_timer_start(s->loop, &s->tick);
	return s;
}

static inline struct rsp_listen_options options_of(const struct server *s)
{
	return (struct rsp_listen_options){ .target = &fake_target,
					    .context = s->fake,
					    .event = on_event };
}

static inline struct server *server_on(const char *text)
{
	struct server *s = server_new();
	struct rsp_listen_options options = options_of(s);
	assert_true(rsp_endpoint_parse(&s->endpoint, text));
	assert_int_equal(rsp_listen_open(&s->listener, s->loop, &s->endpoint, &options),
			 0);
	assert_true(rsp_endpoint_parse(&s->endpoint, rsp_listen_name(s->listener)));
	return s;
}

static inline void server_free(struct server *s)
{
	rsp_listen_close(s->listener);
	ev_loop_destroy(s->loop);
	free(s->fake);
	free(s);
}

static inline int client_connect(const struct server *s)
{
	int fd = socket(s->endpoint.is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	if (s->endpoint.is_unix) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		memcpy(address.sun_path, s->endpoint.address, sizeof(address.sun_path));
		assert_int_equal(
			connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	} else {
		struct sockaddr_in address = { .sin_family = AF_INET,
					       .sin_port = htons(s->endpoint.port) };
		assert_int_equal(
			inet_pton(AF_INET, s->endpoint.address, &address.sin_addr), 1);
		assert_int_equal(
			connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	}
	return fd;
}

static inline void client_send(int fd, const char *payload)
{
	uint8_t wire[256];
	size_t length = client_frame(wire, payload, strlen(payload));
	assert_int_equal(send(fd, wire, length, MSG_NOSIGNAL), length);
}

/* One turn of the loop. */
static inline void turn(struct server *s)
{
	(void)ev_run(s->loop, EVRUN_ONCE);
	assert_false(s->timed_out);
}

/* Runs until the bytes arrive, and no others. */
static inline void expect_bytes(struct server *s, int fd, const char *bytes)
{
	char got[512];
	size_t length = 0, wanted = strlen(bytes);
	assert_true(wanted < sizeof(got));
	while (length < wanted) {
		ssize_t n = recv(fd, got + length, wanted - length, MSG_DONTWAIT);
		if (n > 0)
			length += (size_t)n;
		else if (n == 0)
			fail_msg("closed before \"%s\"", bytes);
		else
			turn(s);
	}
	assert_memory_equal(got, bytes, wanted);
}

static inline void expect_end(struct server *s, int fd)
{
	char byte;
	ssize_t n;
	while ((n = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		turn(s);
	assert_true(n <= 0); /* the end, or a reset */
	(void)close(fd);
}

static inline void expect_event(struct server *s, enum rsp_listen_event event,
				unsigned count)
{
	while (s->events[event] < count)
		turn(s);
	assert_int_equal(s->events[event], count);
}

/* A client as far as no-ack mode. */
static inline int client_ready(struct server *s)
{
	int fd = client_connect(s);
	client_send(fd, "QStartNoAckMode");
	expect_bytes(s, fd, "+$OK#9a");
	return fd;
}

#endif
