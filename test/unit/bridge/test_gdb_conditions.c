/* Conditions of breakpoints: what gdb sends, at hits in the fake target. */
#include "test/util.h"

#include "test/unit/bridge/gdb_fixture.h"

#define SITE FAKE_CODE
#define NEXT (FAKE_CODE + 0x40)

/* at NEXT - 0x20, and at NEXT, which ends what a test lets run */
#define SITE_PACKET "Z0,fffff80000001120,1"
#define LAST_PACKET "Z0,fffff80000001140,1"
#define AT_SITE	    (FAKE_CODE + 0x20)

#define RCX_IS_4 ";X9,260002164022041327"
#define RCX_IS_3 ";X9,260002164022031327"
/* *(int *)$rsp == 7 */
#define STACK_IS_7 ";Xa,26000719162022071327"
/* *(int *)0 */
#define AT_NULL ";X4,22001927"

static struct gdb_fixture *fixture;

static bool ask_conditions(struct fake_target *fake, const struct target_stop *stop)
{
	(void)fake;
	return gdb_conditions_miss(&fixture->gdb, stop);
}

static struct gdb_fixture *start(void)
{
	fixture = fixture_start(2);
	fixture->fake->on_missed = ask_conditions;
	fake_set_register(fixture->fake, 0, FAKE_RCX, 3);
	fake_set_register(fixture->fake, 1, FAKE_RCX, 4);
	return fixture;
}

static void expect_ok(struct gdb_fixture *f, const char *packet)
{
	assert_string_equal(fixture_ask(f, packet), "OK");
}

/* Where processor 0 stops that starts at SITE. */
static uint64_t stops_at(struct gdb_fixture *f)
{
	fake_set_register(f->fake, 0, FAKE_RIP, SITE);
	memory_cache_flush(f->fake->t);
	fake_go(f->fake, TARGET_CONTINUE, 0);
	return f->fake->last_stop.pc;
}

static void end(struct gdb_fixture *f)
{
	fixture_end(f);
	fixture = NULL;
}

static void a_false_condition_misses_and_a_true_one_stops(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	expect_ok(f, SITE_PACKET RCX_IS_4);
	expect_ok(f, LAST_PACKET);
	assert_int_equal(stops_at(f), NEXT);
	assert_int_equal(f->gdb.conditions.missed, 1);
	expect_ok(f, SITE_PACKET RCX_IS_3);
	assert_int_equal(stops_at(f), AT_SITE);
	assert_int_equal(f->gdb.conditions.missed, 1);
	end(f);
}

static void of_several_any_that_is_true_stops(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	expect_ok(f, SITE_PACKET RCX_IS_4 "X9,260002164022051327");
	expect_ok(f, LAST_PACKET);
	assert_int_equal(stops_at(f), NEXT);
	expect_ok(f, SITE_PACKET RCX_IS_4 "X9,260002164022031327");
	assert_int_equal(stops_at(f), AT_SITE);
	end(f);
}

static void conditions_are_replaced_and_go_with_the_breakpoint(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	expect_ok(f, SITE_PACKET RCX_IS_4);
	expect_ok(f, LAST_PACKET);
	expect_ok(f, SITE_PACKET); /* no condition any longer */
	assert_int_equal(stops_at(f), AT_SITE);
	expect_ok(f, SITE_PACKET RCX_IS_4);
	assert_int_equal(stops_at(f), NEXT);
	expect_ok(f, "z0,fffff80000001120,1");
	expect_ok(f, SITE_PACKET);
	assert_int_equal(stops_at(f), AT_SITE);
	end(f);
}

static void memory_is_that_of_the_moment(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	uint64_t sp = fake_register(f->fake, 0, FAKE_RSP);
	expect_ok(f, SITE_PACKET STACK_IS_7);
	expect_ok(f, LAST_PACKET);
	fake_put64(f->fake, sp, 6);
	assert_int_equal(stops_at(f), NEXT);
	fake_put64(f->fake, sp, UINT64_C(0xffffffff00000007));
	assert_int_equal(stops_at(f), AT_SITE);
	end(f);
}

static void only_the_processor_that_hit_it_counts(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	expect_ok(f, SITE_PACKET RCX_IS_4);
	expect_ok(f, LAST_PACKET);
	fake_set_register(f->fake, 1, FAKE_RIP, AT_SITE);
	fake_set_register(f->fake, 0, FAKE_RIP, SITE);
	fake_go(f->fake, TARGET_CONTINUE, 0);
	assert_int_equal(f->fake->last_stop.processor, 1);
	assert_int_equal(f->fake->last_stop.pc, AT_SITE);
	end(f);
}

static void what_cannot_be_evaluated_stops_and_is_said_once(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	expect_ok(f, SITE_PACKET AT_NULL);
	assert_int_equal(stops_at(f), AT_SITE);
	assert_non_null(strstr(f->gdb.console.text, "cannot be evaluated"));
	assert_non_null(strstr(f->gdb.console.text, "0xfffff80000001120"));
	size_t said = f->gdb.console.length;
	/* as gdb does at each stop and resume */
	expect_ok(f, "z0,fffff80000001120,1");
	expect_ok(f, SITE_PACKET AT_NULL);
	assert_int_equal(stops_at(f), AT_SITE);
	assert_int_equal(f->gdb.console.length, said);
	/* another one is another matter */
	expect_ok(f, SITE_PACKET ";X1,ff");
	assert_int_equal(stops_at(f), AT_SITE);
	assert_true(f->gdb.console.length > said);
	end(f);
}

static void both_kinds_at_one_address_must_miss(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	struct target_stop stop = { .kind = TARGET_STOP_BREAKPOINT, .pc = AT_SITE };
	expect_ok(f, SITE_PACKET RCX_IS_4);
	assert_true(gdb_conditions_miss(&f->gdb, &stop));
	expect_ok(f, "Z1,fffff80000001120,1");
	assert_false(gdb_conditions_miss(&f->gdb, &stop));
	expect_ok(f, "Z1,fffff80000001120,1" RCX_IS_4);
	assert_true(gdb_conditions_miss(&f->gdb, &stop));
	expect_ok(f, "Z1,fffff80000001120,1" RCX_IS_3);
	assert_false(gdb_conditions_miss(&f->gdb, &stop));
	expect_ok(f, "z1,fffff80000001120,1");
	assert_true(gdb_conditions_miss(&f->gdb, &stop));
	end(f);
}

static void a_breakpoint_that_is_not_there_does_not_miss(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	struct target_stop stop = { .kind = TARGET_STOP_BREAKPOINT, .pc = AT_SITE };
	assert_false(gdb_conditions_miss(&f->gdb, &stop));
	expect_ok(f, SITE_PACKET RCX_IS_4);
	stop.pc++;
	assert_false(gdb_conditions_miss(&f->gdb, &stop));
	assert_string_equal(fixture_ask(f, "Z0,fffff80000009000,1" RCX_IS_4), "E01");
	stop.pc = UINT64_C(0xfffff80000009000);
	assert_false(gdb_conditions_miss(&f->gdb, &stop));
	end(f);
}

static void they_are_one_clients(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	struct target_stop stop = { .kind = TARGET_STOP_BREAKPOINT, .pc = AT_SITE };
	expect_ok(f, SITE_PACKET RCX_IS_4);
	gdb_client_begins(&f->gdb);
	assert_true(breakpoint_wanted(f->fake->t, AT_SITE));
	assert_false(gdb_conditions_miss(&f->gdb, &stop));
	end(f);
}

static void they_are_bounded(void **state)
{
	(void)state;
	struct gdb_fixture *f = start();
	static uint8_t code[1 << 20];
	struct rsp_conditions big = { .count = 1, .list = { { code, sizeof(code) } } };
	unsigned taken = 0;
	while (taken < 100 && gdb_conditions_set(&f->gdb, RSP_SOFTWARE_BREAKPOINT,
						 AT_SITE + taken, &big))
		taken++;
	assert_int_equal(taken, CONDITIONS_BYTES_MAX / sizeof(code) - 1);
	gdb_conditions_drop(&f->gdb, RSP_SOFTWARE_BREAKPOINT, AT_SITE);
	assert_true(gdb_conditions_set(&f->gdb, RSP_SOFTWARE_BREAKPOINT, NEXT, &big));
	/* by name and number the same: nothing grows */
	big.list[0].length = 16;
	for (int i = 0; i < 10000; i++) {
		assert_true(gdb_conditions_set(&f->gdb, RSP_SOFTWARE_BREAKPOINT,
					       AT_SITE + (uint64_t)i, &big));
		gdb_conditions_drop(&f->gdb, RSP_SOFTWARE_BREAKPOINT,
				    AT_SITE + (uint64_t)i);
	}
	assert_true(f->gdb.conditions.count <= BREAKPOINTS_MAX);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_false_condition_misses_and_a_true_one_stops),
		cmocka_unit_test(of_several_any_that_is_true_stops),
		cmocka_unit_test(conditions_are_replaced_and_go_with_the_breakpoint),
		cmocka_unit_test(memory_is_that_of_the_moment),
		cmocka_unit_test(only_the_processor_that_hit_it_counts),
		cmocka_unit_test(what_cannot_be_evaluated_stops_and_is_said_once),
		cmocka_unit_test(both_kinds_at_one_address_must_miss),
		cmocka_unit_test(a_breakpoint_that_is_not_there_does_not_miss),
		cmocka_unit_test(they_are_one_clients),
		cmocka_unit_test(they_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
