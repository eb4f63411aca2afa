#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/cli/log.h"
#include "test/util.h"

static const char *line(enum log_format format, enum log_level level,
			const char *sentence, const struct log_field *fields,
			uint64_t times)
{
	const struct log log = { .format = format };
	static char out[LOG_LINE_MAX];

	log_format_line(out, &log, level, "event", sentence, fields, times);
	return out;
}

static void text_shows_the_sentence_with_its_fields(void **state)
{
	const struct log_field fields[] = { LOG_TEXT("endpoint", "127.0.0.1:1234"),
					    LOG_NUMBER("port", 50000), LOG_END };

	(void)state;
	assert_string_equal(line(LOG_AS_TEXT, LOG_INFO,
				 "gdb endpoint {endpoint}, waiting on UDP port {port}",
				 fields, 1),
			    "kdbridge: gdb endpoint 127.0.0.1:1234, waiting on UDP port "
			    "50000");
}

static void warnings_say_so_and_errors_are_plain(void **state)
{
	const struct log_field none[] = { LOG_END };

	(void)state;
	assert_string_equal(line(LOG_AS_TEXT, LOG_WARN, "odd", none, 1),
			    "kdbridge: warning: odd");
	assert_string_equal(line(LOG_AS_TEXT, LOG_ERROR, "bad", none, 1),
			    "kdbridge: bad");
	assert_string_equal(line(LOG_AS_TEXT, LOG_WARN, "odd", none, 10),
			    "kdbridge: warning: odd (10 times)");
}

static void control_characters_of_a_field_are_escaped(void **state)
{
	const struct log_field fields[] = { LOG_TEXT("text", "a\033[31m\n\x7f\xc3"),
					    LOG_END };

	(void)state;
	assert_string_equal(line(LOG_AS_TEXT, LOG_INFO, "{text}", fields, 1),
			    "kdbridge: a\\x1b[31m\\x0a\\x7f\\xc3");
}

static void json_has_level_event_message_and_fields(void **state)
{
	const struct log_field fields[] = { LOG_TEXT("who", "a\"b\\\n"),
					    LOG_NUMBER("port", 7), LOG_HEX("pc", 0xfff),
					    LOG_END };
	const char *json = line(LOG_AS_JSON, LOG_WARN, "from {who} at {pc}", fields, 1);

	(void)state;
	assert_non_null(strstr(json, "{\"time\":\"2"));
	assert_non_null(strstr(json, "\"level\":\"warn\",\"event\":\"event\","
				     "\"message\":\"from a\\\"b\\\\\\u000a at fff\","
				     "\"who\":\"a\\\"b\\\\\\u000a\",\"port\":7,"
				     "\"pc\":\"fff\"}"));
}

static void a_name_without_a_field_is_left_out(void **state)
{
	const struct log_field none[] = { LOG_END };

	(void)state;
	assert_string_equal(line(LOG_AS_TEXT, LOG_INFO, "a{nothing}b{open", none, 1),
			    "kdbridge: ab");
}

static void a_long_field_is_cut_and_json_stays_whole(void **state)
{
	char text[5000];
	const struct log_field fields[] = { LOG_TEXT("text", text), LOG_END };
	const char *json;

	(void)state;
	memset(text, 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json = line(LOG_AS_JSON, LOG_INFO, "{text}", fields, 1);
	assert_true(strlen(json) < LOG_LINE_MAX - 1);
	assert_string_equal(json + strlen(json) - 2, "\"}");
}

/* What log_write put into the pipe. */
static size_t count_lines(int fd)
{
	char text[65536];
	ssize_t length = read(fd, text, sizeof(text));
	size_t lines = 0;

	for (ssize_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	return lines;
}

static void trouble_is_said_once_and_then_counted(void **state)
{
	struct log log;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	log_init(&log, ends[1], LOG_INFO, LOG_AS_TEXT);
	for (int i = 0; i < 150; i++) {
		log_event(&log, LOG_WARN, "odd", "odd");
		if (i < 2)
			log_event(&log, LOG_WARN, "other", "other");
	}
	log_event(&log, LOG_INFO, "life", "life");
	log_event(&log, LOG_INFO, "life", "life");
	log_event(&log, LOG_DEBUG, "detail", "not at this level");
	/* odd: 1st, 10th, 100th; other: 1st; life: each */
	assert_int_equal(count_lines(ends[0]), 3 + 1 + 2);
	close(ends[0]);
	close(ends[1]);
}

static void a_line_names_its_target_among_many(void **state)
{
	const struct log_field none[] = { LOG_END };
	struct log log = { .target = "lab-1" };
	char out[LOG_LINE_MAX];

	(void)state;
	log_format_line(out, &log, LOG_WARN, "odd", "odd", none, 1);
	assert_string_equal(out, "kdbridge: lab-1: warning: odd");
	log.format = LOG_AS_JSON;
	log_format_line(out, &log, LOG_WARN, "odd", "odd", none, 1);
	assert_non_null(strstr(out, "\"level\":\"warn\",\"target\":\"lab-1\",\"event\""));
}

static void the_journal_gets_a_level_and_no_time(void **state)
{
	const struct log_field none[] = { LOG_END };
	char stream[64], out[LOG_LINE_MAX];
	struct stat status;
	struct log log;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init(&log, STDERR_FILENO, LOG_INFO, LOG_AS_JSON);
	log_format_line(out, &log, LOG_WARN, "odd", "odd", none, 1);
	assert_string_equal(
		out, "<4>{\"level\":\"warn\",\"event\":\"odd\",\"message\":\"odd\"}");
	log.format = LOG_AS_TEXT;
	log_format_line(out, &log, LOG_INFO, "odd", "odd", none, 1);
	assert_string_equal(out, "<6>kdbridge: odd");
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_init(&log, STDERR_FILENO, LOG_INFO, LOG_AS_TEXT);
	assert_false(log.journal);
	unsetenv("JOURNAL_STREAM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_shows_the_sentence_with_its_fields),
		cmocka_unit_test(warnings_say_so_and_errors_are_plain),
		cmocka_unit_test(control_characters_of_a_field_are_escaped),
		cmocka_unit_test(json_has_level_event_message_and_fields),
		cmocka_unit_test(a_name_without_a_field_is_left_out),
		cmocka_unit_test(a_long_field_is_cut_and_json_stays_whole),
		cmocka_unit_test(a_line_names_its_target_among_many),
		cmocka_unit_test(the_journal_gets_a_level_and_no_time),
		cmocka_unit_test(trouble_is_said_once_and_then_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
