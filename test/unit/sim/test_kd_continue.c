/* Continue, trace, debug registers, processor switch. KD.md §3. */
#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

static uint64_t flags(unsigned cpu)
{
	return load_le(fake.context[cpu] + CONTEXT_EFLAGS, 4);
}

static uint64_t dr(unsigned cpu, unsigned offset)
{
	return load_le(fake.special[cpu] + offset, 8);
}

static void continue_1(struct host *h, uint32_t status)
{
	uint8_t u[40] = { 0 };
	store_le(u, status, 4);
	host_ask(h, 0x3136, 0, u, NULL, 0);
}

static void trace_sets_and_clears_tf_of_the_reporting_processor(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	host_continue(&h, 0, true, 0x400);
	host_expect_silence(&h); /* no reply */
	assert_int_equal(flags(0), 0x302);
	assert_int_equal(flags(1), 0x202);
	assert_true(fake.handled);
	(void)host_stop_at(&h, fake_stop(0x80000004));
	host_continue(&h, 0, false, 0x400);
	assert_int_equal(flags(0), 0x202);
	assert_int_equal(fake.resumes, 2);
	host_free(&h);
}

static void the_plain_continue_leaves_tf_and_debug_registers_alone(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	store_le(fake.context[0] + CONTEXT_EFLAGS, 0x302, 4);
	store_le(fake.special[0] + SPECIAL_DR6, 0xffff4ff0, 8);
	continue_1(&h, 0x00010002);
	assert_int_equal(flags(0), 0x302);
	assert_int_equal(dr(0, SPECIAL_DR6), 0xffff4ff0);
	assert_true(fake.handled);
	host_free(&h);
}

static void dr7_is_loaded_on_every_processor_and_dr6_cleared(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		store_le(fake.special[cpu] + SPECIAL_DR0, FAKE_BASE + 0x4000, 8);
		store_le(fake.special[cpu] + SPECIAL_DR6, 0xffff0ff1, 8);
	}
	host_continue(&h, 0, false, 0x90402);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		assert_int_equal(dr(cpu, SPECIAL_DR7), 0x90402);
		assert_int_equal(dr(cpu, SPECIAL_DR6), 0xffff0ff0);
	}
	assert_int_equal(kd_debug_registers_active(&h.target->kd), 2);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void not_handled_passes_the_exception_on_and_touches_nothing(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0 };
	(void)state;
	host_begin(&h, &options);
	store_le(u, 0x80010001, 4);
	store_le(u + 4, 1, 4);
	store_le(u + 8, 0x402, 8);
	host_ask(&h, 0x313c, 0, u, NULL, 0);
	assert_false(fake.handled);
	assert_int_equal(flags(0), 0x202);
	assert_int_equal(dr(0, SPECIAL_DR7), 0x400);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void debug_registers_that_cannot_work_are_violations(void **state)
{
	struct host h;
	struct target_options options = host_options();
	static const struct {
		uint64_t dr0, other, dr7;
		uint64_t violations;
	} cases[] = {
		{ 0x1000, 0x1000, 0x402, 0 },	    /* execute */
		{ 0x1001, 0x1001, 0x402, 0 },	    /* execute, any address */
		{ 0x1000, 0x1000, 0x90402, 0 },	    /* 8 bytes */
		{ 0x1004, 0x1004, 0x90402, 1 },	    /* 8 bytes, not aligned */
		{ 0x1000, 0x1008, 0x402, 1 },	    /* differs between processors */
		{ 0x1000, 0x1008, 0x400, 0 },	    /* but is off */
		{ 0x1000, 0x1000, 0xc0402, 1 },	    /* execute with a length */
		{ 0x1000, 0x1000, 0x20402, 1 },	    /* port I/O */
		{ 0x1000, 0x1000, 0x2400, 1 },	    /* general detect */
		{ 0x1000, 0x1000, 0x100000400, 1 }, /* upper half */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		host_begin(&h, &options);
		store_le(fake.special[0] + SPECIAL_DR0, cases[i].dr0, 8);
		store_le(fake.special[1] + SPECIAL_DR0, cases[i].other, 8);
		host_continue(&h, 0, false, cases[i].dr7);
		assert_int_equal(host_violations(&h), cases[i].violations);
		host_free(&h);
	}
}

static void an_odd_status_is_a_violation(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	continue_1(&h, 0);
	assert_int_equal(host_violations(&h), 1);
	host_free(&h);
}

static void a_switch_brings_a_report_of_the_wanted_processor(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	host_ask(&h, 0x3150, 1, NULL, NULL, 0);
	const uint8_t *stop = host_expect_stop(&h);
	assert_int_equal(load_le(stop + 6, 2), 1);
	assert_int_equal(load_le(stop + 32, 4), 0x80000007);
	host_ask(&h, 0x3150, 1, NULL, NULL, 0); /* its own number: the same again */
	stop = host_expect_stop(&h);
	assert_int_equal(load_le(stop + 6, 2), 1);
	assert_int_equal(load_le(stop + 32, 4), 0x80000007);
	assert_int_equal(host_violations(&h), 0);
	host_ask(&h, 0x3150, 7, NULL, NULL, 0); /* a wrong one: the same, and a sin */
	stop = host_expect_stop(&h);
	assert_int_equal(load_le(stop + 6, 2), 1);
	assert_int_equal(host_violations(&h), 1);
	assert_int_equal(fake.resumes, 0);
	host_free(&h);
}

static void another_processor_is_stepped_by_way_of_the_owner(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	host_ask(&h, 0x3150, 1, NULL, NULL, 0);
	(void)host_expect_stop(&h);
	host_continue(&h, 1, true, 0x400);
	const uint8_t *stop = host_expect_stop(&h); /* the owner reports again */
	assert_int_equal(load_le(stop + 6, 2), 0);
	assert_int_equal(load_le(stop + 32, 4), 0x80000003);
	assert_int_equal(fake.resumes, 0);
	host_continue(&h, 0, false, 0x400);
	assert_int_equal(fake.resumes, 1);
	assert_int_equal(flags(0), 0x202);
	assert_int_equal(flags(1), 0x302);
	host_free(&h);
}

static void a_bugcheck_is_the_guests_work(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0xd1 };
	(void)state;
	host_begin(&h, &options);
	host_ask(&h, 0x3149, 0, u, NULL, 0);
	host_expect_silence(&h);
	assert_int_equal(fake.bugcheck, 0xd1);
	assert_int_equal(fake.resumes, 1);
	host_free(&h);
}

static void clear_internal_breakpoints_has_no_reply(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	host_ask(&h, 0x315a, 0, NULL, NULL, 0);
	host_expect_silence(&h);
	assert_int_equal(host_call(&h, 0x3146, 0, NULL, NULL, 0).status, 0);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace_sets_and_clears_tf_of_the_reporting_processor),
		cmocka_unit_test(the_plain_continue_leaves_tf_and_debug_registers_alone),
		cmocka_unit_test(dr7_is_loaded_on_every_processor_and_dr6_cleared),
		cmocka_unit_test(not_handled_passes_the_exception_on_and_touches_nothing),
		cmocka_unit_test(debug_registers_that_cannot_work_are_violations),
		cmocka_unit_test(an_odd_status_is_a_violation),
		cmocka_unit_test(a_switch_brings_a_report_of_the_wanted_processor),
		cmocka_unit_test(another_processor_is_stepped_by_way_of_the_owner),
		cmocka_unit_test(a_bugcheck_is_the_guests_work),
		cmocka_unit_test(clear_internal_breakpoints_has_no_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
