#include "bridge/gdb/monitor.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/target/machine_access.h"
#include "bridge/target/memory.h"

/* Commands for model-specific registers, I/O ports, physical memory, page tables. */

enum { PHYS_DEFAULT = 64, PHYS_MAX = 4096, DUMP_WIDTH = 16 };

/* ---- arguments ---- */

static bool take_size(const char **text, unsigned *size)
{
	uint64_t value;
	*size = 1;
	if (**text == '\0')
		return true;
	if (!monitor_take_number(text, 4, &value) || **text != '\0' || value == 3 ||
	    value == 0)
		return false;
	*size = (unsigned)value;
	return true;
}

/* ---- model-specific registers ---- */

void monitor_rdmsr(struct gdb *g, const char *arguments)
{
	uint64_t number, value;
	if (!monitor_take_number(&arguments, UINT32_MAX, &number) || *arguments != '\0') {
		monitor_usage(g, "rdmsr");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	enum kd_result result = msr_read(g->target, (uint32_t)number, &value);
	if (result == KD_DONE)
		monitor_print(g, "msr %#" PRIx64 " = %#018" PRIx64 "\n", number, value);
	else
		monitor_say_failed(g, result);
}

void monitor_wrmsr(struct gdb *g, const char *arguments)
{
	uint64_t number, value;
	if (!monitor_take_number(&arguments, UINT32_MAX, &number) ||
	    !monitor_take_number(&arguments, UINT64_MAX, &value) || *arguments != '\0') {
		monitor_usage(g, "wrmsr");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	enum kd_result result = msr_write(g->target, (uint32_t)number, value);
	if (result == KD_DONE)
		monitor_print(g, "msr %#" PRIx64 " is %#" PRIx64 " now\n", number, value);
	else
		monitor_say_failed(g, result);
}

/* ---- I/O ports ---- */

void monitor_in(struct gdb *g, const char *arguments)
{
	uint64_t port;
	unsigned size;
	uint32_t value;
	if (!monitor_take_number(&arguments, UINT16_MAX, &port) ||
	    !take_size(&arguments, &size)) {
		monitor_usage(g, "in");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	enum kd_result result = port_read(g->target, (uint16_t)port, size, &value);
	if (result == KD_DONE)
		monitor_print(g, "port %#" PRIx64 " = 0x%0*" PRIx32 "\n", port,
			      (int)(2 * size), value);
	else
		monitor_say_failed(g, result);
}

void monitor_out(struct gdb *g, const char *arguments)
{
	uint64_t port, value;
	unsigned size;
	if (!monitor_take_number(&arguments, UINT16_MAX, &port) ||
	    !monitor_take_number(&arguments, UINT32_MAX, &value) ||
	    !take_size(&arguments, &size) || value >> (8 * size) != 0) {
		monitor_usage(g, "out");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	enum kd_result result =
		port_write(g->target, (uint16_t)port, size, (uint32_t)value);
	if (result == KD_DONE)
		monitor_print(g, "written\n");
	else
		monitor_say_failed(g, result);
}

/* ---- physical memory ---- */

static void dump(struct gdb *g, uint64_t address, const uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at < length; at += DUMP_WIDTH) {
		char hex[3 * DUMP_WIDTH + 1] = "", text[DUMP_WIDTH + 1] = "";
		for (size_t i = 0; i < DUMP_WIDTH && at + i < length; i++) {
			uint8_t byte = bytes[at + i];
			snprintf(hex + 3 * i, 4, "%02x ", byte);
			text[i] = '.';
			if (byte >= ' ' && byte <= '~')
				text[i] = (char)byte;
		}
		monitor_print(g, "%012" PRIx64 "  %-*s %s\n", address + at,
			      3 * DUMP_WIDTH, hex, text);
	}
}

static void phys_read(struct gdb *g, uint64_t address, size_t length)
{
	uint8_t bytes[PHYS_MAX];
	size_t done = 0;
	enum kd_result result =
		memory_read_physical(g->target, address, bytes, length, &done);
	dump(g, address, bytes, done);
	if (done < length)
		monitor_say_failed(g, result);
}

/* "90 90 cc" or "9090cc"; 0 when it is no row of bytes. */
static size_t take_bytes(const char *text, uint8_t out[static PHYS_MAX])
{
	size_t count = 0;
	text += strspn(text, " \t");
	while (*text != '\0' && count < PHYS_MAX) {
		char pair[3] = { text[0], text[1], '\0' };
		if (!isxdigit((unsigned char)pair[0]) ||
		    !isxdigit((unsigned char)pair[1]))
			return 0;
		out[count++] = (uint8_t)strtoul(pair, NULL, 16);
		text += 2;
		text += strspn(text, " \t");
	}
	return *text == '\0' ? count : 0;
}

static void phys_write(struct gdb *g, uint64_t address, const char *text)
{
	uint8_t bytes[PHYS_MAX];
	size_t done = 0, length = take_bytes(text, bytes);
	if (length == 0) {
		monitor_usage(g, "phys");
		return;
	}
	enum kd_result result =
		memory_write_physical(g->target, address, bytes, length, &done);
	/* what was read at a virtual address of the same memory may be cached */
	memory_cache_flush(g->target);
	monitor_print(g, "%zu bytes written\n", done);
	if (done < length)
		monitor_say_failed(g, result);
}

void monitor_phys(struct gdb *g, const char *arguments)
{
	uint64_t address, length = PHYS_DEFAULT;
	bool good = monitor_take_number(&arguments, UINT64_MAX, &address);
	bool write = good && *arguments == '=';
	if (good && !write && *arguments != '\0')
		good = monitor_take_number(&arguments, PHYS_MAX, &length) &&
		       *arguments == '\0';
	if (!good || length == 0) {
		monitor_usage(g, "phys");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	if (write)
		phys_write(g, address, arguments + 1);
	else
		phys_read(g, address, (size_t)length);
}

/* ---- page tables ---- */

static const struct entry_flag {
	unsigned bit;
	const char *name;
} entry_flags[] = {
	{ 0, "present" },  { 1, "write" },	 { 2, "user" },	 { 3, "write-through" },
	{ 4, "uncached" }, { 5, "used" },	 { 6, "dirty" }, { 7, "large" },
	{ 8, "global" },   { 63, "no-execute" },
};

static void say_step(struct gdb *g, const struct page_step *step)
{
	char flags[128] = "";
	size_t length = 0;
	for (size_t i = 0; i < sizeof(entry_flags) / sizeof(entry_flags[0]); i++) {
		const char *name = entry_flags[i].name;
		if (!(step->entry >> entry_flags[i].bit & 1))
			continue;
		/* in a PTE this bit chooses a memory type */
		if (entry_flags[i].bit == 7 && strcmp(step->name, "PTE") == 0)
			name = "pat";
		length += (size_t)snprintf(flags + length, sizeof(flags) - length, " %s",
					   name);
	}
	monitor_print(g, "%-5s at %012" PRIx64 ": %016" PRIx64 "%s\n", step->name,
		      step->entry_at, step->entry, length > 0 ? flags : " not present");
}

void monitor_pte(struct gdb *g, const char *arguments)
{
	uint64_t address;
	struct page_walk walk;
	if (!monitor_take_number(&arguments, UINT64_MAX, &address) ||
	    *arguments != '\0') {
		monitor_usage(g, "pte");
		return;
	}
	if (!monitor_is_stopped(g))
		return;
	enum kd_result result = page_walk(g->target, address, &walk);
	for (unsigned i = 0; i < walk.count; i++)
		say_step(g, &walk.steps[i]);
	if (result != KD_DONE)
		monitor_print(g, "The page tables cannot be read.\n");
	else if (walk.present)
		monitor_print(g,
			      "%#" PRIx64 " is physical %#" PRIx64 ", page of %" PRIu64
			      " KiB\n",
			      address, walk.physical, walk.size >> 10);
	else
		monitor_print(g, "%#" PRIx64 " is not mapped\n", address);
}
