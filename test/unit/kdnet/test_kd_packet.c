#include "kdnet/kd_packet.h"

#include "test/unit/kdnet/datagrams.h"

/* win10-v4.txt, frame 7: WinDbg acknowledges the target's first packet. */
static const uint8_t acknowledge[KD_HEADER_SIZE] = { 0x69, 0x69, 0x69, 0x69, 4 };

/* win10-v4.txt, frame 4: the boot debugger's first print. */
static uint8_t *first_print(size_t *length)
{
	return test_hex("3030303003002e0000000000df0b000030320000000000001e000000ff070000"
			"42443a20426f6f7420446562756767657220496e697469616c697a65640a",
			length);
}

static void the_first_print_of_a_boot_debugger_decodes(void **state)
{
	(void)state;
	size_t length;
	uint8_t *payload = first_print(&length);
	struct kd_packet packet;
	assert_true(kd_packet_decode(&packet, payload, length));
	assert_true(kd_packet_is_data(&packet));
	assert_false(kd_packet_is_control(&packet));
	assert_int_equal(packet.type, KD_PACKET_DEBUG_IO);
	assert_int_equal(packet.id, 0);
	assert_int_equal(packet.length, 46);
	assert_int_equal(packet.checksum, 0xbdf);
	assert_ptr_equal(packet.data, payload + KD_HEADER_SIZE);
	assert_true(kd_packet_is_intact(&packet));
	payload[20] ^= 1;
	assert_false(kd_packet_is_intact(&packet));
	free(payload);
}

static void every_truncation_is_rejected(void **state)
{
	(void)state;
	size_t full;
	uint8_t *payload = first_print(&full);
	for (size_t length = 0; length < full; length++) {
		struct kd_packet packet;
		uint8_t *exact = test_exact_copy(payload, length);
		assert_false(kd_packet_decode(&packet, exact, length));
		free(exact);
	}
	for (size_t length = 0; length < sizeof(acknowledge); length++) {
		struct kd_packet packet;
		uint8_t *exact = test_exact_copy(acknowledge, length);
		assert_false(kd_packet_decode(&packet, exact, length));
		free(exact);
	}
	free(payload);
}

static void one_byte_too_many_is_rejected(void **state)
{
	(void)state;
	size_t length;
	uint8_t *payload = first_print(&length);
	uint8_t longer[128] = { 0 };
	memcpy(longer, payload, length);
	longer[length] = 0xaa; /* the trailer of a serial line */
	struct kd_packet packet;
	assert_false(kd_packet_decode(&packet, longer, length + 1));
	free(payload);
}

static void encoding_gives_the_bytes_of_the_capture(void **state)
{
	(void)state;
	size_t length;
	uint8_t *payload = first_print(&length);
	uint8_t out[128];
	assert_int_equal(kd_data_encode(out, sizeof(out), KD_PACKET_DEBUG_IO, 0,
					payload + KD_HEADER_SIZE,
					length - KD_HEADER_SIZE),
			 length);
	assert_memory_equal(out, payload, length);
	assert_int_equal(kd_data_encode(out, length - 1, KD_PACKET_DEBUG_IO, 0,
					payload + KD_HEADER_SIZE,
					length - KD_HEADER_SIZE),
			 0);
	kd_control_encode(out, KD_PACKET_ACKNOWLEDGE, 0);
	assert_memory_equal(out, acknowledge, sizeof(acknowledge));
	free(payload);
}

static void a_length_over_16_bits_is_refused(void **state)
{
	(void)state;
	uint8_t *large = calloc(1, 0x20000);
	uint8_t *out = malloc(0x20000);
	assert_int_equal(
		kd_data_encode(out, 0x20000, KD_PACKET_MANIPULATE, 0, large, 0x10000), 0);
	assert_int_equal(
		kd_data_encode(out, 0x20000, KD_PACKET_MANIPULATE, 0, large, 0xffff),
		0xffff + KD_HEADER_SIZE);
	free(large);
	free(out);
}

static void a_packet_without_data_is_one(void **state)
{
	(void)state;
	uint8_t out[KD_HEADER_SIZE];
	struct kd_packet packet;
	assert_int_equal(
		kd_data_encode(out, sizeof(out), KD_PACKET_MANIPULATE, 6, NULL, 0),
		sizeof(out));
	assert_true(kd_packet_decode(&packet, out, sizeof(out)));
	assert_int_equal(packet.length, 0);
	assert_true(kd_packet_is_intact(&packet));
}

static void the_checksum_of_every_captured_packet_fits(void **state)
{
	(void)state;
	char *text = test_vector_file("win10-v4.txt", NULL);
	size_t packets = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		size_t length;
		struct kd_packet packet;
		uint8_t *payload = test_hex(strrchr(line, ' ') + 1, &length);
		if (line[0] != '#' && kd_packet_decode(&packet, payload, length) &&
		    kd_packet_is_data(&packet)) {
			assert_true(kd_packet_is_intact(&packet));
			packets++;
		}
		free(payload);
	}
	assert_in_range(packets, 200, 400);
	free(text);
}

static void twelve_bytes_with_eight_zeros_are_a_connection_check(void **state)
{
	(void)state;
	size_t length;
	uint8_t *check = test_hex("00000000000000000102a8c0", &length);
	assert_true(kd_is_connection_check(check, length));
	assert_false(kd_is_connection_check(check, length - 1));
	check[3] = 1;
	assert_false(kd_is_connection_check(check, length));
	assert_false(kd_is_connection_check(acknowledge, sizeof(acknowledge)));
	assert_false(kd_is_connection_check(NULL, 0));
	free(check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_print_of_a_boot_debugger_decodes),
		cmocka_unit_test(every_truncation_is_rejected),
		cmocka_unit_test(one_byte_too_many_is_rejected),
		cmocka_unit_test(encoding_gives_the_bytes_of_the_capture),
		cmocka_unit_test(a_length_over_16_bits_is_refused),
		cmocka_unit_test(a_packet_without_data_is_one),
		cmocka_unit_test(the_checksum_of_every_captured_packet_fits),
		cmocka_unit_test(twelve_bytes_with_eight_zeros_are_a_connection_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
