#include "bridge/target/descriptor.h"

#include "kdnet/wire.h"

enum {
	SYSTEM_TYPE_MASK = 0xf,
	IST_MASK = 7,
	DPL_MASK = 3,
	/* bits of the access byte and of the flags above the limit */
	ACCESS_ACCESSED = 0x01,
	ACCESS_WRITABLE = 0x02,
	ACCESS_CODE = 0x08,
	ACCESS_SEGMENT = 0x10,
	ACCESS_PRESENT = 0x80,
	FLAG_LONG = 0x20,
	FLAG_BIG = 0x40,
	FLAG_PAGES = 0x80,
	PAGE_BITS = 12,
};

/* In long mode; the others are reserved there. */
static const char *const system_types[SYSTEM_TYPE_MASK + 1] = {
	[0x2] = "LDT",	     [0x9] = "TSS available", [0xb] = "TSS busy",
	[0xc] = "call gate", [0xe] = "interrupt",     [0xf] = "trap",
};

static const char *system_type(unsigned type)
{
	const char *name = system_types[type & SYSTEM_TYPE_MASK];
	return name ? name : "reserved";
}

struct descriptor_gate descriptor_gate(const uint8_t bytes[static DESCRIPTOR_GATE_SIZE])
{
	struct reader r = rd_init(bytes, DESCRIPTOR_GATE_SIZE);
	struct descriptor_gate g = { .handler = rd_le16(&r) };
	g.selector = rd_le16(&r);
	g.ist = rd_8(&r) & IST_MASK;
	uint8_t access = rd_8(&r);
	g.handler |= (uint64_t)rd_le16(&r) << 16;
	g.handler |= (uint64_t)rd_le32(&r) << 32;
	g.present = (access & ACCESS_PRESENT) != 0;
	g.dpl = access >> 5 & DPL_MASK;
	g.type = access & ACCESS_SEGMENT ? "reserved" : system_type(access);
	return g;
}

static const char *segment_type(uint8_t access, uint8_t flags)
{
	if (!(access & ACCESS_SEGMENT))
		return system_type(access);
	if (!(access & ACCESS_CODE))
		return "data";
	if (flags & FLAG_LONG)
		return "code 64-bit";
	return flags & FLAG_BIG ? "code 32-bit" : "code 16-bit";
}

struct descriptor_segment descriptor_segment(const uint8_t *bytes, size_t length)
{
	struct reader r = rd_init(bytes, length);
	struct descriptor_segment s = { .limit = rd_le16(&r) };
	s.base = rd_le16(&r) | (uint64_t)rd_8(&r) << 16;
	uint8_t access = rd_8(&r), flags = rd_8(&r);
	s.base |= (uint64_t)rd_8(&r) << 24;
	s.limit |= (uint64_t)(flags & 0xf) << 16;
	if (flags & FLAG_PAGES)
		s.limit = (s.limit << PAGE_BITS) + (1 << PAGE_BITS) - 1;
	s.present = (access & ACCESS_PRESENT) != 0;
	s.wide = !(access & ACCESS_SEGMENT) && (access & SYSTEM_TYPE_MASK) != 0;
	if (s.wide)
		s.base |= (uint64_t)rd_le32(&r) << 32;
	s.type = segment_type(access, flags);
	s.writable = (access & ACCESS_SEGMENT) && (access & ACCESS_WRITABLE);
	s.accessed = (access & ACCESS_SEGMENT) && (access & ACCESS_ACCESSED);
	s.dpl = access >> 5 & DPL_MASK;
	return s;
}
