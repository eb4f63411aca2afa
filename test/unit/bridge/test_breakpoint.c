#include "bridge/target/breakpoint.h"

#include "test/unit/bridge/fake_target.h"

enum { CC = 0xcc, NOP = 0x90 };
#define SITE (FAKE_CODE + 0x40)

static uint8_t shown(struct fake_target *f, uint64_t address)
{
	uint8_t byte;
	assert_int_equal(memory_read_all(f->t, address, &byte, 1), KD_DONE);
	return byte;
}

static void insert(struct fake_target *f, uint64_t address)
{
	assert_int_equal(breakpoint_insert(f->t, address), KD_DONE);
}

static void take_out(struct fake_target *f, uint64_t address)
{
	assert_int_equal(breakpoint_remove(f->t, address), KD_DONE);
}

static void nothing_is_planted_before_the_resume(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, SITE);
	assert_true(breakpoint_wanted(f->t, SITE));
	assert_int_equal(breakpoint_count(f->t), 1);
	assert_int_equal(breakpoint_planted_count(f->t), 0);
	assert_int_equal(fake_count(f, KD_WRITE_BREAKPOINT), 0);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE);
	fake_end(f);
}

static void a_breakpoint_that_was_hit_vanished_and_costs_no_release(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, SITE);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(breakpoint_planted_count(f->t), 0);
	take_out(f, SITE);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(fake_count(f, KD_RESTORE_BREAKPOINT), 0);
	assert_int_equal(*fake_at(f, SITE), NOP);
	fake_end(f);
}

static void set_hit_and_removed_costs_four_exchanges(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	uint64_t before = target_exchanges(f->t);
	insert(f, SITE);
	fake_go(f, TARGET_CONTINUE, 0);
	take_out(f, SITE);
	/* the byte beneath, the breakpoint, the resume, the context */
	assert_true(target_exchanges(f->t) - before <= 4);
	fake_end(f);
}

static void taken_out_and_set_again_in_one_stop_costs_nothing(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, FAKE_CODE + 0x80);
	fake_go(f, TARGET_STEP, 0);
	fake_forget_counts(f);
	for (int i = 0; i < 3; i++) {
		take_out(f, FAKE_CODE + 0x80);
		insert(f, FAKE_CODE + 0x80);
		fake_go(f, TARGET_STEP, 0);
	}
	assert_int_equal(f->logged, 3);
	fake_end(f);
}

static void the_byte_beneath_is_read_once_in_a_life(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, FAKE_CODE + 0x80);
	fake_go(f, TARGET_STEP, 0);
	take_out(f, FAKE_CODE + 0x80);
	fake_go(f, TARGET_STEP, 0);
	fake_forget_counts(f);
	insert(f, FAKE_CODE + 0x80);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 0);
	fake_end(f);
}

static void an_address_that_cannot_be_read_is_refused(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(breakpoint_insert(f->t, 0x1000), KD_REFUSED);
	assert_int_equal(breakpoint_insert(f->t, UINT64_C(0x1234567812345678)),
			 KD_REFUSED);
	assert_int_equal(breakpoint_count(f->t), 0);
	assert_int_equal(breakpoint_remove(f->t, 0x1000), KD_REFUSED);
	fake_end(f);
}

static void planted_ones_do_not_show(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->breakpoint_limit = 1; /* the second one is an opcode of ours */
	*fake_at(f, FAKE_CODE + 0x80) = 0x11;
	*fake_at(f, FAKE_CODE + 0x90) = 0x22;
	insert(f, FAKE_CODE + 0x80);
	insert(f, FAKE_CODE + 0x90);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x80), CC);
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x90), CC);
	assert_int_equal(shown(f, FAKE_CODE + 0x80), 0x11);
	assert_int_equal(shown(f, FAKE_CODE + 0x90), 0x22);
	fake_end(f);
}

static void beyond_kds_slots_the_opcode_is_written(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	for (unsigned i = 0; i < 40; i++)
		insert(f, FAKE_CODE + 0x800 + i * 8);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(breakpoint_planted_count(f->t), 40);
	assert_int_equal(fake_count(f, KD_WRITE_BREAKPOINT), KD_BREAKPOINTS);
	assert_int_equal(fake_count(f, KD_WRITE_VIRTUAL), 40 - KD_BREAKPOINTS);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(*fake_at(f, FAKE_CODE + 0x800 + i * 8), CC);
		take_out(f, FAKE_CODE + 0x800 + i * 8);
	}
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(breakpoint_planted_count(f->t), 0);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(*fake_at(f, FAKE_CODE + 0x800 + i * 8), NOP);
	fake_end(f);
}

static void an_opcode_of_ours_that_is_hit_is_a_breakpoint(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->breakpoint_limit = 0;
	insert(f, SITE);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE);
	assert_int_equal(shown(f, SITE), NOP);
	insert(f, SITE + 0x20);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.pc, SITE + 0x20);
	assert_int_equal(*fake_at(f, SITE), CC);
	fake_end(f);
}

static void one_on_the_pc_does_not_hit_again(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, SITE);
	insert(f, SITE + 0x20);
	fake_go(f, TARGET_CONTINUE, 0);
	uint64_t before = target_exchanges(f->t);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE + 0x20);
	/* step, plant, resume; the new stop's report tells its PC */
	assert_int_equal(target_exchanges(f->t) - before, 3);
	assert_int_equal(f->stops, 3);
	assert_int_equal(*fake_at(f, SITE), CC);
	fake_end(f);
}

static void one_where_the_user_moved_the_pc_to_does_hit(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, SITE);
	assert_int_equal(registers_set(f->t, 0, 16, SITE), KD_DONE);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_BREAKPOINT);
	assert_int_equal(f->last_stop.pc, SITE);
	fake_end(f);
}

static bool refuse_restore(struct fake_target *f, uint16_t api, uint8_t *data,
			   size_t length)
{
	(void)length;
	if (api != KD_RESTORE_BREAKPOINT)
		return false;
	fake_reply(f, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
	return true;
}

static void an_opcode_that_kd_left_behind_is_taken_away(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, SITE);
	fake_go(f, TARGET_STEP, 0);
	f->on_request = refuse_restore;
	take_out(f, SITE);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(*fake_at(f, SITE), NOP);
	assert_int_equal(fake_count(f, KD_RESTORE_BREAKPOINT), 1);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(fake_count(f, KD_RESTORE_BREAKPOINT), 1);
	fake_end(f);
}

static void a_write_over_a_planted_one_stays_beneath_it(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->breakpoint_limit = 1;
	insert(f, FAKE_CODE + 0x80);
	insert(f, FAKE_CODE + 0x88);
	fake_go(f, TARGET_STEP, 0);
	size_t done;
	uint8_t in[16] = "abcdefghijklmnop";
	assert_int_equal(memory_write(f->t, FAKE_CODE + 0x80, in, sizeof(in), &done),
			 KD_DONE);
	assert_int_equal(shown(f, FAKE_CODE + 0x80), 'a');
	assert_int_equal(shown(f, FAKE_CODE + 0x88), 'i');
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x80), CC);
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x88), CC);
	assert_int_equal(shown(f, FAKE_CODE + 0x80), 'a');
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_memory_equal(fake_at(f, FAKE_CODE + 0x80), in, sizeof(in));
	fake_end(f);
}

static void one_wanted_while_the_target_runs_is_planted_at_the_next_resume(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	insert(f, SITE);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 2);
	fake_go(f, TARGET_CONTINUE, 0);
	assert_int_equal(f->last_stop.pc, SITE);
	fake_end(f);
}

static void one_given_up_while_the_target_runs_stops_nobody(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, SITE);
	f->on_resume = fake_run;
	fake_set_register(f, 0, FAKE_RIP, FAKE_BREAK + 8); /* runs nowhere near */
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_spin(f, 20);
	take_out(f, SITE);
	fake_set_register(f, 0, FAKE_RIP, SITE);
	fake_exception(f, 0, KD_STATUS_BREAKPOINT);
	fake_spin(f, 50);
	assert_int_equal(f->stops, 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	assert_int_equal(*fake_at(f, SITE), NOP);
	assert_int_equal(fake_pc(f, 0), SITE);
	fake_end(f);
}

static void a_reboot_ends_them_all(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	insert(f, SITE);
	fake_go(f, TARGET_STEP, 0);
	f->stopped = false;
	fake_boot(&f->link, 7);
	fake_spin_until(f, &f->reboots, 1);
	assert_int_equal(breakpoint_count(f->t), 0);
	assert_int_equal(breakpoint_planted_count(f->t), 0);
	fake_end(f);
}

static void the_same_boot_connected_anew_gets_them_planted_again(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->breakpoint_limit = 1;
	insert(f, FAKE_CODE + 0x80);
	insert(f, FAKE_CODE + 0x90);
	fake_go(f, TARGET_STEP, 0);
	/* its data channel was lost: it pokes without a bound host, and still stands */
	unsigned counter = f->link.counter;
	f->link.connected = false;
	f->link.in_flight = false;
	f->link.queued = 0;
	f->link.sequence = 0;
	f->link.counter = (uint16_t)counter;
	fake_spin(f, 1100); /* an answer a second at most */
	fake_poke(&f->link);
	fake_spin_until(f, &f->connects, 2);
	assert_int_equal(f->reboots, 0);
	fake_spin_until(f, &f->stops, 3);
	assert_int_equal(shown(f, FAKE_CODE + 0x90), NOP);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x80), CC);
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x90), CC);
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x80), NOP);
	assert_int_equal(*fake_at(f, FAKE_CODE + 0x90), NOP);
	fake_end(f);
}

static void there_is_an_end_to_their_number(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
		insert(f, FAKE_BASE + i);
	assert_int_equal(breakpoint_insert(f->t, FAKE_BASE + BREAKPOINTS_MAX),
			 KD_REFUSED);
	take_out(f, FAKE_BASE);
	insert(f, FAKE_BASE + BREAKPOINTS_MAX);
	assert_int_equal(breakpoint_count(f->t), BREAKPOINTS_MAX);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_planted_before_the_resume),
		cmocka_unit_test(a_breakpoint_that_was_hit_vanished_and_costs_no_release),
		cmocka_unit_test(set_hit_and_removed_costs_four_exchanges),
		cmocka_unit_test(taken_out_and_set_again_in_one_stop_costs_nothing),
		cmocka_unit_test(the_byte_beneath_is_read_once_in_a_life),
		cmocka_unit_test(an_address_that_cannot_be_read_is_refused),
		cmocka_unit_test(planted_ones_do_not_show),
		cmocka_unit_test(beyond_kds_slots_the_opcode_is_written),
		cmocka_unit_test(an_opcode_of_ours_that_is_hit_is_a_breakpoint),
		cmocka_unit_test(one_on_the_pc_does_not_hit_again),
		cmocka_unit_test(one_where_the_user_moved_the_pc_to_does_hit),
		cmocka_unit_test(an_opcode_that_kd_left_behind_is_taken_away),
		cmocka_unit_test(a_write_over_a_planted_one_stays_beneath_it),
		cmocka_unit_test(
			one_wanted_while_the_target_runs_is_planted_at_the_next_resume),
		cmocka_unit_test(one_given_up_while_the_target_runs_stops_nobody),
		cmocka_unit_test(a_reboot_ends_them_all),
		cmocka_unit_test(the_same_boot_connected_anew_gets_them_planted_again),
		cmocka_unit_test(there_is_an_end_to_their_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
