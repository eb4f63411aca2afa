/*
 * The whole PE that a client gets: as its own reader sees it, and as gdb and llvm-dwarfdump
 * see it, which know nothing of us.
 */
#include "test/unit/bridge/pe_maker.h"

#include <time.h>
#include <unistd.h>

#include "bridge/image/served_image.h"

static struct served_image *build(struct module_memory *m, const char *name,
				  enum image_client client)
{
	struct served_image *image;
	struct image_memory *memory = module_source(m);
	struct image_request request = { .name = name,
					 .base = 0xfffff80700000000,
					 .client = client,
					 .code_max = SIZE_MAX };
	assert_int_equal(served_image_build(memory, &request, &image, NULL), IMAGE_OK);
	image_memory_free(memory);
	return image;
}

/* Maps what is served again: files lie as in memory. */
static struct module_memory served(struct served_image *image)
{
	struct module_memory m = { 0 };
	m.bytes = whole_image(image, &m.size);
	served_image_free(image);
	return m;
}

static struct module_memory serve_guest(const char *name, enum image_client client)
{
	struct module_memory m = map_guest(name);
	struct module_memory s = served(build(&m, name, client));
	free(m.bytes);
	return s;
}

static void headers_are_those_of_the_module_but_for_the_corrected(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct module_memory s = served(build(&m, "ntoskrnl.exe", IMAGE_FOR_GDB));
	struct pe was = headers_of(&m), is = headers_of(&s);
	assert_int_equal(is.machine, was.machine);
	assert_int_equal(is.timestamp, was.timestamp);
	assert_int_equal(is.checksum, was.checksum);
	assert_int_equal(is.entry, was.entry);
	assert_int_equal(is.image_base, 0xfffff80700000000);
	assert_int_equal(is.directories[PE_DIRECTORY_DEBUG].size, 0);
	assert_int_equal(is.directories[PE_DIRECTORY_EXPORT].rva,
			 was.directories[PE_DIRECTORY_EXPORT].rva);
	assert_int_equal(is.section_count, was.section_count + 1);
	for (uint32_t i = 0; i < is.section_count; i++) {
		assert_int_equal(is.sections[i].raw_offset, is.sections[i].rva);
		assert_int_equal(is.sections[i].raw_size, is.sections[i].size);
	}
	struct pe_section *frame = &is.sections[is.section_count - 1];
	assert_string_equal(frame->name, "_4"); /* "/4" in the file */
	assert_int_equal(frame->flags, 0x42000040);
	assert_true(frame->rva >= was.image_size);
	free(m.bytes);
	free(s.bytes);
}

static void sections_keep_only_flags_that_bfd_knows(void **state)
{
	(void)state;
	struct module_memory m = make_pe();
	store_le(section_header(&m, 0) + 36, 0xffffffff, 4);
	store_le(section_header(&m, 1) + 36, 0x48000080, 4); /* zeros, not paged */
	struct module_memory s = served(build(&m, "x.sys", IMAGE_FOR_GDB));
	struct pe pe = headers_of(&s);
	assert_int_equal(pe.sections[0].flags, 0xe0000060);
	assert_int_equal(pe.sections[1].flags, 0x40000040);
	free(m.bytes);
	free(s.bytes);
}

static void lldb_gets_a_library_with_its_debug_directory(void **state)
{
	(void)state;
	struct module_memory s = serve_guest("ntoskrnl.exe", IMAGE_FOR_LLDB);
	struct pe pe = headers_of(&s);
	assert_true(pe.characteristics & PE_FILE_DLL);
	assert_int_not_equal(pe.directories[PE_DIRECTORY_DEBUG].size, 0);
	assert_true(pe.sections[0].flags & PE_SECTION_MEMORY_WRITE);
	free(s.bytes);
}

static void what_was_read_is_in_the_file(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct module_memory s = served(build(&m, "ntoskrnl.exe", IMAGE_FOR_GDB));
	struct pe pe = headers_of(&m);
	static const unsigned kept[] = { PE_DIRECTORY_EXPORT, PE_DIRECTORY_EXCEPTION };
	for (unsigned i = 0; i < 2; i++) {
		struct pe_directory d = pe.directories[kept[i]];
		assert_memory_equal(s.bytes + d.rva, m.bytes + d.rva, d.size);
	}
	free(m.bytes);
	free(s.bytes);
}

static void pieces_read_are_those_of_the_whole(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct served_image *image = build(&m, "ntoskrnl.exe", IMAGE_FOR_GDB);
	uint64_t seed = 5, size = served_image_size(image);
	struct module_memory s = served(served_image_keep(image));
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t out[5000];
		uint64_t at = test_random(&seed) % (size + 100);
		size_t n = test_random(&seed) % sizeof(out);
		size_t got = served_image_read(image, at, out, n);
		assert_int_equal(got, at >= size ? 0 : size - at < n ? size - at : n);
		if (got > 0)
			assert_memory_equal(out, s.bytes + at, got);
	}
	assert_int_equal(served_image_read(image, UINT64_MAX, &seed, 8), 0);
	served_image_free(image);
	free(m.bytes);
	free(s.bytes);
}

static void pages_that_are_gone_cost_only_themselves(void **state)
{
	(void)state;
	for (uint64_t page = 0x1000; page < 0xd000; page += 0x1000) {
		struct module_memory m = map_guest("ntoskrnl.exe");
		m.missing = page;
		m.missing_size = 0x1000;
		struct module_memory s = served(build(&m, "ntoskrnl.exe", IMAGE_FOR_GDB));
		assert_true(s.size > m.size);
		free(m.bytes);
		free(s.bytes);
	}
}

static void what_is_no_pe_is_bad(void **state)
{
	(void)state;
	struct module_memory m = make_pe();
	m.missing_size = 0x1000; /* the headers */
	struct image_memory *memory = module_source(&m);
	struct image_request request = { .name = "x.sys" };
	struct served_image *image = (struct served_image *)&m;
	assert_int_equal(served_image_build(memory, &request, &image, NULL), IMAGE_BAD);
	assert_null(image);
	image_memory_free(memory);
	free(m.bytes);
}

/* However often it is interrupted: the target is asked for each byte once. */
static void an_interrupted_build_goes_on(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct image_memory *memory = module_source(&m);
	struct image_request request = { .name = "ntoskrnl.exe", .code_max = SIZE_MAX };
	struct served_image *image = NULL;
	enum image_result result = IMAGE_INTERRUPTED;
	unsigned builds = 0;
	while (result == IMAGE_INTERRUPTED && builds < 100) {
		m.refuse_after = m.calls + 1;
		result = served_image_build(memory, &request, &image, NULL);
		builds++;
	}
	assert_int_equal(result, IMAGE_OK);
	assert_true(builds > 3);
	assert_int_equal(m.asked, image_memory_bytes_read(memory));
	assert_true(m.asked <= m.size);
	served_image_free(image);
	image_memory_free(memory);
	free(m.bytes);
}

static void the_empty_image_is_512_bytes_without_sections(void **state)
{
	(void)state;
	static const uint16_t machines[] = { PE_MACHINE_AMD64, PE_MACHINE_I386,
					     PE_MACHINE_ARM64 };
	for (unsigned i = 0; i < 3; i++) {
		struct served_image *image = served_image_empty(machines[i]);
		assert_int_equal(served_image_size(image), 512);
		assert_int_equal(served_image_first_section(image), 0);
		struct module_memory s = served(image);
		struct pe pe = headers_of(&s);
		assert_int_equal(pe.machine, machines[i]);
		assert_int_equal(pe.plus, machines[i] != PE_MACHINE_I386);
		assert_int_equal(pe.section_count, 0);
		assert_int_equal(pe.characteristics, PE_FILE_LARGE_ADDRESS);
		free(s.bytes);
	}
}

static void prefixes_are_lower_case_words(void **state)
{
	(void)state;
	static const char *const names[][2] = {
		{ "ntoskrnl.exe", "nt" },
		{ "NTKRNLMP.EXE", "nt" },
		{ "hal.dll", "hal" },
		{ "Wdf01000.sys", "wdf01000" },
		{ "a b.c-d.sys", "a_b_c_d" },
		{ "", "" },
		{ "noextension", "noextension" },
		{ ".sys", "" },
	};
	char out[IMAGE_PREFIX_MAX], longest[500];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		image_prefix(names[i][0], out);
		assert_string_equal(out, names[i][1]);
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	image_prefix(longest, out);
	assert_int_equal(strlen(out), IMAGE_PREFIX_MAX - 1);
}

static void a_header_without_room_drops_sections(void **state)
{
	(void)state;
	struct module_memory m = make_pe();
	store_le(optional_header(&m) - 18, 60, 2);
	memset(section_header(&m, 0), 0, 60 * 40);
	for (unsigned i = 0; i < 60; i++)
		made_section(section_header(&m, i), "many", 0x800 + i * 16, 16,
			     0x60000020);
	struct module_memory s = served(build(&m, "x.sys", IMAGE_FOR_GDB));
	struct pe pe = headers_of(&s);
	assert_in_range(pe.section_count, 30, 59);
	free(m.bytes);
	free(s.bytes);
}

/* Every function at the head of the longest chain of the longest unwind data. */
static struct module_memory make_expensive(unsigned functions)
{
	enum { LINK = 544, LINKS = 31, INFO = 0x800000, PDATA = 0x900000 };
	struct module_memory m = make_pe();
	m.size = 16 << 20;
	m.bytes = realloc(m.bytes, m.size);
	memset(m.bytes + MADE_SIZE, 0, m.size - MADE_SIZE);
	store_le(optional_header(&m) + 56, m.size, 4);
	for (unsigned i = 0; i < LINKS; i++) {
		uint8_t *p = m.bytes + INFO + i * LINK;
		p[0] = (uint8_t)(1 | (i + 1 < LINKS ? 4 << 3 : 0));
		p[2] = 254;
		for (unsigned k = 0; k < 127; k++)
			p[5 + 4 * k] = 8; /* an XMM register is saved */
		store_le(p + 4 + 508, MADE_CODE, 4);
		store_le(p + 4 + 516, INFO + (i + 1) * LINK, 4);
	}
	for (unsigned i = 0; i < functions; i++) {
		uint8_t *p = m.bytes + PDATA + 12 * (size_t)i;
		store_le(p, MADE_CODE + i * 24, 4);
		store_le(p + 4, MADE_CODE + i * 24 + 24, 4);
		store_le(p + 8, INFO, 4);
	}
	made_directory(&m, PE_DIRECTORY_EXCEPTION, PDATA, functions * 12);
	return m;
}

static void unwind_data_that_would_take_for_ever_is_given_up(void **state)
{
	(void)state;
	struct module_memory m = make_expensive(200000);
	struct image_memory *memory = module_source(&m);
	struct image_request request = { .name = "x.sys", .code_max = SIZE_MAX };
	struct image_summary summary;
	struct served_image *image;
	clock_t start = clock();
	assert_int_equal(served_image_build(memory, &request, &image, &summary),
			 IMAGE_OK);
	assert_true(clock() - start < 5 * CLOCKS_PER_SEC); /* 10 without the limit */
	assert_true(summary.refused > 100000);
	served_image_free(image);
	image_memory_free(memory);
	free(m.bytes);
}

/* ---- what others say ---- */

/* Output of a tool about the served file; NULL: there is no such tool. */
static char *tool(const char *name, const char *before, const char *after,
		  const struct module_memory *s)
{
	char path[] = "/tmp/kdbridge-image-XXXXXX", line[1024];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s->bytes, s->size), s->size);
	close(fd);
	snprintf(line, sizeof(line), "command -v %s >/dev/null && %s %s %s %s 2>&1", name,
		 name, before, path, after);
	FILE *f = popen(line, "r");
	char *text = calloc(1, 1 << 20);
	size_t n = fread(text, 1, (1 << 20) - 1, f);
	int status = pclose(f);
	unlink(path);
	if (status != 0 || n == 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void gdb_opens_it_and_knows_the_names(void **state)
{
	(void)state;
	struct module_memory s = serve_guest("ntoskrnl.exe", IMAGE_FOR_GDB);
	char *text =
		tool("gdb", "-nx -batch",
		     "-ex 'maint info sections' -ex 'info address nt!KeBugCheckEx' "
		     "-ex 'info address KeBugCheckEx' -ex 'info address DriverEntry' "
		     "-ex 'info address nt!KiSystemStartup'",
		     &s);
	if (!text) {
		free(s.bytes);
		skip();
	}
	assert_non_null(strstr(text, ".debug_frame"));
	assert_non_null(strstr(text, "Symbol \"nt!KeBugCheckEx\" is at 0xfffff807"));
	assert_non_null(strstr(text, "Symbol \"KeBugCheckEx\" is at 0xfffff807"));
	assert_non_null(strstr(text, "Symbol \"nt!KiSystemStartup\" is at"));
	assert_non_null(strstr(text, "No symbol \"DriverEntry\""));
	assert_null(strstr(text, "warning"));
	free(text);
	free(s.bytes);
}

static void llvm_dwarfdump_accepts_every_frame(void **state)
{
	(void)state;
	struct module_memory s = serve_guest("ntoskrnl.exe", IMAGE_FOR_GDB);
	char *text = tool("llvm-dwarfdump", "--debug-frame", "", &s);
	size_t entries = 0;
	if (!text) {
		free(s.bytes);
		skip();
	}
	for (const char *p = text; (p = strstr(p, " FDE cie=")) != NULL; p++)
		entries++;
	assert_true(entries > 56);
	assert_null(strstr(text, "error"));
	assert_null(strstr(text, "warning"));
	free(text);
	free(s.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_those_of_the_module_but_for_the_corrected),
		cmocka_unit_test(sections_keep_only_flags_that_bfd_knows),
		cmocka_unit_test(lldb_gets_a_library_with_its_debug_directory),
		cmocka_unit_test(what_was_read_is_in_the_file),
		cmocka_unit_test(pieces_read_are_those_of_the_whole),
		cmocka_unit_test(pages_that_are_gone_cost_only_themselves),
		cmocka_unit_test(what_is_no_pe_is_bad),
		cmocka_unit_test(an_interrupted_build_goes_on),
		cmocka_unit_test(the_empty_image_is_512_bytes_without_sections),
		cmocka_unit_test(prefixes_are_lower_case_words),
		cmocka_unit_test(a_header_without_room_drops_sections),
		cmocka_unit_test(unwind_data_that_would_take_for_ever_is_given_up),
		cmocka_unit_test(gdb_opens_it_and_knows_the_names),
		cmocka_unit_test(llvm_dwarfdump_accepts_every_frame),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
