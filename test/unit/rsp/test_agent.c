/* Agent expressions: each operation, gdb's own code, and hostile code. */
#include "test/util.h"

#include "rsp/agent.h"

enum { MEMORY_BASE = 0x1000, REGISTERS = 4 };

static const uint8_t memory[] = { 0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x09 };
static const uint64_t registers[REGISTERS] = { 0x1000, 3, UINT64_MAX, 0x1004 };

static unsigned reads;

static bool read_register(void *context, unsigned number, uint64_t *value)
{
	assert_ptr_equal(context, &reads);
	reads++;
	if (number >= REGISTERS)
		return false;
	*value = registers[number];
	return true;
}

static bool read_memory(void *context, uint64_t address, size_t length, uint64_t *value)
{
	assert_ptr_equal(context, &reads);
	reads++;
	if (address < MEMORY_BASE || address - MEMORY_BASE > sizeof(memory) - length)
		return false;
	*value = 0;
	for (size_t i = length; i-- > 0;)
		*value = *value << 8 | memory[address - MEMORY_BASE + i];
	return true;
}

static enum rsp_agent_error evaluate(const uint8_t *code, size_t length, uint64_t *value)
{
	const struct rsp_agent_source source = { .context = &reads,
						 .read_register = read_register,
						 .read_memory = read_memory };
	uint8_t *exact = test_exact_copy(code, length);
	*value = 0;
	reads = 0;
	enum rsp_agent_error error = rsp_agent_evaluate(exact, length, &source, value);
	free(exact);
	return error;
}

static enum rsp_agent_error evaluate_hex(const char *hex, uint64_t *value)
{
	size_t length;
	uint8_t *code = test_hex(hex, &length);
	enum rsp_agent_error error = evaluate(code, length, value);
	free(code);
	return error;
}

struct row {
	const char *hex;
	uint64_t value;
};

static void expect_values(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value;
		enum rsp_agent_error error = evaluate_hex(rows[i].hex, &value);
		if (error != RSP_AGENT_DONE || value != rows[i].value)
			fail_msg("%s: error %d, %llx, not %llx", rows[i].hex, error,
				 (unsigned long long)value,
				 (unsigned long long)rows[i].value);
	}
}
#define EXPECT_VALUES(rows) expect_values(rows, sizeof(rows) / sizeof((rows)[0]))

static void expect_errors(const char *const *hex, size_t count,
			  enum rsp_agent_error error)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value;
		enum rsp_agent_error got = evaluate_hex(hex[i], &value);
		if (got != error)
			fail_msg("%s: error %d, not %d", hex[i], got, error);
	}
}
#define EXPECT_ERRORS(hex, error)                                                        \
	expect_errors(hex, sizeof(hex) / sizeof((hex)[0]), error)

/* 5 and 3; -5 and 3; 5 and -3, as 64-bit numbers */
#define FIVE_THREE	 "22052203"
#define MINUS_FIVE_THREE "25fffffffffffffffb2203"
#define FIVE_MINUS_THREE "220525fffffffffffffffd"
#define LEAST		 "258000000000000000"
#define MINUS_ONE	 "25ffffffffffffffff"

static void arithmetic_is_of_64_bits(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ FIVE_THREE "0227", 8 },
		{ FIVE_THREE "0327", 2 },
		{ "22032205"
		  "0327",
		  UINT64_MAX - 1 },
		{ FIVE_THREE "0427", 15 },
		{ MINUS_ONE MINUS_ONE "0227", UINT64_MAX - 1 },
		{ LEAST "2202"
			"0427",
		  0 },
	};
	EXPECT_VALUES(rows);
}

static void division_rounds_to_zero_and_keeps_signs_apart(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ FIVE_THREE "0527", 1 },
		{ MINUS_FIVE_THREE "0527", UINT64_MAX },
		{ FIVE_MINUS_THREE "0527", UINT64_MAX },
		{ MINUS_FIVE_THREE "0627", (UINT64_MAX - 4) / 3 },
		{ FIVE_THREE "0727", 2 },
		{ MINUS_FIVE_THREE "0727", UINT64_MAX - 1 },
		{ FIVE_MINUS_THREE "0727", 2 },
		{ MINUS_FIVE_THREE "0827", (UINT64_MAX - 4) % 3 },
		/* nothing else fits */
		{ LEAST MINUS_ONE "0527", UINT64_C(1) << 63 },
		{ LEAST MINUS_ONE "0727", 0 },
	};
	EXPECT_VALUES(rows);
	static const char *const by_zero[] = { "22052200"
					       "0527",
					       "22052200"
					       "0627",
					       "22052200"
					       "0727",
					       "22052200"
					       "0827" };
	EXPECT_ERRORS(by_zero, RSP_AGENT_DIVISION);
}

static void shifts_of_any_width_are_defined(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "22012204"
		  "0927",
		  16 },
		{ "2201223f"
		  "0927",
		  UINT64_C(1) << 63 },
		{ "22012240"
		  "0927",
		  0 },
		{ "2201" MINUS_ONE "0927", 0 },
		{ LEAST "2204"
			"0a27",
		  UINT64_C(0xf8) << 56 },
		{ LEAST "2240"
			"0a27",
		  UINT64_MAX },
		{ "22802204"
		  "0a27",
		  8 },
		{ "2280" MINUS_ONE "0a27", 0 },
		{ LEAST "2204"
			"0b27",
		  UINT64_C(0x08) << 56 },
		{ LEAST "2240"
			"0b27",
		  0 },
	};
	EXPECT_VALUES(rows);
}

static void bits_and_comparisons(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ FIVE_THREE "0f27", 1 },
		{ FIVE_THREE "1027", 7 },
		{ FIVE_THREE "1127", 6 },
		{ "2205"
		  "1227",
		  ~UINT64_C(5) },
		{ "2205"
		  "0e27",
		  0 },
		{ "2200"
		  "0e27",
		  1 },
		{ FIVE_THREE "1327", 0 },
		{ "22052205"
		  "1327",
		  1 },
		{ FIVE_THREE "1427", 0 },
		{ "22032205"
		  "1427",
		  1 },
		{ MINUS_FIVE_THREE "1427", 1 },
		{ FIVE_MINUS_THREE "1427", 0 },
		{ LEAST MINUS_ONE "1427", 1 },
		{ MINUS_FIVE_THREE "1527", 0 },
		{ FIVE_MINUS_THREE "1527", 1 },
		{ "22052205"
		  "1427",
		  0 },
		{ "22052205"
		  "1527",
		  0 },
	};
	EXPECT_VALUES(rows);
}

static void numbers_are_narrowed_and_extended(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "22ff"
		  "160827",
		  UINT64_MAX },
		{ "227f"
		  "160827",
		  0x7f },
		{ "230180"
		  "160827",
		  UINT64_MAX - 0x7f },
		{ "2201"
		  "160127",
		  UINT64_MAX },
		{ MINUS_ONE "164027", UINT64_MAX },
		{ "2205"
		  "164027",
		  5 },
		{ MINUS_ONE "2a0827", 0xff },
		{ MINUS_ONE "2a2027", 0xffffffff },
		{ MINUS_ONE "2a4027", UINT64_MAX },
		{ "2402030405"
		  "2a0127",
		  1 },
	};
	EXPECT_VALUES(rows);
	static const char *const wrong[] = { "2201160027", "2201164127", "220116ff27",
					     "22012a0027", "22012a4127" };
	EXPECT_ERRORS(wrong, RSP_AGENT_BAD_CODE);
}

static void constants_are_big_endian(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "228127", 0x81 },
		{ "23812227", 0x8122 },
		{ "248122334427", 0x81223344 },
		{ "25812233445566778827", 0x8122334455667788 },
	};
	EXPECT_VALUES(rows);
}

static void registers_and_memory_are_asked_of_the_caller(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "26000127", 3 },
		{ "26000227", UINT64_MAX },
		{ "2310001727", 0x81 },
		{ "2310001827", 0x9281 },
		{ "2310001927", 0xb4a39281 },
		{ "2310001a27", 0xf8e7d6c5b4a39281 },
		{ "2310011a27", 0x09f8e7d6c5b4a392 },
		{ "2600031727", 0xc5 },
	};
	EXPECT_VALUES(rows);
	static const char *const nowhere[] = { "2310091727", "2310021a27", "22001727",
					       MINUS_ONE "1a27" };
	EXPECT_ERRORS(nowhere, RSP_AGENT_NO_MEMORY);
	static const char *const none[] = { "26000427", "26ffff27" };
	EXPECT_ERRORS(none, RSP_AGENT_NO_REGISTER);
}

static void the_stack_is_shuffled(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "2205"
		  "28"
		  "0227",
		  10 },
		{ FIVE_THREE "2927", 5 },
		{ FIVE_THREE "2b"
			     "0327",
		  UINT64_MAX - 1 },
		{ "220122022203"
		  "320027",
		  3 },
		{ "220122022203"
		  "320127",
		  2 },
		{ "220122022203"
		  "320227",
		  1 },
		/* 1 2 3 becomes 3 1 2 */
		{ "220122022203"
		  "3327",
		  2 },
		{ "220122022203"
		  "33"
		  "2927",
		  1 },
		{ "220122022203"
		  "33"
		  "292927",
		  3 },
	};
	EXPECT_VALUES(rows);
	static const char *const wrong[] = { "3327",
					     "22012202"
					     "3327",
					     "2201"
					     "2b27",
					     "2827",
					     "2927",
					     "320027",
					     "2201320127",
					     "0227",
					     "2201"
					     "0227",
					     "0e27",
					     "27" };
	EXPECT_ERRORS(wrong, RSP_AGENT_STACK);
}

static void jumps_go_forth_and_back(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "2201"
		  "200007"
		  "2202"
		  "2203"
		  "27",
		  3 },
		{ "2200"
		  "200009"
		  "2202"
		  "27"
		  "2203"
		  "27",
		  2 },
		{ "2201"
		  "200008"
		  "2202"
		  "27"
		  "2203"
		  "27",
		  3 },
		{ "210005"
		  "2202"
		  "2203"
		  "27",
		  3 },
		/* 5 down to 0 */
		{ "2205"
		  "2201"
		  "03"
		  "28"
		  "200002"
		  "27",
		  0 },
	};
	EXPECT_VALUES(rows);
	static const char *const wrong[] = { "", "210003", "21ffff",
					     "2201"
					     "200007"
					     "2227",
					     "2201200106" };
	EXPECT_ERRORS(wrong, RSP_AGENT_BAD_CODE);
}

static void trace_operations_only_move_the_stack(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "2207"
		  "23100022040c"
		  "27",
		  7 },
		{ "2207"
		  "23100022042f"
		  "27",
		  7 },
		{ "231000"
		  "0d04"
		  "27",
		  0x1000 },
		{ "231000"
		  "300004"
		  "27",
		  0x1000 },
	};
	EXPECT_VALUES(rows);
	uint64_t value;
	assert_int_equal(evaluate_hex("2207"
				      "23100022040c"
				      "27",
				      &value),
			 RSP_AGENT_DONE);
	assert_int_equal(reads, 0);
}

static void what_is_not_for_conditions_is_refused(void **state)
{
	(void)state;
	static const char *const refused[] = {
		"0127",		"00",	    "22011b27",		"22011c27",
		"22011d27",	"22011e27", "22011f27",		"2c000127",
		"22012d000127", "2e000127", "3401000325640027", "3127",
		"3527",		"ff",
	};
	EXPECT_ERRORS(refused, RSP_AGENT_UNSUPPORTED);
}

static void what_gdb_sends_is_evaluated(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "260002164022041327", 0 },		 /* $rcx == 4, with -1 in it */
		{ "260001164022031327", 1 },		 /* $rdx == 3, with 3 in it */
		{ "26000019162024b4a3928116201327", 1 }, /* *(int *)$rax == … */
	};
	EXPECT_VALUES(rows);
}

static void every_truncation_is_an_error(void **state)
{
	(void)state;
	static const char *const codes[] = {
		"260001164022031327",
		"2201200008220227220327",
		"258122334455667788"
		"2402030405"
		"02"
		"2310001a"
		"1127",
		"220122022203"
		"33"
		"3202"
		"2a20"
		"300004"
		"27",
	};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		size_t length;
		uint64_t value;
		uint8_t *code = test_hex(codes[i], &length);
		assert_int_equal(evaluate(code, length, &value), RSP_AGENT_DONE);
		for (size_t n = 0; n < length; n++) {
			enum rsp_agent_error error = evaluate(code, n, &value);
			if (codes[i][2] == '0' &&
			    n == 7) /* ends where the jump leads past */
				continue;
			assert_int_not_equal(error, RSP_AGENT_DONE);
		}
		free(code);
	}
}

static void loops_and_floods_end(void **state)
{
	(void)state;
	static const char *const endless[] = {
		"210000",
		"220129210000",
		"231000"
		"1729"
		"210000",
		"26000129"
		"210000",
	};
	EXPECT_ERRORS(endless, RSP_AGENT_TOO_LONG);
	assert_int_equal(reads, RSP_AGENT_READS_MAX);
	uint64_t value;
	assert_int_equal(evaluate_hex("2201210000", &value), RSP_AGENT_STACK);
	uint8_t deep[2 * RSP_AGENT_STACK_MAX + 3];
	for (size_t i = 0; i < sizeof(deep); i += 2) {
		deep[i] = 0x22;
		if (i + 1 < sizeof(deep))
			deep[i + 1] = 1;
	}
	deep[sizeof(deep) - 1] = 0x27;
	assert_int_equal(evaluate(deep, sizeof(deep), &value), RSP_AGENT_STACK);
	deep[sizeof(deep) - 3] = 0x27;
	assert_int_equal(evaluate(deep, sizeof(deep) - 2, &value), RSP_AGENT_DONE);
}

static void random_code_ends_and_means_the_same_twice(void **state)
{
	(void)state;
	uint64_t seed = 1;
	for (int i = 0; i < 20000; i++) {
		uint8_t code[32];
		size_t length = test_random(&seed) % (sizeof(code) + 1);
		for (size_t n = 0; n < length; n++)
			code[n] = (uint8_t)(test_random(&seed) % 0x36);
		uint64_t value, again;
		enum rsp_agent_error error = evaluate(code, length, &value);
		assert_true(reads <= RSP_AGENT_READS_MAX);
		assert_int_equal(evaluate(code, length, &again), error);
		assert_int_equal(value, again);
	}
}

static void each_error_has_words(void **state)
{
	(void)state;
	for (enum rsp_agent_error error = 0; error < RSP_AGENT_ERRORS; error++)
		assert_true(strlen(rsp_agent_error_text(error)) > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arithmetic_is_of_64_bits),
		cmocka_unit_test(division_rounds_to_zero_and_keeps_signs_apart),
		cmocka_unit_test(shifts_of_any_width_are_defined),
		cmocka_unit_test(bits_and_comparisons),
		cmocka_unit_test(numbers_are_narrowed_and_extended),
		cmocka_unit_test(constants_are_big_endian),
		cmocka_unit_test(registers_and_memory_are_asked_of_the_caller),
		cmocka_unit_test(the_stack_is_shuffled),
		cmocka_unit_test(jumps_go_forth_and_back),
		cmocka_unit_test(trace_operations_only_move_the_stack),
		cmocka_unit_test(what_is_not_for_conditions_is_refused),
		cmocka_unit_test(what_gdb_sends_is_evaluated),
		cmocka_unit_test(every_truncation_is_an_error),
		cmocka_unit_test(loops_and_floods_end),
		cmocka_unit_test(random_code_ends_and_means_the_same_twice),
		cmocka_unit_test(each_error_has_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
