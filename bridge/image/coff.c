#include "bridge/image/coff.h"

#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"

enum {
	LENGTH_SIZE = 4, /* at the start of the string table, counted in offsets */
	TYPE_FUNCTION = 0x20,
	CLASS_EXTERNAL = 2,
};

static bool grow_strings(struct coff_table *t, size_t more)
{
	size_t needed = t->strings_length + more;
	if (needed > COFF_STRINGS_MAX)
		return false;
	if (needed <= t->strings_capacity)
		return true;
	size_t wanted = t->strings_capacity ? t->strings_capacity : 4096;
	while (wanted < needed)
		wanted *= 2;
	char *grown = realloc(t->strings, wanted);
	if (!grown)
		return false;
	t->strings = grown;
	t->strings_capacity = wanted;
	return true;
}

bool coff_string(struct coff_table *t, const char *text, uint32_t *offset)
{
	size_t n = strlen(text) + 1;
	if (!grow_strings(t, n))
		return false;
	*offset = (uint32_t)(LENGTH_SIZE + t->strings_length);
	memcpy(t->strings + t->strings_length, text, n);
	t->strings_length += n;
	return true;
}

static bool add_symbol(struct coff_table *t, const struct coff_symbol *symbol)
{
	if (t->count == t->capacity) {
		size_t wanted = t->capacity ? t->capacity * 2 : 256;
		struct coff_symbol *grown =
			wanted <= COFF_SYMBOLS_MAX
				? realloc(t->symbols, wanted * sizeof(*grown))
				: NULL;
		if (!grown)
			return false;
		t->symbols = grown;
		t->capacity = wanted;
	}
	t->symbols[t->count++] = *symbol;
	return true;
}

bool coff_add(struct coff_table *t, struct coff_symbol symbol, const char *prefix,
	      const char *name, bool plain)
{
	size_t before = strlen(prefix) + 1, n = strlen(name) + 1;
	if (!grow_strings(t, before + n))
		return false;
	char *to = t->strings + t->strings_length;
	memcpy(to, prefix, before - 1);
	to[before - 1] = '!';
	memcpy(to + before, name, n);
	symbol.string = (uint32_t)(LENGTH_SIZE + t->strings_length);
	t->strings_length += before + n;
	if (!(plain && t->one_name) && !add_symbol(t, &symbol))
		return false;
	symbol.string += (uint32_t)before; /* the tail of the same string */
	return !plain || add_symbol(t, &symbol);
}

static int by_address(const void *a, const void *b)
{
	const struct coff_symbol *x = a, *y = b;
	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	return (x->string > y->string) - (x->string < y->string);
}

void coff_sort(struct coff_table *t)
{
	if (t->count > 0)
		qsort(t->symbols, t->count, sizeof(*t->symbols), by_address);
}

size_t coff_size(const struct coff_table *t)
{
	return t->count * COFF_SYMBOL_SIZE + LENGTH_SIZE + t->strings_length;
}

void coff_write(const struct coff_table *t, uint8_t *out)
{
	struct writer w = wr_init(out, coff_size(t));
	for (size_t i = 0; i < t->count; i++) {
		const struct coff_symbol *s = &t->symbols[i];
		wr_le32(&w, 0); /* the name is in the string table */
		wr_le32(&w, s->string);
		wr_le32(&w, s->value);
		wr_le16(&w, s->section);
		wr_le16(&w, s->function ? TYPE_FUNCTION : 0);
		wr_8(&w, CLASS_EXTERNAL);
		wr_8(&w, 0); /* no auxiliary records */
	}
	wr_le32(&w, (uint32_t)(LENGTH_SIZE + t->strings_length));
	wr_bytes(&w, t->strings, t->strings_length);
}

void coff_wipe(struct coff_table *t)
{
	free(t->symbols);
	free(t->strings);
	memset(t, 0, sizeof(*t));
}
