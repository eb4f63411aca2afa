/*
 * x64 unwind data as mapped: the function table (.pdata) and UNWIND_INFO (Microsoft, "x64
 * exception handling"; versions 1 and 2), as the operations of each function's prologue.
 */
#ifndef BRIDGE_IMAGE_UNWIND_INFO_H
#define BRIDGE_IMAGE_UNWIND_INFO_H

#include "bridge/image/pe.h"

enum {
	UNWIND_FUNCTIONS_MAX = 262144, /* 3 MiB of .pdata */
	UNWIND_CHAIN_MAX = 32,	       /* as Windows: a longer chain is a loop */
	UNWIND_OPERATIONS_MAX = 512,   /* of a function with all it is chained to */
	UNWIND_EPILOGUES_MAX = 255,    /* version 2: one code each */
	UNWIND_DEPTH_MAX = 1 << 30,    /* of a frame, in bytes */
	REGISTER_RSP = 4,	       /* as instructions number them */
};

struct unwind_function { /* RUNTIME_FUNCTION; RVAs */
	uint32_t begin, end, info;
};

struct unwind_table {
	struct unwind_function *functions; /* sorted; none overlaps, all in the image */
	size_t count;
	size_t refused; /* entries that made no sense */
};

/*
 * Reads the table in one piece, then the unwind data that it names, neighbours
 * together. False: interrupted, or no memory. unwind_table_wipe in any case.
 */
bool unwind_table_read(struct image_memory *memory, const struct pe *pe,
		       struct unwind_table *table);
void unwind_table_wipe(struct unwind_table *table);
/* Is function i a part of the one before it, directly behind it? `primaries` of each. */
bool unwind_continues(const struct unwind_table *table, const uint32_t *primaries,
		      size_t i);
/* The function that holds the address; NULL: none, a leaf. */
const struct unwind_function *unwind_table_find(const struct unwind_table *table,
						uint32_t rva);

enum unwind_kind {
	UNWIND_PUSH,	      /* slot: where `reg` lies */
	UNWIND_SAVE,	      /* the same, by a move */
	UNWIND_ALLOCATE,      /* size */
	UNWIND_SET_FRAME,     /* CFA = reg + slot */
	UNWIND_MACHINE_FRAME, /* an interrupt pushed RIP, CS, EFLAGS, RSP, SS */
};

/*
 * One operation. The CFA is RSP as it was before the call that led here (so the return
 * address lies below it), but for a machine frame the address of its RIP.
 */
struct unwind_operation {
	enum unwind_kind kind;
	uint8_t reg;
	uint32_t end;  /* offset in the function behind its instruction */
	uint32_t size; /* bytes allocated */
	int64_t depth; /* CFA - RSP after it */
	int64_t slot;  /* from the CFA */
};

struct unwind_epilogue { /* behind the release of the fixed frame: the pops and the end */
	uint32_t begin, end; /* offsets in the function */
};

struct unwind_info {
	uint8_t version;
	uint8_t prologue; /* bytes */
	uint32_t primary; /* RVA of the function at the chain's end */
	struct unwind_operation operations[UNWIND_OPERATIONS_MAX]; /* as executed */
	size_t count;
	bool machine_frame;
	struct unwind_epilogue
		epilogues[UNWIND_EPILOGUES_MAX]; /* version 2; as written */
	size_t epilogue_count;
	size_t work; /* links and codes looked at: what reading it cost */
};

/*
 * The unwind data of one function, that of the parts it is chained to first (their
 * operations have end 0: they are done before it begins). False: it makes no sense, or
 * image_memory_was_interrupted.
 */
bool unwind_info_read(struct image_memory *memory, const struct unwind_function *function,
		      struct unwind_info *info);

#endif
