#include "bridge/image/pe_header.h"

#include <stdio.h>
#include <string.h>

#include "bridge/image/rsds.h"
#include "kdnet/wire.h"

enum {
	DOS_SIZE = 0x40,
	PE_MAGIC = 0x4550,
	COFF_SIZE = 24,
	OPTIONAL_SIZE_32 = 96 + 8 * PE_DIRECTORIES,
	OPTIONAL_SIZE_64 = 112 + 8 * PE_DIRECTORIES,
	SECTION_SIZE = 40,
	PAGE = 0x1000,
	FILE_LINES_STRIPPED = 0x0004,
	FILE_LOCALS_STRIPPED = 0x0008,
	SUBSYSTEM_NATIVE = 1,
};

/* Initialised data that can be read and discarded: RSP.md §3, measured. */
#define DEBUG_FRAME_FLAGS                                                                \
	(PE_SECTION_DATA | PE_SECTION_DISCARDABLE | PE_SECTION_MEMORY_READ)

static size_t headers_size(const struct pe *pe, size_t sections)
{
	size_t optional = pe->plus ? OPTIONAL_SIZE_64 : OPTIONAL_SIZE_32;
	return DOS_SIZE + COFF_SIZE + optional + sections * SECTION_SIZE;
}

uint32_t pe_header_sections(const struct pe *pe)
{
	uint32_t n = pe->section_count;
	while (n > 0 && headers_size(pe, n + 1u) > pe->sections[0].rva)
		n--;
	return n;
}

uint32_t pe_header_end(const struct pe *pe)
{
	return (uint32_t)headers_size(pe, pe->section_count + 2u);
}

/* The largest power of two that all sections and the image keep to. */
static uint32_t alignment(const struct pe *pe)
{
	uint32_t bits = PAGE;
	for (uint32_t i = 0; i < pe->section_count; i++)
		bits |= pe->sections[i].rva;
	return bits & -bits;
}

static void write_dos(struct writer *w)
{
	wr_bytes(w, "MZ", 2);
	wr_zeros_to(w, 0x3c);
	wr_le32(w, DOS_SIZE);
}

static void write_coff(struct writer *w, const struct pe *pe,
		       const struct pe_layout *layout, uint16_t sections)
{
	uint32_t flags = pe->characteristics;
	flags &= ~(uint32_t)(FILE_LINES_STRIPPED | FILE_LOCALS_STRIPPED);
	if (layout->client == IMAGE_FOR_LLDB)
		flags |= PE_FILE_DLL;
	wr_le32(w, PE_MAGIC);
	wr_le16(w, pe->machine);
	wr_le16(w, sections);
	wr_le32(w, pe->timestamp);
	wr_le32(w, layout->symbols ? layout->symbol_table : 0);
	wr_le32(w, layout->symbols);
	wr_le16(w, pe->plus ? OPTIONAL_SIZE_64 : OPTIONAL_SIZE_32);
	wr_le16(w, (uint16_t)flags);
}

static struct pe_directory directory_of(const struct pe *pe,
					const struct pe_layout *layout, unsigned number)
{
	static const struct pe_directory none;
	bool lldb = layout->client == IMAGE_FOR_LLDB;
	/* With an RSDS entry gdb looks for a .debug file of each module; lldb 14 forgets
	 * the COFF symbols, exports among them, over an export table, and all lldb take
	 * .pdata before a .debug_frame, but stop at machine frames (RSP.md §14). */
	if (number == PE_DIRECTORY_DEBUG && lldb && layout->rsds_size > 0)
		return (struct pe_directory){ layout->rsds_rva, RSDS_DIRECTORY_SIZE };
	if ((number == PE_DIRECTORY_EXCEPTION || number == PE_DIRECTORY_EXPORT) && !lldb)
		return pe->directories[number];
	return none;
}

static void write_directories(struct writer *w, const struct pe *pe,
			      const struct pe_layout *layout)
{
	wr_le32(w, PE_DIRECTORIES);
	for (unsigned i = 0; i < PE_DIRECTORIES; i++) {
		struct pe_directory d = directory_of(pe, layout, i);
		wr_le32(w, d.rva);
		wr_le32(w, d.size);
	}
}

static void write_optional(struct writer *w, const struct pe *pe,
			   const struct pe_layout *layout, uint32_t image_size)
{
	size_t word = pe->plus ? 8 : 4;
	wr_le16(w, pe->plus ? 0x20b : 0x10b);
	wr_zeros(w, 14); /* linker version, sizes of code and data */
	wr_le32(w, pe->entry);
	wr_zeros(w, pe->plus ? 4 : 8);
	wr_le(w, layout->base, word);
	wr_le32(w, alignment(pe)); /* a file as in memory: both are the same */
	wr_le32(w, alignment(pe));
	wr_le64(w, 0); /* versions of system and image */
	wr_le64(w, 6); /* of the subsystem */
	wr_le32(w, image_size);
	wr_le32(w, pe->section_count ? pe->sections[0].rva : PE_EMPTY_SIZE);
	wr_le32(w, pe->checksum);
	wr_le16(w, pe->subsystem);
	wr_le16(w, 0);
	wr_zeros(w, 4 * word + 4); /* stack, heap */
	write_directories(w, pe, layout);
}

static void write_section(struct writer *w, const char *name, uint32_t rva, uint32_t size,
			  uint32_t offset, uint32_t flags)
{
	char padded[8] = { 0 };
	memcpy(padded, name, strnlen(name, sizeof(padded)));
	wr_bytes(w, padded, sizeof(padded));
	wr_le32(w, size);
	wr_le32(w, rva);
	wr_le32(w, size);
	wr_le32(w, offset);
	wr_zeros(w, 12);
	wr_le32(w, flags);
}

/*
 * Where .debug_frame is said to be in memory. For lldb not where it is in the file, behind
 * the module: a neighbour begins there, and of two sections that begin at one address it
 * keeps but one. It finds a section by the nearest beginning below, so from the end of the
 * headers on this one is in nobody's way. With a size of 0 it would not be read (RSP.md §14).
 */
static uint32_t debug_frame_address(const struct pe *pe, const struct pe_layout *layout)
{
	enum { BEFORE_SECTIONS = 16 };
	bool lldb = layout->client == IMAGE_FOR_LLDB && pe->section_count > 0;
	return lldb ? pe->sections[0].rva - BEFORE_SECTIONS : layout->debug_frame_rva;
}

/* What BFD knows without a warning: RSP.md §2. */
static uint32_t section_flags(const struct pe_section *s, enum image_client client)
{
	uint32_t flags = s->flags &
			 (PE_SECTION_CODE | PE_SECTION_DATA | PE_SECTION_MEMORY_EXECUTE |
			  PE_SECTION_MEMORY_READ | PE_SECTION_MEMORY_WRITE);
	if (!(flags & PE_SECTION_CODE))
		flags |= pe_is_code(s) ? PE_SECTION_CODE : PE_SECTION_DATA;
	if (client == IMAGE_FOR_LLDB) /* so that it reads memory, never this file */
		flags |= PE_SECTION_MEMORY_WRITE;
	return flags;
}

static void write_sections(struct writer *w, const struct pe *pe,
			   const struct pe_layout *layout)
{
	for (uint32_t i = 0; i < pe->section_count; i++) {
		const struct pe_section *s = &pe->sections[i];
		/* without raw bytes a section has no extent, and its symbols are lost */
		write_section(w, s->name, s->rva, s->size, s->rva,
			      section_flags(s, layout->client));
	}
	if (layout->rsds_size > 0)
		write_section(w, ".rsds", layout->rsds_rva, layout->rsds_size,
			      layout->rsds_rva,
			      PE_SECTION_DATA | PE_SECTION_MEMORY_READ |
				      PE_SECTION_MEMORY_WRITE);
	if (layout->debug_frame_length > 0) {
		char name[16];
		snprintf(name, sizeof(name), "/%u", layout->debug_frame_name);
		write_section(w, name, debug_frame_address(pe, layout),
			      layout->debug_frame_length, layout->debug_frame_rva,
			      DEBUG_FRAME_FLAGS);
	}
}

size_t pe_header_write(const struct pe *pe, const struct pe_layout *layout, uint8_t *out,
		       size_t size)
{
	struct writer w = wr_init(out, size);
	bool debug_frame = layout->debug_frame_length > 0;
	uint32_t end = debug_frame && layout->client == IMAGE_FOR_GDB
			       ? layout->debug_frame_rva + layout->debug_frame_length
			       : pe->image_size;
	write_dos(&w);
	write_coff(&w, pe, layout,
		   (uint16_t)(pe->section_count + debug_frame + (layout->rsds_size > 0)));
	write_optional(&w, pe, layout, (end + PAGE - 1) & ~(uint32_t)(PAGE - 1));
	write_sections(&w, pe, layout);
	return wr_ok(&w) ? w.length : 0;
}

void pe_header_write_empty(uint16_t machine, uint8_t out[static PE_EMPTY_SIZE])
{
	struct pe pe = {
		.machine = machine,
		.plus = machine != PE_MACHINE_I386,
		/* without 0002, or gdb ends backtraces at its "entry point" (RSP.md §2) */
		.characteristics = PE_FILE_LARGE_ADDRESS,
		.image_size = PAGE,
		.subsystem = SUBSYSTEM_NATIVE,
	};
	struct pe_layout layout = { .base = 0x10000 };
	memset(out, 0, PE_EMPTY_SIZE);
	pe_header_write(&pe, &layout, out, PE_EMPTY_SIZE);
}
