/* Breakpoints, steps and debug registers of the simulated processors. */
#include "test/unit/sim/machine_fixture.h"

static void a_planted_int3_is_hit_on_every_processor_and_gone_when_removed(void **state)
{
	(void)state;
	struct machine *m = new_machine(4);
	run_quietly(m, 20); /* the code is translated already */
	uint64_t address = symbol(m, "KeUpdateRunTime");
	uint8_t before = (uint8_t)read_word(m, address, 1);
	unsigned hits[4] = { 0 };
	for (unsigned i = 0; i < 40; i++) {
		write_byte(m, address, 0xcc);
		struct machine_event e = run_to(m, MACHINE_EXCEPTION);
		assert_int_equal(e.u.exception.code, 0x80000003);
		assert_int_equal(e.program_counter, address);
		assert_int_equal(context_word(m, e.processor, CONTEXT_RIP), address);
		hits[e.processor]++;
		write_byte(m, address, before);
		step(m, e.processor);
		clear_trace(m, e.processor);
		resume(m);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(hits[i] > 0);
	run_quietly(m, 100);
	machine_free(m);
}

static void an_int3_on_the_current_instruction_hits_without_progress(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	uint64_t address = symbol(m, "IopLargeFrame");
	struct machine_event e = run_to_address(m, address);
	uint64_t executed = machine_instructions(m, e.processor);
	write_byte(m, address, 0xcc);
	resume(m);
	e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(e.program_counter, address);
	assert_in_range(machine_instructions(m, e.processor) - executed, 0, 1);
	machine_free(m);
}

static void a_write_through_physical_memory_reaches_translated_code(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	run_quietly(m, 10);
	uint64_t address = symbol(m, "IopMediumFrame"), physical = 0;
	uint8_t original[16], found[16], byte = 0xcc;
	assert_int_equal(machine_read(m, 0, address, original, 16), 16);
	for (uint64_t p = 0x100000; !physical && p < 0x400000; p += 0x1000) {
		uint64_t at = p + (address & 0xfff);
		if (machine_read_physical(m, at, found, 16) == 16 &&
		    memcmp(found, original, 16) == 0)
			physical = at;
	}
	assert_int_not_equal(physical, 0);
	assert_int_equal(machine_write_physical(m, physical, &byte, 1), 1);
	assert_int_equal(run_to(m, MACHINE_EXCEPTION).program_counter, address);
	machine_free(m);
}

static void a_step_reports_after_one_instruction_with_the_step_bit(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	run_to_address(m, symbol(m, "IopLargeFrame"));
	uint64_t others = machine_instructions(m, 1);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t executed = machine_instructions(m, 0);
		struct machine_event e = step(m, 0);
		assert_int_equal(e.u.exception.code, 0x80000004);
		assert_int_equal(e.u.exception.parameter_count, 0);
		assert_int_equal(e.u.exception.address, e.program_counter);
		assert_int_equal(special_word(m, 0, SPECIAL_DR6), 0xffff4ff0);
		assert_true(context_word(m, 0, CONTEXT_EFLAGS) & EFLAGS_TF);
		if (machine_instructions(m, 0) - executed > 1)
			assert_true(read_word(m, symbol(m, "KeTickCount"), 8) > 0);
	}
	assert_true(machine_instructions(m, 1) > others); /* they run, too, a little */
	assert_true(machine_instructions(m, 1) - others < 200 * 32);
	machine_free(m);
}

static void the_trace_flag_in_a_context_lasts_until_it_is_cleared(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	run_to_address(m, symbol(m, "IopLargeFrame"));
	struct machine_event e = step(m, 0);
	resume(m);
	assert_int_not_equal(run_to(m, MACHINE_EXCEPTION).program_counter,
			     e.program_counter);
	clear_trace(m, 0);
	resume(m);
	run_quietly(m, 20);
	machine_free(m);
}

static void a_step_from_an_int2d_stop_steps_over_the_int3_by_itself(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	assert_true(machine_act(m, "command x"));
	struct machine_event e = run_to(m, MACHINE_COMMAND);
	uint64_t rsp = context_word(m, 0, CONTEXT_RSP), back = read_word(m, rsp, 8);
	assert_int_equal(read_word(m, e.program_counter, 2), 0xc3cc);
	struct machine_event after = step(m, 0);
	assert_int_equal(after.program_counter, back); /* its return was the step */
	machine_free(m);
}

static void a_step_works_on_a_processor_that_halts(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	run_to_address(m, symbol(m, "KiHalt"));
	struct machine_event e = step(m, 1);
	assert_int_equal(e.program_counter, symbol(m, "KiHalt") + 1);
	machine_free(m);
}

static void a_late_processor_runs_once_it_has_joined(void **state)
{
	(void)state;
	struct machine *m = new_machine_with(
		(struct machine_options){ .cpus = 3, .late_cpus = 1, .seed = 7 });
	struct machine_event e;
	assert_int_equal(machine_cpus(m), 2);
	for (int i = 0; i < 8; i++)
		assert_int_equal(machine_run(m, SLICE, &e), MACHINE_NONE);
	assert_int_equal(machine_instructions(m, 2), 0);
	assert_true(machine_add_cpu(m));
	assert_false(machine_add_cpu(m));
	assert_int_equal(machine_cpus(m), 3);
	assert_int_equal(read_word(m, symbol(m, "KeNumberProcessors"), 4), 3);
	for (int i = 0; i < 8; i++)
		assert_int_equal(machine_run(m, SLICE, &e), MACHINE_NONE);
	assert_true(machine_instructions(m, 2) > 0);
	assert_true(read_word(m, symbol(m, "KiProcessorTicks") + 16, 8) > 0);
	machine_free(m);
}

static void none_joins_a_stopped_machine(void **state)
{
	(void)state;
	struct machine *m = new_machine_with(
		(struct machine_options){ .cpus = 2, .late_cpus = 1, .seed = 7 });
	break_in(m);
	assert_false(machine_add_cpu(m));
	machine_free(m);
}

/* ---- debug registers ---- */

static void set_all(struct machine *m, uint64_t address, uint64_t dr7)
{
	for (unsigned i = 0; i < machine_cpus(m); i++) {
		set_special_word(m, i, SPECIAL_DR0 + 8, address);
		set_special_word(m, i, SPECIAL_DR7, dr7);
	}
}

enum {
	DR1_EXECUTE = 0x408,
	DR1_WRITE_8 = 0x900408,
	DR1_ACCESS_4 = 0xf00408,
	DR1_PORT = 0x200408
};

static void an_execute_hit_comes_before_the_instruction_on_each_processor(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	break_in(m);
	uint64_t address = symbol(m, "KeUpdateRunTime");
	set_all(m, address, DR1_EXECUTE);
	set_context_word(m, 0, CONTEXT_RIP, symbol(m, "DbgBreakPointWithStatus") + 1);
	resume(m);
	unsigned seen = 0;
	for (unsigned i = 0; i < 20 && seen != 3; i++) {
		struct machine_event e = run_to(m, MACHINE_EXCEPTION);
		assert_int_equal(e.u.exception.code, 0x80000004);
		assert_int_equal(e.program_counter, address);
		assert_int_equal(special_word(m, e.processor, SPECIAL_DR6), 0xffff0ff2);
		seen |= 1u << e.processor;
		uint64_t flags = context_word(m, e.processor, CONTEXT_EFLAGS);
		set_context_word(m, e.processor, CONTEXT_EFLAGS, flags | 0x10000);
		resume(m);
	}
	assert_int_equal(seen, 3);
	machine_free(m);
}

static void an_execute_hit_repeats_until_its_instruction_is_passed(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	uint64_t address = symbol(m, "IopLargeFrame");
	set_all(m, address, DR1_EXECUTE);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(run_to(m, MACHINE_EXCEPTION).program_counter, address);
		if (i < 2)
			resume(m);
	}
	set_all(m, 0, 0x400);
	assert_int_not_equal(step(m, 0).program_counter, address);
	set_all(m, address, DR1_EXECUTE);
	clear_trace(m, 0);
	resume(m);
	assert_int_equal(run_to(m, MACHINE_EXCEPTION).program_counter, address);
	machine_free(m);
}

static void a_write_hit_comes_after_the_instruction_that_wrote(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	uint64_t ticks = symbol(m, "KeTickCount");
	set_all(m, ticks, DR1_WRITE_8);
	for (uint64_t i = 1; i < 4; i++) {
		struct machine_event e = run_to(m, MACHINE_EXCEPTION);
		assert_int_equal(e.processor, 0);
		assert_int_equal(e.u.exception.code, 0x80000004);
		assert_int_equal(special_word(m, 0, SPECIAL_DR6), 0xffff0ff2);
		assert_int_equal(read_word(m, ticks, 8), i);
		resume(m);
	}
	set_all(m, 0, 0x400);
	run_quietly(m, 20);
	machine_free(m);
}

static void a_write_register_does_not_see_reads_and_an_access_register_does(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	uint64_t flag =
		symbol(m, "KdpBreakInPending"); /* read at every tick, never written */
	set_all(m, flag, 0xd00408);
	run_quietly(m, 20);
	set_all(m, flag, DR1_ACCESS_4);
	struct machine_event e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(special_word(m, 0, SPECIAL_DR6), 0xffff0ff2);
	uint64_t chain[32];
	assert_true(machine_call_chain(m, 0, chain, 32) > 3);
	assert_int_equal(e.u.exception.code, 0x80000004);
	machine_free(m);
}

static void a_step_that_writes_a_watched_word_reports_both_bits(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	uint64_t results = symbol(m, "KiRunTime");
	run_to_address(m, symbol(m, "KeUpdateRunTime"));
	set_all(m, results, DR1_WRITE_8);
	uint64_t dr6 = 0;
	for (unsigned i = 0; i < 10 && dr6 != 0xffff4ff2; i++) {
		step(m, 0);
		dr6 = special_word(m, 0, SPECIAL_DR6);
	}
	assert_int_equal(dr6, 0xffff4ff2);
	machine_free(m);
}

static void a_port_hit_comes_after_the_instruction_that_read_it(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	set_all(m, 0x408, DR1_PORT); /* the timer that each tick reads */
	struct machine_event e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(special_word(m, 0, SPECIAL_DR6), 0xffff0ff2);
	assert_int_equal(read_word(m, e.program_counter - 1, 1), 0xed);
	machine_free(m);
}

static void paged_code_comes_in_at_its_first_call_and_a_breakpoint_fits_in(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	uint64_t address = symbol(m, "NtPagedRoutine");
	for (unsigned round = 0; round < 2; round++) {
		struct machine_event e;
		unsigned rounds = 0;
		assert_false(machine_is_resident(m, 0, address));
		assert_true(machine_act(m, "touch"));
		while (!machine_is_resident(m, 0, address) && rounds++ < 100)
			assert_int_equal(machine_run(m, SLICE, &e), MACHINE_NONE);
		uint8_t before = (uint8_t)read_word(m, address, 1);
		assert_int_not_equal(before, 0xcc);
		write_byte(m, address, 0xcc);
		e = run_to(m, MACHINE_EXCEPTION);
		assert_int_equal(e.program_counter, address);
		write_byte(m, address, before);
		resume(m);
		run_quietly(m, 10);
		write_byte(m, address, 0xcc); /* lost when the page goes */
		assert_true(machine_act(m, "trim"));
	}
	machine_free(m);
}

static void a_context_obeys_its_flags(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	uint8_t context[MACHINE_CONTEXT_SIZE], after[MACHINE_CONTEXT_SIZE];
	break_in(m);
	machine_get_context(m, 0, context);
	assert_int_equal(load_le(context + 0x30, 4), 0x10001f);
	assert_int_equal(load_le(context + 0x38, 2), 0x10);
	assert_int_equal(load_le(context + 0x42, 2), 0x18);
	for (unsigned i = 0x78; i < 0x100; i += 8)
		store_le(context + i, 0x1111111111110000 + i, 8);
	for (unsigned i = 0; i < 256; i++)
		context[0x1a0 + i] = (uint8_t)i;
	store_le(context + 0x30, 0x100002, 4); /* integer registers alone */
	machine_set_context(m, 0, context);
	machine_get_context(m, 0, after);
	assert_int_equal(load_le(after + 0x78, 8), 0x1111111111110078);
	assert_int_equal(load_le(after + 0xf0, 8), 0x11111111111100f0);
	assert_int_not_equal(load_le(after + 0x98, 8), 0x1111111111110098);
	assert_int_not_equal(load_le(after + 0xf8, 8), 0x11111111111100f8);
	assert_int_not_equal(after[0x1a7], 7);
	store_le(context + 0x30, 0x10001f, 4);
	store_le(context + 0x44, 0xffffffff, 4);
	machine_set_context(m, 0, context);
	machine_get_context(m, 0, after);
	assert_memory_equal(after + 0x1a0, context + 0x1a0, 256);
	assert_int_equal(load_le(after + 0xf8, 8), 0x11111111111100f8);
	assert_int_equal(load_le(after + 0x44, 4) & 2, 2);
	machine_free(m);
}

static void x87_registers_survive_a_round_trip(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	uint8_t context[MACHINE_CONTEXT_SIZE], after[MACHINE_CONTEXT_SIZE];
	machine_get_context(m, 0, context);
	assert_int_equal(load_le(context + 0x100, 2), 0x27f);
	assert_int_equal(context[0x104], 0);
	context[0x104] = 0x81; /* two registers in use */
	for (unsigned i = 0; i < 8; i++)
		for (unsigned n = 0; n < 10; n++)
			context[0x120 + 16 * i + n] = (uint8_t)(0x80 + i * 10 + n);
	machine_set_context(m, 0, context);
	machine_get_context(m, 0, after);
	assert_memory_equal(after + 0x100, context + 0x100, 0x1a0);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_late_processor_runs_once_it_has_joined),
		cmocka_unit_test(none_joins_a_stopped_machine),
		cmocka_unit_test(
			a_planted_int3_is_hit_on_every_processor_and_gone_when_removed),
		cmocka_unit_test(
			an_int3_on_the_current_instruction_hits_without_progress),
		cmocka_unit_test(a_write_through_physical_memory_reaches_translated_code),
		cmocka_unit_test(a_step_reports_after_one_instruction_with_the_step_bit),
		cmocka_unit_test(the_trace_flag_in_a_context_lasts_until_it_is_cleared),
		cmocka_unit_test(a_step_from_an_int2d_stop_steps_over_the_int3_by_itself),
		cmocka_unit_test(a_step_works_on_a_processor_that_halts),
		cmocka_unit_test(
			an_execute_hit_comes_before_the_instruction_on_each_processor),
		cmocka_unit_test(an_execute_hit_repeats_until_its_instruction_is_passed),
		cmocka_unit_test(a_write_hit_comes_after_the_instruction_that_wrote),
		cmocka_unit_test(
			a_write_register_does_not_see_reads_and_an_access_register_does),
		cmocka_unit_test(a_step_that_writes_a_watched_word_reports_both_bits),
		cmocka_unit_test(a_port_hit_comes_after_the_instruction_that_read_it),
		cmocka_unit_test(
			paged_code_comes_in_at_its_first_call_and_a_breakpoint_fits_in),
		cmocka_unit_test(a_context_obeys_its_flags),
		cmocka_unit_test(x87_registers_survive_a_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
