#include "test/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rsp/endpoint.h"

static void addresses_are_read_in_every_form(void **state)
{
	(void)state;
	static const struct {
		const char *text, *address;
		uint16_t port;
		bool is_unix, is_local;
	} cases[] = {
		{ "1234", "127.0.0.1", 1234, false, true },
		{ ":1234", "127.0.0.1", 1234, false, true },
		{ "0", "127.0.0.1", 0, false, true },
		{ "127.1.2.3:65535", "127.1.2.3", 65535, false, true },
		{ "0.0.0.0:1234", "0.0.0.0", 1234, false, false },
		{ "192.168.1.2:1", "192.168.1.2", 1, false, false },
		{ "localhost:1234", "127.0.0.1", 1234, false, true },
		{ "[::1]:1234", "::1", 1234, false, true },
		{ "[::]:1234", "::", 1234, false, false },
		{ "[::ffff:127.0.0.1]:9", "::ffff:127.0.0.1", 9, false, true },
		{ "[fe80::1]:9", "fe80::1", 9, false, false },
		{ "unix:/run/x:1", "/run/x:1", 0, true, true },
		{ "unix:socket", "socket", 0, true, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rsp_endpoint e;
		if (!rsp_endpoint_parse(&e, cases[i].text))
			fail_msg("%s was refused", cases[i].text);
		assert_string_equal(e.address, cases[i].address);
		assert_int_equal(e.port, cases[i].port);
		assert_int_equal(e.is_unix, cases[i].is_unix);
		assert_int_equal(rsp_endpoint_is_local(&e), cases[i].is_local);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		"65536",
		"-1",
		"12a",
		"host.example:1234",
		"127.0.0.1",
		"127.0.0.1:",
		"::1:1234",
		"[::1]",
		"[::1]1234",
		"[127.0.0.1]:1",
		"[]:1",
		"unix:",
		"1234 ",
		"1:2:3",
		"[::1:1234",
		"256.1.1.1:1",
		"000001",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct rsp_endpoint e;
		if (rsp_endpoint_parse(&e, wrong[i]))
			fail_msg("%s was taken", wrong[i]);
	}
	char path[200] = "unix:";
	memset(path + 5, 'a', 108);
	struct rsp_endpoint e;
	assert_false(rsp_endpoint_parse(&e, path)); /* longer than a socket's name */
	path[5 + 107] = '\0';
	assert_true(rsp_endpoint_parse(&e, path));
}

static void a_port_is_chosen_and_then_in_use(void **state)
{
	(void)state;
	static const char *const any[] = { "127.0.0.1:0", "[::1]:0" };
	for (size_t i = 0; i < 2; i++) {
		struct rsp_endpoint e;
		char name[RSP_NAME_MAX], again[RSP_NAME_MAX];
		assert_true(rsp_endpoint_parse(&e, any[i]));
		int fd = endpoint_listen(&e, name);
		if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT)
			continue; /* a machine without IPv6 */
		assert_true(fd >= 0);
		assert_true(rsp_endpoint_parse(&e, name));
		assert_int_not_equal(e.port, 0);
		assert_int_equal(endpoint_listen(&e, again), -EADDRINUSE);
		(void)close(fd);
	}
}

static void a_unix_socket_is_its_owners_alone(void **state)
{
	(void)state;
	char folder[] = "/tmp/rsp-endpoint-XXXXXX";
	assert_non_null(mkdtemp(folder));
	struct rsp_endpoint e = { .is_unix = true };
	(void)snprintf(e.address, sizeof(e.address), "%s/socket", folder);
	char name[RSP_NAME_MAX];
	mode_t mask = umask(0);
	int fd = endpoint_listen(&e, name);
	(void)umask(mask);
	assert_true(fd >= 0);
	struct stat status;
	assert_int_equal(stat(e.address, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_memory_equal(name, "unix:/tmp/", 10);

	/* Alive: in use. Left by a dead one: replaced. */
	assert_int_equal(endpoint_listen(&e, name), -EADDRINUSE);
	(void)close(fd);
	assert_int_equal(stat(e.address, &status), 0);
	fd = endpoint_listen(&e, name);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)unlink(e.address);

	/* A file that is no socket is nobody's to remove. */
	int file = open(e.address, O_CREAT | O_WRONLY, 0600);
	assert_true(file >= 0);
	(void)close(file);
	assert_int_equal(endpoint_listen(&e, name), -EADDRINUSE);
	assert_int_equal(stat(e.address, &status), 0);
	(void)unlink(e.address);
	(void)rmdir(folder);
}

static struct sockaddr_storage numbers(const char *text)
{
	struct sockaddr_storage out = { 0 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(&out, &v4, sizeof(v4));
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(&out, &v6, sizeof(v6));
	else
		out.ss_family = AF_UNIX;
	return out;
}

static void who_comes_over_a_network_is_elsewhere(void **state)
{
	(void)state;
	static const struct {
		const char *peer, *own;
		bool is_here;
	} cases[] = {
		{ "127.0.0.1", "127.0.0.1", true },
		{ "127.0.0.1", "127.9.9.9", true },
		{ "192.168.1.2", "192.168.1.2", true },
		{ "192.168.1.3", "192.168.1.2", false },
		{ "192.168.1.2", "127.0.0.1", false },
		{ "128.0.0.1", "192.168.1.2", false },
		{ "::1", "::1", true },
		{ "fe80::1", "fe80::1", true },
		{ "fe80::1", "fe80::2", false },
		{ "::ffff:127.0.0.1", "::ffff:127.0.0.1", true },
		{ "::ffff:10.0.0.1", "10.0.0.1", true },
		{ "::ffff:10.0.0.1", "::ffff:10.0.0.2", false },
		{ "unix", "unix", true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sockaddr_storage peer = numbers(cases[i].peer);
		struct sockaddr_storage own = numbers(cases[i].own);
		if (endpoint_is_here(&peer, &own) != cases[i].is_here)
			fail_msg("%s at %s", cases[i].peer, cases[i].own);
	}
}

static void what_is_no_connection_is_here(void **state)
{
	(void)state;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(endpoint_peer_is_here(pair[0]));
	assert_true(endpoint_peer_is_here(-1));
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_in_every_form),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_port_is_chosen_and_then_in_use),
		cmocka_unit_test(a_unix_socket_is_its_owners_alone),
		cmocka_unit_test(who_comes_over_a_network_is_elsewhere),
		cmocka_unit_test(what_is_no_connection_is_here),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
