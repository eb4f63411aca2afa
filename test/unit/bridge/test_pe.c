/* Headers: of real images, and of every kind that lies. */
#include "test/unit/bridge/image_fixture.h"

static enum pe_result read_headers(struct module_memory *m, struct pe *pe)
{
	struct image_memory *memory = module_source(m);
	enum pe_result result = pe_read(memory, pe);
	image_memory_free(memory);
	return result;
}

static void the_kernel_of_the_guest_is_read_as_its_linker_wrote_it(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct pe pe = headers_of(&m);
	assert_int_equal(pe.machine, PE_MACHINE_AMD64);
	assert_true(pe.plus);
	assert_int_equal(pe.image_base, 0x140000000);
	assert_int_equal(pe.image_size, m.size);
	assert_int_equal(pe.entry, load_le(optional_header(&m) + 16, 4));
	assert_string_equal(pe.sections[0].name, ".text");
	assert_true(pe_is_code(&pe.sections[0]));
	assert_string_equal(pe_section_of(&pe, pe.entry)->name, "INIT");
	assert_null(pe_section_of(&pe, 0x10));
	assert_int_not_equal(pe.directories[PE_DIRECTORY_EXPORT].size, 0);
	assert_int_not_equal(pe.directories[PE_DIRECTORY_EXCEPTION].size, 0);
	assert_int_not_equal(pe.directories[PE_DIRECTORY_DEBUG].size, 0);
	free(m.bytes);
}

static void one_piece_of_memory_is_enough_for_the_headers(void **state)
{
	(void)state;
	struct module_memory m = map_guest("probe.sys");
	headers_of(&m);
	assert_int_equal(m.asked, IMAGE_PIECE);
	assert_int_equal(m.calls, 1);
	free(m.bytes);
}

static void what_is_no_pe_is_refused(void **state)
{
	(void)state;
	static const struct {
		size_t offset, size;
		uint64_t value;
	} damages[] = {
		{ 0, 2, 0x4d5a },		   /* ZM */
		{ 0x3c, 4, 0xffffffff },	   /* the PE header is nowhere */
		{ 0x3c, 4, 0x8000 },		   /* or where zeros are */
		{ 0x78, 4, 0 },			   /* no PE\0\0 (lld puts it there) */
		{ 0x78 + 20, 2, 8 },		   /* an optional header of eight bytes */
		{ 0x78 + 24, 2, 0x107 },	   /* a ROM image */
		{ 0x78 + 24 + 56, 4, 0 },	   /* an image of no size */
		{ 0x78 + 24 + 56, 4, 0xffffffff }, /* and of all */
	};
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct module_memory m = map_guest("probe.sys");
		struct pe pe;
		assert_int_equal(load_le(m.bytes + 0x3c, 4), 0x78);
		store_le(m.bytes + damages[i].offset, damages[i].value, damages[i].size);
		assert_int_equal(read_headers(&m, &pe), PE_BAD);
		free(m.bytes);
	}
}

static void headers_that_end_too_soon_are_refused(void **state)
{
	(void)state;
	for (size_t length = 0; length < 0x78 + 24 + 56; length++) {
		struct module_memory m = map_guest("hal.dll");
		struct pe pe;
		m.size = length;
		m.bytes = realloc(m.bytes, length + 1);
		assert_int_equal(read_headers(&m, &pe), PE_BAD);
		free(m.bytes);
	}
}

static void sections_outside_the_image_are_left_out_and_long_ones_cut(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	uint32_t count = headers_of(&m).section_count;
	store_le(section_header(&m, 1) + 12, 0xfffff000, 4);
	store_le(section_header(&m, count - 1) + 8, 0xffffffff, 4);
	struct pe pe = headers_of(&m);
	assert_int_equal(pe.section_count, count - 1);
	const struct pe_section *last = &pe.sections[count - 2];
	assert_int_equal(last->rva + last->size, pe.image_size);
	free(m.bytes);
}

static void of_two_sections_that_overlap_one_stays(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	uint32_t count = headers_of(&m).section_count;
	store_le(section_header(&m, 2) + 12, load_le(section_header(&m, 0) + 12, 4) + 16,
		 4);
	assert_int_equal(headers_of(&m).section_count, count - 1);
	free(m.bytes);
}

static void directories_are_cut_to_the_image_or_dropped(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	uint8_t *directories = optional_header(&m) + 112;
	store_le(directories + 8 * PE_DIRECTORY_EXPORT, 0xfffff000, 4);
	store_le(directories + 8 * PE_DIRECTORY_EXCEPTION + 4, 0xfffffff0, 4);
	struct pe pe = headers_of(&m);
	assert_int_equal(pe.directories[PE_DIRECTORY_EXPORT].size, 0);
	struct pe_directory d = pe.directories[PE_DIRECTORY_EXCEPTION];
	assert_int_equal(d.rva + d.size, pe.image_size);
	free(m.bytes);
}

static void a_number_of_directories_that_lies_is_survived(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	store_le(optional_header(&m) + 108, 0xffffffff, 4);
	struct pe pe;
	assert_int_equal(read_headers(&m, &pe), PE_OK);
	store_le(optional_header(&m) + 108, 2, 4);
	assert_int_equal(read_headers(&m, &pe), PE_OK);
	assert_int_equal(pe.directories[PE_DIRECTORY_EXCEPTION].size, 0);
	free(m.bytes);
}

/* The fields of PE32 lie elsewhere; one made by hand from the other's numbers. */
static void a_32_bit_image_is_read(void **state)
{
	(void)state;
	uint8_t bytes[0x2000] = { 'M', 'Z' };
	struct module_memory m = { bytes, sizeof(bytes), .calls = 0 };
	uint8_t *coff = bytes + 0x80, *optional = coff + 24, *section = optional + 0xe0;
	store_le(bytes + 0x3c, 0x80, 4);
	store_le(coff, 0x4550, 4);
	store_le(coff + 4, PE_MACHINE_I386, 2);
	store_le(coff + 6, 1, 2);
	store_le(coff + 20, 0xe0, 2);
	store_le(optional, 0x10b, 2);
	store_le(optional + 16, 0x1010, 4);
	store_le(optional + 28, 0x80400000, 4);
	store_le(optional + 56, 0x2000, 4);
	store_le(optional + 64, 0x12345, 4);
	store_le(optional + 68, 1, 2);
	store_le(optional + 92, 16, 4);
	store_le(optional + 96, 0x1800, 4);
	store_le(optional + 100, 0x40, 4);
	memcpy(section, "/4\0\0\0\0\0\0", 8);
	store_le(section + 8, 0x1000, 4);
	store_le(section + 12, 0x1000, 4);
	store_le(section + 36, PE_SECTION_CODE, 4);
	struct pe pe = headers_of(&m);
	assert_false(pe.plus);
	assert_int_equal(pe.image_base, 0x80400000);
	assert_int_equal(pe.entry, 0x1010);
	assert_int_equal(pe.checksum, 0x12345);
	assert_int_equal(pe.subsystem, 1);
	assert_int_equal(pe.directories[PE_DIRECTORY_EXPORT].rva, 0x1800);
	/* a name in the string table of a file that nobody has */
	assert_string_equal(pe.sections[0].name, "_4");
}

static void an_interruption_is_no_damage(void **state)
{
	(void)state;
	struct module_memory m = map_guest("probe.sys");
	struct image_memory *memory = module_source(&m);
	struct pe pe;
	m.refuse_after = 1;
	m.calls = 1;
	assert_int_equal(pe_read(memory, &pe), PE_INTERRUPTED);
	m.refuse_after = 0;
	assert_int_equal(pe_read(memory, &pe), PE_INTERRUPTED); /* not asked yet */
	image_memory_resume(memory);
	assert_int_equal(pe_read(memory, &pe), PE_OK);
	image_memory_free(memory);
	free(m.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_of_the_guest_is_read_as_its_linker_wrote_it),
		cmocka_unit_test(one_piece_of_memory_is_enough_for_the_headers),
		cmocka_unit_test(what_is_no_pe_is_refused),
		cmocka_unit_test(headers_that_end_too_soon_are_refused),
		cmocka_unit_test(
			sections_outside_the_image_are_left_out_and_long_ones_cut),
		cmocka_unit_test(of_two_sections_that_overlap_one_stays),
		cmocka_unit_test(directories_are_cut_to_the_image_or_dropped),
		cmocka_unit_test(a_number_of_directories_that_lies_is_survived),
		cmocka_unit_test(a_32_bit_image_is_read),
		cmocka_unit_test(an_interruption_is_no_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
