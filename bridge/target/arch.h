/* The register map of one processor architecture: one table, everything is made of it. */
#ifndef BRIDGE_TARGET_ARCH_H
#define BRIDGE_TARGET_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/kd.h"

enum arch_place {
	IN_CONTEXT,	  /* offset into CONTEXT */
	IN_SPECIAL,	  /* offset into KSPECIAL_REGISTERS */
	IN_CONTEXT_CODED, /* x87 registers whose FXSAVE form differs: arch's functions */
	IN_MSR,		  /* `offset` is the MSR's number: one exchange by itself */
};

struct arch_register {
	uint16_t number; /* gdb's, ascending from 0 without gaps */
	const char *name;
	uint16_t bits; /* as the front end sees it */
	enum arch_place place;
	uint32_t offset;
	uint8_t stored; /* bytes in the block; less than bits / 8: zero-extended */
	const char *type;
	const char *group;
	const char *feature;
	bool in_g;	/* part of the general read; system registers are not */
	bool expedited; /* told with each stop */
};

struct arch {
	enum kd_machine machine;
	const char *name; /* "i386:x86-64" */
	unsigned pointer_size;
	size_t context_size;
	size_t special_size;
	uint32_t context_flags; /* what a set must carry (KD.md §3) */
	uint32_t context_flags_offset;
	const struct arch_register *registers;
	size_t count;
	uint16_t pc, sp, fp, flags; /* register numbers */
	uint16_t argument;	    /* the first one of a call in kernel code */
	uint16_t debug;		    /* the first of DR0 to DR3 */
	uint16_t debug_control;	    /* DR7 */
	uint8_t breakpoint[4];	    /* the instruction */
	size_t breakpoint_size;
	/* IN_CONTEXT_CODED rows: from and to the context block. */
	void (*load)(const struct arch_register *row, const uint8_t *context,
		     uint8_t *out);
	bool (*store)(const struct arch_register *row, uint8_t *context,
		      const uint8_t *in);
};

extern const struct arch arch_amd64;

/* The row of that name; NULL: none. */
const struct arch_register *arch_register_named(const struct arch *arch,
						const char *name);

/* The map of a machine; NULL when there is none yet. */
const struct arch *arch_of(enum kd_machine machine);

#endif
