#include "bridge/gdb/gdb_stop.h"
#include "test/util.h"

static struct rsp_stop stop_of(enum target_stop_kind kind, uint32_t code)
{
	struct target_stop stop = { .kind = kind,
				    .processor = 2,
				    .exception = { .code = code } };

	return gdb_stop_of(&stop, &client_gdb);
}

static void a_stop_has_its_signal_reason_and_thread(void **state)
{
	static const struct {
		enum target_stop_kind kind;
		enum rsp_stop_reason reason;
		int signal;
	} rows[] = {
		{ TARGET_STOP_BREAKPOINT, RSP_STOP_SWBREAK, 5 },
		{ TARGET_STOP_HARD_BREAKPOINT, RSP_STOP_PLAIN, 5 },
		{ TARGET_STOP_BREAK_IN, RSP_STOP_PLAIN, 2 },
		{ TARGET_STOP_STEP, RSP_STOP_PLAIN, 5 },
		{ TARGET_STOP_BUGCHECK, RSP_STOP_PLAIN, 6 },
		{ TARGET_STOP_LOAD, RSP_STOP_PLAIN, 5 },
		{ TARGET_STOP_COMMAND, RSP_STOP_PLAIN, 5 },
		{ TARGET_STOP_HARDWARE_BREAKPOINT, RSP_STOP_HWBREAK, 5 },
		{ TARGET_STOP_WATCHPOINT, RSP_STOP_WATCH, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rsp_stop stop = stop_of(rows[i].kind, 0x80000003);

		assert_int_equal(stop.reason, rows[i].reason);
		assert_int_equal(stop.signal, rows[i].signal);
		assert_int_equal(stop.thread, 3);
	}
}

static void exceptions_are_signals_by_their_code(void **state)
{
	static const struct {
		uint32_t code;
		int signal;
	} rows[] = {
		{ 0x80000001, GDB_SIGSEGV }, { 0x80000003, GDB_SIGTRAP },
		{ 0x80000004, GDB_SIGTRAP }, { 0xc0000005, GDB_SIGSEGV },
		{ 0xc000001d, GDB_SIGILL },  { 0xc000008d, GDB_SIGFPE },
		{ 0xc0000094, GDB_SIGFPE },  { 0xc0000095, GDB_SIGFPE },
		{ 0xc0000096, GDB_SIGILL },  { 0xc00000fd, GDB_SIGSEGV },
		{ 0xc0000420, GDB_SIGABRT }, { 0xe06d7363, GDB_SIGTRAP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(stop_of(TARGET_STOP_EXCEPTION, rows[i].code).signal,
				 rows[i].signal);
}

static void only_stops_that_gdb_cannot_word_are_told(void **state)
{
	struct target_stop stop = { .kind = TARGET_STOP_BUGCHECK, .text = "Bugcheck" };

	(void)state;
	assert_true(gdb_stop_tells(&stop));
	stop.kind = TARGET_STOP_BREAKPOINT;
	assert_false(gdb_stop_tells(&stop));
	stop.kind = TARGET_STOP_EXCEPTION;
	stop.text[0] = '\0';
	assert_false(gdb_stop_tells(&stop));
}

static struct target_resume resume_of(const struct rsp_resume *resume,
				      enum target_stop_kind kind, bool *holds_others)
{
	struct target_stop stop = { .kind = kind, .processor = 1 };

	return gdb_resume_of(resume, &stop, holds_others);
}

static void a_step_is_that_of_the_named_thread(void **state)
{
	struct rsp_resume resume = {
		.actions = { { .kind = RSP_STEP, .thread = 3 },
			     { .kind = RSP_CONTINUE, .thread = RSP_ALL_THREADS } },
		.count = 2,
	};
	bool holds;
	struct target_resume out = resume_of(&resume, TARGET_STOP_STEP, &holds);

	(void)state;
	assert_int_equal(out.kind, TARGET_STEP);
	assert_int_equal(out.processor, 2);
	assert_false(out.alone);
	assert_false(holds);
	resume.count = 1;
	out = resume_of(&resume, TARGET_STOP_STEP, &holds);
	assert_true(out.alone);
	assert_false(holds);
}

static void a_step_of_all_is_that_of_the_stopped_one(void **state)
{
	struct rsp_resume resume = {
		.actions = { { .kind = RSP_STEP, .thread = RSP_ALL_THREADS } },
		.count = 1,
	};
	bool holds;
	struct target_resume out = resume_of(&resume, TARGET_STOP_STEP, &holds);

	(void)state;
	assert_int_equal(out.kind, TARGET_STEP);
	assert_int_equal(out.processor, 1);
	assert_false(out.alone);
}

static void a_range_keeps_its_ends(void **state)
{
	struct rsp_resume resume = {
		.actions = { { .kind = RSP_RANGE_STEP,
			       .thread = 2,
			       .start = 0x1000,
			       .end = 0x1010 },
			     { .kind = RSP_CONTINUE, .thread = RSP_ALL_THREADS } },
		.count = 2,
	};
	bool holds;
	struct target_resume out = resume_of(&resume, TARGET_STOP_STEP, &holds);

	(void)state;
	assert_int_equal(out.kind, TARGET_RANGE_STEP);
	assert_int_equal(out.processor, 1);
	assert_true(out.start == 0x1000 && out.end == 0x1010);
}

static void a_signal_passes_an_exception_on_and_nothing_else(void **state)
{
	struct rsp_resume resume = {
		.actions = { { .kind = RSP_CONTINUE, .signal = 11, .thread = 2 },
			     { .kind = RSP_CONTINUE, .thread = RSP_ALL_THREADS } },
		.count = 2,
	};
	bool holds;

	(void)state;
	assert_true(resume_of(&resume, TARGET_STOP_EXCEPTION, &holds).not_handled);
	assert_false(resume_of(&resume, TARGET_STOP_BUGCHECK, &holds).not_handled);
	resume.actions[0].signal = 0;
	assert_false(resume_of(&resume, TARGET_STOP_EXCEPTION, &holds).not_handled);
	/* told of another thread (a lone step): gdb passes it with that one */
	resume.actions[0] = (struct rsp_resume_action){ .kind = RSP_CONTINUE,
							.signal = 11,
							.thread = 1 };
	assert_true(resume_of(&resume, TARGET_STOP_EXCEPTION, &holds).not_handled);
}

static void one_thread_alone_cannot_continue(void **state)
{
	struct rsp_resume resume = {
		.actions = { { .kind = RSP_CONTINUE, .thread = 1 } },
		.count = 1,
	};
	bool holds;

	(void)state;
	assert_int_equal(resume_of(&resume, TARGET_STOP_STEP, &holds).kind,
			 TARGET_CONTINUE);
	assert_true(holds);
	resume.actions[0].thread = RSP_ALL_THREADS;
	(void)resume_of(&resume, TARGET_STOP_STEP, &holds);
	assert_false(holds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_has_its_signal_reason_and_thread),
		cmocka_unit_test(exceptions_are_signals_by_their_code),
		cmocka_unit_test(only_stops_that_gdb_cannot_word_are_told),
		cmocka_unit_test(a_step_is_that_of_the_named_thread),
		cmocka_unit_test(a_step_of_all_is_that_of_the_stopped_one),
		cmocka_unit_test(a_range_keeps_its_ends),
		cmocka_unit_test(a_signal_passes_an_exception_on_and_nothing_else),
		cmocka_unit_test(one_thread_alone_cannot_continue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
