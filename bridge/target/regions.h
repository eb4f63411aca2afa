/* What the address space is made of, as the page tables say: runs of pages, and gaps. */
#ifndef BRIDGE_TARGET_REGIONS_H
#define BRIDGE_TARGET_REGIONS_H

#include "bridge/target/target.h"

struct region {
	uint64_t start;
	uint64_t last; /* its last byte: a region may end where the addresses do */
	bool mapped;   /* false: nothing there is */
	bool writable, executable;
};

/*
 * The run of pages with the same rights, or the gap, around an address. It looks for both
 * ends for REGION_EXCHANGES at most: a long run may be told in parts, a gap seldom is,
 * since one entry of a table tells of much. KD_REFUSED: not amd64, or no tables.
 */
enum { REGION_EXCHANGES = 16 };
enum kd_result region_find(struct target *t, uint64_t address, struct region *region);

#endif
