/*
 * What a kernel debugger reaches beside memory and registers: model-specific registers,
 * I/O ports, page tables. Of the processor that stopped. KD.md §3.
 */
#ifndef BRIDGE_TARGET_MACHINE_ACCESS_H
#define BRIDGE_TARGET_MACHINE_ACCESS_H

#include "bridge/target/target.h"

/* 3152, 3153. KD_REFUSED: the processor has no such register. */
enum kd_result msr_read(struct target *t, uint32_t number, uint64_t *value);
enum kd_result msr_write(struct target *t, uint32_t number, uint64_t value);

/* 3139, 313A; `size` is 1, 2 or 4 bytes. */
enum kd_result port_read(struct target *t, uint16_t port, unsigned size, uint32_t *value);
enum kd_result port_write(struct target *t, uint16_t port, unsigned size, uint32_t value);

enum { PAGE_LEVELS_MAX = 5 };

/* The way from a virtual address to its page. */
struct page_walk {
	struct page_step {
		const char *name;  /* "PML4E", "PDPTE", "PDE", "PTE" */
		uint64_t entry_at; /* physical address of the entry */
		uint64_t entry;
	} steps[PAGE_LEVELS_MAX];
	unsigned count;
	bool present;	   /* the last step is a page's */
	uint64_t size;	   /* of the page: 4 KiB, 2 MiB or 1 GiB */
	uint64_t physical; /* of the address itself */
};

/*
 * Walks the stopped processor's page tables (CR3, four levels or five as CR4 says) by
 * physical reads. KD_REFUSED: not amd64, or a table that cannot be read. Tables are kept
 * until something is written or the target runs.
 */
enum kd_result page_walk(struct target *t, uint64_t address, struct page_walk *walk);
/* The same from another top-level table. */
enum kd_result page_walk_from(struct target *t, uint64_t cr3, uint64_t address,
			      struct page_walk *walk);

#endif
