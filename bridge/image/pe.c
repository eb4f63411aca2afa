#include "bridge/image/pe.h"

#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"

enum {
	DOS_MAGIC = 0x5a4d, /* MZ */
	DOS_PE_OFFSET = 0x3c,
	DOS_SIZE = 0x40,
	PE_MAGIC = 0x4550,
	COFF_SIZE = 24, /* with the magic */
	OPTIONAL_PE32 = 0x10b,
	OPTIONAL_PE32_PLUS = 0x20b,
	SECTION_SIZE = 40,
	HEADERS_MAX = 64 << 10, /* section tables end long before */
};

struct coff {
	uint16_t sections;
	uint16_t optional_size;
};

static bool read_coff(struct reader *r, struct pe *pe, struct coff *coff)
{
	if (rd_le32(r) != PE_MAGIC)
		return false;
	pe->machine = rd_le16(r);
	coff->sections = rd_le16(r);
	pe->timestamp = rd_le32(r);
	rd_skip(r, 8); /* symbols: of the file, not in memory */
	coff->optional_size = rd_le16(r);
	pe->characteristics = rd_le16(r);
	return rd_ok(r);
}

static void read_directories(struct reader *r, struct pe *pe)
{
	uint32_t count = rd_le32(r);
	for (uint32_t i = 0; i < count && i < PE_DIRECTORIES && rd_ok(r); i++) {
		struct pe_directory d;
		d.rva = rd_le32(r);
		d.size = rd_le32(r);
		if (d.rva == 0 || d.size == 0 || d.rva >= pe->image_size)
			continue;
		if (d.size > pe->image_size - d.rva)
			d.size = pe->image_size - d.rva;
		pe->directories[i] = d;
	}
}

static bool read_optional(struct reader *r, struct pe *pe)
{
	uint16_t magic = rd_le16(r);
	pe->plus = magic == OPTIONAL_PE32_PLUS;
	if (!pe->plus && magic != OPTIONAL_PE32)
		return false;
	rd_skip(r, 14); /* linker version, sizes of code and data */
	pe->entry = rd_le32(r);
	rd_skip(r, pe->plus ? 4 : 8); /* base of code, of data */
	pe->image_base = rd_le(r, pe->plus ? 8 : 4);
	rd_skip(r, 24); /* alignments, versions */
	pe->image_size = rd_le32(r);
	pe->headers_size = rd_le32(r);
	pe->checksum = rd_le32(r);
	pe->subsystem = rd_le16(r);
	rd_skip(r, 2);				      /* DLL characteristics */
	rd_skip(r, (pe->plus ? 4u * 8 : 4u * 4) + 4); /* stack, heap, loader flags */
	if (!rd_ok(r) || pe->image_size == 0 || pe->image_size > IMAGE_SIZE_MAX)
		return false;
	read_directories(r, pe);
	if (pe->entry >= pe->image_size)
		pe->entry = 0;
	return rd_ok(r);
}

static void read_name(const uint8_t *raw, char name[static 9])
{
	size_t n = 0;
	while (n < 8 && raw[n] > ' ' && raw[n] < 0x7f)
		n++;
	memcpy(name, raw, n);
	name[n] = 0;
	if (name[0] == '/') /* the file's string table is not in memory */
		name[0] = '_';
}

static bool read_section(struct reader *r, const struct pe *pe, struct pe_section *s)
{
	uint8_t name[8];
	rd_copy(r, name, sizeof(name));
	read_name(name, s->name);
	s->size = rd_le32(r);
	s->rva = rd_le32(r);
	s->raw_size = rd_le32(r);
	s->raw_offset = rd_le32(r);
	rd_skip(r, 12); /* relocations, lines */
	s->flags = rd_le32(r);
	if (s->size == 0)
		s->size = s->raw_size;
	if (!rd_ok(r) || s->rva == 0 || s->rva >= pe->image_size || s->size == 0)
		return false;
	if (s->size > pe->image_size - s->rva)
		s->size = pe->image_size - s->rva;
	return true;
}

static int by_address(const void *a, const void *b)
{
	const struct pe_section *x = a, *y = b;
	return (x->rva > y->rva) - (x->rva < y->rva);
}

/* Sections in order; of two that overlap the later one goes. */
static void read_sections(struct reader *r, struct pe *pe, unsigned count)
{
	for (unsigned i = 0; i < count && i < PE_SECTIONS_MAX && rd_ok(r); i++)
		if (read_section(r, pe, &pe->sections[pe->section_count]))
			pe->section_count++;
	qsort(pe->sections, pe->section_count, sizeof(pe->sections[0]), by_address);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < pe->section_count; i++) {
		const struct pe_section *last = kept ? &pe->sections[kept - 1] : NULL;
		if (!last || pe->sections[i].rva - last->rva >= last->size)
			pe->sections[kept++] = pe->sections[i];
	}
	pe->section_count = kept;
}

static enum pe_result failure(const struct image_memory *memory)
{
	return image_memory_was_interrupted(memory) ? PE_INTERRUPTED : PE_BAD;
}

static bool decode(const uint8_t *headers, size_t size, struct pe *pe)
{
	struct coff coff;
	struct reader r = rd_init(headers, size);
	if (!read_coff(&r, pe, &coff))
		return false;
	struct reader optional = rd_sub(&r, coff.optional_size);
	if (!read_optional(&optional, pe))
		return false;
	read_sections(&r, pe, coff.sections);
	return true;
}

enum pe_result pe_read(struct image_memory *memory, struct pe *pe)
{
	uint8_t dos[DOS_SIZE], coff[COFF_SIZE];
	memset(pe, 0, sizeof(*pe));
	if (!image_memory_read(memory, 0, dos, sizeof(dos)))
		return failure(memory);
	uint32_t offset = (uint32_t)load_le(dos + DOS_PE_OFFSET, 4);
	if (load_le(dos, 2) != DOS_MAGIC || offset > HEADERS_MAX)
		return PE_BAD;
	if (!image_memory_read(memory, offset, coff, sizeof(coff)))
		return failure(memory);
	/* as much as the two counts say, so that one KD exchange is enough for most */
	size_t sections = load_le(coff + 6, 2);
	sections = sections < PE_SECTIONS_MAX ? sections : PE_SECTIONS_MAX;
	size_t size = COFF_SIZE + (size_t)load_le(coff + 20, 2) + sections * SECTION_SIZE;
	uint8_t *headers = malloc(size);
	if (!headers)
		return PE_BAD;
	enum pe_result result = PE_BAD;
	if (!image_memory_read(memory, offset, headers, size))
		result = failure(memory);
	else if (decode(headers, size, pe))
		result = PE_OK;
	free(headers);
	return result;
}

const struct pe_section *pe_section_of(const struct pe *pe, uint32_t rva)
{
	for (uint32_t i = 0; i < pe->section_count; i++) {
		const struct pe_section *s = &pe->sections[i];
		if (rva >= s->rva && rva - s->rva < s->size)
			return s;
	}
	return NULL;
}

bool pe_is_code(const struct pe_section *section)
{
	return section->flags & (PE_SECTION_CODE | PE_SECTION_MEMORY_EXECUTE);
}
