/* Contexts and control space. KD.md §3 and §5. */
#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

#define UNSUCCESSFUL UINT32_C(0xc0000001)

static void a_context_is_taken_only_after_it_was_given_in_this_stop(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t context[MACHINE_CONTEXT_SIZE];
	(void)state;
	host_begin(&h, &options);
	memcpy(context, fake.context[0], sizeof(context));
	store_le(context + CONTEXT_RAX, 0x1234, 8);
	struct host_reply r = host_call(&h, 0x3133, 0, NULL, context, sizeof(context));
	assert_int_equal(r.status, UNSUCCESSFUL);
	assert_int_equal(host_violations(&h), 1);

	r = host_call(&h, 0x3132, 0, NULL, NULL, 0);
	assert_int_equal(r.length, sizeof(context));
	assert_memory_equal(r.data, fake.context[0], sizeof(context));
	assert_int_equal(host_call(&h, 0x3133, 0, NULL, context, sizeof(context)).status,
			 0);
	assert_int_equal(load_le(fake.context[0] + CONTEXT_RAX, 8), 0x1234);
	assert_int_equal(host_violations(&h), 1);

	/* Another processor's own was not fetched: KD takes it, a host should not. */
	assert_int_equal(host_call(&h, 0x3133, 1, NULL, context, sizeof(context)).status,
			 0);
	assert_int_equal(host_violations(&h), 2);

	host_continue(&h, 0, false, 0x400);
	(void)host_stop_at(&h, fake_stop(0x80000003));
	r = host_call(&h, 0x3133, 0, NULL, context, sizeof(context));
	assert_int_equal(r.status, UNSUCCESSFUL);
	assert_int_equal(host_violations(&h), 3);
	host_free(&h);
}

static void flags_that_drop_every_register_are_a_violation(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t context[MACHINE_CONTEXT_SIZE];
	(void)state;
	host_begin(&h, &options);
	memcpy(context, host_call(&h, 0x3132, 0, NULL, NULL, 0).data, sizeof(context));
	store_le(context + CONTEXT_FLAGS, 0, 4);
	(void)host_call(&h, 0x3133, 0, NULL, context, sizeof(context));
	assert_int_equal(host_violations(&h), 1);
	(void)host_call(&h, 0x3133, 0, NULL, context, 600); /* a short one: asserts */
	assert_int_equal(host_violations(&h), 2);
	host_free(&h);
}

static void a_context_is_read_and_set_in_parts(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0 };
	uint8_t context[MACHINE_CONTEXT_SIZE];
	(void)state;
	host_begin(&h, &options);
	store_le(u + 4, MACHINE_CONTEXT_SIZE, 4);
	struct host_reply r = host_call(&h, 0x315f, 0, u, NULL, 0);
	assert_int_equal(load_le(r.u + 8, 4), MACHINE_CONTEXT_SIZE);
	memcpy(context, r.data, sizeof(context));
	store_le(context + CONTEXT_RIP, FAKE_BASE + 0x1500, 8);

	store_le(u, 0, 4);
	store_le(u + 4, 1000, 4);
	store_le(u + 8, MACHINE_CONTEXT_SIZE, 4);
	assert_int_equal(host_call(&h, 0x3160, 0, u, context, 1000).status, 0);
	assert_int_not_equal(load_le(fake.context[0] + CONTEXT_RIP, 8),
			     FAKE_BASE + 0x1500);
	store_le(u, 1000, 4);
	store_le(u + 4, 232, 4);
	assert_int_equal(host_call(&h, 0x3160, 0, u, context + 1000, 232).status, 0);
	assert_int_equal(load_le(fake.context[0] + CONTEXT_RIP, 8), FAKE_BASE + 0x1500);
	assert_int_equal(host_violations(&h), 0);

	/* Only the first A8 bytes: control registers and integers up to RDI. */
	store_le(context + CONTEXT_RAX, 77, 8);
	store_le(u, 0, 4);
	store_le(u + 4, 0xa8, 4);
	store_le(u + 8, 0xa8, 4);
	assert_int_equal(host_call(&h, 0x3160, 0, u, context, 0xa8).status, 0);
	assert_int_equal(load_le(fake.context[0] + CONTEXT_RAX, 8), 77);

	store_le(u, 0xffffffff, 4); /* outside of everything */
	assert_int_equal(host_call(&h, 0x3160, 0, u, context, 0xa8).status, 0xc000000d);
	assert_int_equal(host_call(&h, 0x315f, 0, u, NULL, 0).status, UNSUCCESSFUL);
	host_free(&h);
}

static void the_boot_debugger_knows_no_parts(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0 };
	(void)state;
	options.kd.no_context_parts = true;
	host_begin(&h, &options);
	store_le(u + 4, MACHINE_CONTEXT_SIZE, 4);
	assert_int_equal(host_call(&h, 0x315f, 0, u, NULL, 0).status, UNSUCCESSFUL);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void control_space_answers_its_own_size_whatever_was_asked(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	struct host_reply r = host_range(&h, 0x3137, 0, 16, NULL, 0);
	assert_int_equal(r.length, 8);
	assert_int_equal(load_le(r.u + 12, 4), 8);
	assert_int_equal(load_le(r.data, 8), UINT64_C(0xffffd00010000000));
	assert_int_equal(load_le(host_range(&h, 0x3137, 1, 8, NULL, 0).data, 8),
			 UINT64_C(0xffffd00010000180));
	assert_int_equal(load_le(host_range(&h, 0x3137, 3, 8, NULL, 0).data, 8),
			 UINT64_C(0xffffe00012345000));
	r = host_range(&h, 0x3137, 2, 8, NULL, 0);
	assert_int_equal(r.length, MACHINE_SPECIAL_SIZE);
	assert_memory_equal(r.data, fake.special[0], MACHINE_SPECIAL_SIZE);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void special_registers_are_read_modified_and_written(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t special[MACHINE_SPECIAL_SIZE];
	(void)state;
	host_begin(&h, &options);
	memcpy(special, fake.special[0], sizeof(special));
	(void)host_range(&h, 0x3138, 2, sizeof(special), special, sizeof(special));
	assert_int_equal(host_violations(&h), 1); /* written unread */
	(void)host_range(&h, 0x3137, 2, sizeof(special), NULL, 0);
	store_le(special + SPECIAL_DR0, FAKE_BASE, 8);
	struct host_reply r =
		host_range(&h, 0x3138, 2, sizeof(special), special, sizeof(special));
	assert_int_equal(r.status, 0);
	assert_int_equal(load_le(r.u + 12, 4), sizeof(special));
	assert_int_equal(load_le(fake.special[0] + SPECIAL_DR0, 8), FAKE_BASE);
	r = host_range(&h, 0x3138, 2, 8, special, 8); /* a part is taken as well */
	assert_int_equal(load_le(r.u + 12, 4), 8);
	assert_int_equal(host_violations(&h), 1);
	host_free(&h);
}

static void special_registers_that_no_kernel_survives_are_violations(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t special[MACHINE_SPECIAL_SIZE];
	(void)state;
	host_begin(&h, &options);
	(void)host_range(&h, 0x3137, 2, sizeof(special), NULL, 0);
	memcpy(special, fake.special[0], sizeof(special));
	store_le(special + SPECIAL_CR0, 0, 8);
	store_le(special + SPECIAL_CR3, 0, 8);
	store_le(special + SPECIAL_DR7, 0x2400, 8); /* general detect */
	(void)host_range(&h, 0x3138, 2, sizeof(special), special, sizeof(special));
	assert_int_equal(host_violations(&h), 3);
	struct host_reply r = host_range(&h, 0x3138, 0, 8, special, 8);
	assert_int_equal(r.status, UNSUCCESSFUL);
	assert_int_equal(host_violations(&h), 4);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_is_taken_only_after_it_was_given_in_this_stop),
		cmocka_unit_test(flags_that_drop_every_register_are_a_violation),
		cmocka_unit_test(a_context_is_read_and_set_in_parts),
		cmocka_unit_test(the_boot_debugger_knows_no_parts),
		cmocka_unit_test(control_space_answers_its_own_size_whatever_was_asked),
		cmocka_unit_test(special_registers_are_read_modified_and_written),
		cmocka_unit_test(
			special_registers_that_no_kernel_survives_are_violations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
