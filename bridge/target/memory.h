/*
 * Memory of the stopped target, cached: while it is stopped nothing changes but what we
 * change, so what was read once is never asked again. Addresses are virtual, as the
 * stopped processor's CR3 maps them, unless said otherwise. Our breakpoints never show.
 */
#ifndef BRIDGE_TARGET_MEMORY_H
#define BRIDGE_TARGET_MEMORY_H

#include "bridge/target/target.h"

/*
 * Reads up to `length` bytes; *done of them, from the start, are valid: fewer when a page
 * is not there (KD_REFUSED if that is the first). A miss asks for one packet's worth.
 */
enum kd_result memory_read(struct target *t, uint64_t address, void *out, size_t length,
			   size_t *done);
/* The same, all or KD_REFUSED. */
enum kd_result memory_read_all(struct target *t, uint64_t address, void *out,
			       size_t length);
/* Bytes of a pointer of that machine; without a register map for it, too. */
unsigned memory_pointer_size(const struct target *t);
/* An address as KD writes it: that of a 32-bit machine is sign-extended. KD.md §7. */
uint64_t memory_address(const struct target *t, uint64_t pointer);
/* A pointer of the target's size, as memory_address; 0 on failure. */
enum kd_result memory_read_pointer(struct target *t, uint64_t address, uint64_t *value);
/* Writes through to the target and into the cache; planted breakpoints stay in force. */
enum kd_result memory_write(struct target *t, uint64_t address, const void *in,
			    size_t length, size_t *done);

/* Physical memory; RAM is tried with each caching type (KD.md §3, 313D). Not cached. */
enum kd_result memory_read_physical(struct target *t, uint64_t address, void *out,
				    size_t length, size_t *done);
enum kd_result memory_write_physical(struct target *t, uint64_t address, const void *in,
				     size_t length, size_t *done);

/* `monitor cache`: off asks the target each time. */
void memory_cache_enable(struct target *t, bool on);
void memory_cache_flush(struct target *t);
struct memory_statistics {
	uint64_t hits;
	uint64_t misses;
	uint64_t bytes; /* held now */
	bool enabled;
};
struct memory_statistics memory_statistics(const struct target *t);

#endif
