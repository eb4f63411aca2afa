/* RESEND, RESET and break-in of kdnet/kd_link.c. */
#include "kdnet/kd_link.h"

#include "test/unit/kdnet/kd_link_fixture.h"

static void a_resend_repeats_the_packet_at_once(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(control(f, KD_PACKET_RESEND, 0), KD_LINK_NOTHING);
	expect_silence(f);
	assert_true(send(f, "x"));
	expect_data(f, 0x80000000, "x");
	assert_int_equal(control(f, KD_PACKET_RESEND, 0), KD_LINK_NOTHING);
	expect_data(f, 0x80000000, "x");
	expect_silence(f);
	assert_int_equal(f->counters[KDNET_COUNT_RESENDS], 2);
	acknowledge_sent(f, 0x80000000);
	free(f);
}

static void twenty_four_resends_in_a_row_end_in_a_reset(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(send(f, "x"));
	expect_data(f, 0x80000000, "x");
	for (int n = 1; n < KD_LINK_RESEND_RUN; n++) {
		(void)control(f, KD_PACKET_RESEND, 0);
		expect_data(f, 0x80000000, "x");
	}
	(void)control(f, KD_PACKET_RESEND, 0);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	for (int n = 0; n < 1000; n++)
		(void)control(f, KD_PACKET_RESEND, 0);
	expect_silence(f);

	assert_int_equal(control(f, KD_PACKET_RESET, 4), KD_LINK_NOTHING);
	expect_data(f, 0x80000000, "x");
	acknowledge_sent(f, 0x80000000);
	free(f);
}

static void progress_ends_a_run_of_resends(void **state)
{
	(void)state;
	struct fixture *f = start();
	for (int n = 0; n < 3 * KD_LINK_RESEND_RUN; n++) {
		uint32_t id = f->link.next_id;
		assert_true(send(f, "x"));
		expect_data(f, id, "x");
		(void)control(f, KD_PACKET_RESEND, 0);
		expect_data(f, id, "x");
		acknowledge_sent(f, id);
	}
	free(f);
}

static void the_timer_goes_on_after_a_run_of_resends(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(send(f, "x"));
	expect_data(f, 0x80000000, "x");
	for (int n = 0; n < KD_LINK_RESEND_RUN; n++)
		(void)control(f, KD_PACKET_RESEND, 0);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	(void)control(f, KD_PACKET_RESET, 4);
	for (int turn = 0; turn < 3; turn++) {
		expect_data(f, 0x80000000, "x");
		(void)control(f, KD_PACKET_RESEND, 0);
		f->now_us = kd_link_deadline(&f->link);
		kd_link_expire(&f->link, f->now_us);
	}
	free(f);
}

static void damaged_data_is_asked_for_again_with_id_0(void **state)
{
	(void)state;
	struct fixture *f = start();
	uint8_t packet[KD_HEADER_SIZE + 3];
	size_t length = kd_data_encode(packet, sizeof(packet), KD_PACKET_DEBUG_IO, 6,
				       (const uint8_t *)"abc", 3);
	packet[KD_HEADER_SIZE] ^= 1;
	assert_int_equal(take(f, packet, length, ++f->sequence, ROOM), KD_LINK_NOTHING);
	expect_control(f, KD_PACKET_RESEND, 0);
	packet[KD_HEADER_SIZE] ^= 1;
	assert_int_equal(take(f, packet, length - 1, ++f->sequence, ROOM),
			 KD_LINK_NOTHING);
	expect_control(f, KD_PACKET_RESEND, 0);
	expect_silence(f);
	assert_int_equal(take(f, packet, length, ++f->sequence, ROOM), KD_LINK_PACKET);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 6);
	free(f);
}

static void a_target_that_sends_nothing_but_damage_is_asked_less_often(void **state)
{
	(void)state;
	struct fixture *f = start();
	const uint8_t bad[KD_HEADER_SIZE] = { 0x30, 0x30, 0x30, 0x30, 3, 0, 9 };
	unsigned asked = 0;
	const uint8_t *payload;
	for (int n = 0; n < 1000; n++) {
		(void)take(f, bad, sizeof(bad), ++f->sequence, ROOM);
		asked += kd_link_transmit(&f->link, &payload, f->now_us) > 0;
	}
	assert_int_equal(asked, KD_LINK_RESEND_RUN + 1);
	f->now_us += KD_LINK_RESEND_PAUSE;
	(void)take(f, bad, sizeof(bad), ++f->sequence, ROOM);
	expect_control(f, KD_PACKET_RESEND, 0);
	free(f);
}

static void what_is_no_kd_packet_is_ignored(void **state)
{
	(void)state;
	struct fixture *f = start();
	const uint8_t break_in = KD_BREAK_IN_BYTE;
	const uint8_t strange[KD_HEADER_SIZE] = { 1, 2, 3, 4, 5, 6 };
	assert_int_equal(take(f, &break_in, 1, ++f->sequence, ROOM), KD_LINK_NOTHING);
	assert_int_equal(take(f, strange, sizeof(strange), ++f->sequence, ROOM),
			 KD_LINK_NOTHING);
	assert_int_equal(take(f, NULL, 0, ++f->sequence, ROOM), KD_LINK_NOTHING);
	assert_int_equal(control(f, (enum kd_packet_type)99, 0), KD_LINK_NOTHING);
	expect_silence(f);
	free(f);
}

static void a_connection_check_is_answered_like_windbg_does(void **state)
{
	(void)state;
	struct fixture *f = start();
	const uint8_t check[12] = { [8] = 1, 2, 168, 192 };
	assert_int_equal(take(f, check, sizeof(check), ++f->sequence, ROOM),
			 KD_LINK_NOTHING);
	expect_control(f, KD_PACKET_RESEND, 0);
	expect_silence(f);
	free(f);
}

/* ---- RESET and break-in ---- */

static void a_reset_announces_the_id_of_the_next_packet(void **state)
{
	(void)state;
	struct fixture *f = start();
	kd_link_reset(&f->link);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	(void)control(f, KD_PACKET_RESET, 0x926);
	round_trip(f, 50);
	kd_link_reset(&f->link);
	expect_control(f, KD_PACKET_RESET, 0x80000002);
	(void)control(f, KD_PACKET_RESET, 0x926);
	assert_true(send(f, "x"));
	expect_data(f, 0x80000002, "x");
	free(f);
}

static void a_reset_drops_what_is_in_flight_and_holds_back_what_follows(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(send(f, "old"));
	expect_data(f, 0x80000000, "old");
	kd_link_reset(&f->link);
	assert_true(send(f, "new"));
	expect_control(f, KD_PACKET_RESET, 0x80000002);
	expect_silence(f);
	(void)control(f, KD_PACKET_RESET, 6);
	expect_data(f, 0x80000002, "new");
	free(f);
}

static void a_reset_is_repeated_until_reset_or_data_answers(void **state)
{
	(void)state;
	for (int with_data = 0; with_data < 2; with_data++) {
		struct fixture *f = start();
		kd_link_reset(&f->link);
		uint64_t wait_us = KD_LINK_RESET_TIMEOUT;
		for (int turn = 0; turn < 8; turn++) {
			expect_control(f, KD_PACKET_RESET, 0x80000000);
			expect_silence(f);
			assert_int_equal(kd_link_deadline(&f->link), f->now_us + wait_us);
			expire_after(f, wait_us);
			wait_us = wait_us * 2 < KD_LINK_RESET_BACK_OFF_MAX
					  ? wait_us * 2
					  : KD_LINK_RESET_BACK_OFF_MAX;
		}
		expect_control(f, KD_PACKET_RESET, 0x80000000);
		if (with_data)
			assert_int_equal(data(f, 6), KD_LINK_PACKET);
		else
			assert_int_equal(control(f, KD_PACKET_RESET, 6), KD_LINK_NOTHING);
		assert_int_equal(kd_link_deadline(&f->link), UINT64_MAX);
		free(f);
	}
}

/* win10-v4.txt, frames 205 to 209: 62, RESET, RESET 62, 62 again. */
static void after_our_reset_the_same_id_is_no_duplicate(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(data(f, 0x62), KD_LINK_PACKET);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 0x62);
	kd_link_reset(&f->link);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	assert_int_equal(control(f, KD_PACKET_RESET, 0x62), KD_LINK_NOTHING);
	assert_int_equal(data(f, 0x62), KD_LINK_PACKET);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 0x62);
	assert_int_equal(data(f, 0x62), KD_LINK_NOTHING);
	free(f);
}

static void after_the_targets_reset_the_same_id_is_no_duplicate(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_int_equal(data(f, 0x62), KD_LINK_PACKET);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 0x62);
	assert_int_equal(control(f, KD_PACKET_RESET, 0x62), KD_LINK_RESET);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	assert_int_equal(data(f, 0x62), KD_LINK_PACKET);
	free(f);
}

static void a_reset_of_the_target_repeats_ours_under_the_same_id(void **state)
{
	(void)state;
	struct fixture *f = start();
	assert_true(send(f, "x"));
	expect_data(f, 0x80000000, "x");
	assert_int_equal(control(f, KD_PACKET_RESET, 0), KD_LINK_RESET);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	expect_data(f, 0x80000000, "x");
	acknowledge_sent(f, 0x80000000);
	free(f);
}

static void two_sides_do_not_reset_each_other_for_ever(void **state)
{
	(void)state;
	struct fixture *f = start();
	/* the target answers each of ours, the first answer was slow */
	kd_link_reset(&f->link);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	expire_after(f, KD_LINK_RESET_TIMEOUT);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	assert_int_equal(control(f, KD_PACKET_RESET, 6), KD_LINK_NOTHING);
	assert_int_equal(data(f, 6), KD_LINK_PACKET);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 6);
	assert_int_equal(control(f, KD_PACKET_RESET, 6), KD_LINK_NOTHING);
	expect_silence(f);
	/* and what it repeats for the second one is a duplicate */
	assert_int_equal(data(f, 6), KD_LINK_NOTHING);

	/* it may answer our answer as well */
	f->now_us += 2 * KD_LINK_RESET_LATE;
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 6);
	assert_int_equal(control(f, KD_PACKET_RESET, 8), KD_LINK_RESET);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	assert_int_equal(control(f, KD_PACKET_RESET, 8), KD_LINK_NOTHING);
	expect_silence(f);
	free(f);
}

static void a_reset_that_its_data_overtook_forgets_nothing(void **state)
{
	(void)state;
	struct fixture *f = start();
	kd_link_reset(&f->link);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	assert_int_equal(data_at(f, 6, 11, ROOM), KD_LINK_PACKET);
	f->sequence = 9;
	assert_int_equal(control(f, KD_PACKET_RESET, 6), KD_LINK_NOTHING); /* 10 */
	assert_int_equal(data_at(f, 6, 12, ROOM), KD_LINK_NOTHING);
	free(f);
}

/* Its sender repeats it: what could not be told must not be answered. */
static void a_reset_that_nobody_could_be_told_of_is_left_for_the_next(void **state)
{
	(void)state;
	struct fixture *f = start();
	uint8_t reset[KD_HEADER_SIZE];
	kd_control_encode(reset, KD_PACKET_RESET, 0);
	assert_int_equal(data_at(f, 2, 5, ROOM), KD_LINK_PACKET);
	expect_control(f, KD_PACKET_ACKNOWLEDGE, 2);
	assert_int_equal(take(f, reset, sizeof(reset), 6, 0), KD_LINK_NOTHING);
	expect_silence(f);
	assert_int_equal(take(f, reset, sizeof(reset), 7, 1), KD_LINK_RESET);
	expect_control(f, KD_PACKET_RESET, KD_HOST_FIRST_ID);
	free(f);
}

static void a_break_in_is_one_byte_sent_once(void **state)
{
	(void)state;
	struct fixture *f = start();
	const uint8_t *payload;
	kd_link_break_in(&f->link);
	kd_link_break_in(&f->link);
	kd_link_reset(&f->link);
	assert_int_equal(kd_link_transmit(&f->link, &payload, f->now_us), 1);
	assert_int_equal(payload[0], 0x62);
	expect_control(f, KD_PACKET_RESET, 0x80000000);
	expect_silence(f);
	free(f);
}

static void a_new_session_has_nothing_in_flight(void **state)
{
	(void)state;
	struct fixture *f = start();
	for (int reboot = 0; reboot < 2; reboot++) {
		round_trip(f, 50);
		assert_true(send(f, "x"));
		assert_int_equal(data(f, 8), KD_LINK_PACKET);
		kd_link_break_in(&f->link);
		kd_link_restart(&f->link, reboot == 1);
		expect_silence(f);
		assert_false(kd_link_pending(&f->link));
		assert_int_equal(kd_link_deadline(&f->link), UINT64_MAX);
		f->sequence = 0;
		assert_int_equal(data(f, 6), KD_LINK_PACKET);
		expect_control(f, KD_PACKET_ACKNOWLEDGE, 6);
		assert_int_equal(f->link.next_id, reboot ? 0x80000000 : 0x80000004);
	}
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_resend_repeats_the_packet_at_once),
		cmocka_unit_test(twenty_four_resends_in_a_row_end_in_a_reset),
		cmocka_unit_test(progress_ends_a_run_of_resends),
		cmocka_unit_test(the_timer_goes_on_after_a_run_of_resends),
		cmocka_unit_test(damaged_data_is_asked_for_again_with_id_0),
		cmocka_unit_test(
			a_target_that_sends_nothing_but_damage_is_asked_less_often),
		cmocka_unit_test(what_is_no_kd_packet_is_ignored),
		cmocka_unit_test(a_connection_check_is_answered_like_windbg_does),
		cmocka_unit_test(a_reset_announces_the_id_of_the_next_packet),
		cmocka_unit_test(
			a_reset_drops_what_is_in_flight_and_holds_back_what_follows),
		cmocka_unit_test(a_reset_is_repeated_until_reset_or_data_answers),
		cmocka_unit_test(after_our_reset_the_same_id_is_no_duplicate),
		cmocka_unit_test(after_the_targets_reset_the_same_id_is_no_duplicate),
		cmocka_unit_test(a_reset_of_the_target_repeats_ours_under_the_same_id),
		cmocka_unit_test(two_sides_do_not_reset_each_other_for_ever),
		cmocka_unit_test(a_reset_that_its_data_overtook_forgets_nothing),
		cmocka_unit_test(
			a_reset_that_nobody_could_be_told_of_is_left_for_the_next),
		cmocka_unit_test(a_break_in_is_one_byte_sent_once),
		cmocka_unit_test(a_new_session_has_nothing_in_flight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
