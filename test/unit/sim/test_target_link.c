/* KD packets as the target sees them. KDNET.md §5, KD.md §1. */
#include "test/sim/target_link.h"

#include "kdnet/wire.h"
#include "test/util.h"

enum { SENT_MAX = 16 };

struct wire {
	struct target_link link;
	struct stats stats;
	uint8_t sent[SENT_MAX][KDNET_PAYLOAD_MAX];
	unsigned count, read;
	unsigned acknowledged, packets;
	bool resume_on_packet;
};

static void on_send(void *context, const uint8_t *payload, size_t length)
{
	struct wire *w = context;
	assert_true(w->count < SENT_MAX);
	memcpy(w->sent[w->count++], payload, length);
}

static void on_acknowledged(void *context, uint64_t now_us)
{
	(void)now_us;
	((struct wire *)context)->acknowledged++;
}

static void on_packet(void *context, enum target_link_type type, const uint8_t *data,
		      size_t length, uint64_t now_us)
{
	struct wire *w = context;
	(void)type;
	(void)data;
	(void)length;
	(void)now_us;
	w->packets++;
	if (w->resume_on_packet)
		target_link_resume(&w->link);
}

static struct wire *new_wire(void)
{
	struct wire *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	const struct target_link_handlers handlers = { w, on_send, on_acknowledged,
						       on_packet };
	target_link_init(&w->link, &handlers, &w->stats, 0x926);
	return w;
}

static void put(struct wire *w, uint32_t leader, uint16_t type, uint32_t id,
		const char *data)
{
	uint8_t p[LINK_HEADER_SIZE + 64] = { 0 };
	size_t length = strlen(data);
	uint32_t sum = 0;
	for (size_t i = 0; i < length; i++) {
		p[LINK_HEADER_SIZE + i] = (uint8_t)data[i];
		sum += (uint8_t)data[i];
	}
	store_le(p, leader, 4);
	store_le(p + 4, type, 2);
	store_le(p + 6, length, 2);
	store_le(p + 8, id, 4);
	store_le(p + 12, sum, 4);
	target_link_receive(&w->link, p, LINK_HEADER_SIZE + length);
}

static void get_data(struct wire *w, uint32_t id, uint64_t now_us)
{
	put(w, LINK_LEADER_DATA, LINK_MANIPULATE, id, "data");
	target_link_poll(&w->link, now_us);
}

static void get_control(struct wire *w, enum target_link_type type, uint32_t id)
{
	put(w, LINK_LEADER_CONTROL, (uint16_t)type, id, "");
	target_link_poll(&w->link, 0);
}

static void expect(struct wire *w, enum target_link_type type, uint32_t id)
{
	assert_true(w->read < w->count);
	const uint8_t *p = w->sent[w->read++];
	assert_int_equal(load_le(p + 4, 2), type);
	assert_int_equal(load_le(p + 8, 4), id);
}

static void expect_nothing(const struct wire *w)
{
	assert_int_equal(w->read, w->count);
}

static void report(struct wire *w)
{
	target_link_report(&w->link, LINK_STATE_CHANGE, LINK_MANIPULATE,
			   (const uint8_t *)"stop", 4, 0);
	expect(w, LINK_STATE_CHANGE, 0x926);
}

/* A stop that the host has taken. */
static struct wire *new_stop(void)
{
	struct wire *w = new_wire();
	report(w);
	get_control(w, LINK_ACKNOWLEDGE, 0x926);
	assert_int_equal(w->acknowledged, 1);
	return w;
}

static void a_request_is_acknowledged_before_its_reply(void **state)
{
	struct wire *w = new_stop();
	(void)state;
	get_data(w, 0x80000000, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000000);
	target_link_send(&w->link, LINK_MANIPULATE, (const uint8_t *)"reply", 5, 0);
	expect(w, LINK_MANIPULATE, 0x928);
	get_control(w, LINK_ACKNOWLEDGE, 0x928);
	assert_int_equal(w->packets, 1);
	assert_int_equal(w->stats.violation_count, 0);
	free(w);
}

static void an_unacknowledged_packet_is_repeated_every_500_ms_under_its_id(void **state)
{
	struct wire *w = new_wire();
	(void)state;
	assert_int_equal(target_link_deadline(&w->link), UINT64_MAX);
	report(w);
	for (uint64_t t = LINK_REPEAT_US; t < 5 * LINK_REPEAT_US; t += LINK_REPEAT_US) {
		assert_int_equal(target_link_deadline(&w->link), t);
		target_link_expire(&w->link, t - 1);
		expect_nothing(w);
		target_link_expire(&w->link, t);
		expect(w, LINK_STATE_CHANGE, 0x926);
	}
	get_control(w, LINK_ACKNOWLEDGE, 0x924); /* another id: acknowledges nothing */
	assert_int_not_equal(target_link_deadline(&w->link), UINT64_MAX);
	get_control(w, LINK_ACKNOWLEDGE, 0x926);
	assert_int_equal(target_link_deadline(&w->link), UINT64_MAX);
	assert_int_equal(w->stats.counters[STATS_RETRANSMISSIONS], 4);
	free(w);
}

static void a_duplicate_is_acknowledged_again_and_dropped(void **state)
{
	struct wire *w = new_stop();
	(void)state;
	get_data(w, 0x80000000, 0);
	get_data(w, 0x80000000, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000000);
	expect(w, LINK_ACKNOWLEDGE, 0x80000000);
	assert_int_equal(w->packets, 1);
	assert_int_equal(w->stats.violation_count, 0);
	free(w);
}

static void after_a_reset_the_same_id_is_no_duplicate(void **state)
{
	struct wire *w = new_stop();
	(void)state;
	get_data(w, 0x80000000, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000000);
	get_control(w, LINK_RESET, 0x80000000);
	expect(w, LINK_RESET, 0x926); /* the captured order of ids */
	expect(w, LINK_STATE_CHANGE, 0x926);
	get_control(w, LINK_ACKNOWLEDGE, 0x926);
	get_data(w, 0x80000000, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000000);
	assert_int_equal(w->packets, 2);
	assert_int_equal(w->stats.violation_count, 0);
	free(w);
}

/* Frames 194 to 205 of the version 4 capture. */
static void a_request_instead_of_an_acknowledgement_is_asked_for_again(void **state)
{
	struct wire *w = new_stop();
	(void)state;
	w->link.lenient = true;
	get_data(w, 0x80000000, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000000);
	target_link_send(&w->link, LINK_MANIPULATE, (const uint8_t *)"reply", 5, 0);
	expect(w, LINK_MANIPULATE, 0x928);
	get_data(w, 0x80000002, 0); /* the acknowledgement got lost */
	expect(w, LINK_RESEND, 0);
	assert_int_equal(w->packets, 1);
	get_data(w, 0x80000002, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000002);
	target_link_send(&w->link, LINK_MANIPULATE, (const uint8_t *)"reply", 5, 0);
	expect(w, LINK_MANIPULATE, 0x92a);
	get_control(w, LINK_RESET, 0x80000004);
	expect(w, LINK_RESET, 0x92a);
	expect(w, LINK_MANIPULATE, 0x92a);
	get_control(w, LINK_ACKNOWLEDGE, 0x92a);
	get_data(w, 0x80000004, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000004);
	assert_int_equal(w->stats.violation_count, 0);
	free(w);
}

static void resend_repeats_what_waits_else_the_report_under_the_next_id(void **state)
{
	struct wire *w = new_wire();
	(void)state;
	report(w);
	get_control(w, LINK_RESEND, 0);
	expect(w, LINK_STATE_CHANGE, 0x926);
	get_control(w, LINK_ACKNOWLEDGE, 0x926);
	get_control(w, LINK_RESEND, 0);
	expect(w, LINK_STATE_CHANGE, 0x928);
	free(w);

	w = new_stop();
	w->link.new_id_on_repeat = true;
	get_control(w, LINK_RESET, 0x80000000);
	expect(w, LINK_RESET, 0x928);
	expect(w, LINK_STATE_CHANGE, 0x928);
	free(w);
}

static void a_bad_checksum_or_length_brings_resend_0(void **state)
{
	struct wire *w = new_stop();
	uint8_t p[LINK_HEADER_SIZE + 4] = { 0x30, 0x30, 0x30, 0x30, 2, 0, 4 };
	(void)state;
	p[16] = 1;
	target_link_receive(&w->link, p, sizeof(p)); /* checksum 0 */
	p[12] = 1;
	target_link_receive(&w->link, p, sizeof(p) - 1);
	target_link_receive(&w->link, p, 5);
	target_link_poll(&w->link, 0);
	for (unsigned i = 0; i < 3; i++)
		expect(w, LINK_RESEND, 0);
	assert_int_equal(w->packets, 0);
	assert_int_equal(w->stats.violation_count, 3);
	free(w);
}

static void the_serial_lines_trailing_byte_is_a_violation(void **state)
{
	struct wire *w = new_stop();
	uint8_t p[LINK_HEADER_SIZE + 5] = { 0x30, 0x30, 0x30, 0x30, 2, 0, 4 };
	(void)state;
	p[LINK_HEADER_SIZE + 4] = 0xaa;
	target_link_receive(&w->link, p, sizeof(p));
	target_link_poll(&w->link, 0);
	expect(w, LINK_RESEND, 0);
	assert_int_equal(w->stats.violation_count, 1);
	free(w);
}

static void ids_that_jump_or_packets_out_of_place_are_violations(void **state)
{
	struct wire *w = new_stop();
	(void)state;
	get_data(w, 0x80000004, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000004);
	assert_int_equal(w->stats.violation_count, 1);
	put(w, LINK_LEADER_DATA, LINK_DEBUG_IO, 0x80000006, "answer");
	target_link_poll(&w->link, 0);
	expect(w, LINK_RESEND, 0);
	assert_int_equal(w->stats.violation_count, 2);
	target_link_resume(&w->link);
	get_data(w, 0x80000006, 0);
	expect_nothing(w);
	assert_int_equal(w->stats.violation_count, 3);
	put(w, 0x12345678, LINK_MANIPULATE, 0x80000006, "data");
	put(w, LINK_LEADER_CONTROL, 99, 0, "");
	target_link_poll(&w->link, 0);
	assert_int_equal(w->stats.violation_count, 5);
	free(w);
}

static void while_it_runs_only_break_ins_and_duplicates_have_an_effect(void **state)
{
	struct wire *w = new_stop();
	const uint8_t byte = LINK_BREAK_IN;
	(void)state;
	w->resume_on_packet = true;
	get_data(w, 0x80000000, 0);
	expect(w, LINK_ACKNOWLEDGE, 0x80000000);
	get_data(w, 0x80000000, 0); /* our acknowledgement got lost */
	expect(w, LINK_ACKNOWLEDGE, 0x80000000);
	get_control(w, LINK_RESEND, 0);
	get_control(w, LINK_ACKNOWLEDGE, 0x926);
	expect_nothing(w);
	assert_false(target_link_take_break_in(&w->link));
	target_link_receive(&w->link, &byte, 1);
	assert_false(target_link_take_break_in(&w->link));
	target_link_poll(&w->link, 0);
	assert_true(target_link_take_break_in(&w->link));
	assert_false(target_link_take_break_in(&w->link));
	assert_int_equal(w->stats.violation_count, 0);
	free(w);
}

static void what_follows_a_continue_waits_for_the_next_tick(void **state)
{
	struct wire *w = new_stop();
	const uint8_t byte = LINK_BREAK_IN;
	(void)state;
	w->resume_on_packet = true;
	put(w, LINK_LEADER_DATA, LINK_MANIPULATE, 0x80000000, "continue");
	target_link_receive(&w->link, &byte, 1);
	target_link_poll(&w->link, 0);
	assert_false(target_link_take_break_in(&w->link));
	target_link_poll(&w->link, 0);
	assert_true(target_link_take_break_in(&w->link));
	free(w);
}

static void a_break_in_while_a_print_waits_is_remembered(void **state)
{
	struct wire *w = new_wire();
	const uint8_t byte = LINK_BREAK_IN;
	(void)state;
	target_link_send(&w->link, LINK_DEBUG_IO, (const uint8_t *)"print", 5, 0);
	target_link_receive(&w->link, &byte, 1);
	target_link_poll(&w->link, 0);
	assert_true(target_link_take_break_in(&w->link));
	free(w);
}

static void a_new_packet_does_not_acknowledge_a_print(void **state)
{
	struct wire *w = new_wire();
	(void)state;
	w->link.lenient = true;
	target_link_send(&w->link, LINK_DEBUG_IO, (const uint8_t *)"print", 5, 0);
	expect(w, LINK_DEBUG_IO, 0x926);
	get_data(w, 0x80000000, 0);
	expect(w, LINK_RESEND, 0);
	assert_int_equal(w->acknowledged, 0);
	get_control(w, LINK_ACKNOWLEDGE, 0x926);
	assert_int_equal(w->acknowledged, 1);
	free(w);
}

static void ids_wrap(void **state)
{
	struct wire *w = new_stop();
	(void)state;
	get_control(w, LINK_RESET, 0xfffffffe);
	w->count = w->read = 0;
	get_control(w, LINK_ACKNOWLEDGE, 0x926);
	get_data(w, 0xfffffffe, 0);
	get_data(w, 0, 0);
	expect(w, LINK_ACKNOWLEDGE, 0xfffffffe);
	expect(w, LINK_ACKNOWLEDGE, 0);
	assert_int_equal(w->stats.violation_count, 0);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_acknowledged_before_its_reply),
		cmocka_unit_test(
			an_unacknowledged_packet_is_repeated_every_500_ms_under_its_id),
		cmocka_unit_test(a_duplicate_is_acknowledged_again_and_dropped),
		cmocka_unit_test(after_a_reset_the_same_id_is_no_duplicate),
		cmocka_unit_test(
			a_request_instead_of_an_acknowledgement_is_asked_for_again),
		cmocka_unit_test(
			resend_repeats_what_waits_else_the_report_under_the_next_id),
		cmocka_unit_test(a_bad_checksum_or_length_brings_resend_0),
		cmocka_unit_test(the_serial_lines_trailing_byte_is_a_violation),
		cmocka_unit_test(ids_that_jump_or_packets_out_of_place_are_violations),
		cmocka_unit_test(
			while_it_runs_only_break_ins_and_duplicates_have_an_effect),
		cmocka_unit_test(what_follows_a_continue_waits_for_the_next_tick),
		cmocka_unit_test(a_break_in_while_a_print_waits_is_remembered),
		cmocka_unit_test(a_new_packet_does_not_acknowledge_a_print),
		cmocka_unit_test(ids_wrap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
