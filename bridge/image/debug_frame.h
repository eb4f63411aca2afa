/*
 * A DWARF .debug_frame from rows (RSP.md §3, measured with gdb 13.1): an FDE for each
 * function, which also covers what lies behind it up to the next one.
 *
 * A machine frame takes two steps, as gdb's own signal frames do: the interrupt's routine
 * returns to a made-up address in the module's header page (no code is ever there), and
 * the FDE of that one, marked as a signal's, finds the interrupted RIP and RSP. So gdb
 * looks up the interrupted function at its exact PC, not at the call before it, and the
 * rows of prologues and epilogues are right there too.
 */
#ifndef BRIDGE_IMAGE_DEBUG_FRAME_H
#define BRIDGE_IMAGE_DEBUG_FRAME_H

#include "bridge/image/unwind.h"

enum {
	DEBUG_FRAME_BYTES_MAX = 64 << 20,
	DEBUG_FRAME_TRAP = 0x10, /* RVA of the made-up address */
};

struct debug_frame {
	uint64_t base; /* what RVAs are added to: the ImageBase */
	uint8_t *bytes;
	size_t length, capacity;
	bool has_trap;
	/*
	 * As lldb reads it, set by the caller after debug_frame_init: a rule that is
	 * restored it takes from an entry's first row, so none is; a machine frame is an
	 * entry of a signal's frame itself, since lldb shows each frame in between; and up
	 * to lldb 19 rows count from the symbol, wherever the entry begins, so the leaves
	 * behind a function have an entry of their own.
	 */
	bool for_lldb;
	uint32_t signal_cie; /* for_lldb: where it is, 0: there is none yet */
	uint8_t *scratch;
};

/* False: no memory, from all of these; debug_frame_wipe in any case. */
bool debug_frame_init(struct debug_frame *frame, uint64_t base);
/* The rows cover up to `end`; false also where one cannot be told in DWARF. */
bool debug_frame_add(struct debug_frame *frame, const struct unwind_row *rows,
		     size_t count, uint32_t end);
/* Adds what machine frames need; then frame->bytes is complete. */
bool debug_frame_finish(struct debug_frame *frame);
void debug_frame_wipe(struct debug_frame *frame);

#endif
