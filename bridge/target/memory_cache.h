/*
 * What was read of the stopped target's memory: bytes with a mark each whether they are
 * known, kept by page, and pages that cannot be read. It asks nobody. Private to target/.
 */
#ifndef BRIDGE_TARGET_MEMORY_CACHE_H
#define BRIDGE_TARGET_MEMORY_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MEMORY_PAGE_SIZE = 4096,
	/* Pages held at most; one more, and all are forgotten. */
	MEMORY_PAGES_MAX = 8192,
};

struct memory_page;

/* Zeros are an empty cache. */
struct memory_cache {
	struct memory_page **slots; /* a hash table of a power of two */
	size_t slots_count;
	size_t pages;
	uint64_t bytes; /* known */
};

/* Copies the bytes that are known from `address` on without a gap; returns how many. */
size_t memory_cache_get(const struct memory_cache *c, uint64_t address, void *out,
			size_t length);
/* Known from now on. Nothing is kept when memory is short. Must not wrap around. */
void memory_cache_put(struct memory_cache *c, uint64_t address, const void *bytes,
		      size_t length);
/* The byte could not be read, so what is not known of its page cannot be either. */
void memory_cache_put_hole(struct memory_cache *c, uint64_t address);
bool memory_cache_is_hole(const struct memory_cache *c, uint64_t address);
/* The pages of that range are asked for anew. Must not wrap around. */
void memory_cache_drop(struct memory_cache *c, uint64_t address, size_t length);
void memory_cache_clear(struct memory_cache *c);

#endif
