/*
 * KD's own breakpoints: 32 slots, handles 1 to 32. They vanish at every report
 * within 16 bytes from its PC on, wait where a page is not resident, and stay in the
 * table when the page to remove them from is gone. KD.md §2 and §3.
 */
#include "test/sim/kd_request.h"

enum { INT3 = 0xcc };

static bool plant(struct kd *k, struct kd_breakpoint *b)
{
	static const uint8_t opcode = INT3;
	if (!machine_is_resident(k->machine, k->current, b->address) ||
	    machine_read(k->machine, k->current, b->address, &b->original, 1) != 1)
		return false;
	return machine_write(k->machine, k->current, b->address, &opcode, 1) == 1;
}

/* Only where the opcode still lies: the page may have become another one. */
static bool unplant(struct kd *k, const struct kd_breakpoint *b)
{
	uint8_t there;
	if (!machine_is_resident(k->machine, k->current, b->address) ||
	    machine_read(k->machine, k->current, b->address, &there, 1) != 1)
		return false;
	if (there != INT3)
		return true;
	return machine_write(k->machine, k->current, b->address, &b->original, 1) == 1;
}

static struct kd_breakpoint *find_address(struct kd *k, uint64_t address)
{
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++) {
		struct kd_breakpoint *b = &k->breakpoints[i];
		if (b->state != KD_BREAKPOINT_FREE && b->address == address)
			return b;
	}
	return NULL;
}

static struct kd_breakpoint *find_free(struct kd *k)
{
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++) {
		if (k->breakpoints[i].state == KD_BREAKPOINT_FREE)
			return &k->breakpoints[i];
	}
	return NULL;
}

uint32_t kd_breakpoint_add(struct kd *k, uint64_t address, uint32_t *handle)
{
	struct kd_breakpoint *b = find_address(k, address);
	*handle = 0;
	if (b && b->state != KD_BREAKPOINT_OWED)
		return STATUS_UNSUCCESSFUL;
	if (b) { /* owed: its opcode lies on the page that is gone */
		b->state = KD_BREAKPOINT_PLANTED;
	} else {
		b = find_free(k);
		if (!b)
			return STATUS_UNSUCCESSFUL;
		b->address = address;
		b->state = plant(k, b) ? KD_BREAKPOINT_PLANTED : KD_BREAKPOINT_DEFERRED;
	}
	*handle = (uint32_t)(b - k->breakpoints) + 1;
	return STATUS_SUCCESS;
}

static void delete (struct kd *k, struct kd_breakpoint *b)
{
	if (b->state == KD_BREAKPOINT_DEFERRED || unplant(k, b))
		b->state = KD_BREAKPOINT_FREE;
	else
		b->state = KD_BREAKPOINT_OWED;
}

uint32_t kd_breakpoint_remove(struct kd *k, uint32_t handle)
{
	if (handle == 0 || handle > KD_BREAKPOINTS ||
	    k->breakpoints[handle - 1].state == KD_BREAKPOINT_FREE)
		return STATUS_UNSUCCESSFUL;
	delete (k, &k->breakpoints[handle - 1]);
	return STATUS_SUCCESS;
}

void kd_breakpoint_vanish(struct kd *k, uint64_t program_counter)
{
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++) {
		struct kd_breakpoint *b = &k->breakpoints[i];
		if (b->state != KD_BREAKPOINT_FREE &&
		    b->address - program_counter < KD_VANISH_BYTES)
			delete (k, b);
	}
}

void kd_breakpoint_page_in(struct kd *k)
{
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++) {
		struct kd_breakpoint *b = &k->breakpoints[i];
		if (b->state == KD_BREAKPOINT_DEFERRED && plant(k, b))
			b->state = KD_BREAKPOINT_PLANTED;
		else if (b->state == KD_BREAKPOINT_OWED)
			delete (k, b);
	}
}

unsigned kd_breakpoint_count(const struct kd *k)
{
	unsigned count = 0;
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++)
		count += k->breakpoints[i].state == KD_BREAKPOINT_PLANTED;
	return count;
}

/* KD would restore its old byte over what the host wrote. */
void kd_breakpoint_check_write(struct kd *k, uint64_t address, const uint8_t *bytes,
			       size_t length)
{
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++) {
		const struct kd_breakpoint *b = &k->breakpoints[i];
		uint64_t offset = b->address - address;
		if (b->state == KD_BREAKPOINT_PLANTED && offset < length &&
		    bytes[offset] != INT3)
			stats_violation(k->stats,
					"memory written over a planted breakpoint");
	}
}

/* ---- requests ---- */

void kd_write_breakpoint(struct kd *k, struct kd_request *q)
{
	uint32_t handle = 0;
	if (kd_address_fits(k, q, kd_get64(q, 0)))
		q->status = kd_breakpoint_add(k, kd_get64(q, 0), &handle);
	kd_put32(q, 8, handle);
}

void kd_restore_breakpoint(struct kd *k, struct kd_request *q)
{
	q->status = kd_breakpoint_remove(k, kd_get32(q, 0));
}

void kd_restore_breakpoints(struct kd *k, struct kd_request *q)
{
	struct reader r = rd_init(q->data, q->length);
	uint32_t count = kd_get32(q, 0);
	for (uint32_t i = 0; i < count && rd_ok(&r); i++) {
		uint32_t handle = rd_le32(&r);
		if (rd_ok(&r) && kd_breakpoint_remove(k, handle) != STATUS_SUCCESS)
			q->status = STATUS_UNSUCCESSFUL;
	}
	if (!rd_ok(&r))
		q->status = STATUS_UNSUCCESSFUL;
}

void kd_write_breakpoints(struct kd *k, struct kd_request *q)
{
	stats_violation(k->stats, "API 3147, on which a kernel ran away");
	q->status = STATUS_UNSUCCESSFUL;
}
