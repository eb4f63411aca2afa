#include "bridge/image/image_source.h"

#include <stdlib.h>
#include <string.h>

/* Pieces lie in a flat table: it is small even for the largest image (4 MiB). */
enum { PIECES_MAX = IMAGE_SIZE_MAX / IMAGE_PIECE };

struct image_memory {
	struct image_source inner;
	uint8_t **pieces; /* by number, NULL: not asked yet */
	size_t count;	  /* entries of the table */
	uint64_t held;	  /* bytes of pieces */
	uint64_t bytes_read;
	bool interrupted;
	uint8_t run[IMAGE_RUN];
};

/* What a piece of nothing but zeros points to. */
static uint8_t nothing[IMAGE_PIECE];

struct image_memory *image_memory_new(const struct image_source *inner)
{
	struct image_memory *memory = calloc(1, sizeof(*memory));
	if (memory)
		memory->inner = *inner;
	return memory;
}

void image_memory_free(struct image_memory *memory)
{
	if (!memory)
		return;
	for (size_t i = 0; i < memory->count; i++)
		if (memory->pieces[i] != nothing)
			free(memory->pieces[i]);
	free(memory->pieces);
	free(memory);
}

void image_memory_set_inner(struct image_memory *memory, const struct image_source *inner)
{
	memory->inner = *inner;
}

static bool make_room(struct image_memory *memory, size_t count)
{
	if (count <= memory->count)
		return true;
	size_t wanted = memory->count ? memory->count : 64;
	while (wanted < count)
		wanted *= 2;
	uint8_t **grown = realloc(memory->pieces, wanted * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + memory->count, 0, (wanted - memory->count) * sizeof(*grown));
	memory->pieces = grown;
	memory->count = wanted;
	return true;
}

static bool keep_piece(struct image_memory *memory, size_t number, const uint8_t *bytes)
{
	uint8_t *copy = nothing;
	if (memcmp(bytes, nothing, IMAGE_PIECE) != 0) {
		if (memory->held >= IMAGE_READ_MAX || !(copy = malloc(IMAGE_PIECE)))
			return false;
		memcpy(copy, bytes, IMAGE_PIECE);
		memory->held += IMAGE_PIECE;
	}
	memory->pieces[number] = copy;
	return true;
}

/*
 * What the inner source has of a run, the rest as zeros. A page that is missing ends one
 * answer, not the run: what lies behind it may be there.
 */
static bool read_run(struct image_memory *memory, uint64_t rva, size_t length)
{
	enum { PAGE = 4096 };
	size_t at = 0;
	memset(memory->run, 0, length);
	while (at < length) {
		size_t done = 0;
		if (!memory->inner.read(memory->inner.context, rva + at, memory->run + at,
					length - at, &done)) {
			memory->interrupted = true;
			return false;
		}
		done = done < length - at ? done : length - at;
		memory->bytes_read += done;
		at += done;
		if (at < length) {
			size_t gap = PAGE - (size_t)((rva + at) % PAGE);
			gap = gap < length - at ? gap : length - at;
			memset(memory->run + at, 0, gap);
			at += gap;
		}
	}
	return true;
}

/* Fetches the missing pieces of [first, end), neighbours with one question. */
static bool fetch(struct image_memory *memory, size_t first, size_t end)
{
	for (size_t i = first; i < end;) {
		size_t n = 0;
		while (i + n < end && n < IMAGE_RUN / IMAGE_PIECE &&
		       !memory->pieces[i + n])
			n++;
		if (n > 0 &&
		    (memory->interrupted ||
		     !read_run(memory, (uint64_t)i * IMAGE_PIECE, n * IMAGE_PIECE)))
			return false;
		for (size_t k = 0; k < n; k++)
			if (!keep_piece(memory, i + k, memory->run + k * IMAGE_PIECE))
				return false;
		i += n ? n : 1;
	}
	return true;
}

bool image_memory_read(struct image_memory *memory, uint64_t rva, void *out,
		       size_t length)
{
	if (rva >= IMAGE_SIZE_MAX || length > IMAGE_SIZE_MAX - rva)
		return false;
	size_t first = (size_t)(rva / IMAGE_PIECE);
	size_t end = (size_t)((rva + length + IMAGE_PIECE - 1) / IMAGE_PIECE);
	if (!make_room(memory, end) || !fetch(memory, first, end))
		return false;
	uint8_t *to = out;
	while (length > 0) {
		size_t skip = (size_t)(rva % IMAGE_PIECE);
		size_t n = IMAGE_PIECE - skip < length ? IMAGE_PIECE - skip : length;
		memcpy(to, memory->pieces[rva / IMAGE_PIECE] + skip, n);
		to += n;
		rva += n;
		length -= n;
	}
	return true;
}

bool image_memory_has(const struct image_memory *memory, uint64_t rva, size_t length)
{
	for (uint64_t i = rva / IMAGE_PIECE; i * IMAGE_PIECE < rva + length; i++)
		if (i >= memory->count || !memory->pieces[i])
			return false;
	return true;
}

uint64_t image_memory_bytes_read(const struct image_memory *memory)
{
	return memory->bytes_read;
}

bool image_memory_was_interrupted(const struct image_memory *memory)
{
	return memory->interrupted;
}

void image_memory_resume(struct image_memory *memory)
{
	memory->interrupted = false;
}

const uint8_t *image_memory_piece(const struct image_memory *memory, size_t number,
				  size_t *end)
{
	*end = memory->count;
	if (number >= memory->count || memory->pieces[number] == nothing)
		return NULL;
	return memory->pieces[number];
}
