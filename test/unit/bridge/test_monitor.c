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

static void parts_of_files_are_asked_for_by_numbers(void **state)
{
	static const char usage[] =
		"Usage: monitor image [since NUMBER | BASE OFFSET]; numbers are "
		"decimal or 0x…\n";
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_monitor(f, "image since x"), usage);
	assert_string_equal(fixture_monitor(f, "image since 1 2"), usage);
	assert_string_equal(fixture_monitor(f, "image 0xfffff80000000000"), usage);
	assert_string_equal(fixture_monitor(f, "image 1 2 3"), usage);
	assert_string_equal(fixture_monitor(f, "image 1 0x8000000000000000"), usage);
	assert_string_equal(fixture_monitor(f, "image ../etc/passwd 0"), usage);
	assert_string_equal(fixture_monitor(f, "image 1 0"), "There is no such file.\n");
	fixture_end(f);
}

static void the_list_of_files_is_told_when_it_has_changed(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	char again[64] = "image ";
	const char *since;

	(void)state;
	since = strstr(fixture_monitor(f, "image"), "since ");
	assert_memory_equal(f->text, "There are none: they are made for lldb.\nsince ",
			    46);
	assert_non_null(since);
	(void)snprintf(again + 6, sizeof(again) - 6, "%.*s", (int)strcspn(since, "\n"),
		       since);
	fixture_monitor(f, again);
	assert_memory_equal(f->text, again + 6, strlen(again + 6));
	assert_string_equal(f->text + strlen(again + 6), "\n");
	f->gdb.images.version++;
	assert_memory_equal(fixture_monitor(f, again), "There are none", 14);
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
	assert_string_equal(fixture_monitor(f, "crash"), "The target is not stopped.\n");
	assert_int_equal(f->crashes, 0);
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
	fixture_monitor(f, "crash");
	assert_int_equal(f->crashes, 1);
	fixture_end(f);
}

static void load(struct gdb_fixture *f, const char *path, uint64_t base)
{
	unsigned stops = f->fake->stops;

	fake_do_resume(f->fake, TARGET_CONTINUE, 0);
	fake_load(f->fake, path, base, 0x2000, false);
	fake_spin_until(f->fake, &f->fake->stops, stops + 1);
}

static void modules_are_found_by_pattern_and_by_address(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	const char *text;

	(void)state;
	load(f, "\\System32\\NTOSKRNL.exe", 0xfffff80300000000);
	load(f, "\\Drivers\\Probe.sys", 0xfffff80300010000);
	text = fixture_monitor(f, "modules pro*");
	assert_non_null(strstr(text, "Probe.sys"));
	assert_null(strstr(text, "NTOS"));
	assert_non_null(strstr(fixture_monitor(f, "modules PROBE"), "Probe.sys"));
	assert_non_null(strstr(fixture_monitor(f, "modules nt"), "NTOSKRNL"));
	text = fixture_monitor(f, "modules 0xfffff80300011fff");
	assert_non_null(strstr(text, "Probe.sys"));
	assert_null(strstr(text, "NTOS"));
	assert_string_equal(fixture_monitor(f, "modules 0xfffff80300012000"),
			    "No module matches \"0xfffff80300012000\".\n");
	assert_string_equal(fixture_monitor(f, "modules [a"),
			    "No module matches \"[a\".\n");
	assert_non_null(strstr(fixture_monitor(f, "modules a b"), "Usage"));
	fixture_end(f);
}

/* The fake's code is 0x90 and the like; there are no names for it. */
static void u_lists_what_memory_holds_and_goes_on(void **state)
{
	static const uint8_t code[] = { 0x55, 0xe8, 0, 0, 0, 0, 0x06, 0xc3 };
	struct gdb_fixture *f = fixture_start(1);
	char line[80];

	(void)state;
	memcpy(fake_at(f->fake, FAKE_CODE + 0x40), code, sizeof(code));
	load(f, "\\x.sys", FAKE_BASE);
	(void)snprintf(line, sizeof(line), "u %#llx 4",
		       (unsigned long long)FAKE_CODE + 0x40);
	assert_string_equal(fixture_monitor(f, line),
			    "x+0x140:\n"
			    "fffff80000001140 55                     push     rbp\n"
			    "fffff80000001141 e800000000             call     "
			    "0xfffff80000001146  ; x+0x146\n"
			    "fffff80000001146 06                     (no instruction)\n"
			    "fffff80000001147 c3                     ret\n");
	assert_non_null(strstr(fixture_monitor(f, "u"), "fffff80000001148 "));
	fixture_ask(f, "vCont;s:1");
	gdb_report_stop(&f->gdb);
	fixture_collect(f);
	assert_null(strstr(fixture_monitor(f, "u"), "fffff80000001150 "));
	assert_string_equal(fixture_monitor(f, "u 0x10 4"),
			    "Memory at 0000000000000010 cannot be read.\n");
	fixture_end(f);
}

static void the_log_is_kept_when_it_was_shown(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_monitor(f, "log"),
			    "The target has printed nothing.\n");
	console_say(&f->gdb.log, "one\r\ntwo\x1b[2J\nthree");
	assert_string_equal(fixture_monitor(f, "log 2"), "two?[2J\nthree\n");
	assert_string_equal(fixture_monitor(f, "log"), "one\ntwo?[2J\nthree\n");
	assert_non_null(strstr(fixture_monitor(f, "log two"), "Usage"));
	fixture_end(f);
}

static void a_long_usage_does_not_hide_the_help(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	const char *text = fixture_monitor(f, "help exception");

	(void)state;
	assert_non_null(strstr(text, "first on|off\n"));
	assert_non_null(strstr(text, "\n                           which exceptions"));
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
		cmocka_unit_test(parts_of_files_are_asked_for_by_numbers),
		cmocka_unit_test(the_list_of_files_is_told_when_it_has_changed),
		cmocka_unit_test(blanks_around_do_not_matter),
		cmocka_unit_test(stats_count_exchanges_by_kind_of_packet),
		cmocka_unit_test(version_tells_both_sides),
		cmocka_unit_test(the_cache_is_switched),
		cmocka_unit_test(what_needs_a_stopped_target_says_so),
		cmocka_unit_test(reboot_is_the_sessions_business),
		cmocka_unit_test(text_that_waited_comes_first),
		cmocka_unit_test(modules_are_found_by_pattern_and_by_address),
		cmocka_unit_test(u_lists_what_memory_holds_and_goes_on),
		cmocka_unit_test(the_log_is_kept_when_it_was_shown),
		cmocka_unit_test(a_long_usage_does_not_hide_the_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
