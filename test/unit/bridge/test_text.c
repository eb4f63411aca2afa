#include "bridge/capture/text.h"

#include "kdnet/wire.h"
#include "test/util.h"

/* The line for one datagram of the data channel; free() it. */
static char *line_of(bool to_target, enum kd_machine machine, const uint8_t *payload,
		     size_t length)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	const struct kdnet_datagram d = { .version = 5,
					  .channel = KDNET_CHANNEL_DATA,
					  .to_target = to_target,
					  .payload = payload,
					  .length = length };
	text_datagram(out, &d, machine, 1);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void check(bool to_target, enum kd_packet_type type, const uint8_t *data,
		  size_t length, const char *expected)
{
	uint8_t payload[KDNET_PAYLOAD_MAX];
	size_t size = kd_data_encode(payload, sizeof(payload), type, 2, data, length);
	assert_true(size > 0);
	char *line = line_of(to_target, KD_MACHINE_AMD64, payload, size);
	assert_string_equal(line, expected);
	free(line);
}

/* A manipulate packet: its number, and 64-bit words of u at 0 and 8. */
static const uint8_t *manipulate(unsigned api, uint64_t first, uint64_t second)
{
	static uint8_t data[KD_MANIPULATE_SIZE + 4];
	memset(data, 0, sizeof(data));
	store_le(data, api, 4);
	store_le(data + 6, 3, 2);
	store_le(data + 16, first, 8);
	store_le(data + 24, second, 8);
	memcpy(data + KD_MANIPULATE_SIZE, "\x90\xcc\x41\x7f", 4);
	return data;
}

static void requests_say_what_they_ask_for(void **state)
{
	(void)state;
	static const struct {
		unsigned api;
		uint64_t first, second;
		const char *line;
	} cases[] = {
		{ 0x3130, 0xfffff80000400000, 128,
		  "00000002 read virtual fffff80000400000 128" },
		{ 0x3131, 0xfffff80000400000, 4,
		  "00000002 write virtual fffff80000400000 4 90cc417f |..A.|" },
		{ 0x3132, 0, 0, "00000002 get context cpu 3" },
		{ 0x3134, 0x1000, 0, "00000002 write breakpoint 1000" },
		{ 0x3135, 7, 0, "00000002 restore breakpoint handle 7" },
		{ 0x3136, 0x10002, 0, "00000002 continue status 10002" },
		{ 0x3137, 2, 224, "00000002 read control space 2 224 cpu 3" },
		{ 0x3139, 0x3f8, 1, "00000002 read port 3f8 size 1 value 0" },
		{ 0x313b, 0, 0, "00000002 reboot" },
		{ 0x313c, 0x100010002, 0x400,
		  "00000002 continue2 status 10002 trace 1 dr7 400" },
		{ 0x313d, 0x1000, 16, "00000002 read physical 1000 16 caching 0" },
		{ 0x3149, 0xe2, 0, "00000002 cause bugcheck code e2" },
		{ 0x3150, 0, 0, "00000002 switch processor cpu 3" },
		{ 0x3153, 0x11c0000080, 0, "00000002 write msr c0000080 value 11" },
		{ 0x315a, 0, 0, "00000002 clear internal breakpoints" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(true, KD_PACKET_MANIPULATE,
		      manipulate(cases[i].api, cases[i].first, cases[i].second),
		      KD_MANIPULATE_SIZE + 4, cases[i].line);
}

static void replies_say_how_it_went(void **state)
{
	(void)state;
	check(false, KD_PACKET_MANIPULATE, manipulate(0x3130, 0x1000, 4 | 4ull << 32),
	      KD_MANIPULATE_SIZE + 4,
	      "00000002 read virtual 1000 4: ok 4 bytes 90cc417f |..A.|");
	check(false, KD_PACKET_MANIPULATE, manipulate(0x3134, 0x1000, 9),
	      KD_MANIPULATE_SIZE, "00000002 write breakpoint 1000: ok handle 9");
	uint8_t failed[KD_MANIPULATE_SIZE];
	memcpy(failed, manipulate(0x3130, 0x1000, 4), sizeof(failed));
	store_le(failed + 8, KD_STATUS_UNSUCCESSFUL, 4);
	check(false, KD_PACKET_MANIPULATE, failed, sizeof(failed),
	      "00000002 read virtual 1000 4: failed c0000001");
}

static void every_api_has_a_line_of_its_own(void **state)
{
	(void)state;
	unsigned known = 0;
	for (unsigned api = 0x3130; api <= 0x3160; api++) {
		uint8_t payload[KDNET_PAYLOAD_MAX];
		size_t size =
			kd_data_encode(payload, sizeof(payload), KD_PACKET_MANIPULATE, 2,
				       manipulate(api, 0, 0), KD_MANIPULATE_SIZE);
		for (unsigned way = 0; way < 2; way++) {
			char *line = line_of(way, KD_MACHINE_AMD64, payload, size);
			const char *name = kd_api_name(api);
			assert_non_null(strstr(line, name ? name : "type 2, 56 bytes"));
			known += name != NULL;
			free(line);
		}
	}
	assert_int_equal(known, 2 * 34);
}

static void what_a_target_prints_is_escaped(void **state)
{
	(void)state;
	uint8_t data[16 + 12] = { 0x30, 0x32 };
	store_le(data + 8, 12, 4);
	memcpy(data + 16, "a\"\\\x1b[2J\r\n\t\xff\0", 12);
	check(false, KD_PACKET_DEBUG_IO, data, sizeof(data),
	      "00000002 print cpu 0 \"a\\\"\\\\\\x1b[2J\\r\\n\\t\\xff\\x00\"");
}

static void prompts_and_their_answers_are_shown(void **state)
{
	(void)state;
	uint8_t data[16 + 3] = { 0x31, 0x32 };
	store_le(data + 8, 3, 4);
	store_le(data + 12, 2, 4);
	memcpy(data + 16, "ok?", 3);
	check(false, KD_PACKET_DEBUG_IO, data, sizeof(data),
	      "00000002 prompt cpu 0 \"ok?\" room 2");
	store_le(data + 12, 1, 4);
	memcpy(data + 16, "y", 1);
	check(true, KD_PACKET_DEBUG_IO, data, 17, "00000002 prompt answer \"y\"");
	/* an answer longer than its packet is no answer */
	store_le(data + 12, 100, 4);
	check(true, KD_PACKET_DEBUG_IO, data, 17,
	      "00000002 debug I/O, type 3, 17 bytes "
	      "31320000000000000300000064000000"
	      "79 |12..........d...y|");
}

static void file_requests_and_answers_are_shown(void **state)
{
	(void)state;
	uint8_t data[64 + 4] = { 0x31, 0x34 };
	store_le(data + 8, 0x77, 8);
	store_le(data + 16, 0x400, 8);
	store_le(data + 24, 4, 4);
	memcpy(data + 64, "MZ\x90", 4);
	check(false, KD_PACKET_FILE_IO, data, 64,
	      "00000002 read file handle 77 offset 400 4");
	check(true, KD_PACKET_FILE_IO, data, 68,
	      "00000002 read file: ok handle 77 4 bytes 4d5a9000 |MZ..|");
	data[0] = 0x33;
	check(false, KD_PACKET_FILE_IO, data, 64, "00000002 close file handle 77");
	data[0] = 0x30;
	memcpy(data + 64, "\\\0\xe9\x01", 4);
	check(false, KD_PACKET_FILE_IO, data, 68,
	      "00000002 create file \"\\\\\\u01e9\" access 77 disposition 0");
}

static void states_are_shown(void **state)
{
	(void)state;
	uint8_t data[240 + 8] = { 0x30, 0x30 };
	store_le(data + 24, 0xfffff80000400000, 8);
	store_le(data + 32, 0xc0000005, 4);
	store_le(data + 48, 0xfffff80000400000, 8);
	store_le(data + 56, 2, 4);
	store_le(data + 64, 1, 8);
	store_le(data + 72, 0x10, 8);
	check(false, KD_PACKET_STATE_CHANGE64, data, 240,
	      "00000002 state change exception c0000005 cpu 0 pc fffff80000400000 "
	      "address fffff80000400000 second chance parameters 1,10");
	memset(data + 32, 0, 208);
	data[0] = 0x32;
	memcpy(data + 240, "n\0cmd\0", 6);
	check(false, KD_PACKET_STATE_CHANGE64, data, 246,
	      "00000002 state change command \"n\" \"cmd\" cpu 0 pc fffff80000400000");
	data[0] = 0x31;
	data[64] = 1;
	store_le(data + 32, 6, 4);
	check(false, KD_PACKET_STATE_CHANGE64, data, 246,
	      "00000002 state change unload \"n\" base 0 size 0 checksum 0 cpu 0 pc "
	      "fffff80000400000");
}

static void a_context_tells_its_machine_by_its_size(void **state)
{
	(void)state;
	static uint8_t data[KD_MANIPULATE_SIZE + KD_CONTEXT_AMD64];
	uint8_t payload[KDNET_PAYLOAD_MAX];
	memcpy(data, manipulate(0x3132, 0, 0), KD_MANIPULATE_SIZE);
	store_le(data + KD_MANIPULATE_SIZE + 0xf8, 0xfffff80000400000, 8);
	size_t size = kd_data_encode(payload, sizeof(payload), KD_PACKET_MANIPULATE, 2,
				     data, sizeof(data));
	char *line = line_of(false, KD_MACHINE_UNKNOWN, payload, size);
	assert_string_equal(line, "00000002 get context cpu 3: ok 1232 bytes pc "
				  "fffff80000400000 sp 0 flags 0");
	free(line);
	size = kd_data_encode(payload, sizeof(payload), KD_PACKET_MANIPULATE, 2, data,
			      sizeof(data) - 1);
	line = line_of(false, KD_MACHINE_UNKNOWN, payload, size);
	assert_null(strstr(line, "pc"));
	free(line);
}

static void damage_is_shown(void **state)
{
	(void)state;
	uint8_t payload[64];
	size_t size = kd_data_encode(payload, sizeof(payload), KD_PACKET_TRACE_IO, 2,
				     (const uint8_t *)"abc", 3);
	payload[16] = 'x';
	char *line = line_of(false, KD_MACHINE_AMD64, payload, size);
	assert_string_equal(line, "00000002 trace I/O, type 9, 3 bytes 786263 |xbc| "
				  "(wrong checksum)");
	free(line);
	line = line_of(false, KD_MACHINE_AMD64, payload, 17);
	assert_non_null(strstr(line, "no KD packet, 17 bytes"));
	free(line);
}

static void only_printable_ascii_reaches_the_terminal(void **state)
{
	(void)state;
	uint64_t seed = 0x74657874;
	static const enum kd_machine machines[] = { KD_MACHINE_AMD64, KD_MACHINE_I386,
						    KD_MACHINE_ARM64,
						    KD_MACHINE_UNKNOWN };
	static const uint16_t apis[] = { 0x3030, 0x3031, 0x3032, 0x3230, 0x3231, 0x3430,
					 0x3431, 0x3432, 0x3433, 0x3130, 0x3132, 0x3146 };
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t data[300], payload[KDNET_PAYLOAD_MAX];
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)test_random(&seed);
		store_le(data, apis[test_random(&seed) % 12], 4);
		enum kd_packet_type type = (enum kd_packet_type)(test_random(&seed) % 13);
		size_t size = kd_data_encode(payload, sizeof(payload), type, 2, data,
					     test_random(&seed) % sizeof(data));
		uint8_t *exact = test_exact_copy(payload, size);
		char *line = line_of(round & 1, machines[round / 2 % 4], exact, size);
		for (const char *c = line; *c; c++)
			assert_in_range(*c, ' ', '~');
		free(line);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_say_what_they_ask_for),
		cmocka_unit_test(replies_say_how_it_went),
		cmocka_unit_test(every_api_has_a_line_of_its_own),
		cmocka_unit_test(what_a_target_prints_is_escaped),
		cmocka_unit_test(prompts_and_their_answers_are_shown),
		cmocka_unit_test(file_requests_and_answers_are_shown),
		cmocka_unit_test(states_are_shown),
		cmocka_unit_test(a_context_tells_its_machine_by_its_size),
		cmocka_unit_test(damage_is_shown),
		cmocka_unit_test(only_printable_ascii_reaches_the_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
