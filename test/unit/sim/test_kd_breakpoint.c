/* KD's own breakpoints, and opcodes that the debugger wrote itself. KD.md §2, §3. */
#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

#define UNSUCCESSFUL UINT32_C(0xc0000001)
#define CODE	     (FAKE_BASE + FAKE_CODE)

static uint32_t plant(struct host *h, uint64_t address)
{
	uint8_t u[40] = { 0 };
	store_le(u, address, 8);
	struct host_reply r = host_call(h, 0x3134, 0, u, NULL, 0);
	uint32_t handle = (uint32_t)load_le(r.u + 8, 4);
	assert_true((r.status == 0) == (handle != 0));
	return handle;
}

static uint32_t restore(struct host *h, uint32_t handle)
{
	uint8_t u[40] = { 0 };
	store_le(u, handle, 4);
	return host_call(h, 0x3135, 0, u, NULL, 0).status;
}

static unsigned planted(const struct host *h)
{
	return kd_breakpoint_count(&h->target->kd);
}

static void thirty_two_fit_and_no_more(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(plant(&h, CODE + 0x100 + UINT64_C(4) * i), i + 1);
	assert_int_equal(plant(&h, CODE + 0x300), 0);
	assert_int_equal(planted(&h), 32);
	assert_int_equal(restore(&h, 5), 0);
	assert_int_equal(plant(&h, CODE + 0x300), 5);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void the_same_address_twice_is_refused(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	assert_int_equal(plant(&h, CODE + 0x100), 1);
	assert_int_equal(plant(&h, CODE + 0x100), 0);
	host_free(&h);
}

static void restoring_puts_the_byte_back_and_unknown_handles_are_refused(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	uint8_t byte = fake.memory[FAKE_CODE + 0x100];
	uint32_t handle = plant(&h, CODE + 0x100);
	/* Memory reads show the opcode. */
	assert_int_equal(host_range(&h, 0x3130, CODE + 0x100, 1, NULL, 0).data[0], 0xcc);
	assert_int_equal(restore(&h, handle), 0);
	assert_int_equal(fake.memory[FAKE_CODE + 0x100], byte);
	assert_int_equal(restore(&h, handle), UNSUCCESSFUL);
	assert_int_equal(restore(&h, 0), UNSUCCESSFUL);
	assert_int_equal(restore(&h, 33), UNSUCCESSFUL);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

/* Measured on a kernel: at PC, +2 and +15 they are gone, at +16 it stays. */
static void a_report_deletes_those_in_the_16_bytes_from_the_pc(void **state)
{
	struct host h;
	struct target_options options = host_options();
	static const uint64_t offsets[] = { 0, 2, 15, 16 };
	(void)state;
	host_begin(&h, &options);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(plant(&h, CODE + offsets[i]), i + 1);
	assert_int_equal(plant(&h, CODE - 1), 5);
	host_continue(&h, 0, true, 0x400);
	(void)host_stop_at(&h, fake_stop(0x80000004));
	assert_int_equal(planted(&h), 2);
	assert_int_equal(fake.memory[FAKE_CODE], 0x90);
	assert_int_equal(restore(&h, 1), UNSUCCESSFUL);
	assert_int_equal(restore(&h, 3), UNSUCCESSFUL);
	assert_int_equal(restore(&h, 4), 0);
	assert_int_equal(restore(&h, 5), 0);
	host_free(&h);
}

static void the_report_of_a_processor_switch_deletes_them_too(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	assert_int_equal(plant(&h, CODE + 64 + 3), 1); /* processor 1's PC is CODE + 64 */
	host_ask(&h, 0x3150, 1, NULL, NULL, 0);
	(void)host_expect_stop(&h);
	assert_int_equal(planted(&h), 0);
	host_free(&h);
}

static void on_an_absent_page_it_waits_until_the_page_is_there(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	fake.absent[1] = true;
	assert_int_equal(plant(&h, CODE + 0x100), 1);
	assert_int_equal(planted(&h), 0);
	host_continue(&h, 0, false, 0x400);
	(void)target_run(h.target, h.now_us);
	assert_int_equal(planted(&h), 0);
	fake.absent[1] = false;
	(void)target_run(h.target, h.now_us);
	assert_int_equal(planted(&h), 1);
	assert_int_equal(fake.memory[FAKE_CODE + 0x100], 0xcc);
	host_free(&h);
}

static void a_handle_whose_page_is_gone_is_accepted_again_and_again(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	uint8_t byte = fake.memory[FAKE_CODE + 0x100];
	assert_int_equal(plant(&h, CODE + 0x100), 1);
	fake.absent[1] = true;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(restore(&h, 1), 0);
	assert_int_equal(plant(&h, CODE + 0x2000), 2); /* its slot is still taken */
	fake.absent[1] = false;
	assert_int_equal(restore(&h, 1), 0);
	assert_int_equal(restore(&h, 1), UNSUCCESSFUL);
	assert_int_equal(fake.memory[FAKE_CODE + 0x100], byte);
	host_free(&h);
}

static void several_handles_are_restored_at_once(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 2 };
	uint8_t handles[8] = { 1, 0, 0, 0, 2 };
	(void)state;
	host_begin(&h, &options);
	(void)plant(&h, CODE + 0x100);
	(void)plant(&h, CODE + 0x200);
	assert_int_equal(host_call(&h, 0x3148, 0, u, handles, 8).status, 0);
	assert_int_equal(planted(&h), 0);
	assert_int_equal(host_call(&h, 0x3148, 0, u, handles, 6).status, UNSUCCESSFUL);
	host_free(&h);
}

static void a_write_over_a_planted_one_is_a_violation(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	(void)plant(&h, CODE + 0x101);
	(void)host_range(&h, 0x3131, CODE + 0x100, 3,
			 (const uint8_t *)"a\xcc"
					  "b",
			 3);
	assert_int_equal(host_violations(&h), 0);
	(void)host_range(&h, 0x3131, CODE + 0x100, 3, (const uint8_t *)"abc", 3);
	assert_int_equal(host_violations(&h), 1);
	host_free(&h);
}

static void opcodes_written_into_code_are_counted_while_they_are_there(void **state)
{
	struct host h;
	struct target_options options = host_options();
	const uint8_t int3 = 0xcc;
	(void)state;
	host_begin(&h, &options);
	uint8_t byte = fake.memory[FAKE_CODE + 0x100];
	(void)host_range(&h, 0x3131, CODE + 0x100, 1, &int3, 1);
	(void)host_range(&h, 0x3131, CODE + 0x100, 1, &int3, 1);
	(void)host_range(&h, 0x3131, FAKE_BASE + FAKE_DATA, 1, &int3, 1); /* no code */
	assert_int_equal(kd_opcode_count(&h.target->kd), 1);
	(void)host_range(&h, 0x3131, CODE + 0x100, 1, &byte, 1);
	assert_int_equal(kd_opcode_count(&h.target->kd), 0);
	/* KD's own breakpoint on that byte is none of them. */
	(void)plant(&h, CODE + 0x100);
	assert_int_equal(kd_opcode_count(&h.target->kd), 0);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thirty_two_fit_and_no_more),
		cmocka_unit_test(the_same_address_twice_is_refused),
		cmocka_unit_test(
			restoring_puts_the_byte_back_and_unknown_handles_are_refused),
		cmocka_unit_test(a_report_deletes_those_in_the_16_bytes_from_the_pc),
		cmocka_unit_test(the_report_of_a_processor_switch_deletes_them_too),
		cmocka_unit_test(on_an_absent_page_it_waits_until_the_page_is_there),
		cmocka_unit_test(a_handle_whose_page_is_gone_is_accepted_again_and_again),
		cmocka_unit_test(several_handles_are_restored_at_once),
		cmocka_unit_test(a_write_over_a_planted_one_is_a_violation),
		cmocka_unit_test(
			opcodes_written_into_code_are_counted_while_they_are_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
