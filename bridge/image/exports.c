#include "bridge/image/exports.h"

#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"

enum { DIRECTORY_SIZE = 40 };

struct directory {
	uint32_t functions, names; /* counts */
	uint32_t function_table, name_table, ordinal_table;
};

/* The directory's bytes; linkers put its tables and names there, too. */
struct block {
	uint32_t rva, size;
	uint8_t *bytes;
};

static bool read_directory(const struct block *b, struct directory *d)
{
	struct reader r = rd_init(b->bytes, b->size);
	rd_skip(&r, 20); /* flags, time, version, name, ordinal base */
	d->functions = rd_le32(&r);
	d->names = rd_le32(&r);
	d->function_table = rd_le32(&r);
	d->name_table = rd_le32(&r);
	d->ordinal_table = rd_le32(&r);
	return rd_ok(&r) && d->names <= EXPORTS_MAX && d->functions <= EXPORTS_MAX;
}

/* n bytes of the block at an RVA; NULL: not in it. */
static const uint8_t *block_at(const struct block *b, uint64_t rva, size_t n)
{
	if (rva < b->rva || rva - b->rva > b->size || n > b->size - (rva - b->rva))
		return NULL;
	return b->bytes + (rva - b->rva);
}

/* A table, from the block or from elsewhere in the image; malloc'ed. */
static uint8_t *read_table(struct image_memory *memory, const struct pe *pe,
			   const struct block *b, uint32_t rva, size_t size)
{
	const uint8_t *inside = block_at(b, rva, size);
	uint8_t *table = calloc(1, size ? size : 1);
	if (!table)
		return NULL;
	if (inside) {
		memcpy(table, inside, size);
	} else if (rva >= pe->image_size || size > pe->image_size - rva ||
		   !image_memory_read(memory, rva, table, size)) {
		free(table);
		return NULL;
	}
	return table;
}

/* Length of a name that a symbol table can hold; 0: it cannot. */
static size_t name_length(const struct block *b, uint32_t rva)
{
	const uint8_t *p = block_at(b, rva, 1);
	size_t left = p ? b->size - (rva - b->rva) : 0, n = 0;
	while (n < left && n <= EXPORT_NAME_MAX && p[n] > ' ' && p[n] < 0x7f)
		n++;
	return n < left && n <= EXPORT_NAME_MAX && p[n] == 0 ? n : 0;
}

struct tables {
	uint8_t *functions, *names, *ordinals;
};

static void add_names(struct exports *out, const struct pe *pe, const struct block *b,
		      const struct directory *d, const struct tables *t)
{
	for (uint32_t i = 0; i < d->names; i++) {
		uint32_t name = (uint32_t)load_le(t->names + (size_t)i * 4, 4);
		size_t ordinal = load_le(t->ordinals + (size_t)i * 2, 2);
		if (ordinal >= d->functions || name_length(b, name) == 0)
			continue;
		uint32_t rva = (uint32_t)load_le(t->functions + ordinal * 4, 4);
		bool forwarded = block_at(b, rva, 1) != NULL;
		if (rva == 0 || rva >= pe->image_size || forwarded)
			continue;
		out->names[out->count++] =
			(struct export_name){ rva,
					      (const char *)b->bytes + (name - b->rva) };
	}
}

static void read_names(struct image_memory *memory, const struct pe *pe,
		       const struct block *b, struct exports *out)
{
	struct directory d;
	if (!read_directory(b, &d))
		return;
	struct tables t = {
		read_table(memory, pe, b, d.function_table, (size_t)d.functions * 4),
		read_table(memory, pe, b, d.name_table, (size_t)d.names * 4),
		read_table(memory, pe, b, d.ordinal_table, (size_t)d.names * 2),
	};
	out->names = calloc(d.names ? d.names : 1, sizeof(*out->names));
	if (out->names && t.functions && t.names && t.ordinals)
		add_names(out, pe, b, &d, &t);
	free(t.functions);
	free(t.names);
	free(t.ordinals);
}

bool exports_read(struct image_memory *memory, const struct pe *pe, struct exports *out)
{
	const struct pe_directory *d = &pe->directories[PE_DIRECTORY_EXPORT];
	memset(out, 0, sizeof(*out));
	if (d->size < DIRECTORY_SIZE || d->size > EXPORTS_BYTES_MAX)
		return true;
	struct block b = { d->rva, d->size, calloc(1, d->size) };
	if (!b.bytes)
		return false;
	out->text = (char *)b.bytes;
	if (image_memory_read(memory, b.rva, b.bytes, b.size))
		read_names(memory, pe, &b, out);
	return !image_memory_was_interrupted(memory);
}

void exports_wipe(struct exports *exports)
{
	free(exports->names);
	free(exports->text);
	memset(exports, 0, sizeof(*exports));
}
