/*
 * Breakpoint opcodes that the debugger wrote itself, by a memory write into module
 * code: tests count those that are still there. KD.md §7 has the list and the PE.
 */
#include "kdnet/wire.h"
#include "test/sim/kd.h"

enum {
	INT3 = 0xcc,
	MODULES_MAX = 4096,
	ENTRY_SIZE = 0x48,
	ENTRY_BASE = 0x30,
	ENTRY_IMAGE_SIZE = 0x40,
	PE_POINTER = 0x3c,
	PE_HEADER_SIZE = 0x18,
	PE_SECTIONS = 6,
	PE_OPTIONAL_SIZE = 0x14,
	SECTION_SIZE = 40,
	SECTION_VIRTUAL_SIZE = 8,
	SECTION_ADDRESS = 12,
	SECTION_FLAGS = 36,
	SECTIONS_MAX = 96,
};

#define SECTION_EXECUTE UINT32_C(0x20000000)

static bool read_all(struct kd *k, uint64_t address, void *out, size_t length)
{
	return machine_read(k->machine, k->current, address, out, length) == length;
}

/* Base of the module that the address lies in; 0: none. */
static uint64_t find_module(struct kd *k, uint64_t address)
{
	uint8_t entry[ENTRY_SIZE];
	uint64_t head = machine_module_list(k->machine);
	uint64_t link = head;
	for (unsigned i = 0; i < MODULES_MAX; i++) {
		if (!read_all(k, link, entry, i == 0 ? 8 : sizeof(entry)))
			return 0;
		uint64_t base = load_le(entry + ENTRY_BASE, 8);
		if (i > 0 && address - base < load_le(entry + ENTRY_IMAGE_SIZE, 4))
			return base;
		link = load_le(entry, 8);
		if (link == head)
			return 0;
	}
	return 0;
}

static bool is_code(struct kd *k, uint64_t base, uint64_t address)
{
	uint8_t pointer[4], header[PE_HEADER_SIZE], section[SECTION_SIZE];
	if (!read_all(k, base + PE_POINTER, pointer, sizeof(pointer)))
		return false;
	uint64_t at = base + load_le(pointer, sizeof(pointer));
	if (!read_all(k, at, header, sizeof(header)))
		return false;
	uint64_t count = load_le(header + PE_SECTIONS, 2);
	at += sizeof(header) + load_le(header + PE_OPTIONAL_SIZE, 2);
	for (uint64_t i = 0; i < count && i < SECTIONS_MAX; i++) {
		if (!read_all(k, at + i * SECTION_SIZE, section, sizeof(section)))
			return false;
		uint64_t start = base + load_le(section + SECTION_ADDRESS, 4);
		if (address - start < load_le(section + SECTION_VIRTUAL_SIZE, 4))
			return (load_le(section + SECTION_FLAGS, 4) & SECTION_EXECUTE) !=
			       0;
	}
	return false;
}

static bool is_known(const struct kd *k, uint64_t address)
{
	for (unsigned i = 0; i < k->opcode_count; i++) {
		if (k->opcodes[i].address == address)
			return true;
	}
	return false;
}

static void note(struct kd *k, uint64_t address)
{
	uint8_t original;
	if (k->opcode_count == KD_OPCODES_MAX || is_known(k, address) ||
	    !read_all(k, address, &original, 1) || original == INT3)
		return;
	uint64_t base = find_module(k, address);
	if (base != 0 && is_code(k, base, address))
		k->opcodes[k->opcode_count++] = (struct kd_opcode){ address, original };
}

void kd_opcode_note_write(struct kd *k, uint64_t address, const uint8_t *bytes,
			  size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == INT3)
			note(k, address + i);
	}
}

/* One of KD's own breakpoints over the same byte is counted by its slot. */
static bool lies_there(struct kd *k, const struct kd_opcode *opcode)
{
	uint8_t there;
	if (!read_all(k, opcode->address, &there, 1) || there != INT3)
		return false;
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++) {
		const struct kd_breakpoint *b = &k->breakpoints[i];
		if (b->state == KD_BREAKPOINT_PLANTED && b->address == opcode->address)
			return b->original == INT3;
	}
	return true;
}

unsigned kd_opcode_count(struct kd *k)
{
	unsigned count = 0;
	for (unsigned i = 0; i < k->opcode_count; i++)
		count += lies_there(k, &k->opcodes[i]);
	return count;
}
