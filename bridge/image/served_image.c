#include "bridge/image/served_image.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/image/debug_frame.h"
#include "bridge/image/pe_header.h"
#include "bridge/image/rsds.h"
#include "bridge/image/sparse.h"
#include "bridge/image/symbols.h"

enum {
	PAGE = 0x1000,
	HEADERS_MAX = 8192,
	WORK_MAX =
		16 << 20, /* codes looked at: a second at most; a kernel has a million */
};

/* All that one build needs, released together. */
struct build {
	struct image_memory *memory;
	const struct image_request *request;
	struct image_summary summary;
	char prefix[IMAGE_PREFIX_MAX];
	struct pe pe;
	struct exports exports;
	struct unwind_table functions;
	uint32_t *primaries; /* of each function */
	size_t work;	     /* spent on unwind data */
	struct unwinder unwinder;
	struct debug_frame debug_frame;
	struct unwind_rows joined; /* of the parts of a function, for lldb */
	uint32_t joined_end;
	struct coff_table coff;
	struct pe_layout layout;
	struct rsds rsds;
	struct served_image *image;
};

static enum image_result failure(const struct build *b)
{
	return image_memory_was_interrupted(b->memory) ? IMAGE_INTERRUPTED
						       : IMAGE_NO_MEMORY;
}

/* ---- names ---- */

void image_prefix(const char *name, char out[static IMAGE_PREFIX_MAX])
{
	static const char *const kernels[] = { "ntoskrnl", "ntkrnlmp", "ntkrnlpa",
					       "ntkrpamp" };
	const char *dot = strrchr(name, '.');
	size_t n = dot ? (size_t)(dot - name) : strlen(name);
	n = n < IMAGE_PREFIX_MAX - 1 ? n : IMAGE_PREFIX_MAX - 1;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		out[i] = fine ? c : '_';
	}
	out[n] = 0;
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
		if (strcmp(out, kernels[i]) == 0)
			strcpy(out, "nt");
}

/* ---- unwinding ---- */

/* Which function each entry of the table is a part of, before any code is looked at. */
static bool find_primaries(struct build *b)
{
	struct unwind_info *info = &b->unwinder.info;
	b->primaries = calloc(b->functions.count + 1, sizeof(*b->primaries));
	if (!b->primaries)
		return false;
	for (size_t i = 0; i < b->functions.count && b->work < WORK_MAX; i++) {
		if (unwind_info_read(b->memory, &b->functions.functions[i], info))
			b->primaries[i] = info->primary;
		b->work += info->work;
	}
	return !image_memory_was_interrupted(b->memory);
}

static bool is_outermost(const struct build *b, uint32_t rva)
{
	if (rva == b->pe.entry && strcmp(b->prefix, "nt") == 0)
		return true;
	for (size_t i = 0; i < b->request->outermost_count; i++)
		if (b->request->outermost[i] == rva)
			return true;
	return false;
}

/* Where the code of function i and what lies behind it end: leaves have no entry. */
static uint32_t cover_end(const struct build *b, size_t i)
{
	const struct unwind_function *f = &b->functions.functions[i];
	const struct pe_section *s = pe_section_of(&b->pe, f->begin);
	uint32_t end = s ? s->rva + s->size : f->end;
	if (i + 1 < b->functions.count && b->functions.functions[i + 1].begin < end)
		end = b->functions.functions[i + 1].begin;
	return end > f->end ? end : f->end;
}

/* The leaves of a section before its first function, or all of it. */
static bool add_first_leaves(struct build *b)
{
	for (uint32_t i = 0; i < b->pe.section_count; i++) {
		const struct pe_section *s = &b->pe.sections[i];
		struct unwind_row leaf = unwind_leaf(s->rva);
		uint32_t end = s->rva + s->size;
		size_t low = 0, high = b->functions.count;
		while (low < high) { /* the first function that begins in it */
			size_t middle = low + (high - low) / 2;
			if (b->functions.functions[middle].begin < s->rva)
				low = middle + 1;
			else
				high = middle;
		}
		if (low < b->functions.count && b->functions.functions[low].begin < end)
			end = b->functions.functions[low].begin;
		if (pe_is_code(s) && !debug_frame_add(&b->debug_frame, &leaf, 1, end))
			return false;
	}
	return true;
}

static void add_rows(struct build *b, const struct unwind_rows *rows, uint32_t end)
{
	if (!debug_frame_add(&b->debug_frame, rows->rows, rows->count, end))
		b->summary.refused++;
}

static void add_joined(struct build *b)
{
	add_rows(b, &b->joined, b->joined_end);
	b->joined.count = 0;
}

/* Parts of a function that lie together share its symbol, by which lldb finds their entry:
 * one entry, then. The leaf's row at the end of a part gives way to the next part. */
static bool join_rows(struct build *b, size_t i)
{
	const struct unwind_rows *rows = &b->unwinder.rows;
	struct unwind_rows *joined = &b->joined;
	bool more = joined->count > 0 && unwind_continues(&b->functions, b->primaries, i);
	if (!more)
		add_joined(b);
	size_t first = more ? joined->count - 1 : 0;
	struct unwind_row *grown =
		reallocarray(joined->rows, first + rows->count, sizeof(*grown));
	if (!grown)
		return false;
	memcpy(grown + first, rows->rows, rows->count * sizeof(*grown));
	*joined = (struct unwind_rows){ .rows = grown, .count = first + rows->count };
	b->joined_end = cover_end(b, i);
	return true;
}

/* One function's entry; one whose data makes no sense has none. False: interrupted. */
static bool add_function(struct build *b, size_t i)
{
	const struct unwind_function *f = &b->functions.functions[i];
	struct unwinder *u = &b->unwinder;
	/* data that takes that much is no compiler's */
	bool ok = b->work < WORK_MAX && unwind_function_rows(u, f);
	b->work += u->info.work;
	if (!ok) {
		b->summary.refused++;
		return !image_memory_was_interrupted(b->memory);
	}
	if (is_outermost(b, f->begin))
		for (size_t k = 0; k + 1 < u->rows.count; k++)
			u->rows.rows[k].outermost = true;
	if (b->debug_frame.for_lldb)
		return join_rows(b, i);
	add_rows(b, &u->rows, cover_end(b, i));
	return true;
}

static enum image_result make_debug_frame(struct build *b)
{
	struct unwinder *u = &b->unwinder;
	*u = (struct unwinder){ .memory = b->memory,
				.table = &b->functions,
				.code_left = b->request->code_max,
				.code_complete = true };
	if (!unwind_table_read(b->memory, &b->pe, &b->functions) || !find_primaries(b) ||
	    !debug_frame_init(&b->debug_frame, b->request->base))
		return failure(b);
	b->debug_frame.for_lldb = b->request->client == IMAGE_FOR_LLDB;
	u->primaries = b->primaries;
	if (b->functions.count == 0)
		return IMAGE_OK;
	if (!add_first_leaves(b))
		return failure(b);
	for (size_t i = 0; i < b->functions.count; i++)
		if (!add_function(b, i))
			return failure(b);
	add_joined(b);
	if (!debug_frame_finish(&b->debug_frame))
		return failure(b);
	b->layout.debug_frame_length = (uint32_t)b->debug_frame.length;
	return IMAGE_OK;
}

/* ---- the file ---- */

/* Headers, what was read of the module, then unwinding and symbols behind it. */
static bool add_pieces(struct build *b, size_t headers)
{
	size_t end, first;
	if (b->layout.rsds_size > 0)
		headers = b->layout.rsds_rva + b->layout.rsds_size;
	first = (headers + IMAGE_PIECE - 1) / IMAGE_PIECE;
	(void)image_memory_piece(b->memory, 0, &end);
	for (size_t i = first; i < end; i++) {
		const uint8_t *piece = image_memory_piece(b->memory, i, &end);
		uint64_t at = (uint64_t)i * IMAGE_PIECE;
		if (!piece || at >= b->pe.image_size)
			continue;
		size_t n = b->pe.image_size - at < IMAGE_PIECE
				   ? (size_t)(b->pe.image_size - at)
				   : IMAGE_PIECE;
		if (!sparse_add_copy(b->image, at, piece, n))
			return false;
	}
	return true;
}

static bool add_symbol_table(struct build *b)
{
	size_t size = coff_size(&b->coff);
	uint8_t *bytes = malloc(size);
	if (!bytes)
		return false;
	coff_write(&b->coff, bytes);
	return sparse_add(b->image, b->layout.symbol_table, bytes, size);
}

static bool add_headers(struct build *b, size_t *length)
{
	uint8_t headers[HEADERS_MAX];
	*length = pe_header_write(&b->pe, &b->layout, headers, sizeof(headers));
	return *length > 0 && sparse_add_copy(b->image, 0, headers, *length);
}

/*
 * The section that names the PDB: what is left of the header page, which is the module's
 * own address range, so that it lies on no neighbour.
 */
static void place_rsds(struct build *b)
{
	uint32_t begin = (pe_header_end(&b->pe) + 15) & ~15u;
	uint32_t end = b->pe.section_count ? b->pe.sections[0].rva : 0;
	end = end < PAGE ? end : PAGE;
	if (b->request->client != IMAGE_FOR_LLDB || b->rsds.path[0] == 0 || begin >= end)
		return;
	b->layout.rsds_rva = begin;
	b->layout.rsds_size = end - begin;
}

static bool add_rsds(struct build *b)
{
	uint8_t bytes[PAGE];
	const struct pe_layout *l = &b->layout;
	if (l->rsds_size == 0)
		return true;
	/* without room for the path twice there is none: half a name is none */
	if (!rsds_section_write(&b->rsds, b->rsds.path, l->rsds_rva, bytes, l->rsds_size))
		memset(bytes, 0, l->rsds_size);
	return sparse_add_copy(b->image, l->rsds_rva, bytes, l->rsds_size);
}

static uint32_t align(uint32_t value)
{
	return (value + PAGE - 1) & ~(uint32_t)(PAGE - 1);
}

static enum image_result make_file(struct build *b)
{
	struct pe_layout *l = &b->layout;
	size_t headers;
	l->base = b->request->base;
	l->client = b->request->client;
	l->debug_frame_rva = align(b->pe.image_size);
	l->symbol_table = align(l->debug_frame_rva + l->debug_frame_length);
	l->symbols = (uint32_t)b->coff.count;
	b->image = sparse_new(l->symbol_table + coff_size(&b->coff),
			      b->pe.section_count ? b->pe.sections[0].rva : 0);
	place_rsds(b);
	if (!b->image || !add_headers(b, &headers) || !add_rsds(b) ||
	    !add_pieces(b, headers))
		return IMAGE_NO_MEMORY;
	if (l->debug_frame_length > 0 &&
	    !sparse_add_copy(b->image, l->debug_frame_rva, b->debug_frame.bytes,
			     b->debug_frame.length))
		return IMAGE_NO_MEMORY;
	return add_symbol_table(b) ? IMAGE_OK : IMAGE_NO_MEMORY;
}

static enum image_result make_symbols(struct build *b)
{
	/* lldb says the module with each symbol */
	b->coff.one_name = b->request->client == IMAGE_FOR_LLDB;
	if (!coff_string(&b->coff, ".debug_frame", &b->layout.debug_frame_name) ||
	    !symbols_add(&b->coff, &b->pe, b->prefix, &b->exports, &b->functions,
			 b->primaries))
		return IMAGE_NO_MEMORY;
	coff_sort(&b->coff);
	return IMAGE_OK;
}

static enum image_result build(struct build *b)
{
	enum pe_result headers = pe_read(b->memory, &b->pe);
	if (headers != PE_OK)
		return headers == PE_INTERRUPTED ? IMAGE_INTERRUPTED : IMAGE_BAD;
	b->pe.section_count = pe_header_sections(&b->pe);
	if (!exports_read(b->memory, &b->pe, &b->exports))
		return failure(b);
	if (b->request->client == IMAGE_FOR_LLDB &&
	    !rsds_read(b->memory, &b->pe, &b->rsds))
		return failure(b);
	enum image_result result = make_debug_frame(b);
	if (result == IMAGE_OK)
		result = make_symbols(b);
	if (result == IMAGE_OK)
		result = make_file(b);
	return result;
}

static void summarise(struct build *b)
{
	b->summary.functions = b->functions.count + b->functions.refused;
	b->summary.refused += b->functions.refused;
	b->summary.exports = b->exports.count;
	b->summary.symbols = b->coff.count;
	b->summary.debug_frame = b->layout.debug_frame_length;
	b->summary.code_read = b->unwinder.code_read;
	b->summary.code_complete = b->unwinder.code_complete;
}

static void wipe(struct build *b)
{
	exports_wipe(&b->exports);
	unwind_table_wipe(&b->functions);
	unwinder_wipe(&b->unwinder);
	debug_frame_wipe(&b->debug_frame);
	coff_wipe(&b->coff);
	free(b->joined.rows);
	free(b->primaries);
	served_image_free(b->image);
	free(b);
}

enum image_result served_image_build(struct image_memory *memory,
				     const struct image_request *request,
				     struct served_image **image,
				     struct image_summary *summary)
{
	struct build *b = calloc(1, sizeof(*b));
	*image = NULL;
	if (!b)
		return IMAGE_NO_MEMORY;
	b->memory = memory;
	b->request = request;
	image_prefix(request->name, b->prefix);
	image_memory_resume(memory);
	enum image_result result = build(b);
	summarise(b);
	if (summary)
		*summary = b->summary;
	if (result == IMAGE_OK) {
		*image = b->image;
		b->image = NULL;
	}
	wipe(b);
	return result;
}

struct served_image *served_image_empty(uint16_t machine)
{
	uint8_t bytes[PE_EMPTY_SIZE];
	struct served_image *image = sparse_new(PE_EMPTY_SIZE, 0);
	pe_header_write_empty(machine, bytes);
	if (image && !sparse_add_copy(image, 0, bytes, sizeof(bytes))) {
		served_image_free(image);
		return NULL;
	}
	return image;
}
