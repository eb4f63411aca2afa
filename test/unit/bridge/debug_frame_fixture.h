/* The .debug_frame of a module, and the witness's verdict over all of its functions. */
#ifndef DEBUG_FRAME_FIXTURE_H
#define DEBUG_FRAME_FIXTURE_H

#include "test/unit/bridge/image_fixture.h"
#include "test/unit/bridge/symbolic.h"

#include "bridge/image/unwind_info.h"

struct converted {
	struct image_summary summary;
	uint8_t *image; /* the whole served file */
	size_t size;
	struct cfi cfi;
	uint64_t read; /* bytes asked of the module */
};

static inline struct converted convert_for(enum image_client client,
					   struct module_memory *m, const char *name,
					   uint64_t base, size_t code_max)
{
	struct converted c = { .size = 0 };
	struct served_image *image;
	struct image_memory *memory = module_source(m);
	struct image_request request = {
		.name = name, .base = base, .client = client, .code_max = code_max
	};
	assert_int_equal(served_image_build(memory, &request, &image, &c.summary),
			 IMAGE_OK);
	c.read = image_memory_bytes_read(memory);
	c.image = whole_image(image, &c.size);
	size_t at = (m->size + 0xfff) / 0x1000 * 0x1000;
	c.cfi = cfi_parse(c.image + at, c.summary.debug_frame);
	served_image_free(image);
	image_memory_free(memory);
	return c;
}

static inline struct converted convert(struct module_memory *m, const char *name,
				       uint64_t base, size_t code_max)
{
	return convert_for(IMAGE_FOR_GDB, m, name, base, code_max);
}

static inline void converted_wipe(struct converted *c)
{
	cfi_wipe(&c->cfi);
	free(c->image);
}

/* ---- the witness over a module ---- */

struct module_functions {
	struct image_memory *memory;
	struct unwind_table table;
	uint32_t *primaries;
	struct unwind_info info;
};

static inline struct module_functions *functions_of(struct module_memory *m)
{
	struct module_functions *f = calloc(1, sizeof(*f));
	struct pe pe = headers_of(m);
	f->memory = module_source(m);
	assert_true(unwind_table_read(f->memory, &pe, &f->table));
	f->primaries = calloc(f->table.count + 1, sizeof(*f->primaries));
	for (size_t i = 0; i < f->table.count; i++) {
		assert_true(
			unwind_info_read(f->memory, &f->table.functions[i], &f->info));
		f->primaries[i] = f->info.primary;
	}
	return f;
}

static inline void functions_free(struct module_functions *f)
{
	unwind_table_wipe(&f->table);
	image_memory_free(f->memory);
	free(f->primaries);
	free(f);
}

static inline uint32_t function_at(const struct module_functions *f, uint32_t rva)
{
	const struct unwind_function *found = unwind_table_find(&f->table, rva);
	return found ? f->primaries[found - f->table.functions] : 0;
}

static inline bool in_one_function(void *context, uint32_t from, uint32_t to)
{
	const struct module_functions *f = context;
	return function_at(f, from) != 0 && function_at(f, from) == function_at(f, to);
}

/* Every instruction that the witness reaches; w's results are the verdict. */
static inline void witness_module(struct symbolic_walk *w, struct module_memory *m,
				  struct converted *c, uint64_t base)
{
	struct module_functions *f = functions_of(m);
	*w = (struct symbolic_walk){ .image = m->bytes,
				     .size = m->size,
				     .base = base,
				     .cfi = &c->cfi,
				     .same_function = in_one_function,
				     .context = f };
	symbolic_open(w);
	for (size_t i = 0; i < f->table.count; i++) {
		uint32_t begin = f->table.functions[i].begin;
		const struct cfi_row *row = cfi_row_at(&c->cfi, base + begin);
		if (row && f->primaries[i] == begin)
			symbolic_function(w, begin, row);
	}
	symbolic_close(w);
	functions_free(f);
}

#endif
