/*
 * Headers of a PE image as mapped (KD.md §7; Microsoft's PE format). PE32+ and PE32. All
 * is the target's claim: numbers are checked against the image's size and our limits.
 */
#ifndef BRIDGE_IMAGE_PE_H
#define BRIDGE_IMAGE_PE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/image/image_source.h"

enum {
	PE_SECTIONS_MAX = 96, /* what Windows loads */
	PE_DIRECTORIES = 16,
	PE_DIRECTORY_EXPORT = 0,
	PE_DIRECTORY_EXCEPTION = 3,
	PE_DIRECTORY_DEBUG = 6,
	PE_MACHINE_AMD64 = 0x8664,
	PE_MACHINE_I386 = 0x014c,
	PE_MACHINE_ARM64 = 0xaa64,
	PE_FILE_EXECUTABLE = 0x0002, /* Characteristics */
	PE_FILE_LARGE_ADDRESS = 0x0020,
	PE_FILE_DLL = 0x2000,
};

#define PE_SECTION_CODE		  0x00000020u
#define PE_SECTION_DATA		  0x00000040u /* initialised */
#define PE_SECTION_ZEROS	  0x00000080u /* uninitialised */
#define PE_SECTION_DISCARDABLE	  0x02000000u
#define PE_SECTION_MEMORY_EXECUTE 0x20000000u
#define PE_SECTION_MEMORY_READ	  0x40000000u
#define PE_SECTION_MEMORY_WRITE	  0x80000000u

struct pe_section {
	char name[9]; /* printable, ends */
	uint32_t rva;
	uint32_t size;		       /* in memory; within the image */
	uint32_t raw_offset, raw_size; /* in the file, as claimed */
	uint32_t flags;
};

struct pe_directory {
	uint32_t rva, size; /* within the image, or both 0 */
};

struct pe {
	uint16_t machine;
	uint16_t characteristics;
	bool plus; /* PE32+ */
	uint32_t timestamp, checksum;
	uint32_t entry; /* RVA; 0: none */
	uint64_t image_base;
	uint32_t image_size, headers_size;
	uint16_t subsystem;
	uint32_t section_count;
	struct pe_section sections[PE_SECTIONS_MAX]; /* by address, none overlaps */
	struct pe_directory directories[PE_DIRECTORIES];
};

enum pe_result {
	PE_OK,
	PE_INTERRUPTED, /* the source said not now */
	PE_BAD,		/* no PE that we could serve */
};

/* Reads the headers. Sections that make no sense are left out, directories zeroed. */
enum pe_result pe_read(struct image_memory *memory, struct pe *pe);

/* The section that holds the address; NULL: none. */
const struct pe_section *pe_section_of(const struct pe *pe, uint32_t rva);
bool pe_is_code(const struct pe_section *section);

#endif
