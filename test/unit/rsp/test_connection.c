/* Output of one connection: what goes out when, and when the client does not read. */
#include "test/unit/rsp/listen_fixture.h"

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

/* A Unix socket is full soon: the rest goes when the client has read. */
static void what_a_full_socket_cannot_take_goes_out_when_it_can(void **state)
{
	(void)state;
	char folder[] = "/tmp/rsp-connection-XXXXXX";
	char text[64];
	assert_non_null(mkdtemp(folder));
	(void)snprintf(text, sizeof(text), "unix:%s/socket", folder);
	struct server *s = server_on(text);
	int fd = client_ready(s);
	client_send(fd, "vCont;c");
	while (s->fake->resumes == 0)
		turn(s);
	char line[1000], got[4096];
	memset(line, 'x', sizeof(line));
	struct rsp *r = rsp_listen_client(s->listener);
	size_t waiting = 0, read = 0, sent = 0;
	while (rsp_console(r, line, sizeof(line)))
		sent++;
	rsp_listen_flush(s->listener);
	(void)rsp_output(r, &waiting);
	assert_true(waiting > 0);
	while (waiting > 0) {
		ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
		read += n > 0 ? (size_t)n : 0;
		turn(s);
		(void)rsp_output(r, &waiting);
	}
	for (ssize_t n; (n = recv(fd, got, sizeof(got), MSG_DONTWAIT)) > 0;)
		read += (size_t)n;
	assert_true(read > sent);
	(void)close(fd);
	server_free(s);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_goes_out_at_the_flush),
		cmocka_unit_test(text_for_a_client_that_does_not_read_is_bounded),
		cmocka_unit_test(what_a_full_socket_cannot_take_goes_out_when_it_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
