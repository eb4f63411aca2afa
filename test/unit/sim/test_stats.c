#include "test/sim/stats.h"

#include "test/util.h"

static char *printed(const struct stats *s)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	assert_non_null(out);
	stats_print(s, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void every_counter_has_a_name_of_its_own(void **state)
{
	struct stats s = { .distinct = 0 };
	(void)state;
	char *text = printed(&s);
	unsigned lines = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_true(line[0] >= 'a' && line[0] <= 'z');
		assert_null(strstr(line, "(null)"));
		lines++;
	}
	assert_int_equal(lines, STATS_COUNTERS + 1);
	free(text);
}

static void requests_are_counted_by_api(void **state)
{
	struct stats s = { .distinct = 0 };
	(void)state;
	stats_api(&s, 0x3130);
	stats_api(&s, 0x3130);
	stats_api(&s, 0x3160);
	stats_api(&s, 0x3170); /* beyond the table: not counted */
	stats_api(&s, 0);
	assert_true(s.changed);
	char *text = printed(&s);
	assert_non_null(strstr(text, "api 3130 2\napi 3160 1\nviolations 0\n"));
	free(text);
}

static void equal_violations_are_one_line(void **state)
{
	struct stats s = { .distinct = 0 };
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		stats_violation(&s, "API %x is odd", 0x3147);
	stats_violation(&s, "other");
	char *text = printed(&s);
	assert_non_null(strstr(text, "violations 4\nviolation 3 API 3147 is odd\n"
				     "violation 1 other\n"));
	free(text);
}

static void too_many_distinct_violations_are_still_summed_up(void **state)
{
	struct stats s = { .distinct = 0 };
	(void)state;
	for (unsigned i = 0; i < 2 * STATS_VIOLATIONS_MAX; i++)
		stats_violation(&s, "number %u", i);
	assert_int_equal(s.distinct, STATS_VIOLATIONS_MAX);
	assert_int_equal(s.violation_count, 2 * STATS_VIOLATIONS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_has_a_name_of_its_own),
		cmocka_unit_test(requests_are_counted_by_api),
		cmocka_unit_test(equal_violations_are_one_line),
		cmocka_unit_test(too_many_distinct_violations_are_still_summed_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
