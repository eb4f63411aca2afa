/* Physical memory of a few pages behind the fake target, with page tables in it. */
#ifndef TEST_FAKE_TABLES_H
#define TEST_FAKE_TABLES_H

#include "test/unit/bridge/fake_target.h"

enum { PAGE = 4096, PHYSICAL_PAGES = 64 };
#define PRESENT UINT64_C(3) /* and writable */
#define LARGE	UINT64_C(0x80)

static uint8_t physical[PHYSICAL_PAGES * PAGE];
static unsigned physical_reads;

/* The entry for an address in the table that is in that page; level 0 is the last one. */
static inline void entry(unsigned table, uint64_t address, unsigned level, uint64_t value)
{
	size_t index = address >> (12 + 9 * level) & 511;
	store_le(physical + (size_t)table * PAGE + index * 8, value, 8);
}

static inline uint64_t entry_at(unsigned table, uint64_t address, unsigned level)
{
	size_t index = address >> (12 + 9 * level) & 511;
	return load_le(physical + (size_t)table * PAGE + index * 8, 8);
}

/* Serves reads and writes of physical memory: for fake_target.on_request. */
static inline bool on_physical(struct fake_target *f, uint16_t api, uint8_t *data,
			       size_t length)
{
	uint64_t address = load_le(data + 16, 8);
	size_t count = (size_t)load_le(data + 24, 4);
	if (api != KD_READ_PHYSICAL && api != KD_WRITE_PHYSICAL)
		return false;
	if (api == KD_READ_PHYSICAL && count > f->reply_max)
		count = f->reply_max;
	bool fits = address < sizeof(physical) && count <= sizeof(physical) - address;
	store_le(data + 28, fits ? count : 0, 4);
	uint32_t status = fits ? KD_STATUS_SUCCESS : KD_STATUS_UNSUCCESSFUL;
	if (api == KD_READ_PHYSICAL) {
		physical_reads++;
		fake_reply(f, data, status, physical + (fits ? address : 0),
			   fits ? count : 0);
		return true;
	}
	if (fits)
		memcpy(physical + address, data + KD_MANIPULATE_SIZE,
		       length - KD_MANIPULATE_SIZE);
	fake_reply(f, data, status, NULL, 0);
	return true;
}

/* ---- tables that grow as they are needed, from a top one in page 1 ---- */

enum { FAKE_TOP = 1 };
static unsigned tables_used, tables_levels;

/* None so far; they are those of processor 0. Before its registers are first read. */
static inline void tables_begin(struct fake_target *f, unsigned levels)
{
	memset(physical, 0, sizeof(physical));
	tables_used = FAKE_TOP + 1;
	tables_levels = levels;
	physical_reads = 0;
	f->on_request = on_physical;
	store_le(f->special[0] + 0x10, FAKE_TOP * PAGE, 8);	      /* CR3 */
	store_le(f->special[0] + 0x18, levels == 5 ? 1 << 12 : 0, 8); /* CR4.LA57 */
}

/* The table of that level which has the address, made where it is not there. */
static inline unsigned tables_to(uint64_t address, unsigned level)
{
	unsigned table = FAKE_TOP;
	for (unsigned at = tables_levels; --at > level;) {
		if (entry_at(table, address, at) == 0) {
			assert_true(tables_used < PHYSICAL_PAGES);
			entry(table, address, at,
			      (uint64_t)tables_used++ * PAGE | PRESENT);
		}
		table = (unsigned)((entry_at(table, address, at) & ~UINT64_C(0xfff)) /
				   PAGE);
	}
	return table;
}

/* A page of 4 KiB, 2 MiB or 1 GiB: level 0, 1, 2. What it holds is nobody's business. */
static inline void tables_map(uint64_t address, unsigned level, uint64_t flags)
{
	entry(tables_to(address, level), address, level, flags | (level ? LARGE : 0));
}

#endif
