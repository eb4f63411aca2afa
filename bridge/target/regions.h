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
 * The run of pages with the same rights around an address, no further than `bounds`, or
 * the gap that it is in. A gap is one whatever it is made of, as long as that takes no more
 * than REGION_EXCHANGES and REGION_US: beyond, and where pages go on behind a border of
 * REGION_BLOCK, the next answer tells the rest. So pages, of which most questions are,
 * cost little, and lldb waits for no answer in vain (RSP.md §18).
 *   bounds  its first and its last byte; NULL: none
 * KD_REFUSED: not amd64, or no tables.
 */
struct region_bounds {
	uint64_t first, last;
};
enum {
	REGION_EXCHANGES = 512,
	REGION_US = 2000000,
	REGION_BLOCK = 8 << 20, /* a large page may be longer */
};
enum kd_result region_find(struct target *t, uint64_t address,
			   const struct region_bounds *bounds, struct region *region);

#endif
