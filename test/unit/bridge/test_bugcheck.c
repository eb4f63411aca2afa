#include "bridge/target/status.h"
#include "test/unit/bridge/fake_kdbg.h"

static void codes_have_their_documented_names(void **state)
{
	(void)state;
	assert_string_equal(bugcheck_name(0x0a), "IRQL_NOT_LESS_OR_EQUAL");
	assert_string_equal(bugcheck_name(0x1e), "KMODE_EXCEPTION_NOT_HANDLED");
	assert_string_equal(bugcheck_name(0xe2), "MANUALLY_INITIATED_CRASH");
	assert_string_equal(bugcheck_name(0x01), "APC_INDEX_MISMATCH");
	assert_string_equal(bugcheck_name(0x7e), "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED");
	assert_string_equal(bugcheck_name(0x133), "DPC_WATCHDOG_VIOLATION");
	assert_string_equal(bugcheck_name(0x1ca), "SYNTHETIC_WATCHDOG_TIMEOUT");
	assert_string_equal(bugcheck_name(0x20001), "HYPERVISOR_ERROR");
	assert_string_equal(bugcheck_name(0xdeaddead), "MANUALLY_INITIATED_CRASH1");
	assert_null(bugcheck_name(0x9d));
	assert_null(bugcheck_name(0));
	assert_null(bugcheck_name(0xffffffff));
}

static void statuses_have_their_names(void **state)
{
	(void)state;
	assert_string_equal(status_name(0xc0000005), "STATUS_ACCESS_VIOLATION");
	assert_string_equal(status_name(0xc0000420), "STATUS_ASSERTION_FAILURE");
	assert_null(status_name(0x12345678));
	uint32_t status = 0;
	assert_true(status_of("STATUS_ACCESS_VIOLATION", &status));
	assert_int_equal(status, 0xc0000005);
	assert_true(status_of("integer_divide_by_zero", &status));
	assert_int_equal(status, 0xc0000094);
	assert_false(status_of("STATUS_", &status));
}

static void the_driver_at_fault_is_named_where_it_was_printed(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_print(f, KD_PRINT, "\n*** Fatal System Error: 0x000000d1\n   (0x1,0x2,0x3,");
	fake_print(f, KD_PRINT, "0x4)\n\nDriver at fault: \n***  x\x01.sys - Address 5");
	fake_print(f, KD_PRINT, "***");
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	char text[224];
	bugcheck_describe(f->t, text, sizeof(text));
	assert_non_null(strstr(text, "000000d1 DRIVER_IRQL_NOT_LESS_OR_EQUAL ("));
	assert_non_null(strstr(text, "), driver at fault: x,"));
	fake_end(f);
}

static void the_kernels_own_words_come_first(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_give_kdbg(f);
	fake_put64(f, FAKE_BUGCHECK_DATA, 0x50);
	fake_print(f, KD_PRINT, "*** Fatal System Error: 0x0000001e\n(0x1,0x2,0x3,0x4)");
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	char text[160];
	bugcheck_describe(f->t, text, sizeof(text));
	assert_non_null(strstr(text, "00000050 PAGE_FAULT_IN_NONPAGED_AREA ("));
	fake_end(f);
}

static void a_print_will_do_where_they_cannot_be_read(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_print(f, KD_PRINT, "*** Fatal System Error: 0x00abcdef\n(0x1,0x22");
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	char text[160];
	bugcheck_describe(f->t, text, sizeof(text));
	assert_string_equal(text,
			    "00abcdef (no documented name) (0000000000000001, "
			    "0000000000000022, 0000000000000000, 0000000000000000)");
	fake_end(f);
}

static void nothing_is_said_where_nothing_is_known(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	char text[160];
	bugcheck_describe(f->t, text, sizeof(text));
	assert_string_equal(text, "");
	fake_end(f);
}

static void the_last_one_outlives_its_stop_and_a_reboot(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	struct target_bugcheck b;
	assert_false(target_last_bugcheck(f->t, &b));
	fake_print(f, KD_PRINT, "*** Fatal System Error: 0xd1\n(0x1,0x2,0x3,0x4)\n");
	fake_print(f, KD_PRINT, "Driver at fault: \n***  x.sys - Address 5");
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_true(target_last_bugcheck(f->t, &b));
	fake_do_resume(f, TARGET_CONTINUE, 0);
	bugcheck_on_session_end(f->t, true);
	f->t->stop.fatal_length = 0;
	assert_true(target_last_bugcheck(f->t, &b));
	assert_int_equal(b.code, 0xd1);
	assert_int_equal(b.parameters[3], 4);
	assert_string_equal(b.driver, "x.sys");
	assert_true(b.earlier_boot);
	fake_end(f);
}

/* Nobody asked, nothing stopped: it was printed, and the target rebooted. */
static void one_that_was_only_printed_is_remembered(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	struct target_bugcheck b;
	fake_print(f, KD_PRINT, "*** Fatal System Error: 0x50\n(0x1,0x2,0x3,0x4)\n");
	fake_spin_until(f, &f->prints, 1);
	bugcheck_on_session_end(f->t, false); /* silent first, then anew */
	f->t->stop.fatal_length = 0;
	bugcheck_on_session_end(f->t, true);
	assert_true(target_last_bugcheck(f->t, &b));
	assert_int_equal(b.code, 0x50);
	assert_true(b.earlier_boot);
	fake_end(f);
}

/* A flood behind the marker, and no end to it. */
static void what_is_kept_of_the_print_is_bounded(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_print(f, KD_PRINT, "*** Fatal System Error: 0x1");
	for (int i = 0; i < 10; i++)
		fake_print(f, KD_PRINT,
			   "................................................");
	fake_spin_until(f, &f->prints, 11);
	assert_true(f->t->stop.fatal_length < sizeof(f->t->stop.fatal));
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_have_their_documented_names),
		cmocka_unit_test(statuses_have_their_names),
		cmocka_unit_test(the_driver_at_fault_is_named_where_it_was_printed),
		cmocka_unit_test(the_kernels_own_words_come_first),
		cmocka_unit_test(a_print_will_do_where_they_cannot_be_read),
		cmocka_unit_test(nothing_is_said_where_nothing_is_known),
		cmocka_unit_test(the_last_one_outlives_its_stop_and_a_reboot),
		cmocka_unit_test(one_that_was_only_printed_is_remembered),
		cmocka_unit_test(what_is_kept_of_the_print_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
