/* Real sockets on loopback, and the loop: who is a client, who is not, how it ends. */
#include "test/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
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

static void on_event(void *context, enum rsp_listen_event event, const char *peer)
{
	(void)context;
	assert_true(peer[0] != '\0');
	the_server->events[event]++;
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	*(bool *)timer->data = true;
}

/* So that a turn of the loop ends when all has been written before it waits. */
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;
}

static struct server *server_new(void)
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

static struct rsp_listen_options options_of(const struct server *s)
{
	return (struct rsp_listen_options){ .target = &fake_target,
					    .context = s->fake,
					    .event = on_event };
}

static struct server *server_on(const char *text)
{
	struct server *s = server_new();
	struct rsp_listen_options options = options_of(s);
	assert_true(rsp_endpoint_parse(&s->endpoint, text));
	assert_int_equal(rsp_listen_open(&s->listener, s->loop, &s->endpoint, &options),
			 0);
	assert_true(rsp_endpoint_parse(&s->endpoint, rsp_listen_name(s->listener)));
	return s;
}

static void server_free(struct server *s)
{
	rsp_listen_close(s->listener);
	ev_loop_destroy(s->loop);
	free(s->fake);
	free(s);
}

static int client_connect(const struct server *s)
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

static void client_send(int fd, const char *payload)
{
	uint8_t wire[256];
	size_t length = client_frame(wire, payload, strlen(payload));
	assert_int_equal(send(fd, wire, length, MSG_NOSIGNAL), length);
}

/* One turn of the loop. */
static void turn(struct server *s)
{
	(void)ev_run(s->loop, EVRUN_ONCE);
	assert_false(s->timed_out);
}

/* Runs until the bytes arrive, and no others. */
static void expect_bytes(struct server *s, int fd, const char *bytes)
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

static void expect_end(struct server *s, int fd)
{
	char byte;
	ssize_t n;
	while ((n = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		turn(s);
	assert_true(n <= 0); /* the end, or a reset */
	(void)close(fd);
}

static void expect_event(struct server *s, enum rsp_listen_event event, unsigned count)
{
	while (s->events[event] < count)
		turn(s);
	assert_int_equal(s->events[event], count);
}

/* A client as far as no-ack mode. */
static int client_ready(struct server *s)
{
	int fd = client_connect(s);
	client_send(fd, "QStartNoAckMode");
	expect_bytes(s, fd, "+$OK#9a");
	return fd;
}

static void a_client_is_served(struct server *s)
{
	int fd = client_ready(s);
	client_send(fd, "qAttached");
	expect_bytes(s, fd, "$1#31");
	assert_int_equal(s->fake->attached, 1);
	assert_int_equal(s->events[RSP_CLIENT_CONNECTED], 1);
	assert_non_null(rsp_listen_client(s->listener));
	assert_false(rsp_listen_client_gone(s->listener));
	(void)close(fd);
	expect_event(s, RSP_CLIENT_CLOSED, 1);
	assert_int_equal(s->fake->detached, 1);
	assert_int_equal(s->fake->gone, 1);
	assert_null(rsp_listen_client(s->listener));
}

static void a_tcp_client_is_served(void **state)
{
	(void)state;
	struct server *s = server_on("127.0.0.1:0");
	a_client_is_served(s);
	server_free(s);
}

static void a_unix_client_is_served_and_the_socket_goes_away(void **state)
{
	(void)state;
	char folder[] = "/tmp/rsp-listen-XXXXXX";
	char text[64];
	assert_non_null(mkdtemp(folder));
	(void)snprintf(text, sizeof(text), "unix:%s/socket", folder);
	struct server *s = server_on(text);
	a_client_is_served(s);
	server_free(s);
	assert_int_equal(rmdir(folder), 0);
}

static void what_is_not_rsp_is_closed_at_once(void **state)
{
	(void)state;
	static const char *const others[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
					      "\x16\x03\x01\x02", "\r\n" };
	struct server *s = server_on("0");
	for (unsigned i = 0; i < 3; i++) {
		int fd = client_connect(s);
		(void)send(fd, others[i], strlen(others[i]), MSG_NOSIGNAL);
		expect_end(s, fd);
		assert_int_equal(s->events[RSP_NOT_RSP], i + 1);
	}
	int fd = client_connect(s); /* a port scan */
	(void)close(fd);
	expect_event(s, RSP_NOT_RSP, 4);
	assert_int_equal(s->fake->attached, 0);
	assert_int_equal(s->events[RSP_CLIENT_CONNECTED], 0);
	server_free(s);
}

static void a_second_client_is_refused_and_the_first_undisturbed(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int first = client_ready(s);
	int second = client_connect(s);
	client_send(second, "qSupported");
	expect_end(s, second);
	assert_int_equal(s->events[RSP_CLIENT_REFUSED], 1);
	client_send(first, "qAttached");
	expect_bytes(s, first, "$1#31");
	assert_int_equal(s->fake->attached, 1);
	assert_int_equal(s->fake->detached, 0);
	(void)close(first);
	server_free(s);
}

static void idle_connections_keep_no_client_out(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int idle[30];
	for (size_t i = 0; i < 30; i++) {
		idle[i] = client_connect(s);
		turn(s);
	}
	int fd = client_ready(s);
	client_send(fd, "qAttached");
	expect_bytes(s, fd, "$1#31");
	for (size_t i = 0; i < 30; i++)
		(void)close(idle[i]);
	(void)close(fd);
	server_free(s);
}

static void detach_is_answered_and_then_the_next_one_comes(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	for (unsigned i = 1; i <= 3; i++) {
		int fd = client_ready(s);
		client_send(fd, "D");
		expect_bytes(s, fd, "$OK#9a");
		expect_event(s, RSP_CLIENT_CLOSED, i);
		assert_int_equal(s->fake->detached, i);
		assert_int_equal(s->fake->gone, 0);
		if (i == 2)
			expect_end(s, fd); /* the other side need not close first */
		else
			(void)close(fd);
	}
	server_free(s);
}

static void a_half_closed_connection_is_gone(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = client_ready(s);
	(void)shutdown(fd, SHUT_WR);
	expect_event(s, RSP_CLIENT_CLOSED, 1);
	assert_int_equal(s->fake->gone, 1);
	expect_end(s, fd);
	server_free(s);
}

static void a_reset_connection_is_gone(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = client_ready(s);
	client_send(fd, "vCont;c");
	while (s->fake->resumes == 0)
		turn(s);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
			 sizeof(struct linger));
	(void)close(fd);
	expect_event(s, RSP_CLIENT_CLOSED, 1);
	assert_int_equal(s->fake->gone, 1);
	server_free(s);
}

static void an_oversize_packet_ends_the_session(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = client_ready(s);
	char block[4096];
	memset(block, 'x', sizeof(block));
	(void)send(fd, "$", 1, MSG_NOSIGNAL);
	for (size_t i = 0; i < 33; i++) {
		(void)send(fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)ev_run(s->loop, EVRUN_NOWAIT);
	}
	expect_event(s, RSP_CLIENT_CLOSED, 1);
	expect_end(s, fd);
	server_free(s);
}

/* ---- output ---- */

static void a_stop_goes_out_at_the_flush(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = client_ready(s);
	client_send(fd, "vCont;c");
	while (s->fake->resumes == 0)
		turn(s);
	assert_true(rsp_console(rsp_listen_client(s->listener), "hi", 2));
	rsp_stop(rsp_listen_client(s->listener), &s->fake->stop);
	rsp_listen_flush(s->listener); /* no turn of the loop is needed */
	char got[16];
	assert_int_equal(recv(fd, got, 12, MSG_DONTWAIT), 12);
	assert_memory_equal(got, "$O6869#", 7);
	(void)close(fd);
	server_free(s);
}

static void text_for_a_client_that_does_not_read_is_bounded(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = client_ready(s);
	client_send(fd, "vCont;c");
	while (s->fake->resumes == 0)
		turn(s);
	char line[1000];
	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = (char)('a' + i % 26);
	struct rsp *r = rsp_listen_client(s->listener);
	size_t taken = 0;
	while (rsp_console(r, line, sizeof(line))) {
		taken++;
		rsp_listen_flush(s->listener);
		assert_true(taken < 20000);
	}
	rsp_stop(r, &s->fake->stop);
	rsp_listen_flush(s->listener);

	/* What was taken arrives, the stop behind it. */
	size_t packets = 0, size = 0;
	char *got = malloc(taken * 2010 + 4096);
	assert_non_null(got);
	while (size < taken * 2005) {
		ssize_t n = recv(fd, got + size, taken * 2010 - size, MSG_DONTWAIT);
		if (n > 0)
			size += (size_t)n;
		else
			turn(s);
	}
	for (size_t i = 0; i + 1 < size; i++)
		packets += got[i] == '$' && got[i + 1] == 'O';
	assert_int_equal(packets, taken);
	free(got);
	(void)close(fd);
	server_free(s);
}

/* ---- inside a target function ---- */

static int inside_fd;

static void wait_for_interrupt(struct fake *f)
{
	f->inside = NULL;
	(void)send(inside_fd, "\x03$qC#b4", 7, MSG_NOSIGNAL);
	while (f->interrupts == 0)
		turn(the_server);
	rsp_listen_flush(the_server->listener); /* only writes */
	char byte;
	assert_int_equal(recv(inside_fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void an_interrupt_is_noticed_inside_a_target_function(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = inside_fd = client_ready(s);
	s->fake->inside = wait_for_interrupt;
	client_send(fd, "m1000,1");
	expect_bytes(s, fd, "$90#69$QC1#c5");
	(void)close(fd);
	server_free(s);
}

static void close_and_wait(struct fake *f)
{
	f->inside = NULL;
	(void)close(inside_fd);
	while (!rsp_listen_client_gone(the_server->listener))
		turn(the_server);
	assert_int_equal(f->detached, 0); /* not from inside */
}

static void a_lost_client_is_noticed_inside_and_told_outside(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	inside_fd = client_ready(s);
	s->fake->inside = close_and_wait;
	client_send(inside_fd, "?");
	expect_event(s, RSP_CLIENT_CLOSED, 1);
	assert_int_equal(s->fake->detached, 1);
	server_free(s);
}

static int next_fd;

static void connect_next(struct fake *f)
{
	f->inside = NULL;
	next_fd = client_connect(the_server);
	client_send(next_fd, "qAttached");
	for (int i = 0; i < 3; i++)
		(void)ev_run(the_server->loop, EVRUN_NOWAIT);
	assert_int_equal(the_server->events[RSP_CLIENT_REFUSED], 0);
	assert_int_equal(f->attached, 1);
}

static void who_comes_while_the_last_one_is_being_left_waits(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = client_ready(s);
	s->fake->inside = connect_next; /* in detached */
	(void)close(fd);
	expect_event(s, RSP_CLIENT_CLOSED, 1);
	expect_bytes(s, next_fd, "+$1#31");
	assert_int_equal(s->fake->attached, 2);
	(void)close(next_fd);
	server_free(s);
}

static void a_busy_owner_is_not_asked(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = client_connect(s);
	s->fake->is_busy = true;
	client_send(fd, "qAttached");
	expect_event(s, RSP_CLIENT_CONNECTED, 1);
	expect_bytes(s, fd, "+");
	assert_int_equal(s->fake->attached, 0);
	(void)close(fd);
	while (!rsp_listen_client_gone(s->listener))
		turn(s);
	assert_int_equal(s->events[RSP_CLIENT_CLOSED], 0);
	s->fake->is_busy = false;
	rsp_listen_flush(s->listener);
	assert_int_equal(s->events[RSP_CLIENT_CLOSED], 1);
	server_free(s);
}

/* ---- the rest ---- */

static void closing_writes_what_is_left_and_detaches(void **state)
{
	(void)state;
	struct server *s = server_on("0");
	int fd = client_ready(s);
	client_send(fd, "vCont;c");
	while (s->fake->resumes == 0)
		turn(s);
	rsp_stop(rsp_listen_client(s->listener), &s->fake->stop);
	rsp_listen_close(s->listener);
	s->listener = NULL;
	assert_int_equal(s->fake->detached, 1);
	char got[4];
	assert_int_equal(recv(fd, got, 4, 0), 4);
	assert_memory_equal(got, "$T05", 4);
	(void)close(fd);
	server_free(s);
}

static void standard_input_and_output_are_a_connection(void **state)
{
	(void)state;
	struct server *s = server_new();
	struct rsp_listen_options options = options_of(s);
	int in[2], out[2];
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(rsp_listen_stdio(&s->listener, s->loop, in[0], out[1], &options),
			 0);
	assert_string_equal(rsp_listen_name(s->listener), "stdio");
	assert_int_equal(write(in[1], "$?#3f", 5), 5);
	expect_event(s, RSP_CLIENT_CONNECTED, 1);
	char got[4];
	assert_int_equal(read(out[0], got, 4), 4);
	assert_memory_equal(got, "+$T0", 4);
	(void)close(in[1]);
	expect_event(s, RSP_CLIENT_CLOSED, 1);
	assert_int_equal(s->fake->gone, 1);
	server_free(s);
	assert_int_equal(close(in[0]), 0); /* still ours */
	assert_int_equal(close(out[1]), 0);
	(void)close(out[0]);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_client_is_served),
		cmocka_unit_test(a_unix_client_is_served_and_the_socket_goes_away),
		cmocka_unit_test(what_is_not_rsp_is_closed_at_once),
		cmocka_unit_test(a_second_client_is_refused_and_the_first_undisturbed),
		cmocka_unit_test(idle_connections_keep_no_client_out),
		cmocka_unit_test(detach_is_answered_and_then_the_next_one_comes),
		cmocka_unit_test(a_half_closed_connection_is_gone),
		cmocka_unit_test(a_reset_connection_is_gone),
		cmocka_unit_test(an_oversize_packet_ends_the_session),
		cmocka_unit_test(a_stop_goes_out_at_the_flush),
		cmocka_unit_test(text_for_a_client_that_does_not_read_is_bounded),
		cmocka_unit_test(an_interrupt_is_noticed_inside_a_target_function),
		cmocka_unit_test(a_lost_client_is_noticed_inside_and_told_outside),
		cmocka_unit_test(who_comes_while_the_last_one_is_being_left_waits),
		cmocka_unit_test(a_busy_owner_is_not_asked),
		cmocka_unit_test(closing_writes_what_is_left_and_detaches),
		cmocka_unit_test(standard_input_and_output_are_a_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
