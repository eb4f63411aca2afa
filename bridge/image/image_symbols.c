#include "bridge/image/image_symbols.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bridge/image/coff.h"
#include "kdnet/wire.h"

/* The offsets of Microsoft's PE format that lead to the table. */
enum {
	PE_OFFSET = 0x3c,
	PE_HEADER_SIZE = 24,
	SECTION_HEADER_SIZE = 40,
	SECTIONS_MAX = 97, /* and .debug_frame */
};

struct table {
	const struct served_image *image;
	uint64_t at, strings;
	uint32_t count;
	uint32_t sections[SECTIONS_MAX]; /* RVAs */
	uint16_t section_count;
};

struct symbol {
	uint64_t string; /* where in the file */
	uint32_t rva;
	uint16_t section;
};

static bool read_all(const struct served_image *image, uint64_t offset, void *out,
		     size_t length)
{
	return served_image_read(image, offset, out, length) == length;
}

static bool open_sections(struct table *t, uint64_t at)
{
	for (uint16_t i = 0; i < t->section_count; i++) {
		uint8_t header[SECTION_HEADER_SIZE];
		if (!read_all(t->image, at + i * sizeof(header), header, sizeof(header)))
			return false;
		t->sections[i] = (uint32_t)load_le(header + 12, 4);
	}
	return true;
}

static bool open_table(const struct served_image *image, struct table *t)
{
	uint8_t bytes[PE_HEADER_SIZE];
	*t = (struct table){ .image = image };
	if (!read_all(image, PE_OFFSET, bytes, 4))
		return false;
	uint64_t pe = load_le(bytes, 4);
	if (!read_all(image, pe, bytes, sizeof(bytes)))
		return false;
	struct reader r = rd_init(bytes, sizeof(bytes));
	rd_skip(&r, 6);
	t->section_count = rd_le16(&r);
	rd_skip(&r, 4);
	t->at = rd_le32(&r);
	t->count = rd_le32(&r);
	uint16_t optional = rd_le16(&r);
	t->strings = t->at + (uint64_t)t->count * COFF_SYMBOL_SIZE;
	return t->at != 0 && t->section_count <= SECTIONS_MAX &&
	       t->strings < served_image_size(image) &&
	       open_sections(t, pe + PE_HEADER_SIZE + optional);
}

static bool decode(const struct table *t, const uint8_t *record, struct symbol *s)
{
	struct reader r = rd_init(record, COFF_SYMBOL_SIZE);
	rd_skip(&r, 4);
	s->string = t->strings + rd_le32(&r);
	s->rva = rd_le32(&r);
	s->section = rd_le16(&r);
	if (s->section == 0 || s->section > t->section_count)
		return false;
	s->rva += t->sections[s->section - 1];
	return true;
}

static bool symbol_at(const struct table *t, uint32_t number, struct symbol *s)
{
	uint8_t record[COFF_SYMBOL_SIZE];
	uint64_t at = t->at + (uint64_t)number * COFF_SYMBOL_SIZE;
	return read_all(t->image, at, record, sizeof(record)) && decode(t, record, s);
}

/* The text at an offset of the file: printable and ended. */
static void read_name(const struct table *t, const struct symbol *s, char *out,
		      size_t size)
{
	size_t n = served_image_read(t->image, s->string, out, size - 1);
	out[n] = '\0';
	for (char *c = out; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '?';
}

static uint16_t section_of(const struct table *t, uint32_t rva)
{
	uint16_t found = 0;
	for (uint16_t i = 0; i < t->section_count; i++)
		if (t->sections[i] <= rva &&
		    (found == 0 || t->sections[i] >= t->sections[found - 1]))
			found = (uint16_t)(i + 1);
	return found;
}

/* The table is sorted by address, then by the place of the name: with the prefix first. */
bool image_symbol_near(const struct served_image *image, uint32_t rva,
		       char out[static IMAGE_SYMBOL_MAX], uint32_t *distance)
{
	struct table t;
	struct symbol s, best;
	uint32_t low = 0;
	if (!open_table(image, &t))
		return false;
	for (uint32_t high = t.count; low < high;) {
		uint32_t middle = low + (high - low) / 2;
		if (!symbol_at(&t, middle, &s))
			return false;
		if (s.rva <= rva)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !symbol_at(&t, low - 1, &best) ||
	    best.section != section_of(&t, rva))
		return false;
	for (uint32_t i = low - 1; i-- > 0 && symbol_at(&t, i, &s) && s.rva == best.rva;)
		best = s;
	read_name(&t, &best, out, IMAGE_SYMBOL_MAX);
	*distance = rva - best.rva;
	return true;
}

/* ---- by name ---- */

typedef int compare_names(const char *a, const char *b);

static bool find(const struct table *t, const char *strings, size_t length,
		 const char *name, compare_names *same, uint32_t *rva)
{
	for (uint32_t i = 0; i < t->count; i++) {
		struct symbol s;
		if (!symbol_at(t, i, &s) || s.string - t->strings >= length)
			return false;
		if (same(strings + (s.string - t->strings), name) == 0) {
			*rva = s.rva;
			return true;
		}
	}
	return false;
}

bool image_symbol_find(const struct served_image *image, const char *name, uint32_t *rva)
{
	struct table t;
	if (!open_table(image, &t))
		return false;
	size_t length = (size_t)(served_image_size(image) - t.strings);
	if (length > COFF_STRINGS_MAX)
		return false;
	char *strings = malloc(length + 1);
	if (!strings)
		return false;
	length = served_image_read(image, t.strings, strings, length);
	strings[length] = '\0';
	bool found = find(&t, strings, length, name, strcmp, rva) ||
		     find(&t, strings, length, name, strcasecmp, rva);
	free(strings);
	return found;
}
