/* Headers of a served image, written (Microsoft's PE format; RSP.md §2, §13). */
#ifndef BRIDGE_IMAGE_PE_HEADER_H
#define BRIDGE_IMAGE_PE_HEADER_H

#include "bridge/image/pe.h"
#include "bridge/image/served_image.h"

/*
 * What stands behind the image: the .debug_frame section (length 0: none; its name is at
 * string_offset of the string table), then `symbols` records at symbol_table.
 */
struct pe_layout {
	uint64_t base;
	enum image_client client;
	uint32_t debug_frame_rva, debug_frame_length, debug_frame_name;
	uint32_t symbol_table, symbols;
	/* for lldb: the section that names the PDB, in the header page; 0: none */
	uint32_t rsds_rva, rsds_size;
};

/* How many of the sections have room in the headers, before the first one's bytes. */
uint32_t pe_header_sections(const struct pe *pe);
/* Where they end, with room for the two sections of ours. */
uint32_t pe_header_end(const struct pe *pe);
/* A file of the served image lies as in memory; `pe` has the sections that fit. */
size_t pe_header_write(const struct pe *pe, const struct pe_layout *layout, uint8_t *out,
		       size_t size);

enum { PE_EMPTY_SIZE = 512 };
/* The whole file without sections (RSP.md §2). */
void pe_header_write_empty(uint16_t machine, uint8_t out[static PE_EMPTY_SIZE]);

#endif
