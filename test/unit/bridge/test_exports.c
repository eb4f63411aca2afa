/* Export directories: a linker's, and ones that lie. */
#include "test/unit/bridge/pe_maker.h"

#include "bridge/image/exports.h"

static struct exports read_exports(struct module_memory *m)
{
	struct exports exports;
	struct pe pe = headers_of(m);
	struct image_memory *memory = module_source(m);
	assert_true(exports_read(memory, &pe, &exports));
	image_memory_free(memory);
	return exports;
}

static uint32_t address_of(const struct exports *exports, const char *name)
{
	for (size_t i = 0; i < exports->count; i++)
		if (strcmp(exports->names[i].name, name) == 0)
			return exports->names[i].rva;
	return 0;
}

/* Three names: a function, one of data, and a forwarder. */
static struct module_memory with_exports(void)
{
	static const char strings[] = "Alpha\0Beta\0Gamma\0hal.Other";
	struct module_memory m = make_pe();
	uint8_t *d = m.bytes + MADE_EXPORT;
	const uint32_t text = MADE_EXPORT + 0x100;
	memcpy(m.bytes + text, strings, sizeof(strings));
	store_le(d + 20, 3, 4);
	store_le(d + 24, 3, 4);
	store_le(d + 28, MADE_EXPORT + 40, 4);
	store_le(d + 32, MADE_EXPORT + 60, 4);
	store_le(d + 36, MADE_EXPORT + 80, 4);
	store_le(d + 40, MADE_CODE + 0x10, 4);
	store_le(d + 44, MADE_DATA + 0x20, 4);
	store_le(d + 48, text + 17, 4); /* into the directory: a forwarder */
	for (unsigned i = 0; i < 3; i++) {
		store_le(d + 60 + 4 * i, text + (i == 0 ? 0 : i == 1 ? 6 : 11), 4);
		store_le(d + 80 + 2 * i, i, 2);
	}
	made_directory(&m, PE_DIRECTORY_EXPORT, MADE_EXPORT, 0x200);
	return m;
}

static void the_names_of_the_guests_kernel_are_there(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct exports exports = read_exports(&m);
	struct pe pe = headers_of(&m);
	assert_int_equal(exports.count, 20);
	uint32_t rva = address_of(&exports, "KeBugCheckEx");
	assert_true(pe_is_code(pe_section_of(&pe, rva)));
	exports_wipe(&exports);
	free(m.bytes);
}

static void forwarders_are_left_out(void **state)
{
	(void)state;
	struct module_memory m = with_exports();
	struct exports exports = read_exports(&m);
	assert_int_equal(exports.count, 2);
	assert_int_equal(address_of(&exports, "Alpha"), MADE_CODE + 0x10);
	assert_int_equal(address_of(&exports, "Beta"), MADE_DATA + 0x20);
	exports_wipe(&exports);
	free(m.bytes);
}

static void tables_elsewhere_in_the_image_are_found(void **state)
{
	(void)state;
	struct module_memory m = with_exports();
	memcpy(m.bytes + 0x7800, m.bytes + MADE_EXPORT + 40, 12);
	store_le(m.bytes + MADE_EXPORT + 28, 0x7800, 4);
	struct exports exports = read_exports(&m);
	assert_int_equal(exports.count, 2);
	exports_wipe(&exports);
	free(m.bytes);
}

static void every_damaged_field_costs_names_and_no_more(void **state)
{
	(void)state;
	static const uint32_t values[] = { 0, 1, 0x7fffffff, 0xffffffff, 0x8000, 0x7fff };
	for (size_t offset = 16; offset < 90; offset += 2) {
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			struct module_memory m = with_exports();
			store_le(m.bytes + MADE_EXPORT + offset, values[v], 4);
			struct exports exports = read_exports(&m);
			assert_true(exports.count <= 3);
			for (size_t i = 0; i < exports.count; i++)
				assert_true(exports.names[i].rva < MADE_SIZE);
			exports_wipe(&exports);
			free(m.bytes);
		}
	}
}

static void every_size_of_the_directory_is_survived(void **state)
{
	(void)state;
	for (uint32_t size = 0; size < 0x140; size++) {
		struct module_memory m = with_exports();
		made_directory(&m, PE_DIRECTORY_EXPORT, MADE_EXPORT, size);
		struct exports exports = read_exports(&m);
		assert_true(exports.count <= 3);
		exports_wipe(&exports);
		free(m.bytes);
	}
}

static void names_that_no_symbol_can_have_are_left_out(void **state)
{
	(void)state;
	static const char *const names[] = { "Al ha", "Al\nha", "Al\x80ha", "" };
	for (size_t i = 0; i < 4; i++) {
		struct module_memory m = with_exports();
		memcpy(m.bytes + MADE_EXPORT + 0x100, names[i], strlen(names[i]) + 1);
		struct exports exports = read_exports(&m);
		assert_int_equal(exports.count, 1);
		exports_wipe(&exports);
		free(m.bytes);
	}
}

static void a_name_without_an_end_is_left_out(void **state)
{
	(void)state;
	struct module_memory m = with_exports();
	memset(m.bytes + MADE_EXPORT + 0x100, 'A', 0x1f00);
	struct exports exports = read_exports(&m);
	assert_int_equal(exports.count, 0);
	exports_wipe(&exports);
	free(m.bytes);
}

static void a_directory_that_is_not_there_has_no_names(void **state)
{
	(void)state;
	struct module_memory m = with_exports();
	m.missing = MADE_EXPORT;
	m.missing_size = 0x1000;
	struct exports exports = read_exports(&m);
	assert_int_equal(exports.count, 0);
	exports_wipe(&exports);
	free(m.bytes);
}

static void an_interruption_is_told(void **state)
{
	(void)state;
	struct module_memory m = with_exports();
	struct pe pe = headers_of(&m);
	struct exports exports;
	struct image_memory *memory = module_source(&m);
	m.refuse_after = m.calls;
	assert_false(exports_read(memory, &pe, &exports));
	exports_wipe(&exports);
	image_memory_free(memory);
	free(m.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_names_of_the_guests_kernel_are_there),
		cmocka_unit_test(forwarders_are_left_out),
		cmocka_unit_test(tables_elsewhere_in_the_image_are_found),
		cmocka_unit_test(every_damaged_field_costs_names_and_no_more),
		cmocka_unit_test(every_size_of_the_directory_is_survived),
		cmocka_unit_test(names_that_no_symbol_can_have_are_left_out),
		cmocka_unit_test(a_name_without_an_end_is_left_out),
		cmocka_unit_test(a_directory_that_is_not_there_has_no_names),
		cmocka_unit_test(an_interruption_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
