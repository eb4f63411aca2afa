/* Unwind data by hand: every code of both versions, chains, epilogues, and lies. */
#include "test/unit/bridge/pe_maker.h"

#include "bridge/image/unwind.h"

enum { INFO = MADE_DATA, INFO_2 = MADE_DATA + 0x40, RAX = 0, RBX = 3, RBP = 5, R12 = 12 };

/* One function of 0x100 bytes at the code's start, with that unwind data. */
struct made {
	struct module_memory m;
	struct pe pe;
	struct image_memory *memory;
	struct unwind_table table;
	uint32_t primaries[8];
	struct unwinder u;
	bool ok;
};

static void put_info(struct module_memory *m, const uint8_t *info, size_t size)
{
	memcpy(m->bytes + INFO, info, size);
	made_function(m, 0, MADE_CODE, MADE_CODE + 0x100, INFO);
}

static struct made *convert(struct module_memory m)
{
	struct made *c = calloc(1, sizeof(*c));
	c->m = m;
	c->pe = headers_of(&c->m);
	c->memory = module_source(&c->m);
	assert_true(unwind_table_read(c->memory, &c->pe, &c->table));
	c->u = (struct unwinder){ .memory = c->memory,
				  .table = &c->table,
				  .primaries = c->primaries,
				  .code_left = SIZE_MAX,
				  .code_complete = true };
	c->primaries[0] = MADE_CODE;
	c->ok = c->table.count > 0 && unwind_function_rows(&c->u, &c->table.functions[0]);
	return c;
}

static void made_free(struct made *c)
{
	unwinder_wipe(&c->u);
	unwind_table_wipe(&c->table);
	image_memory_free(c->memory);
	free(c->m.bytes);
	free(c);
}

static const struct unwind_row *row_at(const struct made *c, uint32_t offset)
{
	const struct unwind_row *found = NULL;
	for (size_t i = 0; i < c->u.rows.count; i++)
		if (c->u.rows.rows[i].rva <= MADE_CODE + offset)
			found = &c->u.rows.rows[i];
	assert_non_null(found);
	return found;
}

static void assert_cfa(const struct made *c, uint32_t offset, uint8_t reg, int32_t cfa)
{
	const struct unwind_row *row = row_at(c, offset);
	assert_int_equal(row->cfa_register, reg);
	assert_int_equal(row->cfa_offset, cfa);
}

static void assert_saved(const struct made *c, uint32_t offset, uint8_t reg, int32_t slot)
{
	const struct unwind_row *row = row_at(c, offset);
	assert_true(row->saved >> reg & 1);
	assert_int_equal(row->slot[reg], slot);
}

static void every_code_of_version_1_is_understood(void **state)
{
	(void)state;
	static const uint8_t info[] = {
		1,  40,	  18,	0,    40, 0xc9, 0x10, 0, 0, 0, /* save XMM12, far */
		36, 0xc8, 2,	0,			       /* save XMM12 */
		32, 0x65, 0x30, 0,    0,  0,		       /* save RSI at 30h, far */
		28, 0x34, 5,	0,			       /* save RBX at 28h */
		20, 0x11, 0x00, 0x00, 1,  0,		       /* allocate 10000h */
		14, 0x01, 0x20, 0,			       /* allocate 100h */
		8,  0x32,				       /* allocate 20h */
		4,  0xc0,				       /* push R12 */
		2,  0x50,				       /* push RBP */
		0,  0,
	};
	struct module_memory m = make_pe();
	put_info(&m, info, sizeof(info));
	struct made *c = convert(m);
	const int32_t all = 0x10000 + 0x100 + 0x20 + 0x18;
	assert_true(c->ok);
	assert_cfa(c, 0, REGISTER_RSP, 8);
	assert_cfa(c, 1, REGISTER_RSP, 8);
	assert_cfa(c, 2, REGISTER_RSP, 16);
	assert_saved(c, 2, RBP, -16);
	assert_cfa(c, 4, REGISTER_RSP, 24);
	assert_saved(c, 4, R12, -24);
	assert_cfa(c, 8, REGISTER_RSP, 24 + 0x20);
	assert_cfa(c, 14, REGISTER_RSP, 24 + 0x120);
	assert_cfa(c, 20, REGISTER_RSP, all);
	assert_int_equal(row_at(c, 27)->saved, 1u << RBP | 1u << R12);
	assert_saved(c, 28, RBX, 0x28 - all);
	assert_saved(c, 32, 6, 0x30 - all);
	assert_cfa(c, 0xff, REGISTER_RSP, all);
	assert_cfa(c, 0x100, REGISTER_RSP, 8);
	assert_int_equal(row_at(c, 0x100)->saved, 0);
	made_free(c);
}

static void a_frame_register_takes_over(void **state)
{
	(void)state;
	static const uint8_t info[] = {
		1,  12,	  5, 0x25, /* RBP = RSP + 20h */
		12, 0x34, 4, 0,	   /* save RBX at 20h from the frame's base */
		9,  0x03, 5, 0x72, /* set RBP; allocate 40h */
		1,  0x50, 0, 0,
	};
	struct module_memory m = make_pe();
	put_info(&m, info, sizeof(info));
	struct made *c = convert(m);
	assert_true(c->ok);
	assert_cfa(c, 5, REGISTER_RSP, 16 + 0x40);
	assert_cfa(c, 9, RBP, 16 + 0x40 - 0x20);
	assert_saved(c, 12, RBX, 0x20 - 16 - 0x40);
	made_free(c);
}

static void machine_frames_with_and_without_an_error_code(void **state)
{
	(void)state;
	for (uint8_t code = 0; code < 2; code++) {
		const uint8_t info[] = {
			1, 8,
			3, 0,
			8, 0x32, /* allocate 20h */
			1, 0x50, /* push RBP */
			0, (uint8_t)(code << 4 | 0x0a),
			0, 0,
		};
		struct module_memory m = make_pe();
		put_info(&m, info, sizeof(info));
		struct made *c = convert(m);
		int32_t entry = code ? 8 : 0;
		assert_true(c->ok);
		assert_true(row_at(c, 0)->machine_frame);
		assert_cfa(c, 0, REGISTER_RSP, entry);
		assert_cfa(c, 1, REGISTER_RSP, entry + 8);
		assert_saved(c, 1, RBP, -entry - 8);
		assert_cfa(c, 8, REGISTER_RSP, entry + 0x28);
		assert_false(row_at(c, 0x100)->machine_frame);
		made_free(c);
	}
}

/* The second part saves RBX in the frame that the first one made. */
static void chained_data_begins_with_what_it_is_chained_to(void **state)
{
	(void)state;
	static const uint8_t first[] = { 1, 5, 2, 0, 5, 0x32, 1, 0x60 };
	uint8_t second[20] = { 1 | 4 << 3, 6, 2, 0, 6, 0x34, 6, 0 };
	struct module_memory m = make_pe();
	store_le(second + 8, MADE_CODE + 0x200, 4);
	store_le(second + 12, MADE_CODE + 0x300, 4);
	store_le(second + 16, INFO_2, 4);
	put_info(&m, second, sizeof(second));
	memcpy(m.bytes + INFO_2, first, sizeof(first));
	struct made *c = convert(m);
	assert_true(c->ok);
	assert_int_equal(c->u.info.primary, MADE_CODE + 0x200);
	assert_cfa(c, 0, REGISTER_RSP, 16 + 0x20);
	assert_saved(c, 0, 6, -16);
	assert_int_equal(row_at(c, 5)->saved, 1u << 6);
	assert_saved(c, 6, RBX, 0x30 - 16 - 0x20);
	made_free(c);
}

static void an_entry_may_point_to_another_entry(void **state)
{
	(void)state;
	static const uint8_t info[] = { 1, 4, 1, 0, 4, 0x42, 0, 0 };
	struct module_memory m = make_pe();
	put_info(&m, info, sizeof(info));
	store_le(m.bytes + MADE_PDATA + 8, (MADE_DATA + 0x80) | 1, 4);
	store_le(m.bytes + MADE_DATA + 0x80, MADE_CODE + 0x400, 4);
	store_le(m.bytes + MADE_DATA + 0x88, INFO, 4);
	struct made *c = convert(m);
	assert_true(c->ok);
	assert_cfa(c, 4, REGISTER_RSP, 8 + 0x28);
	assert_int_equal(c->u.info.primary, MADE_CODE + 0x400);
	made_free(c);
}

static void epilogue_codes_of_version_2_need_no_code(void **state)
{
	(void)state;
	static const uint8_t info[] = {
		2,    6,    6,
		0,    4,    0x16, /* epilogues have 4 bytes; one ends the function */
		0x40, 0x06,	  /* and one begins 40h before the end */
		0,    0x06,	  /* padding */
		6,    0x32,	  /* allocate 20h */
		3,    0xc0,	  /* push R12 */
		1,    0x50,	  /* push RBP */
	};
	struct module_memory m = make_pe();
	m.missing = MADE_CODE;
	m.missing_size = 0x1000;
	put_info(&m, info, sizeof(info));
	struct made *c = convert(m);
	static const uint32_t starts[] = { 0xc0, 0xfc };
	assert_true(c->ok);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t at = starts[i];
		assert_cfa(c, at - 1, REGISTER_RSP, 24 + 0x20);
		assert_cfa(c, at, REGISTER_RSP, 24);
		assert_saved(c, at, R12, -24);
		assert_cfa(c, at + 2, REGISTER_RSP, 16); /* behind pop r12 */
		assert_int_equal(row_at(c, at + 2)->saved, 1u << RBP);
		assert_cfa(c, at + 3, REGISTER_RSP, 8);
		assert_int_equal(row_at(c, at + 3)->saved, 0);
	}
	assert_cfa(c, 0xc4, REGISTER_RSP, 24 + 0x20);
	assert_int_equal(c->u.code_read, 0);
	made_free(c);
}

/* ---- version 1: the code tells ---- */

/* push rbp; push r12; sub rsp, 20h; then the bytes at offset 40h; int3 all around. */
static struct made *with_epilogue(const uint8_t *bytes, size_t size)
{
	static const uint8_t info[] = { 1, 7, 3, 0, 7, 0x32, 3, 0xc0, 1, 0x50, 0, 0 };
	struct module_memory m = make_pe();
	memset(m.bytes + MADE_CODE, 0xcc, 0x100);
	memcpy(m.bytes + MADE_CODE + 0x40, bytes, size);
	put_info(&m, info, sizeof(info));
	made_function(&m, 1, MADE_CODE + 0x200, MADE_CODE + 0x280, INFO);
	return convert(m);
}

static void all_ends_of_an_epilogue_are_known(void **state)
{
	(void)state;
	static const struct {
		uint8_t end[8];
		uint8_t size;
	} ends[] = {
		{ { 0xc3 }, 1 },
		{ { 0xf3, 0xc3 }, 2 },
		{ { 0xc2, 0, 0 }, 3 },
		{ { 0xff, 0x25, 1, 2, 3, 4 }, 6 },
		{ { 0x48, 0xff, 0x25, 1, 2, 3, 4 }, 7 },
		{ { 0x48, 0xff, 0xe0 }, 3 },
		{ { 0xff, 0xe0 }, 2 },
		{ { 0x41, 0xff, 0xe3 }, 3 },
		{ { 0xe9, 0xb4, 1, 0, 0 }, 5 },		 /* to the function at 200h */
		{ { 0xe9, 0xb0, 3, 0, 0 }, 5 },		 /* to a leaf at 3fch */
		{ { 0xe9, 0xb4, 0xff, 0xff, 0xff }, 5 }, /* to its own start */
		{ { 0xeb, 0xb7 }, 2 },
	};
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		uint8_t bytes[16] = { 0x48, 0x83, 0xc4, 0x20, 0x41, 0x5c, 0x5d };
		memcpy(bytes + 7, ends[i].end, ends[i].size);
		struct made *c = with_epilogue(bytes, 7u + ends[i].size);
		assert_cfa(c, 0x40, REGISTER_RSP, 24 + 0x20);
		assert_cfa(c, 0x44, REGISTER_RSP, 24);
		assert_cfa(c, 0x46, REGISTER_RSP, 16);
		assert_saved(c, 0x46, RBP, -16);
		assert_cfa(c, 0x47, REGISTER_RSP, 8);
		assert_cfa(c, 0x47u + ends[i].size, REGISTER_RSP, 24 + 0x20);
		made_free(c);
	}
}

static void what_only_looks_like_an_epilogue_is_none(void **state)
{
	(void)state;
	static const uint8_t no[][12] = {
		{ 0x41, 0x5c, 0x5d, 0xe9, 0x08, 0, 0, 0 }, /* a jump within */
		{ 0x41, 0x5c, 0x5d, 0xeb, 0x08 },
		{ 0x41, 0x5c, 0x5d, 0x90, 0xc3 },	/* something between */
		{ 0x5d, 0xc3 },				/* one pop is missing */
		{ 0x5d, 0x41, 0x5c, 0xc3 },		/* the other order */
		{ 0x41, 0x5c, 0x5d, 0xc2, 0x59, 0x0f }, /* no return of ours */
		{ 0x89, 0xc3 },				/* mov ebx, eax */
	};
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		struct made *c = with_epilogue(no[i], sizeof(no[i]));
		for (uint32_t at = 0x40; at < 0x50; at++)
			assert_cfa(c, at, REGISTER_RSP, 24 + 0x20);
		made_free(c);
	}
}

static void frames_without_pushes_show_their_release(void **state)
{
	(void)state;
	static const struct {
		uint8_t info[8], code[8];
		size_t size;
	} rows[] = {
		{ { 1, 4, 1, 0, 4, 0x42 }, { 0x48, 0x83, 0xc4, 0x28 }, 4 },
		{ { 1, 7, 2, 0, 7, 0x01, 0x80, 0 }, { 0x48, 0x81, 0xc4, 0, 4, 0, 0 }, 7 },
		{ { 1, 1, 1, 0, 1, 0x02 }, { 0x59 }, 1 },	      /* pop rcx */
		{ { 1, 1, 1, 0, 1, 0x02 }, { 0x41, 0x58 }, 2 },	      /* pop r8 */
		{ { 1, 4, 1, 0, 4, 0x42 }, { 0x49, 0x8b, 0xe3 }, 3 }, /* mov rsp, r11 */
		{ { 1, 7, 2, 0x05, 7, 0x03, 4, 0x42 }, { 0x48, 0x8d, 0x65, 0x28 }, 4 },
		{ { 1, 7, 2, 0x05, 7, 0x03, 4, 0x42 }, { 0x48, 0x89, 0xec }, 3 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct module_memory m = make_pe();
		memset(m.bytes + MADE_CODE, 0xcc, 0x100);
		memcpy(m.bytes + MADE_CODE + 0x40, rows[i].code, rows[i].size);
		m.bytes[MADE_CODE + 0x40 + rows[i].size] = 0xc3;
		put_info(&m, rows[i].info, sizeof(rows[i].info));
		struct made *c = convert(m);
		assert_true(row_at(c, 0x40)->cfa_offset > 8);
		assert_cfa(c, (uint32_t)(0x40 + rows[i].size), REGISTER_RSP, 8);
		made_free(c);
	}
}

/* ---- lies ---- */

static void a_chain_that_loops_is_refused(void **state)
{
	(void)state;
	uint8_t info[16] = { 1 | 4 << 3, 0, 0, 0 };
	struct module_memory m = make_pe();
	store_le(info + 4, MADE_CODE, 4);
	store_le(info + 8, MADE_CODE + 0x100, 4);
	store_le(info + 12, INFO, 4);
	put_info(&m, info, sizeof(info));
	struct made *c = convert(m);
	assert_false(c->ok);
	made_free(c);
	m = make_pe();
	put_info(&m, info, sizeof(info));
	store_le(m.bytes + MADE_PDATA + 8, MADE_PDATA | 1,
		 4); /* an entry that is itself */
	c = convert(m);
	assert_false(c->ok);
	made_free(c);
}

static void data_that_makes_no_sense_is_refused(void **state)
{
	(void)state;
	static const uint8_t no[][12] = {
		{ 0, 0, 0, 0 },				/* version 0 */
		{ 3, 0, 0, 0 },				/* version 3 */
		{ 1, 4, 1, 0, 4, 0x0b },		/* no such code */
		{ 1, 4, 1, 0, 4, 0x01 },		/* cut off */
		{ 1, 4, 2, 0, 4, 0x21, 1, 0 },		/* no such size */
		{ 1, 4, 3, 0, 4, 0x11, 1, 0, 0, 0 },	/* one byte is allocated */
		{ 1, 4, 3, 0, 4, 0x11, 0, 0, 0, 0x80 }, /* 2 GiB */
	};
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		struct module_memory m = make_pe();
		put_info(&m, no[i], sizeof(no[i]));
		struct made *c = convert(m);
		assert_false(c->ok);
		made_free(c);
	}
}

static void the_table_is_put_in_order_and_lies_in_it_are_counted(void **state)
{
	(void)state;
	struct module_memory m = make_pe();
	made_function(&m, 0, MADE_CODE + 0x50, MADE_CODE + 0x60, INFO);
	made_function(&m, 1, MADE_CODE, MADE_CODE + 0x10, INFO);
	made_function(&m, 2, MADE_CODE + 8, MADE_CODE + 0x20, INFO); /* overlaps */
	made_function(&m, 3, MADE_CODE + 0x30, MADE_CODE + 0x20, INFO);
	made_function(&m, 4, MADE_CODE + 0x30, 0xffffffff, INFO);
	made_function(&m, 5, MADE_CODE + 0x30, MADE_CODE + 0x40, 0xfffffff0);
	made_function(&m, 6, MADE_CODE + 0x30, MADE_CODE + 0x30, INFO); /* empty */
	made_function(&m, 7, 0, 0, 0);
	struct made *c = convert(m);
	assert_int_equal(c->table.count, 2);
	assert_int_equal(c->table.refused, 4);
	assert_int_equal(c->table.functions[0].begin, MADE_CODE);
	assert_ptr_equal(unwind_table_find(&c->table, MADE_CODE + 0x5f),
			 &c->table.functions[1]);
	assert_null(unwind_table_find(&c->table, MADE_CODE + 0x60));
	assert_null(unwind_table_find(&c->table, MADE_CODE + 0x10));
	made_free(c);
}

static void random_unwind_data_ends(void **state)
{
	(void)state;
	static const uint8_t likely[] = {
		0x58, 0x5b, 0xc3, 0x41, 0x48, 0xff, 0xe9, 0x83
	};
	uint64_t seed = 11;
	for (unsigned round = 0; round < 3000; round++) {
		struct module_memory m = make_pe();
		for (size_t i = 0; i < 0x400; i += 8)
			store_le(m.bytes + MADE_DATA + i, test_random(&seed), 8);
		m.bytes[INFO] = (uint8_t)(1 + round % 2 + (round % 3 == 0 ? 4 << 3 : 0));
		for (size_t i = 0; i < 0x100; i++)
			m.bytes[MADE_CODE + i] = likely[test_random(&seed) % 8];
		made_function(&m, 0, MADE_CODE, MADE_CODE + 0x100, INFO);
		struct made *c = convert(m);
		for (size_t i = 1; i < c->u.rows.count && c->ok; i++)
			assert_true(c->u.rows.rows[i - 1].rva < c->u.rows.rows[i].rva);
		made_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_of_version_1_is_understood),
		cmocka_unit_test(a_frame_register_takes_over),
		cmocka_unit_test(machine_frames_with_and_without_an_error_code),
		cmocka_unit_test(chained_data_begins_with_what_it_is_chained_to),
		cmocka_unit_test(an_entry_may_point_to_another_entry),
		cmocka_unit_test(epilogue_codes_of_version_2_need_no_code),
		cmocka_unit_test(all_ends_of_an_epilogue_are_known),
		cmocka_unit_test(what_only_looks_like_an_epilogue_is_none),
		cmocka_unit_test(frames_without_pushes_show_their_release),
		cmocka_unit_test(a_chain_that_loops_is_refused),
		cmocka_unit_test(data_that_makes_no_sense_is_refused),
		cmocka_unit_test(the_table_is_put_in_order_and_lies_in_it_are_counted),
		cmocka_unit_test(random_unwind_data_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
