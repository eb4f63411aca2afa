#include "bridge/target/machine_access.h"

#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

static struct kd_request request_of(const struct target *t, enum kd_api api)
{
	const struct target_stop *stop = target_stopped(t);
	return (struct kd_request){ .api = api,
				    .processor = stop ? (uint16_t)stop->processor : 0 };
}

enum kd_result msr_read(struct target *t, uint32_t number, uint64_t *value)
{
	struct kd_request request = request_of(t, KD_READ_MSR);
	struct kd_reply reply;
	request.u.msr.number = number;
	enum kd_result result = exchange(t, &request, &reply);
	*value = result == KD_DONE ? reply.u.msr.value : 0;
	return result;
}

enum kd_result msr_write(struct target *t, uint32_t number, uint64_t value)
{
	struct kd_request request = request_of(t, KD_WRITE_MSR);
	struct kd_reply reply;
	request.u.msr.number = number;
	request.u.msr.value = value;
	return exchange(t, &request, &reply);
}

enum kd_result port_read(struct target *t, uint16_t port, unsigned size, uint32_t *value)
{
	struct kd_request request = request_of(t, KD_READ_IO);
	struct kd_reply reply;
	request.u.io.port = port;
	request.u.io.size = size;
	enum kd_result result = exchange(t, &request, &reply);
	*value = result == KD_DONE ? reply.u.io.value : 0;
	return result;
}

enum kd_result port_write(struct target *t, uint16_t port, unsigned size, uint32_t value)
{
	struct kd_request request = request_of(t, KD_WRITE_IO);
	struct kd_reply reply;
	request.u.io.port = port;
	request.u.io.size = size;
	request.u.io.value = value;
	return exchange(t, &request, &reply);
}

/* ---- page tables of amd64 ---- */

enum {
	ENTRY_PRESENT = 1,
	ENTRY_LARGE = 0x80,
	ENTRY_SIZE = 8,
	TABLE_PIECE = 1024, /* of a table, about one KD exchange */
	PAGE_BITS = 12,
	INDEX_BITS = 9,
	INDEX_MASK = (1 << INDEX_BITS) - 1,
	CR4_LA57 = 1 << 12,
};
#define ENTRY_FRAME UINT64_C(0x000ffffffffff000)

static const char *const level_names[PAGE_LEVELS_MAX] = { "PTE", "PDE", "PDPTE", "PML4E",
							  "PML5E" };

static bool system_register(struct target *t, const char *name, uint64_t *value)
{
	const struct target_stop *stop = target_stopped(t);
	const struct arch_register *row = arch_register_named(target_arch(t), name);
	return stop && row &&
	       registers_get(t, stop->processor, row->number, value) == KD_DONE;
}

/* What lies around an entry is wanted soon, and it is RAM. Kept until a resume or a write. */
static enum kd_result read_entry(struct target *t, struct page_step *step)
{
	struct memory_cache *tables = &t->memory.tables;
	uint8_t bytes[TABLE_PIECE];
	uint64_t piece = step->entry_at & ~(uint64_t)(TABLE_PIECE - 1);
	size_t done;
	if (t->memory.off)
		memory_cache_clear(tables);
	if (memory_cache_get(tables, step->entry_at, bytes, ENTRY_SIZE) < ENTRY_SIZE) {
		enum kd_result result =
			memory_read_physical(t, piece, bytes, sizeof(bytes), &done);
		if (result != KD_DONE)
			return result;
		memory_cache_put(tables, piece, bytes, done);
		if (memory_cache_get(tables, step->entry_at, bytes, ENTRY_SIZE) <
		    ENTRY_SIZE)
			return KD_REFUSED;
	}
	step->entry = load_le(bytes, ENTRY_SIZE);
	return KD_DONE;
}

/* Bits of the address that one entry of the level covers. */
static unsigned level_bits(unsigned level)
{
	return PAGE_BITS + level * INDEX_BITS;
}

static void found_page(struct page_walk *walk, unsigned level, uint64_t address)
{
	uint64_t entry = walk->steps[walk->count - 1].entry;
	walk->present = true;
	walk->size = UINT64_C(1) << level_bits(level);
	walk->physical =
		(entry & ENTRY_FRAME & ~(walk->size - 1)) | (address & (walk->size - 1));
}

enum kd_result page_walk_from(struct target *t, uint64_t cr3, uint64_t address,
			      struct page_walk *walk)
{
	uint64_t table = cr3, cr4;
	*walk = (struct page_walk){ .count = 0 };
	if (target_arch(t)->machine != KD_MACHINE_AMD64 ||
	    !system_register(t, "cr4", &cr4))
		return KD_REFUSED;
	for (unsigned level = cr4 & CR4_LA57 ? 5 : 4; level-- > 0;) {
		struct page_step *step = &walk->steps[walk->count];
		uint64_t index = address >> level_bits(level) & INDEX_MASK;
		step->name = level_names[level];
		step->entry_at = (table & ENTRY_FRAME) + index * ENTRY_SIZE;
		enum kd_result result = read_entry(t, step);
		if (result != KD_DONE)
			return result;
		walk->count++;
		if (!(step->entry & ENTRY_PRESENT))
			return KD_DONE;
		bool large = (level == 1 || level == 2) && step->entry & ENTRY_LARGE;
		if (level == 0 || large) {
			found_page(walk, level, address);
			return KD_DONE;
		}
		table = step->entry;
	}
	return KD_DONE;
}

enum kd_result page_walk(struct target *t, uint64_t address, struct page_walk *walk)
{
	uint64_t cr3;
	*walk = (struct page_walk){ .count = 0 };
	if (!system_register(t, "cr3", &cr3))
		return KD_REFUSED;
	return page_walk_from(t, cr3, address, walk);
}
