#include "bridge/capture/pcap.h"

#include <errno.h>
#include <unistd.h>

#include "test/unit/bridge/capture_file.h"

static const uint8_t hello[] = { 'h', 'e', 'l', 'l', 'o' };
static const uint64_t noon_ns = UINT64_C(1700000000123456000);

static struct pcap_packet only_packet(const struct capture_file *f)
{
	struct pcap_reader p;
	struct pcap_packet packet, more;
	assert_true(pcap_init(&p, f->bytes, f->w.length));
	assert_true(pcap_next(&p, &packet));
	assert_false(pcap_next(&p, &more));
	assert_false(pcap_is_damaged(&p));
	return packet;
}

static void every_kind_in_either_byte_order_is_read(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CAPTURE_KINDS * 2; i++) {
		struct capture_file *f = capture_new((enum capture_kind)(i / 2), i % 2,
						     PCAP_LINK_ETHERNET);
		capture_packet(f, noon_ns, hello, sizeof(hello));
		struct pcap_packet packet = only_packet(f);
		assert_int_equal(packet.number, 1);
		assert_int_equal(packet.link, PCAP_LINK_ETHERNET);
		assert_int_equal(packet.time_ns, noon_ns);
		assert_int_equal(packet.length, sizeof(hello));
		assert_memory_equal(packet.bytes, hello, sizeof(hello));
		free(f);
	}
}

static void a_real_capture_has_955_packets(void **state)
{
	(void)state;
	size_t length;
	uint8_t *bytes = pcap_load(TEST_VECTORS "/win10-v4.pcapng", &length);
	assert_non_null(bytes);
	struct pcap_reader p;
	struct pcap_packet packet;
	assert_true(pcap_init(&p, bytes, length));
	uint64_t last = 0;
	while (pcap_next(&p, &packet)) {
		assert_int_equal(packet.link, PCAP_LINK_ETHERNET);
		assert_true(packet.time_ns >= last);
		last = packet.time_ns;
	}
	assert_int_equal(packet.number, 955);
	assert_false(pcap_is_damaged(&p));
	free(bytes);
}

static uint64_t time_of(uint8_t resolution, uint64_t ticks)
{
	struct capture_file *f = capture_alloc();
	f->w = wr_init(f->bytes, sizeof(f->bytes));
	capture_section(f);
	capture_interface(f, PCAP_LINK_RAW, resolution);
	capture_packet_on(f, 0, ticks, hello, sizeof(hello));
	uint64_t ns = only_packet(f).time_ns;
	free(f);
	return ns;
}

static void every_resolution_of_time_is_understood(void **state)
{
	(void)state;
	assert_int_equal(time_of(3, 1500), 1500000000);
	assert_int_equal(time_of(9, 1500), 1500);
	assert_int_equal(time_of(12, 1500000), 1500);
	assert_int_equal(time_of(127, UINT64_MAX), 0);
	assert_int_equal(time_of(0x80, 3), 3000000000);
	assert_int_equal(time_of(0x80 | 1, 3), 1500000000);
	assert_int_equal(time_of(0x80 | 32, UINT64_C(5) << 31), 2500000000);
	assert_int_equal(time_of(0x80 | 40, UINT64_C(5) << 39), 2500000000);
	(void)time_of(0x80 | 127, UINT64_MAX);
}

static void every_interface_has_its_own_link_and_time(void **state)
{
	(void)state;
	struct capture_file *f = capture_new(CAPTURE_NG, false, PCAP_LINK_ETHERNET);
	capture_interface(f, PCAP_LINK_COOKED, 9);
	capture_packet_on(f, 1, 77, hello, sizeof(hello));
	struct pcap_packet packet = only_packet(f);
	assert_int_equal(packet.link, PCAP_LINK_COOKED);
	assert_int_equal(packet.time_ns, 77);
	free(f);
}

static void a_packet_of_no_interface_is_skipped_but_counted(void **state)
{
	(void)state;
	struct capture_file *f = capture_new(CAPTURE_NG, false, PCAP_LINK_ETHERNET);
	capture_packet_on(f, 1, 0, hello, sizeof(hello));
	capture_packet_on(f, UINT32_MAX, 0, hello, sizeof(hello));
	capture_packet_on(f, 0, 0, hello, sizeof(hello));
	assert_int_equal(only_packet(f).number, 3);
	for (unsigned i = 0; i < 100; i++) /* more than are kept */
		capture_interface(f, PCAP_LINK_RAW, 0);
	capture_packet_on(f, 90, 0, hello, sizeof(hello));
	assert_int_equal(only_packet(f).number, 3);
	free(f);
}

static void sections_of_both_byte_orders_follow_each_other(void **state)
{
	(void)state;
	struct capture_file *f = capture_new(CAPTURE_NG, false, PCAP_LINK_ETHERNET);
	capture_packet(f, noon_ns, hello, 3);
	f->big_endian = true;
	capture_section(f);
	capture_interface(f, PCAP_LINK_RAW, 0);
	capture_packet(f, noon_ns, hello, 5);
	struct pcap_reader p;
	struct pcap_packet packet;
	assert_true(pcap_init(&p, f->bytes, f->w.length));
	assert_true(pcap_next(&p, &packet));
	assert_int_equal(packet.length, 3);
	assert_true(pcap_next(&p, &packet));
	assert_int_equal(packet.length, 5);
	assert_int_equal(packet.link, PCAP_LINK_RAW);
	assert_int_equal(packet.time_ns, noon_ns);
	assert_int_equal(packet.number, 2);
	assert_false(pcap_next(&p, &packet));
	free(f);
}

static void simple_old_and_unknown_blocks_are_understood(void **state)
{
	(void)state;
	struct capture_file *f = capture_new(CAPTURE_NG, false, PCAP_LINK_ETHERNET);
	static const uint8_t simple[] = { 2, 0, 0, 0, 'h', 'i' };
	uint8_t old[22] = { [16] = 2, [20] = 'h', [21] = 'o' };
	old[8] = 9; /* low half of the time */
	old[12] = 2;
	static const uint8_t odd[] = { 1, 2, 3 };
	capture_block(f, 0xbad, odd, sizeof(odd));
	capture_block(f, 3, simple, sizeof(simple));
	capture_block(f, 2, old, sizeof(old));
	struct pcap_reader p;
	struct pcap_packet packet;
	assert_true(pcap_init(&p, f->bytes, f->w.length));
	assert_true(pcap_next(&p, &packet));
	assert_int_equal(packet.length, 2);
	assert_int_equal(packet.time_ns, 0);
	assert_memory_equal(packet.bytes, "hi", 2);
	assert_true(pcap_next(&p, &packet));
	assert_int_equal(packet.length, 2);
	assert_int_equal(packet.time_ns, 9000);
	assert_memory_equal(packet.bytes, "ho", 2);
	assert_false(pcap_next(&p, &packet));
	assert_false(pcap_is_damaged(&p));
	free(f);
}

static unsigned count_packets(const uint8_t *bytes, size_t length, bool *damaged)
{
	struct pcap_reader p;
	struct pcap_packet packet;
	unsigned count = 0;
	*damaged = true;
	if (!pcap_init(&p, bytes, length))
		return 0;
	while (pcap_next(&p, &packet)) {
		assert_true(packet.bytes >= bytes &&
			    packet.bytes + packet.length <= bytes + length);
		count++;
	}
	*damaged = pcap_is_damaged(&p);
	return count;
}

static void every_truncation_keeps_the_whole_packets_before_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CAPTURE_KINDS; i++) {
		struct capture_file *f =
			capture_new((enum capture_kind)i, false, PCAP_LINK_ETHERNET);
		size_t head = f->w.length;
		capture_packet(f, noon_ns, hello, sizeof(hello));
		size_t one = f->w.length;
		capture_packet(f, noon_ns, hello, sizeof(hello));
		for (size_t len = 0; len <= f->w.length; len++) {
			bool damaged;
			uint8_t *exact = test_exact_copy(f->bytes, len);
			unsigned count = count_packets(exact, len, &damaged);
			assert_int_equal(count, len < one	    ? 0
						: len < f->w.length ? 1
								    : 2);
			bool whole = len == head || len == one || len == f->w.length;
			/* a pcapng file may also end between its first two blocks */
			assert_true(damaged == !whole || (i < CAPTURE_US && len < head));
			free(exact);
		}
		free(f);
	}
}

static void lengths_that_lie_end_the_reading(void **state)
{
	(void)state;
	static const uint32_t lies[] = { 0, 4, 11, 13, 0x7ffffffc, UINT32_MAX };
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bool damaged;
		struct capture_file *f =
			capture_new(CAPTURE_NG, false, PCAP_LINK_ETHERNET);
		size_t at = f->w.length;
		capture_packet(f, noon_ns, hello, sizeof(hello));
		store_le(f->bytes + at + 4, lies[i], 4);
		assert_int_equal(count_packets(f->bytes, f->w.length, &damaged), 0);
		assert_true(damaged);
		free(f);
	}
}

static void what_is_no_capture_is_refused(void **state)
{
	(void)state;
	struct pcap_reader p;
	static const uint8_t text[64] = "#!/bin/sh\n";
	assert_false(pcap_init(&p, text, sizeof(text)));
	assert_false(pcap_init(&p, NULL, 0));
	assert_false(pcap_init(&p, hello, 3));
}

static void files_that_cannot_be_read_say_why(void **state)
{
	(void)state;
	size_t length;
	assert_null(pcap_load("/nonexistent/file", &length));
	assert_int_equal(errno, ENOENT);
	assert_null(pcap_load("/", &length));
	assert_int_equal(errno, EISDIR);
}

static void mutations_are_survived(void **state)
{
	(void)state;
	uint64_t seed = 0x70636170;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (unsigned i = 0; i < CAPTURE_KINDS * 2; i++) {
		struct capture_file *f = capture_new((enum capture_kind)(i / 2), i % 2,
						     PCAP_LINK_ETHERNET);
		for (unsigned n = 0; n < 4; n++)
			capture_packet(f, noon_ns + n, hello, sizeof(hello));
		for (unsigned round = 0; round < 1000; round++) {
			bool damaged;
			uint8_t *copy = test_exact_copy(f->bytes, f->w.length);
			for (unsigned n = 0; n < 3; n++)
				copy[test_random(&seed) % f->w.length] =
					(uint8_t)test_random(&seed);
			(void)count_packets(copy, f->w.length, &damaged);
			free(copy);
		}
		free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_in_either_byte_order_is_read),
		cmocka_unit_test(a_real_capture_has_955_packets),
		cmocka_unit_test(every_resolution_of_time_is_understood),
		cmocka_unit_test(every_interface_has_its_own_link_and_time),
		cmocka_unit_test(a_packet_of_no_interface_is_skipped_but_counted),
		cmocka_unit_test(sections_of_both_byte_orders_follow_each_other),
		cmocka_unit_test(simple_old_and_unknown_blocks_are_understood),
		cmocka_unit_test(every_truncation_keeps_the_whole_packets_before_it),
		cmocka_unit_test(lengths_that_lie_end_the_reading),
		cmocka_unit_test(what_is_no_capture_is_refused),
		cmocka_unit_test(files_that_cannot_be_read_say_why),
		cmocka_unit_test(mutations_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
