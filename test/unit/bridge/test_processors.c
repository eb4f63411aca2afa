#include "bridge/target/processors.h"

#include "test/unit/bridge/fake_processes.h"

static void expect(struct fake_target *f, unsigned processor, const char *text)
{
	char out[64];
	processors_describe(f->t, processor, out, sizeof(out));
	assert_string_equal(out, text);
}

static void what_runs_is_named(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_with_processes();
	assert_int_equal(processors_count(f->t), 3);
	expect(f, 1, "explorer.exe pid 1234");
	expect(f, 0, "System pid 4");
	expect(f, 2, "idle");
	fake_end(f);
}

static void it_costs_nothing_the_second_time(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_with_processes();
	expect(f, 0, "System pid 4");
	expect(f, 1, "explorer.exe pid 1234");
	fake_forget_counts(f);
	expect(f, 0, "System pid 4");
	expect(f, 1, "explorer.exe pid 1234");
	assert_int_equal(f->logged, 0);
	fake_end(f);
}

static void without_kdbg_there_are_no_names(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	expect(f, 0, "");
	expect(f, 1, "");
	assert_int_equal(f->logged, 0);
	fake_end(f);
}

static void lists_that_lead_nowhere_end(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_with_processes();
	/* System's entry leads to itself: explorer.exe is never met */
	fake_put64(f, PROCESS(0) + LINKS, PROCESS(0) + LINKS);
	expect(f, 1, "");
	fake_end(f);
}

static void names_are_cleaned_and_cut(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_with_processes();
	memcpy(fake_at(f, PROCESS(1) + NAME), "a\x1b[31mbcdefghijklmn", 18);
	expect(f, 1, "a?[31mbcdefghij pid 1234");
	char out[5];
	processors_describe(f->t, 1, out, sizeof(out));
	assert_string_equal(out, "a?[3");
	expect(f, 7, "");
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_runs_is_named),
		cmocka_unit_test(it_costs_nothing_the_second_time),
		cmocka_unit_test(without_kdbg_there_are_no_names),
		cmocka_unit_test(lists_that_lead_nowhere_end),
		cmocka_unit_test(names_are_cleaned_and_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
