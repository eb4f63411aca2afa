/* A small PE32+ image made by hand, for what no compiler writes: lies, mostly. */
#ifndef PE_MAKER_H
#define PE_MAKER_H

#include "test/unit/bridge/image_fixture.h"

enum {
	MADE_SIZE = 0x8000,
	MADE_CODE = 0x1000,   /* .text, 0x1000 */
	MADE_DATA = 0x2000,   /* .rdata, 0x4000: unwind data at its start */
	MADE_EXPORT = 0x4000, /* in it */
	MADE_PDATA = 0x6000,  /* .pdata, 0x1000 */
};

static inline void made_section(uint8_t *p, const char *name, uint32_t rva, uint32_t size,
				uint32_t flags)
{
	memcpy(p, name, strlen(name));
	store_le(p + 8, size, 4);
	store_le(p + 12, rva, 4);
	store_le(p + 16, size, 4);
	store_le(p + 20, rva, 4);
	store_le(p + 36, flags, 4);
}

static inline struct module_memory make_pe(void)
{
	struct module_memory m = { calloc(1, MADE_SIZE), MADE_SIZE, .calls = 0 };
	uint8_t *coff = m.bytes + 0x80, *optional = coff + 24, *section = optional + 0xf0;
	memcpy(m.bytes, "MZ", 2);
	store_le(m.bytes + 0x3c, 0x80, 4);
	store_le(coff, 0x4550, 4);
	store_le(coff + 4, PE_MACHINE_AMD64, 2);
	store_le(coff + 6, 3, 2);
	store_le(coff + 8, 0x5eadbeef, 4);
	store_le(coff + 20, 0xf0, 2);
	store_le(coff + 22, PE_FILE_EXECUTABLE | PE_FILE_LARGE_ADDRESS, 2);
	store_le(optional, 0x20b, 2);
	store_le(optional + 24, 0x140000000, 8);
	store_le(optional + 56, MADE_SIZE, 4);
	store_le(optional + 60, 0x400, 4);
	store_le(optional + 64, 0xabcd, 4);
	store_le(optional + 108, 16, 4);
	made_section(section, ".text", MADE_CODE, 0x1000, 0x68000020);
	made_section(section + 40, ".rdata", MADE_DATA, 0x4000, 0x40000040);
	made_section(section + 80, ".pdata", MADE_PDATA, 0x1000, 0x40000040);
	return m;
}

static inline void made_directory(struct module_memory *m, unsigned number, uint32_t rva,
				  uint32_t size)
{
	uint8_t *p = optional_header(m) + 112 + 8 * (size_t)number;
	store_le(p, rva, 4);
	store_le(p + 4, size, 4);
}

/* Entry `n` of .pdata; the directory grows with it. */
static inline void made_function(struct module_memory *m, unsigned n, uint32_t begin,
				 uint32_t end, uint32_t info)
{
	uint8_t *p = m->bytes + MADE_PDATA + 12 * (size_t)n;
	store_le(p, begin, 4);
	store_le(p + 4, end, 4);
	store_le(p + 8, info, 4);
	made_directory(m, PE_DIRECTORY_EXCEPTION, MADE_PDATA, (n + 1) * 12);
}

#endif
