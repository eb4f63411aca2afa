#include "bridge/worker/policy.h"
#include "test/util.h"

static enum policy_action on(enum session_client client, enum target_stop_kind kind)
{
	struct policy_facts f = { .client = client, .kind = kind };

	return policy_on_stop(&f);
}

static void a_client_that_waits_is_told_of_every_stop(void **state)
{
	(void)state;
	for (int kind = TARGET_STOP_EXCEPTION; kind <= TARGET_STOP_WATCHPOINT; kind++) {
		enum policy_action wanted =
			kind == TARGET_STOP_LOAD ? POLICY_CONTINUE : POLICY_REPORT;

		assert_int_equal(on(SESSION_RUNNING, (enum target_stop_kind)kind),
				 wanted);
		assert_int_equal(on(SESSION_AWAITING, (enum target_stop_kind)kind),
				 wanted);
	}
}

static void a_client_that_follows_modules_is_told_of_them(void **state)
{
	struct policy_facts f = { .client = SESSION_RUNNING,
				  .kind = TARGET_STOP_LOAD,
				  .libraries = true };

	(void)state;
	assert_int_equal(policy_on_stop(&f), POLICY_LIBRARIES);
	f.break_due = true;
	f.break_at = BREAK_LOAD;
	assert_int_equal(policy_on_stop(&f), POLICY_REPORT);
	f.break_due = false;
	f.client = SESSION_AWAITING; /* it hears of all when the target is stopped */
	assert_int_equal(policy_on_stop(&f), POLICY_CONTINUE);
	f.client = SESSION_NOBODY;
	assert_int_equal(policy_on_stop(&f), POLICY_CONTINUE);
}

static void a_stop_in_passing_is_not_shown(void **state)
{
	struct policy_facts f = { .client = SESSION_RUNNING,
				  .kind = TARGET_STOP_BREAK_IN,
				  .passing = true };

	(void)state;
	assert_int_equal(policy_on_stop(&f), POLICY_CONTINUE);
	f.libraries = true;
	assert_int_equal(policy_on_stop(&f), POLICY_LIBRARIES);
	f.kind = TARGET_STOP_HARD_BREAKPOINT;
	assert_int_equal(policy_on_stop(&f), POLICY_REPORT);
	f.kind = TARGET_STOP_BREAK_IN;
	f.client = SESSION_AWAITING;
	assert_int_equal(policy_on_stop(&f), POLICY_REPORT);
}

static void a_client_at_its_prompt_keeps_the_target(void **state)
{
	(void)state;
	assert_int_equal(on(SESSION_ATTACHING, TARGET_STOP_BREAK_IN), POLICY_HOLD);
	assert_int_equal(on(SESSION_PLACEHOLDER, TARGET_STOP_BUGCHECK), POLICY_HOLD);
	assert_int_equal(on(SESSION_PLACEHOLDER, TARGET_STOP_LOAD), POLICY_CONTINUE);
}

static void without_a_client_exceptions_wait_or_go_on(void **state)
{
	struct policy_facts f = { .client = SESSION_NOBODY,
				  .kind = TARGET_STOP_EXCEPTION };

	(void)state;
	assert_int_equal(policy_on_stop(&f), POLICY_HOLD);
	f.unattended = UNATTENDED_CONTINUE;
	assert_int_equal(policy_on_stop(&f), POLICY_PASS_ON);
	f.kind = TARGET_STOP_BUGCHECK;
	assert_int_equal(policy_on_stop(&f), POLICY_CONTINUE);
	f.unattended = UNATTENDED_WAIT;
	assert_int_equal(policy_on_stop(&f), POLICY_HOLD);
	f.kind = TARGET_STOP_HARD_BREAKPOINT;
	assert_int_equal(policy_on_stop(&f), POLICY_HOLD);
}

static void what_a_client_left_behind_is_cleaned_up(void **state)
{
	(void)state;
	assert_int_equal(on(SESSION_NOBODY, TARGET_STOP_BREAKPOINT), POLICY_CLEAN);
	assert_int_equal(on(SESSION_NOBODY, TARGET_STOP_WATCHPOINT), POLICY_CLEAN);
	assert_int_equal(on(SESSION_NOBODY, TARGET_STOP_STEP), POLICY_CLEAN);
	assert_int_equal(on(SESSION_NOBODY, TARGET_STOP_BREAK_IN), POLICY_CONTINUE);
}

static void a_late_break_in_obeys_on_disconnect(void **state)
{
	struct policy_facts f = { .kind = TARGET_STOP_BREAK_IN,
				  .disconnect = DISCONNECT_STOP };

	(void)state;
	assert_int_equal(policy_on_stop(&f), POLICY_HOLD);
}

static void a_boot_that_may_be_unclean_is_stopped_once(void **state)
{
	struct policy_facts f = { .client = SESSION_NOBODY, .reclaim = true };

	(void)state;
	assert_true(policy_breaks_in(&f));
	f.kind = TARGET_STOP_HARD_BREAKPOINT; /* the planted one that is no more ours */
	assert_int_equal(policy_on_stop(&f), POLICY_CLEAN);
	f.kind = TARGET_STOP_LOAD;
	assert_int_equal(policy_on_stop(&f), POLICY_CONTINUE);
	f.client = SESSION_RUNNING;
	f.kind = TARGET_STOP_BREAK_IN;
	assert_int_equal(policy_on_stop(&f), POLICY_REPORT);
}

static void break_at_load_stops_at_the_first_one(void **state)
{
	struct policy_facts f = { .break_at = BREAK_LOAD,
				  .break_due = true,
				  .kind = TARGET_STOP_LOAD };

	(void)state;
	assert_false(policy_breaks_in(&f));
	assert_int_equal(policy_on_stop(&f), POLICY_HOLD);
	f.client = SESSION_RUNNING;
	assert_int_equal(policy_on_stop(&f), POLICY_REPORT);
	f.break_due = false;
	assert_int_equal(policy_on_stop(&f), POLICY_CONTINUE);
}

static void break_at_init_stops_when_it_connects(void **state)
{
	struct policy_facts f = { .break_at = BREAK_INIT,
				  .break_due = true,
				  .kind = TARGET_STOP_BREAK_IN };

	(void)state;
	assert_true(policy_breaks_in(&f));
	assert_int_equal(policy_on_stop(&f), POLICY_HOLD);
	f.reclaim = true;
	assert_int_equal(policy_on_stop(&f), POLICY_CLEAN_AND_HOLD);
	f.reclaim = false;
	f.break_due = false;
	assert_false(policy_breaks_in(&f));
	assert_int_equal(policy_on_stop(&f), POLICY_CONTINUE);
}

static void a_target_that_arrives_is_stopped_for_who_awaits_it(void **state)
{
	static const struct {
		enum session_client client;
		bool breaks_in;
	} rows[] = {
		{ SESSION_NOBODY, false },  { SESSION_ATTACHING, true },
		{ SESSION_PROMPT, false },  { SESSION_PLACEHOLDER, true },
		{ SESSION_RUNNING, false }, { SESSION_AWAITING, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_facts f = { .client = rows[i].client };

		assert_int_equal(policy_breaks_in(&f), rows[i].breaks_in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_that_waits_is_told_of_every_stop),
		cmocka_unit_test(a_client_that_follows_modules_is_told_of_them),
		cmocka_unit_test(a_stop_in_passing_is_not_shown),
		cmocka_unit_test(a_client_at_its_prompt_keeps_the_target),
		cmocka_unit_test(without_a_client_exceptions_wait_or_go_on),
		cmocka_unit_test(what_a_client_left_behind_is_cleaned_up),
		cmocka_unit_test(a_late_break_in_obeys_on_disconnect),
		cmocka_unit_test(a_boot_that_may_be_unclean_is_stopped_once),
		cmocka_unit_test(break_at_load_stops_at_the_first_one),
		cmocka_unit_test(break_at_init_stops_when_it_connects),
		cmocka_unit_test(a_target_that_arrives_is_stopped_for_who_awaits_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
