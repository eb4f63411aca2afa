/* Offsets in CONTEXT and KSPECIAL_REGISTERS of amd64 that KD itself needs. KD.md §5. */
#ifndef SIM_KD_REGISTER_H
#define SIM_KD_REGISTER_H

enum {
	CONTEXT_FLAGS = 0x30,
	CONTEXT_CS = 0x38,
	CONTEXT_SEGMENTS_SIZE = 8, /* CS, DS, ES, FS of 2 bytes each */
	CONTEXT_EFLAGS = 0x44,
	CONTEXT_RAX = 0x78,
	CONTEXT_RIP = 0xf8,
	SPECIAL_CR0 = 0x00,
	SPECIAL_CR3 = 0x10,
	SPECIAL_CR4 = 0x18,
	SPECIAL_DR0 = 0x20,
	SPECIAL_DR6 = 0x40,
	SPECIAL_DR7 = 0x48,
	SPECIAL_GDT_BASE = 0x58,
	SPECIAL_IDT_BASE = 0x68,
	EFLAGS_TF = 0x100,
	DEBUG_REGISTERS = 4,
};

#define CONTEXT_AMD64	   UINT32_C(0x100000)
#define DR6_CLEARED	   UINT64_C(0xffff0ff0)
#define DR7_ENABLES	   UINT64_C(0xff)
#define DR7_GENERAL_DETECT UINT64_C(0x2000)
/* Bits 11, 12, 14, 15 and the upper half: a processor faults on them or ignores them. */
#define DR7_RESERVED UINT64_C(0xffffffff0000d800)

#endif
