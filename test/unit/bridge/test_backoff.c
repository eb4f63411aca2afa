#include "bridge/worker/backoff.h"
#include "test/util.h"

static void the_delay_doubles_up_to_a_minute(void **state)
{
	static const double delays[] = { .5, 1, 2, 4, 8, 16, 32, 60, 60 };

	(void)state;
	for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
		assert_true(backoff_delay(i + 1) == delays[i]);
	assert_true(backoff_delay(1000000) == 60);
}

static void a_minute_of_life_begins_a_new_row(void **state)
{
	(void)state;
	assert_int_equal(backoff_count(0, 0), 1);
	assert_int_equal(backoff_count(1, 59), 2);
	assert_int_equal(backoff_count(7, 60), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_delay_doubles_up_to_a_minute),
		cmocka_unit_test(a_minute_of_life_begins_a_new_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
