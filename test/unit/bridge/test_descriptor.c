#include "bridge/target/descriptor.h"

#include "kdnet/wire.h"
#include "test/util.h"

static struct descriptor_gate gate(uint64_t low, uint64_t high)
{
	uint8_t bytes[DESCRIPTOR_GATE_SIZE];

	store_le(bytes, low, 8);
	store_le(bytes + 8, high, 8);
	return descriptor_gate(bytes);
}

static struct descriptor_segment segment(uint64_t low)
{
	uint8_t bytes[DESCRIPTOR_SIZE];

	store_le(bytes, low, 8);
	return descriptor_segment(bytes, sizeof(bytes));
}

static void a_gate_tells_its_handler_and_who_may_enter(void **state)
{
	/* KiBreakpointTrap's and a double fault's, as Windows has them */
	struct descriptor_gate g = gate(0x0280ee0000105e40, 0xfffff803);

	(void)state;
	assert_true(g.present);
	assert_string_equal(g.type, "interrupt");
	assert_true(g.handler == 0xfffff80302805e40);
	assert_int_equal(g.selector, 0x10);
	assert_int_equal(g.dpl, 3);
	assert_int_equal(g.ist, 0);
	g = gate(0x02808f0100105e40, 0xfffff803);
	assert_string_equal(g.type, "trap");
	assert_int_equal(g.dpl, 0);
	assert_int_equal(g.ist, 1);
}

static void what_is_no_gate_is_called_so(void **state)
{
	(void)state;
	assert_false(gate(0, 0).present);
	assert_true(gate(0x0280850000105e40, 0).present);
	assert_string_equal(gate(0x0280850000105e40, 0).type, "reserved");
	/* bit 4 of the access byte makes it a segment, not a gate */
	assert_string_equal(gate(0x02809e0000105e40, 0).type, "reserved");
}

static void segments_have_type_limit_and_level(void **state)
{
	struct descriptor_segment s = segment(0x00209b0000000000);

	(void)state;
	assert_string_equal(s.type, "code 64-bit");
	assert_true(s.present && s.writable && s.accessed);
	assert_int_equal(s.dpl, 0);
	s = segment(0x00cffb000000ffff);
	assert_string_equal(s.type, "code 32-bit");
	assert_true(s.limit == 0xffffffff);
	assert_int_equal(s.dpl, 3);
	s = segment(0x12cf92345678ffff);
	assert_string_equal(s.type, "data");
	assert_true(s.base == 0x12345678);
	assert_false(s.accessed);
	assert_false(s.wide);
	s = segment(0x0040f30000003c00);
	assert_true(s.limit == 0x3c00); /* in bytes */
	assert_string_equal(segment(0x00009a0000000000).type, "code 16-bit");
}

static void a_system_descriptor_takes_two_entries(void **state)
{
	uint8_t bytes[DESCRIPTOR_WIDE_SIZE];
	struct descriptor_segment s;

	(void)state;
	store_le(bytes, 0x10008b0071000067, 8);
	store_le(bytes + 8, 0xffffd000, 8);
	s = descriptor_segment(bytes, sizeof(bytes));
	assert_true(s.wide);
	assert_string_equal(s.type, "TSS busy");
	assert_true(s.base == 0xffffd00010007100);
	assert_true(s.limit == 0x67);
	assert_false(s.writable || s.accessed);
	/* its second half may be cut off by the table's limit */
	uint8_t *exact = test_exact_copy(bytes, DESCRIPTOR_SIZE);
	s = descriptor_segment(exact, DESCRIPTOR_SIZE);
	assert_true(s.base == 0x10007100);
	free(exact);
	assert_false(segment(0).present || segment(0).wide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gate_tells_its_handler_and_who_may_enter),
		cmocka_unit_test(what_is_no_gate_is_called_so),
		cmocka_unit_test(segments_have_type_limit_and_level),
		cmocka_unit_test(a_system_descriptor_takes_two_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
