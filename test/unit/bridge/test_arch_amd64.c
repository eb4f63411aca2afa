#include "bridge/target/arch.h"

#include <string.h>

#include "kdnet/wire.h"
#include "test/util.h"

static const struct arch_register *row(const char *name)
{
	for (size_t i = 0; i < arch_amd64.count; i++) {
		if (strcmp(arch_amd64.registers[i].name, name) == 0)
			return &arch_amd64.registers[i];
	}
	fail_msg("no register %s", name);
	return NULL;
}

static void numbers_ascend_without_gaps(void **state)
{
	(void)state;
	for (size_t i = 0; i < arch_amd64.count; i++)
		assert_int_equal(arch_amd64.registers[i].number, i);
}

static void names_are_there_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < arch_amd64.count; i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(arch_amd64.registers[i].name,
						arch_amd64.registers[j].name);
	}
}

static void every_row_lies_within_its_block(void **state)
{
	(void)state;
	for (size_t i = 0; i < arch_amd64.count; i++) {
		const struct arch_register *r = &arch_amd64.registers[i];
		assert_true(r->stored > 0 && r->stored <= r->bits / 8);
		if (r->place == IN_CONTEXT || r->place == IN_CONTEXT_CODED)
			assert_true(r->offset + r->stored <= KD_CONTEXT_AMD64);
		if (r->place == IN_SPECIAL)
			assert_true(r->offset + r->stored <= KD_SPECIAL_AMD64);
	}
}

/* Two rows may show the same bytes only where one is the coded form of them. */
static void no_two_rows_share_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < arch_amd64.count; i++) {
		const struct arch_register *a = &arch_amd64.registers[i];
		for (size_t j = 0; j < i; j++) {
			const struct arch_register *b = &arch_amd64.registers[j];
			bool same_block =
				(a->place == IN_SPECIAL) == (b->place == IN_SPECIAL) &&
				a->place != IN_MSR && b->place != IN_MSR;
			if (same_block)
				assert_true(a->offset + a->stored <= b->offset ||
					    b->offset + b->stored <= a->offset);
		}
	}
}

static void the_general_read_ends_before_the_segment_bases(void **state)
{
	(void)state;
	for (size_t i = 0; i < arch_amd64.count; i++)
		assert_int_equal(arch_amd64.registers[i].in_g, i <= 56);
	assert_string_equal(arch_amd64.registers[57].name, "fs_base");
	assert_string_equal(arch_amd64.registers[58].name, "gs_base");
}

static void gdb_finds_its_own_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned number;
	} known[] = { { "rax", 0 },	{ "rbx", 1 },	 { "rcx", 2 },	{ "rdx", 3 },
		      { "rbp", 6 },	{ "rsp", 7 },	 { "r15", 15 }, { "rip", 16 },
		      { "eflags", 17 }, { "cs", 18 },	 { "ss", 19 },	{ "gs", 23 },
		      { "st0", 24 },	{ "fctrl", 32 }, { "fop", 39 }, { "xmm0", 40 },
		      { "xmm15", 55 },	{ "mxcsr", 56 }, { "cr0", 59 } };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(row(known[i].name)->number, known[i].number);
	assert_int_equal(arch_amd64.pc, row("rip")->number);
	assert_int_equal(arch_amd64.sp, row("rsp")->number);
	assert_int_equal(arch_amd64.fp, row("rbp")->number);
	assert_int_equal(arch_amd64.flags, row("eflags")->number);
	assert_int_equal(arch_amd64.argument, row("rcx")->number);
}

static void set_st(uint8_t *context, unsigned st, uint64_t mantissa, unsigned exponent)
{
	store_le(context + 0x120 + st * 16, mantissa, 8);
	store_le(context + 0x128 + st * 16, exponent, 2);
}

static uint64_t load_row(const char *name, const uint8_t *context)
{
	uint8_t out[64] = { 0 };
	arch_amd64.load(row(name), context, out);
	return load_le(out, 4);
}

static void x87_tags_are_made_from_what_the_registers_hold(void **state)
{
	(void)state;
	uint8_t context[KD_CONTEXT_AMD64] = { 0 };
	/* top is 5: ST(0) is physical 5, ST(1) is 6, ST(2) is 7, ST(3) is 0 */
	store_le(context + 0x102, 5u << 11, 2);
	context[0x104] = 0xe1;					  /* 0, 5, 6, 7 in use */
	set_st(context, 0, UINT64_C(0x8000000000000000), 0x3fff); /* 1.0: valid */
	set_st(context, 1, 0, 0);				  /* zero */
	set_st(context, 2, UINT64_C(0xc000000000000000), 0x7fff); /* NaN: special */
	set_st(context, 3, 1, 0);				  /* denormal: special */
	assert_int_equal(load_row("ftag", context), 2u << 0 | 3u << 2 | 3u << 4 |
							    3u << 6 | 3u << 8 | 0u << 10 |
							    1u << 12 | 2u << 14);
}

static void x87_tags_go_back_as_one_bit_each(void **state)
{
	(void)state;
	uint8_t context[KD_CONTEXT_AMD64] = { 0 };
	uint8_t in[4];
	store_le(in, 0xffff, 4);
	assert_true(arch_amd64.store(row("ftag"), context, in));
	assert_int_equal(context[0x104], 0);
	store_le(in, 0x4ffe, 4); /* 0: special, 6: empty, 7: zero, others empty */
	assert_true(arch_amd64.store(row("ftag"), context, in));
	assert_int_equal(context[0x104], 0xc1);
}

static void mxcsr_is_kept_in_both_places(void **state)
{
	(void)state;
	uint8_t context[KD_CONTEXT_AMD64] = { 0 };
	uint8_t in[4];
	store_le(in, 0x1fa0, 4);
	assert_true(arch_amd64.store(row("mxcsr"), context, in));
	assert_int_equal(load_le(context + 0x34, 4), 0x1fa0);
	assert_int_equal(load_le(context + 0x118, 4), 0x1fa0);
	assert_int_equal(load_row("mxcsr", context), 0x1fa0);
}

static void an_mxcsr_that_would_fault_is_refused(void **state)
{
	(void)state;
	uint8_t context[KD_CONTEXT_AMD64] = { 0 };
	uint8_t in[4];
	store_le(in, 0x10000, 4);
	assert_false(arch_amd64.store(row("mxcsr"), context, in));
	assert_int_equal(load_le(context + 0x34, 4), 0);
}

static void other_machines_have_no_map(void **state)
{
	(void)state;
	assert_ptr_equal(arch_of(KD_MACHINE_AMD64), &arch_amd64);
	assert_null(arch_of(KD_MACHINE_UNKNOWN));
	assert_null(arch_of((enum kd_machine)0x1234));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_ascend_without_gaps),
		cmocka_unit_test(names_are_there_once),
		cmocka_unit_test(every_row_lies_within_its_block),
		cmocka_unit_test(no_two_rows_share_bytes),
		cmocka_unit_test(the_general_read_ends_before_the_segment_bases),
		cmocka_unit_test(gdb_finds_its_own_numbers),
		cmocka_unit_test(x87_tags_are_made_from_what_the_registers_hold),
		cmocka_unit_test(x87_tags_go_back_as_one_bit_each),
		cmocka_unit_test(mxcsr_is_kept_in_both_places),
		cmocka_unit_test(an_mxcsr_that_would_fault_is_refused),
		cmocka_unit_test(other_machines_have_no_map),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
