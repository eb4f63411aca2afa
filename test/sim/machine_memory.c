#include "test/sim/machine_internal.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "kdnet/wire.h"

enum { ENTRIES = 512, FIRST_PAGE = 0x100000, SELF_MAP = 0x1ed };

uint64_t machine_random(struct machine *m)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t entry_for(struct machine *m, uint64_t root, uint64_t address,
			  unsigned level);

/* The kernel's half is the same in every root: its top entries exist from the start. */
static void make_kernel_half(struct machine *m)
{
	static const uint64_t parts[] = { SHARED_DATA_ADDRESS, PCR_ADDRESS, POOL_ADDRESS,
					  IMAGE_ADDRESS };
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		entry_for(m, m->kernel_cr3, parts[i], 2);
}

bool memory_init(struct machine *m)
{
	m->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->ram == MAP_FAILED) {
		m->ram = NULL;
		return false;
	}
	m->next_page = FIRST_PAGE;
	m->kernel_cr3 = memory_new_root(m, false);
	make_kernel_half(m);
	return true;
}

void memory_free(struct machine *m)
{
	if (m->ram)
		munmap(m->ram, RAM_SIZE);
}

uint64_t memory_allocate(struct machine *m, uint32_t pages)
{
	uint64_t physical = m->next_page;
	m->next_page += (uint64_t)pages * PAGE_SIZE;
	assert(m->next_page <= RAM_SIZE);
	return physical;
}

static uint64_t get_entry(const struct machine *m, uint64_t physical)
{
	return load_le(m->ram + physical, 8);
}

void memory_set_entry(struct machine *m, uint64_t entry_physical, uint64_t entry)
{
	store_le(m->ram + entry_physical, entry, 8);
}

uint64_t memory_new_root(struct machine *m, bool share)
{
	uint64_t root = memory_allocate(m, 1);
	if (share)
		memcpy(m->ram + root + PAGE_SIZE / 2,
		       m->ram + m->kernel_cr3 + PAGE_SIZE / 2, PAGE_SIZE / 2);
	memory_set_entry(m, root + SELF_MAP * 8,
			 root | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY |
				 PTE_NO_EXECUTE);
	return root;
}

static unsigned index_at(uint64_t address, unsigned level)
{
	return (unsigned)(address >> (12 + 9 * level)) & (ENTRIES - 1);
}

/* Where the entry of the given level (0: the page's) for an address is, made if need be. */
static uint64_t entry_for(struct machine *m, uint64_t root, uint64_t address,
			  unsigned level)
{
	uint64_t table = root & PTE_FRAME;
	for (unsigned at = 3; at > level; at--) {
		uint64_t place = table + index_at(address, at) * 8;
		uint64_t entry = get_entry(m, place);
		if (!(entry & PTE_PRESENT)) {
			uint64_t user = address >> 47 ? 0 : PTE_USER;
			entry = memory_allocate(m, 1) | PTE_PRESENT | PTE_WRITE | user |
				PTE_ACCESSED | PTE_DIRTY;
			memory_set_entry(m, place, entry);
		}
		table = entry & PTE_FRAME;
	}
	return table + index_at(address, level) * 8;
}

void memory_map(struct machine *m, uint64_t root, uint64_t address, uint64_t physical,
		uint32_t pages, uint64_t flags)
{
	for (uint32_t i = 0; i < pages; i++) {
		uint64_t offset = (uint64_t)i * PAGE_SIZE;
		uint64_t place = entry_for(m, root, address + offset, 0);
		memory_set_entry(m, place, (physical + offset) | flags);
	}
}

void memory_map_large(struct machine *m, uint64_t address, uint64_t physical,
		      uint64_t flags)
{
	uint64_t place = entry_for(m, m->kernel_cr3, address, 1);
	memory_set_entry(m, place, physical | flags | PTE_LARGE);
}

static bool is_canonical(uint64_t address)
{
	return address >> 47 == 0 || address >> 47 == 0x1ffff;
}

bool memory_walk(struct machine *m, uint64_t root, uint64_t address, uint64_t *entry,
		 bool *large, uint64_t *entry_physical)
{
	uint64_t table = root & PTE_FRAME;
	if (!is_canonical(address))
		return false;
	for (unsigned level = 3;; level--) {
		uint64_t place = table + index_at(address, level) * 8;
		if (place + 8 > RAM_SIZE)
			return false;
		*entry = get_entry(m, place);
		*entry_physical = place;
		*large = level == 1 && (*entry & PTE_LARGE);
		if (level == 0 || *large)
			return true;
		if (!(*entry & PTE_PRESENT))
			return false;
		table = *entry & PTE_FRAME;
	}
}

bool memory_translate(struct machine *m, uint64_t root, uint64_t address,
		      uint64_t *physical)
{
	uint64_t entry, place;
	bool large;
	if (!memory_walk(m, root, address, &entry, &large, &place) ||
	    !(entry & PTE_PRESENT))
		return false;
	uint64_t within = large ? LARGE_PAGE_SIZE - 1 : PAGE_SIZE - 1;
	*physical = (entry & PTE_FRAME & ~within) | (address & within);
	return true;
}

void memory_unmap(struct machine *m, uint64_t root, uint64_t address, uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++) {
		uint64_t entry, place, page = address + (uint64_t)i * PAGE_SIZE;
		bool large;
		if (memory_walk(m, root, page, &entry, &large, &place) && !large)
			memory_set_entry(m, place, entry & ~PTE_PRESENT);
	}
	engine_unmap(m, address, pages);
}

uint64_t memory_pool(struct machine *m, uint64_t size)
{
	size = (size + 15) & ~15ull;
	if (m->pool_next + size > m->pool_end) {
		uint64_t physical = (m->next_page + LARGE_PAGE_SIZE - 1) &
				    ~(uint64_t)(LARGE_PAGE_SIZE - 1);
		m->next_page = physical;
		memory_allocate(m, LARGE_PAGE_SIZE / PAGE_SIZE);
		if (m->pool_end == 0)
			m->pool_next = m->pool_end = POOL_ADDRESS;
		memory_map_large(m, m->pool_end, physical,
				 PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY |
					 PTE_GLOBAL | PTE_NO_EXECUTE);
		m->pool_end += LARGE_PAGE_SIZE;
	}
	uint64_t address = m->pool_next;
	m->pool_next += size;
	return address;
}

/* ---- reads and writes from outside ---- */

/* What the device shows: its offset, mixed with how often it was read. */
static void device_read(struct machine *m, uint64_t offset, uint8_t *out, size_t n)
{
	m->device_reads++;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(offset + i + m->device_reads);
}

/* At most the rest of one page; 0: nothing there. */
static size_t physical_piece(struct machine *m, uint64_t physical, uint8_t *out,
			     const uint8_t *in, size_t length)
{
	size_t room = PAGE_SIZE - (size_t)(physical & (PAGE_SIZE - 1));
	size_t n = length < room ? length : room;
	if ((physical & ~(uint64_t)(PAGE_SIZE - 1)) == DEVICE_PHYSICAL) {
		if (out)
			device_read(m, physical - DEVICE_PHYSICAL, out, n);
		return n;
	}
	if (physical >= RAM_SIZE)
		return 0;
	if (out) {
		memcpy(out, m->ram + physical, n);
	} else {
		memcpy(m->ram + physical, in, n);
		engine_written(m, physical, n);
	}
	return n;
}

static size_t virtual_copy(struct machine *m, uint64_t root, uint64_t address,
			   uint8_t *out, const uint8_t *in, size_t length)
{
	size_t done = 0;
	while (done < length) {
		uint64_t physical, at = address + done;
		size_t room = PAGE_SIZE - (size_t)(at & (PAGE_SIZE - 1));
		size_t n = length - done < room ? length - done : room;
		if (!memory_translate(m, root, at, &physical))
			break;
		n = physical_piece(m, physical, out ? out + done : NULL,
				   in ? in + done : NULL, n);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static size_t physical_copy(struct machine *m, uint64_t address, uint8_t *out,
			    const uint8_t *in, size_t length)
{
	size_t done = 0;
	while (done < length) {
		size_t n = physical_piece(m, address + done, out ? out + done : NULL,
					  in ? in + done : NULL, length - done);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static uint64_t root_of(const struct machine *m, unsigned cpu)
{
	return cpu < m->options.cpus ? cpu_special(&m->cpus[cpu], SPECIAL_CR3)
				     : m->kernel_cr3;
}

size_t machine_read(struct machine *m, unsigned cpu, uint64_t address, void *out,
		    size_t length)
{
	return virtual_copy(m, root_of(m, cpu), address, out, NULL, length);
}

size_t machine_write(struct machine *m, unsigned cpu, uint64_t address, const void *in,
		     size_t length)
{
	return virtual_copy(m, root_of(m, cpu), address, NULL, in, length);
}

size_t machine_read_physical(struct machine *m, uint64_t address, void *out,
			     size_t length)
{
	return physical_copy(m, address, out, NULL, length);
}

size_t machine_write_physical(struct machine *m, uint64_t address, const void *in,
			      size_t length)
{
	return physical_copy(m, address, NULL, in, length);
}

bool machine_is_resident(struct machine *m, unsigned cpu, uint64_t address)
{
	uint64_t physical;
	return memory_translate(m, root_of(m, cpu), address, &physical);
}

uint64_t machine_device_reads(const struct machine *m)
{
	return m->device_reads;
}

uint64_t memory_get(struct machine *m, uint64_t address, unsigned size)
{
	uint8_t bytes[8] = { 0 };
	size_t n = virtual_copy(m, m->kernel_cr3, address, bytes, NULL, size);
	assert(n == size);
	return load_le(bytes, size);
}

void memory_put_bytes(struct machine *m, uint64_t address, const void *bytes, size_t n)
{
	size_t done = virtual_copy(m, m->kernel_cr3, address, NULL, bytes, n);
	assert(done == n);
	(void)done;
}

void memory_put(struct machine *m, uint64_t address, uint64_t value, unsigned size)
{
	uint8_t bytes[8];
	store_le(bytes, value, size);
	memory_put_bytes(m, address, bytes, size);
}
