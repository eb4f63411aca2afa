#include "bridge/target/address_space.h"

#include <string.h>

#include "bridge/target/internal.h"
#include "bridge/target/machine_access.h"

#define LOWER_HALF_END UINT64_C(0x0000800000000000)

/* ---- which one ---- */

uint64_t address_space_selected(const struct target *t)
{
	return t->address_space.cr3;
}

void address_space_forget(struct target *t)
{
	memory_cache_clear(&t->address_space.pages);
	memory_cache_clear(&t->memory.tables);
}

void address_space_drop(struct target *t)
{
	t->address_space.cr3 = 0;
	address_space_forget(t);
}

/* A number that is no CR3 leads nowhere, least of all to the kernel. */
static enum kd_result check(struct target *t, uint64_t cr3)
{
	const struct kd_version *version = target_version(t);
	struct page_walk walk;
	if (!version || version->kernel_base == 0)
		return KD_REFUSED;
	enum kd_result result = page_walk_from(t, cr3, version->kernel_base, &walk);
	return result == KD_DONE && !walk.present ? KD_REFUSED : result;
}

enum kd_result address_space_select(struct target *t, uint64_t cr3)
{
	if (!target_asks(t))
		return KD_GONE;
	if (cr3 != 0) {
		enum kd_result result = check(t, cr3);
		if (result != KD_DONE)
			return result;
	}
	address_space_drop(t);
	t->address_space.cr3 = cr3;
	return KD_DONE;
}

bool address_space_covers(const struct target *t, uint64_t address)
{
	return t->address_space.cr3 != 0 && address < LOWER_HALF_END;
}

/* ---- one page ---- */

static size_t left_in_page(uint64_t address, size_t length)
{
	size_t left = MEMORY_PAGE_SIZE - (size_t)(address % MEMORY_PAGE_SIZE);
	return length < left ? length : left;
}

static enum kd_result translate(struct target *t, uint64_t address, uint64_t *physical)
{
	struct page_walk walk;
	enum kd_result result = page_walk_from(t, t->address_space.cr3, address, &walk);
	if (result == KD_DONE && !walk.present)
		result = KD_REFUSED;
	*physical = walk.physical;
	return result;
}

/*
 * A page that both processes share, of a DLL perhaps, has our breakpoints in it; one of
 * this process alone has not, at the same address.
 */
static void hide_breakpoints(const struct target *t, uint64_t address, uint8_t *bytes,
			     size_t length)
{
	const struct breakpoint_state *b = &t->breakpoints;
	size_t size = t->arch->breakpoint_size;
	for (size_t i = 0; i < b->count; i++) {
		const struct breakpoint *p = &b->list[i];
		uint64_t at = p->address - address;
		if (p->planted != NOT_PLANTED && p->saved_known && at < length &&
		    size <= length - at && !memcmp(bytes + at, t->arch->breakpoint, size))
			memcpy(bytes + at, p->saved, size);
	}
}

/* The rest of the page, as far as one packet goes. */
static enum kd_result fetch(struct target *t, uint64_t address)
{
	uint8_t bytes[MEMORY_PAGE_SIZE];
	size_t done, length = left_in_page(address, exchange_read_limit(t));
	uint64_t physical;
	enum kd_result result = translate(t, address, &physical);
	if (result == KD_DONE)
		result = memory_read_physical(t, physical, bytes, length, &done);
	if (result == KD_REFUSED)
		memory_cache_put_hole(&t->address_space.pages, address);
	if (result != KD_DONE)
		return result;
	hide_breakpoints(t, address, bytes, done);
	memory_cache_put(&t->address_space.pages, address, bytes, done);
	/* memory may be too short to keep it */
	return memory_cache_get(&t->address_space.pages, address, bytes, 1) == 1
		       ? KD_DONE
		       : KD_REFUSED;
}

/* ---- as memory_read and memory_write ---- */

enum kd_result address_space_read(struct target *t, uint64_t address, void *out,
				  size_t length, size_t *done)
{
	struct memory_cache *pages = &t->address_space.pages;
	if (t->memory.off)
		memory_cache_clear(pages);
	t->exchange.cancel = false;
	for (*done = 0;;) {
		uint64_t at = address + *done;
		*done += memory_cache_get(pages, at, (uint8_t *)out + *done,
					  length - *done);
		at = address + *done;
		if (*done == length)
			return KD_DONE;
		enum kd_result result =
			address_space_covers(t, at) && !memory_cache_is_hole(pages, at)
				? fetch(t, at)
				: KD_REFUSED;
		if (result == KD_REFUSED)
			return *done > 0 ? KD_DONE : KD_REFUSED;
		if (result != KD_DONE)
			return result;
		if (t->exchange.cancel)
			return KD_INTERRUPTED;
	}
}

enum kd_result address_space_write(struct target *t, uint64_t address, const void *in,
				   size_t length, size_t *done)
{
	for (*done = 0; *done < length;) {
		uint64_t at = address + *done, physical;
		size_t written, piece = left_in_page(at, length - *done);
		enum kd_result result = address_space_covers(t, at)
						? translate(t, at, &physical)
						: KD_REFUSED;
		if (result == KD_DONE)
			result = memory_write_physical(t, physical,
						       (const uint8_t *)in + *done, piece,
						       &written);
		if (result == KD_REFUSED)
			return *done > 0 ? KD_DONE : KD_REFUSED;
		if (result != KD_DONE)
			return result;
		*done += written;
		if (written < piece)
			break;
	}
	return KD_DONE;
}
