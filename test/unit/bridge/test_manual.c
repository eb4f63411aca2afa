/* The man page tells of every option and every monitor command. */
#include <ctype.h>
#include <glob.h>
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
	expect_options(man, OPTIONS_STATUS);
	free(man);
}

static void every_setting_of_a_section_is_in_the_other_one(void **state)
{
	static const char *const names[] = { "port", "key", "key-file", "target",
					     "label" };
	size_t length;
	char *man = test_vector_file("../../share/man/kdbridge.conf.5", &length);
	char help[4096] = "";
	FILE *out = fmemopen(help, sizeof(help) - 1, "w");

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(strstr(man, names[i]));
	options_print_help(out, OPTIONS_SECTION);
	(void)fclose(out);
	for (char *at = help; (at = strstr(at, "  --")) != NULL;) {
		char name[64];

		at += strlen("  --");
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "= "), at);
		if (!strstr(man, name))
			fail_msg("%s is not in kdbridge.conf(5)", name);
	}
	free(man);
}

/* The word in quotes at or behind `at`, before the statement ends. */
static const char *next_word(const char *at, char word[static 64])
{
	const char *from = at + strcspn(at, "\";");
	size_t length;

	if (*from != '"')
		return NULL;
	length = strcspn(++from, "\"");
	(void)snprintf(word, 64, "%.*s", (int)length, from);
	return from + length + 1;
}

static bool is_event_name(const char *word)
{
	for (; *word; word++)
		if (!islower((unsigned char)*word) && *word != '-')
			return false;
	return true;
}

static size_t expect_event(const char *man, const char *name, const char *file)
{
	char *listed = strstr(man, ".Sh LOG");
	const char *end = strstr(listed, ".Sh ENVIRONMENT");

	for (char *at = listed; (at = strstr(at, name)) != NULL && at < end; at++)
		if (strchr(" ,", at[-1]) && strchr(" ,\n", at[strlen(name)]))
			return 1;
	fail_msg("the event %s of %s is not in the man page", name, file);
	return 0;
}

/* `mark` stands before each name; the other one of a choice follows a colon. */
static size_t expect_events(const char *man, const char *file, const char *text,
			    const char *mark)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, mark)) != NULL;) {
		char word[64];
		const char *next = next_word(at + strlen(mark), word);

		at += strlen(mark);
		if (!next || !is_event_name(word))
			continue;
		count += expect_event(man, word, file);
		next += strspn(next, " \t\n");
		if (*next == ':' && next_word(next, word) && is_event_name(word))
			count += expect_event(man, word, file);
	}
	return count;
}

static void every_event_of_the_log_is_in_it(void **state)
{
	static const char *const marks[] = { "LOG_ERROR, ",  "LOG_WARN, ",
					     "LOG_INFO, ",   "LOG_DEBUG, ",
					     "LOG_DEBUG,\n", "LOG_INFO,\n",
					     "[KDNET_NOTICE" };
	static const char folder[] = TEST_VECTORS "/../../";
	char *man = manual();
	size_t count = 0;
	glob_t files;

	(void)state;
	assert_int_equal(glob(TEST_VECTORS "/../../bridge/*/*.c", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char relative[256];
		size_t length;
		char *text;

		(void)snprintf(relative, sizeof(relative), "../../%s",
			       files.gl_pathv[i] + sizeof(folder) - 1);
		text = test_vector_file(relative, &length);
		for (size_t k = 0; k < sizeof(marks) / sizeof(marks[0]); k++)
			count += expect_events(man, relative, text, marks[k]);
		free(text);
	}
	assert_true(count > 40);
	globfree(&files);
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
		cmocka_unit_test(every_setting_of_a_section_is_in_the_other_one),
		cmocka_unit_test(every_event_of_the_log_is_in_it),
		cmocka_unit_test(every_monitor_command_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
