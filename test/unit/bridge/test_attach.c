#include "test/unit/bridge/fake_kdbg.h"

static void a_running_target_is_asked_nothing(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(2);
	fake_spin(f, 20);
	assert_int_equal(f->logged, 0);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	assert_null(target_version(f->t));
	assert_null(target_kdbg(f->t));
	fake_end(f);
}

static void the_first_stop_is_prepared_in_the_order_of_the_book(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(2);
	fake_give_kdbg(f);
	target_break_in(f->t);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(f->link.resets, 1);
	assert_int_equal(f->log[0], KD_GET_VERSION);
	for (unsigned i = 1; i <= KD_BREAKPOINTS; i++)
		assert_int_equal(f->log[i], KD_RESTORE_BREAKPOINT);
	/* the context, and KDBG for a look at where break-ins stop */
	assert_true(f->logged <= 1 + KD_BREAKPOINTS + 4);
	assert_int_equal(target_version(f->t)->build, 9600);
	assert_ptr_equal(target_arch(f->t), &arch_amd64);
	assert_int_equal(f->stops, 1);
	fake_end(f);
}

static void later_stops_ask_nothing_of_that_again(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->logged, 1);
	fake_end(f);
}

static void stale_breakpoints_are_released_before_memory_is_read(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	uint64_t site = FAKE_CODE + 0x80;
	f->breakpoints[6].used = true;
	f->breakpoints[6].address = site;
	f->breakpoints[6].saved = 0x55;
	*fake_at(f, site) = 0xcc;
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(*fake_at(f, site), 0x55);
	fake_end(f);
}

static void a_boot_that_was_left_cleanly_needs_no_release(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	target_trust(f->t);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(fake_count(f, KD_GET_VERSION), 1);
	assert_int_equal(fake_count(f, KD_RESTORE_BREAKPOINT), 0);
	fake_end(f);
}

static void a_break_in_needs_no_look_at_kdbg(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_give_kdbg(f);
	target_break_in(f->t);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAK_IN);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 0);
	fake_end(f);
}

static bool always(void *context)
{
	(void)context;
	return true;
}

static void who_gives_up_spoils_kdbg_for_nobody(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_give_kdbg(f);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	const struct target_events *events = f->t->events;
	struct target_events impatient = *events;
	impatient.given_up = always;
	f->t->events = &impatient;
	assert_null(target_kdbg(f->t));
	f->t->events = events;
	assert_non_null(target_kdbg(f->t));
	fake_end(f);
}

static void kdbg_is_found_and_kept(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_give_kdbg(f);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	const struct kdbg *kdbg = target_kdbg(f->t);
	assert_non_null(kdbg);
	assert_int_equal(kdbg_address(kdbg, KDBG_BREAKPOINT_WITH_STATUS), FAKE_BREAK);
	fake_go(f, TARGET_STEP, 0);
	fake_forget_counts(f);
	assert_ptr_equal(target_kdbg(f->t), kdbg);
	assert_int_equal(f->logged, 0);
	fake_end(f);
}

static void one_lives_without_kdbg(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct fake_target *f = fake_start(1);
		fake_give_kdbg(f);
		if (how == 0) /* encoded */
			memcpy(fake_at(f, FAKE_KDBG + 16), "XXXX", 4);
		if (how == 1) /* a list that never ends */
			fake_put64(f, FAKE_KDBG, FAKE_KDBG);
		if (how == 1)
			memcpy(fake_at(f, FAKE_KDBG + 16), "XXXX", 4);
		if (how == 2) /* unreadable */
			fake_put64(f, FAKE_DATA_LIST, 0x1000);
		if (how == 3)
			f->data_list = UINT64_C(0x1234567812345678);
		fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
		fake_spin_until(f, &f->stops, 1);
		assert_null(target_kdbg(f->t));
		fake_forget_counts(f);
		assert_null(target_kdbg(f->t));
		assert_int_equal(f->logged, 0);
		fake_end(f);
	}
}

static void a_block_that_claims_too_much_is_cut(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_give_kdbg(f);
	store_le(fake_at(f, FAKE_KDBG + 20), UINT32_MAX, 4);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	const struct kdbg *kdbg = target_kdbg(f->t);
	assert_non_null(kdbg);
	assert_true(kdbg->length <= KDBG_SIZE_MAX);
	fake_end(f);
}

static void a_target_that_forgot_us_is_asked_anew(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	f->link.host_seen = false;
	fake_control(&f->link, KD_PACKET_RESET, f->link.next_id);
	fake_spin(f, 10);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(fake_count(f, KD_GET_VERSION), 1);
	assert_int_equal(fake_count(f, KD_RESTORE_BREAKPOINT), KD_BREAKPOINTS);
	fake_end(f);
}

static void a_reboot_is_told_and_asked_anew(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->stopped = false;
	fake_boot(&f->link, 2);
	fake_spin_until(f, &f->reboots, 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(fake_count(f, KD_GET_VERSION), 1);
	fake_end(f);
}

/* In the middle of the release of stale breakpoints. */
static bool reboot_while_we_look(struct fake_target *f, uint16_t api, uint8_t *data,
				 size_t length)
{
	(void)data;
	(void)length;
	if (api != KD_RESTORE_BREAKPOINT || fake_count(f, KD_RESTORE_BREAKPOINT) != 5)
		return false;
	f->on_request = NULL;
	f->stopped = false;
	fake_boot(&f->link, 2);
	return true;
}

static void a_reboot_in_the_midst_of_a_look_ends_it(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->on_request = reboot_while_we_look;
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->reboots, 1);
	fake_spin(f, 20);
	assert_int_equal(f->stops, 0);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_target_is_asked_nothing),
		cmocka_unit_test(the_first_stop_is_prepared_in_the_order_of_the_book),
		cmocka_unit_test(later_stops_ask_nothing_of_that_again),
		cmocka_unit_test(stale_breakpoints_are_released_before_memory_is_read),
		cmocka_unit_test(a_boot_that_was_left_cleanly_needs_no_release),
		cmocka_unit_test(a_break_in_needs_no_look_at_kdbg),
		cmocka_unit_test(who_gives_up_spoils_kdbg_for_nobody),
		cmocka_unit_test(kdbg_is_found_and_kept),
		cmocka_unit_test(one_lives_without_kdbg),
		cmocka_unit_test(a_block_that_claims_too_much_is_cut),
		cmocka_unit_test(a_target_that_forgot_us_is_asked_anew),
		cmocka_unit_test(a_reboot_is_told_and_asked_anew),
		cmocka_unit_test(a_reboot_in_the_midst_of_a_look_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
