#include "bridge/capture/pcapng.h"

#include "test/util.h"

enum { FILE_MAX = 1 << 16, PACKETS = 20, LENGTH_MAX = 1600 };

static void what_is_written_reads_back_the_same(void **state)
{
	(void)state;
	uint64_t random = 7;
	uint8_t *file = malloc(FILE_MAX), *bytes = malloc((size_t)PACKETS * LENGTH_MAX);
	assert_non_null(file);
	assert_non_null(bytes);
	for (unsigned turn = 0; turn < 200; turn++) {
		static const char *const comments[] = { NULL, "", "a", "four", "sealed" };
		const char *comment = comments[turn % 5];
		struct pcapng_packet packets[PACKETS];
		struct writer w = wr_init(file, FILE_MAX);
		pcapng_put_section(&w, "test 1", comment);
		pcapng_put_interface(&w, PCAP_LINK_RAW, "kdnet");
		for (unsigned n = 0; n < PACKETS; n++) {
			uint8_t *own = bytes + (size_t)n * LENGTH_MAX;
			packets[n] = (struct pcapng_packet){
				.time_ns = test_random(&random),
				.bytes = own,
				.length = test_random(&random) % LENGTH_MAX,
				.outbound = test_random(&random) % 2,
				.comment = comments[test_random(&random) % 5],
			};
			for (size_t i = 0; i < packets[n].length; i++)
				own[i] = (uint8_t)test_random(&random);
			pcapng_put_packet(&w, &packets[n]);
		}
		assert_true(wr_ok(&w));
		uint8_t *exact = test_exact_copy(file, w.length);
		struct pcap_reader reader;
		struct pcap_packet got;
		assert_true(pcap_init(&reader, exact, w.length));
		for (unsigned n = 0; n < PACKETS; n++) {
			assert_true(pcap_next(&reader, &got));
			assert_int_equal(got.number, n + 1);
			assert_true(got.time_ns == packets[n].time_ns);
			assert_int_equal(got.link, PCAP_LINK_RAW);
			assert_int_equal(got.length, packets[n].length);
			assert_memory_equal(got.bytes, packets[n].bytes, got.length);
		}
		assert_false(pcap_next(&reader, &got));
		assert_false(pcap_is_damaged(&reader));
		assert_int_equal(reader.comment != NULL, comment != NULL);
		if (comment) {
			assert_int_equal(reader.comment_length, strlen(comment));
			assert_memory_equal(reader.comment, comment, strlen(comment));
		}
		free(exact);
	}
	free(bytes);
	free(file);
}

static void what_does_not_fit_is_full(void **state)
{
	(void)state;
	uint8_t file[256];
	for (size_t size = 0; size < 160; size++) {
		uint8_t *exact = test_exact_copy(file, size);
		struct writer w = wr_init(exact, size);
		pcapng_put_section(&w, "an application", "and a comment");
		pcapng_put_interface(&w, PCAP_LINK_RAW, "an interface");
		pcapng_put_packet(&w,
				  &(struct pcapng_packet){ .bytes = file, .length = 5 });
		assert_int_equal(wr_ok(&w), false);
		free(exact);
	}
}

static void texts_are_bounded(void **state)
{
	(void)state;
	char *text = calloc(1, 100001);
	uint8_t *file = malloc(FILE_MAX);
	assert_non_null(text);
	assert_non_null(file);
	memset(text, 'x', 100000);
	struct writer w = wr_init(file, FILE_MAX);
	pcapng_put_section(&w, text, text);
	struct pcap_reader reader;
	struct pcap_packet got;
	assert_true(pcap_init(&reader, file, w.length));
	assert_false(pcap_next(&reader, &got));
	assert_false(pcap_is_damaged(&reader));
	assert_in_range(reader.comment_length, 1000, 10000);
	free(file);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_reads_back_the_same),
		cmocka_unit_test(what_does_not_fit_is_full),
		cmocka_unit_test(texts_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
