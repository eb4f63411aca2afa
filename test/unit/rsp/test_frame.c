#include "test/util.h"

#include "rsp/frame.h"
#include "test/unit/rsp/client.h"

static struct frame *frame_new(void)
{
	struct frame *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	return f;
}

/* Feeds all bytes and returns the last event. */
static enum frame_event feed(struct frame *f, const char *bytes)
{
	enum frame_event event = FRAME_NOTHING;
	for (; *bytes != '\0'; bytes++)
		event = frame_take(f, (uint8_t)*bytes);
	return event;
}

static void expect_packet(struct frame *f, const char *payload)
{
	const uint8_t *bytes;
	size_t length;
	assert_true(frame_peek(f, &bytes, &length));
	assert_int_equal(length, strlen(payload));
	assert_memory_equal(bytes, payload, length);
	frame_pop(f);
}

static void a_good_packet_is_queued(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	assert_int_equal(feed(f, "$m12,4#30"), FRAME_PACKET);
	assert_int_equal(feed(f, "$#00"), FRAME_PACKET);
	assert_int_equal(feed(f, "$?#3F"), FRAME_PACKET);
	assert_int_equal(f->packets, 3);
	expect_packet(f, "m12,4");
	expect_packet(f, "");
	expect_packet(f, "?");
	assert_int_equal(f->packets, 0);
	free(f);
}

static void a_wrong_checksum_is_noticed_while_there_are_acks(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	assert_int_equal(feed(f, "$?#3e"), FRAME_BROKEN);
	assert_int_equal(feed(f, "$?#zz"), FRAME_BROKEN);
	assert_int_equal(feed(f, "$?#3z"), FRAME_BROKEN);
	assert_int_equal(f->packets, 0);
	f->no_ack = true; /* nothing could be asked for again */
	assert_int_equal(feed(f, "$?#00"), FRAME_PACKET);
	assert_int_equal(feed(f, "$?#zz"), FRAME_BROKEN);
	free(f);
}

static void bytes_between_packets_have_their_meaning(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	assert_int_equal(feed(f, "+"), FRAME_ACK);
	assert_int_equal(feed(f, "-"), FRAME_NAK);
	assert_int_equal(feed(f, "\x03"), FRAME_INTERRUPT);
	assert_int_equal(feed(f, "G"), FRAME_FOREIGN);
	assert_int_equal(feed(f, "\x16"), FRAME_FOREIGN);
	assert_int_equal(feed(f, "#"), FRAME_FOREIGN);
	free(f);
}

static void they_mean_nothing_inside_a_packet(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	assert_int_equal(feed(f, "$X\x03+-#"), FRAME_NOTHING);
	assert_int_equal(feed(f, "b3"), FRAME_PACKET);
	expect_packet(f, "X\x03+-");
	free(f);
}

static void a_packet_that_was_cut_off_is_dropped_at_the_next_dollar(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	assert_int_equal(feed(f, "$m12,$?#3f"), FRAME_PACKET);
	expect_packet(f, "?");
	assert_int_equal(f->packets, 0);
	free(f);
}

static void the_largest_packet_is_taken_and_one_byte_more_is_not(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	assert_int_equal(frame_take(f, '$'), FRAME_NOTHING);
	for (size_t i = 0; i < RSP_PACKET_MAX; i++)
		assert_int_equal(frame_take(f, 'a'), FRAME_NOTHING);
	assert_int_equal(feed(f, "#00"), FRAME_PACKET); /* 0x61 * 0x20000 */
	assert_int_equal(frame_take(f, '$'), FRAME_NOTHING);
	for (size_t i = 0; i < RSP_PACKET_MAX; i++)
		assert_int_equal(frame_take(f, 'a'), FRAME_NOTHING);
	assert_int_equal(frame_take(f, 'a'), FRAME_OVERFLOW);
	free(f);
}

static void more_packets_than_the_queue_holds_are_an_overflow(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	size_t taken = 0;
	enum frame_event event;
	while ((event = feed(f, "$#00")) == FRAME_PACKET)
		taken++;
	assert_int_equal(event, FRAME_OVERFLOW);
	assert_int_equal(taken, FRAME_QUEUE_SIZE / 4);
	free(f);
}

static void feed_many(struct frame *f, size_t length, uint8_t byte)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(frame_take(f, byte), FRAME_NOTHING);
}

static void a_packet_that_reaches_the_queues_end_goes_on_where_room_was_made(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	const uint8_t *bytes;
	size_t length;
	f->no_ack = true;
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(frame_take(f, '$'), FRAME_NOTHING);
		feed_many(f, RSP_PACKET_MAX, (uint8_t)('a' + n));
		assert_int_equal(feed(f, "#00"), FRAME_PACKET);
	}
	assert_int_equal(frame_take(f, '$'), FRAME_NOTHING);
	feed_many(f, RSP_PACKET_MAX / 2, 'd');
	frame_pop(f); /* a: its room is in front of all others */
	feed_many(f, RSP_PACKET_MAX / 2, 'd');
	assert_int_equal(feed(f, "#00"), FRAME_PACKET);
	for (uint8_t byte = 'b'; byte <= 'd'; byte++) {
		assert_true(frame_peek(f, &bytes, &length));
		assert_int_equal(length, RSP_PACKET_MAX);
		for (size_t i = 0; i < length; i++)
			assert_int_equal(bytes[i], byte);
		frame_pop(f);
	}
	assert_false(frame_peek(f, &bytes, &length));
	free(f);
}

/* Packets go in and out at random, against a plain list of them. */
static void the_queue_gives_what_it_was_given(void **state)
{
	(void)state;
	uint64_t seed = 0x5eed;
	print_message("seed %#llx\n", (unsigned long long)seed);
	struct frame *f = frame_new();
	enum { MODEL = 4000 };
	size_t *lengths = calloc(MODEL, sizeof(*lengths));
	assert_non_null(lengths);
	uint8_t *wire = malloc(RSP_PACKET_MAX + 8);
	uint8_t *payload = malloc(RSP_PACKET_MAX);
	assert_non_null(wire);
	assert_non_null(payload);
	size_t in = 0, out = 0, queued = 0;
	while (in < MODEL) {
		size_t length = test_random(&seed) % 3000;
		bool room = queued + length + 4 < FRAME_QUEUE_SIZE / 2;
		if (room && test_random(&seed) % 2 == 0) {
			memset(payload, 'a' + (int)(in % 26), length);
			size_t framed = client_frame(wire, payload, length);
			/* In two pieces, with one packet taken in between. */
			size_t cut = test_random(&seed) % framed;
			for (size_t i = 0; i < framed; i++) {
				(void)frame_take(f, wire[i]);
				const uint8_t *bytes;
				size_t size;
				if (i == cut && in > out &&
				    frame_peek(f, &bytes, &size)) {
					assert_int_equal(size, lengths[out]);
					queued -= size + 4;
					out++;
					frame_pop(f);
				}
			}
			lengths[in++] = length;
			queued += length + 4;
		} else if (in > out) {
			const uint8_t *bytes;
			size_t size;
			assert_true(frame_peek(f, &bytes, &size));
			assert_int_equal(size, lengths[out]);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(bytes[i], 'a' + (int)(out % 26));
			queued -= size + 4;
			out++;
			frame_pop(f);
		}
	}
	assert_int_equal(f->packets, in - out);
	free(lengths);
	free(wire);
	free(payload);
	free(f);
}

static void expect_sent(const char *payload, const char *wire)
{
	struct frame *f = frame_new();
	assert_true(frame_send(f, (const uint8_t *)payload, strlen(payload)));
	assert_int_equal(f->out_tail, strlen(wire));
	assert_memory_equal(f->output, wire, strlen(wire));
	free(f);
}

static void a_reply_is_framed(void **state)
{
	(void)state;
	expect_sent("OK", "$OK#9a");
	expect_sent("", "$#00");
}

static void runs_are_shortened_from_four_on(void **state)
{
	(void)state;
	expect_sent("000", "$000#90");
	expect_sent("0000", "$0* #7a");
	expect_sent("00000", "$0*!#7b");
}

/* Every run length, since some counts may not be sent. */
static void runs_of_every_length_come_back(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	uint8_t payload[300], back[400] = { 0 };
	memset(payload, 'f', sizeof(payload));
	for (size_t length = 0; length <= sizeof(payload); length++) {
		assert_true(frame_send(f, payload, length));
		struct client_reader r = { f->output + f->out_head,
					   f->out_tail - f->out_head, 0, 0 };
		size_t got = 0;
		assert_true(client_next(&r, back, sizeof(back), &got));
		assert_int_equal(got, length);
		assert_memory_equal(back, payload, length);
		frame_sent(f, f->out_tail - f->out_head);
	}
	free(f);
}

static void an_escaped_byte_never_begins_a_run(void **state)
{
	(void)state;
	/* '*' and five line feeds: one pass of escapes and runs would repeat the '*'. */
	expect_sent("}\n\n\n\n\n\n", "$}\n\n*!#dc");
	expect_sent("}\n}\n}\n", "$}\n}\n}\n#95");
}

static void output_that_does_not_fit_is_left_out_whole(void **state)
{
	(void)state;
	struct frame *f = frame_new();
	size_t size = FRAME_PAYLOAD_MAX;
	uint8_t *payload = malloc(size);
	assert_non_null(payload);
	for (size_t i = 0; i < size; i++)
		payload[i] = (uint8_t)('a' + i % 26);
	for (size_t i = 0; i < 4; i++)
		assert_true(frame_send(f, payload, size));
	assert_false(frame_send(f, payload, size));
	size_t before = f->out_tail;
	frame_send_byte(f, '+');
	assert_int_equal(f->out_tail, before);
	frame_sent(f, FRAME_RESERVE); /* room again, at the front */
	assert_true(frame_send(f, payload, size));
	assert_false(frame_send(f, payload, 1));
	frame_sent(f, SIZE_MAX);
	assert_int_equal(frame_room(f), FRAME_OUTPUT_SIZE);
	free(payload);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_packet_is_queued),
		cmocka_unit_test(a_wrong_checksum_is_noticed_while_there_are_acks),
		cmocka_unit_test(bytes_between_packets_have_their_meaning),
		cmocka_unit_test(they_mean_nothing_inside_a_packet),
		cmocka_unit_test(a_packet_that_was_cut_off_is_dropped_at_the_next_dollar),
		cmocka_unit_test(the_largest_packet_is_taken_and_one_byte_more_is_not),
		cmocka_unit_test(more_packets_than_the_queue_holds_are_an_overflow),
		cmocka_unit_test(
			a_packet_that_reaches_the_queues_end_goes_on_where_room_was_made),
		cmocka_unit_test(the_queue_gives_what_it_was_given),
		cmocka_unit_test(a_reply_is_framed),
		cmocka_unit_test(runs_are_shortened_from_four_on),
		cmocka_unit_test(runs_of_every_length_come_back),
		cmocka_unit_test(an_escaped_byte_never_begins_a_run),
		cmocka_unit_test(output_that_does_not_fit_is_left_out_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
