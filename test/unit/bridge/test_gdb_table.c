#include "bridge/target/breakpoint.h"
#include "bridge/target/watchpoint.h"
#include "test/unit/bridge/fake_kdbg.h"
#include "test/unit/bridge/gdb_fixture.h"

static void the_stop_is_told_with_thread_and_registers(void **state)
{
	struct gdb_fixture *f = fixture_start(2);
	const char *answer = fixture_ask(f, "?");

	(void)state;
	assert_memory_equal(answer, "T05", 3);
	/* rip, as it lies in memory: FAKE_CODE */
	assert_non_null(strstr(answer, "10:0011000000f8ffff;"));
	assert_non_null(strstr(answer, "thread:1;"));
	fixture_end(f);
}

static void registers_are_those_of_the_processor(void **state)
{
	struct gdb_fixture *f = fixture_start(2);

	(void)state;
	fake_set_register(f->fake, 1, FAKE_RCX, 0x1122334455667788);
	assert_string_equal(fixture_ask(f, "Hg2"), "OK");
	assert_string_equal(fixture_ask(f, "p2"), "8877665544332211");
	assert_string_equal(fixture_ask(f, "P2=0100000000000000"), "OK");
	assert_string_equal(fixture_ask(f, "p2"), "0100000000000000");
	assert_string_equal(fixture_ask(f, "pffff"), "E01");
	fixture_end(f);
}

static void of_a_machine_without_a_map_the_pc_is_told_and_nothing_made_up(void **state)
{
	struct fake_target *fake = fake_start(2);
	struct gdb_fixture *f;
	const char *answer;

	(void)state;
	fake->machine = KD_MACHINE_I386;
	fake_exception(fake, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(fake, &fake->stops, 1);
	f = fixture_over(fake);
	answer = fixture_ask(f, "?");
	assert_non_null(strstr(answer, "10:0011000000f8ffff;"));
	assert_null(strstr(answer, "07:")); /* rsp */
	assert_string_equal(fixture_ask(f, "p7"), "xxxxxxxxxxxxxxxx");
	assert_string_equal(fixture_ask(f, "Hg2"), "OK");
	assert_string_equal(fixture_ask(f, "p10"), "xxxxxxxxxxxxxxxx");
	assert_string_equal(fixture_ask(f, "P10=0100000000000000"), "E01");
	assert_non_null(
		strstr(fixture_monitor(f, "version"), "registers of this machine"));
	fixture_end(f);
}

static void memory_is_read_up_to_the_hole(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	memcpy(fake_at(f->fake, FAKE_BASE + FAKE_RAM - 4), "\xde\xad\xbe\xef", 4);
	assert_string_equal(fixture_ask(f, "mfffff80000004ffc,10"), "deadbeef");
	assert_string_equal(fixture_ask(f, "mfffff80000005000,10"), "E01");
	assert_string_equal(fixture_ask(f, "Mfffff80000001200,2:abcd"), "OK");
	assert_memory_equal(fake_at(f->fake, FAKE_BASE + 0x200), "\xab\xcd", 2);
	assert_string_equal(fixture_ask(f, "Mfffff80000005000,1:ab"), "E01");
	fixture_end(f);
}

static void breakpoints_are_wanted_and_bad_ones_refused(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_ask(f, "Z0,fffff80000001110,1"), "OK");
	assert_true(breakpoint_wanted(f->fake->t, FAKE_CODE + 0x10));
	assert_string_equal(fixture_ask(f, "Z0,fffff80000009000,1"), "E01");
	assert_string_equal(fixture_ask(f, "z0,fffff80000001110,1"), "OK");
	assert_false(breakpoint_wanted(f->fake->t, FAKE_CODE + 0x10));
	assert_string_equal(fixture_ask(f, "z0,fffff80000001110,1"), "OK");
	fixture_end(f);
}

static void hardware_ones_are_taken_but_not_reads_alone(void **state)
{
	struct gdb_fixture *f = fixture_start(2);

	(void)state;
	assert_string_equal(fixture_ask(f, "Z1,fffff80000001110,1"), "OK");
	assert_string_equal(fixture_ask(f, "Z2,fffff80000001118,8"), "OK");
	assert_string_equal(fixture_ask(f, "Z4,fffff80000001120,4"), "OK");
	assert_string_equal(fixture_ask(f, "Z3,fffff80000001124,4"), "");
	assert_int_equal(watchpoint_count(f->fake->t), 3);
	assert_string_equal(fixture_ask(f, "Z2,fffff80000001128,40"), "E01");
	assert_string_equal(fixture_ask(f, "z2,fffff80000001118,8"), "OK");
	assert_string_equal(fixture_ask(f, "z2,fffff80000001118,8"), "OK");
	assert_string_equal(fixture_ask(f, "z3,fffff80000001124,4"), "");
	assert_int_equal(watchpoint_count(f->fake->t), 2);
	fixture_end(f);
}

static void threads_are_processors(void **state)
{
	struct gdb_fixture *f = fixture_start(3);
	const char *list;

	(void)state;
	list = fixture_ask(f, "qXfer:threads:read::0,1000");
	assert_non_null(strstr(list, "id=\"1\""));
	assert_non_null(strstr(list, "id=\"3\""));
	assert_non_null(strstr(list, "CPU 2"));
	assert_null(strstr(list, "id=\"4\""));
	assert_string_equal(fixture_ask(f, "T3"), "OK");
	assert_string_equal(fixture_ask(f, "T4"), "E01");
	fixture_end(f);
}

static uint64_t cost_of_thread_list(struct gdb_fixture *f)
{
	uint64_t before = target_exchanges(f->fake->t);

	fixture_ask(f, "qXfer:threads:read::0,1000");
	return target_exchanges(f->fake->t) - before;
}

/* gdb asks twice while it connects, and once at each stop. */
static void thread_lists_cost_nothing_until_the_user_looks(void **state)
{
	struct gdb_fixture *f = fixture_start(2);

	(void)state;
	fake_give_kdbg(f->fake);
	f->fake->t->attach.version.debugger_data_list = f->fake->data_list;
	assert_int_equal(cost_of_thread_list(f), 0);
	assert_int_equal(cost_of_thread_list(f), 0);
	assert_int_not_equal(cost_of_thread_list(f), 0);
	fake_go(f->fake, TARGET_STEP, 0);
	gdb_report_stop(&f->gdb);
	assert_int_equal(cost_of_thread_list(f), 0);
	fixture_end(f);
}

static void a_resume_becomes_a_plan(void **state)
{
	struct gdb_fixture *f = fixture_start(2);

	(void)state;
	fixture_ask(f, "vCont;s:2;c");
	assert_int_equal(f->resumes, 1);
	assert_int_equal(f->resumed.kind, TARGET_STEP);
	assert_int_equal(f->resumed.processor, 1);
	gdb_report_stop(&f->gdb);
	fixture_collect(f);
	fixture_ask(f, "c1110");
	assert_int_equal(f->resumes, 2);
	assert_int_equal(f->resumed.kind, TARGET_CONTINUE);
	fixture_end(f);
}

static void a_lone_step_is_answered_by_its_own_thread(void **state)
{
	struct gdb_fixture *f = fixture_start(2);

	(void)state;
	fixture_ask(f, "vCont;s:2");
	gdb_report_stop(&f->gdb); /* processor 0 is what has stopped */
	fixture_collect(f);
	assert_non_null(strstr(f->answer, "thread:2;"));
	assert_non_null(strstr(f->text, "processor 0"));
	fixture_end(f);
}

static void locking_is_explained_once(void **state)
{
	struct gdb_fixture *f = fixture_start(2);

	(void)state;
	fixture_ask(f, "vCont;c:1");
	gdb_report_stop(&f->gdb);
	fixture_collect(f);
	assert_non_null(strstr(f->text, "cannot hold them back"));
	fixture_ask(f, "vCont;c:1");
	gdb_report_stop(&f->gdb);
	fixture_collect(f);
	assert_null(strstr(f->text, "cannot hold them back"));
	fixture_end(f);
}

static void the_words_come_before_the_stop(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	fixture_ask(f, "vCont;c");
	gdb_report_stop(&f->gdb);
	fixture_collect(f);
	assert_non_null(strstr(f->text, target_stopped(f->fake->t)->text));
	assert_memory_equal(f->answer, "T05", 3);
	fixture_end(f);
}

static void without_a_target_there_is_a_placeholder(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start(2)); /* it runs */
	const char *answer = fixture_ask(f, "?");

	(void)state;
	assert_memory_equal(answer, "T02", 3);
	assert_non_null(strstr(answer, "10:0000000000000000;"));
	assert_non_null(strstr(answer, "thread:1;"));
	/* no system register of it is known */
	assert_non_null(strchr(fixture_ask(f, "p3a"), 'x'));
	assert_string_equal(fixture_ask(f, "mfffff80000001000,4"), "E01");
	assert_string_equal(fixture_ask(f, "Z0,fffff80000009000,1"), "OK");
	assert_string_equal(fixture_ask(f, "z0,fffff80000009000,1"), "OK");
	assert_string_equal(fixture_ask(f, "T1"), "OK");
	assert_string_equal(fixture_ask(f, "T2"), "E01");
	assert_non_null(
		strstr(fixture_ask(f, "qXfer:threads:read::0,1000"), "no target yet"));
	fixture_end(f);
}

static void in_extended_mode_there_is_no_process_then(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start(2));

	(void)state;
	assert_string_equal(fixture_ask(f, "!"), "OK");
	assert_memory_equal(fixture_ask(f, "?"), "W00", 3);
	assert_null(strstr(fixture_ask(f, "qXfer:threads:read::0,1000"), "id="));
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stop_is_told_with_thread_and_registers),
		cmocka_unit_test(registers_are_those_of_the_processor),
		cmocka_unit_test(
			of_a_machine_without_a_map_the_pc_is_told_and_nothing_made_up),
		cmocka_unit_test(memory_is_read_up_to_the_hole),
		cmocka_unit_test(breakpoints_are_wanted_and_bad_ones_refused),
		cmocka_unit_test(hardware_ones_are_taken_but_not_reads_alone),
		cmocka_unit_test(threads_are_processors),
		cmocka_unit_test(thread_lists_cost_nothing_until_the_user_looks),
		cmocka_unit_test(a_resume_becomes_a_plan),
		cmocka_unit_test(a_lone_step_is_answered_by_its_own_thread),
		cmocka_unit_test(locking_is_explained_once),
		cmocka_unit_test(the_words_come_before_the_stop),
		cmocka_unit_test(without_a_target_there_is_a_placeholder),
		cmocka_unit_test(in_extended_mode_there_is_no_process_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
