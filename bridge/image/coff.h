/*
 * A COFF symbol table with its string table, as gdb reads it from a PE image (RSP.md §2).
 */
#ifndef BRIDGE_IMAGE_COFF_H
#define BRIDGE_IMAGE_COFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	COFF_SYMBOL_SIZE = 18,
	COFF_SYMBOLS_MAX = 1 << 20,
	COFF_STRINGS_MAX = 64 << 20,
};

struct coff_symbol {
	uint32_t rva;	  /* for sorting */
	uint32_t value;	  /* from the section's start */
	uint16_t section; /* from 1 */
	bool function;
	uint32_t string; /* offset in the string table */
};

struct coff_table {
	struct coff_symbol *symbols;
	size_t count, capacity;
	char *strings; /* behind the table's own length */
	size_t strings_length, strings_capacity;
	bool one_name; /* of each symbol: where there is a plain name, no other */
};

/* All false: no memory, or a limit is reached. coff_wipe in any case. */

/* Adds a string, *offset is where; no symbol is needed for it (names of sections). */
bool coff_string(struct coff_table *table, const char *text, uint32_t *offset);
/*
 * Adds `prefix!name`, and `name` alone too (or instead: one_name) if `plain`: both are one
 * string in the table.
 * symbol->string is set here.
 */
bool coff_add(struct coff_table *table, struct coff_symbol symbol, const char *prefix,
	      const char *name, bool plain);
/* Sorts by address, then by name. */
void coff_sort(struct coff_table *table);
/* Bytes of both tables, and them: `out` has room for as many. */
size_t coff_size(const struct coff_table *table);
void coff_write(const struct coff_table *table, uint8_t *out);
void coff_wipe(struct coff_table *table);

#endif
