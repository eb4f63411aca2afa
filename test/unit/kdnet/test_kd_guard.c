#include "test/unit/kdnet/kd_vectors.h"

/* One request, and what a guard says to it. */
struct guard_case {
	const char *what;
	struct kd_request request;
	enum kd_refusal expected;
};

static const uint8_t zeros[KD_CONTEXT_MAX];

static const struct kd_guard amd64 = {
	.machine = KD_MACHINE_AMD64,
	.processors = 4,
	.contexts_fetched = 1 << 0 | 1 << 2,
};
static const struct kd_guard i386 = {
	.machine = KD_MACHINE_I386,
	.processors = 1,
	.contexts_fetched = 1,
};
static const struct kd_guard arm64 = {
	.machine = KD_MACHINE_ARM64,
	.processors = 100,
	.contexts_fetched = UINT64_MAX,
};

static enum kd_refusal refusal_of(const struct kd_request *request,
				  const struct kd_guard *guard)
{
	uint8_t out[KD_REQUEST_MAX];
	enum kd_refusal refusal = KD_REFUSALS;
	size_t length = kd_request_encode(out, request, guard, &refusal);
	assert_int_equal(length > 0, refusal == KD_ALLOWED);
	if (length > 0)
		assert_int_equal(length, KD_MANIPULATE_SIZE + request->length);
	return refusal;
}

static void check_cases(const struct guard_case *cases, size_t count,
			const struct kd_guard *guard)
{
	for (size_t i = 0; i < count; i++) {
		enum kd_refusal got = refusal_of(&cases[i].request, guard);
		if (got != cases[i].expected)
			fail_msg("%s: \"%s\", expected \"%s\"", cases[i].what,
				 kd_refusal_text(got),
				 kd_refusal_text(cases[i].expected));
	}
}

#define CHECK(cases, guard) check_cases(cases, sizeof(cases) / sizeof((cases)[0]), guard)
#define MEMORY(number, at, n)                                                            \
	{                                                                                \
		.api = (number), .u.memory = {.address = (at), .count = (n) }            \
	}
#define WRITE(number, at, n)                                                             \
	{                                                                                \
		.api = (number), .u.memory = { .address = (at), .count = (n) },          \
		.data = zeros, .length = (n)                                             \
	}
#define BREAKPOINT(at)                                                                   \
	{                                                                                \
		.api = KD_WRITE_BREAKPOINT, .u.breakpoint.address = (at)                 \
	}

static void addresses_must_be_canonical_and_must_not_wrap(void **state)
{
	(void)state;
	static const struct guard_case cases[] = {
		{ "kernel", MEMORY(KD_READ_VIRTUAL, 0xfffff80000000000, 128),
		  KD_ALLOWED },
		{ "user", MEMORY(KD_READ_VIRTUAL, 0x7ff600000000, 128), KD_ALLOWED },
		{ "null", MEMORY(KD_READ_VIRTUAL, 0, 1), KD_ALLOWED },
		{ "last user byte", MEMORY(KD_READ_VIRTUAL, 0x7fffffffffff, 1),
		  KD_ALLOWED },
		{ "over the end of user space",
		  MEMORY(KD_READ_VIRTUAL, 0x7fffffffffff, 2), KD_REFUSED_ADDRESS },
		{ "the first one in the hole", MEMORY(KD_READ_VIRTUAL, 0x800000000000, 1),
		  KD_REFUSED_ADDRESS },
		{ "the last one in the hole",
		  MEMORY(KD_READ_VIRTUAL, 0xffff7fffffffffff, 2), KD_REFUSED_ADDRESS },
		{ "first kernel byte", MEMORY(KD_READ_VIRTUAL, 0xffff800000000000, 1),
		  KD_ALLOWED },
		{ "last byte", MEMORY(KD_READ_VIRTUAL, UINT64_MAX, 1), KD_ALLOWED },
		{ "wraps", MEMORY(KD_READ_VIRTUAL, UINT64_MAX, 2), KD_REFUSED_ADDRESS },
		{ "wraps far", MEMORY(KD_READ_VIRTUAL, UINT64_MAX - 9, 1400),
		  KD_REFUSED_ADDRESS },
		{ "nothing", MEMORY(KD_READ_VIRTUAL, 0xfffff80000000000, 0), KD_ALLOWED },
		{ "write wraps", WRITE(KD_WRITE_VIRTUAL, UINT64_MAX, 2),
		  KD_REFUSED_ADDRESS },
		{ "write", WRITE(KD_WRITE_VIRTUAL, 0xfffff80000000000, 16), KD_ALLOWED },
		{ "write into the hole", WRITE(KD_WRITE_VIRTUAL, 0x1234567890abcdef, 1),
		  KD_REFUSED_ADDRESS },
		{ "breakpoint", BREAKPOINT(0xfffff80000497568), KD_ALLOWED },
		{ "breakpoint in the hole", BREAKPOINT(0x1000000000000000),
		  KD_REFUSED_ADDRESS },
		{ "query",
		  { .api = KD_QUERY_MEMORY, .u.query.address = 0x900000000000 },
		  KD_REFUSED_ADDRESS },
		{ "search over the end",
		  { .api = KD_SEARCH_MEMORY,
		    .u.search = { 0xfffff80000000000, UINT64_MAX, 1 },
		    .data = zeros,
		    .length = 1 },
		  KD_REFUSED_ADDRESS },
		{ "search from user space into the kernel",
		  { .api = KD_SEARCH_MEMORY,
		    .u.search = { 0x1000, 0xfffff80000000000, 1 },
		    .data = zeros,
		    .length = 1 },
		  KD_REFUSED_ADDRESS },
		{ "fill",
		  { .api = KD_FILL_MEMORY,
		    .u.fill = { 0x800000000000, 16, 1, 1 },
		    .data = zeros,
		    .length = 1 },
		  KD_REFUSED_ADDRESS },
		{ "fill of physical memory", /* flag 2: what is no virtual address is one */
		  { .api = KD_FILL_MEMORY,
		    .u.fill = { 0x800000000000, 16, 2, 1 },
		    .data = zeros,
		    .length = 1 },
		  KD_ALLOWED },
		{ "fill of physical memory that no processor has",
		  { .api = KD_FILL_MEMORY,
		    .u.fill = { 0xfffff80000000000, 16, 2, 1 },
		    .data = zeros,
		    .length = 1 },
		  KD_REFUSED_ADDRESS },
		{ "custom breakpoint",
		  { .api = KD_WRITE_CUSTOM_BREAKPOINT,
		    .u.custom_breakpoint = { .address = 0x800000000000, .size = 1 } },
		  KD_REFUSED_ADDRESS },
	};
	CHECK(cases, &amd64);
}

static void five_level_paging_widens_the_canonical_range(void **state)
{
	(void)state;
	struct kd_guard wide = amd64;
	wide.wide_addresses = true;
	static const struct guard_case cases[] = {
		{ "kernel", MEMORY(KD_READ_VIRTUAL, 0xff11000000000000, 8), KD_ALLOWED },
		{ "user", MEMORY(KD_READ_VIRTUAL, 0x00ffffffffffffff, 1), KD_ALLOWED },
		{ "hole", MEMORY(KD_READ_VIRTUAL, 0x0100000000000000, 1),
		  KD_REFUSED_ADDRESS },
	};
	CHECK(cases, &wide);
}

static void i386_addresses_may_be_sign_or_zero_extended(void **state)
{
	(void)state;
	static const struct guard_case cases[] = {
		{ "sign", MEMORY(KD_READ_VIRTUAL, 0xffffffff80400000, 16), KD_ALLOWED },
		{ "zero", MEMORY(KD_READ_VIRTUAL, 0x80400000, 16), KD_ALLOWED },
		{ "user", MEMORY(KD_READ_VIRTUAL, 0x400000, 16), KD_ALLOWED },
		{ "not sign-extended user",
		  MEMORY(KD_READ_VIRTUAL, 0xffffffff00400000, 4), KD_REFUSED_ADDRESS },
		{ "beyond 4 GiB", MEMORY(KD_READ_VIRTUAL, 0x100000000, 4),
		  KD_REFUSED_ADDRESS },
		{ "over 4 GiB", MEMORY(KD_READ_VIRTUAL, 0xffffffff, 2),
		  KD_REFUSED_ADDRESS },
	};
	CHECK(cases, &i386);
}

static void arm64_has_two_whole_halves(void **state)
{
	(void)state;
	static const struct guard_case cases[] = {
		{ "user", MEMORY(KD_READ_VIRTUAL, 0x0000ffffffffffff, 1), KD_ALLOWED },
		{ "kernel", MEMORY(KD_READ_VIRTUAL, 0xffff000000000000, 1), KD_ALLOWED },
		{ "hole", MEMORY(KD_READ_VIRTUAL, 0x0001000000000000, 1),
		  KD_REFUSED_ADDRESS },
		{ "no ports",
		  { .api = KD_READ_IO, .u.io = { .port = 0x60, .size = 1 } },
		  KD_REFUSED_MACHINE },
	};
	CHECK(cases, &arm64);
}

static void physical_addresses_end_at_52_bits(void **state)
{
	(void)state;
	static const struct guard_case cases[] = {
		{ "zero", MEMORY(KD_READ_PHYSICAL, 0, 16), KD_ALLOWED },
		{ "last", MEMORY(KD_READ_PHYSICAL, 0xfffffffffffff, 1), KD_ALLOWED },
		{ "over", MEMORY(KD_READ_PHYSICAL, 0xfffffffffffff, 2),
		  KD_REFUSED_ADDRESS },
		{ "write far over", WRITE(KD_WRITE_PHYSICAL, UINT64_MAX, 1),
		  KD_REFUSED_ADDRESS },
		{ "write", WRITE(KD_WRITE_PHYSICAL, 0x1000, 8), KD_ALLOWED },
		{ "caching",
		  { .api = KD_READ_PHYSICAL,
		    .u.memory = { .count = 1, .caching = (enum kd_caching)4 } },
		  KD_REFUSED_SIZE },
	};
	CHECK(cases, &amd64);
}

static void processors_must_exist(void **state)
{
	(void)state;
	static const struct guard_case cases[] = {
		{ "last", { .api = KD_GET_CONTEXT, .processor = 3 }, KD_ALLOWED },
		{ "count",
		  { .api = KD_GET_CONTEXT, .processor = 4 },
		  KD_REFUSED_PROCESSOR },
		{ "all ones",
		  { .api = KD_GET_VERSION, .processor = 0xffff },
		  KD_REFUSED_PROCESSOR },
		{ "switch", { .api = KD_SWITCH_PROCESSOR, .processor = 3 }, KD_ALLOWED },
		{ "switch to none",
		  { .api = KD_SWITCH_PROCESSOR, .processor = 4 },
		  KD_REFUSED_PROCESSOR },
	};
	CHECK(cases, &amd64);
	struct kd_guard unknown = amd64;
	unknown.processors = 0;
	struct kd_request request = { .api = KD_GET_CONTEXT };
	assert_int_equal(refusal_of(&request, &unknown), KD_ALLOWED);
	request.processor = 1;
	assert_int_equal(refusal_of(&request, &unknown), KD_REFUSED_PROCESSOR);
}

static void control_space_ends_at_3_and_only_special_registers_are_written(void **state)
{
	(void)state;
	static const struct guard_case cases[] = {
		{ "pcr", MEMORY(KD_READ_CONTROL_SPACE, 0, 8), KD_ALLOWED },
		{ "special", MEMORY(KD_READ_CONTROL_SPACE, 2, 0xe0), KD_ALLOWED },
		{ "thread", MEMORY(KD_READ_CONTROL_SPACE, 3, 8), KD_ALLOWED },
		{ "four", MEMORY(KD_READ_CONTROL_SPACE, 4, 8), KD_REFUSED_CONTROL },
		{ "far", MEMORY(KD_READ_CONTROL_SPACE, UINT64_MAX, 8),
		  KD_REFUSED_CONTROL },
		{ "write", WRITE(KD_WRITE_CONTROL_SPACE, 2, 0xe0), KD_ALLOWED },
		{ "write of an older kernel", WRITE(KD_WRITE_CONTROL_SPACE, 2, 0xd8),
		  KD_ALLOWED },
		{ "write in part", WRITE(KD_WRITE_CONTROL_SPACE, 2, 8), KD_REFUSED_SIZE },
		{ "write pcr", WRITE(KD_WRITE_CONTROL_SPACE, 0, 8), KD_REFUSED_CONTROL },
		{ "write thread", WRITE(KD_WRITE_CONTROL_SPACE, 3, 0xe0),
		  KD_REFUSED_CONTROL },
	};
	CHECK(cases, &amd64);
}

static void i386_control_space_is_the_processor_state(void **state)
{
	(void)state;
	static const struct guard_case cases[] = {
		{ "context", MEMORY(KD_READ_CONTROL_SPACE, 0, 716), KD_ALLOWED },
		{ "special", MEMORY(KD_READ_CONTROL_SPACE, 716, 84), KD_ALLOWED },
		{ "behind", MEMORY(KD_READ_CONTROL_SPACE, 800, 8), KD_REFUSED_CONTROL },
		{ "write special", WRITE(KD_WRITE_CONTROL_SPACE, 716, 84), KD_ALLOWED },
		{ "write in part", WRITE(KD_WRITE_CONTROL_SPACE, 732, 4), KD_ALLOWED },
		{ "write over the end", WRITE(KD_WRITE_CONTROL_SPACE, 796, 8),
		  KD_REFUSED_SIZE },
		{ "write context", WRITE(KD_WRITE_CONTROL_SPACE, 715, 4),
		  KD_REFUSED_CONTROL },
		{ "write behind", WRITE(KD_WRITE_CONTROL_SPACE, 800, 4),
		  KD_REFUSED_CONTROL },
	};
	CHECK(cases, &i386);
}

static enum kd_refusal set_context(uint16_t processor, size_t size,
				   const struct kd_guard *guard)
{
	struct kd_request request = { .api = KD_SET_CONTEXT,
				      .processor = processor,
				      .data = zeros,
				      .length = size };
	return refusal_of(&request, guard);
}

static void a_context_is_set_only_after_it_was_fetched(void **state)
{
	(void)state;
	assert_int_equal(set_context(0, KD_CONTEXT_AMD64, &amd64), KD_ALLOWED);
	assert_int_equal(set_context(2, KD_CONTEXT_AMD64, &amd64), KD_ALLOWED);
	assert_int_equal(set_context(1, KD_CONTEXT_AMD64, &amd64), KD_REFUSED_CONTEXT);
	assert_int_equal(set_context(63, KD_CONTEXT_ARM64, &arm64), KD_ALLOWED);
	assert_int_equal(set_context(64, KD_CONTEXT_ARM64, &arm64), KD_REFUSED_CONTEXT);
	struct kd_guard all = arm64;
	all.all_contexts_fetched = true;
	assert_int_equal(set_context(99, KD_CONTEXT_ARM64, &all), KD_ALLOWED);
}

static void a_context_has_the_size_of_its_machine(void **state)
{
	(void)state;
	assert_int_equal(set_context(0, KD_CONTEXT_AMD64 - 1, &amd64),
			 KD_REFUSED_CONTEXT);
	assert_int_equal(set_context(0, KD_CONTEXT_AMD64 + 1, &amd64),
			 KD_REFUSED_CONTEXT);
	assert_int_equal(set_context(0, 0, &amd64), KD_REFUSED_CONTEXT);
	assert_int_equal(set_context(0, KD_CONTEXT_I386, &i386), KD_ALLOWED);
	assert_int_equal(set_context(0, KD_CONTEXT_AMD64, &i386), KD_REFUSED_CONTEXT);
}

static void a_context_part_stays_inside_its_total(void **state)
{
	(void)state;
#define PART(what, number, at, n, all, expected)                                         \
	{                                                                                \
		what,                                                                    \
			{ .api = (number),                                               \
			  .u.context_part = { (at), (n), 0, (all) },                     \
			  .data = zeros,                                                 \
			  .length = (number) == KD_SET_CONTEXT_PART ? (n) : 0 },         \
			expected                                                         \
	}
	static const struct guard_case cases[] = {
		PART("get", KD_GET_CONTEXT_PART, 0, 0x4d0, 0, KD_ALLOWED),
		PART("get the end", KD_GET_CONTEXT_PART, 2999, 1, 0, KD_ALLOWED),
		PART("get over", KD_GET_CONTEXT_PART, 2999, 2, 0, KD_REFUSED_SIZE),
		PART("get wraps", KD_GET_CONTEXT_PART, UINT32_MAX, 1, 0, KD_REFUSED_SIZE),
		PART("set", KD_SET_CONTEXT_PART, 0, 0x4d0, 0x4d0, KD_ALLOWED),
		PART("set the rest", KD_SET_CONTEXT_PART, 0x400, 0xd0, 0x4d0, KD_ALLOWED),
		PART("set over", KD_SET_CONTEXT_PART, 0x400, 0xd1, 0x4d0,
		     KD_REFUSED_SIZE),
		PART("set too much", KD_SET_CONTEXT_PART, 0, 16, 3001, KD_REFUSED_SIZE),
	};
	CHECK(cases, &amd64);
	struct kd_guard none = amd64;
	none.contexts_fetched = 0;
	assert_int_equal(refusal_of(&cases[4].request, &none), KD_REFUSED_CONTEXT);
}

static void handles_are_1_to_32(void **state)
{
	(void)state;
	static const uint8_t good[] = { 1, 0, 0, 0, 32, 0, 0, 0 };
	static const uint8_t bad[] = { 1, 0, 0, 0, 33, 0, 0, 0 };
	for (uint32_t handle = 0; handle <= 40; handle++) {
		struct kd_request request = { .api = KD_RESTORE_BREAKPOINT,
					      .u.breakpoint.handle = handle };
		assert_int_equal(refusal_of(&request, &amd64),
				 handle >= 1 && handle <= 32 ? KD_ALLOWED
							     : KD_REFUSED_HANDLE);
	}
	struct kd_request many = { .api = KD_RESTORE_BREAKPOINTS,
				   .u.breakpoints.count = 2,
				   .data = good,
				   .length = sizeof(good) };
	assert_int_equal(refusal_of(&many, &amd64), KD_ALLOWED);
	many.data = bad;
	assert_int_equal(refusal_of(&many, &amd64), KD_REFUSED_HANDLE);
	many.u.breakpoints.count = 1;
	assert_int_equal(refusal_of(&many, &amd64), KD_REFUSED_SIZE);
	many.u.breakpoints.count = KD_BREAKPOINTS + 1;
	assert_int_equal(refusal_of(&many, &amd64), KD_REFUSED_SIZE);
}

static void sizes_must_fit_and_agree(void **state)
{
	(void)state;
	enum { ROOM = KD_REQUEST_MAX - KD_MANIPULATE_SIZE };
	static const struct guard_case cases[] = {
		{ "read", MEMORY(KD_READ_VIRTUAL, 0x1000, KD_TRANSFER_FIRST),
		  KD_ALLOWED },
		{ "read too much", MEMORY(KD_READ_VIRTUAL, 0x1000, KD_TRANSFER_FIRST + 1),
		  KD_REFUSED_SIZE },
		{ "write", WRITE(KD_WRITE_VIRTUAL, 0x1000, ROOM), KD_ALLOWED },
		{ "write too much", WRITE(KD_WRITE_VIRTUAL, 0x1000, ROOM + 1),
		  KD_REFUSED_SIZE },
		{ "count without data", MEMORY(KD_WRITE_VIRTUAL, 0x1000, 1),
		  KD_REFUSED_SIZE },
		{ "data in a read", WRITE(KD_READ_VIRTUAL, 0x1000, 1), KD_REFUSED_SIZE },
		{ "pattern",
		  { .api = KD_SEARCH_MEMORY, .u.search = { 0x1000, 16, 0 } },
		  KD_REFUSED_SIZE },
		{ "port of 3 bytes",
		  { .api = KD_READ_IO, .u.io = { .port = 0x60, .size = 3 } },
		  KD_REFUSED_SIZE },
		{ "port",
		  { .api = KD_WRITE_IO, .u.io = { .port = 0xffff, .size = 1 } },
		  KD_ALLOWED },
		{ "port too high",
		  { .api = KD_WRITE_IO, .u.io = { .port = 0x10000, .size = 1 } },
		  KD_REFUSED_ADDRESS },
		{ "bus memory",
		  { .api = KD_READ_IO_EXTENDED,
		    .u.io = { .port = 0xfee00000, .size = 4 } },
		  KD_ALLOWED },
		{ "bus port",
		  { .api = KD_READ_IO_EXTENDED,
		    .u.io = { .port = 0xfee00000, .size = 4, .space = 1 } },
		  KD_REFUSED_ADDRESS },
		{ "bus data",
		  { .api = KD_GET_BUS_DATA, .u.bus_data = { .type = 4, .length = 64 } },
		  KD_ALLOWED },
		{ "too much bus data",
		  { .api = KD_GET_BUS_DATA,
		    .u.bus_data = { .type = 4, .length = UINT32_MAX } },
		  KD_REFUSED_SIZE },
	};
	CHECK(cases, &amd64);
}

static void what_killed_kernels_is_no_request(void **state)
{
	(void)state;
	struct kd_request request = { .api = (enum kd_api)0x3147 };
	assert_int_equal(refusal_of(&request, &amd64), KD_REFUSED_API);
	request.api = (enum kd_api)0;
	assert_int_equal(refusal_of(&request, &amd64), KD_REFUSED_API);
}

static void before_the_machine_is_known_few_requests_pass(void **state)
{
	(void)state;
	const struct kd_guard unknown = { .machine = KD_MACHINE_UNKNOWN };
	static const enum kd_api passing[] = { KD_READ_VIRTUAL,	 KD_WRITE_VIRTUAL,
					       KD_READ_PHYSICAL, KD_WRITE_PHYSICAL,
					       KD_GET_VERSION,	 KD_CONTINUE };
	for (unsigned api = 0x3130; api <= 0x3160; api++) {
		if (!kd_api_name(api))
			continue;
		struct kd_request request = { .api = (enum kd_api)api };
		enum kd_refusal expected = KD_REFUSED_MACHINE;
		for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
			if (passing[i] == request.api)
				expected = KD_ALLOWED;
		}
		assert_int_equal(refusal_of(&request, &unknown), expected);
	}
}

static void every_refusal_has_a_text(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KD_REFUSALS; i++)
		assert_non_null(kd_refusal_text((enum kd_refusal)i));
	assert_non_null(kd_refusal_text((enum kd_refusal)999));
}

/* Whatever is asked: what passes keeps every rule, written down anew here. */
static void random_requests_that_pass_are_harmless(void **state)
{
	(void)state;
	uint64_t seed = 0x67756172;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 50000; round++) {
		uint64_t dice = test_random(&seed);
		struct kd_request request = {
			.api = (enum kd_api)(0x3130 + dice % 0x31),
			.processor = (uint16_t)(dice >> 8 & 7),
			.data = zeros,
			.length = dice >> 16 & 1 ? dice >> 17 & 0x7ff : 0,
		};
		request.u.memory.address = test_random(&seed) >> (dice >> 32 & 63);
		if (dice >> 40 & 1)
			request.u.memory.address = ~request.u.memory.address;
		request.u.memory.count = dice >> 41 & 1 ? (uint32_t)request.length
							: (uint32_t)(dice >> 42);
		if (refusal_of(&request, &amd64) != KD_ALLOWED)
			continue;
		assert_true(request.processor < 4);
		assert_true(request.api != (enum kd_api)0x3147);
		if (request.api == KD_READ_VIRTUAL || request.api == KD_WRITE_VIRTUAL) {
			int64_t first = (int64_t)request.u.memory.address;
			int64_t last = first + (int64_t)request.u.memory.count;
			assert_true(first >= -(INT64_C(1) << 47) &&
				    last <= INT64_C(1) << 47);
			assert_true((first < 0) == (last <= 0) || first == 0);
		}
		if (request.api == KD_READ_CONTROL_SPACE)
			assert_true(request.u.memory.address <= 3);
		if (request.api == KD_SET_CONTEXT)
			assert_true(request.processor == 0 || request.processor == 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_must_be_canonical_and_must_not_wrap),
		cmocka_unit_test(five_level_paging_widens_the_canonical_range),
		cmocka_unit_test(i386_addresses_may_be_sign_or_zero_extended),
		cmocka_unit_test(arm64_has_two_whole_halves),
		cmocka_unit_test(physical_addresses_end_at_52_bits),
		cmocka_unit_test(processors_must_exist),
		cmocka_unit_test(
			control_space_ends_at_3_and_only_special_registers_are_written),
		cmocka_unit_test(i386_control_space_is_the_processor_state),
		cmocka_unit_test(a_context_is_set_only_after_it_was_fetched),
		cmocka_unit_test(a_context_has_the_size_of_its_machine),
		cmocka_unit_test(a_context_part_stays_inside_its_total),
		cmocka_unit_test(handles_are_1_to_32),
		cmocka_unit_test(sizes_must_fit_and_agree),
		cmocka_unit_test(what_killed_kernels_is_no_request),
		cmocka_unit_test(before_the_machine_is_known_few_requests_pass),
		cmocka_unit_test(every_refusal_has_a_text),
		cmocka_unit_test(random_requests_that_pass_are_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
