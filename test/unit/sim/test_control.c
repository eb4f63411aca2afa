#include "test/sim/control.h"

#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

static char answer[16384];
static bool quit;

static const char *ask(struct host *h, const char *line)
{
	FILE *out = fmemopen(answer, sizeof(answer), "w");
	assert_non_null(out);
	control_execute(h->target, line, out, h->now_us, &quit);
	assert_int_equal(fclose(out), 0);
	return answer;
}

static void the_machine_is_looked_at(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	assert_string_equal(ask(&h, "peek fffff80000401000 4"), "90919293\n");
	assert_string_equal(ask(&h, "peek 0x1000 8"), "unreadable\n");
	assert_string_equal(ask(&h, "symbol ntoskrnl Work"), "fffff80000401000\n");
	assert_string_equal(ask(&h, "symbol ntoskrnl Nothing"),
			    "error: no such symbol\n");
	assert_string_equal(ask(&h, "chain 1"), "fffff80000401040\n");
	assert_string_equal(ask(&h, "instructions 0"), "12345\n");
	assert_non_null(strstr(ask(&h, "regs 1"), "rip=fffff80000401040 rax=0 "));
	assert_non_null(strstr(ask(&h, "regs 99"), "rip=fffff80000401040 "));
	host_free(&h);
}

static void one_more_processor_joins(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	assert_string_equal(ask(&h, "add-cpu"), "ok\n");
	assert_memory_equal(ask(&h, "add-cpu"), "error: ", 7);
	host_free(&h);
}

static void the_state_and_the_stop_are_told(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	assert_string_equal(ask(&h, "state"), "running none\n");
	host_free(&h);
	host_begin(&h, &options);
	assert_string_equal(ask(&h, "state"),
			    "stopped exception cpu=0 pc=fffff80000401000 code=80000003 "
			    "address=fffff80000401000 first=1\n");
	assert_non_null(
		strstr(ask(&h, "stats"), "planted 0\nforeign_opcodes 0\ndr7 0\n"));
	host_free(&h);
}

static void the_guest_and_the_network_are_made_to_act(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	assert_string_equal(ask(&h, "act print two\\nlines"), "ok\n");
	assert_string_equal(fake.action, "print two\nlines");
	assert_string_equal(ask(&h, "act nonsense"), "error: no such action\n");
	assert_string_equal(ask(&h, "impair loss=5 delay=20"), "ok\n");
	assert_true(h.target->link.lenient);
	assert_int_equal(h.target->out.options.delay_us, 20000);
	assert_string_equal(ask(&h, "impair loss"), "error: loss\n");
	assert_string_equal(ask(&h, "impair loss=0 delay=0"), "ok\n");
	assert_string_equal(ask(&h, "silence 2.5"), "ok\n");
	assert_int_equal(h.target->in.silent_until_us, h.now_us + 2500000);
	assert_string_equal(ask(&h, "reboot now"), "ok\n");
	assert_int_equal(h.target->stats.counters[STATS_REBOOTS], 1);
	host_free(&h);
}

static void unknown_commands_are_errors_and_help_lists_the_known(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	assert_string_equal(ask(&h, "dance"), "error: no such command\n");
	assert_string_equal(ask(&h, ""), "error: no such command\n");
	assert_non_null(strstr(ask(&h, "help"), "peek ADDRESS LENGTH\n"));
	assert_false(quit);
	(void)ask(&h, "quit");
	assert_true(quit);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_machine_is_looked_at),
		cmocka_unit_test(one_more_processor_joins),
		cmocka_unit_test(the_state_and_the_stop_are_told),
		cmocka_unit_test(the_guest_and_the_network_are_made_to_act),
		cmocka_unit_test(unknown_commands_are_errors_and_help_lists_the_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
