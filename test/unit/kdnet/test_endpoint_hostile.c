/* What comes from outside and is not the target, or comes too often; host pokes. */
#include "kdnet/endpoint.h"

#include "test/unit/kdnet/endpoint_fixture.h"

static void garbage_is_counted_and_never_answered(void **state)
{
	(void)state;
	struct fixture *f = start();
	uint64_t seed = 7;
	uint8_t garbage[KDNET_DATAGRAM_MAX + 100];
	for (size_t length = 0; length < sizeof(garbage); length++) {
		for (size_t i = 0; i < length; i++)
			garbage[i] = (uint8_t)test_random(&seed);
		fake_deliver(&f->target, garbage, length);
	}
	assert_true(fake_is_silent(&f->target));
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_DROPPED_FORM), sizeof(garbage));
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_RECEIVED), 0);
	assert_int_equal(kdnet_last_heard_us(f->k), 0);
	assert_notice(&f->target, KDNET_NOTICE_NOT_KDNET); /* once for all of it */
	stop(f);
}

static void a_wrong_key_is_told_once_and_again_after_a_session(void **state)
{
	(void)state;
	struct fixture *f = start();
	struct fake_target other = f->target;
	other.key[0] ^= 1;
	kdnet_cipher_init(&other.control, other.key, other.key);
	fake_poke(&other);
	assert_notice(&other, KDNET_NOTICE_WRONG_KEY);
	fake_poke(&other);
	assert_int_equal(fake_event(&other).type, KDNET_NOTHING);
	assert_true(fake_is_silent(&other));
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_DROPPED_TAG), 2);

	fake_connect(&f->target);
	fake_poke(&other); /* beside a session it is somebody else's business */
	assert_int_equal(fake_event(&other).type, KDNET_NOTHING);
	fake_wait(&f->target, 20 * SECOND);
	fake_drop_events(&f->target);
	other.now_us = f->target.now_us;
	fake_poke(&other);
	assert_notice(&other, KDNET_NOTICE_WRONG_KEY);
	stop(f);
}

static void our_own_datagrams_reflected_do_nothing(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	struct kdnet_peer to;
	assert_true(kdnet_send(f->k, KD_PACKET_MANIPULATE, (const uint8_t *)"x", 1,
			       f->target.now_us));
	size_t length =
		kdnet_transmit(f->k, &to, sealed, sizeof(sealed), f->target.now_us);
	fake_deliver(&f->target, sealed, length);
	kdnet_poke_target(f->k, f->target.now_us);
	length = kdnet_transmit(f->k, &to, sealed, sizeof(sealed), f->target.now_us);
	fake_deliver(&f->target, sealed, length);
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_DROPPED_FORM), 2);
	assert_true(fake_is_silent(&f->target));
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	stop(f);
}

static void a_reflection_proves_no_session(void **state)
{
	(void)state;
	struct fixture *f = start();
	fake_poke(&f->target);
	assert_answered(&f->target);
	struct kdnet_datagram d = { .version = 4, .to_target = true, .sequence = 1 };
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	size_t length = kdnet_seal(sealed, sizeof(sealed), &f->target.data, &d);
	fake_deliver(&f->target, sealed, length);
	assert_false(kdnet_connected(f->k));
	stop(f);
}

static void a_datagram_that_comes_twice_is_taken_once(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	uint8_t packet[KD_HEADER_SIZE + 1];
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	size_t length = kd_data_encode(packet, sizeof(packet), KD_PACKET_DEBUG_IO, 0,
				       (const uint8_t *)"a", 1);
	length = fake_seal(&f->target, sealed, KDNET_CHANNEL_DATA, ++f->target.sequence,
			   packet, length);
	fake_deliver(&f->target, sealed, length);
	fake_deliver(&f->target, sealed, length);
	assert_int_equal(fake_event(&f->target).type, KDNET_PACKET);
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	struct sent sent = fake_pull(&f->target);
	assert_control(&sent, KD_PACKET_ACKNOWLEDGE, 0);
	assert_true(fake_is_silent(&f->target));
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_DROPPED_REPLAY), 1);
	stop(f);
}

static void a_replayed_datagram_is_no_sign_of_life(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	uint8_t data[KDNET_DATAGRAM_MAX];
	uint8_t poke[KDNET_DATAGRAM_MAX];
	const uint8_t payload[1] = { 0 };
	size_t data_length = fake_seal(&f->target, data, KDNET_CHANNEL_DATA,
				       ++f->target.sequence, payload, 1);
	size_t poke_length = fake_poke_seal(&f->target, poke);
	fake_deliver(&f->target, data, data_length);
	fake_deliver(&f->target, poke, poke_length);
	for (int n = 0; n < 8; n++) {
		fake_wait(&f->target, 2 * SECOND);
		fake_deliver(&f->target, data, data_length);
		fake_deliver(&f->target, poke, poke_length);
	}
	assert_int_equal(fake_event(&f->target).type, KDNET_LOST);
	stop(f);
}

static void a_replayed_poke_of_an_earlier_boot_costs_nothing(void **state)
{
	(void)state;
	struct fixture *f = start();
	uint8_t old_poke[KDNET_DATAGRAM_MAX];
	size_t old_length = fake_poke_seal(&f->target, old_poke);
	fake_deliver(&f->target, old_poke, old_length);
	assert_answered(&f->target);
	fake_poke(&f->target);
	fake_drain(&f->target);
	fake_drop_events(&f->target);

	f->target = fake_boot(f->k, f->target.now_us + 3 * SECOND, 2);
	fake_connect(&f->target);
	fake_deliver(&f->target, old_poke, old_length);
	assert_notice(&f->target, KDNET_NOTICE_REPLAY);
	assert_true(fake_is_silent(&f->target));
	fake_deliver(&f->target, old_poke, old_length);
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_DROPPED_REPLAY), 2);
	assert_works(&f->target);
	stop(f);
}

/* One from before we were started: it is answered, and that is all. */
static void a_replayed_poke_that_nobody_remembers_costs_a_datagram(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	struct fake_target ghost = fake_boot(f->k, f->target.now_us, 77);
	ghost.deaf = true;
	uint8_t poke[KDNET_DATAGRAM_MAX];
	size_t length = fake_poke_seal(&ghost, poke);
	for (int n = 0; n < 10; n++) {
		fake_deliver(&ghost, poke, length);
		fake_wait(&f->target, SECOND);
		ghost.now_us = f->target.now_us;
		fake_poke(&f->target); /* heartbeats */
	}
	assert_answered(&ghost);
	assert_true(fake_is_silent(&ghost));
	assert_int_equal(fake_event(&ghost).type, KDNET_NOTHING);
	assert_works(&f->target);
	stop(f);
}

static void a_poke_that_the_network_doubled_is_dropped_without_a_word(void **state)
{
	(void)state;
	struct fixture *f = start();
	uint8_t poke[KDNET_DATAGRAM_MAX];
	size_t length = fake_poke_seal(&f->target, poke);
	fake_deliver(&f->target, poke, length);
	fake_deliver(&f->target, poke, length);
	assert_answered(&f->target);
	assert_true(fake_is_silent(&f->target));
	assert_int_equal(fake_event(&f->target).type, KDNET_NOTHING);
	stop(f);
}

/* ---- clones ---- */

static void a_cloned_machine_is_ignored_and_told_once(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	for (uint8_t identity = 1; identity <= 2; identity++) {
		/* a snapshot has even the same identity, and a later counter */
		struct fake_target clone = fake_boot(f->k, f->target.now_us, identity);
		clone.peer = fake_peer(14, 50000);
		clone.counter = 9000;
		fake_poke(&clone);
		if (identity == 1)
			assert_notice(&clone, KDNET_NOTICE_STRANGER);
		assert_int_equal(fake_event(&clone).type, KDNET_NOTHING);
		assert_true(fake_is_silent(&clone));
	}
	assert_int_equal(kdnet_count(f->k, KDNET_COUNT_DROPPED_STRANGER), 2);
	/* its counter is not held against the real one */
	fake_wait(&f->target, 15 * SECOND);
	fake_poke(&f->target);
	fake_wait(&f->target, 15 * SECOND);
	assert_true(kdnet_connected(f->k));
	assert_works(&f->target);
	stop(f);
}

static void a_clone_that_lost_the_race_cannot_take_the_session(void **state)
{
	(void)state;
	struct fixture *f = start();
	fake_poke(&f->target);
	assert_answered(&f->target);
	struct fake_target clone = fake_boot(f->k, f->target.now_us, 2);
	clone.peer = fake_peer(14, 50000);
	fake_poke(&clone);
	assert_answered(&clone);
	fake_send_check(&f->target);
	assert_int_equal(fake_event(&f->target).type, KDNET_CONNECTED);
	fake_send_check(&clone);
	assert_int_equal(fake_event(&clone).type, KDNET_NOTHING);
	assert_works(&f->target);
	stop(f);
}

static void when_the_session_is_lost_another_address_may_come(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	fake_wait(&f->target, 17 * SECOND);
	struct fake_target moved = fake_boot(f->k, f->target.now_us, 2);
	moved.peer = fake_peer(14, 50000);
	fake_connect(&moved);
	assert_works(&moved);
	stop(f);
}

/* ---- floods ---- */

static void a_full_queue_leaves_packets_unacknowledged_until_there_is_room(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	enum { FITS = KDNET_QUEUE_SLOTS - KDNET_QUEUE_RESERVE };
	for (uint32_t n = 0; n < 100; n++)
		fake_send_data(&f->target, 2 * n, "flood");
	for (uint32_t n = 0; n < FITS; n++) {
		struct sent sent = fake_pull(&f->target);
		assert_control(&sent, KD_PACKET_ACKNOWLEDGE, 2 * n);
	}
	assert_true(fake_is_silent(&f->target));
	/* a new session is told in any case */
	for (uint8_t identity = 2; identity < 20; identity++) {
		f->target = fake_boot(f->k, f->target.now_us, identity);
		fake_poke(&f->target);
		assert_answered(&f->target);
		fake_send_data(&f->target, 0, "new");
	}
	unsigned connected = 0;
	struct kdnet_event event;
	while (kdnet_event(f->k, &event))
		connected += event.type == KDNET_CONNECTED;
	assert_in_range(connected, 1, 18);
	assert_works(&f->target);
	stop(f);
}

static void a_packet_that_found_no_room_is_taken_when_it_comes_again(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	uint32_t refused = 2 * (KDNET_QUEUE_SLOTS - KDNET_QUEUE_RESERVE);
	for (uint32_t id = 0; id <= refused; id += 2)
		fake_send_data(&f->target, id, "flood");
	fake_drain(&f->target);
	fake_drop_events(&f->target);
	fake_send_data(&f->target, refused, "again");
	struct kdnet_event event = fake_event(&f->target);
	assert_packet_event(&event, "again");
	stop(f);
}

/* ---- host pokes ---- */

static void assert_host_poke(struct fake_target *f, uint8_t version)
{
	struct sent sent = fake_pull(f);
	assert_true(sent.any);
	assert_int_equal(sent.channel, KDNET_CHANNEL_CONTROL);
	assert_int_equal(sent.length, 0);
	assert_int_equal(sent.version, version);
	assert_memory_equal(sent.to.address, f->peer.address, 16);
	assert_int_equal(sent.to.port, f->peer.port);
}

static struct fixture *start_with_target(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct kdnet_config config = fake_config(&f->random);
	config.has_target = true;
	config.target = fake_peer(13, 50000);
	f->k = kdnet_new(&config, START_US);
	f->target = fake_boot(f->k, START_US, 1);
	return f;
}

static void a_named_target_is_poked_every_half_second_until_it_connects(void **state)
{
	(void)state;
	struct fixture *f = start_with_target();
	for (int n = 0; n < 10; n++) {
		assert_int_equal(kdnet_deadline(f->k), f->target.now_us);
		kdnet_expire(f->k, f->target.now_us);
		assert_host_poke(&f->target, KDNET_NEWEST_VERSION);
		assert_true(fake_is_silent(&f->target));
		f->target.now_us += SECOND / 2;
	}
	fake_connect(&f->target);
	f->target.now_us += SECOND;
	kdnet_expire(f->k, f->target.now_us);
	assert_true(fake_is_silent(&f->target));
	/* and again when it is lost, now in its own version */
	f->target.now_us += 20 * SECOND;
	kdnet_expire(f->k, f->target.now_us);
	assert_host_poke(&f->target, 4);
	stop(f);
}

static void unopened_data_of_a_named_target_is_answered_by_a_host_poke(void **state)
{
	(void)state;
	struct fixture *f = start_with_target();
	kdnet_expire(f->k, f->target.now_us);
	fake_drain(&f->target);
	unsigned pokes = 0;
	for (int n = 0; n < 30; n++) { /* three seconds; its own timer is not run */
		fake_send_data(&f->target, 0, "old session");
		pokes += fake_pull(&f->target).any;
		f->target.now_us += 100 * MILLISECOND;
	}
	assert_int_equal(pokes, 6);
	stop(f);
}

static void unopened_data_of_a_stranger_is_not_answered(void **state)
{
	(void)state;
	struct fixture *f = start();
	fake_send_data(&f->target, 0, "old session"); /* nobody has authenticated yet */
	assert_true(fake_is_silent(&f->target));
	fake_connect(&f->target);
	struct fake_target other = fake_boot(f->k, f->target.now_us, 2);
	other.peer = fake_peer(99, 50000);
	fake_send_data(&other, 0, "forged");
	assert_true(fake_is_silent(&other));
	stop(f);
}

static void unopened_data_of_a_former_peer_is_answered_by_a_host_poke(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	fake_wait(&f->target, 20 * SECOND);
	fake_drop_events(&f->target);
	fake_send_data(&f->target, 0, "still here"); /* its key was wiped */
	assert_host_poke(&f->target, 4);
	fake_connect(&f->target);
	assert_works(&f->target);
	stop(f);
}

static void a_host_poke_on_request_goes_to_the_last_peer(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	uint64_t sequence = f->k->sequence;
	kdnet_poke_target(f->k, f->target.now_us);
	assert_host_poke(&f->target, 4);
	assert_int_equal(f->k->sequence, sequence + 1);
	stop(f);

	f = start_with_target();
	kdnet_poke_target(f->k, f->target.now_us);
	assert_host_poke(&f->target, KDNET_NEWEST_VERSION);
	stop(f);
}

static void our_sequence_numbers_never_repeat_nor_go_back(void **state)
{
	(void)state;
	struct fixture *f = start_connected();
	uint64_t last = f->k->sequence;
	for (uint8_t boot = 2; boot < 6; boot++) {
		assert_true(kdnet_send(f->k, KD_PACKET_MANIPULATE, NULL, 0,
				       f->target.now_us));
		for (int n = 0; n < 5; n++) {
			fake_send_data(&f->target, 2 * (uint32_t)n, "x");
			fake_drop_events(&f->target);
			struct sent sent;
			while ((sent = fake_pull(&f->target)).any) {
				assert_int_equal(sent.sequence, last + 1);
				last = sent.sequence;
			}
			fake_wait(&f->target, SECOND);
		}
		f->target = fake_boot(f->k, f->target.now_us, boot);
		fake_connect(&f->target);
		last = f->k->sequence;
		assert_true(last > 5);
	}
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_is_counted_and_never_answered),
		cmocka_unit_test(a_wrong_key_is_told_once_and_again_after_a_session),
		cmocka_unit_test(our_own_datagrams_reflected_do_nothing),
		cmocka_unit_test(a_reflection_proves_no_session),
		cmocka_unit_test(a_datagram_that_comes_twice_is_taken_once),
		cmocka_unit_test(a_replayed_datagram_is_no_sign_of_life),
		cmocka_unit_test(a_replayed_poke_of_an_earlier_boot_costs_nothing),
		cmocka_unit_test(a_replayed_poke_that_nobody_remembers_costs_a_datagram),
		cmocka_unit_test(
			a_poke_that_the_network_doubled_is_dropped_without_a_word),
		cmocka_unit_test(a_cloned_machine_is_ignored_and_told_once),
		cmocka_unit_test(a_clone_that_lost_the_race_cannot_take_the_session),
		cmocka_unit_test(when_the_session_is_lost_another_address_may_come),
		cmocka_unit_test(
			a_full_queue_leaves_packets_unacknowledged_until_there_is_room),
		cmocka_unit_test(
			a_packet_that_found_no_room_is_taken_when_it_comes_again),
		cmocka_unit_test(
			a_named_target_is_poked_every_half_second_until_it_connects),
		cmocka_unit_test(
			unopened_data_of_a_named_target_is_answered_by_a_host_poke),
		cmocka_unit_test(unopened_data_of_a_stranger_is_not_answered),
		cmocka_unit_test(
			unopened_data_of_a_former_peer_is_answered_by_a_host_poke),
		cmocka_unit_test(a_host_poke_on_request_goes_to_the_last_peer),
		cmocka_unit_test(our_sequence_numbers_never_repeat_nor_go_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
