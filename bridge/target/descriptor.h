/*
 * Descriptors of x64's two tables, IDT and GDT, as the processor reads them (Intel's
 * manual, volume 3, "Segment Descriptors", "IDT Descriptors", long mode).
 */
#ifndef BRIDGE_TARGET_DESCRIPTOR_H
#define BRIDGE_TARGET_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DESCRIPTOR_GATE_SIZE = 16, DESCRIPTOR_SIZE = 8, DESCRIPTOR_WIDE_SIZE = 16 };

/* An entry of the IDT. */
struct descriptor_gate {
	bool present;
	const char *type; /* "interrupt", "trap"; others are "reserved" */
	uint16_t selector;
	uint64_t handler;
	unsigned dpl; /* who may enter it by an instruction */
	unsigned ist; /* stack of the TSS, 1 to 7; 0: none */
};
struct descriptor_gate descriptor_gate(const uint8_t bytes[static DESCRIPTOR_GATE_SIZE]);

/* An entry of the GDT. */
struct descriptor_segment {
	bool present;
	bool wide;	  /* a system descriptor: it takes two entries */
	const char *type; /* "code 64-bit", "data", "TSS busy", … */
	bool writable;	  /* of code: readable */
	bool accessed;
	unsigned dpl;
	uint64_t base;
	uint64_t limit; /* the last byte, granularity counted in */
};
/* `length` is what is there, at least DESCRIPTOR_SIZE; missing upper halves are zeros. */
struct descriptor_segment descriptor_segment(const uint8_t *bytes, size_t length);

#endif
