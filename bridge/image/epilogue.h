/*
 * Where a function's epilogues are and what each of their instructions has undone. With
 * version 2 unwind data the codes tell it; with version 1 the code itself must be looked
 * at, as Windows does it: the pops that mirror the pushes, then a return or a jump away.
 */
#ifndef BRIDGE_IMAGE_EPILOGUE_H
#define BRIDGE_IMAGE_EPILOGUE_H

#include "bridge/image/unwind_info.h"

/*
 * From `offset` in the function on, the first `left` of its operations that move RSP are
 * all that is still on the stack (so 0: RSP points to the return address). The last step
 * of an epilogue has `ends`: what follows is the function's body again.
 */
struct epilogue_step {
	uint32_t offset;
	uint16_t left;
	bool ends;
};

struct epilogue_steps {
	struct epilogue_step *steps; /* ascending */
	size_t count, capacity;
};

enum { EPILOGUE_STEPS_MAX = 65536 }; /* of one function */

/* Does the function have anything to undo, in a way that only its code tells? */
bool epilogue_needs_code(const struct unwind_info *info);

/* Version 2: from the codes. False: no memory. */
bool epilogues_from_codes(const struct unwind_info *info, struct epilogue_steps *out);

/*
 * Version 1: from the code.
 *   code, length  the whole function
 *   begin         its RVA
 *   leaves        does a jump to that RVA leave the function?
 */
struct epilogue_code {
	const uint8_t *code;
	size_t length;
	uint32_t begin;
	bool (*leaves)(void *context, uint32_t rva);
	void *context;
};
bool epilogues_from_code(const struct unwind_info *info, const struct epilogue_code *code,
			 struct epilogue_steps *out);

/* Forgets the steps, keeps the storage; epilogue_steps_wipe frees it. */
void epilogue_steps_clear(struct epilogue_steps *steps);
void epilogue_steps_wipe(struct epilogue_steps *steps);

#endif
