#include "kdnet/key.h"

#include "test/util.h"

static void each_part_becomes_eight_little_endian_bytes(void **state)
{
	(void)state;
	uint8_t key[KDNET_KEY_SIZE];
	assert_int_equal(kdnet_key_parse(key, "8.8.8.8"), KDNET_KEY_OK);
	for (size_t i = 0; i < KDNET_KEY_SIZE; i++)
		assert_int_equal(key[i], i % 8 == 0 ? 8 : 0);

	assert_int_equal(kdnet_key_parse(key, "1.z.10.100"), KDNET_KEY_OK);
	const uint8_t wanted[KDNET_KEY_SIZE] = {
		[0] = 1, [8] = 35, [16] = 36, [24] = 0x10, [25] = 0x05
	};
	assert_memory_equal(key, wanted, sizeof(wanted));
}

static void thirteen_characters_up_to_64_bits_fit(void **state)
{
	(void)state;
	uint8_t key[KDNET_KEY_SIZE];
	uint8_t ones[8];
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(kdnet_key_parse(key, "3w5e11264sgsf.0.0.3w5e11264sgsf"),
			 KDNET_KEY_OK);
	assert_memory_equal(key, ones, sizeof(ones));
	assert_memory_equal(key + 24, ones, sizeof(ones));
	assert_int_equal(kdnet_key_parse(key, "0000000000001.1.1.1"), KDNET_KEY_OK);
	assert_int_equal(key[0], 1);
}

static void upper_case_is_the_same_key(void **state)
{
	(void)state;
	uint8_t lower[KDNET_KEY_SIZE];
	uint8_t upper[KDNET_KEY_SIZE];
	assert_int_equal(kdnet_key_parse(lower, "abc.xyz.p0q.9z"), KDNET_KEY_OK);
	assert_int_equal(kdnet_key_parse(upper, "ABC.XYZ.P0Q.9Z"), KDNET_KEY_OK);
	assert_memory_equal(lower, upper, sizeof(lower));
}

static void what_is_no_key_is_refused_for_its_reason_and_leaves_zeros(void **state)
{
	(void)state;
	const struct {
		const char *text;
		enum kdnet_key_error error;
	} cases[] = {
		{ "zzzzzzzzzzzzz.1.1.1", KDNET_KEY_TOO_LARGE },
		{ "1.1.1.3w5e11264sgsg", KDNET_KEY_TOO_LARGE },
		{ "00000000000001.1.1.1", KDNET_KEY_TOO_LARGE },
		{ "", KDNET_KEY_PART_EMPTY },
		{ "1..1.1", KDNET_KEY_PART_EMPTY },
		{ ".1.1.1", KDNET_KEY_PART_EMPTY },
		{ "1.1.1.", KDNET_KEY_PART_EMPTY },
		{ "1", KDNET_KEY_PARTS_WRONG },
		{ "1.2.3", KDNET_KEY_PARTS_WRONG },
		{ "1.2.3.4.5", KDNET_KEY_PARTS_WRONG },
		{ "1.2.3.4.", KDNET_KEY_PARTS_WRONG },
		{ "1.2.3.4 ", KDNET_KEY_CHARACTER },
		{ " 1.2.3.4", KDNET_KEY_CHARACTER },
		{ "1.2.3.-4", KDNET_KEY_CHARACTER },
		{ "1.2.\xc3\xa4.4", KDNET_KEY_CHARACTER },
		{ "1.2.{.4", KDNET_KEY_CHARACTER },
		{ "1.2.@.4", KDNET_KEY_CHARACTER },
		{ "1:2:3:4", KDNET_KEY_CHARACTER },
	};
	const uint8_t zeros[KDNET_KEY_SIZE] = { 0 };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t key[KDNET_KEY_SIZE];
		memset(key, 0xaa, sizeof(key));
		assert_int_equal(kdnet_key_parse(key, cases[i].text), cases[i].error);
		assert_memory_equal(key, zeros, sizeof(key));
	}
}

static void every_error_has_a_sentence_of_its_own(void **state)
{
	(void)state;
	for (int a = KDNET_KEY_OK; a <= KDNET_KEY_TOO_LARGE; a++) {
		const char *text = kdnet_key_error_text((enum kdnet_key_error)a);
		assert_true(strlen(text) > 10);
		for (int b = KDNET_KEY_OK; b < a; b++)
			assert_string_not_equal(
				text, kdnet_key_error_text((enum kdnet_key_error)b));
	}
}

static void a_key_survives_being_printed_and_read(void **state)
{
	(void)state;
	uint64_t seed = 1;
	for (int turn = 0; turn < 1000; turn++) {
		uint8_t key[KDNET_KEY_SIZE];
		for (size_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)test_random(&seed);
		if (turn == 0)
			memset(key, 0xff, sizeof(key));
		if (turn == 1)
			memset(key, 0, sizeof(key));
		char text[KDNET_KEY_TEXT_SIZE];
		kdnet_key_format(text, key);
		uint8_t again[KDNET_KEY_SIZE];
		assert_int_equal(kdnet_key_parse(again, text), KDNET_KEY_OK);
		assert_memory_equal(again, key, sizeof(key));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_part_becomes_eight_little_endian_bytes),
		cmocka_unit_test(thirteen_characters_up_to_64_bits_fit),
		cmocka_unit_test(upper_case_is_the_same_key),
		cmocka_unit_test(
			what_is_no_key_is_refused_for_its_reason_and_leaves_zeros),
		cmocka_unit_test(every_error_has_a_sentence_of_its_own),
		cmocka_unit_test(a_key_survives_being_printed_and_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
