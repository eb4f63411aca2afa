#include "bridge/target/exception.h"
#include "test/unit/bridge/fake_target.h"

#define FLAG	 (FAKE_BASE + 0x2c00)
#define FAR_SITE (FAKE_CODE + 0x800)
enum { ACCESS_VIOLATION = 0xc0000005, DIVIDE = 0xc0000094, CC = 0xcc };

static void never_ends(struct fake_target *f, bool trace)
{
	(void)f;
	(void)trace;
}

static void raise_it(struct fake_target *f, uint32_t code, bool first)
{
	fake_prepare_exception(f, code, fake_pc(f, 0));
	store_le(f->state + 184, first, 4);
	f->owner = 0;
	fake_report_state(f, 0, KD_STATE_EXCEPTION, fake_pc(f, 0));
}

/* Running, and this comes: is it shown? */
static bool is_shown(struct fake_target *f, uint32_t code, bool first)
{
	unsigned stops = f->stops;
	f->on_resume = never_ends;
	if (f->stopped)
		fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 2);
	f->last_status = 0;
	raise_it(f, code, first);
	fake_spin(f, 5);
	if (f->stops == stops) {
		assert_false(f->stopped);
		assert_int_equal(f->last_status, KD_DBG_NOT_HANDLED);
	}
	return f->stops > stops;
}

static void all_are_shown_at_first(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_true(is_shown(f, ACCESS_VIOLATION, true));
	assert_true(is_shown(f, ACCESS_VIOLATION, false));
	fake_end(f);
}

static void a_rule_holds_for_its_code(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_true(exception_set(f->t, ACCESS_VIOLATION, EXCEPTION_SECOND));
	assert_false(is_shown(f, ACCESS_VIOLATION, true));
	assert_true(is_shown(f, ACCESS_VIOLATION, false));
	assert_true(is_shown(f, DIVIDE, true));
	assert_true(exception_set(f->t, ACCESS_VIOLATION, EXCEPTION_PASS));
	assert_false(is_shown(f, ACCESS_VIOLATION, false));
	exception_unset(f->t, ACCESS_VIOLATION);
	assert_true(is_shown(f, ACCESS_VIOLATION, true));
	fake_end(f);
}

static void the_others_have_one_rule(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	exception_set_others(f->t, EXCEPTION_SECOND);
	assert_true(exception_set(f->t, DIVIDE, EXCEPTION_STOP));
	assert_false(is_shown(f, ACCESS_VIOLATION, true));
	assert_true(is_shown(f, DIVIDE, true));
	fake_end(f);
}

static void breakpoints_are_always_shown(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_false(exception_set(f->t, KD_STATUS_BREAKPOINT, EXCEPTION_PASS));
	assert_false(exception_set(f->t, KD_STATUS_SINGLE_STEP, EXCEPTION_PASS));
	exception_set_others(f->t, EXCEPTION_PASS);
	assert_true(is_shown(f, KD_STATUS_SINGLE_STEP, true));
	fake_end(f);
}

static void fault(struct fake_target *f, bool trace)
{
	(void)trace;
	raise_it(f, ACCESS_VIOLATION, true);
}

static void a_step_that_faults_is_shown(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	exception_set_others(f->t, EXCEPTION_PASS);
	f->on_resume = fault;
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_stop.exception.code, ACCESS_VIOLATION);
	fake_end(f);
}

static void breakpoints_stay_planted_when_one_is_passed_on(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	exception_set_others(f->t, EXCEPTION_PASS);
	assert_int_equal(breakpoint_insert(f->t, FAR_SITE), KD_DONE);
	assert_int_equal(breakpoint_insert(f->t, FAKE_CODE + 2), KD_DONE);
	assert_false(is_shown(f, ACCESS_VIOLATION, true));
	assert_int_equal(*fake_at(f, FAR_SITE), CC);
	assert_int_equal(*fake_at(f, FAKE_CODE + 2), CC);
	fake_end(f);
}

static void there_is_an_end_to_rules(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	for (uint32_t i = 0; i < EXCEPTION_POLICIES; i++)
		assert_true(exception_set(f->t, 0xe0000000 + i, EXCEPTION_PASS));
	assert_false(exception_set(f->t, 0xd0000000, EXCEPTION_PASS));
	assert_true(exception_set(f->t, 0xe0000000, EXCEPTION_STOP));
	exception_unset(f->t, 0xe0000001);
	size_t count;
	assert_int_equal(exception_policies(f->t, &count)[1].code, 0xe0000002);
	assert_int_equal(count, EXCEPTION_POLICIES - 1);
	fake_end(f);
}

static void the_first_chance_flag_is_given_back(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	store_le(fake_at(f, FLAG), 0x400, 4);
	assert_int_equal(exception_first_chance(f->t, FLAG, true), KD_DONE);
	assert_int_equal(load_le(fake_at(f, FLAG), 4), 0x401);
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 2);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_int_equal(load_le(fake_at(f, FLAG), 4), 0x400);
	fake_end(f);
}

static void a_flag_that_was_set_before_stays(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	store_le(fake_at(f, FLAG), 1, 4);
	assert_int_equal(exception_first_chance(f->t, FLAG, true), KD_DONE);
	f->on_resume = never_ends;
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_int_equal(load_le(fake_at(f, FLAG), 4), 1);
	assert_int_equal(fake_count(f, KD_WRITE_VIRTUAL), 0);
	fake_end(f);
}

static void a_flag_that_cannot_be_read_is_refused(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(exception_first_chance(f->t, FAKE_BASE + FAKE_RAM, true),
			 KD_REFUSED);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_shown_at_first),
		cmocka_unit_test(a_rule_holds_for_its_code),
		cmocka_unit_test(the_others_have_one_rule),
		cmocka_unit_test(breakpoints_are_always_shown),
		cmocka_unit_test(a_step_that_faults_is_shown),
		cmocka_unit_test(breakpoints_stay_planted_when_one_is_passed_on),
		cmocka_unit_test(there_is_an_end_to_rules),
		cmocka_unit_test(the_first_chance_flag_is_given_back),
		cmocka_unit_test(a_flag_that_was_set_before_stays),
		cmocka_unit_test(a_flag_that_cannot_be_read_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
