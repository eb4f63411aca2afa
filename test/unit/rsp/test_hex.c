#include "test/util.h"

#include "rsp/hex.h"

static struct rsp_text text(const char *s)
{
	return rsp_text_init((const uint8_t *)s, strlen(s));
}

static void bytes_become_digits_and_come_back(void **state)
{
	(void)state;
	uint8_t all[256], hex[512], back[256];
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	assert_int_equal(hex_encode(hex, all, sizeof(all)), sizeof(hex));
	assert_memory_equal(hex, "000102", 6);
	assert_true(hex_decode(back, sizeof(back), hex, sizeof(hex)));
	assert_memory_equal(back, all, sizeof(all));
}

static void digits_must_be_all_there_and_all_digits(void **state)
{
	(void)state;
	uint8_t out[2];
	assert_false(hex_decode(out, 2, (const uint8_t *)"123", 3));
	assert_false(hex_decode(out, 1, (const uint8_t *)"123", 3));
	assert_false(hex_decode(out, 2, (const uint8_t *)"12", 2));
	assert_false(hex_decode(out, 1, (const uint8_t *)"1g", 2));
	assert_false(hex_decode(out, 1, (const uint8_t *)"xx", 2));
	assert_true(hex_decode(out, 1, (const uint8_t *)"aF", 2));
	assert_int_equal(out[0], 0xaf);
	assert_true(hex_decode(out, 0, (const uint8_t *)"", 0));
}

static void numbers_have_no_leading_zeros(void **state)
{
	(void)state;
	uint8_t out[16];
	assert_int_equal(hex_number(out, 0), 1);
	assert_int_equal(out[0], '0');
	assert_int_equal(hex_number(out, 0x1f0), 3);
	assert_memory_equal(out, "1f0", 3);
	assert_int_equal(hex_number(out, UINT64_MAX), 16);
	assert_memory_equal(out, "ffffffffffffffff", 16);
}

static void escapes_are_undone_and_a_cut_one_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[] = { 'a', '}', 0x03, '}', ']', 'b' };
	size_t length = sizeof(bytes);
	assert_true(escape_decode(bytes, &length));
	assert_int_equal(length, 4);
	assert_memory_equal(bytes, "a#}b", 4);
	uint8_t cut[] = { 'a', '}' };
	length = sizeof(cut);
	assert_false(escape_decode(cut, &length));
}

static void a_number_has_1_to_16_digits(void **state)
{
	(void)state;
	struct rsp_text t = text("ffffffffffffffff,10");
	assert_int_equal(rsp_text_hex(&t), UINT64_MAX);
	rsp_text_expect(&t, ',');
	assert_int_equal(rsp_text_hex(&t), 0x10);
	assert_true(rsp_text_done(&t));
	t = text("10000000000000000");
	assert_int_equal(rsp_text_hex(&t), 0);
	assert_true(t.bad);
	t = text("");
	(void)rsp_text_hex(&t);
	assert_true(t.bad);
	t = text("-1");
	(void)rsp_text_hex(&t);
	assert_true(t.bad);
}

static void a_failed_cursor_stays_failed_and_does_not_move(void **state)
{
	(void)state;
	struct rsp_text t = text("x12");
	rsp_text_expect(&t, 'y');
	assert_true(t.bad);
	assert_int_equal(rsp_text_hex(&t), 0);
	assert_false(rsp_text_accept(&t, 'x'));
	assert_int_equal(text_until(&t, '1').left, 0);
	assert_int_equal(t.left, 3);
	assert_false(rsp_text_done(&t));
}

static void a_part_ends_before_its_separator(void **state)
{
	(void)state;
	struct rsp_text t = text("ab;;c");
	struct rsp_text part = text_until(&t, ';');
	assert_true(text_is(&part, "ab"));
	assert_false(text_is(&part, "a"));
	part = text_until(&t, ';');
	assert_true(text_is(&part, ""));
	part = text_until(&t, ';');
	assert_true(text_is(&part, "c"));
	assert_true(rsp_text_done(&t));
}

static void thread_ids_come_plain_and_with_a_process(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int thread;
		bool good;
	} cases[] = {
		{ "1", 1, true },
		{ "0", RSP_ANY_THREAD, true },
		{ "-1", RSP_ALL_THREADS, true },
		{ "1f", 0x1f, true },
		{ "p1.2", 2, true },
		{ "p1.-1", RSP_ALL_THREADS, true },
		{ "p0.0", RSP_ANY_THREAD, true },
		{ "p-1.-1", RSP_ALL_THREADS, true },
		{ "p1", RSP_ALL_THREADS, true },
		{ "p2.1", 0, false },
		{ "p1.", 0, false },
		{ "p.1", 0, false },
		{ "", 0, false },
		{ "-", 0, false },
		{ "-2", 0, false },
		{ "80000000", 0, false },
		{ "ffffffffffffffffff", 0, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rsp_text t = text(cases[i].text);
		int thread = text_thread(&t);
		assert_int_equal(rsp_text_done(&t), cases[i].good);
		if (cases[i].good)
			assert_int_equal(thread, cases[i].thread);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_become_digits_and_come_back),
		cmocka_unit_test(digits_must_be_all_there_and_all_digits),
		cmocka_unit_test(numbers_have_no_leading_zeros),
		cmocka_unit_test(escapes_are_undone_and_a_cut_one_is_refused),
		cmocka_unit_test(a_number_has_1_to_16_digits),
		cmocka_unit_test(a_failed_cursor_stays_failed_and_does_not_move),
		cmocka_unit_test(a_part_ends_before_its_separator),
		cmocka_unit_test(thread_ids_come_plain_and_with_a_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
