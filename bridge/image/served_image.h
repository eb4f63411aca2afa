/*
 * The PE that a client gets for a module: rebuilt from the module in memory, so that any
 * gdb understands it (RSP.md §2, §3). Headers are corrected, sections are holes but for
 * what unwinding and symbols need, and behind the image come a .debug_frame section made
 * from .pdata and a COFF symbol table: exports and the entry point, each also as
 * `module!Name`, and a made-up `module!fn_RVA` for each function that only .pdata knows.
 */
#ifndef BRIDGE_IMAGE_SERVED_IMAGE_H
#define BRIDGE_IMAGE_SERVED_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/image/image_source.h"

struct served_image; /* immutable; a sparse file: what is not there reads as zeros */

enum image_client {
	IMAGE_FOR_GDB, /* with .debug_frame, without the debug directory */
	/* DLL flag set, debug directory kept, no .pdata, which it misreads, names without
	 * `module!` where they are not made up: RSP.md §13, §14 */
	IMAGE_FOR_LLDB,
};

enum image_result {
	IMAGE_OK,
	IMAGE_BAD, /* no PE, or one that cannot be served: serve the empty image */
	IMAGE_INTERRUPTED, /* the source said not now: call again, with the same memory */
	IMAGE_NO_MEMORY,
};

struct image_request {
	const char *name; /* "ntoskrnl.exe": the prefix of symbols is made from it */
	uint64_t base;	  /* where it is loaded: becomes the ImageBase */
	enum image_client client;
	/*
	 * Code to read at most, in bytes, for the epilogues of functions with version 1
	 * unwind data; version 2 tells its epilogues. Without the code, a backtrace is wrong
	 * between the pops of an epilogue (not at its `ret`). SIZE_MAX for a local copy.
	 */
	size_t code_max;
	/* Functions at which backtraces end, beside the kernel's entry point; may be NULL. */
	const uint32_t *outermost; /* RVAs of their first instructions */
	size_t outermost_count;
};

/* What went into an image; for `monitor images` and tests. */
struct image_summary {
	size_t functions; /* in .pdata */
	size_t refused;	  /* of them, unwind data that made no sense: no CFI for these */
	size_t exports;
	size_t symbols;	    /* COFF records */
	size_t debug_frame; /* bytes */
	size_t code_read;   /* bytes of functions looked at for epilogues */
	bool code_complete; /* code_max was enough */
};

/*
 * Builds the image from what `memory` has or fetches. One module's damage costs only
 * itself: bad exports or unwind data are left out, the rest is served. *image is the
 * caller's with IMAGE_OK, NULL otherwise; `summary` may be NULL.
 */
enum image_result served_image_build(struct image_memory *memory,
				     const struct image_request *request,
				     struct served_image **image,
				     struct image_summary *summary);

/*
 * The 512-byte PE without sections: the exec file that makes gdb load libraries, and what
 * a module that cannot be served opens as. `machine`: 0x8664, 0x14c or 0xaa64. NULL: out
 * of memory.
 */
struct served_image *served_image_empty(uint16_t machine);

/* Reference counts: an open file keeps its image. */
struct served_image *served_image_keep(struct served_image *image);
void served_image_free(struct served_image *image); /* the last one; NULL is allowed */

uint64_t served_image_size(const struct served_image *image);
/* The bytes at `offset`, fewer at the end; returns how many. */
size_t served_image_read(const struct served_image *image, uint64_t offset, void *out,
			 size_t length);

/* RVA of the first section: gdb's library list wants base + this (RSP.md §2). 0: none. */
uint32_t served_image_first_section(const struct served_image *image);

/*
 * The prefix of a module's symbols: "nt" for the kernel's names, else the file's name
 * without extension, lower case, other characters than [a-z0-9_] as '_'. Always ends.
 */
enum { IMAGE_PREFIX_MAX = 32 };
void image_prefix(const char *name, char out[static IMAGE_PREFIX_MAX]);

#endif
