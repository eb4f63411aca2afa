#include "bridge/gdb/console.h"
#include "test/unit/rsp/client.h"
#include "test/util.h"

/* A client that has resumed, so that it takes text. */
static enum rsp_result on_resume(void *context, const struct rsp_resume *resume)
{
	(void)context;
	(void)resume;
	return RSP_OK;
}

static enum rsp_result on_stop(void *context, struct rsp_stop *stop)
{
	(void)context;
	*stop = (struct rsp_stop){ .signal = 5, .thread = 1 };
	return RSP_OK;
}

static const struct rsp_target target = { .resume = on_resume, .stop_reason = on_stop };

static void send(struct rsp *r, const char *packet)
{
	uint8_t frame[256];
	size_t length = client_frame(frame, packet, strlen(packet));

	assert_true(rsp_receive(r, frame, length, 1));
	assert_true(rsp_serve(r, 1));
}

static void skip_output(struct rsp *r)
{
	size_t length;

	(void)rsp_output(r, &length);
	rsp_sent(r, length);
}

static struct rsp *start(void)
{
	struct rsp *r = rsp_new(&target, NULL);

	send(r, "QStartNoAckMode");
	send(r, "?");
	skip_output(r);
	return r;
}

/* The text of all O packets in the output. */
static size_t shown(struct rsp *r, char *out, size_t room)
{
	static uint8_t packet[0x10000];
	size_t length, written = 0, size;
	struct client_reader reader = { 0 };

	reader.pos = rsp_output(r, &size);
	reader.left = size;
	while (client_next(&reader, packet, sizeof(packet), &length)) {
		assert_int_equal(packet[0], 'O');
		for (size_t i = 1; i + 1 < length; i += 2) {
			unsigned byte;
			char digits[3] = { (char)packet[i], (char)packet[i + 1], 0 };

			assert_int_equal(sscanf(digits, "%2x", &byte), 1);
			assert_true(written < room);
			out[written++] = (char)byte;
		}
	}
	rsp_sent(r, size);
	return written;
}

static void text_waits_until_the_client_runs(void **state)
{
	struct console *c = calloc(1, sizeof(*c));
	struct rsp *r = start();
	char text[64];

	(void)state;
	console_put(c, "one ", 4);
	console_flush(c, r);
	assert_int_equal(shown(r, text, sizeof(text)), 0);
	console_say(c, "two %d\n", 2);
	send(r, "vCont;c");
	console_flush(c, r);
	assert_int_equal(shown(r, text, sizeof(text)), 10);
	assert_memory_equal(text, "one two 2\n", 10);
	console_flush(c, r);
	assert_int_equal(shown(r, text, sizeof(text)), 0);
	rsp_free(r);
	free(c);
}

static void nobody_there_is_no_error(void **state)
{
	struct console *c = calloc(1, sizeof(*c));

	(void)state;
	console_put(c, "kept", 4);
	console_flush(c, NULL);
	assert_int_equal(c->length, 4);
	free(c);
}

static void the_oldest_goes_first_and_that_is_said(void **state)
{
	struct console *c = calloc(1, sizeof(*c));
	struct rsp *r = start();
	static char text[CONSOLE_SIZE + 200], big[CONSOLE_SIZE];
	size_t length;

	(void)state;
	console_put(c, "lost", 4);
	memset(big, 'x', sizeof(big));
	big[0] = 'A';
	big[sizeof(big) - 1] = 'Z';
	console_put(c, big, sizeof(big));
	send(r, "vCont;c");
	console_flush(c, r);
	length = shown(r, text, sizeof(text));
	assert_memory_equal(text, "[kdbridge: 4 bytes of older output lost]\nA", 42);
	assert_int_equal(text[length - 1], 'Z');
	rsp_free(r);
	free(c);
}

static void what_goes_through_equals_what_went_in(void **state)
{
	struct console *c = calloc(1, sizeof(*c));
	struct rsp *r = start();
	static char in[CONSOLE_SIZE], out[CONSOLE_SIZE];
	uint64_t seed = 20261124;

	(void)state;
	send(r, "vCont;c");
	for (int turn = 0; turn < 200; turn++) {
		size_t length = test_random(&seed) % 5000, sent = 0;

		for (size_t i = 0; i < length; i++)
			in[i] = (char)test_random(&seed);
		while (sent < length) {
			size_t piece = 1 + test_random(&seed) % (length - sent);

			console_put(c, in + sent, piece);
			sent += piece;
		}
		console_flush(c, r);
		assert_int_equal(shown(r, out, sizeof(out)), length);
		assert_memory_equal(in, out, length);
	}
	rsp_free(r);
	free(c);
}

static void more_than_the_ring_holds_keeps_the_end(void **state)
{
	struct console *c = calloc(1, sizeof(*c));
	static char big[CONSOLE_SIZE + 10];

	(void)state;
	memset(big, 'x', sizeof(big));
	console_put(c, big, sizeof(big));
	assert_int_equal(c->length, CONSOLE_SIZE);
	assert_int_equal(c->dropped, 10);
	free(c);
}

struct seen {
	char text[2048];
	size_t lines;
};

static void see(void *context, const char *text, size_t length)
{
	struct seen *seen = context;

	seen->lines++;
	(void)snprintf(seen->text + strlen(seen->text),
		       sizeof(seen->text) - strlen(seen->text), "%.*s|", (int)length,
		       text);
}

static const char *last(const struct console *c, size_t lines, struct seen *seen)
{
	size_t calls;

	*seen = (struct seen){ .lines = 0 };
	calls = console_lines(c, lines, see, seen);
	assert_int_equal(calls, seen->lines);
	return seen->text;
}

static void the_last_lines_can_be_read_again(void **state)
{
	struct console *c = calloc(1, sizeof(*c));
	struct seen seen;

	(void)state;
	assert_string_equal(last(c, 5, &seen), "");
	console_say(c, "one\ntwo\n\nfour");
	assert_string_equal(last(c, 1, &seen), "four|");
	assert_string_equal(last(c, 2, &seen), "|four|");
	assert_string_equal(last(c, 9, &seen), "one|two||four|");
	assert_string_equal(last(c, 0, &seen), "");
	console_say(c, "\n");
	assert_string_equal(last(c, 1, &seen), "four|");
	assert_string_equal(last(c, 3, &seen), "two||four|");
	free(c);
}

static void long_lines_come_in_pieces_also_over_the_end_of_the_ring(void **state)
{
	struct console *c = calloc(1, sizeof(*c));
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < CONSOLE_SIZE - 300; i++)
		console_put(c, "x", 1);
	console_say(c, "\n");
	for (size_t i = 0; i < CONSOLE_LINE_MAX + 88; i++)
		console_put(c, "y", 1);
	console_say(c, "\n");
	last(c, 1, &seen);
	assert_int_equal(seen.lines, 2);
	assert_int_equal(strspn(seen.text, "y"), CONSOLE_LINE_MAX);
	assert_int_equal(strlen(seen.text), CONSOLE_LINE_MAX + 88 + 2);
	free(c);
}

static void nothing_steers_the_terminal(void **state)
{
	char out[16];

	(void)state;
	console_harmless(out, sizeof(out), "a\tb\x1b[1m\x7f\r", 9);
	assert_string_equal(out, "a\tb?[1m?");
	/* UTF-8 stays, C1 control characters and what is no UTF-8 do not */
	console_harmless(out, sizeof(out), "\xc3\xa4\xc2\x9b\xff\xe2\x82", 7);
	assert_string_equal(out, "\xc3\xa4?????");
	console_harmless(out, 4, "abcdef", 6);
	assert_string_equal(out, "abc");
	console_harmless(out, 3, "a\xc3\xa4", 3); /* no half of a character */
	assert_string_equal(out, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_waits_until_the_client_runs),
		cmocka_unit_test(nobody_there_is_no_error),
		cmocka_unit_test(the_oldest_goes_first_and_that_is_said),
		cmocka_unit_test(what_goes_through_equals_what_went_in),
		cmocka_unit_test(more_than_the_ring_holds_keeps_the_end),
		cmocka_unit_test(the_last_lines_can_be_read_again),
		cmocka_unit_test(long_lines_come_in_pieces_also_over_the_end_of_the_ring),
		cmocka_unit_test(nothing_steers_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
