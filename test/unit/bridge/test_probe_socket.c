#include <errno.h>

#include "bridge/setup/addresses.h"
#include "bridge/setup/ports.h"
#include "bridge/setup/probe_socket.h"
#include "kdnet/udp.h"
#include "test/util.h"

#include <sodium.h>

enum { SECOND_US = 1000000 };

static struct kdnet_peer peer_at(const char *address, uint16_t port)
{
	struct kdnet_peer peer;

	assert_null(addresses_resolve(&peer, address, port, AF_UNSPEC));
	return peer;
}

/* One socket speaks to the other, which answers to where that came from. */
static void talk(const char *address)
{
	uint16_t port = ports_choose(2);
	struct kdnet_peer to = peer_at(address, port), from;
	struct probe_socket first, second;
	uint8_t bytes[64];

	assert_int_equal(probe_open(&first, port), 0);
	assert_int_equal(probe_open(&second, (uint16_t)(port + 1)), 0);
	assert_int_equal(probe_send(&second, &to, (const uint8_t *)"poke", 4), 0);
	assert_int_equal(probe_receive(&first, &from, bytes, sizeof(bytes),
				       kdnet_udp_now_us() + SECOND_US),
			 4);
	assert_memory_equal(bytes, "poke", 4);
	assert_memory_equal(from.address, to.address, sizeof(from.address));
	assert_memory_equal(from.local, to.address, sizeof(from.local));
	assert_int_equal(from.port, port + 1);
	assert_int_equal(probe_send(&first, &from, (const uint8_t *)"answer", 6), 0);
	assert_int_equal(
		probe_receive(&second, &from, bytes, 3, kdnet_udp_now_us() + SECOND_US),
		3);
	assert_memory_equal(bytes, "ans", 3);
	probe_close(&second);
	probe_close(&first);
}

static void answers_go_back_over_ipv4(void **state)
{
	(void)state;
	talk("127.0.0.1");
}

static void answers_go_back_over_ipv6(void **state)
{
	struct addresses_own own;
	struct kdnet_peer peer = peer_at("::1", 1);

	(void)state;
	if (addresses_towards(&own, &peer) != 0)
		skip();
	talk("::1");
}

static void waiting_ends_at_the_deadline(void **state)
{
	struct probe_socket s;
	struct kdnet_peer from;
	uint64_t start_us = kdnet_udp_now_us();
	uint8_t byte;

	(void)state;
	assert_int_equal(probe_open(&s, 0), 0);
	assert_int_equal(probe_receive(&s, &from, &byte, 1, start_us + 20000), 0);
	assert_true(kdnet_udp_now_us() >= start_us + 20000);
	assert_int_equal(probe_receive(&s, &from, &byte, 1, start_us), 0);
	probe_close(&s);
}

static void a_taken_port_is_said_so(void **state)
{
	struct probe_socket first, second;
	uint16_t port = ports_choose(1);

	(void)state;
	assert_int_equal(probe_open(&first, port), 0);
	assert_int_equal(probe_open(&second, port), -EADDRINUSE);
	probe_close(&first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_go_back_over_ipv4),
		cmocka_unit_test(answers_go_back_over_ipv6),
		cmocka_unit_test(waiting_ends_at_the_deadline),
		cmocka_unit_test(a_taken_port_is_said_so),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
