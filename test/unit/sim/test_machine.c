/* The simulated computer as a whole: what its guest does and what comes out as events. */
#include "test/unit/sim/machine_fixture.h"

static void two_processors_run_and_tick(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	run_quietly(m, 100);
	uint64_t ticks = symbol(m, "KiProcessorTicks");
	assert_true(machine_instructions(m, 0) > 100000);
	assert_true(machine_instructions(m, 1) > 1000);
	assert_in_range(read_word(m, ticks, 8), 40, 60);
	assert_in_range(read_word(m, ticks + 8, 8), 40, 60);
	assert_in_range(read_word(m, symbol(m, "KeTickCount"), 8), 40, 60);
	assert_true(read_word(m, symbol(m, "KiWorkerIterations"), 8) > 50);
	machine_free(m);
}

static void the_same_seed_gives_the_same_machine_and_another_boot_another(void **state)
{
	(void)state;
	struct machine *a = new_machine(2), *b = new_machine(2);
	struct machine *c = new_machine_with((struct machine_options){
		.cpus = 2, .modules = 3, .seed = 7, .boot_number = 1 });
	run_quietly(a, 20);
	run_quietly(b, 20);
	assert_int_equal(machine_kernel_base(a), machine_kernel_base(b));
	assert_int_equal(context_word(a, 0, CONTEXT_RIP),
			 context_word(b, 0, CONTEXT_RIP));
	assert_int_equal(machine_instructions(a, 1), machine_instructions(b, 1));
	assert_int_not_equal(machine_kernel_base(a), machine_kernel_base(c));
	machine_free(a);
	machine_free(b);
	machine_free(c);
}

static void a_break_in_stops_in_the_break_instruction_with_status_1(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	run_quietly(m, 10);
	struct machine_event e = break_in(m);
	assert_int_equal(e.processor, 0);
	assert_int_equal(e.u.exception.code, 0x80000003);
	assert_true(e.u.exception.first_chance);
	assert_int_equal(e.u.exception.parameter_count, 1);
	assert_int_equal(e.program_counter, symbol(m, "DbgBreakPointWithStatus"));
	assert_int_equal(e.u.exception.address, e.program_counter);
	assert_int_equal(context_word(m, 0, CONTEXT_RIP), e.program_counter);
	assert_int_equal(context_word(m, 0, CONTEXT_RCX), 1);
	assert_int_equal(e.thread, machine_kthread(m, 0));
	resume(m); /* a bare resume hits it again */
	assert_int_equal(run_to(m, MACHINE_EXCEPTION).program_counter, e.program_counter);
	resume_behind(m, &e);
	run_quietly(m, 50);
	machine_free(m);
}

static void nothing_runs_between_an_event_and_its_resume(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	struct machine_event e = break_in(m), other;
	uint64_t before = machine_instructions(m, 1);
	machine_switch_event(m, 1, &other);
	assert_int_equal(other.u.exception.code, 0x80000007);
	assert_int_equal(other.processor, 1);
	assert_int_equal(other.program_counter, context_word(m, 1, CONTEXT_RIP));
	assert_int_equal(machine_instructions(m, 1), before);
	resume_behind(m, &e);
	machine_free(m);
}

static void a_print_comes_with_its_text_and_goes_on_by_itself(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	assert_true(machine_act(m, "print hello, debugger"));
	struct machine_event e = run_to(m, MACHINE_PRINT);
	assert_int_equal(e.u.text.length, 15);
	assert_memory_equal(e.u.text.bytes, "hello, debugger", 15);
	assert_int_equal(read_word(m, e.program_counter, 1), 0xcc);
	resume(m);
	run_quietly(m, 50);
	machine_free(m);
}

static void a_prompt_takes_its_answer(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	assert_true(machine_act(m, "prompt continue? "));
	struct machine_event e = run_to(m, MACHINE_PROMPT);
	assert_int_equal(e.u.text.length, 10);
	assert_int_equal(e.u.text.room, 64);
	machine_resume(m, true, "ignore", 6);
	e = run_to(m, MACHINE_PRINT);
	assert_memory_equal(e.u.text.bytes, "answer: ignore\n", e.u.text.length);
	machine_free(m);
}

static void a_command_has_name_and_text(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	assert_true(machine_act(m, "command .echo x"));
	struct machine_event e = run_to(m, MACHINE_COMMAND);
	assert_int_equal(e.u.text.length, sizeof("kdsim\0.echo x"));
	assert_memory_equal(e.u.text.bytes, "kdsim\0.echo x", sizeof("kdsim\0.echo x"));
	resume(m);
	run_quietly(m, 20);
	machine_free(m);
}

static bool is_listed(struct machine *m, uint64_t base)
{
	uint64_t head = machine_module_list(m), at = read_word(m, head, 8);
	for (unsigned n = 0; at != head && n < 1000; n++, at = read_word(m, at, 8))
		if (read_word(m, at + 0x30, 8) == base)
			return true;
	return false;
}

static void a_module_is_listed_before_its_event_and_started_after(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	run_quietly(m, 20);
	uint64_t base = machine_symbol(m, "synth1", "SynthWork") & ~0xfffull;
	assert_true(machine_act(m, "unload probe"));
	struct machine_event e = run_to(m, MACHINE_PRINT); /* its unload routine */
	resume(m);
	e = run_to(m, MACHINE_UNLOAD);
	assert_string_equal(e.u.image.path, "\\SystemRoot\\System32\\drivers\\probe.sys");
	assert_true(is_listed(m, e.u.image.base));
	uint64_t old = e.u.image.base;
	resume(m);
	run_quietly(m, 20);
	assert_false(is_listed(m, old));
	assert_int_equal(machine_is_resident(m, 0, old), false);
	assert_true(machine_act(m, "load probe"));
	e = run_to(m, MACHINE_LOAD);
	assert_true(is_listed(m, e.u.image.base));
	assert_int_equal(e.u.image.process, UINT64_MAX);
	assert_int_not_equal(e.u.image.base, old);
	resume(m);
	assert_int_equal(run_to(m, MACHINE_PRINT).type, MACHINE_PRINT); /* DriverEntry */
	resume(m);
	run_quietly(m, 20);
	assert_true(base != 0 && machine_symbol(m, "probe", "nothing") == 0);
	machine_free(m);
}

static void a_boot_reports_kernel_hal_and_every_driver(void **state)
{
	(void)state;
	struct machine *m = new_machine_with((struct machine_options){
		.cpus = 2, .modules = 5, .seed = 3, .boot = true });
	static const char *const names[] = { "ntoskrnl.exe", "hal.dll",	   "synth0.sys",
					     "synth1.sys",   "synth2.sys", "synth3.sys",
					     "synth4.sys",   "probe.sys" };
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct machine_event e = run_to(m, MACHINE_LOAD);
		assert_non_null(strstr(e.u.image.path, names[i]));
		assert_true(is_listed(m, e.u.image.base));
		assert_int_equal(read_word(m, e.u.image.base, 2), 0x5a4d);
		resume(m);
	}
	run_to(m, MACHINE_PRINT);
	resume(m);
	run_quietly(m, 20);
	machine_free(m);
}

static void an_unhandled_fault_ends_in_a_bugcheck_and_a_reboot(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	assert_true(machine_act(m, "fault 0x40"));
	struct machine_event e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(e.u.exception.code, 0xc0000005);
	assert_false(e.u.exception.first_chance);
	assert_int_equal(e.u.exception.parameter_count, 2);
	assert_int_equal(e.u.exception.parameters[0], 0);
	assert_int_equal(e.u.exception.parameters[1], 0x40);
	assert_int_equal(e.u.exception.address, e.program_counter);
	uint64_t fault = e.program_counter;
	resume(m); /* "handled", but nothing changed: the same again */
	assert_int_equal(run_to(m, MACHINE_EXCEPTION).program_counter, fault);
	machine_resume(m, false, NULL, 0);
	e = run_to(m, MACHINE_PRINT);
	assert_memory_equal(e.u.text.bytes, "\n*** Fatal System Error: 0x0000001e\n", 36);
	uint64_t chain[32];
	size_t n = machine_call_chain(m, 0, chain, 32);
	bool crossed = false;
	for (size_t i = 0; i < n; i++)
		crossed = crossed || chain[i] == fault;
	assert_true(crossed);
	for (unsigned status = 3; status <= 4; status++) {
		resume(m);
		e = run_to(m, MACHINE_EXCEPTION);
		assert_int_equal(e.program_counter, symbol(m, "DbgBreakPointWithStatus"));
		assert_int_equal(context_word(m, 0, CONTEXT_RCX), status);
		set_context_word(m, 0, CONTEXT_RIP, e.program_counter + 1);
	}
	uint64_t data = symbol(m, "KiBugCheckData");
	assert_int_equal(read_word(m, data, 8), 0x1e);
	assert_int_equal(read_word(m, data + 8, 8), 0xffffffffc0000005);
	assert_int_equal(read_word(m, data + 16, 8), fault);
	resume(m);
	run_to(m, MACHINE_REBOOT);
	machine_free(m);
}

static void a_fault_is_first_chance_when_the_global_flag_says_so(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	write_byte(m, symbol(m, "NtGlobalFlag"), 1);
	assert_true(machine_act(m, "divide"));
	struct machine_event e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(e.u.exception.code, 0xc0000094);
	assert_true(e.u.exception.first_chance);
	machine_resume(m, false, NULL, 0);
	struct machine_event again = run_to(m, MACHINE_EXCEPTION);
	assert_false(again.u.exception.first_chance);
	assert_int_equal(again.program_counter, e.program_counter);
	/* the debugger repairs it: a divisor */
	set_context_word(m, 0, CONTEXT_RIP,
			 read_word(m, context_word(m, 0, CONTEXT_RSP), 8));
	set_context_word(m, 0, CONTEXT_RSP, context_word(m, 0, CONTEXT_RSP) + 8);
	resume(m);
	run_quietly(m, 20);
	machine_free(m);
}

static void a_hard_coded_break_and_an_assertion_stop_on_their_instruction(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	assert_true(machine_act(m, "break"));
	struct machine_event e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(e.u.exception.code, 0x80000003);
	assert_int_equal(e.program_counter, symbol(m, "DbgBreakPoint"));
	resume_behind(m, &e);
	assert_true(machine_act(m, "assert"));
	e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(e.u.exception.code, 0xc0000420);
	assert_int_equal(read_word(m, e.program_counter, 2), 0x2ccd);
	set_context_word(m, 0, CONTEXT_RIP, e.program_counter + 2);
	resume(m);
	run_quietly(m, 20);
	machine_free(m);
}

static void bugcheck_and_reboot_can_be_asked_for(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	assert_true(machine_act(m, "bugcheck 0xd1"));
	struct machine_event e = run_to(m, MACHINE_PRINT);
	assert_memory_equal(e.u.text.bytes, "\n*** Fatal System Error: 0x000000d1\n", 36);
	machine_free(m);
	m = new_machine(1);
	assert_true(machine_act(m, "reboot"));
	run_to(m, MACHINE_REBOOT);
	machine_free(m);
}

static void the_debuggers_bugcheck_comes_at_once_and_prints_nothing(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	assert_true(machine_act(m, "break"));
	struct machine_event e = run_to(m, MACHINE_EXCEPTION);
	machine_bugcheck(m, 0xe2);
	resume(m);
	e = run_to(m, MACHINE_EXCEPTION);
	assert_int_equal(e.u.exception.code, 0x80000003);
	assert_int_equal(e.program_counter, symbol(m, "RtlpBreakWithStatusInstruction"));
	uint8_t context[MACHINE_CONTEXT_SIZE];
	machine_get_context(m, 0, context);
	assert_int_equal(load_le(context + CONTEXT_RCX, 4), 4); /* the second one */
	assert_int_equal(read_word(m, symbol(m, "KiBugCheckData"), 8), 0xe2);
	resume_behind(m, &e);
	run_to(m, MACHINE_REBOOT);
	machine_free(m);
}

static void unknown_actions_and_modules_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "",
					   "fly",
					   "prin x",
					   "load",
					   "load nowhere",
					   "load ../probe",
					   "unload nobody",
					   "unload ntoskrnl",
					   "load probe",
					   "fault 12x" };
	struct machine *m = new_machine(1);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(machine_act(m, bad[i]));
	machine_free(m);
}

static void the_guest_sets_ports_and_the_debugger_reads_them(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	machine_port_write(m, 0x3f8, 4, 0x11223344);
	assert_int_equal(machine_port_read(m, 0x3f8, 4), 0x11223344);
	assert_int_equal(machine_port_read(m, 0x3f9, 1), 0x33);
	assert_int_equal(machine_port_read(m, 0xffff, 4), 0);
	bool known;
	assert_int_equal(machine_msr(m, 0, 0xc0000080, &known), 0xd01);
	assert_true(known);
	assert_int_equal(machine_msr(m, 0, 0xc0000101, &known), machine_kpcr(m, 0));
	machine_msr(m, 0, 0x12345, &known);
	assert_false(known);
	assert_false(machine_set_msr(m, 0, 0x12345, 1));
	assert_true(machine_set_msr(m, 0, 0xc0000082, 0x1234));
	assert_int_equal(machine_msr(m, 0, 0xc0000082, &known), 0x1234);
	machine_free(m);
}

static void bad_options_are_refused_with_a_reason(void **state)
{
	(void)state;
	const char *error = NULL;
	struct machine_options none = { .images = GUEST_IMAGES, .cpus = 0 };
	struct machine_options many = { .images = GUEST_IMAGES, .cpus = 257 };
	struct machine_options nowhere = { .images = "/nonexistent", .cpus = 1 };
	assert_null(machine_new(&none, &error));
	assert_null(machine_new(&many, &error));
	assert_null(machine_new(&nowhere, &error));
	assert_non_null(error);
}

static void sixty_four_processors_run(void **state)
{
	(void)state;
	struct machine *m = new_machine(64);
	run_quietly(m, 8);
	uint64_t ticks = symbol(m, "KiProcessorTicks");
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(read_word(m, ticks + 8 * i, 8), 1, 6);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_processors_run_and_tick),
		cmocka_unit_test(
			the_same_seed_gives_the_same_machine_and_another_boot_another),
		cmocka_unit_test(a_break_in_stops_in_the_break_instruction_with_status_1),
		cmocka_unit_test(nothing_runs_between_an_event_and_its_resume),
		cmocka_unit_test(a_print_comes_with_its_text_and_goes_on_by_itself),
		cmocka_unit_test(a_prompt_takes_its_answer),
		cmocka_unit_test(a_command_has_name_and_text),
		cmocka_unit_test(a_module_is_listed_before_its_event_and_started_after),
		cmocka_unit_test(a_boot_reports_kernel_hal_and_every_driver),
		cmocka_unit_test(an_unhandled_fault_ends_in_a_bugcheck_and_a_reboot),
		cmocka_unit_test(a_fault_is_first_chance_when_the_global_flag_says_so),
		cmocka_unit_test(
			a_hard_coded_break_and_an_assertion_stop_on_their_instruction),
		cmocka_unit_test(bugcheck_and_reboot_can_be_asked_for),
		cmocka_unit_test(the_debuggers_bugcheck_comes_at_once_and_prints_nothing),
		cmocka_unit_test(unknown_actions_and_modules_are_refused),
		cmocka_unit_test(the_guest_sets_ports_and_the_debugger_reads_them),
		cmocka_unit_test(bad_options_are_refused_with_a_reason),
		cmocka_unit_test(sixty_four_processors_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
