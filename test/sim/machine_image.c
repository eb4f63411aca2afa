#include "test/sim/machine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kdnet/wire.h"

/*
 * Loads the PE files that clang and lld-link made for the guest. Offsets are those
 * of the PE format (KD.md §7 has the ones a debugger needs). A damaged file is
 * refused, not trusted: all goes through image_bytes.
 */
enum {
	PE_OFFSET = 0x3c,
	PE_SECTIONS = 0x06,
	PE_TIMESTAMP = 0x08,
	PE_OPTIONAL_SIZE = 0x14,
	PE_OPTIONAL = 0x18,
	OPTIONAL_ENTRY = 0x10,
	OPTIONAL_IMAGE_BASE = 0x18,
	OPTIONAL_IMAGE_SIZE = 0x38,
	OPTIONAL_HEADERS_SIZE = 0x3c,
	OPTIONAL_CHECKSUM = 0x40,
	OPTIONAL_DIRECTORIES = 0x70,
	DIRECTORY_EXPORT = 0,
	DIRECTORY_IMPORT = 1,
	DIRECTORY_EXCEPTION = 3,
	DIRECTORY_RELOCATION = 5,
	SECTION_SIZE = 40,
	RELOCATION_DIR64 = 10,
	IMAGE_SIZE_MAX = 64 << 20,
};

#define SECTION_EXECUTE	    0x20000000u
#define SECTION_WRITE	    0x80000000u
#define SECTION_DISCARDABLE 0x02000000u

struct section {
	char name[9];
	uint32_t size, address, raw_size, raw_offset, flags;
};

static uint8_t *bytes_at(const struct machine *m, const struct image *image, uint64_t rva,
			 size_t n)
{
	if (rva > image->size || n > image->size - rva)
		return NULL;
	return m->ram + image->physical + rva;
}

const uint8_t *image_bytes(const struct machine *m, const struct image *image,
			   uint64_t rva, size_t n)
{
	return bytes_at(m, image, rva, n);
}

static uint64_t value_at(const struct machine *m, const struct image *image, uint64_t rva,
			 size_t n)
{
	const uint8_t *p = image_bytes(m, image, rva, n);
	return p ? load_le(p, n) : 0;
}

/* The string at an address; NULL: it does not end within the image. */
static const char *text_at(const struct machine *m, const struct image *image,
			   uint64_t rva)
{
	const uint8_t *p = image_bytes(m, image, rva, 1);
	return p && memchr(p, 0, image->size - rva) ? (const char *)p : NULL;
}

static uint64_t optional_header(const struct machine *m, const struct image *image)
{
	return value_at(m, image, PE_OFFSET, 4) + PE_OPTIONAL;
}

static void directory(const struct machine *m, const struct image *image, unsigned number,
		      uint32_t *rva, uint32_t *size)
{
	uint64_t at = optional_header(m, image) + OPTIONAL_DIRECTORIES + number * 8;
	*rva = (uint32_t)value_at(m, image, at, 4);
	*size = (uint32_t)value_at(m, image, at + 4, 4);
}

/* Section n as the mapped headers tell it; false: there are fewer. */
static bool section_at(const struct machine *m, const struct image *image, unsigned n,
		       struct section *s)
{
	uint64_t pe = value_at(m, image, PE_OFFSET, 4);
	if (n >= value_at(m, image, pe + PE_SECTIONS, 2))
		return false;
	uint64_t at = pe + PE_OPTIONAL + value_at(m, image, pe + PE_OPTIONAL_SIZE, 2) +
		      n * SECTION_SIZE;
	const uint8_t *p = image_bytes(m, image, at, SECTION_SIZE);
	if (!p)
		return false;
	memcpy(s->name, p, 8);
	s->name[8] = 0;
	s->size = (uint32_t)load_le(p + 8, 4);
	s->address = (uint32_t)load_le(p + 12, 4);
	s->raw_size = (uint32_t)load_le(p + 16, 4);
	s->raw_offset = (uint32_t)load_le(p + 20, 4);
	s->flags = (uint32_t)load_le(p + 36, 4);
	return true;
}

/* ---- loading ---- */

static uint8_t *read_file(const char *folder, const char *file, size_t *size)
{
	char path[1024];
	uint8_t *bytes = NULL;
	snprintf(path, sizeof(path), "%s%s%s", file[0] == '/' ? "" : folder,
		 file[0] == '/' ? "" : "/", file);
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0) {
		long end = ftell(f);
		rewind(f);
		bytes = end > 0 ? malloc((size_t)end) : NULL;
		if (bytes && fread(bytes, 1, (size_t)end, f) == (size_t)end)
			*size = (size_t)end;
	}
	fclose(f);
	return bytes;
}

static bool copy_sections(struct machine *m, struct image *image, const uint8_t *file,
			  size_t size)
{
	struct section s;
	for (unsigned i = 0; section_at(m, image, i, &s); i++) {
		uint32_t n = s.raw_size < s.size ? s.raw_size : s.size;
		uint8_t *to = bytes_at(m, image, s.address, n);
		if (!to || s.raw_offset > size || n > size - s.raw_offset)
			return false;
		memcpy(to, file + s.raw_offset, n);
	}
	return true;
}

/* Every fix-up of one block of the relocation table. */
static bool relocate_block(struct machine *m, struct image *image, struct reader *block,
			   uint64_t page, uint64_t delta)
{
	while (block->left > 0 && rd_ok(block)) {
		uint16_t entry = rd_le16(block);
		if (entry >> 12 == 0)
			continue;
		uint8_t *at = bytes_at(m, image, page + (entry & 0xfff), 8);
		if (entry >> 12 != RELOCATION_DIR64 || !at)
			return false;
		store_le(at, load_le(at, 8) + delta, 8);
	}
	return rd_ok(block);
}

static bool relocate(struct machine *m, struct image *image, uint64_t delta)
{
	uint32_t rva, size;
	directory(m, image, DIRECTORY_RELOCATION, &rva, &size);
	const uint8_t *table = image_bytes(m, image, rva, size);
	if (!table)
		return false;
	struct reader r = rd_init(table, size);
	while (r.left > 0) {
		uint32_t page = rd_le32(&r), length = rd_le32(&r);
		if (!rd_ok(&r) || length < 8)
			return false;
		struct reader block = rd_sub(&r, length - 8);
		if (!relocate_block(m, image, &block, page, delta))
			return false;
	}
	return true;
}

/* The loader writes the run-time base into the header; KD.md, trap 13. */
static bool place(struct machine *m, struct image *image)
{
	uint64_t optional = optional_header(m, image);
	uint8_t *base = bytes_at(m, image, optional + OPTIONAL_IMAGE_BASE, 8);
	if (!base || !relocate(m, image, image->base - load_le(base, 8)))
		return false;
	store_le(base, image->base, 8);
	uint64_t pe = value_at(m, image, PE_OFFSET, 4);
	image->entry = (uint32_t)value_at(m, image, optional + OPTIONAL_ENTRY, 4);
	image->checksum = (uint32_t)value_at(m, image, optional + OPTIONAL_CHECKSUM, 4);
	image->timestamp = (uint32_t)value_at(m, image, pe + PE_TIMESTAMP, 4);
	directory(m, image, DIRECTORY_EXCEPTION, &image->exception_table,
		  &image->exception_size);
	return true;
}

static bool unpack(struct machine *m, struct image *image, const uint8_t *file,
		   size_t size)
{
	if (size < 0x40 || size > IMAGE_SIZE_MAX)
		return false;
	size_t pe = (size_t)load_le(file + PE_OFFSET, 4);
	if (pe > size || size - pe < PE_OPTIONAL + OPTIONAL_DIRECTORIES)
		return false;
	const uint8_t *optional = file + pe + PE_OPTIONAL;
	image->size = (uint32_t)load_le(optional + OPTIONAL_IMAGE_SIZE, 4);
	size_t headers = (size_t)load_le(optional + OPTIONAL_HEADERS_SIZE, 4);
	if (image->size > IMAGE_SIZE_MAX || headers > size || headers > image->size)
		return false;
	image->size = (image->size + PAGE_SIZE - 1) & ~(uint32_t)(PAGE_SIZE - 1);
	image->physical = memory_allocate(m, image->size / PAGE_SIZE);
	memcpy(m->ram + image->physical, file, headers);
	return copy_sections(m, image, file, size) && place(m, image);
}

/* A row that is free again after an unload, or a new one. */
static struct image *new_row(struct machine *m)
{
	for (unsigned i = 0; i < m->image_count; i++)
		if (m->images[i].base == 0)
			return &m->images[i];
	return m->image_count < IMAGES_MAX ? &m->images[m->image_count++] : NULL;
}

struct image *image_load(struct machine *m, const char *file, const char *name,
			 const char *path, uint64_t base, const char **error)
{
	struct image *image = new_row(m);
	size_t size = 0;
	uint8_t *bytes = image ? read_file(m->options.images, file, &size) : NULL;
	*error = image ? "a guest image cannot be read" : "too many modules";
	if (!bytes)
		return NULL;
	*image = (struct image){ .base = base };
	snprintf(image->name, sizeof(image->name), "%s", name);
	snprintf(image->path, sizeof(image->path), "%s", path);
	bool good = unpack(m, image, bytes, size);
	free(bytes);
	if (good)
		return image;
	*error = "a guest image is damaged";
	*image = (struct image){ 0 };
	return NULL;
}

/* ---- exports and imports ---- */

static uint64_t find_export(const struct machine *m, const struct image *image,
			    const char *name)
{
	uint32_t rva, size;
	directory(m, image, DIRECTORY_EXPORT, &rva, &size);
	uint32_t count = size ? (uint32_t)value_at(m, image, rva + 24, 4) : 0;
	uint64_t functions = value_at(m, image, rva + 28, 4);
	uint64_t names = value_at(m, image, rva + 32, 4);
	uint64_t ordinals = value_at(m, image, rva + 36, 4);
	for (uint32_t i = 0; i < count && image_bytes(m, image, names + i * 4ull, 4);
	     i++) {
		const char *text =
			text_at(m, image, value_at(m, image, names + i * 4ull, 4));
		if (!text || strcmp(text, name) != 0)
			continue;
		uint64_t ordinal = value_at(m, image, ordinals + i * 2ull, 2);
		return image->base + value_at(m, image, functions + ordinal * 4, 4);
	}
	return 0;
}

enum { SIMTAB_ROW = 64, SIMTAB_NAME = 56 };

/* The kernel's table of what it does not export; guest/ntp.h. */
static uint64_t find_row(const struct machine *m, const struct image *image,
			 const char *name)
{
	struct section s;
	unsigned n = 0;
	while (section_at(m, image, n, &s) && strcmp(s.name, ".simtab") != 0)
		n++;
	if (!section_at(m, image, n, &s))
		return 0;
	for (uint32_t at = 0; at + SIMTAB_ROW <= s.size; at += SIMTAB_ROW) {
		const char *text = text_at(m, image, s.address + at);
		if (text && strcmp(text, name) == 0)
			return value_at(m, image, s.address + at + SIMTAB_NAME, 8);
	}
	return 0;
}

uint64_t image_symbol(const struct machine *m, const struct image *image,
		      const char *name)
{
	uint64_t address = find_export(m, image, name);
	return address ? address : find_row(m, image, name);
}

struct image *image_find(const struct machine *m, const char *name)
{
	size_t length = strcspn(name, ".");
	for (unsigned i = 0; i < m->image_count; i++) {
		struct image *image = &m->images[i];
		if (image->base && strcspn(image->name, ".") == length &&
		    strncasecmp(image->name, name, length) == 0)
			return image;
	}
	return NULL;
}

const struct image *image_at(const struct machine *m, uint64_t address)
{
	for (unsigned i = 0; i < m->image_count; i++)
		if (m->images[i].base && address - m->images[i].base < m->images[i].size)
			return &m->images[i];
	return NULL;
}

uint64_t machine_symbol(const struct machine *m, const char *module, const char *name)
{
	const struct image *image = image_find(m, module);
	return image ? image_symbol(m, image, name) : 0;
}

/* One imported module: its names (lookup table) become addresses (address table). */
static bool bind_module(struct machine *m, struct image *image, const struct image *from,
			uint64_t lookup, uint64_t addresses)
{
	for (;; lookup += 8, addresses += 8) {
		uint64_t entry = value_at(m, image, lookup, 8);
		uint8_t *slot = bytes_at(m, image, addresses, 8);
		if (entry == 0)
			return true;
		const char *name = entry >> 63 ? NULL : text_at(m, image, entry + 2);
		uint64_t address = name ? find_export(m, from, name) : 0;
		if (!slot || !address)
			return false;
		store_le(slot, address, 8);
	}
}

bool image_bind(struct machine *m, struct image *image, const char **error)
{
	uint32_t rva, size;
	directory(m, image, DIRECTORY_IMPORT, &rva, &size);
	for (uint64_t at = rva; size != 0; at += 20) {
		uint64_t lookup = value_at(m, image, at, 4);
		uint64_t name = value_at(m, image, at + 12, 4);
		uint64_t addresses = value_at(m, image, at + 16, 4);
		if (name == 0)
			break;
		const char *text = text_at(m, image, name);
		const struct image *from = text ? image_find(m, text) : NULL;
		*error = "a guest image imports what is not there";
		if (!from || !bind_module(m, image, from, lookup, addresses))
			return false;
	}
	return true;
}

/* ---- pages ---- */

static uint32_t pages_of(uint32_t size)
{
	return (size + PAGE_SIZE - 1) / PAGE_SIZE;
}

static uint64_t page_flags(uint32_t section_flags)
{
	uint64_t flags = PTE_PRESENT | PTE_ACCESSED | PTE_GLOBAL;
	if (section_flags & SECTION_WRITE)
		flags |= PTE_WRITE | PTE_DIRTY;
	if (!(section_flags & SECTION_EXECUTE))
		flags |= PTE_NO_EXECUTE;
	return flags;
}

/* Paged code is not resident at the start; its entries keep the frame. */
static bool is_paged(const struct section *s)
{
	return strcmp(s->name, "PAGE") == 0;
}

/* Code that is paged in comes from the file, whatever was written into it before. */
static void keep_pristine(struct machine *m, struct image *image, const struct section *s)
{
	image->pristine = memory_allocate(m, pages_of(s->size));
	memcpy(m->ram + image->pristine, m->ram + image->physical + s->address, s->size);
}

void image_map(struct machine *m, struct image *image)
{
	struct section s;
	memory_map(m, m->kernel_cr3, image->base, image->physical, 1, page_flags(0));
	for (unsigned i = 0; section_at(m, image, i, &s); i++) {
		uint64_t flags = page_flags(s.flags);
		if (is_paged(&s)) {
			flags &= ~PTE_PRESENT;
			keep_pristine(m, image, &s);
		}
		memory_map(m, m->kernel_cr3, image->base + s.address,
			   image->physical + s.address, pages_of(s.size), flags);
	}
}

void image_discard(struct machine *m, struct image *image)
{
	struct section s;
	for (unsigned i = 0; section_at(m, image, i, &s); i++)
		if (s.flags & SECTION_DISCARDABLE)
			memory_unmap(m, m->kernel_cr3, image->base + s.address,
				     pages_of(s.size));
}

void image_remove(struct machine *m, struct image *image)
{
	memory_unmap(m, m->kernel_cr3, image->base, pages_of(image->size));
	*image = (struct image){ 0 };
}

bool image_page_in(struct machine *m, uint64_t address)
{
	const struct image *image = image_at(m, address);
	uint64_t entry, place;
	struct section s;
	bool large;
	for (unsigned i = 0; image && section_at(m, image, i, &s); i++) {
		if (!is_paged(&s) || address - image->base - s.address >= s.size)
			continue;
		if (!memory_walk(m, m->kernel_cr3, address, &entry, &large, &place) ||
		    entry & PTE_PRESENT)
			return false;
		uint64_t offset =
			(address - image->base - s.address) & ~(uint64_t)(PAGE_SIZE - 1);
		memcpy(m->ram + (entry & PTE_FRAME), m->ram + image->pristine + offset,
		       PAGE_SIZE);
		engine_written(m, entry & PTE_FRAME, PAGE_SIZE);
		memory_set_entry(m, place, entry | PTE_PRESENT);
		return true;
	}
	return false;
}

void image_page_out(struct machine *m)
{
	struct section s;
	for (unsigned n = 0; n < m->image_count; n++)
		for (unsigned i = 0;
		     m->images[n].base && section_at(m, &m->images[n], i, &s); i++)
			if (is_paged(&s))
				memory_unmap(m, m->kernel_cr3,
					     m->images[n].base + s.address,
					     pages_of(s.size));
}
