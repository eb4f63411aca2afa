#include "test/sim/options.h"

#include <getopt.h>

#include "test/util.h"

static struct options parsed;

static enum options_result parse(const char *line)
{
	char copy[512];
	char *argv[32] = { copy };
	int argc = 0;
	(void)snprintf(copy, sizeof(copy), "kdsim %s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	optind = 0; /* from the start again */
	return options_parse(&parsed, argc, argv);
}

static void defaults_make_a_small_windows(void **state)
{
	(void)state;
	assert_int_equal(parse("--key 1.2.3.4"), OPTIONS_RUN);
	assert_string_equal(parsed.host, "127.0.0.1");
	assert_int_equal(parsed.port, 50000);
	assert_int_equal(parsed.target.machine.cpus, 2);
	assert_int_equal(parsed.target.kd.max_data, 1096);
	assert_int_equal(parsed.target.kd.version, 5);
	assert_int_equal(parsed.target.key[8], 2);
	assert_non_null(strstr(parsed.images, "guest"));
}

static void every_option_reaches_its_place(void **state)
{
	(void)state;
	assert_int_equal(
		parse("--host ::1 --port 51000 --key 1.2.3.4 --source-port 51001 "
		      "--version 2 --cpus 64 --modules 300 --boot --max-data 512"),
		OPTIONS_RUN);
	assert_string_equal(parsed.host, "::1");
	assert_int_equal(parsed.source_port, 51001);
	assert_int_equal(parsed.target.kd.version, 2);
	assert_int_equal(parsed.target.machine.cpus, 64);
	assert_int_equal(parsed.target.machine.modules, 300);
	assert_true(parsed.target.machine.boot);
	assert_int_equal(parsed.target.kd.max_data, 512);
	assert_int_equal(
		parse("--key 1.2.3.4 --loss 5 --delay 20 --seed 9 --hang-after 1.5 "
		      "--file-io --stale-break-in --no-context-parts "
		      "--physical-caching 1 --repeat-new-id --images /x"),
		OPTIONS_RUN);
	assert_int_equal(parsed.target.impair.delay_us, 20000);
	assert_int_equal(parsed.target.seed, 9);
	assert_int_equal(parsed.target.machine.seed, 9);
	assert_int_equal(parsed.target.hang_after_us, 1500000);
	assert_true(parsed.target.kd.file_io && parsed.target.keep_break_in);
	assert_int_equal(parsed.target.kd.physical_caching, 1);
	assert_string_equal(parsed.target.machine.images, "/x");
	assert_int_equal(parse("--help"), OPTIONS_HELP);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"--key zzzzzzzzzzzzz.1.1.1",
		"--key 1.2.3",
		"--key 1.2.3.4 --port 0",
		"--key 1.2.3.4 --port 70000",
		"--key 1.2.3.4 --cpus 257",
		"--key 1.2.3.4 --cpus two",
		"--key 1.2.3.4 --loss 101",
		"--key 1.2.3.4 --version 0",
		"--key 1.2.3.4 --max-data 100000",
		"--key 1.2.3.4 --hang-after -1",
		"--key 1.2.3.4 --nothing",
		"--key 1.2.3.4 more",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(parse(wrong[i]), OPTIONS_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_make_a_small_windows),
		cmocka_unit_test(every_option_reaches_its_place),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
