#include "bridge/image/rsds.h"

#include <string.h>

#include "kdnet/wire.h"

enum {
	TYPE_CODEVIEW = 2,
	ENTRIES_MAX = 16,
	HEAD_SIZE = 24,	      /* "RSDS", GUID, age */
	RECORD_OFFSET = 0x20, /* in our section, behind the entry */
};

static const uint8_t magic[4] = "RSDS";

/* The record of one entry, if it is one. False: interrupted. */
static bool read_record(struct image_memory *memory, uint32_t rva, size_t size,
			struct rsds *out)
{
	uint8_t bytes[HEAD_SIZE + RSDS_PATH_MAX];
	size = size < sizeof(bytes) ? size : sizeof(bytes);
	if (size <= HEAD_SIZE)
		return true;
	if (!image_memory_read(memory, rva, bytes, size))
		return !image_memory_was_interrupted(memory);
	size_t length = strnlen((const char *)bytes + HEAD_SIZE, size - HEAD_SIZE);
	if (memcmp(bytes, magic, sizeof(magic)) != 0 || length == size - HEAD_SIZE)
		return true;
	memcpy(out->guid, bytes + 4, sizeof(out->guid));
	out->age = (uint32_t)load_le(bytes + 20, 4);
	memcpy(out->path, bytes + HEAD_SIZE, length + 1);
	return true;
}

bool rsds_read(struct image_memory *memory, const struct pe *pe, struct rsds *out)
{
	const struct pe_directory *d = &pe->directories[PE_DIRECTORY_DEBUG];
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < ENTRIES_MAX && (i + 1) * RSDS_DIRECTORY_SIZE <= d->size;
	     i++) {
		uint8_t entry[RSDS_DIRECTORY_SIZE];
		uint64_t at = d->rva + (uint64_t)i * RSDS_DIRECTORY_SIZE;
		if (!image_memory_read(memory, at, entry, sizeof(entry)))
			return !image_memory_was_interrupted(memory);
		uint32_t rva = (uint32_t)load_le(entry + 20, 4);
		if (load_le(entry + 12, 4) != TYPE_CODEVIEW || rva == 0 ||
		    rva >= pe->image_size)
			continue;
		return read_record(memory, rva, (size_t)load_le(entry + 16, 4), out);
	}
	return true;
}

const char *rsds_file_name(const struct rsds *rsds)
{
	const char *name = rsds->path;
	for (const char *c = rsds->path; *c; c++)
		if (*c == '/' || *c == '\\')
			name = c + 1;
	return name;
}

bool rsds_section_write(const struct rsds *rsds, const char *shown, uint32_t rva,
			uint8_t *out, size_t size)
{
	struct writer w = wr_init(out, size);
	memset(out, 0, size);
	wr_zeros(&w, 12); /* flags, time, version */
	wr_le32(&w, TYPE_CODEVIEW);
	wr_le32(&w, (uint32_t)(HEAD_SIZE + strlen(shown) + 1));
	wr_le32(&w, rva + RECORD_OFFSET);
	wr_le32(&w, rva + RECORD_OFFSET); /* the file lies as the memory does */
	wr_zeros_to(&w, RECORD_OFFSET);
	wr_bytes(&w, magic, sizeof(magic));
	wr_bytes(&w, rsds->guid, sizeof(rsds->guid));
	wr_le32(&w, rsds->age);
	wr_bytes(&w, shown, strlen(shown) + 1);
	wr_bytes(&w, rsds->path, strlen(rsds->path) + 1);
	return wr_ok(&w);
}

/* A string that ends; NULL: it does not. */
static const char *rd_string(struct reader *r)
{
	const uint8_t *end = memchr(r->pos, 0, r->left);
	return end ? (const char *)rd_bytes(r, (size_t)(end - r->pos) + 1) : NULL;
}

bool rsds_section_read(const uint8_t *bytes, size_t size, struct rsds *rsds,
		       const char **shown)
{
	struct reader r = rd_init(bytes, size);
	rd_skip(&r, RECORD_OFFSET);
	const uint8_t *found = rd_bytes(&r, sizeof(magic));
	rd_copy(&r, rsds->guid, sizeof(rsds->guid));
	rsds->age = rd_le32(&r);
	if (!rd_ok(&r) || memcmp(found, magic, sizeof(magic)) != 0)
		return false;
	*shown = rd_string(&r);
	const char *path = *shown ? rd_string(&r) : NULL;
	if (!path || strlen(path) >= sizeof(rsds->path))
		return false;
	strcpy(rsds->path, path);
	return true;
}
