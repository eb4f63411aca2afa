#include "test/sim/machine_internal.h"

enum { REGISTERS = 4 };

/* The two bits of DR7 that say what register i breaks on. */
static unsigned kind_of(uint64_t dr7, unsigned i)
{
	return (unsigned)(dr7 >> (16 + 4 * i)) & 3;
}

static unsigned length_of(uint64_t dr7, unsigned i)
{
	static const uint8_t lengths[4] = { 1, 2, 8, 4 };
	return lengths[(dr7 >> (18 + 4 * i)) & 3];
}

static bool is_enabled(uint64_t dr7, unsigned i)
{
	return (dr7 >> (2 * i)) & 3;
}

/* A register for reads and writes (3) hits on both, one for writes (1) on those alone. */
static bool wants(unsigned register_kind, unsigned access)
{
	return register_kind == access || (register_kind == 3 && access == 1);
}

uint32_t debug_hits(const struct cpu *c, unsigned kind, uint64_t address, unsigned size)
{
	uint64_t dr7 = cpu_special(c, SPECIAL_DR7);
	uint32_t hits = 0;
	if (!(dr7 & 0xff))
		return 0;
	for (unsigned i = 0; i < REGISTERS; i++) {
		if (!is_enabled(dr7, i) || !wants(kind_of(dr7, i), kind))
			continue;
		unsigned length = length_of(dr7, i);
		uint64_t at =
			cpu_special(c, SPECIAL_DR0 + 8 * i) & ~(uint64_t)(length - 1);
		if (address - at < length || at - address < size)
			hits |= 1u << i;
	}
	return hits;
}
