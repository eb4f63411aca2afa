/*
 * Random and half-valid streams, cut anywhere: no crash, bounded output, replies that are
 * framed right, as many as there are requests. The seed is printed.
 */
#include "test/util.h"

#include "rsp/conn.h"
#include "test/unit/rsp/talk.h"

enum { ROUNDS = 300, STEPS = 60 };

static const char *const pieces[] = {
	"?",
	"g",
	"G",
	"p",
	"P",
	"m",
	"M",
	"X",
	"Z",
	"z",
	"vCont;",
	"vCont?",
	"c",
	"s",
	"C",
	"S",
	"H",
	"Hg",
	"Hc",
	"T",
	"qC",
	"qRcmd,",
	"D",
	"k",
	"R",
	"!",
	"vKill;",
	"vAttach;",
	"qXfer:",
	"libraries",
	"features",
	"threads",
	":read:",
	"target.xml",
	"qSupported:",
	"multiprocess+",
	"QThreadEvents+",
	"QStartNoAckMode",
	"qfThreadInfo",
	"qThreadExtraInfo,",
	"1000",
	"1",
	"0",
	"-1",
	"p1.1",
	"p1.2",
	"ffffffffffffffff",
	"20000",
	",",
	":",
	";",
	"=",
	"-",
	"}",
	"}\x03",
	"c:p1.-1",
	"r1000,1010",
	"2a2a2a2a",
	"xxxxxxxx",
	"\x03",
};

static size_t random_payload(uint64_t *seed, uint8_t *out, size_t room)
{
	size_t length = 0;
	for (uint64_t n = test_random(seed) % 6; n > 0; n--) {
		const char *piece =
			pieces[test_random(seed) % (sizeof(pieces) / sizeof(*pieces))];
		size_t size = strlen(piece);
		for (size_t i = 0; i < size && length < room; i++)
			out[length++] = (uint8_t)piece[i];
	}
	for (uint64_t n = test_random(seed) % 8; n > 0 && length < room; n--) {
		uint8_t byte = (uint8_t)test_random(seed);
		if (byte != '$' && byte != '#' && test_random(seed) % 4 == 0)
			out[length++] = byte;
	}
	return length;
}

/* Everything that waits is framed right: client_next fails otherwise. */
static size_t read_all(struct talk *t)
{
	size_t packets = 0, waiting;
	(void)rsp_output(t->rsp, &waiting);
	assert_true(waiting <= FRAME_OUTPUT_SIZE);
	while (talk_read(t))
		packets += t->reply[0] != 'O' || strcmp(t->reply, "OK") == 0;
	return packets;
}

static void one_step(struct talk *t, uint64_t *seed)
{
	uint8_t wire[512];
	uint64_t kind = test_random(seed) % 8;
	if (kind == 0) { /* garbage */
		size_t length = test_random(seed) % 64;
		for (size_t i = 0; i < length; i++)
			wire[i] = (uint8_t)test_random(seed);
		talk_bytes(t, wire, length);
	} else if (kind == 1) {
		rsp_stop(t->rsp, &t->fake->stop);
	} else if (kind == 2) {
		(void)rsp_console(t->rsp, "text\n", 5);
	} else {
		uint8_t payload[256];
		size_t length = random_payload(seed, payload, sizeof(payload));
		size_t framed = client_frame(wire, payload, length);
		if (test_random(seed) % 16 == 0)
			wire[test_random(seed) % framed] ^= 1;
		talk_bytes(t, wire, framed);
	}
	t->now_us += test_random(seed) % 2000000;
	rsp_expire(t->rsp, t->now_us);
}

static void any_stream_is_survived_and_answered_in_frames(void **state)
{
	(void)state;
	uint64_t seed = 0x2026112417;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (int round = 0; round < ROUNDS; round++) {
		struct talk *t = talk_new();
		t->fake->document = "<library-list/>";
		if (round % 2 == 0)
			talk_connect(t);
		if (round % 3 == 0)
			ask(t, "!", "OK");
		for (int step = 0; step < STEPS && t->open; step++) {
			one_step(t, &seed);
			if (t->open && test_random(&seed) % 2 == 0)
				talk_serve(t);
			(void)read_all(t);
		}
		rsp_closed(t->rsp);
		assert_true(t->fake->detached >= t->fake->attached);
		assert_false(rsp_has_work(t->rsp));
		talk_free(t);
	}
}

/* Good packets without acks: as many replies as requests and stops, or one fewer while
 * the target runs. */
static void every_request_has_one_reply(void **state)
{
	(void)state;
	uint64_t seed = 0x17112026;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (int round = 0; round < ROUNDS; round++) {
		struct talk *t = talk_new();
		talk_connect(t);
		for (int step = 0; step < STEPS && t->open; step++) {
			uint8_t payload[256];
			size_t length = random_payload(&seed, payload, sizeof(payload));
			bool leaves = length == 1 && payload[0] == 'k';
			talk_send(t, payload, length);
			talk_serve(t);
			size_t replies = read_all(t);
			if (rsp_is_running(t->rsp)) {
				assert_int_equal(replies, 0);
				rsp_stop(t->rsp, &t->fake->stop);
				replies = read_all(t);
			}
			assert_int_equal(replies, leaves ? 0 : 1);
		}
		talk_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_stream_is_survived_and_answered_in_frames),
		cmocka_unit_test(every_request_has_one_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
