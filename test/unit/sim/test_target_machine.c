/* The scripted host against the whole target: real instructions, real memory. */
#include "test/sim/kd_register.h"
#include "test/unit/sim/script_host.h"

enum { SLICES = 4000, SLICE = 5000 };

static void begin(struct host *h, bool boot)
{
	const char *folder = getenv("KDSIM_GUEST");
	struct target_options options = host_options();
	options.machine.images = folder ? folder : GUEST_IMAGES;
	options.machine.modules = 3;
	options.machine.seed = 7;
	options.machine.boot = boot;
	host_init(h, &options);
	host_connect(h);
}

/* Runs until the target has something to say. */
static void run(struct host *h)
{
	for (unsigned i = 0; i < SLICES && h->read == h->received; i++) {
		h->target->slice = SLICE;
		(void)target_run(h->target, h->now_us);
	}
	assert_true(h->read < h->received);
}

static const uint8_t *run_to_stop(struct host *h)
{
	run(h);
	return host_expect_stop(h);
}

static void break_in(struct host *h)
{
	host_break_in(h);
	const uint8_t *stop = run_to_stop(h);
	assert_int_equal(load_le(stop + 32, 4), 0x80000003);
	assert_int_equal(load_le(stop + 24, 8),
			 machine_symbol(h->target->machine, "ntoskrnl",
					"DbgBreakPointWithStatus"));
}

/* Behind the break-in's own int3, as every host must. */
static void step_over_int3(struct host *h)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	memcpy(context, host_call(h, 0x3132, 0, NULL, NULL, 0).data, sizeof(context));
	store_le(context + CONTEXT_RIP, load_le(context + CONTEXT_RIP, 8) + 1, 8);
	assert_int_equal(host_call(h, 0x3133, 0, NULL, context, sizeof(context)).status,
			 0);
}

static void plant(struct host *h, uint64_t address)
{
	uint8_t u[40] = { 0 };
	store_le(u, address, 8);
	assert_int_equal(host_call(h, 0x3134, 0, u, NULL, 0).status, 0);
}

static void a_breakpoint_is_hit_and_left(void **state)
{
	struct host h;
	(void)state;
	begin(&h, false);
	break_in(&h);
	uint64_t address =
		machine_symbol(h.target->machine, "ntoskrnl", "KeUpdateRunTime");
	assert_int_not_equal(address, 0);
	plant(&h, address);
	assert_int_equal(host_range(&h, 0x3130, address, 1, NULL, 0).data[0], 0xcc);
	step_over_int3(&h);
	host_continue(&h, 0, false, 0x400);
	const uint8_t *hit = run_to_stop(&h);
	assert_int_equal(load_le(hit + 24, 8), address);
	assert_int_not_equal(hit[216], 0xcc);
	uint16_t cpu = (uint16_t)load_le(hit + 6, 2);

	/* It has vanished: a step goes on from it at once. */
	host_continue(&h, cpu, true, 0x400);
	const uint8_t *step = run_to_stop(&h);
	assert_int_equal(load_le(step + 32, 4), 0x80000004);
	assert_in_range(load_le(step + 24, 8), address + 1, address + 15);
	host_continue(&h, cpu, false, 0x400);
	assert_int_equal(host_violations(&h), 0);
	assert_int_equal(kd_breakpoint_count(&h.target->kd), 0);
	assert_string_equal(target_state(h.target), "running");
	host_free(&h);
}

static void a_watchpoint_on_every_processor_is_hit(void **state)
{
	struct host h;
	uint8_t special[MACHINE_SPECIAL_SIZE];
	(void)state;
	begin(&h, false);
	break_in(&h);
	uint64_t address = machine_symbol(h.target->machine, "ntoskrnl", "KeTickCount");
	for (uint16_t cpu = 0; cpu < 2; cpu++) {
		uint8_t u[40] = { 2 };
		store_le(u + 8, sizeof(special), 4);
		memcpy(special, host_call(&h, 0x3137, cpu, u, NULL, 0).data,
		       sizeof(special));
		store_le(special + SPECIAL_DR0, address, 8);
		assert_int_equal(
			host_call(&h, 0x3138, cpu, u, special, sizeof(special)).status,
			0);
	}
	step_over_int3(&h);
	host_continue(&h, 0, false, 0x90402);
	assert_int_equal(kd_debug_registers_active(&h.target->kd), 2);
	const uint8_t *hit = run_to_stop(&h);
	assert_int_equal(load_le(hit + 32, 4), 0x80000004);
	assert_int_equal(load_le(hit + 192, 8) & 1, 1); /* DR6 names DR0 */
	host_continue(&h, (uint16_t)load_le(hit + 6, 2), false, 0x400);
	assert_int_equal(kd_debug_registers_active(&h.target->kd), 0);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void a_boot_reports_its_drivers_and_prints(void **state)
{
	struct host h;
	unsigned loads = 0;
	(void)state;
	begin(&h, true);
	while (loads < 3) {
		run(&h);
		const uint8_t *next = h.inbox[h.read].payload;
		if (load_le(next + 4, 2) == 3) {
			(void)host_packet(&h, 3, NULL);
			host_acknowledge(&h);
			continue;
		}
		const uint8_t *stop = host_expect_stop(&h);
		assert_int_equal(load_le(stop, 4), 0x3031);
		assert_int_equal(stop[240 + load_le(stop + 32, 4) - 1], 0);
		assert_in_range(load_le(stop + 40, 8), UINT64_C(0xfffff80000000000),
				UINT64_C(0xffffffffffffffff));
		host_continue(&h, 0, false, 0x400);
		loads++;
	}
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void a_print_and_a_prompt_of_the_guest_go_their_way(void **state)
{
	struct host h;
	uint8_t answer[17] = { 0x31, 0x32 };
	(void)state;
	begin(&h, false);
	assert_true(machine_act(h.target->machine, "print hello"));
	assert_true(machine_act(h.target->machine, "prompt ok?"));
	run(&h);
	assert_memory_equal(host_packet(&h, 3, NULL) + 16, "hello", 5);
	host_acknowledge(&h);
	run(&h);
	assert_memory_equal(host_packet(&h, 3, NULL) + 16, "ok?", 3);
	host_acknowledge(&h);
	store_le(answer + 8, 3, 4);
	store_le(answer + 12, 1, 4);
	answer[16] = 'y';
	host_data(&h, 3, h.id, answer, sizeof(answer));
	host_expect_control(&h, 4, h.id);
	assert_true(target_is_running(h.target));
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void a_reboot_of_the_guest_starts_everything_again(void **state)
{
	struct host h;
	(void)state;
	begin(&h, false);
	uint64_t base = machine_kernel_base(h.target->machine);
	assert_true(machine_act(h.target->machine, "reboot"));
	for (unsigned i = 0; i < SLICES && h.target->reboot_at_us == 0; i++) {
		h.target->slice = SLICE;
		(void)target_run(h.target, h.now_us);
	}
	host_wait(&h, 400000);
	assert_int_equal(h.starts, 2);
	assert_int_equal(host_next(&h)->channel, KDNET_CHANNEL_CONTROL);
	assert_int_not_equal(machine_kernel_base(h.target->machine), base);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_breakpoint_is_hit_and_left),
		cmocka_unit_test(a_watchpoint_on_every_processor_is_hit),
		cmocka_unit_test(a_boot_reports_its_drivers_and_prints),
		cmocka_unit_test(a_print_and_a_prompt_of_the_guest_go_their_way),
		cmocka_unit_test(a_reboot_of_the_guest_starts_everything_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
