/* Code around the PC after a single step. */
#include "test/unit/bridge/fake_target.h"

/* The line that front ends read to show the instruction at the PC. */
static uint64_t line_of(uint64_t pc)
{
	return pc & ~UINT64_C(63);
}

static void read_line(struct fake_target *f, uint64_t line)
{
	uint8_t out[64];
	size_t done;
	assert_int_equal(memory_read(f->t, line, out, sizeof(out), &done), KD_DONE);
	assert_int_equal(done, sizeof(out));
	assert_memory_equal(out, fake_at(f, line), sizeof(out));
}

static struct fake_target *start_at(uint64_t pc)
{
	struct fake_target *f = fake_start_stopped(1);
	fake_set_register(f, 0, FAKE_RIP, pc);
	fake_go(f, TARGET_STEP, 0); /* from where the test wants to be */
	fake_forget_counts(f);
	return f;
}

static void the_line_at_the_pc_is_read_once_for_many_steps(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	for (int i = 0; i < 40; i++) {
		read_line(f, line_of(fake_pc(f, 0)));
		fake_go(f, TARGET_STEP, 0);
	}
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 1);
	fake_end(f);
}

static void an_instruction_that_crosses_into_the_next_line_needs_none_either(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x934);
	read_line(f, FAKE_BASE + 0x900);
	fake_go(f, TARGET_STEP, 0);
	read_line(f, FAKE_BASE + 0x900);
	read_line(f, FAKE_BASE + 0x940); /* 16 bytes from 936 on reach it */
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 1);
	fake_end(f);
}

static void it_is_read_anew_when_it_got_old(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	for (int i = 0; i < 200; i++) {
		read_line(f, line_of(fake_pc(f, 0)));
		fake_go(f, TARGET_STEP, 0);
	}
	assert_in_range(fake_count(f, KD_READ_VIRTUAL), 2, 5);
	fake_end(f);
}

static void code_that_changed_at_the_pc_is_read_anew(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	read_line(f, FAKE_BASE + 0x900);
	*fake_at(f, FAKE_BASE + 0x905) = 0x91; /* while the others run */
	*fake_at(f, FAKE_BASE + 0x930) = 0x92;
	fake_go(f, TARGET_STEP, 0);
	read_line(f, FAKE_BASE + 0x900);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 2);
	fake_end(f);
}

static void only_the_line_at_the_pc_is_taken_to_be_as_it_was(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	read_line(f, FAKE_BASE + 0x900);
	read_line(f, FAKE_BASE + 0x980);
	*fake_at(f, FAKE_BASE + 0x990) = 0x91;
	fake_go(f, TARGET_STEP, 0);
	read_line(f, FAKE_BASE + 0x900);
	read_line(f, FAKE_BASE + 0x980);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 2);
	fake_end(f);
}

static void what_was_taken_so_is_asked_for_by_a_longer_read(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	uint8_t out[128];
	size_t done;
	read_line(f, FAKE_BASE + 0x900);
	*fake_at(f, FAKE_BASE + 0x938) = 0x91;
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(memory_read(f->t, FAKE_BASE + 0x900, out, sizeof(out), &done),
			 KD_DONE);
	assert_memory_equal(out, fake_at(f, FAKE_BASE + 0x900), sizeof(out));
	read_line(f, FAKE_BASE + 0x900);
	fake_end(f);
}

static void what_the_user_writes_shows(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	size_t done;
	read_line(f, FAKE_BASE + 0x900);
	assert_int_equal(memory_write(f->t, FAKE_BASE + 0x930, "\x42", 1, &done),
			 KD_DONE);
	fake_go(f, TARGET_STEP, 0);
	read_line(f, FAKE_BASE + 0x900);
	assert_int_equal(memory_write(f->t, FAKE_BASE + 0x931, "\x43", 1, &done),
			 KD_DONE);
	read_line(f, FAKE_BASE + 0x900);
	fake_end(f);
}

static void nothing_is_carried_over_a_continue(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	read_line(f, FAKE_BASE + 0x900);
	assert_int_equal(breakpoint_insert(f->t, FAKE_BASE + 0x910), KD_DONE);
	fake_go(f, TARGET_CONTINUE, 0);
	*fake_at(f, FAKE_BASE + 0x938) = 0x91;
	read_line(f, FAKE_BASE + 0x900);
	fake_go(f, TARGET_STEP, 0);
	read_line(f, FAKE_BASE + 0x900);
	fake_end(f);
}

static void a_user_address_is_another_thing_in_another_process(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	uint8_t out[64];
	/* as if that had been read at a user's PC */
	f->t->stop.stop.pc = 0x7ff600001000;
	memory_cache_put(&f->t->memory.cache, 0x7ff600001000, fake_at(f, FAKE_BASE),
			 1024);
	f->t->plan.kind = PLAN_STEP;
	memory_carry_on_resume(f->t);
	f->t->stop.stop.kind = TARGET_STOP_STEP;
	assert_false(memory_carry_get(f->t, 0x7ff600001000, out, sizeof(out)));
	fake_end(f);
}

static void with_the_cache_off_nothing_is_carried(void **state)
{
	(void)state;
	struct fake_target *f = start_at(FAKE_BASE + 0x900);
	memory_cache_enable(f->t, false);
	read_line(f, FAKE_BASE + 0x900);
	fake_go(f, TARGET_STEP, 0);
	read_line(f, FAKE_BASE + 0x900);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 2);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_at_the_pc_is_read_once_for_many_steps),
		cmocka_unit_test(
			an_instruction_that_crosses_into_the_next_line_needs_none_either),
		cmocka_unit_test(it_is_read_anew_when_it_got_old),
		cmocka_unit_test(code_that_changed_at_the_pc_is_read_anew),
		cmocka_unit_test(only_the_line_at_the_pc_is_taken_to_be_as_it_was),
		cmocka_unit_test(what_was_taken_so_is_asked_for_by_a_longer_read),
		cmocka_unit_test(what_the_user_writes_shows),
		cmocka_unit_test(nothing_is_carried_over_a_continue),
		cmocka_unit_test(a_user_address_is_another_thing_in_another_process),
		cmocka_unit_test(with_the_cache_off_nothing_is_carried),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
