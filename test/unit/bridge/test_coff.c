/* Symbol tables, byte by byte, and which names go in. */
#include "test/unit/bridge/pe_maker.h"

#include "bridge/image/coff.h"
#include "bridge/image/symbols.h"

static uint8_t *written(const struct coff_table *table)
{
	uint8_t *bytes = malloc(coff_size(table));
	coff_write(table, bytes);
	return bytes;
}

static const char *string_of(const struct coff_table *table, const uint8_t *bytes,
			     size_t n)
{
	const uint8_t *strings = bytes + table->count * COFF_SYMBOL_SIZE;
	return (const char *)strings + load_le(bytes + n * COFF_SYMBOL_SIZE + 4, 4);
}

static void a_name_and_its_alias_share_one_string(void **state)
{
	(void)state;
	struct coff_table table = { 0 };
	struct coff_symbol symbol = { 0x1010, 0x10, 1, true, 0 };
	assert_true(coff_add(&table, symbol, "nt", "KeBugCheckEx", true));
	uint8_t *bytes = written(&table);
	assert_int_equal(coff_size(&table), 2 * 18 + 4 + sizeof("nt!KeBugCheckEx"));
	assert_string_equal(string_of(&table, bytes, 0), "nt!KeBugCheckEx");
	assert_string_equal(string_of(&table, bytes, 1), "KeBugCheckEx");
	free(bytes);
	coff_wipe(&table);
}

static void a_record_is_what_the_format_says(void **state)
{
	(void)state;
	static const uint8_t expected[] = {
		0,   0, 0,   0,	  4,   0,    0,	  0,   0x10,
		0,   0, 0,   1,	  0,   0x20, 0,	  2,   0, /* function */
		0,   0, 0,   0,	  11,  0,    0,	  0,   0x28,
		0,   0, 0,   3,	  0,   0,    0,	  2,   0, /* data */
		18,  0, 0,   0,	  'h', 'a',  'l', '!', 'f',
		'n', 0, 'h', 'a', 'l', '!',  'd', 'v', 0,
	};
	struct coff_symbol code = { 0x1010, 0x10, 1, true, 0 };
	struct coff_symbol data = { 0x2028, 0x28, 3, false, 0 };
	struct coff_table table = { 0 };
	assert_true(coff_add(&table, code, "hal", "fn", false));
	assert_true(coff_add(&table, data, "hal", "dv", false));
	coff_sort(&table);
	uint8_t *bytes = written(&table);
	assert_int_equal(coff_size(&table), sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	free(bytes);
	coff_wipe(&table);
}

static void records_are_sorted_by_address(void **state)
{
	(void)state;
	struct coff_table table = { 0 };
	uint64_t seed = 4;
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t rva = (uint32_t)(test_random(&seed) % 100000);
		struct coff_symbol symbol = { rva, rva, 1, true, 0 };
		assert_true(coff_add(&table, symbol, "m", "name", true));
	}
	coff_sort(&table);
	assert_int_equal(table.count, 6000);
	for (size_t i = 1; i < table.count; i++)
		assert_true(table.symbols[i - 1].rva <= table.symbols[i].rva);
	coff_wipe(&table);
}

static void there_is_a_limit(void **state)
{
	(void)state;
	struct coff_table table = { 0 };
	struct coff_symbol symbol = { 1, 1, 1, true, 0 };
	size_t added = 0;
	while (coff_add(&table, symbol, "m", "n", true))
		added++;
	assert_int_equal(added, COFF_SYMBOLS_MAX / 2);
	coff_wipe(&table);
}

/* ---- which symbols ---- */

struct named {
	struct coff_table table;
	uint8_t *bytes;
};

static struct named name_all(struct module_memory *m, const char *prefix,
			     const struct exports *exports,
			     const struct unwind_table *functions,
			     const uint32_t *primaries)
{
	struct named n = { { 0 }, NULL };
	struct pe pe = headers_of(m);
	assert_true(symbols_add(&n.table, &pe, prefix, exports, functions, primaries));
	coff_sort(&n.table);
	n.bytes = written(&n.table);
	return n;
}

static bool has(const struct named *n, uint32_t rva, const char *name)
{
	for (size_t i = 0; i < n->table.count; i++)
		if (n->table.symbols[i].rva == rva &&
		    strcmp(string_of(&n->table, n->bytes, i), name) == 0)
			return true;
	return false;
}

static void forget(struct named *n, struct module_memory *m)
{
	free(n->bytes);
	coff_wipe(&n->table);
	free(m->bytes);
}

static void each_function_gets_a_name_and_each_part_behind_it_none(void **state)
{
	(void)state;
	struct module_memory m = make_pe();
	struct export_name export = { MADE_CODE, "Known" };
	struct exports exports = { &export, 1, NULL };
	struct unwind_function f[] = {
		{ MADE_CODE, MADE_CODE + 0x10, 0x2000 },	/* exported */
		{ MADE_CODE + 0x10, MADE_CODE + 0x20, 0x2000 }, /* goes on */
		{ MADE_CODE + 0x20, MADE_CODE + 0x30, 0x2000 }, /* another one */
		{ MADE_CODE + 0x40, MADE_CODE + 0x50, 0x2000 }, /* a part far away */
		{ 0x7900, 0x7910, 0x2000 },			/* in no section */
	};
	uint32_t primaries[] = { MADE_CODE, MADE_CODE, MADE_CODE + 0x20, MADE_CODE,
				 0x7900 };
	struct unwind_table functions = { f, 5, 0 };
	struct named n = name_all(&m, "drv", &exports, &functions, primaries);
	assert_int_equal(n.table.count, 4);
	assert_true(has(&n, MADE_CODE, "Known"));
	assert_true(has(&n, MADE_CODE, "drv!Known"));
	assert_true(has(&n, MADE_CODE + 0x20, "drv!fn_1020"));
	assert_true(has(&n, MADE_CODE + 0x40, "drv!fn_1040"));
	forget(&n, &m);
}

static void the_entry_point_is_named_by_what_it_is(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		unsigned subsystem, characteristics;
		const char *name, *plain;
	} entries[] = {
		{ "nt", 1, 0x22, "nt!KiSystemStartup", "KiSystemStartup" },
		{ "drv", 1, 0x22, "drv!DriverEntry", "DriverEntry" },
		{ "lib", 1, 0x2022, "lib!EntryPoint", NULL },
		{ "app", 3, 0x22, "app!EntryPoint", NULL },
	};
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct module_memory m = make_pe();
		struct exports exports = { NULL, 0, NULL };
		struct unwind_table functions = { NULL, 0, 0 };
		store_le(optional_header(&m) + 16, MADE_CODE + 0x100, 4);
		store_le(optional_header(&m) + 68, entries[i].subsystem, 2);
		store_le(optional_header(&m) - 2, entries[i].characteristics, 2);
		struct named n =
			name_all(&m, entries[i].prefix, &exports, &functions, NULL);
		assert_int_equal(n.table.count, entries[i].plain ? 2 : 1);
		assert_true(has(&n, MADE_CODE + 0x100, entries[i].name));
		forget(&n, &m);
	}
}

static void an_exported_entry_point_keeps_its_name(void **state)
{
	(void)state;
	struct module_memory m = make_pe();
	struct export_name export = { MADE_CODE + 0x100, "Start" };
	struct exports exports = { &export, 1, NULL };
	struct unwind_table functions = { NULL, 0, 0 };
	store_le(optional_header(&m) + 16, MADE_CODE + 0x100, 4);
	struct named n = name_all(&m, "nt", &exports, &functions, NULL);
	assert_int_equal(n.table.count, 2);
	assert_true(has(&n, MADE_CODE + 0x100, "nt!Start"));
	forget(&n, &m);
}

static void exported_data_is_no_function(void **state)
{
	(void)state;
	struct module_memory m = make_pe();
	struct export_name export = { MADE_DATA + 8, "Variable" };
	struct exports exports = { &export, 1, NULL };
	struct unwind_table functions = { NULL, 0, 0 };
	struct named n = name_all(&m, "drv", &exports, &functions, NULL);
	assert_int_equal(n.table.symbols[0].section, 2);
	assert_int_equal(n.table.symbols[0].value, 8);
	assert_false(n.table.symbols[0].function);
	forget(&n, &m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_and_its_alias_share_one_string),
		cmocka_unit_test(a_record_is_what_the_format_says),
		cmocka_unit_test(records_are_sorted_by_address),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(each_function_gets_a_name_and_each_part_behind_it_none),
		cmocka_unit_test(the_entry_point_is_named_by_what_it_is),
		cmocka_unit_test(an_exported_entry_point_keeps_its_name),
		cmocka_unit_test(exported_data_is_no_function),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
