#include "bridge/capture/dissect.h"

#include <stdio.h>
#include <unistd.h>

#include "kdnet/kdnet.h"
#include "test/unit/bridge/capture_file.h"

static const char win10[] = TEST_VECTORS "/win10-v4.pcapng";

/* What one run wrote and returned. */
struct run {
	int status;
	char *out;
	char *err;
	size_t out_length;
	size_t err_length;
};

static struct run dissect(const char *path, const char *key_text,
			  enum dissect_format format)
{
	struct run run;
	uint8_t key[KDNET_KEY_SIZE];
	if (key_text)
		assert_int_equal(kdnet_key_parse(key, key_text), KDNET_KEY_OK);
	FILE *out = open_memstream(&run.out, &run.out_length);
	FILE *err = open_memstream(&run.err, &run.err_length);
	assert_non_null(out);
	assert_non_null(err);
	run.status = dissect_run(path, key_text ? key : NULL, format, out, err);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(err), 0);
	return run;
}

static void run_free(struct run *run)
{
	free(run->out);
	free(run->err);
}

/* The line that begins with the frame's number, NUL-terminated; free() it. */
static char *line_of(const struct run *run, unsigned frame)
{
	char start[16];
	int length = snprintf(start, sizeof(start), "%u ", frame);
	for (const char *line = run->out; line && *line;) {
		const char *end = strchr(line, '\n');
		assert_non_null(end);
		if (strncmp(line, start, (size_t)length) == 0)
			return strndup(line, (size_t)(end - line));
		line = end + 1;
	}
	return NULL;
}

static void check_line(const struct run *run, unsigned frame, const char *expected)
{
	char *line = line_of(run, frame);
	assert_non_null(line);
	assert_string_equal(line, expected);
	free(line);
}

/* ---- a real session ---- */

static void hex_is_the_transcript_of_the_vectors(void **state)
{
	(void)state;
	struct run run = dissect(win10, "8.8.8.8", DISSECT_HEX);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.err, "");
	unsigned lines = 0;
	for (const char *at = run.out; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 955);

	char *text = test_vector_file("win10-v4.txt", NULL);
	unsigned compared = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] == '#')
			continue;
		check_line(&run, (unsigned)strtoul(line, NULL, 10), line);
		compared++;
	}
	assert_int_equal(compared, 532);
	free(text);
	run_free(&run);
}

static void text_says_what_each_datagram_is(void **state)
{
	(void)state;
	static const struct {
		unsigned frame;
		const char *line;
	} expected[] = {
		{ 1, "1 0.000000 T>H poke 38849, identity 92dfac7aa1dfe007 "
		     "target 192.168.2.72:51111 host 192.168.2.1:51111 not bound, "
		     "up 3 s, version 4" },
		{ 2, "2 0.002435 H>T response, session 1 begins" },
		{ 3, "3 0.002481 T>H connection check, host 192.168.2.1" },
		{ 4, "4 0.002505 T>H 00000000 print cpu 0 "
		     "\"BD: Boot Debugger Initialized\\n\"" },
		{ 5, "5 0.004067 H>T resend" },
		{ 7, "7 0.004573 H>T ack 00000000" },
		{ 8, "8 0.004777 T>H 00000002 state change load \"winload.efi\" base "
		     "96f000 size 17d000 checksum 149e3f cpu 0 pc a79685" },
		{ 18, "18 0.021466 H>T 80000004 read virtual fffff8017bc49e30 136" },
		{ 16, "16 0.021081 T>H 00000006 read virtual ad5e60 16: ok 16 bytes "
		      "309ec47b01f8ffff5086c57b01f8ffff |0..{....P..{....|" },
		{ 60, "60 0.032475 T>H 0000001c restore breakpoint handle 1: failed "
		      "c0000001" },
		{ 196, "196 0.043235 T>H 00000060 get context cpu 0: ok 1232 bytes pc "
		       "a79685 sp 1a6d98 flags 6" },
		{ 202, "202 0.544362 H>T reset, next id 80000060" },
		{ 234, "234 0.624551 H>T 8000006e continue2 status 10002 trace 0 dr7 "
		       "400" },
		{ 244, "244 0.816869 T>H 00000076 create file "
		       "\"\\\\Windows\\\\system32\\\\ntkrnlmp.chk\" access 120089 "
		       "disposition 1" },
		{ 378, "378 1.112450 T>H 000000be state change exception 80000003 cpu 0 "
		       "pc 9cf07e address 9cf07d first chance parameters 0" },
		{ 952, "952 1289.049488 T>H 00000108 state change unload: the target "
		       "leaves" },
	};
	struct run run = dissect(win10, "8.8.8.8", DISSECT_TEXT);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.err, "");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		check_line(&run, expected[i].frame, expected[i].line);
	assert_non_null(
		strstr(run.out, "\n955 datagrams: 955 opened, 0 sealed; 1 session\n"));
	run_free(&run);
}

static void no_datagram_of_a_real_session_remains_undecoded(void **state)
{
	(void)state;
	struct run run = dissect(win10, "8.8.8.8", DISSECT_TEXT);
	assert_null(strstr(run.out, "type "));
	assert_null(strstr(run.out, "no KD packet"));
	assert_null(strstr(run.out, "wrong checksum"));
	run_free(&run);
}

static void a_key_that_does_not_fit_is_said_so(void **state)
{
	(void)state;
	struct run run = dissect(win10, "8.8.8.7", DISSECT_TEXT);
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.err, "the key does not fit"));
	assert_non_null(strstr(run.out, "955 datagrams: 0 opened, 955 sealed"));
	check_line(&run, 1, "1 0.000000 ??? sealed, control channel, 374 bytes");
	run_free(&run);
}

static void without_a_key_it_is_told_who_spoke_to_whom(void **state)
{
	(void)state;
	struct run run = dissect(win10, NULL, DISSECT_TEXT);
	assert_int_equal(run.status, 0);
	check_line(&run, 1,
		   "1 0.000000 ??? sealed, control channel, 374 bytes, "
		   "192.168.2.72:51111 to 192.168.2.1:51111");
	assert_non_null(strstr(run.out, "955 datagrams: 0 opened, 955 sealed"));
	assert_non_null(strstr(run.err, "no key: what is sealed opens with --key KEY"));
	run_free(&run);
	run = dissect(win10, NULL, DISSECT_SUMMARY);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.out, "from 2016-01-24 10:36:11 UTC on, 1289.049 s\n"
				     "955 datagrams: 0 opened, 955 sealed; 0 sessions\n");
	run_free(&run);
}

static void a_summary_counts_exchanges_losses_and_stops(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"955 datagrams: 955 opened, 0 sealed; 1 session\n",
		"\nfrom the target         692     195976        0        0        1        "
		"1        1\n",
		"\nto the target           263      24090        0        0        1        "
		"1        1\n",
		"427 pokes, 1 responses, 0 host pokes, 0 break-ins; 6 prints, 0 prompts",
		"\nread virtual                     44       44      1     0.044     0.214",
		"\ncontinue2                         2        0      0         -",
		"\nexception 80000003                1\n",
	};
	struct run run = dissect(win10, "8.8.8.8", DISSECT_SUMMARY);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.err, "");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_non_null(strstr(run.out, lines[i]));
	run_free(&run);
}

/* ---- files that are wrong ---- */

static void files_that_are_no_captures_exit_1(void **state)
{
	(void)state;
	struct run run = dissect("/nonexistent", "1.1.1.1", DISSECT_TEXT);
	assert_int_equal(run.status, 1);
	assert_string_equal(run.err, "kdbridge: cannot read /nonexistent: No such file "
				     "or directory\n");
	run_free(&run);
	run = dissect(TEST_VECTORS "/win10-v4.txt", "1.1.1.1", DISSECT_TEXT);
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.err, "is neither pcapng nor pcap"));
	run_free(&run);
}

/* A capture on disk, from the writers of capture_file.h; unlinked by run_capture. */
static struct run run_capture(const struct capture_file *f, const char *key,
			      enum dissect_format format)
{
	char path[] = "/tmp/test_dissect.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->bytes, f->w.length), (ssize_t)f->w.length);
	assert_int_equal(close(fd), 0);
	struct run run = dissect(path, key, format);
	assert_int_equal(unlink(path), 0);
	return run;
}

/* ---- made-up sessions ---- */

static const char made_up_key[] = "1a.2b.3c.4d";

struct made_up {
	struct capture_file *file;
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control;
	uint64_t time_ns;
};

static struct made_up *made_up_new(void)
{
	struct made_up *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	m->file = capture_new(CAPTURE_NG, false, PCAP_LINK_RAW);
	m->time_ns = UINT64_C(1700000000000000000);
	assert_int_equal(kdnet_key_parse(m->key, made_up_key), KDNET_KEY_OK);
	kdnet_cipher_init(&m->control, m->key, m->key);
	return m;
}

static void made_up_free(struct made_up *m)
{
	free(m->file);
	free(m);
}

/* Any bytes as a UDP datagram, a millisecond after the last. */
static void add_udp(struct made_up *m, const uint8_t *bytes, size_t length)
{
	uint8_t packet[KDNET_DATAGRAM_MAX + 64];
	capture_packet(m->file, m->time_ns, packet,
		       capture_ipv4(packet, sizeof(packet), bytes, length));
	m->time_ns += 1000000;
}

static void add_datagram(struct made_up *m, const struct kdnet_cipher *cipher,
			 enum kdnet_channel channel, bool to_target, const void *payload,
			 size_t length)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	const struct kdnet_datagram d = { .version = 5,
					  .channel = channel,
					  .to_target = to_target,
					  .sequence = 1,
					  .payload = payload,
					  .length = length };
	size_t size = kdnet_seal(sealed, sizeof(sealed), cipher, &d);
	assert_true(size > 0);
	add_udp(m, sealed, size);
}

/* A response, and the cipher of the session that it begins. */
static void add_response(struct made_up *m, uint8_t nonce, struct kdnet_cipher *cipher)
{
	uint8_t response[KDNET_RESPONSE_SIZE] = { 1, 2, [40] = nonce };
	uint8_t key[KDNET_KEY_SIZE];
	add_datagram(m, &m->control, KDNET_CHANNEL_CONTROL, true, response,
		     sizeof(response));
	kdnet_data_key(key, m->key, response);
	kdnet_cipher_init(cipher, m->key, key);
}

static void add_data(struct made_up *m, const struct kdnet_cipher *cipher, bool to_target,
		     const void *payload, size_t length)
{
	add_datagram(m, cipher, KDNET_CHANNEL_DATA, to_target, payload, length);
}

static void sessions_may_follow_and_overlap_each_other(void **state)
{
	(void)state;
	struct made_up *m = made_up_new();
	struct kdnet_cipher first, second;
	add_response(m, 1, &first);
	add_data(m, &first, true, "b", 1);
	add_response(m, 2, &second);
	add_response(m, 2, &second); /* the network did that */
	add_data(m, &second, true, "b", 1);
	add_data(m, &first, true, "b", 1); /* a straggler */
	struct run run = run_capture(m->file, made_up_key, DISSECT_TEXT);
	assert_int_equal(run.status, 0);
	check_line(&run, 2, "2 0.001000 H>T break-in");
	check_line(&run, 3, "3 0.002000 H>T response, session 2 begins");
	check_line(&run, 4, "4 0.003000 H>T response, session 2 begins");
	check_line(&run, 5, "5 0.004000 H>T break-in");
	check_line(&run, 6, "6 0.005000 H>T break-in");
	assert_non_null(strstr(run.out, "6 datagrams: 6 opened, 0 sealed; 2 sessions"));
	run_free(&run);
	made_up_free(m);
}

static void the_oldest_of_very_many_sessions_is_forgotten(void **state)
{
	(void)state;
	struct made_up *m = made_up_new();
	struct kdnet_cipher first, later;
	add_response(m, 0, &first);
	for (unsigned i = 1; i < 32; i++)
		add_response(m, (uint8_t)i, &later);
	add_data(m, &first, true, "b", 1);
	for (unsigned i = 32; i < 40; i++)
		add_response(m, (uint8_t)i, &later);
	add_data(m, &later, true, "b", 1);
	add_data(m, &first, true, "b", 1);
	struct run run = run_capture(m->file, made_up_key, DISSECT_TEXT);
	check_line(&run, 33, "33 0.032000 H>T break-in");
	check_line(&run, 42, "42 0.041000 H>T break-in");
	check_line(&run, 43, "43 0.042000 ??? sealed, data channel, 38 bytes");
	run_free(&run);
	made_up_free(m);
}

static void data_without_a_handshake_stays_sealed(void **state)
{
	(void)state;
	struct made_up *m = made_up_new();
	struct kdnet_cipher never;
	uint8_t poke[344] = { 1, 1, 7, 0 };
	kdnet_cipher_init(&never, m->key, (const uint8_t[KDNET_KEY_SIZE]){ 9 });
	add_datagram(m, &m->control, KDNET_CHANNEL_CONTROL, false, poke, sizeof(poke));
	add_data(m, &never, true, "b", 1);
	struct run run = run_capture(m->file, made_up_key, DISSECT_TEXT);
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "2 datagrams: 1 opened, 1 sealed; 0 sessions"));
	assert_non_null(strstr(run.err, "begins in the middle of a session"));
	run_free(&run);
	run = run_capture(m->file, made_up_key, DISSECT_HEX);
	char *line = line_of(&run, 2);
	assert_non_null(line);
	assert_memory_equal(line, "2 0.001000 ? 0 sealed 4d444247",
			    strlen("2 0.001000 ? 0 sealed 4d444247"));
	free(line);
	assert_non_null(strstr(run.err, "1 opened, 1 sealed"));
	run_free(&run);
	made_up_free(m);
}

static void other_traffic_is_passed_over(void **state)
{
	(void)state;
	struct made_up *m = made_up_new();
	add_udp(m, (const uint8_t *)"dns", 3);
	struct run run = run_capture(m->file, made_up_key, DISSECT_TEXT);
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.err, "holds no KDNET datagram"));
	run_free(&run);
	struct kdnet_cipher session;
	add_response(m, 1, &session);
	add_udp(m, (const uint8_t *)"MDBG\5\0tooshort", 14);
	run = run_capture(m->file, made_up_key, DISSECT_TEXT);
	assert_int_equal(run.status, 0);
	check_line(&run, 2, "2 0.001000 H>T response, session 1 begins");
	check_line(&run, 3, "3 0.002000 ??? malformed, length, data channel, 14 bytes");
	assert_non_null(strstr(run.out, "1 malformed"));
	run_free(&run);
	made_up_free(m);
}

static void a_capture_that_was_cut_off_gives_what_is_there(void **state)
{
	(void)state;
	struct made_up *m = made_up_new();
	struct kdnet_cipher session;
	add_response(m, 1, &session);
	add_data(m, &session, true, "b", 1);
	m->file->w.length -= 5;
	struct run run = run_capture(m->file, made_up_key, DISSECT_TEXT);
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "1 datagrams: 1 opened"));
	assert_non_null(strstr(run.err, "is damaged or cut off"));
	run_free(&run);
	made_up_free(m);
}

static void no_key_is_ever_printed(void **state)
{
	(void)state;
	static const enum dissect_format formats[] = { DISSECT_TEXT, DISSECT_HEX };
	for (unsigned i = 0; i < 2; i++) {
		struct run run = dissect(win10, "8.8.8.8", formats[i]);
		assert_null(strstr(run.out, "8.8.8.8"));
		assert_null(strstr(
			run.out,
			"0800000000000000080000000000000008000000000000000800000000000000"));
		run_free(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_is_the_transcript_of_the_vectors),
		cmocka_unit_test(text_says_what_each_datagram_is),
		cmocka_unit_test(no_datagram_of_a_real_session_remains_undecoded),
		cmocka_unit_test(a_key_that_does_not_fit_is_said_so),
		cmocka_unit_test(without_a_key_it_is_told_who_spoke_to_whom),
		cmocka_unit_test(a_summary_counts_exchanges_losses_and_stops),
		cmocka_unit_test(files_that_are_no_captures_exit_1),
		cmocka_unit_test(sessions_may_follow_and_overlap_each_other),
		cmocka_unit_test(the_oldest_of_very_many_sessions_is_forgotten),
		cmocka_unit_test(data_without_a_handshake_stays_sealed),
		cmocka_unit_test(other_traffic_is_passed_over),
		cmocka_unit_test(a_capture_that_was_cut_off_gives_what_is_there),
		cmocka_unit_test(no_key_is_ever_printed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
