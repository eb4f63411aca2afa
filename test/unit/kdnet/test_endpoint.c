/* Life of a session: who is answered, when, and what a session survives. */
#include "kdnet/endpoint.h"

#include "test/unit/kdnet/endpoint_fixture.h"

static void nothing_happens_before_the_target_speaks(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(fake_is_silent(&f->target));
	assert_int_equal(kdnet_deadline(f->k), UINT64_MAX);
	assert_false(kdnet_connected(f->k));
	assert_null(kdnet_identity(f->k));
	assert_int_equal(kdnet_last_heard_us(f->k), 0);
	assert_false(kdnet_send(f->k, KD_PACKET_MANIPULATE, NULL, 0, START_US));
	kdnet_break_in(f->k);
	kdnet_reset(f->k, START_US);
	kdnet_poke_target(f->k, START_US);
	assert_true(fake_is_silent(&f->target));
	kdnet_free(NULL);
	stop(f);
}

static void a_poke_is_answered_at_once_with_its_sequence_number_and_version(void **state)
{
	(void)state;
	struct fixture *f = start();
	f->target.version = 2;
	fake_poke(&f->target);
	struct sent sent = fake_pull(&f->target);
	assert_true(is_response(&sent));
	assert_int_equal(sent.sequence, f->target.uptime);
	assert_int_equal(sent.version, 2);
	assert_memory_equal(&sent.to, &f->target.peer, sizeof(sent.to));
	assert_false(kdnet_connected(f->k)); /* not proven yet */
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	assert_int_equal(kdnet_last_heard_us(f->k), START_US);
	stop(f);
}

static void the_first_datagram_under_the_data_key_connects(void **state)
{
	(void)state;
	struct fixture *f = start();
	fake_poke(&f->target);
	assert_answered(&f->target);
	fake_send_check(&f->target);
	struct kdnet_event event = fake_event(&f->target);
	assert_int_equal(event.type, KDNET_CONNECTED);
	assert_false(event.reboot);
	assert_false(event.bound_elsewhere);
	assert_int_equal(event.version, 4);
	assert_memory_equal(&event.peer, &f->target.peer, sizeof(event.peer));
	assert_true(kdnet_connected(f->k));
	assert_memory_equal(kdnet_identity(f->k), f->target.identity,
			    KDNET_IDENTITY_SIZE);
	/* the answer to the check is the first datagram of the data channel */
	struct sent sent = fake_pull(&f->target);
	assert_control(&sent, KD_PACKET_RESEND, 0);
	assert_int_equal(sent.sequence, 1);
	stop(f);
}

static void data_may_come_without_a_connection_check(void **state)
{
	(void)state;
	struct fixture *f = start();
	fake_poke(&f->target);
	assert_answered(&f->target);
	fake_send_data(&f->target, 0, "hello");
	assert_int_equal(fake_event(&f->target).type, KDNET_CONNECTED);
	struct kdnet_event event = fake_event(&f->target);
	assert_packet_event(&event, "hello");
	struct sent sent = fake_pull(&f->target);
	assert_control(&sent, KD_PACKET_ACKNOWLEDGE, 0);
	stop(f);
}

static void a_poke_of_34_bytes_connects(void **state)
{
	(void)state;
	struct fixture *f = start();
	uint8_t payload[34] = { 1, 1, 7, 0, 9, 9, 9 };
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	size_t length = fake_seal(&f->target, sealed, KDNET_CHANNEL_CONTROL, 1, payload,
				  sizeof(payload));
	fake_deliver(&f->target, sealed, length);
	assert_answered(&f->target);
	fake_send_check(&f->target);
	assert_true(kdnet_connected(f->k));
	stop(f);
}

static void heartbeats_are_not_answered_and_keep_the_session(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	for (int n = 0; n < 400; n++) { /* 20 minutes */
		fake_wait(&f->target, 3 * SECOND);
		fake_poke(&f->target);
		assert_true(fake_is_silent(&f->target));
	}
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_RESPONSES), 1);
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_POKES), 401);
	assert_works(&f->target);
	stop(f);
}

static void sixteen_seconds_of_silence_lose_the_session(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	assert_int_equal(kdnet_deadline(f->k),
			 f->target.now_us + KDNET_LOST_AFTER_MS * MILLISECOND);
	assert_true(kdnet_send(f->k, KD_PACKET_MANIPULATE, NULL, 0, f->target.now_us));
	fake_wait(&f->target, KDNET_LOST_AFTER_MS * MILLISECOND - 1);
	assert_true(kdnet_connected(f->k));
	fake_wait(&f->target, 1);
	struct kdnet_event event = fake_event(&f->target);
	assert_int_equal(event.type, KDNET_LOST);
	assert_memory_equal(&event.peer, &f->target.peer, sizeof(event.peer));
	assert_false(kdnet_connected(f->k));
	assert_false(kdnet_send_pending(f->k));
	assert_int_equal(kdnet_deadline(f->k), UINT64_MAX);
	assert_non_null(kdnet_identity(f->k)); /* of the last one, to compare with */
	stop(f);
}

static void after_a_loss_a_heartbeat_connects_the_same_target_anew(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	fake_wait(&f->target, 20 * SECOND);
	fake_drop_events(&f->target);
	fake_poke(&f->target); /* names us as its bound host */
	assert_answered(&f->target);
	fake_send_check(&f->target);
	struct kdnet_event event = fake_event(&f->target);
	assert_int_equal(event.type, KDNET_CONNECTED);
	assert_false(event.reboot);
	assert_false(event.bound_elsewhere); /* that host was us */
	assert_works(&f->target);
	stop(f);
}

static void a_target_without_its_data_channel_is_answered(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	f->target.bound_port = 0;
	fake_poke(&f->target);
	assert_answered(&f->target);
	fake_send_check(&f->target);
	struct kdnet_event event = fake_event(&f->target);
	assert_int_equal(event.type, KDNET_CONNECTED);
	assert_false(event.reboot);
	stop(f);
}

static void a_new_identity_is_a_reboot(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	fake_send_data(&f->target, 0x40, "winload");
	fake_drain(&f->target);
	fake_drop_events(&f->target);
	assert_true(kdnet_send(f->k, KD_PACKET_MANIPULATE, NULL, 0, f->target.now_us));
	uint64_t sent_before = f->k->sequence;

	struct fake_target kernel = fake_boot(f->k, f->target.now_us + SECOND, 2);
	kernel.version = 5;
	kernel.peer.port = 40000; /* NAT: another source port */
	fake_poke(&kernel);
	assert_answered(&kernel);
	fake_send_data(&kernel, 0, "kernel");
	struct kdnet_event event = fake_event(&kernel);
	assert_int_equal(event.type, KDNET_CONNECTED);
	assert_true(event.reboot);
	assert_int_equal(event.version, 5);
	assert_int_equal(event.peer.port, 40000);
	event = fake_event(&kernel);
	assert_packet_event(&event, "kernel");
	struct sent sent = fake_pull(&kernel);
	assert_control(&sent, KD_PACKET_ACKNOWLEDGE, 0);
	/* the number goes on, the KD ids start anew, what was in flight is void */
	assert_true(sent.sequence > sent_before);
	assert_int_equal(sent.to.port, 40000);
	assert_true(fake_is_silent(&kernel));
	assert_true(kdnet_send(f->k, KD_PACKET_MANIPULATE, (const uint8_t *)"x", 1,
			       kernel.now_us));
	sent = fake_pull(&kernel);
	assert_data(&sent, 0x80000000, "x");
	stop(f);
}

static void first_poke_of_a_bound_target_is_told(void **state)
{
	(void)state;
	struct fixture *f = start();
	f->target.bound_port = 50000; /* it talked to a host before us */
	fake_poke(&f->target);
	assert_answered(&f->target);
	fake_send_check(&f->target);
	struct kdnet_event event = fake_event(&f->target);
	assert_int_equal(event.type, KDNET_CONNECTED);
	assert_true(event.bound_elsewhere);
	assert_false(event.reboot);
	stop(f);
}

/* ---- losses while connecting ---- */

static void a_lost_response_is_given_again_at_the_next_poke(void **state)
{
	(void)state;
	struct fixture *f = start();
	f->target.deaf = true;
	fake_poke(&f->target);
	assert_answered(&f->target);
	f->target.deaf = false;
	fake_wait(&f->target, 3 * SECOND);
	fake_poke(&f->target);
	assert_answered(&f->target);
	fake_send_check(&f->target);
	assert_int_equal(fake_event(&f->target).type, KDNET_CONNECTED);
	assert_works(&f->target);
	stop(f);
}

static void a_lost_connection_check_is_made_good_by_the_next_poke(void **state)
{
	(void)state;
	struct fixture *f = start();
	fake_poke(&f->target);
	assert_answered(&f->target);
	f->target.sequence++; /* the check is lost */
	f->target.bound_port = 50000;
	fake_wait(&f->target, 3 * SECOND);
	fake_poke(&f->target); /* looks like a heartbeat, but nothing is proven */
	assert_answered(&f->target);
	fake_send_check(&f->target);
	struct kdnet_event event = fake_event(&f->target);
	assert_int_equal(event.type, KDNET_CONNECTED);
	assert_false(event.bound_elsewhere); /* its first poke named nobody */
	stop(f);
}

static void a_slow_first_response_still_works_after_a_second_one(void **state)
{
	(void)state;
	struct fixture *f = start();
	fake_poke(&f->target);
	assert_answered(&f->target);
	struct fake_target first = f->target;
	fake_wait(&f->target, 3 * SECOND);
	fake_poke(&f->target);
	assert_answered(&f->target);
	/* the target took the first, and later the second */
	first.now_us = f->target.now_us;
	fake_send_check(&first);
	assert_int_equal(fake_event(&first).type, KDNET_CONNECTED);
	fake_send_check(&f->target);
	assert_int_equal(fake_event(&f->target).type, KDNET_CONNECTED);
	assert_works(&f->target);
	stop(f);
}

static void an_unproven_peer_gets_one_answer_a_second(void **state)
{
	(void)state;
	struct fixture *f = start();
	f->target.deaf = true;
	unsigned answers = 0;
	for (int n = 0; n < 50; n++) {
		fake_poke(&f->target);
		answers += fake_pull(&f->target).any;
		fake_wait(&f->target, 100 * MILLISECOND);
	}
	assert_int_equal(answers, 5);
	stop(f);
}

static void a_session_is_kept_until_the_new_key_is_proven(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	struct fake_target booted = fake_boot(f->k, f->target.now_us, 2);
	booted.deaf = true;
	fake_poke(&booted);
	assert_answered(&booted);
	assert_true(kdnet_connected(f->k));
	assert_int_equal(fake_event(&booted).type, KDNET_NOTHING);
	assert_works(&f->target);
	assert_memory_equal(kdnet_identity(f->k), f->target.identity,
			    KDNET_IDENTITY_SIZE);
	stop(f);
}

static void datagrams_of_the_old_session_do_not_open_after_a_reboot(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	struct fake_target old = f->target;
	f->target = fake_boot(f->k, f->target.now_us, 2);
	fake_connect(&f->target);
	fake_send_data(&old, 2, "ghost");
	assert_int_equal(fake_event(&old).type, KDNET_NOTHING);
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_DROPPED_TAG), 1);
	stop(f);
}

/* ---- versions, addresses ---- */

static void an_unknown_newer_version_is_echoed_and_told_once(void **state)
{
	(void)state;
	struct fixture *f = start();
	f->target.version = 9;
	fake_poke(&f->target);
	struct sent sent = fake_pull(&f->target);
	assert_int_equal(sent.version, 9);
	struct kdnet_event event = fake_event(&f->target);
	assert_int_equal(event.type, KDNET_NOTICE);
	assert_int_equal(event.notice, KDNET_NOTICE_NEW_VERSION);
	assert_int_equal(event.version, 9);
	fake_send_check(&f->target);
	sent = fake_pull(&f->target);
	assert_int_equal(sent.version, 9);
	assert_int_equal(fake_event(&f->target).type, KDNET_CONNECTED);
	fake_poke(&f->target);
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	stop(f);
}

static void every_known_version_is_echoed_without_a_word(void **state)
{
	(void)state;
	for (uint8_t version = 2; version <= KDNET_NEWEST_VERSION; version++) {
		struct fixture *f = start();
		f->target.version = version;
		fake_poke(&f->target);
		assert_int_equal(fake_pull(&f->target).version, version);
		assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
		stop(f);
	}
}

static void answers_follow_the_source_of_the_newest_datagram(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	f->target.peer.port = 61000;
	fake_send_check(&f->target);
	assert_int_equal(fake_pull(&f->target).to.port, 61000);
	/* one that was overtaken on the way moves nothing */
	f->target.peer.port = 50000;
	f->target.sequence += 10;
	fake_send_check(&f->target);
	f->target.sequence -= 6;
	f->target.peer.port = 62000;
	fake_send_check(&f->target);
	assert_int_equal(fake_pull(&f->target).to.port, 50000);
	/* a heartbeat does */
	f->target.peer.port = 63000;
	f->target.sequence += 10;
	fake_poke(&f->target);
	kdnet_break_in(f->k);
	assert_int_equal(fake_pull(&f->target).to.port, 63000);
	stop(f);
}

static void an_ipv6_target_connects(void **state)
{
	(void)state;
	struct fixture *f = start();
	f->target.peer = (struct kdnet_peer){ .address = { 0xfe, 0x80, [15] = 1 },
					      .port = 50000,
					      .interface = 3 };
	fake_connect(&f->target);
	assert_works(&f->target);
	stop(f);
}

static void a_link_local_ipv4_source_is_told_once(void **state)
{
	(void)state;
	struct fixture *f = start();
	f->target.peer.address[12] = 169;
	f->target.peer.address[13] = 254;
	fake_poke(&f->target);
	assert_notice(&f->target, KDNET_NOTICE_LINK_LOCAL);
	assert_answered(&f->target);
	fake_poke(&f->target);
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	stop(f);
}

/* The caller has the answer already: it shall not come a second time. */
static void a_packet_that_is_confirmed_is_not_repeated(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	fake_drain(&f->target);
	assert_true(kdnet_send(f->k, KD_PACKET_MANIPULATE, (const uint8_t *)"ask", 3,
			       f->target.now_us));
	assert_int_equal(fake_pull(&f->target).packet.length, 3);
	assert_true(kdnet_send_pending(f->k));
	kdnet_confirm(f->k);
	assert_false(kdnet_send_pending(f->k));
	fake_wait(&f->target, SECOND);
	assert_true(fake_is_silent(&f->target));
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	stop(f);
}

static void first_nonce(uint8_t out[static KDNET_RESPONSE_SIZE])
{
	struct kdnet_config config = { .random = NULL };
	assert_int_equal(kdnet_key_parse(config.key, "1.2.3.4"), KDNET_KEY_OK);
	struct kdnet *k = kdnet_new(&config, START_US);
	assert_non_null(k);
	struct fake_target target = fake_boot(k, START_US, 1);
	fake_poke(&target);
	struct sent sent = fake_pull(&target);
	assert_true(is_response(&sent));
	memcpy(out, sent.payload, KDNET_RESPONSE_SIZE);
	kdnet_free(k);
}

static void without_another_generator_nonces_are_libsodiums(void **state)
{
	(void)state;
	uint8_t one[KDNET_RESPONSE_SIZE], two[KDNET_RESPONSE_SIZE];
	first_nonce(one);
	first_nonce(two);
	assert_memory_not_equal(one, two, sizeof(one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_happens_before_the_target_speaks),
		cmocka_unit_test(
			a_poke_is_answered_at_once_with_its_sequence_number_and_version),
		cmocka_unit_test(the_first_datagram_under_the_data_key_connects),
		cmocka_unit_test(data_may_come_without_a_connection_check),
		cmocka_unit_test(a_poke_of_34_bytes_connects),
		cmocka_unit_test(a_packet_that_is_confirmed_is_not_repeated),
		cmocka_unit_test(without_another_generator_nonces_are_libsodiums),
		cmocka_unit_test(heartbeats_are_not_answered_and_keep_the_session),
		cmocka_unit_test(sixteen_seconds_of_silence_lose_the_session),
		cmocka_unit_test(after_a_loss_a_heartbeat_connects_the_same_target_anew),
		cmocka_unit_test(a_target_without_its_data_channel_is_answered),
		cmocka_unit_test(a_new_identity_is_a_reboot),
		cmocka_unit_test(first_poke_of_a_bound_target_is_told),
		cmocka_unit_test(a_lost_response_is_given_again_at_the_next_poke),
		cmocka_unit_test(a_lost_connection_check_is_made_good_by_the_next_poke),
		cmocka_unit_test(a_slow_first_response_still_works_after_a_second_one),
		cmocka_unit_test(an_unproven_peer_gets_one_answer_a_second),
		cmocka_unit_test(a_session_is_kept_until_the_new_key_is_proven),
		cmocka_unit_test(datagrams_of_the_old_session_do_not_open_after_a_reboot),
		cmocka_unit_test(an_unknown_newer_version_is_echoed_and_told_once),
		cmocka_unit_test(every_known_version_is_echoed_without_a_word),
		cmocka_unit_test(answers_follow_the_source_of_the_newest_datagram),
		cmocka_unit_test(an_ipv6_target_connects),
		cmocka_unit_test(a_link_local_ipv4_source_is_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
