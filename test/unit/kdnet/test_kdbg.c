#include "test/unit/kdnet/kd_vectors.h"

enum { WIN81_SIZE = 0x360 };

/* A whole block: the vector has it without its header, which is made up here. */
static uint8_t *win81_block(void)
{
	char *text = test_vector_file("win81-kdbg.txt", NULL);
	uint8_t *block = calloc(1, WIN81_SIZE);
	assert_non_null(block);
	store_le(block, 0xfffff8026beafa20, 8);
	memcpy(block + 16, "KDBG", 4);
	store_le(block + 20, WIN81_SIZE, 4);
	size_t used = KDBG_HEADER_SIZE;
	for (const char *line = strstr(text, "address "); line;
	     line = strchr(line, '\n')) {
		size_t length;
		if (line[0] != '\n') /* the address itself: hex begins in the next line */
			continue;
		uint8_t *bytes = test_hex(++line, &length);
		assert_true(length <= WIN81_SIZE - used);
		memcpy(block + used, bytes, length);
		used += length;
		free(bytes);
	}
	assert_int_equal(used, WIN81_SIZE);
	free(text);
	return block;
}

static void every_address_of_a_real_block_is_right(void **state)
{
	(void)state;
	static const struct {
		enum kdbg_field field;
		uint64_t value;
	} fields[] = {
		/* as the version reply and the stop of win81-v2.txt have them */
		{ KDBG_KERNEL_BASE, 0xfffff8026bc18000 },
		{ KDBG_BREAKPOINT_WITH_STATUS, 0xfffff8026bd72b90 },
		{ KDBG_LOADED_MODULE_LIST, 0xfffff8026bee22d0 },
		{ KDBG_BUILD_LAB, 0xfffff8026bc19c10 },
		/* variables in the kernel's image */
		{ KDBG_ACTIVE_PROCESS_HEAD, 0xfffff8026bec80a0 },
		{ KDBG_CID_TABLE, 0xfffff8026bf6c1e8 },
		{ KDBG_BUGCHECK_DATA, 0xfffff8026bee9640 },
		{ KDBG_PFN_DATABASE, 0xfffff8026bf6c0e8 },
		{ KDBG_HIGHEST_PHYSICAL_PAGE, 0xfffff8026bf6c0e0 },
		{ KDBG_PHYSICAL_PAGES, 0xfffff8026bf6c068 },
		{ KDBG_PAGE_SIZE, 4096 },
		{ KDBG_HIGHEST_USER_ADDRESS, 0xfffff8026bf6c010 },
		{ KDBG_SYSTEM_RANGE_START, 0xfffff8026bf6c138 },
		{ KDBG_PRINT_BUFFER, 0xfffff8026befa230 },
		{ KDBG_PRINT_BUFFER_END, 0xfffff8026befa230 + 4096 },
		{ KDBG_PRINT_WRITE_POINTER, 0xfffff8026beb98b8 },
		{ KDBG_PRINT_ROLLOVER_COUNT, 0xfffff8026befa220 },
		{ KDBG_PROCESSOR_BLOCK, 0xfffff8026bf6cd40 },
		{ KDBG_UNLOADED_DRIVERS, 0xfffff8026bf6c238 },
		{ KDBG_LAST_UNLOADED_DRIVER, 0xfffff8026bee22cc },
		{ KDBG_CSD_VERSION, 0xfffff8026bef1a08 },
		{ KDBG_PHYSICAL_MEMORY_BLOCK, 0xfffff8026bf6c0f0 },
	};
	uint8_t *block = win81_block();
	struct kdbg kdbg;
	assert_true(kdbg_decode(&kdbg, block, WIN81_SIZE));
	assert_true(kdbg.tagged);
	assert_int_equal(kdbg.next, 0xfffff8026beafa20);
	assert_int_equal(kdbg.size, WIN81_SIZE);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		assert_int_equal(kdbg_address(&kdbg, fields[i].field), fields[i].value);
	free(block);
}

static void every_offset_of_a_real_block_is_that_of_windows_8_1(void **state)
{
	(void)state;
	static const struct {
		enum kdbg_offset field;
		uint16_t value;
	} offsets[] = {
		{ KDBG_THREAD_NEXT_PROCESSOR, 0x218 },
		{ KDBG_THREAD_TEB, 0xf0 },
		{ KDBG_THREAD_KERNEL_STACK, 0x58 },
		{ KDBG_THREAD_INITIAL_STACK, 0x28 },
		{ KDBG_THREAD_PROCESS, 0xb8 },
		{ KDBG_THREAD_STATE, 0x184 },
		{ KDBG_PROCESS_SIZE, 0x6d8 },
		{ KDBG_PROCESS_PEB, 0x3e8 },
		{ KDBG_PROCESS_PARENT, 0x3d0 },
		{ KDBG_PROCESS_DIRECTORY_TABLE, 0x28 },
		{ KDBG_PRCB_SIZE, 0x5d80 },
		{ KDBG_PRCB_DPC_ACTIVE, 0x2dea },
		{ KDBG_PRCB_CURRENT_THREAD, 8 },
		{ KDBG_PRCB_MHZ, 0x5f4 },
		{ KDBG_PRCB_CPU_TYPE, 0x5f0 },
		{ KDBG_PRCB_VENDOR, 0x5958 },
		{ KDBG_PRCB_CONTEXT, 0x120 },
		{ KDBG_PRCB_NUMBER, 0x24 },
		{ KDBG_ETHREAD_SIZE, 0x778 },
		{ KDBG_PCR_SIZE, 0x5f00 },
		{ KDBG_PCR_SELF, 0x18 },
		{ KDBG_PCR_CURRENT_PRCB, 0x20 },
		{ KDBG_PCR_PRCB, 0x180 },
	};
	uint8_t *block = win81_block();
	struct kdbg kdbg;
	assert_true(kdbg_decode(&kdbg, block, WIN81_SIZE));
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		assert_int_equal(kdbg_offset(&kdbg, offsets[i].field), offsets[i].value);
	/* the processor control region holds its processor block at its very end */
	assert_int_equal(kdbg_offset(&kdbg, KDBG_PCR_PRCB) +
				 kdbg_offset(&kdbg, KDBG_PRCB_SIZE),
			 kdbg_offset(&kdbg, KDBG_PCR_SIZE));
	free(block);
}

static void on_i386_block(const struct kd_vector *v, void *context)
{
	bool *seen = context;
	const char *at = v->note ? strstr(v->line, " kdbg c41e") : NULL;
	if (!at)
		return;
	struct kdbg kdbg;
	size_t length;
	uint8_t *block = test_hex(at + strlen(" kdbg "), &length);
	assert_true(kdbg_decode(&kdbg, block, length));
	assert_int_equal((uint32_t)kdbg.next, 0x80631ec4);
	assert_int_equal(kdbg.size, 0x318);
	assert_true(kdbg.length < kdbg.size); /* the note shows the beginning alone */
	assert_int_equal(kdbg_address(&kdbg, KDBG_KERNEL_BASE), 0x80400000);
	assert_int_equal(kdbg_address(&kdbg, KDBG_BREAKPOINT_WITH_STATUS), 0x8059cece);
	assert_int_equal(kdbg_address(&kdbg, KDBG_PRINT_BUFFER), 0);
	free(block);
	*seen = true;
}

static void the_block_of_an_i386_kernel_decodes(void **state)
{
	(void)state;
	bool seen = false;
	nt_clone_each(on_i386_block, &seen);
	assert_true(seen);
}

static void an_encoded_block_has_no_fields(void **state)
{
	(void)state;
	struct kdbg kdbg;
	uint8_t *block = win81_block();
	block[16] ^= 0x80;
	assert_true(kdbg_decode(&kdbg, block, WIN81_SIZE));
	assert_false(kdbg.tagged);
	assert_int_equal(kdbg.size, 0);
	assert_int_equal(kdbg_address(&kdbg, KDBG_KERNEL_BASE), 0);
	assert_int_equal(kdbg_offset(&kdbg, KDBG_PCR_PRCB), 0);
	free(block);
}

static void sizes_that_cannot_be_are_refused_or_cut(void **state)
{
	(void)state;
	struct kdbg kdbg;
	uint8_t *block = win81_block();
	store_le(block + 20, KDBG_HEADER_SIZE - 1, 4);
	assert_false(kdbg_decode(&kdbg, block, WIN81_SIZE));
	store_le(block + 20, UINT32_MAX, 4);
	assert_true(kdbg_decode(&kdbg, block, WIN81_SIZE));
	assert_int_equal(kdbg.size, KDBG_SIZE_MAX);
	assert_int_equal(kdbg.length, WIN81_SIZE);
	/* a small block in a larger read: what lies behind is not its */
	store_le(block + 20, 0x2e0, 4);
	assert_true(kdbg_decode(&kdbg, block, WIN81_SIZE));
	assert_int_equal(kdbg.length, 0x2e0);
	assert_int_equal(kdbg_offset(&kdbg, KDBG_PCR_SIZE), 0);
	free(block);
}

static void every_truncation_gives_whole_fields_or_none(void **state)
{
	(void)state;
	uint8_t *block = win81_block();
	for (size_t len = 0; len <= WIN81_SIZE; len++) {
		struct kdbg kdbg;
		uint8_t *exact = test_exact_copy(block, len);
		assert_int_equal(kdbg_decode(&kdbg, exact, len), len >= KDBG_HEADER_SIZE);
		if (len >= KDBG_HEADER_SIZE) {
			assert_int_equal(kdbg_address(&kdbg, KDBG_PAGE_SIZE),
					 len >= 0x140 ? 4096 : 0);
			assert_int_equal(kdbg_offset(&kdbg, KDBG_PCR_SELF),
					 len >= 0x2e4 ? 0x18 : 0);
		}
		free(exact);
	}
	free(block);
}

static void garbage_is_survived(void **state)
{
	(void)state;
	uint64_t seed = 0x6b646267;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 2000; round++) {
		uint8_t data[600];
		size_t length = test_random(&seed) % sizeof(data);
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)test_random(&seed);
		if (round % 2)
			memcpy(data + 16, "KDBG", 4);
		uint8_t *exact = test_exact_copy(data, length);
		struct kdbg kdbg;
		if (kdbg_decode(&kdbg, exact, length)) {
			assert_true(kdbg.length <= length);
			for (unsigned field = 0; field < 0x1100; field++)
				(void)kdbg_address(&kdbg, (enum kdbg_field)field);
		}
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_of_a_real_block_is_right),
		cmocka_unit_test(every_offset_of_a_real_block_is_that_of_windows_8_1),
		cmocka_unit_test(the_block_of_an_i386_kernel_decodes),
		cmocka_unit_test(an_encoded_block_has_no_fields),
		cmocka_unit_test(sizes_that_cannot_be_are_refused_or_cut),
		cmocka_unit_test(every_truncation_gives_whole_fields_or_none),
		cmocka_unit_test(garbage_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
