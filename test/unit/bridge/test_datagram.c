#include "bridge/capture/datagram.h"

#include "test/unit/bridge/capture_file.h"

enum { FRAME_MAX = 256 };

static const uint8_t hello[] = { 'h', 'e', 'l', 'l', 'o' };

static enum datagram_result decode(struct datagram *d, uint32_t link,
				   const uint8_t *bytes, size_t length)
{
	const struct pcap_packet packet = { 1, 0, link, bytes, length };
	return datagram_decode(d, &packet);
}

static void check_hello(uint32_t link, const uint8_t *bytes, size_t length)
{
	struct datagram d;
	assert_int_equal(decode(&d, link, bytes, length), DATAGRAM_FOUND);
	assert_int_equal(d.length, sizeof(hello));
	assert_memory_equal(d.bytes, hello, sizeof(hello));
	assert_int_equal(d.source_port, 50000);
	assert_int_equal(d.destination_port, 50001);
}

/* The prefix of a link, then an IPv4 packet, then padding as on short frames. */
static size_t frame(uint8_t out[static FRAME_MAX], const char *prefix, size_t padding)
{
	size_t length;
	uint8_t *head = test_hex(prefix, &length);
	memcpy(out, head, length);
	free(head);
	length += capture_ipv4(out + length, FRAME_MAX - length, hello, sizeof(hello));
	memset(out + length, 0, padding);
	return length + padding;
}

static void every_kind_of_link_leads_to_the_datagram(void **state)
{
	(void)state;
	static const struct {
		uint32_t link;
		const char *prefix;
	} links[] = {
		{ PCAP_LINK_RAW, "" },
		{ PCAP_LINK_RAW_BSD, "" },
		{ PCAP_LINK_RAW_OPENBSD, "" },
		{ PCAP_LINK_IPV4, "" },
		{ PCAP_LINK_NULL, "02000000" },
		{ PCAP_LINK_LOOP, "00000002" },
		{ PCAP_LINK_ETHERNET, "0102030405060708090a0b0c0800" },
		{ PCAP_LINK_ETHERNET, "0102030405060708090a0b0c810000070800" },
		{ PCAP_LINK_ETHERNET, "0102030405060708090a0b0c88a80007810000080800" },
		{ PCAP_LINK_COOKED, "00000001000601020304050600000800" },
		{ PCAP_LINK_COOKED2, "0800000000000002000104060102030405060000" },
	};
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		uint8_t bytes[FRAME_MAX];
		size_t length = frame(bytes, links[i].prefix, 0);
		check_hello(links[i].link, bytes, length);
		length = frame(bytes, links[i].prefix, 13);
		check_hello(links[i].link, bytes, length);
	}
}

static void addresses_of_ipv4_are_mapped(void **state)
{
	(void)state;
	static const uint8_t source[16] = { [10] = 0xff, 0xff, 192, 168, 2, 72 };
	uint8_t bytes[FRAME_MAX];
	struct datagram d;
	size_t length = frame(bytes, "", 0);
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_FOUND);
	assert_memory_equal(d.source, source, sizeof(source));
	assert_int_equal(d.destination[15], 1);
}

static void options_of_ipv4_are_stepped_over(void **state)
{
	(void)state;
	uint8_t bytes[FRAME_MAX];
	size_t length = frame(bytes, "", 0);
	memmove(bytes + 24, bytes + 20, length - 20);
	bytes[0] = 0x46;
	bytes[3] = (uint8_t)(length + 4);
	check_hello(PCAP_LINK_RAW, bytes, length + 4);
}

/* Extension headers, then the UDP datagram of the IPv4 frame behind an IPv6 header. */
static size_t ipv6(uint8_t out[static FRAME_MAX], uint8_t next, const char *extensions)
{
	uint8_t four[FRAME_MAX];
	size_t length;
	size_t udp = frame(four, "", 0) - 20;
	uint8_t *bytes = test_hex(extensions, &length);
	struct writer w = wr_init(out, FRAME_MAX);
	wr_be(&w, 0x60000000, 4);
	wr_be16(&w, (uint16_t)(length + udp));
	wr_8(&w, next);
	wr_8(&w, 64);
	for (unsigned i = 0; i < 32; i++)
		wr_8(&w, (uint8_t)i);
	wr_bytes(&w, bytes, length);
	wr_bytes(&w, four + 20, udp);
	free(bytes);
	return w.length;
}

static void ipv6_and_its_extensions_lead_to_the_datagram(void **state)
{
	(void)state;
	uint8_t bytes[FRAME_MAX];
	struct datagram d;
	size_t length = ipv6(bytes, 17, "");
	check_hello(PCAP_LINK_IPV6, bytes, length);
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_FOUND);
	assert_int_equal(d.source[15], 15);
	assert_int_equal(d.destination[0], 16);
	/* hop by hop, destination options of two units, authentication of three words */
	length = ipv6(bytes, 0,
		      "3c00000000000000"
		      "33010000000000000000000000000000"
		      "110100000000000000000000");
	check_hello(PCAP_LINK_RAW, bytes, length);
	length = ipv6(bytes, 44, "1100000100000000");
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_FRAGMENT);
	length = ipv6(bytes, 6, "");
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_OTHER);
	length = ipv6(bytes, 0, "00ff000000000000"); /* longer than the packet */
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_OTHER);
}

static void fragments_are_told_apart(void **state)
{
	(void)state;
	uint8_t bytes[FRAME_MAX];
	struct datagram d;
	size_t length = frame(bytes, "", 0);
	bytes[6] = 0x20; /* more follow */
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_FRAGMENT);
	bytes[6] = 0;
	bytes[7] = 1; /* the second */
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_FRAGMENT);
	bytes[7] = 0;
	bytes[6] = 0x40; /* must not be fragmented */
	check_hello(PCAP_LINK_RAW, bytes, length);
}

static void other_packets_are_none(void **state)
{
	(void)state;
	uint8_t bytes[FRAME_MAX];
	struct datagram d;
	size_t length = frame(bytes, "", 0);
	assert_int_equal(decode(&d, 147, bytes, length), DATAGRAM_OTHER);
	bytes[9] = 6; /* TCP */
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_OTHER);
	bytes[9] = 17;
	bytes[0] = 0x44; /* a header of 16 bytes */
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_OTHER);
	bytes[0] = 0x55;
	assert_int_equal(decode(&d, PCAP_LINK_RAW, bytes, length), DATAGRAM_OTHER);
	length = frame(bytes, "0102030405060708090a0b0c0806", 0); /* ARP */
	assert_int_equal(decode(&d, PCAP_LINK_ETHERNET, bytes, length), DATAGRAM_OTHER);
}

static void every_truncation_is_none_or_cut(void **state)
{
	(void)state;
	static const struct {
		uint32_t link;
		const char *prefix;
	} links[] = { { PCAP_LINK_RAW, "" },
		      { PCAP_LINK_ETHERNET, "0102030405060708090a0b0c810000070800" } };
	for (size_t i = 0; i < 2; i++) {
		uint8_t bytes[FRAME_MAX];
		size_t length = frame(bytes, links[i].prefix, 0);
		for (size_t len = 0; len < length; len++) {
			struct datagram d;
			uint8_t *exact = test_exact_copy(bytes, len);
			enum datagram_result got = decode(&d, links[i].link, exact, len);
			/* from the end of the UDP header on it is seen to be cut */
			assert_int_equal(got, len < length - sizeof(hello)
						      ? DATAGRAM_OTHER
						      : DATAGRAM_CUT);
			free(exact);
		}
	}
}

static void garbage_is_survived(void **state)
{
	(void)state;
	static const uint32_t links[] = { 0, 1, 12, 101, 113, 228, 229, 276 };
	uint64_t seed = 0x64617461;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t bytes[FRAME_MAX];
		struct datagram d;
		size_t length = round % 2 ? frame(bytes, "", 0) : ipv6(bytes, 17, "");
		for (unsigned i = 0; i < 3; i++)
			bytes[test_random(&seed) % length] = (uint8_t)test_random(&seed);
		length = test_random(&seed) % (length + 1);
		uint8_t *exact = test_exact_copy(bytes, length);
		if (decode(&d, links[round % 8], exact, length) == DATAGRAM_FOUND)
			assert_true(d.bytes >= exact &&
				    d.bytes + d.length <= exact + length);
		free(exact);
	}
}

/* ---- writing ---- */

static void random_address(uint8_t out[static 16], uint64_t *random, bool four)
{
	for (size_t i = 0; i < 16; i++)
		out[i] = (uint8_t)test_random(random);
	if (four) {
		memset(out, 0, 10);
		memset(out + 10, 0xff, 2);
	}
}

static uint32_t sum_of(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < length; i++)
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return sum;
}

/* Header and pseudo-header as the RFCs have them, 768 and 8200. */
static void check_sums(const uint8_t *packet, size_t length)
{
	uint8_t pseudo[2048] = { 0 };
	bool four = packet[0] >> 4 == 4;
	size_t header = four ? 20 : 40, addresses = four ? 8 : 32;
	if (four)
		assert_int_equal(sum_of(packet, header), UINT16_MAX);
	memcpy(pseudo, packet + header - addresses, addresses);
	pseudo[addresses] = (uint8_t)((length - header) >> 8);
	pseudo[addresses + 1] = (uint8_t)(length - header);
	pseudo[addresses + 3] = 17;
	memcpy(pseudo + addresses + 4, packet + header, length - header);
	assert_int_equal(sum_of(pseudo, addresses + 4 + length - header), UINT16_MAX);
}

static void what_is_written_reads_back_the_same_with_right_checksums(void **state)
{
	(void)state;
	uint64_t random = 42;
	for (unsigned turn = 0; turn < 2000; turn++) {
		uint8_t bytes[1473], packet[1473 + DATAGRAM_HEADERS_MAX];
		struct datagram d = { .bytes = bytes }, back;
		bool four = turn % 2 == 0;
		random_address(d.source, &random, four);
		random_address(d.destination, &random, four);
		d.source_port = (uint16_t)test_random(&random);
		d.destination_port = (uint16_t)test_random(&random);
		d.length = test_random(&random) % sizeof(bytes);
		for (size_t i = 0; i < d.length; i++)
			bytes[i] = (uint8_t)test_random(&random);
		struct writer w = wr_init(packet, sizeof(packet));
		datagram_encode(&w, &d);
		assert_true(wr_ok(&w));
		assert_int_equal(w.length, d.length + (four ? 28 : 48));
		check_sums(packet, w.length);
		uint8_t *exact = test_exact_copy(packet, w.length);
		assert_int_equal(decode(&back, PCAP_LINK_RAW, exact, w.length),
				 DATAGRAM_FOUND);
		assert_memory_equal(back.source, d.source, 16);
		assert_memory_equal(back.destination, d.destination, 16);
		assert_int_equal(back.source_port, d.source_port);
		assert_int_equal(back.destination_port, d.destination_port);
		assert_int_equal(back.length, d.length);
		assert_memory_equal(back.bytes, bytes, d.length);
		free(exact);
	}
}

static void an_address_that_is_not_known_is_of_the_others_family(void **state)
{
	(void)state;
	uint8_t packet[64];
	struct datagram d = { .source = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
			      .bytes = hello,
			      .length = sizeof(hello) };
	struct writer w = wr_init(packet, sizeof(packet));
	datagram_encode(&w, &d);
	assert_int_equal(packet[0], 0x45);
	memset(d.source, 0x20, sizeof(d.source));
	w = wr_init(packet, sizeof(packet));
	datagram_encode(&w, &d);
	assert_int_equal(packet[0], 0x60);
	d.length = DATAGRAM_LENGTH_MAX + 1;
	datagram_encode(&w, &d);
	assert_false(wr_ok(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_link_leads_to_the_datagram),
		cmocka_unit_test(addresses_of_ipv4_are_mapped),
		cmocka_unit_test(options_of_ipv4_are_stepped_over),
		cmocka_unit_test(ipv6_and_its_extensions_lead_to_the_datagram),
		cmocka_unit_test(fragments_are_told_apart),
		cmocka_unit_test(other_packets_are_none),
		cmocka_unit_test(every_truncation_is_none_or_cut),
		cmocka_unit_test(garbage_is_survived),
		cmocka_unit_test(
			what_is_written_reads_back_the_same_with_right_checksums),
		cmocka_unit_test(an_address_that_is_not_known_is_of_the_others_family),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
