#include "bridge/target/exception.h"
#include "test/unit/bridge/gdb_fixture.h"

static void the_rules_are_listed_in_words(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_monitor(f, "exception"), "all exceptions: shown\n");
	assert_string_equal(fixture_monitor(f, "exception c0000005 second"), "");
	assert_string_equal(fixture_monitor(f, "exception Integer_Divide_By_Zero  pass"),
			    "");
	assert_string_equal(fixture_monitor(f, "exception 0xe1234567 stop"), "");
	assert_string_equal(fixture_monitor(f, "exception all pass"), "");
	assert_string_equal(
		fixture_monitor(f, "exception"),
		"c0000005 STATUS_ACCESS_VIOLATION: shown at the second chance only\n"
		"c0000094 STATUS_INTEGER_DIVIDE_BY_ZERO: left to Windows\n"
		"e1234567 (no name known): shown\n"
		"all others: left to Windows\n");
	fixture_monitor(f, "exception c0000005 default");
	fixture_monitor(f, "exception STATUS_INTEGER_DIVIDE_BY_ZERO default");
	fixture_monitor(f, "exception e1234567 default");
	fixture_monitor(f, "exception all default");
	assert_string_equal(fixture_monitor(f, "exception"), "all exceptions: shown\n");
	fixture_end(f);
}

static void what_makes_no_sense_is_said(void **state)
{
	static const char *const bad[] = { "exception c0000005",
					   "exception c0000005 sometimes",
					   "exception first", "exception first maybe",
					   "exception c0000005 stop and more" };
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_memory_equal(fixture_monitor(f, bad[i]), "Usage: monitor exc", 18);
	assert_non_null(strstr(fixture_monitor(f, "exception NO_SUCH_NAME stop"),
			       "\"NO_SUCH_NAME\""));
	assert_non_null(
		strstr(fixture_monitor(f, "exception 1c0000005 stop"), "neither"));
	assert_non_null(
		strstr(fixture_monitor(f, "exception 80000003 pass"), "always shown"));
	fixture_end(f);
}

static void without_the_export_first_chances_say_why(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_non_null(strstr(fixture_monitor(f, "exception first on"), "NtGlobalFlag"));
	fixture_end(f);
	f = fixture_over(fake_start(1));
	assert_string_equal(fixture_monitor(f, "exception first on"),
			    "The target is not stopped.\n");
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rules_are_listed_in_words),
		cmocka_unit_test(what_makes_no_sense_is_said),
		cmocka_unit_test(without_the_export_first_chances_say_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
