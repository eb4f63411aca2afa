#include "bridge/image/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* False: the address lies in no section, and gets no symbol. */
static bool place(const struct pe *pe, uint32_t rva, struct coff_symbol *symbol)
{
	const struct pe_section *s = pe_section_of(pe, rva);
	if (!s)
		return false;
	*symbol = (struct coff_symbol){
		.rva = rva,
		.value = rva - s->rva,
		.section = (uint16_t)(s - pe->sections + 1),
		.function = pe_is_code(s),
	};
	return true;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* The addresses that have a name, sorted. */
struct named {
	uint32_t *rvas;
	size_t count;
};

static bool is_named(const struct named *named, uint32_t rva)
{
	return named->count > 0 && bsearch(&rva, named->rvas, named->count,
					   sizeof(*named->rvas), by_number) != NULL;
}

static bool add_exports(struct coff_table *table, const struct pe *pe, const char *prefix,
			const struct exports *exports, struct named *named)
{
	for (size_t i = 0; i < exports->count; i++) {
		struct coff_symbol symbol;
		if (!place(pe, exports->names[i].rva, &symbol))
			continue;
		if (!coff_add(table, symbol, prefix, exports->names[i].name, true))
			return false;
		named->rvas[named->count++] = symbol.rva;
	}
	return true;
}

static const char *entry_name(const struct pe *pe, const char *prefix)
{
	enum { SUBSYSTEM_NATIVE = 1 };
	if (strcmp(prefix, "nt") == 0)
		return "KiSystemStartup";
	bool driver =
		pe->subsystem == SUBSYSTEM_NATIVE && !(pe->characteristics & PE_FILE_DLL);
	return driver ? "DriverEntry" : "EntryPoint";
}

/* Only made-up names stay with the module's prefix: plain ones would be everywhere. */
static bool add_entry(struct coff_table *table, const struct pe *pe, const char *prefix,
		      struct named *named)
{
	struct coff_symbol symbol;
	if (pe->entry == 0 || is_named(named, pe->entry) ||
	    !place(pe, pe->entry, &symbol))
		return true;
	const char *name = entry_name(pe, prefix);
	named->rvas[named->count++] = pe->entry;
	qsort(named->rvas, named->count, sizeof(*named->rvas), by_number);
	return coff_add(table, symbol, prefix, name, strcmp(name, "EntryPoint") != 0);
}

static bool add_functions(struct coff_table *table, const struct pe *pe,
			  const char *prefix, const struct unwind_table *functions,
			  const uint32_t *primaries, const struct named *named)
{
	for (size_t i = 0; i < functions->count; i++) {
		uint32_t rva = functions->functions[i].begin;
		struct coff_symbol symbol;
		char name[16];
		if (is_named(named, rva) || unwind_continues(functions, primaries, i) ||
		    !place(pe, rva, &symbol))
			continue;
		snprintf(name, sizeof(name), "fn_%x", rva);
		if (!coff_add(table, symbol, prefix, name, false))
			return false;
	}
	return true;
}

/* What lies behind each function, up to the next: lldb looks there by a symbol only. */
static bool add_leaves(struct coff_table *table, const struct pe *pe, const char *prefix,
		       const struct unwind_table *functions, const struct named *named)
{
	enum { PADDING = 16 };
	for (size_t i = 0; i < functions->count; i++) {
		uint32_t rva = functions->functions[i].end;
		bool followed = i + 1 < functions->count &&
				functions->functions[i + 1].begin - rva < PADDING;
		struct coff_symbol symbol;
		char name[16];
		if (followed || is_named(named, rva) || !place(pe, rva, &symbol))
			continue;
		snprintf(name, sizeof(name), "leaf_%x", rva);
		if (!coff_add(table, symbol, prefix, name, false))
			return false;
	}
	return true;
}

bool symbols_add(struct coff_table *table, const struct pe *pe, const char *prefix,
		 const struct exports *exports, const struct unwind_table *functions,
		 const uint32_t *primaries)
{
	struct named named = { calloc(exports->count + 1, sizeof(*named.rvas)), 0 };
	bool ok = named.rvas && add_exports(table, pe, prefix, exports, &named);
	if (ok) {
		qsort(named.rvas, named.count, sizeof(*named.rvas), by_number);
		ok = add_entry(table, pe, prefix, &named) &&
		     add_functions(table, pe, prefix, functions, primaries, &named) &&
		     (!table->one_name ||
		      add_leaves(table, pe, prefix, functions, &named));
	}
	free(named.rvas);
	return ok;
}
