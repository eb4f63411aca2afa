#include "kdnet/kd_link.h"

#include "test/unit/kdnet/kd_link_fixture.h"

static void ids_start_at_80000000_and_rise_by_two(void **state)
{
	(void)state;
	struct fixture *f = start();
	for (uint32_t n = 0; n < 5; n++) {
		assert_true(send(f, "x"));
		expect_data(f, 0x80000000 + 2 * n, "x");
		expect_silence(f);
		acknowledge_sent(f, 0x80000000 + 2 * n);
	}
	free(f);
}

static void ids_wrap_at_32_bits_in_both_directions(void **state)
{
	(void)state;
	struct fixture *f = start();
	f->link.next_id = 0xfffffffe;
	assert_true(send(f, "a"));
	expect_data(f, 0xfffffffe, "a");
	acknowledge_sent(f, 0xfffffffe);
	assert_true(send(f, "b"));
	expect_data(f, 0, "b");
	acknowledge_sent(f, 0);

	assert_int_equal(data(f, 0xfffffffe), KD_LINK_PACKET);
	assert_int_equal(data(f, 0), KD_LINK_PACKET);
	/* overtaken by the one with id 0: old, though its id is the greater number */
	assert_int_equal(data_at(f, 0xfffffffe, f->sequence - 1, ROOM), KD_LINK_NOTHING);
	assert_int_equal(f->counters[KDNET_COUNT_DUPLICATES], 1);
	free(f);
}

static void bit_800_of_an_id_means_nothing(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(data(f, 0x7fe), KD_LINK_PACKET);
	assert_int_equal(data(f, 0x800), KD_LINK_PACKET);
	assert_int_equal(data(f, 0x800), KD_LINK_NOTHING);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 0x7fe);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 0x800);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 0x800);
	free(f);
}

static void only_one_packet_is_in_flight(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(send(f, "one"));
	assert_false(send(f, "two"));
	expect_data(f, 0x80000000, "one");
	assert_false(send(f, "two"));
	acknowledge_sent(f, 0x80000000);
	assert_true(send(f, "two"));
	free(f);
}

static void what_does_not_fit_a_datagram_is_refused(void **state)
{
	(void)state;
	struct fixture *f = start();
	static const uint8_t large[KDNET_KD_DATA_MAX + 1];
	assert_false(kd_link_send(&f->link, KD_PACKET_MANIPULATE, large, sizeof(large)));
	assert_false(kd_link_pending(&f->link));
	assert_true(
		kd_link_send(&f->link, KD_PACKET_MANIPULATE, large, sizeof(large) - 1));
	free(f);
}

static void an_acknowledgement_of_another_id_acknowledges_nothing(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(control(f, KD_PACKET_ACKNOWLEDGE, 0x80000000), KD_LINK_NOTHING);
	assert_true(send(f, "x"));
	/* not even sent yet: it cannot be meant */
	assert_int_equal(control(f, KD_PACKET_ACKNOWLEDGE, 0x80000000), KD_LINK_NOTHING);
	expect_data(f, 0x80000000, "x");
	assert_int_equal(control(f, KD_PACKET_ACKNOWLEDGE, 0x80000002), KD_LINK_NOTHING);
	assert_int_equal(control(f, KD_PACKET_ACKNOWLEDGE, 0x7ffffffe), KD_LINK_NOTHING);
	assert_int_equal(control(f, KD_PACKET_ACKNOWLEDGE, 0), KD_LINK_NOTHING);
	assert_true(kd_link_pending(&f->link));
	acknowledge_sent(f, 0x80000000);
	assert_int_equal(control(f, KD_PACKET_ACKNOWLEDGE, 0x80000000), KD_LINK_NOTHING);
	free(f);
}

static void data_is_acknowledged_and_a_duplicate_again_but_told_once(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(data(f, 0), KD_LINK_PACKET);
	assert_int_equal(data(f, 0), KD_LINK_NOTHING);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 0);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 0);
	expect_silence(f);
	assert_int_equal(data(f, 2), KD_LINK_PACKET);
	free(f);
}

static void data_may_come_before_the_acknowledgement_of_ours(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(send(f, "request"));
	expect_data(f, 0x80000000, "request");
	assert_int_equal(data(f, 8), KD_LINK_PACKET);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 8);
	acknowledge_sent(f, 0x80000000);
	free(f);
}

static void the_acknowledgement_goes_out_before_the_next_request(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(data(f, 8), KD_LINK_PACKET);
	assert_true(send(f, "next"));
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 8);
	expect_data(f, 0x80000000, "next");
	free(f);
}

static void an_older_id_in_a_newer_datagram_is_a_counter_started_anew(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(data(f, 0x60), KD_LINK_PACKET);
	assert_int_equal(data(f, 0), KD_LINK_PACKET);
	free(f);
}

static void without_room_data_is_not_acknowledged(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(data_at(f, 4, ++f->sequence, 0), KD_LINK_NOTHING);
	expect_silence(f);
	assert_int_equal(data_at(f, 4, ++f->sequence, 1), KD_LINK_PACKET);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 4);
	/* a duplicate needs no room */
	assert_int_equal(data_at(f, 4, ++f->sequence, 0), KD_LINK_NOTHING);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 4);
	free(f);
}

static void a_flood_fills_no_more_than_the_queue_of_acknowledgements(void **state)
{
	(void)state;
	struct fixture *f = start();
	for (uint32_t n = 0; n < 1000; n++)
		(void)data(f, 2 * n);
	for (uint32_t n = 0; n < KD_LINK_CONTROLS; n++)
		expect_control(f, KD_PACKET_ACKNOWLEDGE, 2 * n);
	expect_silence(f);
	/* what was not acknowledged was not taken either */
	assert_int_equal(data(f, 2 * KD_LINK_CONTROLS), KD_LINK_PACKET);
	free(f);
}

/* ---- repetition ---- */

static void a_lost_packet_is_repeated_under_its_id_with_back_off(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(kd_link_deadline(&f->link), UINT64_MAX);
	assert_true(send(f, "x"));
	assert_int_equal(kd_link_deadline(&f->link), UINT64_MAX); /* not sent yet */
	uint64_t wait_us = KD_LINK_TIMEOUT_FIRST;
	for (int turn = 0; turn < 20; turn++) {
		expect_data(f, 0x80000000, "x");
		expect_silence(f);
		assert_int_equal(kd_link_deadline(&f->link), f->now_us + wait_us);
		expire_after(f, wait_us - 1);
		expect_silence(f);
		expire_after(f, 1);
		wait_us = wait_us * 2 < KD_LINK_BACK_OFF_MAX ? wait_us * 2
							     : KD_LINK_BACK_OFF_MAX;
	}
	assert_int_equal(f->counters[KDNET_COUNT_REPEATED], 19);
	expect_data(f, 0x80000000, "x"); /* it never gives up */
	acknowledge_sent(f, 0x80000000);
	assert_int_equal(kd_link_deadline(&f->link), UINT64_MAX);
	free(f);
}

static void the_first_wait_is_four_round_trips_within_20_and_500_ms(void **state)
{
	(void)state;
	const struct {
		uint64_t round_trip_us;
		uint64_t wait_us;
	} cases[] = {
		{ 50, KD_LINK_TIMEOUT_MIN },
		{ 10 * MILLISECOND, 40 * MILLISECOND },
		{ 60 * MILLISECOND, 240 * MILLISECOND },
		{ 190 * MILLISECOND, KD_LINK_TIMEOUT_MAX },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = start();
		round_trip(f, cases[i].round_trip_us);
		assert_int_equal(f->link.round_trip_us, cases[i].round_trip_us);
		assert_true(send(f, "y"));
		expect_data(f, 0x80000002, "y");
		assert_int_equal(kd_link_deadline(&f->link),
				 f->now_us + cases[i].wait_us);
		free(f);
	}
}

static void a_repeated_packet_measures_nothing(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(send(f, "x"));
	expect_data(f, 0x80000000, "x");
	expire_after(f, KD_LINK_TIMEOUT_FIRST);
	expect_data(f, 0x80000000, "x");
	f->now_us += 10;
	acknowledge_sent(f, 0x80000000);
	assert_int_equal(f->link.round_trip_us, 0);
	free(f);
}

/* Or each packet of such a link would be repeated before its ACK can be here. */
static void a_slow_link_is_measured_after_one_repetition(void **state)
{
	(void)state;
	struct fixture *f = start();
	const uint64_t slow_us = 300 * MILLISECOND;
	assert_true(send(f, "x"));
	expect_data(f, 0x80000000, "x");
	expire_after(f, KD_LINK_TIMEOUT_FIRST);
	expect_data(f, 0x80000000, "x");
	f->now_us += slow_us - KD_LINK_TIMEOUT_FIRST;
	acknowledge_sent(f, 0x80000000);

	assert_true(send(f, "y"));
	expect_data(f, 0x80000002, "y");
	expire_after(f, slow_us);
	expect_silence(f);
	acknowledge_sent(f, 0x80000002);
	assert_int_equal(f->link.round_trip_us, slow_us);
	free(f);
}

static void a_confirmed_packet_is_not_repeated(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(send(f, "x"));
	expect_data(f, 0x80000000, "x");
	kd_link_confirm(&f->link);
	expire_after(f, 10 * KD_LINK_TIMEOUT_FIRST);
	expect_silence(f);
	assert_int_equal(control(f, KD_PACKET_ACKNOWLEDGE, 0x80000000), KD_LINK_NOTHING);
	assert_true(send(f, "y"));
	expect_data(f, 0x80000002, "y");
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_start_at_80000000_and_rise_by_two),
		cmocka_unit_test(ids_wrap_at_32_bits_in_both_directions),
		cmocka_unit_test(bit_800_of_an_id_means_nothing),
		cmocka_unit_test(only_one_packet_is_in_flight),
		cmocka_unit_test(what_does_not_fit_a_datagram_is_refused),
		cmocka_unit_test(an_acknowledgement_of_another_id_acknowledges_nothing),
		cmocka_unit_test(
			data_is_acknowledged_and_a_duplicate_again_but_told_once),
		cmocka_unit_test(data_may_come_before_the_acknowledgement_of_ours),
		cmocka_unit_test(the_acknowledgement_goes_out_before_the_next_request),
		cmocka_unit_test(
			an_older_id_in_a_newer_datagram_is_a_counter_started_anew),
		cmocka_unit_test(without_room_data_is_not_acknowledged),
		cmocka_unit_test(
			a_flood_fills_no_more_than_the_queue_of_acknowledgements),
		cmocka_unit_test(a_lost_packet_is_repeated_under_its_id_with_back_off),
		cmocka_unit_test(the_first_wait_is_four_round_trips_within_20_and_500_ms),
		cmocka_unit_test(a_repeated_packet_measures_nothing),
		cmocka_unit_test(a_slow_link_is_measured_after_one_repetition),
		cmocka_unit_test(a_confirmed_packet_is_not_repeated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
