/* The man page tells of every option and every monitor command. */
#include <stdio.h>

#include "bridge/cli/options.h"
#include "bridge/gdb/monitor.h"
#include "test/util.h"

static char *manual(void)
{
	size_t length;

	return test_vector_file("../../share/man/kdbridge.1", &length);
}

static void expect_options(const char *man, enum options_command command)
{
	char help[4096] = "";
	FILE *out = fmemopen(help, sizeof(help) - 1, "w");

	options_print_help(out, command);
	(void)fclose(out);
	for (char *at = help; (at = strstr(at, "  --")) != NULL;) {
		char macro[64];

		at += strlen("  --");
		(void)snprintf(macro, sizeof(macro), "Fl -%.*s", (int)strcspn(at, "= "),
			       at);
		if (!strstr(man, macro))
			fail_msg("%s is not in the man page", macro);
	}
}

static void every_option_is_in_it(void **state)
{
	char *man = manual();

	(void)state;
	expect_options(man, OPTIONS_TARGET);
	expect_options(man, OPTIONS_DISSECT);
	expect_options(man, OPTIONS_KEYGEN);
	expect_options(man, OPTIONS_BCDEDIT);
	expect_options(man, OPTIONS_DOCTOR);
	free(man);
}

static void every_monitor_command_is_in_it(void **state)
{
	char *man = manual();

	(void)state;
	for (const struct monitor_command *c = monitor_commands; c->name; c++) {
		char macro[64];

		(void)snprintf(macro, sizeof(macro), ".It Ic %s", c->name);
		if (!strstr(man, macro))
			fail_msg("monitor %s is not in the man page", c->name);
	}
	free(man);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_in_it),
		cmocka_unit_test(every_monitor_command_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
