#include "bridge/target/regions.h"

#include <string.h>
#include <time.h>

#include "bridge/target/machine_access.h"

enum {
	PIECES_MAX = 1 << 16, /* looked at for one answer, tables known or not */
	PAGE_BITS = 12,
	INDEX_BITS = 9,
	ENTRY_WRITABLE = 1 << 1,
};
#define ENTRY_NO_EXECUTE (UINT64_C(1) << 63)

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static unsigned level_count(const struct page_walk *walk)
{
	return walk->count > 0 && strcmp(walk->steps[0].name, "PML5E") == 0 ? 5 : 4;
}

/* The addresses between the two halves are nobody's. */
static bool take_hole(const struct page_walk *walk, uint64_t address,
		      struct region *piece)
{
	unsigned bits = PAGE_BITS + level_count(walk) * INDEX_BITS - 1;
	uint64_t half = UINT64_C(1) << bits;

	if (address < half || address > UINT64_MAX - half)
		return false;
	*piece = (struct region){ .start = half, .last = UINT64_MAX - half };
	return true;
}

/* What one entry of a table tells: a page, or that there is none so far around. */
static enum kd_result look(struct target *t, uint64_t address, struct region *piece)
{
	struct page_walk walk;
	enum kd_result result = page_walk(t, address, &walk);
	uint64_t size;

	if (result != KD_DONE || walk.count == 0)
		return result == KD_DONE ? KD_REFUSED : result;
	if (take_hole(&walk, address, piece))
		return KD_DONE;
	size = walk.present
		       ? walk.size
		       : UINT64_C(1) << (PAGE_BITS +
					 (level_count(&walk) - walk.count) * INDEX_BITS);
	*piece = (struct region){ .start = address & ~(size - 1),
				  .mapped = walk.present,
				  .writable = walk.present,
				  .executable = walk.present };
	piece->last = piece->start + (size - 1);
	for (unsigned i = 0; walk.present && i < walk.count; i++) {
		piece->writable &= (walk.steps[i].entry & ENTRY_WRITABLE) != 0;
		piece->executable &= (walk.steps[i].entry & ENTRY_NO_EXECUTE) == 0;
	}
	return KD_DONE;
}

static bool is_alike(const struct region *a, const struct region *b)
{
	return a->mapped == b->mapped && a->writable == b->writable &&
	       a->executable == b->executable;
}

/* The next piece in that direction; false: another kind of, or the end. */
static bool grow(struct target *t, struct region *region,
		 const struct region_bounds *bounds, bool up)
{
	struct region piece;

	if (up ? region->last >= bounds->last : region->start <= bounds->first)
		return false;
	if (look(t, up ? region->last + 1 : region->start - 1, &piece) != KD_DONE ||
	    !is_alike(&piece, region))
		return false;
	if (up)
		region->last = piece.last;
	else
		region->start = piece.start;
	return true;
}

/* The same for each address of a run, so that its parts lie side by side. */
static struct region_bounds block_of(uint64_t address, const struct region_bounds *bounds)
{
	uint64_t first = address & ~(uint64_t)(REGION_BLOCK - 1);
	struct region_bounds block = { first, first + (REGION_BLOCK - 1) };

	if (bounds && bounds->first > block.first)
		block.first = bounds->first;
	if (bounds && bounds->last < block.last)
		block.last = bounds->last;
	return block;
}

enum kd_result region_find(struct target *t, uint64_t address,
			   const struct region_bounds *bounds, struct region *region)
{
	struct region_bounds within = { 0, UINT64_MAX };
	uint64_t begun = target_exchanges(t), begun_us = now_us();
	unsigned pieces = 0;
	bool up = true, down = true;
	enum kd_result result = look(t, address, region);

	if (result == KD_DONE && region->mapped)
		within = block_of(address, bounds);
	while (result == KD_DONE && (up || down) && pieces++ < PIECES_MAX &&
	       target_exchanges(t) - begun < REGION_EXCHANGES &&
	       now_us() - begun_us < REGION_US) {
		up = up && grow(t, region, &within, true);
		down = down && grow(t, region, &within, false);
	}
	if (result == KD_DONE && region->mapped && bounds) {
		region->start =
			region->start > bounds->first ? region->start : bounds->first;
		region->last = region->last < bounds->last ? region->last : bounds->last;
	}
	return result;
}
