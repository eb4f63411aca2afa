/* Faults of every kind, as a Windows kernel reports them. */
#include "test/unit/sim/machine_fixture.h"

struct fault {
	const char *what;
	const char *code; /* put where the worker runs next */
	size_t length;
	uint64_t rcx;
	uint32_t status;
	uint32_t parameters;
	uint64_t first, second;
	unsigned offset; /* of the instruction that faults */
};

#define NOWHERE 0xffff900000000000ull

static const struct fault faults[] = {
	{ "read", "\x90\x48\x8b\x01", 4, NOWHERE, 0xc0000005, 2, 0, NOWHERE, 1 },
	{ "write", "\x90\x48\x89\x01", 4, NOWHERE, 0xc0000005, 2, 1, NOWHERE, 1 },
	{ "null", "\x48\x8b\x01", 3, 8, 0xc0000005, 2, 0, 8, 0 },
	{ "not canonical", "\x48\x8b\x01", 3, 0x1234567812345678, 0xc0000005, 2, 0,
	  UINT64_MAX, 0 },
	{ "push", "\x48\x89\xcc\x50", 4, NOWHERE, 0xc0000005, 2, 1, NOWHERE - 8, 3 },
	{ "undefined", "\x90\x90\x0f\x0b", 4, 0, 0xc000001d, 0, 0, 0, 2 },
	{ "divide", "\x48\xf7\xf1", 3, 0, 0xc0000094, 0, 0, 0, 0 },
	{ "no gate", "\xcd\x81", 2, 0, 0xc0000005, 2, 0, UINT64_MAX, 0 },
	{ "rep", "\x48\x89\xcf\xb9\x04\x00\x00\x00\xf3\xaa", 10, NOWHERE, 0xc0000005, 2,
	  1, NOWHERE, 8 },
};

static void each_fault_stands_on_its_instruction_with_its_parameters(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		const struct fault *f = &faults[i];
		struct machine *m = new_machine(2);
		uint64_t at = symbol(m, "IopLargeFrame");
		run_to_address(m, at);
		set_context_word(m, 0, CONTEXT_RCX, f->rcx);
		assert_int_equal(machine_write(m, 0, at, f->code, f->length), f->length);
		resume(m);
		struct machine_event e = run_to(m, MACHINE_EXCEPTION);
		if (e.u.exception.code != f->status ||
		    e.program_counter != at + f->offset)
			fail_msg("%s: code %x at +%d", f->what, e.u.exception.code,
				 (int)(e.program_counter - at));
		assert_int_equal(e.u.exception.parameter_count, f->parameters);
		assert_int_equal(e.u.exception.parameters[0], f->first);
		assert_int_equal(e.u.exception.parameters[1], f->second);
		assert_false(e.u.exception.first_chance);
		machine_free(m);
	}
}

static void a_jump_to_nowhere_stands_there(void **state)
{
	(void)state;
	static const uint64_t places[] = { 0x1000, NOWHERE, 0 };
	struct machine *m = new_machine(1);
	run_to_address(m, symbol(m, "IopLargeFrame"));
	uint8_t context[MACHINE_CONTEXT_SIZE];
	machine_get_context(m, 0, context);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		set_context_word(m, 0, CONTEXT_RIP, places[i]);
		resume(m);
		struct machine_event e = run_to(m, MACHINE_EXCEPTION);
		assert_int_equal(e.u.exception.code, 0xc0000005);
		assert_int_equal(e.program_counter, places[i]);
		assert_int_equal(e.u.exception.parameters[0], 8);
		assert_int_equal(e.u.exception.parameters[1], places[i]);
		assert_int_equal(special_word(m, 0, 8), places[i]); /* CR2 */
	}
	machine_set_context(m, 0, context); /* repaired, it goes on */
	resume(m);
	run_quietly(m, 20);
	machine_free(m);
}

static void kernel_code_and_constants_cannot_be_written_by_the_guest(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	uint64_t at = symbol(m, "IopLargeFrame");
	run_to_address(m, at);
	set_context_word(m, 0, CONTEXT_RCX, symbol(m, "IopMediumFrame"));
	machine_write(m, 0, at, "\x48\x89\x01", 3);
	resume(m);
	struct machine_event e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(e.u.exception.code, 0xc0000005);
	assert_int_equal(e.u.exception.parameters[0], 1);
	assert_int_equal(e.u.exception.parameters[1], symbol(m, "IopMediumFrame"));
	machine_free(m);
}

static void an_interrupt_without_a_stack_reboots(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	run_to_address(m, symbol(m, "IopLargeFrame"));
	machine_write(m, 0, symbol(m, "IopLargeFrame"), "\xeb\xfe", 2); /* for ever */
	set_context_word(m, 0, CONTEXT_RSP, NOWHERE);
	resume(m);
	run_to(m, MACHINE_REBOOT);
	machine_free(m);
}

static void a_driver_at_fault_is_named_in_the_bugcheck(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	run_quietly(m, 20);
	uint64_t at = machine_symbol(m, "hal", "HalpTransform");
	machine_write(m, 0, at, "\x0f\x0b", 2);
	struct machine_event e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(e.u.exception.address, at);
	machine_resume(m, false, NULL, 0);
	run_to(m, MACHINE_PRINT);
	resume(m);
	e = run_to(m, MACHINE_PRINT);
	assert_memory_equal(e.u.text.bytes, "Driver at fault: \n***  hal.dll - Address ",
			    41);
	machine_free(m);
}

static void every_processor_runs_on_the_stack_of_its_own_thread(void **state)
{
	(void)state;
	struct machine *m = new_machine(3);
	run_quietly(m, 5);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t thread = machine_kthread(m, i),
			 rsp = context_word(m, i, CONTEXT_RSP);
		assert_true(rsp > read_word(m, thread + 0x30, 8));
		assert_true(rsp < read_word(m, thread + 0x38, 8));
	}
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_fault_stands_on_its_instruction_with_its_parameters),
		cmocka_unit_test(a_jump_to_nowhere_stands_there),
		cmocka_unit_test(
			kernel_code_and_constants_cannot_be_written_by_the_guest),
		cmocka_unit_test(an_interrupt_without_a_stack_reboots),
		cmocka_unit_test(a_driver_at_fault_is_named_in_the_bugcheck),
		cmocka_unit_test(every_processor_runs_on_the_stack_of_its_own_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
