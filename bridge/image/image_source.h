/*
 * Where the bytes of a module come from: the memory of a target, a local copy of the file,
 * an array in a test. Addresses are RVAs, offsets from the base at which it is loaded.
 */
#ifndef BRIDGE_IMAGE_IMAGE_SOURCE_H
#define BRIDGE_IMAGE_IMAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_source {
	void *context;
	/*
	 * Reads up to `length` bytes; *done of them, from the start, are valid: fewer where
	 * a page is not there. False: not now (the target is gone, or something else comes
	 * first); what is being built gives up and can be begun anew.
	 */
	bool (*read)(void *context, uint64_t rva, void *out, size_t length, size_t *done);
};

/*
 * A source that remembers, piece by piece, all that came through it: pages of a module
 * that hold headers, exports and unwind data never change. A build that was interrupted
 * and begins anew asks the target for nothing twice. Pages that were not there are zeros.
 */
struct image_memory;

enum {
	IMAGE_PIECE = 1024, /* the unit that is remembered: about one KD exchange */
	IMAGE_SIZE_MAX = 512 << 20,  /* a module that claims more is refused */
	IMAGE_READ_MAX = 64 << 20,   /* remembered for one module at most */
	IMAGE_RUN = 64 * IMAGE_PIECE /* asked of the inner source in one call at most */
};

/* NULL: out of memory. `inner` is copied; what its context points to must stay. */
struct image_memory *image_memory_new(const struct image_source *inner);
void image_memory_free(struct image_memory *memory);
/* Another inner source for what is missing still. */
void image_memory_set_inner(struct image_memory *memory,
			    const struct image_source *inner);

/*
 * All `length` bytes at `rva`, zeros where the module has none; a miss asks for whole
 * pieces, neighbours together. False: the inner source said not now, or a limit is
 * reached: *out is not to be used.
 */
bool image_memory_read(struct image_memory *memory, uint64_t rva, void *out,
		       size_t length);
/* Has every byte of it come already, or is known to be missing in the module? */
bool image_memory_has(const struct image_memory *memory, uint64_t rva, size_t length);
/* What the inner source was asked for so far, in bytes. */
uint64_t image_memory_bytes_read(const struct image_memory *memory);
/*
 * Did the inner source say not now? What is missing then fails without asking, until
 * image_memory_resume.
 */
bool image_memory_was_interrupted(const struct image_memory *memory);
void image_memory_resume(struct image_memory *memory);
/*
 * The remembered bytes of piece `number` (IMAGE_PIECE each); NULL: not read, or zeros.
 * *end is one past the last piece of the table.
 */
const uint8_t *image_memory_piece(const struct image_memory *memory, size_t number,
				  size_t *end);

#endif
