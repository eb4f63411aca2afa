#include "bridge/capture/summary.h"

#include <stdio.h>

#include "kdnet/wire.h"
#include "test/util.h"

static const uint64_t ms = 1000000;

struct fixture {
	struct summary s;
	uint64_t sequence[2];
	unsigned session;
};

static int start(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->session = 1;
	*state = f;
	return 0;
}

static int stop(void **state)
{
	struct fixture *f = *state;
	summary_wipe(&f->s);
	free(f);
	return 0;
}

static void add(struct fixture *f, uint64_t time_ns, bool to_target, const uint8_t *bytes,
		size_t length)
{
	const struct kdnet_datagram d = { .version = 5,
					  .channel = KDNET_CHANNEL_DATA,
					  .to_target = to_target,
					  .sequence = ++f->sequence[to_target],
					  .payload = bytes,
					  .length = length };
	summary_add(&f->s, time_ns, &d, length + 38, KD_MACHINE_AMD64, f->session);
}

/* A read of 8 bytes, or its reply, with this id. */
static void add_read(struct fixture *f, uint64_t time_ns, bool to_target, uint32_t id,
		     uint32_t status)
{
	uint8_t manipulate[56 + 8] = { 0 }, packet[128];
	struct writer w = wr_init(manipulate, sizeof(manipulate));
	wr_le32(&w, KD_READ_VIRTUAL);
	wr_zeros(&w, 4);
	wr_le32(&w, status);
	wr_zeros(&w, 4);
	wr_le64(&w, 0xfffff80000001000);
	wr_le32(&w, 8);
	wr_le32(&w, to_target || status ? 0 : 8);
	size_t length = kd_data_encode(packet, sizeof(packet), KD_PACKET_MANIPULATE, id,
				       manipulate, to_target || status ? 56 : 64);
	add(f, time_ns, to_target, packet, length);
}

static void add_control(struct fixture *f, uint64_t time_ns, bool to_target,
			enum kd_packet_type type, uint32_t id)
{
	uint8_t packet[KD_HEADER_SIZE];
	kd_control_encode(packet, type, id);
	add(f, time_ns, to_target, packet, sizeof(packet));
}

static void check_text(struct fixture *f, const char *expected)
{
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	summary_print(&f->s, out);
	assert_int_equal(fclose(out), 0);
	if (!strstr(text, expected))
		fail_msg("%s is not in %s", expected, text);
	free(text);
}

static void round_trips_are_told_as_percentiles(void **state)
{
	struct fixture *f = *state;
	uint64_t now = 1;
	for (uint32_t n = 1; n <= 200; n++) {
		add_read(f, now, true, 2 * n, 0);
		add_read(f, now + n * ms, false, 2 * n, n % 100 == 0 ? 0xc0000001 : 0);
		now += 1000 * ms;
	}
	check_text(f, "\nread virtual                    200      200      2   100.000   "
		      "180.000   198.000   200.000       1584\n");
}

static void a_request_that_came_again_is_one_exchange_and_one_loss(void **state)
{
	struct fixture *f = *state;
	add_read(f, 1, true, 2, 0);
	add_read(f, 500 * ms, true, 2, 0);
	add_control(f, 501 * ms, false, KD_PACKET_ACKNOWLEDGE, 2);
	add_read(f, 502 * ms + 1, false, 2, 0);
	add_read(f, 503 * ms, false, 2, 0);
	assert_int_equal(f->s.sides[1].repeated, 1);
	assert_int_equal(f->s.sides[0].repeated, 1);
	assert_int_equal(f->s.apis[0].asked, 1);
	assert_int_equal(f->s.apis[0].answered, 1);
	assert_int_equal(f->s.apis[0].times.us[0], 502000);
	/* nobody knows which of the two was acknowledged */
	assert_int_equal(f->s.acknowledgements.count, 0);
	add_read(f, 600 * ms, true, 4, 0);
	add_control(f, 601 * ms, false, KD_PACKET_ACKNOWLEDGE, 4);
	assert_int_equal(f->s.acknowledgements.us[0], 1000);
}

static void gaps_in_the_sequence_are_losses(void **state)
{
	struct fixture *f = *state;
	add_control(f, 1, false, KD_PACKET_ACKNOWLEDGE, 2);
	f->sequence[false] += 3;
	add_control(f, 2, false, KD_PACKET_RESEND, 0);
	f->sequence[false] -= 2;
	add_control(f, 3, false, KD_PACKET_RESET, 0);
	assert_int_equal(f->s.sides[0].lost, 3);
	assert_int_equal(f->s.sides[0].late, 1);
	assert_int_equal(f->s.sides[0].resends, 1);
	assert_int_equal(f->s.sides[0].resets, 1);
	/* another session counts anew */
	f->session = 2;
	f->sequence[false] = 100;
	add_control(f, 4, false, KD_PACKET_ACKNOWLEDGE, 2);
	assert_int_equal(f->s.sides[0].lost, 3);
}

static void after_a_reset_the_same_id_is_no_repetition(void **state)
{
	struct fixture *f = *state;
	add_read(f, 1, true, 2, 0);
	add_control(f, 2, true, KD_PACKET_RESET, 2);
	add_read(f, 3, true, 2, 0);
	assert_int_equal(f->s.sides[1].repeated, 0);
}

static void an_empty_one_is_printed(void **state)
{
	check_text(*state, "0 pokes, 0 responses");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(round_trips_are_told_as_percentiles),
		TEST(a_request_that_came_again_is_one_exchange_and_one_loss),
		TEST(gaps_in_the_sequence_are_losses),
		TEST(after_a_reset_the_same_id_is_no_repetition),
		TEST(an_empty_one_is_printed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
