#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/setup/ports.h"
#include "test/util.h"

/* As Linux 6.1 prints them; names of columns, then a line a socket. */
static const char udp[] =
	"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   "
	"uid  timeout inode ref pointer drops             \n"
	"  243: 0100007F:C350 00000000:0000 07 00000000:00000000 00:00000000 00000000     "
	"0        0 29083 2 00000000a4b0a5a1 17        \n"
	" 1301: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000  "
	"1000        0 31 2 0000000000000000 0         \n";
static const char udp6[] =
	"  sl  local_address                         remote_address                        "
	"st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
	" 4041: 00000000000000000000000000000000:C351 00000000000000000000000000000000:0000 "
	"07 00000000:00000000 00:00000000 00000000  1000        0 777 2 0000000000000000 3\n";

static void a_socket_is_found_by_its_port(void **state)
{
	struct ports_socket s;

	(void)state;
	assert_true(ports_find(&s, udp, false, 50000));
	assert_int_equal(s.inode, 29083);
	assert_int_equal(s.dropped, 17);
	assert_false(s.any_address);
	assert_false(s.v6);
	assert_true(ports_find(&s, udp, false, 68));
	assert_true(s.any_address);
	assert_int_equal(s.inode, 31);
	assert_true(ports_find(&s, udp6, true, 50001));
	assert_int_equal(s.inode, 777);
	assert_int_equal(s.dropped, 3);
	assert_true(s.v6 && s.any_address);
	assert_false(ports_find(&s, udp, false, 50001));
}

static void lines_of_another_form_are_passed_over(void **state)
{
	struct ports_socket s;

	(void)state;
	assert_false(ports_find(&s, "", false, 1));
	assert_false(ports_find(&s, "1:\n2: \n3: x\n4: 00:", false, 0));
	assert_false(ports_find(&s, "1: 0100007F:C350 00000000:0000 07\n", false, 50000));
	for (size_t length = 0; length < strlen(udp); length++) {
		char *cut = strndup(udp, length);

		(void)ports_find(&s, cut, false, 68);
		free(cut);
	}
}

static int bind_any(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void who_has_a_port_is_told(void **state)
{
	struct ports_holder holder;
	uint16_t port;
	int fd = bind_any(&port);

	(void)state;
	assert_int_equal(ports_try(port), -EADDRINUSE);
	assert_true(ports_holder(&holder, port));
	assert_int_equal(holder.pid, getpid());
	assert_string_equal(holder.program, "test_ports");
	close(fd);
	assert_int_equal(ports_try(port), 0);
	assert_false(ports_holder(&holder, port));
}

static void a_chosen_port_is_free_and_one_that_windows_takes(void **state)
{
	uint16_t port = ports_choose(2);

	(void)state;
	assert_in_range(port, PORTS_FIRST, PORTS_LAST - 1);
	assert_int_equal(ports_try(port), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_found_by_its_port),
		cmocka_unit_test(lines_of_another_form_are_passed_over),
		cmocka_unit_test(who_has_a_port_is_told),
		cmocka_unit_test(a_chosen_port_is_free_and_one_that_windows_takes),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
