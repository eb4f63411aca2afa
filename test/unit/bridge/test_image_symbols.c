/* The names of the guest's kernel, read back from the image that clients get. */
#include "bridge/image/image_symbols.h"

#include "bridge/image/exports.h"
#include "test/unit/bridge/pe_maker.h"

static struct served_image *build(struct module_memory *m, const char *name)
{
	struct image_memory *memory = module_source(m);
	struct image_request request = { .name = name,
					 .base = 0xfffff80700000000,
					 .client = IMAGE_FOR_GDB,
					 .code_max = SIZE_MAX };
	struct served_image *image;
	assert_int_equal(served_image_build(memory, &request, &image, NULL), IMAGE_OK);
	image_memory_free(memory);
	return image;
}

static void every_export_is_found_both_ways(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct served_image *image = build(&m, "ntoskrnl.exe");
	struct image_memory *memory = module_source(&m);
	struct exports exports;
	struct pe pe;
	assert_int_equal(pe_read(memory, &pe), PE_OK);
	assert_true(exports_read(memory, &pe, &exports));
	assert_true(exports.count > 5);
	for (size_t i = 0; i < exports.count; i++) {
		char full[IMAGE_SYMBOL_MAX], name[IMAGE_SYMBOL_MAX];
		uint32_t rva = 0, distance = 1;
		snprintf(full, sizeof(full), "nt!%s", exports.names[i].name);
		assert_true(image_symbol_find(image, full, &rva));
		assert_int_equal(rva, exports.names[i].rva);
		assert_true(image_symbol_find(image, exports.names[i].name, &rva));
		assert_int_equal(rva, exports.names[i].rva);
		assert_true(image_symbol_near(image, rva, name, &distance));
		assert_string_equal(name, full);
		assert_int_equal(distance, 0);
	}
	exports_wipe(&exports);
	image_memory_free(memory);
	served_image_free(image);
	free(m.bytes);
}

static void an_address_within_gets_the_name_before_it(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct served_image *image = build(&m, "ntoskrnl.exe");
	char name[IMAGE_SYMBOL_MAX];
	uint32_t rva, distance;
	assert_true(image_symbol_find(image, "nt!KeBugCheckEx", &rva));
	assert_true(image_symbol_near(image, rva + 5, name, &distance));
	assert_string_equal(name, "nt!KeBugCheckEx");
	assert_int_equal(distance, 5);
	served_image_free(image);
	free(m.bytes);
}

static void names_are_found_in_any_case_too(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct served_image *image = build(&m, "ntoskrnl.exe");
	uint32_t exact, other;
	assert_true(image_symbol_find(image, "DbgPrint", &exact));
	assert_true(image_symbol_find(image, "NT!dbgprint", &other));
	assert_int_equal(exact, other);
	assert_false(image_symbol_find(image, "DbgPrin", &other));
	assert_false(image_symbol_find(image, "", &other));
	served_image_free(image);
	free(m.bytes);
}

static void headers_and_gaps_have_no_name(void **state)
{
	(void)state;
	struct module_memory m = make_pe();
	made_function(&m, 0, MADE_CODE + 0x10, MADE_CODE + 0x20, MADE_DATA);
	m.bytes[MADE_DATA] = 1; /* unwind data, version 1 */
	struct served_image *image = build(&m, "x.sys");
	char name[IMAGE_SYMBOL_MAX];
	uint32_t distance;
	assert_true(image_symbol_near(image, MADE_CODE + 0x12, name, &distance));
	assert_string_equal(name, "x!fn_1010");
	assert_false(image_symbol_near(image, 0x10, name, &distance));
	assert_false(image_symbol_near(image, MADE_CODE, name, &distance));
	assert_false(image_symbol_near(image, MADE_DATA + 8, name, &distance));
	served_image_free(image);
	free(m.bytes);
}

static void the_empty_image_has_none(void **state)
{
	(void)state;
	struct served_image *image = served_image_empty(PE_MACHINE_AMD64);
	char name[IMAGE_SYMBOL_MAX];
	uint32_t rva;
	assert_false(image_symbol_near(image, 0x1000, name, &rva));
	assert_false(image_symbol_find(image, "DbgPrint", &rva));
	served_image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_export_is_found_both_ways),
		cmocka_unit_test(an_address_within_gets_the_name_before_it),
		cmocka_unit_test(names_are_found_in_any_case_too),
		cmocka_unit_test(headers_and_gaps_have_no_name),
		cmocka_unit_test(the_empty_image_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
