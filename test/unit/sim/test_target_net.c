/* Pokes, responses, data keys and sequence numbers. KDNET.md §3, §4, §6. */
#include "test/sim/target_net.h"

#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

/* A named field of a block in win81-v2.txt, as bytes. */
static uint8_t *vector(const char *block, const char *field, size_t *length)
{
	char name[64];
	char *text = test_vector_file("win81-v2.txt", NULL);
	(void)snprintf(name, sizeof(name), "name %s\n", block);
	char *at = strstr(text, name);
	assert_non_null(at);
	(void)snprintf(name, sizeof(name), "\n%s ", field);
	at = strstr(at, name);
	assert_non_null(at);
	uint8_t *bytes = test_hex(at + strlen(name), length);
	free(text);
	return bytes;
}

struct wire {
	uint8_t bytes[4][KDNET_DATAGRAM_MAX];
	size_t length[4];
	unsigned count;
	unsigned connections, payloads;
};

static void on_transmit(void *context, const struct net_address *to,
			const uint8_t *datagram, size_t length)
{
	struct wire *w = context;
	(void)to;
	assert_true(w->count < 4);
	memcpy(w->bytes[w->count], datagram, length);
	w->length[w->count++] = length;
}

static void on_connected(void *context)
{
	((struct wire *)context)->connections++;
}

static void on_payload(void *context, const uint8_t *payload, size_t length)
{
	(void)payload;
	(void)length;
	((struct wire *)context)->payloads++;
}

/* The captured target, fed the captured host: our datagrams are its datagrams. */
static void the_captured_handshake_is_made_to_the_byte(void **state)
{
	struct wire wire = { .count = 0 };
	struct stats stats = { .distinct = 0 };
	const struct target_net_handlers handlers = { &wire, on_transmit, on_connected,
						      on_payload };
	struct target_net net;
	struct net_address target = { { [10] = 0xff, [11] = 0xff, 192, 168, 0, 13 },
				      50000 };
	struct net_address host = { { [10] = 0xff, [11] = 0xff, 192, 168, 0, 11 },
				    50000 };
	uint8_t key[KDNET_KEY_SIZE];
	size_t length;
	(void)state;
	assert_int_equal(kdnet_key_parse(key, "1.1.1.1"), KDNET_KEY_OK);
	target_net_init(&net, &handlers, &stats, key, 2);

	uint8_t *plain = vector("poke", "plaintext", &length);
	uint64_t up_us = 0x0a86 * UINT64_C(1000000);
	target_net_start(&net, plain + 8 + 4, &target, &host, 1000);
	net.counter = (uint16_t)load_le(plain + 8 + 2, 2);
	target_net_expire(&net, 1000 + up_us);
	uint8_t *datagram = vector("poke", "datagram", &length);
	assert_int_equal(wire.length[0], length);
	assert_memory_equal(wire.bytes[0], datagram, length);
	free(plain);
	free(datagram);

	datagram = vector("response", "datagram", &length);
	target_net_receive(&net, &host, datagram, length, 2000 + up_us);
	free(datagram);
	assert_int_equal(wire.connections, 1);
	datagram = vector("connection-check", "datagram", &length);
	assert_int_equal(wire.length[1], length);
	assert_memory_equal(wire.bytes[1], datagram, length);
	free(datagram);

	static const char *const sent[] = { "connection-check-answer", "break-in",
					    "reset" };
	for (size_t i = 0; i < 3; i++) {
		datagram = vector(sent[i], "datagram", &length);
		target_net_receive(&net, &host, datagram, length, 3000 + up_us);
		free(datagram);
	}
	assert_int_equal(wire.payloads, 3);
	assert_int_equal(stats.violation_count, 0);
	target_net_wipe(&net);
}

static void pokes_come_every_three_seconds_and_count(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	target_expire(h.target, h.now_us);
	const struct host_datagram *first = host_next(&h);
	assert_int_equal(first->sequence, 0);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(target_deadline(h.target), h.now_us + 3000000);
		host_wait(&h, 2999999);
		host_expect_silence(&h);
		host_wait(&h, 1);
		const struct host_datagram *poke = host_next(&h);
		assert_int_equal(poke->sequence, 3 * i);
		assert_int_equal((uint16_t)load_le(poke->payload + 2, 2),
				 (uint16_t)(load_le(first->payload + 2, 2) + i));
		assert_memory_equal(poke->payload + 4, first->payload + 4, 30);
	}
	host_free(&h);
}

static void
only_version_4_leaves_the_bound_host_out_before_the_first_connection(void **state)
{
	static const uint8_t versions[] = { 2, 4, 5 };
	(void)state;
	for (size_t i = 0; i < sizeof(versions); i++) {
		struct host h;
		struct target_options options = host_options();
		options.kd.version = versions[i];
		host_init(&h, &options);
		target_expire(h.target, h.now_us);
		const struct host_datagram *poke = host_next(&h);
		uint64_t port = load_le(poke->payload + 86, 2);
		assert_int_equal(port, versions[i] == 4 ? 0 : 0x50c3);
		host_answer_poke(&h, poke);
		/* The target's numbers start at 2 in version 2, else at 1. */
		assert_int_equal(host_next(&h)->sequence, versions[i] == 2 ? 2 : 1);
		host_wait(&h, 3000000);
		assert_int_equal(load_le(host_next(&h)->payload + 86, 2), 0x50c3);
		host_free(&h);
	}
}

static void a_response_must_echo_a_recent_poke(void **state)
{
	struct host h;
	struct target_options options = host_options();
	struct host_datagram old;
	(void)state;
	host_init(&h, &options);
	target_expire(h.target, h.now_us);
	old = *host_next(&h);
	for (unsigned i = 0; i < TARGET_NET_POKES_REMEMBERED; i++) {
		host_wait(&h, 3000000);
		(void)host_next(&h);
	}
	host_answer_poke(&h, &old);
	host_expect_silence(&h);
	assert_int_equal(h.target->stats.counters[STATS_RESPONSES_STALE], 1);
	old.payload[4] ^= 1; /* another identity */
	host_answer_poke(&h, &old);
	host_expect_silence(&h);
	assert_int_equal(h.target->stats.counters[STATS_CONNECTS], 0);
	host_free(&h);
}

static void any_response_switches_the_key_even_during_a_session(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	host_wait(&h, 3000000);
	host_answer_poke(&h, host_next(&h));
	/* The numbers of the target go on under the new key; ours are forgotten. */
	assert_int_equal(host_next(&h)->sequence, 2);
	h.sequence = 0;
	host_break_in(&h);
	(void)target_run(h.target, h.now_us);
	(void)host_expect_stop(&h);
	assert_int_equal(h.target->stats.counters[STATS_CONNECTS], 2);
	host_free(&h);
}

static void a_host_poke_brings_a_poke_at_once(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	host_wait(&h, 10000);
	host_expect_silence(&h);
	h.version = 9; /* a host that does not know the version yet */
	host_send_as(&h, KDNET_CHANNEL_CONTROL, 1, NULL, 0);
	assert_int_equal(host_next(&h)->channel, KDNET_CHANNEL_CONTROL);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void a_number_that_is_not_above_the_highest_is_dropped(void **state)
{
	static const uint8_t byte = 0x62;
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	host_send_as(&h, KDNET_CHANNEL_DATA, 7, &byte, 1);
	host_send_as(&h, KDNET_CHANNEL_DATA, 6, &byte, 1);
	host_send_as(&h, KDNET_CHANNEL_DATA, 7, &byte, 1); /* the network's copy */
	assert_int_equal(h.target->stats.counters[STATS_DATAGRAMS_OLD], 2);
	assert_int_equal(host_violations(&h), 0);
	host_send_as(&h, KDNET_CHANNEL_DATA, 7, (const uint8_t *)"bb", 2); /* rewound */
	assert_int_equal(host_violations(&h), 1);
	host_send_as(&h, KDNET_CHANNEL_DATA, 1000, &byte, 1); /* gaps are fine */
	assert_int_equal(h.target->link.queued, 2);
	host_free(&h);
}

static void what_does_not_open_is_counted_and_nothing_else(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t garbage[64] = "MDBG\4\1";
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	for (size_t length = 0; length <= sizeof(garbage); length++) {
		uint8_t *exact = test_exact_copy(garbage, length);
		target_receive(h.target, &host_address, exact, length, h.now_us);
		free(exact);
	}
	assert_int_equal(h.target->stats.counters[STATS_DATAGRAMS_BAD],
			 sizeof(garbage) + 1);
	host_expect_silence(&h);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void an_odd_response_or_direction_is_a_violation(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t odd[TARGET_NET_RESPONSE_SIZE] = { 1, 2 };
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	host_send_as(&h, KDNET_CHANNEL_CONTROL, 0, odd, 34);
	odd[321] = 1;
	host_send_as(&h, KDNET_CHANNEL_CONTROL, 0, odd, sizeof(odd));
	assert_int_equal(host_violations(&h), 2);
	h.version = 5;
	host_break_in(&h); /* another version than the target's */
	assert_int_equal(host_violations(&h), 3);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_captured_handshake_is_made_to_the_byte),
		cmocka_unit_test(pokes_come_every_three_seconds_and_count),
		cmocka_unit_test(
			only_version_4_leaves_the_bound_host_out_before_the_first_connection),
		cmocka_unit_test(a_response_must_echo_a_recent_poke),
		cmocka_unit_test(any_response_switches_the_key_even_during_a_session),
		cmocka_unit_test(a_host_poke_brings_a_poke_at_once),
		cmocka_unit_test(a_number_that_is_not_above_the_highest_is_dropped),
		cmocka_unit_test(what_does_not_open_is_counted_and_nothing_else),
		cmocka_unit_test(an_odd_response_or_direction_is_a_violation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
