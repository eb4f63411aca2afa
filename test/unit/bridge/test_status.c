/* A target's status on its way, and in the three forms that users see. */
#include <stdio.h>

#include "bridge/worker/status_format.h"
#include "test/util.h"

enum { NOW = 1000000 };

static const struct status stopped = {
	.target = "lab-1",
	.label = "Büro",
	.state = STATUS_STOPPED,
	.reason = "break-in",
	.since = NOW - 190,
	.client = "127.0.0.1:4711",
	.endpoint = "127.0.0.1:12000",
	.port = 50000,
	.kdnet = 5,
	.build = 22621,
	.processors = 8,
	.round_trip_us = 1250,
	.sent = 600,
	.received = 400,
	.repeated = 20,
	.duplicates = 5,
	.exchanges = 321,
	.bugcheck = "0000001e KMODE_EXCEPTION_NOT_HANDLED",
};
static const struct status unseen = {
	.target = "server",
	.state = STATUS_NEVER_SEEN,
	.since = NOW - 90000 * 3,
	.endpoint = "127.0.0.1:12001",
	.port = 50001,
};

static char text[65536];

static FILE *begin(void)
{
	memset(text, 0, sizeof(text));
	return fmemopen(text, sizeof(text) - 1, "w");
}

static const char *table(const struct status *targets, size_t count, unsigned width)
{
	FILE *out = begin();

	status_print_table(out, targets, count, width, NOW);
	(void)fclose(out);
	return text;
}

static void what_is_written_reads_back(void **state)
{
	FILE *out = begin();
	const char *at = text;
	struct status s;

	(void)state;
	status_write(out, &stopped);
	status_write(out, &unseen);
	(void)fclose(out);
	assert_true(status_read(&s, &at));
	assert_memory_equal(&s, &stopped, sizeof(s));
	assert_true(status_read(&s, &at));
	assert_memory_equal(&s, &unseen, sizeof(s));
	assert_false(status_read(&s, &at));
}

static void what_is_odd_is_cut_or_passed_over(void **state)
{
	char long_line[400] = "target ";
	const char *at = "nonsense\nfuture 7\ntarget a\033[2J\nstate odd\nport x\nsent\n";
	struct status s;

	(void)state;
	assert_true(status_read(&s, &at));
	assert_string_equal(s.target, "a?[2J");
	assert_int_equal(s.state, STATUS_DOWN);
	assert_int_equal(s.port, 0);
	memset(long_line + strlen(long_line), 'x', 300);
	at = long_line;
	assert_true(status_read(&s, &at));
	assert_int_equal(strlen(s.target), sizeof(s.target) - 1);
	at = "\n\n\n";
	assert_false(status_read(&s, &at));
}

static void a_board_is_sound_whatever_is_on_it(void **state)
{
	struct status_board board;
	struct status s;

	(void)state;
	memset(&board, 0, sizeof(board));
	status_post(&board, &stopped);
	status_look(&board, &s);
	assert_memory_equal(&s, &stopped, sizeof(s));
	memset(&board, 0xff, sizeof(board));
	status_look(&board, &s);
	assert_int_equal(strlen(s.target), sizeof(s.target) - 1);
	assert_int_equal(s.state, STATUS_DOWN);
}

static void a_table_has_a_line_a_target_and_no_empty_column(void **state)
{
	const struct status both[] = { stopped, unseen };

	(void)state;
	assert_string_equal(
		table(both, 2, 0),
		"TARGET  STATE       SINCE  DEBUGGED BY     ENDPOINT          PORT  BUILD"
		"  CPUS     RTT   LOSS  EXCHANGES  KDNET  LABEL  LAST BUGCHECK"
		"                         WHY\n"
		"lab-1   stopped     3 min  127.0.0.1:4711  127.0.0.1:12000  50000  22621"
		"     8  1.2 ms  2.5 %        321      5  Büro   "
		"0000001e KMODE_EXCEPTION_NOT_HANDLED  break-in\n"
		"server  never seen    3 d                  127.0.0.1:12001  50001\n");
	assert_string_equal(table(&unseen, 1, 0),
			    "TARGET  STATE       SINCE  ENDPOINT          PORT\n"
			    "server  never seen    3 d  127.0.0.1:12001  50001\n");
}

static void a_table_fits_its_terminal(void **state)
{
	const struct status both[] = { stopped, unseen };

	(void)state;
	for (unsigned width = 10; width < 200; width++) {
		const char *line = table(both, 2, width);

		while (*line) {
			unsigned seen = 0;

			for (; *line != '\n'; line++)
				seen += ((unsigned char)*line & 0xc0) != 0x80;
			if (seen > width)
				fail_msg("%u columns for %u:\n%s", seen, width, text);
			line++;
		}
	}
	assert_non_null(strstr(table(both, 2, 40), "stopped"));
	assert_non_null(strstr(table(both, 2, 40), "break-in"));
}

static void json_holds_every_field(void **state)
{
	struct status odd = unseen;
	FILE *out = begin();

	(void)state;
	strcpy(odd.reason, "a\"b\\c");
	status_print_json(out, &odd, 1);
	(void)fclose(out);
	assert_non_null(strstr(text, "[{\"target\":\"server\",\"label\":\"\",\"state\":"
				     "\"never-seen\",\"reason\":\"a\\\"b\\\\c\","));
	for (const struct status_field *f = status_fields; f->name; f++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "\"%s\":", f->name);
		assert_non_null(strstr(text, name));
	}
	out = begin();
	status_print_json(out, NULL, 0);
	(void)fclose(out);
	assert_string_equal(text, "[]\n");
}

static void metrics_are_families_that_end(void **state)
{
	FILE *out = begin();

	(void)state;
	status_print_metrics(out, &stopped, 1);
	(void)fclose(out);
	assert_non_null(strstr(text, "# TYPE kdbridge_state stateset\n"));
	assert_non_null(strstr(text, "kdbridge_state{target=\"lab-1\",kdbridge_state="
				     "\"stopped\"} 1\n"));
	assert_non_null(strstr(text, "kdbridge_state{target=\"lab-1\",kdbridge_state="
				     "\"running\"} 0\n"));
	assert_non_null(strstr(text, "# TYPE kdbridge_exchanges counter\n"));
	assert_non_null(strstr(text, "kdbridge_exchanges_total{target=\"lab-1\"} 321\n"));
	assert_non_null(
		strstr(text, "kdbridge_round_trip_seconds{target=\"lab-1\"} 0.00125\n"));
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(what_is_odd_is_cut_or_passed_over),
		cmocka_unit_test(a_board_is_sound_whatever_is_on_it),
		cmocka_unit_test(a_table_has_a_line_a_target_and_no_empty_column),
		cmocka_unit_test(a_table_fits_its_terminal),
		cmocka_unit_test(json_holds_every_field),
		cmocka_unit_test(metrics_are_families_that_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
