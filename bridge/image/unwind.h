/*
 * Rows of call frame information for one function: how its caller is found from each of
 * its instructions, prologue and epilogues included.
 */
#ifndef BRIDGE_IMAGE_UNWIND_H
#define BRIDGE_IMAGE_UNWIND_H

#include "bridge/image/epilogue.h"
#include "bridge/image/unwind_info.h"

enum { UNWIND_REGISTERS = 16, UNWIND_ROWS_MAX = 65536 };

/* True from `rva` to the next row. Registers as instructions number them: 4 is RSP. */
struct unwind_row {
	uint32_t rva;
	uint8_t cfa_register;
	bool machine_frame; /* the CFA is where an interrupt pushed RIP */
	bool outermost;	    /* there is no caller */
	uint16_t saved;	    /* bit r: register r lies at CFA + slot[r] */
	int32_t cfa_offset; /* CFA = cfa_register + this */
	int32_t slot[UNWIND_REGISTERS];
};

struct unwind_rows {
	struct unwind_row *rows; /* ascending, the first at the function's start */
	size_t count, capacity;
};

/* What makes the rows of the functions of one module. */
struct unwinder {
	struct image_memory *memory;
	const struct unwind_table *table;
	const uint32_t *primaries; /* of each function of the table, 0: unknown */
	size_t code_left;	   /* bytes of code that may be read still */
	size_t code_read;
	bool code_complete;
	struct unwind_info info; /* of the function at hand */
	struct epilogue_steps steps;
	struct unwind_rows rows; /* the result */
	uint8_t *code;		 /* of the function at hand */
	size_t code_size;
};

/* Rows of a leaf: the return address is what RSP points to. */
struct unwind_row unwind_leaf(uint32_t rva);

/*
 * unwinder->rows for one function of the table, followed by a leaf's row at its end, for
 * what lies between it and the next. False: its data makes no sense, interrupted
 * (image_memory_was_interrupted), or no memory.
 */
bool unwind_function_rows(struct unwinder *unwinder,
			  const struct unwind_function *function);
void unwinder_wipe(struct unwinder *unwinder); /* what it allocated itself */

#endif
