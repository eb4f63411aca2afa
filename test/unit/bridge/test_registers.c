#include "bridge/target/registers.h"

#include "test/unit/bridge/fake_target.h"

enum {
	RAX = 0,
	R15 = 15,
	RIP = 16,
	EFLAGS = 17,
	ST0 = 24,
	FS_BASE = 57,
	GS_BASE = 58,
	CR3 = 61,
	DR7 = 69
};

static uint64_t get(struct fake_target *f, unsigned processor, unsigned number)
{
	uint64_t value;
	assert_int_equal(registers_get(f->t, processor, number, &value), KD_DONE);
	return value;
}

static void a_context_is_fetched_once_in_a_stop(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	fake_set_register(f, 0, 0x78, 0x1122);
	fake_set_register(f, 0, 0xf0, 0x3344);
	assert_int_equal(get(f, 0, RAX), 0x1122);
	assert_int_equal(get(f, 0, R15), 0x3344);
	assert_int_equal(fake_count(f, KD_GET_CONTEXT), 1);
	fake_go(f, TARGET_STEP, 0);
	fake_set_register(f, 0, 0x78, 0x5566);
	assert_int_equal(get(f, 0, RAX), 0x5566);
	assert_int_equal(fake_count(f, KD_GET_CONTEXT), 2);
	fake_end(f);
}

static void the_pc_of_the_stop_costs_nothing(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(get(f, 0, RIP), FAKE_CODE);
	assert_int_equal(f->logged, 0);
	assert_int_equal(get(f, 1, RIP), FAKE_CODE + 0x100);
	assert_int_equal(fake_count(f, KD_GET_CONTEXT), 1);
	fake_end(f);
}

static void changed_registers_are_written_once_at_resume(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	assert_int_equal(registers_set(f->t, 0, RAX, 1), KD_DONE);
	assert_int_equal(registers_set(f->t, 0, R15, 2), KD_DONE);
	assert_int_equal(registers_set(f->t, 1, R15, 3), KD_DONE);
	assert_int_equal(get(f, 0, R15), 2);
	assert_int_equal(fake_count(f, KD_SET_CONTEXT), 0);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(fake_count(f, KD_SET_CONTEXT), 2);
	assert_int_equal(fake_register(f, 0, 0x78), 1);
	assert_int_equal(fake_register(f, 0, 0xf0), 2);
	assert_int_equal(fake_register(f, 1, 0xf0), 3);
	fake_end(f);
}

static void unchanged_registers_are_not_written(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	uint64_t rax = get(f, 0, RAX);
	assert_int_equal(registers_set(f->t, 0, RAX, rax + 1), KD_DONE);
	assert_int_equal(registers_set(f->t, 0, RAX, rax), KD_DONE);
	(void)get(f, 0, CR3);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(fake_count(f, KD_SET_CONTEXT), 0);
	assert_int_equal(fake_count(f, KD_WRITE_CONTROL_SPACE), 0);
	fake_end(f);
}

static void special_registers_are_read_modified_and_written(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	store_le(f->special[1] + 0x10, 0x1000, 8);
	store_le(f->special[1] + 0x00, 0x80050033, 8);
	assert_int_equal(get(f, 1, CR3), 0x1000);
	assert_int_equal(registers_set(f->t, 1, CR3, 0x2000), KD_DONE);
	assert_int_equal(fake_count(f, KD_READ_CONTROL_SPACE), 1);
	assert_int_equal(fake_count(f, KD_WRITE_CONTROL_SPACE), 0);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(fake_count(f, KD_WRITE_CONTROL_SPACE), 1);
	assert_int_equal(load_le(f->special[1] + 0x10, 8), 0x2000);
	assert_int_equal(load_le(f->special[1] + 0x00, 8), 0x80050033);
	fake_end(f);
}

static void dr7_of_the_stop_goes_along_with_the_resume(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	assert_int_equal(registers_set(f->t, 0, DR7, 0x402), KD_DONE);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_dr7, 0x402);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_dr7, 0x402);
	assert_int_equal(registers_set(f->t, 0, DR7, 0x408), KD_DONE);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(f->last_dr7, 0x408);
	fake_end(f);
}

static bool answer_short(struct fake_target *f, uint16_t api, uint8_t *data,
			 size_t length)
{
	(void)length;
	if (api != KD_READ_CONTROL_SPACE)
		return false;
	store_le(data + 28, 0xd8, 4);
	fake_reply(f, data, KD_STATUS_SUCCESS, f->special[0], 0xd8);
	return true;
}

static void a_kernel_with_fewer_special_registers_is_fine(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = answer_short;
	uint64_t value;
	assert_int_equal(get(f, 0, CR3), 0);
	assert_int_equal(registers_get(f->t, 0, 81, &value), KD_REFUSED); /* xcr0 */
	fake_end(f);
}

static void a_segment_base_can_be_an_msr(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	store_le(f->special[0] + 0xa8, 0x1234, 8);
	assert_int_equal(get(f, 0, FS_BASE), UINT64_C(0x1122334455667788));
	assert_int_equal(get(f, 0, GS_BASE), 0x1234);
	assert_int_equal(fake_count(f, KD_READ_MSR), 1);
	fake_end(f);
}

static void a_segment_register_is_widened_with_zeros(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	store_le(f->context[0] + 0x38, 0xffff0010, 4); /* cs, and ds behind it */
	assert_int_equal(get(f, 0, 18), 0x10);
	fake_end(f);
}

static void the_trap_flag_of_a_step_is_not_shown(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	fake_go(f, TARGET_STEP, 0);
	assert_true(fake_eflags(f, 0) & FAKE_TF);
	assert_int_equal(get(f, 0, EFLAGS), 0x202);
	fake_go(f, TARGET_STEP, 0);
	assert_int_equal(fake_count(f, KD_SET_CONTEXT), 0);
	fake_end(f);
}

static void what_does_not_exist_is_refused(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	uint64_t value;
	assert_int_equal(registers_get(f->t, 2, RAX, &value), KD_REFUSED);
	assert_int_equal(registers_get(f->t, 0, 83, &value), KD_REFUSED);
	assert_int_equal(registers_set(f->t, 70000, RAX, 1), KD_REFUSED);
	assert_int_equal(f->logged, 0);
	fake_end(f);
}

static void a_running_target_has_no_registers(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_resume = NULL;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	uint64_t value;
	assert_int_equal(registers_get(f->t, 0, RAX, &value), KD_GONE);
	fake_end(f);
}

static void a_wide_register_comes_whole(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	uint8_t out[REGISTER_BYTES_MAX];
	uint8_t in[16] = "0123456789abcdef";
	memcpy(f->context[0] + 0x120, "ABCDEFGHIJ", 10);
	assert_int_equal(registers_read(f->t, 0, ST0, out), KD_DONE);
	assert_memory_equal(out, "ABCDEFGHIJ", 10);
	assert_int_equal(registers_write(f->t, 0, 40, in), KD_DONE);
	fake_go(f, TARGET_STEP, 0);
	assert_memory_equal(f->context[0] + 0x1a0, in, 16);
	fake_end(f);
}

static bool short_context(struct fake_target *f, uint16_t api, uint8_t *data,
			  size_t length)
{
	(void)length;
	if (api != KD_GET_CONTEXT)
		return false;
	fake_reply(f, data, KD_STATUS_SUCCESS, f->context[0], 100);
	return true;
}

static void a_context_that_is_too_short_is_refused(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = short_context;
	uint64_t value;
	assert_int_equal(registers_get(f->t, 0, RAX, &value), KD_REFUSED);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_is_fetched_once_in_a_stop),
		cmocka_unit_test(the_pc_of_the_stop_costs_nothing),
		cmocka_unit_test(changed_registers_are_written_once_at_resume),
		cmocka_unit_test(unchanged_registers_are_not_written),
		cmocka_unit_test(special_registers_are_read_modified_and_written),
		cmocka_unit_test(dr7_of_the_stop_goes_along_with_the_resume),
		cmocka_unit_test(a_kernel_with_fewer_special_registers_is_fine),
		cmocka_unit_test(a_segment_base_can_be_an_msr),
		cmocka_unit_test(a_segment_register_is_widened_with_zeros),
		cmocka_unit_test(the_trap_flag_of_a_step_is_not_shown),
		cmocka_unit_test(what_does_not_exist_is_refused),
		cmocka_unit_test(a_running_target_has_no_registers),
		cmocka_unit_test(a_wide_register_comes_whole),
		cmocka_unit_test(a_context_that_is_too_short_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
