/* Real sockets on loopback, and the loop: who is a client, who is not, how it ends. */
#include "test/unit/rsp/listen_fixture.h"

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

static void without_descriptors_clients_wait_and_are_taken_later(void **state)
{
	(void)state;
	struct rlimit before, none;
	struct server *s = server_on("0");
	int fd = client_connect(s), probe = dup(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(close(probe), 0);
	none = before;
	none.rlim_cur = (rlim_t)probe; /* the next one would get that number */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	client_send(fd, "?");
	turn(s);
	turn(s);
	assert_null(rsp_listen_client(s->listener));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (!rsp_listen_client(s->listener)) /* a second later */
		turn(s);
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
		cmocka_unit_test(without_descriptors_clients_wait_and_are_taken_later),
		cmocka_unit_test(an_interrupt_is_noticed_inside_a_target_function),
		cmocka_unit_test(a_lost_client_is_noticed_inside_and_told_outside),
		cmocka_unit_test(who_comes_while_the_last_one_is_being_left_waits),
		cmocka_unit_test(a_busy_owner_is_not_asked),
		cmocka_unit_test(closing_writes_what_is_left_and_detaches),
		cmocka_unit_test(standard_input_and_output_are_a_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
