#include <stdlib.h>
#include <string.h>

#include "bridge/image/unwind_info.h"
#include "kdnet/wire.h"

enum {
	ENTRY_SIZE = 12,
	INFO_LIKELY = 32, /* most unwind data is shorter */
};

static int by_begin(const void *a, const void *b)
{
	const struct unwind_function *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

/* Whatever order the table claims to have: sorted, and of two that overlap the first. */
static void put_in_order(struct unwind_table *table)
{
	size_t kept = 0;
	qsort(table->functions, table->count, sizeof(*table->functions), by_begin);
	for (size_t i = 0; i < table->count; i++) {
		const struct unwind_function *f = &table->functions[i];
		if (kept && f->begin < table->functions[kept - 1].end)
			table->refused++;
		else
			table->functions[kept++] = *f;
	}
	table->count = kept;
}

static void read_entries(struct reader *r, const struct pe *pe,
			 struct unwind_table *table)
{
	while (r->left >= ENTRY_SIZE) {
		struct unwind_function f;
		f.begin = rd_le32(r);
		f.end = rd_le32(r);
		f.info = rd_le32(r);
		if (f.begin == f.end)
			continue; /* padding, or a function that compilers left empty */
		if (f.begin < f.end && f.end <= pe->image_size && f.info != 0 &&
		    f.info < pe->image_size)
			table->functions[table->count++] = f;
		else
			table->refused++;
	}
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* One question for each run of pieces that hold unwind data, not one for each function. */
static bool fetch_unwind_data(struct image_memory *memory,
			      const struct unwind_table *table)
{
	uint32_t *infos = calloc(table->count ? table->count : 1, sizeof(*infos));
	uint8_t *run = malloc(IMAGE_RUN);
	bool ok = infos && run;
	for (size_t i = 0; ok && i < table->count; i++)
		infos[i] = table->functions[i].info & ~1u;
	if (ok)
		qsort(infos, table->count, sizeof(*infos), by_number);
	for (size_t i = 0; ok && i < table->count;) {
		uint64_t start = infos[i], end = start + INFO_LIKELY;
		for (i++; i < table->count; i++) {
			uint64_t next = (uint64_t)infos[i] + INFO_LIKELY;
			if (infos[i] > end + IMAGE_PIECE || next - start > IMAGE_RUN)
				break;
			end = next;
		}
		ok = image_memory_read(memory, start, run, (size_t)(end - start)) ||
		     !image_memory_was_interrupted(memory);
	}
	free(infos);
	free(run);
	return ok;
}

bool unwind_table_read(struct image_memory *memory, const struct pe *pe,
		       struct unwind_table *table)
{
	const struct pe_directory *d = &pe->directories[PE_DIRECTORY_EXCEPTION];
	size_t count = d->size / ENTRY_SIZE;
	memset(table, 0, sizeof(*table));
	if (pe->machine != PE_MACHINE_AMD64 || count == 0)
		return true;
	count = count < UNWIND_FUNCTIONS_MAX ? count : UNWIND_FUNCTIONS_MAX;
	uint8_t *bytes = malloc(count * ENTRY_SIZE);
	table->functions = calloc(count, sizeof(*table->functions));
	bool ok = bytes && table->functions;
	if (ok && image_memory_read(memory, d->rva, bytes, count * ENTRY_SIZE)) {
		struct reader r = rd_init(bytes, count * ENTRY_SIZE);
		read_entries(&r, pe, table);
		put_in_order(table);
		ok = fetch_unwind_data(memory, table);
	}
	free(bytes);
	return ok && !image_memory_was_interrupted(memory);
}

void unwind_table_wipe(struct unwind_table *table)
{
	free(table->functions);
	memset(table, 0, sizeof(*table));
}

const struct unwind_function *unwind_table_find(const struct unwind_table *table,
						uint32_t rva)
{
	size_t low = 0, high = table->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (table->functions[middle].end <= rva)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == table->count || rva < table->functions[low].begin)
		return NULL;
	return &table->functions[low];
}

bool unwind_continues(const struct unwind_table *table, const uint32_t *primaries,
		      size_t i)
{
	return i > 0 && table->functions[i - 1].end == table->functions[i].begin &&
	       primaries[i] != 0 && primaries[i] == primaries[i - 1];
}
