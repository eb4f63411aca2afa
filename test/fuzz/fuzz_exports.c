/* An export directory, in a module that is well-formed otherwise. */
#include "test/fuzz/fuzz.h"

#include "bridge/image/exports.h"

enum { DIRECTORY = 0x1000, IMAGE = 0x8000 };

struct input {
	const uint8_t *data;
	size_t size;
};

static bool read_input(void *context, uint64_t rva, void *out, size_t length,
		       size_t *done)
{
	const struct input *in = context;
	memset(out, 0, length);
	*done = length;
	if (rva + length <= DIRECTORY || rva >= DIRECTORY + in->size)
		return true;
	uint64_t from = rva > DIRECTORY ? rva : DIRECTORY;
	size_t left = (size_t)(DIRECTORY + in->size - from);
	size_t room = (size_t)(rva + length - from);
	memcpy((uint8_t *)out + (from - rva), in->data + (from - DIRECTORY),
	       left < room ? left : room);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exports exports;
	uint32_t claimed = (uint32_t)fuzz_byte(&data, &size) * 256;
	struct input in = { data, size };
	struct image_source source = { &in, read_input };
	struct image_memory *memory = image_memory_new(&source);
	struct pe pe = { .machine = PE_MACHINE_AMD64, .image_size = IMAGE };
	pe.directories[PE_DIRECTORY_EXPORT] = (struct pe_directory){
		DIRECTORY, claimed < IMAGE - DIRECTORY ? claimed : IMAGE - DIRECTORY
	};
	must(memory != NULL && exports_read(memory, &pe, &exports));
	must(exports.count <= EXPORTS_MAX);
	for (size_t i = 0; i < exports.count; i++) {
		must(exports.names[i].rva < IMAGE);
		must(strlen(exports.names[i].name) <= EXPORT_NAME_MAX);
		for (const char *c = exports.names[i].name; *c; c++)
			must(*c > ' ' && *c <= '~');
	}
	exports_wipe(&exports);
	image_memory_free(memory);
	return 0;
}
