/* An image kept on disk, its trailer and the COFF symbols in it, and a PDB's record. */
#include "test/fuzz/fuzz.h"

#include "bridge/image/cache_file.h"
#include "bridge/image/image_symbols.h"
#include "bridge/image/rsds.h"
#include "bridge/image/sparse.h"

static void read_symbols(const struct served_image *image)
{
	char name[IMAGE_SYMBOL_MAX];
	uint32_t distance, rva;
	for (uint32_t at = 0; at < 0x8000; at += 0x3fd) {
		if (!image_symbol_near(image, at, name, &distance))
			continue;
		must(distance <= at && strlen(name) < sizeof(name));
		(void)image_symbol_find(image, name, &rva);
	}
	(void)image_symbol_find(image, "nt!main", &rva);
}

/* The bytes as a kept file holds them, whole and of the build asked for. */
static void read_kept(const uint8_t *data, size_t size)
{
	static const struct image_key key = { "x.sys", 1, 0x10000, 3 };
	struct served_image *image = sparse_new(size, 0x1000);
	must(image != NULL);
	if (size > 0 && sparse_add_copy(image, 0, data, size)) {
		int fd = fuzz_file(NULL, 0);
		must(cache_file_write(fd, &key, IMAGE_FOR_GDB, image));
		struct served_image *again = cache_file_read(fd, &key, IMAGE_FOR_GDB);
		must(again != NULL && served_image_size(again) == size);
		read_symbols(again);
		served_image_free(again);
		close(fd);
	}
	served_image_free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct image_key key = { "x.sys", 0, 0, 0 };
	const char *shown;
	struct rsds rsds;
	int fd = fuzz_file(data, size);
	served_image_free(cache_file_read(fd, &key, IMAGE_FOR_GDB));
	close(fd);
	if (rsds_section_read(data, size, &rsds, &shown))
		must(strlen(shown) < size && strlen(rsds.path) < RSDS_PATH_MAX);
	read_kept(data, size);
	return 0;
}
