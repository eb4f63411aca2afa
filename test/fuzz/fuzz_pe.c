/* A module whose every byte is a target's lie: headers, exports, unwind data, code. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/image/served_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
	unsigned refuse_in; /* questions until the source says not now; 0: never */
};

/* The input lies at 0; behind it the module is zeros, but for pages that are missing. */
static bool read_input(void *context, uint64_t rva, void *out, size_t length,
		       size_t *done)
{
	struct input *in = context;
	if (in->refuse_in && --in->refuse_in == 0)
		return false;
	memset(out, 0, length);
	*done = length;
	if (rva < in->size)
		memcpy(out, in->data + rva,
		       in->size - rva < length ? in->size - rva : length);
	else if (rva >> 12 & 1)
		*done = 0;
	return true;
}

static void read_all(const struct served_image *image)
{
	uint8_t bytes[4096];
	uint64_t size = served_image_size(image);
	for (uint64_t at = 0; at < size; at += size / 64 + 1)
		(void)served_image_read(image, at, bytes, sizeof(bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct input in = { data + 1, size - 1, data[0] & 7 };
	struct image_source source = { &in, read_input };
	struct image_memory *memory = image_memory_new(&source);
	struct image_request request = { .name = data[0] & 8 ? "ntoskrnl.exe" : "x.sys",
					 .base = 0xfffff80000000000,
					 .client = data[0] & 16 ? IMAGE_FOR_LLDB
								: IMAGE_FOR_GDB,
					 .code_max = data[0] & 32 ? 100 : SIZE_MAX };
	struct served_image *image = NULL;
	struct image_summary summary;
	enum image_result result = served_image_build(memory, &request, &image, &summary);
	if (result == IMAGE_INTERRUPTED)
		result = served_image_build(memory, &request, &image, &summary);
	if ((result == IMAGE_OK) != (image != NULL))
		abort();
	if (image)
		read_all(image);
	served_image_free(image);
	image_memory_free(memory);
	return 0;
}
