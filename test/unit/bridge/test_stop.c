#include "test/unit/bridge/fake_kdbg.h"

enum { CC = 0xcc };
#define SITE (FAKE_CODE + 0x40)

static void wait_stops(struct fake_target *f, unsigned stops)
{
	fake_spin_until(f, &f->stops, stops);
}

static void an_exception_is_told_in_words(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(2);
	f->owner = 1;
	fake_prepare_exception(f, 0xc0000005, fake_pc(f, 1));
	store_le(f->state + 56, 2, 4);
	store_le(f->state + 64, 1, 8);
	store_le(f->state + 72, 0x10, 8);
	fake_report_state(f, 1, KD_STATE_EXCEPTION, fake_pc(f, 1));
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_EXCEPTION);
	assert_int_equal(f->last_stop.processor, 1);
	assert_int_equal(f->last_stop.exception.code, 0xc0000005);
	assert_true(f->last_stop.exception.first_chance);
	assert_string_equal(
		f->last_stop.text,
		"Exception c0000005 STATUS_ACCESS_VIOLATION at fffff80000001200 writing "
		"0000000000000010, first chance, on processor 1");
	fake_end(f);
}

static void a_repeated_report_is_the_same_stop(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	for (int i = 0; i < 3; i++) {
		fake_repeat_state(f); /* under another id each time */
		fake_spin(f, 5);
	}
	assert_int_equal(f->stops, 1);
	assert_int_equal(target_state(f->t), TARGET_STOPPED);
	fake_end(f);
}

static void come_back(struct fake_target *f, bool trace)
{
	(void)trace;
	fake_set_register(f, 0, FAKE_RIP, FAKE_CODE);
	fake_exception(f, 0, KD_STATUS_BREAKPOINT);
}

static void the_same_report_after_a_resume_is_a_new_stop(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	*fake_at(f, FAKE_CODE) = CC;
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.pc, FAKE_CODE);
	f->on_resume = come_back;
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.pc, FAKE_CODE);
	fake_end(f);
}

static void the_context_has_the_last_word_on_the_pc(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	*fake_at(f, SITE) = CC;
	/* as the boot debugger: report and context behind it, exception address on it */
	fake_set_register(f, 0, FAKE_RIP, SITE + 1);
	fake_prepare_exception(f, KD_STATUS_BREAKPOINT, SITE);
	fake_report_state(f, 0, KD_STATE_EXCEPTION, SITE + 1);
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARD_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE);
	uint64_t pc;
	assert_int_equal(registers_get(f->t, 0, 16, &pc), KD_DONE);
	assert_int_equal(pc, SITE);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	assert_int_equal(fake_count(f, KD_SET_CONTEXT), 0);
	fake_end(f);
}

static void an_exception_address_behind_the_int3_means_nothing(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	*fake_at(f, SITE) = CC;
	fake_set_register(f, 0, FAKE_RIP, SITE);
	fake_prepare_exception(f, KD_STATUS_BREAKPOINT, SITE + 1);
	fake_report_state(f, 0, KD_STATE_EXCEPTION, SITE);
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.pc, SITE);
	fake_end(f);
}

static void a_load_names_its_image(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_load(f, "\\SystemRoot\\system32\\drivers\\x\x01y.sys", FAKE_BASE, 0x3000,
		  false);
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_LOAD);
	assert_int_equal(f->last_stop.image.base, FAKE_BASE);
	assert_int_equal(f->last_stop.image.size, 0x3000);
	assert_false(f->last_stop.image.unload);
	assert_string_equal(f->last_stop.image.path,
			    "\\SystemRoot\\system32\\drivers\\x?y.sys");
	fake_end(f);
}

static void a_storm_of_loads_costs_one_exchange_each(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->resumes_loads = true;
	fake_load(f, "\\a.sys", FAKE_BASE, 0x100, false);
	wait_stops(f, 1);
	uint64_t before = target_exchanges(f->t);
	for (unsigned i = 1; i <= 50; i++) {
		fake_load(f, "\\b.sys", FAKE_BASE + i * 0x100, 0x100, false);
		wait_stops(f, 1 + i);
	}
	fake_spin(f, 5);
	assert_int_equal(target_exchanges(f->t), before + 50);
	fake_end(f);
}

static void the_last_word_of_a_target_is_understood(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	memset(f->state, 0, sizeof(f->state));
	store_le(f->state + 40, UINT64_MAX, 8);
	f->state[64] = true;
	f->state_length = FAKE_STATE_SIZE;
	fake_report_state(f, 0, KD_STATE_LOAD_SYMBOLS, 0);
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_LOAD);
	assert_true(f->last_stop.image.unload);
	assert_string_equal(f->last_stop.text,
			    "The target is about to reboot or to leave");
	fake_end(f);
}

static void a_bugcheck_is_told_from_a_break_in_by_its_argument(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_give_kdbg(f);
	fake_put64(f, FAKE_BUGCHECK_DATA, 0xd1);
	fake_put64(f, FAKE_BUGCHECK_DATA + 8, 0x10);
	fake_put64(f, FAKE_BUGCHECK_DATA + 16, 2);
	fake_put64(f, FAKE_BUGCHECK_DATA + 32, FAKE_CODE);
	fake_break_with_status(f, 3);
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BUGCHECK);
	assert_string_equal(f->last_stop.text,
			    "Bugcheck 000000d1 DRIVER_IRQL_NOT_LESS_OR_EQUAL "
			    "(0000000000000010, 0000000000000002, 0000000000000000, "
			    "fffff80000001100) on processor 0");
	fake_end(f);
}

static void without_kdbg_the_print_tells_of_a_bugcheck(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_print(f, KD_PRINT, "noise\n*** Fatal System Error: 0x0000");
	fake_print(f, KD_PRINT, "001e\n   (0xFFFFFFFFC0000005,0x2,0x3,0x4)\n");
	fake_spin(f, 5);
	fake_break_with_status(f, 4);
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BUGCHECK);
	assert_non_null(strstr(f->last_stop.text,
			       "0000001e KMODE_EXCEPTION_NOT_HANDLED (ffffffffc0000005, "
			       "0000000000000002, 0000000000000003, 0000000000000004)"));
	fake_end(f);
}

static void a_stop_elsewhere_is_no_bugcheck(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_give_kdbg(f);
	*fake_at(f, SITE) = CC;
	fake_set_register(f, 0, FAKE_RCX, 3);
	fake_set_register(f, 0, FAKE_RIP, SITE);
	fake_exception(f, 0, KD_STATUS_BREAKPOINT);
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_HARD_BREAKPOINT);
	fake_end(f);
}

static void a_command_string_is_a_stop_of_its_own(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	memset(f->state, 0, sizeof(f->state));
	memcpy(f->state + FAKE_STATE_SIZE, "name\0command", 13);
	f->state_length = FAKE_STATE_SIZE + 13;
	fake_report_state(f, 0, KD_STATE_COMMAND_STRING, fake_pc(f, 0));
	wait_stops(f, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_COMMAND);
	fake_end(f);
}

static void damaged_reports_are_ignored(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	memset(f->state, 0, sizeof(f->state));
	for (size_t length = 0; length < FAKE_STATE_SIZE; length += 16)
		fake_send(&f->link, KD_PACKET_STATE_CHANGE64, f->state, length);
	fake_spin(f, 20);
	assert_int_equal(f->stops, 0);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_end(f);
}

static void processors_grow_but_never_beyond_reason(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(processors_count(f->t), 2);
	const uint32_t told[] = { 0 /* occurs */, 3, 4000000 };
	const unsigned known[] = { 2, 3, PROCESSORS_MAX };
	for (unsigned i = 0; i < 3; i++) {
		fake_do_resume(f, TARGET_CONTINUE, 0);
		f->cpus_told = told[i];
		fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
		wait_stops(f, 2 + i);
		assert_int_equal(processors_count(f->t), known[i]);
	}
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exception_is_told_in_words),
		cmocka_unit_test(a_repeated_report_is_the_same_stop),
		cmocka_unit_test(the_same_report_after_a_resume_is_a_new_stop),
		cmocka_unit_test(the_context_has_the_last_word_on_the_pc),
		cmocka_unit_test(an_exception_address_behind_the_int3_means_nothing),
		cmocka_unit_test(a_load_names_its_image),
		cmocka_unit_test(a_storm_of_loads_costs_one_exchange_each),
		cmocka_unit_test(the_last_word_of_a_target_is_understood),
		cmocka_unit_test(a_bugcheck_is_told_from_a_break_in_by_its_argument),
		cmocka_unit_test(without_kdbg_the_print_tells_of_a_bugcheck),
		cmocka_unit_test(a_stop_elsewhere_is_no_bugcheck),
		cmocka_unit_test(a_command_string_is_a_stop_of_its_own),
		cmocka_unit_test(damaged_reports_are_ignored),
		cmocka_unit_test(processors_grow_but_never_beyond_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
