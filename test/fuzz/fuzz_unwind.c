/* Unwind data and code of one function, in a module that is well-formed otherwise. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/image/debug_frame.h"
#include "bridge/image/unwind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CODE = 0x1000, CODE_SIZE = 0x100, INFO = 0x2000 };

struct input {
	const uint8_t *code, *info;
	size_t code_size, info_size;
};

static void copy_from(uint8_t *out, uint64_t rva, size_t length, uint64_t at,
		      const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at + i >= rva && at + i - rva < length)
			out[at + i - rva] = bytes[i];
}

static bool read_input(void *context, uint64_t rva, void *out, size_t length,
		       size_t *done)
{
	const struct input *in = context;
	memset(out, 0, length);
	*done = length;
	copy_from(out, rva, length, CODE, in->code, in->code_size);
	copy_from(out, rva, length, INFO, in->info, in->info_size);
	return true;
}

static void check_rows(const struct unwind_rows *rows)
{
	for (size_t i = 1; i < rows->count; i++)
		if (rows->rows[i - 1].rva >= rows->rows[i].rva)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t code = size < CODE_SIZE ? size : CODE_SIZE;
	struct input in = { data, data + code, code, size - code };
	struct image_source source = { &in, read_input };
	struct image_memory *memory = image_memory_new(&source);
	struct unwind_function functions[] = { { CODE, CODE + CODE_SIZE, INFO },
					       { CODE + 0x200, CODE + 0x300, INFO + 8 } };
	uint32_t primaries[] = { CODE, CODE + 0x200 };
	struct unwind_table table = { functions, 2, 0 };
	struct unwinder *u = calloc(1, sizeof(*u));
	*u = (struct unwinder){ .memory = memory,
				.table = &table,
				.primaries = primaries,
				.code_left = SIZE_MAX };
	struct debug_frame frame;
	if (!debug_frame_init(&frame, 0x140000000))
		abort();
	for (size_t i = 0; i < 2; i++)
		if (unwind_function_rows(u, &functions[i])) {
			check_rows(&u->rows);
			(void)debug_frame_add(&frame, u->rows.rows, u->rows.count,
					      functions[i].end + 16);
		}
	if (!debug_frame_finish(&frame))
		abort();
	debug_frame_wipe(&frame);
	unwinder_wipe(u);
	free(u);
	image_memory_free(memory);
	return 0;
}
