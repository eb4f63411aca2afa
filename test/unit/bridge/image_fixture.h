/* What the tests of bridge/image share: PE files mapped as a loader would, as sources. */
#ifndef IMAGE_FIXTURE_H
#define IMAGE_FIXTURE_H

#include <stdio.h>

#include "bridge/image/image_source.h"
#include "bridge/image/pe.h"
#include "bridge/image/served_image.h"
#include "kdnet/wire.h"
#include "test/util.h"

/* A module in memory: what a target would have. */
struct module_memory {
	uint8_t *bytes;
	size_t size;
	uint64_t missing, missing_size; /* a range that is not there */
	unsigned refuse_after; /* calls until the source says not now; 0: never */
	unsigned calls;
	uint64_t asked; /* bytes */
};

static inline bool module_read(void *context, uint64_t rva, void *out, size_t length,
			       size_t *done)
{
	struct module_memory *m = context;
	m->calls++;
	if (m->refuse_after && m->calls > m->refuse_after)
		return false;
	uint64_t end = m->size;
	if (m->missing_size && rva < m->missing + m->missing_size)
		end = rva < m->missing ? m->missing : rva;
	*done = rva >= end ? 0 : end - rva < length ? (size_t)(end - rva) : length;
	memcpy(out, m->bytes + (*done ? rva : 0), *done);
	m->asked += *done;
	return true;
}

static inline struct image_memory *module_source(struct module_memory *m)
{
	struct image_source source = { m, module_read };
	struct image_memory *memory = image_memory_new(&source);
	assert_non_null(memory);
	return memory;
}

static inline uint8_t *file_bytes(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	*size = 0;
	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	*size = (size_t)ftell(f);
	rewind(f);
	uint8_t *bytes = malloc(*size + 1);
	if (bytes && fread(bytes, 1, *size, f) != *size)
		*size = 0;
	fclose(f);
	return bytes;
}

/* Maps a PE file; bytes is NULL when there is no such file. Its headers are trusted. */
static inline struct module_memory map_file(const char *path)
{
	struct module_memory m = { 0 };
	size_t size = 0;
	uint8_t *file = file_bytes(path, &size);
	if (!file)
		return m;
	size_t pe = load_le(file + 0x3c, 4), count = load_le(file + pe + 6, 2);
	const uint8_t *s = file + pe + 24 + load_le(file + pe + 20, 2);
	m.size = load_le(file + pe + 24 + 56, 4);
	m.bytes = calloc(1, m.size);
	memcpy(m.bytes, file, load_le(file + pe + 24 + 60, 4));
	for (size_t i = 0; i < count; i++, s += 40) {
		size_t n = load_le(s + 16, 4), at = load_le(s + 12, 4);
		if (n > load_le(s + 8, 4))
			n = load_le(s + 8, 4);
		if (load_le(s + 20, 4) + n <= size && at + n <= m.size)
			memcpy(m.bytes + at, file + load_le(s + 20, 4), n);
	}
	free(file);
	return m;
}

static inline struct module_memory map_guest(const char *name)
{
	char path[1024];
	const char *folder = getenv("KDSIM_GUEST");
	snprintf(path, sizeof(path), "%s/%s", folder ? folder : GUEST_IMAGES, name);
	struct module_memory m = map_file(path);
	if (!m.bytes)
		fail_msg("no %s", path);
	return m;
}

static inline struct pe headers_of(struct module_memory *m)
{
	struct pe pe;
	struct image_memory *memory = module_source(m);
	assert_int_equal(pe_read(memory, &pe), PE_OK);
	image_memory_free(memory);
	return pe;
}

/* Where the optional header and the section table begin. */
static inline uint8_t *optional_header(struct module_memory *m)
{
	return m->bytes + load_le(m->bytes + 0x3c, 4) + 24;
}

static inline uint8_t *section_header(struct module_memory *m, unsigned n)
{
	uint8_t *optional = optional_header(m);
	return optional + load_le(optional - 4, 2) + 40 * (size_t)n;
}

/* The whole file that a client would get, malloc'ed. */
static inline uint8_t *whole_image(const struct served_image *image, size_t *size)
{
	*size = (size_t)served_image_size(image);
	uint8_t *bytes = malloc(*size);
	assert_non_null(bytes);
	assert_int_equal(served_image_read(image, 0, bytes, *size), *size);
	return bytes;
}

#endif
