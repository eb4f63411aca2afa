#include "kdnet/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ev.h>

#include "test/unit/kdnet/fake_target.h"

/*
 * A kernel without IPv6 refuses its sockets. This stands in front of the library's
 * socket() and does the same when a test says so.
 */
static bool ipv6_is_off;

int socket(int domain, int type, int protocol)
{
	if (ipv6_is_off && domain == AF_INET6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}

struct fixture {
	struct ev_loop *loop;
	uint64_t random;
	struct kdnet *k;
	struct kdnet_udp *udp;
	unsigned notified;
	int socket;	   /* the target's end */
	unsigned shown[2]; /* datagrams that the tap saw: from the target, to it */
	size_t shown_length;
	struct fake_target target;
};

/* As they are on the wire, with the peer's address in place. */
static void on_shown(void *context, const struct kdnet_peer *peer, bool to_target,
		     const uint8_t *bytes, size_t length)
{
	struct fixture *f = context;
	assert_int_not_equal(peer->port, 0);
	assert_non_null(bytes);
	f->shown[to_target]++;
	f->shown_length = length;
}

static void on_notify(void *context)
{
	struct fixture *f = context;
	f->notified++;
	ev_break(f->loop, EVBREAK_ONE);
}

/* The loopback address of a family, or another one of 127/8. */
static socklen_t loopback(struct sockaddr_storage *address, int family, const char *ipv4,
			  uint16_t port)
{
	memset(address, 0, sizeof(*address));
	if (family == AF_INET) {
		struct sockaddr_in v4 = { .sin_family = AF_INET,
					  .sin_port = htons(port) };
		assert_int_equal(inet_pton(AF_INET, ipv4, &v4.sin_addr), 1);
		memcpy(address, &v4, sizeof(v4));
		return sizeof(v4);
	}
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	memcpy(address, &v6, sizeof(v6));
	return sizeof(v6);
}

/* NULL when the family does not exist here. */
static struct fixture *start(int family, const char *host)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->loop = ev_loop_new(EVFLAG_AUTO);
	struct kdnet_config config = fake_config(&f->random);
	const struct kdnet_udp_tap tap = { on_shown, f };
	f->k = kdnet_new(&config, kdnet_udp_now_us());
	assert_int_equal(kdnet_udp_open(&f->udp, f->loop, f->k, 0, on_notify, f, &tap),
			 0);
	f->target = fake_boot(f->k, 0, 1);
	f->socket = socket(family, SOCK_DGRAM, 0);
	struct sockaddr_storage address;
	socklen_t length = loopback(&address, family, host, kdnet_udp_port(f->udp));
	if (connect(f->socket, (struct sockaddr *)&address, length) == 0)
		return f;
	print_message("no loopback of that family here\n");
	return NULL;
}

static void stop(struct fixture *f)
{
	(void)close(f->socket);
	kdnet_udp_close(f->udp);
	kdnet_free(f->k);
	ev_loop_destroy(f->loop);
	free(f);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ONE);
}

/* Runs the loop until the owner was notified; false after two seconds. */
static bool run(struct fixture *f)
{
	unsigned before = f->notified;
	struct ev_timer timeout;
	ev_timer_init(&timeout, on_timeout, 2., 0.);
	ev_timer_start(f->loop, &timeout);
	(void)ev_run(f->loop, 0);
	ev_timer_stop(f->loop, &timeout);
	return f->notified > before;
}

static void send_poke(struct fixture *f)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	size_t length = fake_poke_seal(&f->target, sealed);
	assert_int_equal(send(f->socket, sealed, length, 0), length);
}

static void send_check(struct fixture *f)
{
	const uint8_t check[12] = { 0 };
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	size_t length = fake_seal(&f->target, sealed, KDNET_CHANNEL_DATA,
				  ++f->target.sequence, check, sizeof(check));
	assert_int_equal(send(f->socket, sealed, length, 0), length);
}

/* What the target's socket got: only from the address to which it is connected. */
static size_t receive(struct fixture *f, struct kdnet_datagram *d, uint8_t *plain)
{
	struct pollfd readable = { f->socket, POLLIN, 0 };
	if (poll(&readable, 1, 2000) != 1)
		return 0;
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	ssize_t length = recv(f->socket, sealed, sizeof(sealed), MSG_DONTWAIT);
	assert_true(length > 6);
	bool control = sealed[5] == KDNET_CHANNEL_CONTROL;
	assert_int_equal(kdnet_open(d, plain,
				    control ? &f->target.control : &f->target.data,
				    sealed, (size_t)length),
			 KDNET_OPENED);
	return (size_t)length;
}

static void connect_over(int family, const char *host)
{
	struct fixture *f = start(family, host);
	if (!f)
		return;
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	send_poke(f);
	assert_true(run(f));
	assert_int_equal(f->shown[0], 1);
	assert_int_equal(f->shown[1], 1);
	assert_true(receive(f, &d, plain) > 0);
	assert_true(kdnet_is_response(d.payload, d.length));
	struct sent sent = { .length = d.length };
	memcpy(sent.payload, d.payload, d.length);
	fake_take_response(&f->target, &sent);

	send_check(f);
	assert_true(run(f));
	assert_true(kdnet_connected(f->k));
	assert_true(receive(f, &d, plain) > 0); /* its answer, sent before we were told */
	assert_int_equal(d.channel, KDNET_CHANNEL_DATA);

	struct kdnet_event event;
	assert_true(kdnet_event(f->k, &event));
	assert_int_equal(event.type, KDNET_CONNECTED);
	assert_int_not_equal(event.peer.interface, 0);
	struct sockaddr_storage own;
	socklen_t length = sizeof(own);
	assert_int_equal(getsockname(f->socket, (struct sockaddr *)&own, &length), 0);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&own;
	assert_int_equal(event.peer.port, ntohs(v4->sin_port)); /* the same place in v6 */
	if (family == AF_INET) {
		assert_memory_equal(event.peer.address + 12, &v4->sin_addr, 4);
		struct in_addr local;
		assert_int_equal(inet_pton(AF_INET, host, &local), 1);
		assert_memory_equal(event.peer.local + 12, &local, 4);
	}
	stop(f);
}

static void a_target_connects_over_ipv4(void **state)
{
	(void)state;
	connect_over(AF_INET, "127.0.0.1");
}

/* Its socket is connected to that address and would not see an answer of 127.0.0.1. */
static void answers_leave_from_the_address_on_which_the_datagram_came(void **state)
{
	(void)state;
	connect_over(AF_INET, "127.0.0.53");
}

static void a_target_connects_over_ipv6(void **state)
{
	(void)state;
	connect_over(AF_INET6, NULL);
}

static void without_ipv6_a_target_connects_over_ipv4(void **state)
{
	(void)state;
	ipv6_is_off = true;
	connect_over(AF_INET, "127.0.0.53");
	ipv6_is_off = false;
}

static void a_port_in_use_is_told_in_both_families(void **state)
{
	(void)state;
	for (int off = 0; off < 2; off++) {
		struct fixture *f = start(AF_INET, "127.0.0.1");
		struct kdnet_udp *second = NULL;
		ipv6_is_off = off;
		assert_int_equal(kdnet_udp_open(&second, f->loop, f->k,
						kdnet_udp_port(f->udp), on_notify, f,
						NULL),
				 -EADDRINUSE);
		ipv6_is_off = false;
		assert_null(second);
		stop(f);
	}
}

static void a_batch_of_datagrams_is_taken(void **state)
{
	(void)state;
	struct fixture *f = start(AF_INET, "127.0.0.1");
	enum { MANY = 100 };
	for (int n = 0; n < MANY; n++)
		assert_int_equal(send(f->socket, "garbage", 7, 0), 7);
	while (kdnet_count(f->k, KDNET_COUNT_DROPPED_FORM) < MANY)
		assert_true(run(f));
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_SENT), 0);
	stop(f);
}

static void what_is_longer_than_any_datagram_is_dropped(void **state)
{
	(void)state;
	struct fixture *f = start(AF_INET, "127.0.0.1");
	static const uint8_t large[9000] = "MDBG\x04\x01";
	assert_int_equal(send(f->socket, large, sizeof(large), 0), sizeof(large));
	assert_int_equal(send(f->socket, large, 0, 0), 0);
	while (kdnet_count(f->k, KDNET_COUNT_DROPPED_FORM) < 2)
		assert_true(run(f));
	stop(f);
}

/* A named target is poked by the timer; what is not there does not matter. */
static void the_timer_pokes_a_named_target(void **state)
{
	(void)state;
	struct fixture *f = start(AF_INET, "127.0.0.1");
	kdnet_udp_close(f->udp);
	kdnet_free(f->k);
	struct sockaddr_storage own;
	socklen_t length = sizeof(own);
	assert_int_equal(getsockname(f->socket, (struct sockaddr *)&own, &length), 0);

	struct kdnet_config config = fake_config(&f->random);
	config.has_target = true;
	config.target = (struct kdnet_peer){
		.address = { [10] = 0xff, 0xff, 127, 0, 0, 1 },
		.port = ntohs(((const struct sockaddr_in *)&own)->sin_port),
		/* an address that we do not have any more: sent without it */
		.local = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
	};
	const struct kdnet_udp_tap tap = { on_shown, f };
	f->k = kdnet_new(&config, kdnet_udp_now_us());
	assert_int_equal(kdnet_udp_open(&f->udp, f->loop, f->k, 0, on_notify, f, &tap),
			 0);
	struct sockaddr_storage any = { .ss_family = AF_UNSPEC };
	assert_int_equal(connect(f->socket, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(bind(f->socket, (struct sockaddr *)&own, length), 0);
	struct kdnet_datagram d;
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	uint64_t start_us = kdnet_udp_now_us();
	for (int n = 0; n < 2; n++) {
		assert_true(run(f));
		assert_true(receive(f, &d, plain) > 0);
		assert_int_equal(d.channel, KDNET_CHANNEL_CONTROL);
		assert_int_equal(d.length, 0);
	}
	assert_int_equal(f->shown[1], 2);
	assert_in_range(kdnet_udp_now_us() - start_us, 400000, 5000000);
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_connects_over_ipv4),
		cmocka_unit_test(
			answers_leave_from_the_address_on_which_the_datagram_came),
		cmocka_unit_test(a_target_connects_over_ipv6),
		cmocka_unit_test(without_ipv6_a_target_connects_over_ipv4),
		cmocka_unit_test(a_port_in_use_is_told_in_both_families),
		cmocka_unit_test(a_batch_of_datagrams_is_taken),
		cmocka_unit_test(what_is_longer_than_any_datagram_is_dropped),
		cmocka_unit_test(the_timer_pokes_a_named_target),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
