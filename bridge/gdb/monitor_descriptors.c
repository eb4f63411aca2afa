#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bridge/gdb/monitor.h"
#include "bridge/gdb/symbolize.h"
#include "bridge/target/descriptor.h"
#include "bridge/target/memory.h"

/* `monitor idt` and `monitor gdt`: what the processor finds in its tables. */

enum {
	VECTORS = 256,
	TABLE_MAX = 0x10000, /* a limit has 16 bits */
	SELECTOR_RPL = 7,    /* who asks, and which table: no part of the index */
	SELECTOR_MAX = 0xffff,
	ALL = -1,
};

/* ---- the tables ---- */

struct table {
	unsigned processor;
	uint64_t base;
	size_t length; /* as its limit says */
	uint8_t bytes[TABLE_MAX];
	size_t from, valid; /* the part that was asked for, and what came of it */
};

static bool read_register(struct gdb *g, unsigned processor, const char *name,
			  uint64_t *value)
{
	const struct arch_register *row =
		arch_register_named(target_arch(g->target), name);

	return row && registers_get(g->target, processor, row->number, value) == KD_DONE;
}

static bool find_table(struct gdb *g, const char *base, const char *limit,
		       struct table *t)
{
	uint64_t last = 0;

	if (!read_register(g, t->processor, base, &t->base) ||
	    !read_register(g, t->processor, limit, &last)) {
		monitor_print(g, "The registers of processor %u cannot be read.\n",
			      t->processor);
		return false;
	}
	t->length = (size_t)(last & SELECTOR_MAX) + 1;
	return true;
}

/* The part from `from` on, `size` bytes or to the end. */
static bool read_part(struct gdb *g, struct table *t, size_t from, size_t size)
{
	if (size > t->length - from)
		size = t->length - from;
	t->from = from;
	(void)memory_read(g->target, t->base + from, t->bytes, size, &t->valid);
	if (t->valid == size)
		return true;
	monitor_print(g, "The table at %016" PRIx64 " cannot be read.\n", t->base);
	return false;
}

/* "[NUMBER] [cpu N]"; *number is ALL without one. */
static bool parse(struct gdb *g, const char *name, const char *arguments, uint64_t most,
		  long *number, unsigned *processor)
{
	char text[64];
	const char *rest = text;
	uint64_t value = 0;

	*number = ALL;
	if (strlen(arguments) >= sizeof(text)) {
		monitor_usage(g, name);
		return false;
	}
	memcpy(text, arguments, strlen(arguments) + 1);
	if (!monitor_take_processor(g, name, text, processor))
		return false;
	if (!text[strspn(text, " \t")])
		return true;
	if (!monitor_take_number(&rest, most, &value) || *rest) {
		monitor_usage(g, name);
		return false;
	}
	*number = (long)value;
	return true;
}

/* ---- idt ---- */

static void print_gate(struct gdb *g, unsigned vector, const uint8_t *bytes)
{
	const struct descriptor_gate gate = descriptor_gate(bytes);
	char name[SYMBOLIZED_MAX], ist[16] = "";

	if (!gate.present) {
		monitor_print(g, "%02x not present\n", vector);
		return;
	}
	symbolize(g, gate.handler, name);
	if (gate.ist)
		(void)snprintf(ist, sizeof(ist), " ist %u", gate.ist);
	monitor_print(g, "%02x %-9s %04x:%016" PRIx64 " dpl %u%s %s\n", vector, gate.type,
		      gate.selector, gate.handler, gate.dpl, ist, name);
}

void monitor_idt(struct gdb *g, const char *arguments)
{
	struct table t = { .processor = 0 };
	long vector;
	size_t first = 0, size = VECTORS * DESCRIPTOR_GATE_SIZE;

	if (!parse(g, "idt", arguments, VECTORS - 1, &vector, &t.processor) ||
	    !monitor_is_stopped(g) || !find_table(g, "idtr", "idtr_limit", &t))
		return;
	if (vector != ALL) {
		first = (size_t)vector * DESCRIPTOR_GATE_SIZE;
		size = DESCRIPTOR_GATE_SIZE;
	}
	if (first + DESCRIPTOR_GATE_SIZE > t.length) {
		monitor_print(g, "The table ends before that.\n");
		return;
	}
	if (!read_part(g, &t, first, size))
		return;
	monitor_print(g, "processor %u: IDT at %016" PRIx64 ", %zu vectors\n",
		      t.processor, t.base, t.length / DESCRIPTOR_GATE_SIZE);
	for (size_t at = 0; at + DESCRIPTOR_GATE_SIZE <= t.valid;
	     at += DESCRIPTOR_GATE_SIZE)
		print_gate(g, (unsigned)((first + at) / DESCRIPTOR_GATE_SIZE),
			   t.bytes + at);
}

/* ---- gdt ---- */

/* Returns how many bytes it takes in the table. */
static size_t print_segment(struct gdb *g, size_t selector, const uint8_t *bytes,
			    size_t length, bool empty_too)
{
	static const uint8_t empty[DESCRIPTOR_SIZE];
	const struct descriptor_segment s = descriptor_segment(bytes, length);
	bool nothing = !memcmp(bytes, empty, sizeof(empty));

	if (nothing && empty_too)
		monitor_print(g, "%04zx empty\n", selector);
	if (!nothing)
		monitor_print(g,
			      "%04zx %-13s base %016" PRIx64 " limit %08" PRIx64
			      " dpl %u%s%s%s\n",
			      selector, s.type, s.base, s.limit, s.dpl,
			      s.writable ? " writable" : "",
			      s.accessed ? " accessed" : "",
			      s.present ? "" : " not present");
	return s.wide && !nothing ? DESCRIPTOR_WIDE_SIZE : DESCRIPTOR_SIZE;
}

void monitor_gdt(struct gdb *g, const char *arguments)
{
	struct table t = { .processor = 0 };
	long selector;
	size_t first = 0, size = TABLE_MAX;

	if (!parse(g, "gdt", arguments, SELECTOR_MAX, &selector, &t.processor) ||
	    !monitor_is_stopped(g) || !find_table(g, "gdtr", "gdtr_limit", &t))
		return;
	if (selector != ALL) {
		first = (size_t)selector & ~(size_t)SELECTOR_RPL;
		size = DESCRIPTOR_WIDE_SIZE;
	}
	if (first + DESCRIPTOR_SIZE > t.length) {
		monitor_print(g, "The table ends before that.\n");
		return;
	}
	if (!read_part(g, &t, first, size))
		return;
	monitor_print(g, "processor %u: GDT at %016" PRIx64 ", %zu bytes\n", t.processor,
		      t.base, t.length);
	for (size_t at = 0; at + DESCRIPTOR_SIZE <= t.valid;) {
		at += print_segment(g, first + at, t.bytes + at, t.valid - at,
				    selector != ALL);
		if (selector != ALL)
			break;
	}
}
