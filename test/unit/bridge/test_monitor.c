#include "bridge/gdb/monitor.h"
#include "test/unit/bridge/gdb_fixture.h"

static void the_table_is_sorted_and_complete(void **state)
{
	const struct monitor_command *c = monitor_commands;

	(void)state;
	for (; c->name; c++) {
		assert_non_null(c->handler);
		assert_true(c->help[0] != '\0');
		assert_non_null(c->arguments);
		if (c[1].name)
			assert_true(strcmp(c->name, c[1].name) < 0);
	}
}

static void help_names_each_command(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	const char *text = fixture_monitor(f, "help");

	(void)state;
	for (const struct monitor_command *c = monitor_commands; c->name; c++)
		assert_non_null(strstr(text, c->help));
	text = fixture_monitor(f, "help reply");
	assert_memory_equal(text, "reply TEXT", 10);
	assert_null(strstr(text, "reboot"));
	fixture_end(f);
}

static void an_unknown_command_is_answered_in_words(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_monitor(f, "frobnicate now"),
			    "There is no command \"frobnicate\": \"monitor help\" lists "
			    "them.\n");
	assert_non_null(strstr(fixture_monitor(f, "help nonsense"), "\"nonsense\""));
	assert_non_null(strstr(fixture_monitor(f, ""), "monitor help"));
	fixture_end(f);
}

static void arguments_are_checked(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_monitor(f, "version now"),
			    "Usage: monitor version\n");
	assert_string_equal(fixture_monitor(f, "cache sideways"),
			    "Usage: monitor cache on|off|flush|stats\n");
	fixture_end(f);
}

static void blanks_around_do_not_matter(void **state)
{
	const char *arguments;

	(void)state;
	assert_string_equal(monitor_find("  cache   off ", &arguments)->name, "cache");
	assert_string_equal(arguments, "off ");
	assert_null(monitor_find("cach", &arguments));
	assert_null(monitor_find("caches", &arguments));
}

static void stats_count_exchanges_by_kind_of_packet(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	char line[64];
	const char *text;

	(void)state;
	fixture_ask(f, "?");
	fixture_ask(f, "mfffff80000001000,4");
	fixture_ask(f, "mfffff80000001000,4"); /* from the cache */
	text = fixture_monitor(f, "stats");
	(void)snprintf(line, sizeof(line), "exchanges %llu\n",
		       (unsigned long long)target_exchanges(f->fake->t));
	assert_non_null(strstr(text, line));
	assert_non_null(strstr(text, "\nm 2 1\n"));
	fixture_end(f);
}

static void version_tells_both_sides(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	const char *text = fixture_monitor(f, "version");

	(void)state;
	assert_memory_equal(text, "kdbridge " KDBRIDGE_VERSION "\n",
			    strlen("kdbridge " KDBRIDGE_VERSION "\n"));
	assert_non_null(strstr(text, "9600"));
	fixture_end(f);
}

static void the_cache_is_switched(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_memory_equal(fixture_monitor(f, "cache stats"), "cache on", 8);
	assert_string_equal(fixture_monitor(f, "cache off"), "");
	assert_memory_equal(fixture_monitor(f, "cache"), "cache off", 9);
	fixture_monitor(f, "cache on");
	fixture_monitor(f, "cache flush");
	assert_memory_equal(fixture_monitor(f, "cache"), "cache on", 8);
	fixture_end(f);
}

static void what_needs_a_stopped_target_says_so(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start(1));

	(void)state;
	assert_string_equal(fixture_monitor(f, "modules"),
			    "The target is not stopped.\n");
	assert_string_equal(fixture_monitor(f, "reboot"), "The target is not stopped.\n");
	assert_int_equal(f->reboots, 0);
	assert_string_equal(fixture_monitor(f, "reply yes"),
			    "The target asks nothing.\n");
	fixture_end(f);
}

static void reboot_is_the_sessions_business(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	fixture_monitor(f, "reboot");
	assert_int_equal(f->reboots, 1);
	fixture_end(f);
}

static void text_that_waited_comes_first(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	console_say(&f->gdb.console, "printed before\n");
	assert_memory_equal(fixture_monitor(f, "version"), "printed before\nkdbridge",
			    23);
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sorted_and_complete),
		cmocka_unit_test(help_names_each_command),
		cmocka_unit_test(an_unknown_command_is_answered_in_words),
		cmocka_unit_test(arguments_are_checked),
		cmocka_unit_test(blanks_around_do_not_matter),
		cmocka_unit_test(stats_count_exchanges_by_kind_of_packet),
		cmocka_unit_test(version_tells_both_sides),
		cmocka_unit_test(the_cache_is_switched),
		cmocka_unit_test(what_needs_a_stopped_target_says_so),
		cmocka_unit_test(reboot_is_the_sessions_business),
		cmocka_unit_test(text_that_waited_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
