/*
 * The CFI of real images, against a witness that looks at the code and knows no unwind
 * data: right at every instruction, prologues and epilogues included.
 */
#include "test/unit/bridge/debug_frame_fixture.h"

#include "bridge/image/debug_frame.h"
#include "bridge/image/exports.h"

enum { BASE_LOW = 0x140000000 };

static struct symbolic_walk verdict_on(const char *name, enum image_client client,
				       struct image_summary *summary)
{
	struct module_memory m = map_guest(name);
	struct converted c = convert_for(client, &m, name, BASE_LOW, SIZE_MAX);
	struct symbolic_walk w;
	witness_module(&w, &m, &c, BASE_LOW);
	if (w.wrong)
		fail_msg("%s+%x: %s (%zu wrong)", name, w.first_wrong, w.why, w.wrong);
	*summary = c.summary;
	converted_wipe(&c);
	free(m.bytes);
	assert_true(w.untold * 50 < w.instructions);
	return w;
}

static void every_instruction_of_the_guest_unwinds(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t functions, instructions;
	} images[] = {
		{ "ntoskrnl.exe", 50, 1000 },
		{ "hal.dll", 1, 8 },
		{ "probe.sys", 4, 60 },
		{ "synth.sys", 3, 40 },
	};
	for (size_t i = 0; i < 8; i++) {
		struct image_summary summary;
		enum image_client client = i < 4 ? IMAGE_FOR_GDB : IMAGE_FOR_LLDB;
		struct symbolic_walk w = verdict_on(images[i % 4].name, client, &summary);
		assert_int_equal(summary.refused, 0);
		assert_true(summary.functions >= images[i % 4].functions);
		assert_true(w.instructions >= images[i % 4].instructions);
	}
}

static uint32_t export_rva(struct module_memory *m, const char *name)
{
	struct pe pe = headers_of(m);
	struct exports exports;
	uint32_t rva = 0;
	struct image_memory *memory = module_source(m);
	assert_true(exports_read(memory, &pe, &exports));
	for (size_t i = 0; i < exports.count; i++)
		if (strcmp(exports.names[i].name, name) == 0)
			rva = exports.names[i].rva;
	exports_wipe(&exports);
	image_memory_free(memory);
	return rva;
}

/* The guest's interrupt: the only function of it whose frame begins with a machine frame. */
static void a_machine_frame_goes_by_way_of_a_signals_frame(void **state)
{
	(void)state;
	const uint64_t base = 0xfffff80012340000;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct converted c = convert(&m, "ntoskrnl.exe", base, SIZE_MAX);
	const struct cfi_row *row = NULL;
	unsigned found = 0;
	for (size_t i = 0; i < c.cfi.count; i++) {
		row = cfi_row_at(&c.cfi, c.cfi.fdes[i].begin);
		if (row->rules[CFI_RIP].kind != CFI_VALUE)
			continue;
		found++;
		assert_int_equal(row->rules[CFI_RIP].offset, base + DEBUG_FRAME_TRAP);
		assert_int_equal(row->cfa_register, CFI_RSP);
		assert_in_range(row->cfa_offset, 0,
				8); /* with an error code, or without */
	}
	assert_true(found >= 5);
	for (unsigned before = 0; before < 2; before++) {
		row = cfi_row_at(&c.cfi, base + DEBUG_FRAME_TRAP - before);
		assert_true(row->signal);
		assert_int_equal(row->cfa_register, CFI_RSP);
		assert_int_equal(row->cfa_offset, 0);
		assert_int_equal(row->rules[CFI_RIP].kind, CFI_OFFSET);
		assert_int_equal(row->rules[CFI_RIP].offset, 0);
		assert_int_equal(row->rules[CFI_RSP].offset, 24);
	}
	converted_wipe(&c);
	free(m.bytes);
}

static void every_byte_of_code_has_a_row(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct converted c = convert(&m, "ntoskrnl.exe", BASE_LOW, 0);
	struct pe pe = headers_of(&m);
	for (uint32_t i = 0; i < pe.section_count; i++)
		for (uint32_t k = 0; k < pe.sections[i].size; k++) {
			uint64_t at = BASE_LOW + pe.sections[i].rva + k;
			assert_int_equal(cfi_row_at(&c.cfi, at) != NULL,
					 pe_is_code(&pe.sections[i]));
		}
	converted_wipe(&c);
	free(m.bytes);
}

static void leaves_between_functions_have_the_plain_rule(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct converted c = convert(&m, "ntoskrnl.exe", BASE_LOW, SIZE_MAX);
	struct module_functions *f = functions_of(&m);
	size_t gaps = 0;
	for (size_t i = 0; i + 1 < f->table.count; i++) {
		uint32_t end = f->table.functions[i].end;
		uint32_t next = f->table.functions[i + 1].begin;
		for (uint32_t rva = end; rva < next; rva++, gaps++) {
			const struct cfi_row *row = cfi_row_at(&c.cfi, BASE_LOW + rva);
			if (!row)
				break; /* between two sections */
			assert_int_equal(row->cfa_register, CFI_RSP);
			assert_int_equal(row->cfa_offset, 8);
			for (int r = 0; r < CFI_RIP; r++)
				assert_int_equal(row->rules[r].kind, CFI_SAME);
		}
	}
	assert_true(gaps > 100);
	functions_free(f);
	converted_wipe(&c);
	free(m.bytes);
}

static void the_backtrace_ends_where_threads_begin(void **state)
{
	(void)state;
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct converted c = convert(&m, "ntoskrnl.exe", BASE_LOW, SIZE_MAX);
	/* sub rsp, 28h; call rbx; int3 */
	static const uint8_t starter[] = { 0x48, 0x83, 0xec, 0x28, 0xff, 0xd3, 0xcc };
	const uint8_t *at = memmem(m.bytes, m.size, starter, sizeof(starter));
	assert_non_null(at);
	uint64_t address = BASE_LOW + (uint64_t)(at - m.bytes);
	for (unsigned i = 0; i < sizeof(starter); i++)
		assert_int_equal(cfi_row_at(&c.cfi, address + i)->rules[CFI_RIP].kind,
				 CFI_UNDEFINED);
	const struct cfi_row *row =
		cfi_row_at(&c.cfi, BASE_LOW + export_rva(&m, "KeBugCheckEx"));
	assert_int_equal(row->rules[CFI_RIP].kind, CFI_OFFSET);
	converted_wipe(&c);
	free(m.bytes);
}

static void no_code_is_read_that_may_not_be(void **state)
{
	(void)state;
	static const size_t limits[] = { 0, 500, 2000, SIZE_MAX };
	size_t last = 0;
	for (size_t i = 0; i < 4; i++) {
		struct module_memory m = map_guest("ntoskrnl.exe");
		struct converted c = convert(&m, "ntoskrnl.exe", BASE_LOW, limits[i]);
		assert_true(c.summary.code_read >= last);
		assert_int_equal(c.summary.code_complete, limits[i] == SIZE_MAX);
		assert_int_equal(c.summary.refused, 0);
		last = c.summary.code_read;
		converted_wipe(&c);
		free(m.bytes);
	}
}

/* ---- as lldb reads them: RSP.md §14 ---- */

static struct converted convert_for_lldb(struct module_memory *m)
{
	*m = map_guest("ntoskrnl.exe");
	return convert_for(IMAGE_FOR_LLDB, m, "ntoskrnl.exe", BASE_LOW, SIZE_MAX);
}

static void for_lldb_an_entry_of_a_signal_is_the_machine_frame_itself(void **state)
{
	(void)state;
	struct module_memory m;
	struct converted c = convert_for_lldb(&m);
	unsigned found = 0;
	for (size_t i = 0; i < c.cfi.count; i++) {
		const struct cfi_row *row = cfi_row_at(&c.cfi, c.cfi.fdes[i].begin);
		assert_int_not_equal(row->rules[CFI_RIP].kind, CFI_VALUE);
		if (!row->signal)
			continue;
		found++;
		for (size_t k = 0; k < c.cfi.row_count; k++) {
			const struct cfi_rule *rules = c.cfi.rows[k].rules;
			assert_int_equal(rules[CFI_RIP].kind, CFI_OFFSET);
			assert_int_equal(rules[CFI_RIP].offset, 0);
			assert_int_equal(rules[CFI_RSP].kind, CFI_OFFSET);
			assert_int_equal(rules[CFI_RSP].offset, 24);
		}
	}
	assert_true(found >= 5);
	assert_null(cfi_find(&c.cfi, BASE_LOW + DEBUG_FRAME_TRAP));
	converted_wipe(&c);
	free(m.bytes);
}

static void for_lldb_no_rule_is_restored(void **state)
{
	(void)state;
	struct module_memory m;
	struct converted c = convert_for_lldb(&m);
	for (size_t i = 0; i < c.cfi.count; i++)
		cfi_read_fde(&c.cfi, &c.cfi.fdes[i]);
	assert_int_equal(c.cfi.restored, 0);
	converted_wipe(&c);
	free(m.bytes);
	m = map_guest("ntoskrnl.exe"); /* gdb's are shorter by it */
	c = convert(&m, "ntoskrnl.exe", BASE_LOW, SIZE_MAX);
	for (size_t i = 0; i < c.cfi.count; i++)
		cfi_read_fde(&c.cfi, &c.cfi.fdes[i]);
	assert_true(c.cfi.restored > 0);
	converted_wipe(&c);
	free(m.bytes);
}

/* lldb counts rows from the symbol, wherever the entry begins. */
static void for_lldb_functions_and_leaves_begin_entries_of_their_own(void **state)
{
	(void)state;
	struct module_memory m;
	struct converted c = convert_for_lldb(&m);
	struct module_functions *f = functions_of(&m);
	size_t leaves = 0;
	for (size_t i = 0; i + 1 < f->table.count; i++) {
		uint32_t begin = f->table.functions[i].begin;
		uint32_t end = f->table.functions[i].end;
		uint32_t next = f->table.functions[i + 1].begin;
		if (f->primaries[i] == begin)
			assert_int_equal(cfi_find(&c.cfi, BASE_LOW + begin)->begin,
					 BASE_LOW + begin);
		if (end == next || !cfi_row_at(&c.cfi, BASE_LOW + end))
			continue;
		leaves++;
		assert_int_equal(c.cfi.current->begin, BASE_LOW + end);
		assert_int_equal(c.cfi.row_count, 1);
	}
	assert_true(leaves > 10);
	functions_free(f);
	converted_wipe(&c);
	free(m.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_instruction_of_the_guest_unwinds),
		cmocka_unit_test(a_machine_frame_goes_by_way_of_a_signals_frame),
		cmocka_unit_test(every_byte_of_code_has_a_row),
		cmocka_unit_test(leaves_between_functions_have_the_plain_rule),
		cmocka_unit_test(the_backtrace_ends_where_threads_begin),
		cmocka_unit_test(no_code_is_read_that_may_not_be),
		cmocka_unit_test(
			for_lldb_an_entry_of_a_signal_is_the_machine_frame_itself),
		cmocka_unit_test(for_lldb_no_rule_is_restored),
		cmocka_unit_test(
			for_lldb_functions_and_leaves_begin_entries_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
