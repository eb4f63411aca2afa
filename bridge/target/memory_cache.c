#include "bridge/target/memory_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64, WORDS = MEMORY_PAGE_SIZE / WORD_BITS, SLOTS_FIRST = 16 };

struct memory_page {
	uint64_t number; /* address / MEMORY_PAGE_SIZE */
	bool hole;
	uint64_t known[WORDS]; /* a bit for each byte */
	uint8_t bytes[MEMORY_PAGE_SIZE];
};

static size_t slot_of(uint64_t number, size_t slots_count)
{
	uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(mixed >> 32) & (slots_count - 1);
}

/* The slot where the page is, or where it would go. The table is never full. */
static struct memory_page **probe(struct memory_page **slots, size_t slots_count,
				  uint64_t number)
{
	size_t i = slot_of(number, slots_count);
	while (slots[i] && slots[i]->number != number)
		i = (i + 1) & (slots_count - 1);
	return &slots[i];
}

static struct memory_page *find(const struct memory_cache *c, uint64_t number)
{
	return c->slots ? *probe(c->slots, c->slots_count, number) : NULL;
}

static bool grow(struct memory_cache *c)
{
	size_t count = c->slots_count > 0 ? c->slots_count * 2 : SLOTS_FIRST;
	struct memory_page **slots = calloc(count, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i < c->slots_count; i++) {
		if (c->slots[i])
			*probe(slots, count, c->slots[i]->number) = c->slots[i];
	}
	free(c->slots);
	c->slots = slots;
	c->slots_count = count;
	return true;
}

static struct memory_page *find_or_add(struct memory_cache *c, uint64_t number)
{
	struct memory_page *page = find(c, number);
	if (page)
		return page;
	if (c->pages >= MEMORY_PAGES_MAX)
		return NULL;
	if (c->pages * 2 >= c->slots_count && !grow(c))
		return NULL;
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	page->number = number;
	*probe(c->slots, c->slots_count, number) = page;
	c->pages++;
	return page;
}

/* `n` ones from bit `from` on; n is 1 to 64 - from. */
static uint64_t bits(size_t from, size_t n)
{
	assert(n > 0 && n <= WORD_BITS - from);
	return (UINT64_MAX >> (WORD_BITS - n)) << from;
}

static size_t part_of_word(size_t offset, size_t n)
{
	size_t left = WORD_BITS - offset % WORD_BITS;
	return n < left ? n : left;
}

/* Known bytes from the offset on without a gap, at most n. */
static size_t run_length(const struct memory_page *page, size_t offset, size_t n)
{
	size_t run = 0;
	while (run < n) {
		size_t at = offset + run;
		size_t part = part_of_word(at, n - run);
		uint64_t missing =
			~page->known[at / WORD_BITS] & bits(at % WORD_BITS, part);
		if (missing)
			return run + (size_t)__builtin_ctzll(missing) - at % WORD_BITS;
		run += part;
	}
	return n;
}

static void mark_known(struct memory_cache *c, struct memory_page *page, size_t offset,
		       size_t n)
{
	while (n > 0) {
		size_t part = part_of_word(offset, n);
		uint64_t *word = &page->known[offset / WORD_BITS];
		uint64_t added = bits(offset % WORD_BITS, part) & ~*word;
		*word |= added;
		c->bytes += (uint64_t)__builtin_popcountll(added);
		offset += part;
		n -= part;
	}
}

static size_t part_of_page(uint64_t address, size_t n)
{
	size_t left = MEMORY_PAGE_SIZE - (size_t)(address % MEMORY_PAGE_SIZE);
	return n < left ? n : left;
}

size_t memory_cache_get(const struct memory_cache *c, uint64_t address, void *out,
			size_t length)
{
	size_t done = 0;
	while (done < length) {
		uint64_t at = address + done;
		const struct memory_page *page = find(c, at / MEMORY_PAGE_SIZE);
		if (!page)
			break;
		size_t offset = (size_t)(at % MEMORY_PAGE_SIZE);
		size_t part = part_of_page(at, length - done);
		size_t run = run_length(page, offset, part);
		memcpy((uint8_t *)out + done, page->bytes + offset, run);
		done += run;
		if (run < part)
			break;
	}
	return done;
}

/* Before something goes in, so that it stays in whole. */
static void make_room(struct memory_cache *c, size_t length)
{
	if (c->pages + length / MEMORY_PAGE_SIZE + 2 > MEMORY_PAGES_MAX)
		memory_cache_clear(c);
}

void memory_cache_put(struct memory_cache *c, uint64_t address, const void *bytes,
		      size_t length)
{
	make_room(c, length);
	for (size_t done = 0; done < length;) {
		uint64_t at = address + done;
		size_t part = part_of_page(at, length - done);
		struct memory_page *page = find_or_add(c, at / MEMORY_PAGE_SIZE);
		if (!page)
			return;
		size_t offset = (size_t)(at % MEMORY_PAGE_SIZE);
		memcpy(page->bytes + offset, (const uint8_t *)bytes + done, part);
		mark_known(c, page, offset, part);
		done += part;
	}
}

void memory_cache_put_hole(struct memory_cache *c, uint64_t address)
{
	make_room(c, 1);
	struct memory_page *page = find_or_add(c, address / MEMORY_PAGE_SIZE);
	if (page)
		page->hole = true;
}

bool memory_cache_is_hole(const struct memory_cache *c, uint64_t address)
{
	const struct memory_page *page = find(c, address / MEMORY_PAGE_SIZE);
	return page && page->hole &&
	       run_length(page, (size_t)(address % MEMORY_PAGE_SIZE), 1) == 0;
}

void memory_cache_drop(struct memory_cache *c, uint64_t address, size_t length)
{
	for (size_t done = 0; done < length;) {
		uint64_t at = address + done;
		struct memory_page *page = find(c, at / MEMORY_PAGE_SIZE);
		for (size_t i = 0; page && i < WORDS; i++)
			c->bytes -= (uint64_t)__builtin_popcountll(page->known[i]);
		if (page) {
			memset(page->known, 0, sizeof(page->known));
			page->hole = false;
		}
		done += part_of_page(at, length - done);
	}
}

void memory_cache_clear(struct memory_cache *c)
{
	for (size_t i = 0; i < c->slots_count; i++)
		free(c->slots[i]);
	free(c->slots);
	*c = (struct memory_cache){ 0 };
}
