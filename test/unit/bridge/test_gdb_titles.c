/* What runs on each processor, as lldb is told it with a stop. */
#include "test/unit/bridge/gdb_fixture.h"

#include "test/unit/bridge/fake_processes.h"

static void expect(struct gdb_fixture *f, int thread, const char *text)
{
	char out[128];

	gdb_thread_title(&f->gdb, thread, out, sizeof(out));
	assert_string_equal(out, text);
}

static void each_processor_says_what_it_runs(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start_with_processes());

	(void)state;
	expect(f, 1, "CPU 0: System pid 4");
	expect(f, 2, "CPU 1: explorer.exe pid 1234");
	expect(f, 3, "CPU 2: idle");
	expect(f, 99, "CPU 98"); /* there is none, and nothing is known of it */
	fixture_end(f);
}

static void it_is_looked_up_once_in_a_stop(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start_with_processes());

	(void)state;
	expect(f, 1, "CPU 0: System pid 4");
	memcpy(fake_at(f->fake, PROCESS(0) + NAME), "Changed", 8);
	memory_cache_flush(f->fake->t);
	fake_forget_counts(f->fake);
	expect(f, 1, "CPU 0: System pid 4");
	assert_int_equal(f->fake->logged, 0);
	gdb_titles_expire(&f->gdb);
	expect(f, 1, "CPU 0: Changed pid 4");
	fixture_end(f);
}

/* A user who steps waits for each question; what was told last serves. */
static void after_a_step_nothing_is_asked(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start_with_processes());

	(void)state;
	expect(f, 1, "CPU 0: System pid 4");
	fake_go(f->fake, TARGET_STEP, 0);
	assert_int_equal(f->fake->last_stop.kind, TARGET_STOP_STEP);
	gdb_titles_expire(&f->gdb);
	fake_forget_counts(f->fake);
	expect(f, 1, "CPU 0: System pid 4");
	expect(f, 2, "CPU 1"); /* never asked */
	assert_int_equal(f->fake->logged, 0);
	fixture_end(f);
}

static void once_time_is_up_only_the_stopped_one_is_looked_up(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start_with_processes());

	(void)state;
	f->gdb.titles.deadline_us = 1; /* long ago */
	expect(f, 2, "CPU 1");
	expect(f, 1, "CPU 0: System pid 4");
	fixture_end(f);
}

static void without_a_target_it_says_so(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start(1));

	(void)state;
	expect(f, 1, "CPU 0: no target yet");
	expect(f, RSP_ANY_THREAD, "CPU 0: no target yet");
	fixture_end(f);
}

/* gdb_wipe does the same once more. */
static void wiped_titles_are_looked_up_anew(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start_with_processes());

	(void)state;
	expect(f, 2, "CPU 1: explorer.exe pid 1234");
	gdb_titles_wipe(&f->gdb);
	expect(f, 2, "CPU 1: explorer.exe pid 1234");
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_processor_says_what_it_runs),
		cmocka_unit_test(it_is_looked_up_once_in_a_stop),
		cmocka_unit_test(after_a_step_nothing_is_asked),
		cmocka_unit_test(once_time_is_up_only_the_stopped_one_is_looked_up),
		cmocka_unit_test(without_a_target_it_says_so),
		cmocka_unit_test(wiped_titles_are_looked_up_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
