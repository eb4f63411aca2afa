#include "kdnet/event_queue.h"

#include "test/util.h"

static const struct kdnet_peer peer = { .port = 7 };

static struct kdnet_queue *start(void)
{
	struct kdnet_queue *q = calloc(1, sizeof(*q));
	assert_non_null(q);
	return q;
}

static void events_come_out_in_order(void **state)
{
	(void)state;
	struct kdnet_queue *q = start();
	struct kdnet_event event;
	for (int round = 0; round < 10; round++) {
		assert_non_null(kdnet_queue_push(q, KDNET_CONNECTED));
		assert_true(kdnet_queue_push_packet(q, KD_PACKET_FILE_IO,
						    (const uint8_t *)"abc", 3));
		assert_true(kdnet_queue_push_packet(q, KD_PACKET_DEBUG_IO, NULL, 0));
		assert_true(kdnet_queue_pop(q, &event));
		assert_int_equal(event.type, KDNET_CONNECTED);
		assert_true(kdnet_queue_pop(q, &event));
		assert_int_equal(event.packet, KD_PACKET_FILE_IO);
		assert_int_equal(event.length, 3);
		assert_memory_equal(event.data, "abc", 3);
		assert_true(kdnet_queue_pop(q, &event));
		assert_int_equal(event.length, 0);
		assert_false(kdnet_queue_pop(q, &event));
	}
	free(q);
}

static void packets_leave_a_reserve_to_events_without_data(void **state)
{
	(void)state;
	struct kdnet_queue *q = start();
	unsigned packets = 0;
	while (kdnet_queue_push_packet(q, KD_PACKET_DEBUG_IO, NULL, 0))
		packets++;
	assert_int_equal(packets, KDNET_QUEUE_SLOTS - KDNET_QUEUE_RESERVE);
	for (int n = 0; n < KDNET_QUEUE_RESERVE; n++)
		assert_non_null(kdnet_queue_push(q, KDNET_DELIVERED));
	assert_null(kdnet_queue_push(q, KDNET_DELIVERED));
	assert_int_equal(kdnet_queue_room(q), 0);
	free(q);
}

static void what_voids_the_rest_makes_room_for_itself(void **state)
{
	(void)state;
	struct kdnet_queue *q = start();
	struct kdnet_event event;
	while (kdnet_queue_push(q, KDNET_DELIVERED))
		;
	assert_non_null(kdnet_queue_push_always(q, KDNET_LOST));
	assert_true(kdnet_queue_pop(q, &event));
	assert_int_equal(event.type, KDNET_LOST);
	assert_false(kdnet_queue_pop(q, &event));
	free(q);
}

static void a_packet_longer_than_a_slot_is_refused(void **state)
{
	(void)state;
	struct kdnet_queue *q = start();
	static const uint8_t data[KDNET_KD_DATA_MAX + 1];
	assert_false(kdnet_queue_push_packet(q, KD_PACKET_DEBUG_IO, data, sizeof(data)));
	assert_true(
		kdnet_queue_push_packet(q, KD_PACKET_DEBUG_IO, data, sizeof(data) - 1));
	free(q);
}

static void a_notice_is_told_once_until_it_is_news_again(void **state)
{
	(void)state;
	struct kdnet_queue *q = start();
	struct kdnet_event event;
	for (int round = 0; round < 2; round++) {
		for (int n = 0; n < 100; n++)
			kdnet_queue_notice(q, KDNET_NOTICE_WRONG_KEY, &peer, 6);
		assert_true(kdnet_queue_pop(q, &event));
		assert_int_equal(event.type, KDNET_NOTICE);
		assert_int_equal(event.notice, KDNET_NOTICE_WRONG_KEY);
		assert_int_equal(event.peer.port, 7);
		assert_int_equal(event.version, 6);
		assert_false(kdnet_queue_pop(q, &event));
		kdnet_queue_rearm(q, KDNET_NOTICE_WRONG_KEY);
	}
	free(q);
}

static void every_notice_fits_beside_a_full_queue(void **state)
{
	(void)state;
	struct kdnet_queue *q = start();
	struct kdnet_event event;
	while (kdnet_queue_push(q, KDNET_DELIVERED))
		;
	for (unsigned n = 0; n < KDNET_NOTICES; n++)
		kdnet_queue_notice(q, (enum kdnet_notice)n, &peer, 0);
	unsigned notices = 0;
	while (kdnet_queue_pop(q, &event))
		notices += event.type == KDNET_NOTICE;
	assert_int_equal(notices, KDNET_NOTICES);
	free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_out_in_order),
		cmocka_unit_test(packets_leave_a_reserve_to_events_without_data),
		cmocka_unit_test(what_voids_the_rest_makes_room_for_itself),
		cmocka_unit_test(a_packet_longer_than_a_slot_is_refused),
		cmocka_unit_test(a_notice_is_told_once_until_it_is_news_again),
		cmocka_unit_test(every_notice_fits_beside_a_full_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
