#include "bridge/target/memory_window.h"

#include "bridge/target/memory_cache.h"

/* The hardware abstraction layer's own region, 32-bit addresses being sign-extended. */
#define DEVICES_FIRST UINT64_C(0xffffffffffc00000)

static size_t smaller(size_t a, uint64_t b)
{
	return a < b ? a : (size_t)b;
}

bool memory_is_device(uint64_t address)
{
	return address >= DEVICES_FIRST;
}

/*
 * Not over a border at which another kind of address begins: a range that is not canonical
 * is refused as a whole, and devices are not read ahead. Nor around the address space.
 */
static size_t clamp(uint64_t address, size_t count)
{
	static const uint64_t borders[] = { UINT64_C(0x800000000000), DEVICES_FIRST };
	for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
		if (address < borders[i])
			return smaller(count, borders[i] - address);
	}
	return smaller(count - 1, UINT64_MAX - address) + 1;
}

static uint64_t page_left(uint64_t address)
{
	return MEMORY_PAGE_SIZE - address % MEMORY_PAGE_SIZE;
}

/* The largest power of two that one reply carries and that divides a page. */
static size_t block_size(size_t limit)
{
	size_t block = MEMORY_PAGE_SIZE;
	while (block > limit && block > 1)
		block /= 2;
	return block;
}

/* From the start of the block on, if all that is wanted can come along. */
static struct memory_window around(const struct memory_miss *miss)
{
	uint64_t last = miss->address + miss->wanted - 1;
	uint64_t end_left = page_left(last); /* from `last` to the end of its page */
	uint64_t first = miss->address - miss->address % block_size(miss->limit);
	size_t before = (size_t)(miss->address - first);
	if (before + miss->wanted > miss->limit) {
		first = miss->address;
		before = 0;
	}
	uint64_t whole = before + miss->wanted - 1 + end_left;
	return (struct memory_window){ first, clamp(first, smaller(miss->limit, whole)) };
}

struct memory_window memory_window(const struct memory_miss *miss)
{
	if (miss->exact || memory_is_device(miss->address))
		return (struct memory_window){
			miss->address,
			clamp(miss->address, smaller(miss->wanted, miss->limit)),
		};
	if (miss->goes_on || miss->wanted >= miss->limit)
		return (struct memory_window){ miss->address,
					       clamp(miss->address, miss->limit) };
	return around(miss);
}

struct memory_window memory_window_narrow(const struct memory_miss *miss)
{
	size_t count =
		smaller(smaller(miss->wanted, miss->limit), page_left(miss->address));
	return (struct memory_window){ miss->address, clamp(miss->address, count) };
}
