/* The memory that remembers what came through it. */
#include "test/unit/bridge/image_fixture.h"

static struct module_memory counting(size_t size)
{
	struct module_memory m = { calloc(1, size), size, .calls = 0 };
	for (size_t i = 0; i < size; i++)
		m.bytes[i] = (uint8_t)(i / 7 + 1);
	return m;
}

static void nothing_is_asked_twice(void **state)
{
	(void)state;
	struct module_memory m = counting(1 << 20);
	struct image_memory *memory = module_source(&m);
	uint8_t out[5000];
	for (unsigned i = 0; i < 3; i++) {
		assert_true(image_memory_read(memory, 100, out, sizeof(out)));
		assert_memory_equal(out, m.bytes + 100, sizeof(out));
	}
	assert_int_equal(m.calls, 1);
	assert_int_equal(m.asked, 5 * IMAGE_PIECE);
	assert_int_equal(image_memory_bytes_read(memory), m.asked);
	assert_true(image_memory_has(memory, 100, 5000));
	assert_false(image_memory_has(memory, 5000, 1000));
	image_memory_free(memory);
	free(m.bytes);
}

static void only_what_is_missing_between_is_asked(void **state)
{
	(void)state;
	struct module_memory m = counting(1 << 20);
	struct image_memory *memory = module_source(&m);
	uint8_t out[8 * IMAGE_PIECE];
	assert_true(image_memory_read(memory, 3 * IMAGE_PIECE, out, 10));
	m.asked = m.calls = 0;
	assert_true(image_memory_read(memory, 0, out, sizeof(out)));
	assert_memory_equal(out, m.bytes, sizeof(out));
	assert_int_equal(m.calls, 2);
	assert_int_equal(m.asked, 7 * IMAGE_PIECE);
	image_memory_free(memory);
	free(m.bytes);
}

static void pages_that_are_not_there_are_zeros_between_others(void **state)
{
	(void)state;
	static const uint8_t zeros[4096];
	struct module_memory m = counting(1 << 16);
	m.missing = 0x3000;
	m.missing_size = 0x1000;
	struct image_memory *memory = module_source(&m);
	uint8_t *out = malloc(0x8000);
	assert_true(image_memory_read(memory, 0x1000, out, 0x8000));
	assert_memory_equal(out, m.bytes + 0x1000, 0x2000);
	assert_memory_equal(out + 0x2000, zeros, 0x1000);
	assert_memory_equal(out + 0x3000, m.bytes + 0x4000, 0x5000);
	free(out);
	image_memory_free(memory);
	free(m.bytes);
}

static void behind_the_module_are_zeros_and_behind_the_limit_nothing(void **state)
{
	(void)state;
	struct module_memory m = counting(3000);
	struct image_memory *memory = module_source(&m);
	uint8_t out[32];
	assert_true(image_memory_read(memory, 2990, out, sizeof(out)));
	assert_memory_equal(out, m.bytes + 2990, 10);
	assert_int_equal(out[10], 0);
	assert_false(image_memory_read(memory, IMAGE_SIZE_MAX - 16, out, 32));
	assert_false(image_memory_read(memory, UINT64_MAX - 8, out, 32));
	assert_false(image_memory_was_interrupted(memory));
	image_memory_free(memory);
	free(m.bytes);
}

static void no_more_is_held_than_the_limit(void **state)
{
	(void)state;
	struct module_memory m = counting(IMAGE_READ_MAX + (1 << 20));
	struct image_memory *memory = module_source(&m);
	uint8_t *out = malloc(1 << 20);
	uint64_t rva = 0;
	while (image_memory_read(memory, rva, out, 1 << 20))
		rva += 1 << 20;
	assert_int_equal(rva, IMAGE_READ_MAX);
	free(out);
	image_memory_free(memory);
	free(m.bytes);
}

static void an_interrupted_read_goes_on_where_it_was(void **state)
{
	(void)state;
	struct module_memory m = counting(1 << 20);
	struct image_memory *memory = module_source(&m);
	size_t length = 3 * IMAGE_RUN;
	uint8_t *out = malloc(length);
	m.refuse_after = 1;
	assert_false(image_memory_read(memory, 0, out, length));
	assert_true(image_memory_was_interrupted(memory));
	m.refuse_after = 0;
	assert_false(image_memory_read(memory, 0, out, length));
	image_memory_resume(memory);
	assert_true(image_memory_read(memory, 0, out, length));
	assert_int_equal(m.asked, length);
	assert_memory_equal(out, m.bytes, length);
	free(out);
	image_memory_free(memory);
	free(m.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_asked_twice),
		cmocka_unit_test(only_what_is_missing_between_is_asked),
		cmocka_unit_test(pages_that_are_not_there_are_zeros_between_others),
		cmocka_unit_test(
			behind_the_module_are_zeros_and_behind_the_limit_nothing),
		cmocka_unit_test(no_more_is_held_than_the_limit),
		cmocka_unit_test(an_interrupted_read_goes_on_where_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
