#include "bridge/target/watchpoint.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"

/*
 * Which debug register has what, on every processor, and the DR7 that goes with a resume.
 * What a report says of them is read in watchpoint_hit.c.
 *
 * A slot is a debug register, DR0 to DR3. One that is no longer used keeps its address,
 * as front ends take all of theirs back at every stop and set them again at the resume;
 * only what differs then costs an exchange. What counts is DR7, which goes with each
 * resume to all processors.
 */

enum {
	DR7_OFF = 0x400, /* bit 10 is always one */
	LENGTH_MAX = 8 * WATCHPOINT_SLOTS,
	RETIRED_US = 2000000,
};

/* ---- DR7 ---- */

static uint64_t field_mask(unsigned slot)
{
	return UINT64_C(3) << (2 * slot) | UINT64_C(0xf) << (16 + 4 * slot);
}

static uint64_t field_of(const struct watchpoint_slot *s, unsigned slot)
{
	static const uint8_t lengths[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	static const uint8_t types[] = {
		[WATCHPOINT_EXECUTE] = 0, [WATCHPOINT_WRITE] = 1, [WATCHPOINT_ACCESS] = 3
	};
	uint64_t code = types[s->kind] | (uint64_t)lengths[s->length] << 2;
	return UINT64_C(2) << (2 * slot) | code << (16 + 4 * slot);
}

unsigned watchpoint_enabled_in(uint64_t dr7)
{
	unsigned slots = 0;
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++) {
		if (dr7 >> (2 * i) & 3)
			slots |= 1u << i;
	}
	return slots;
}

unsigned watchpoint_used(const struct target *t)
{
	unsigned slots = 0;
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++)
		slots |= (unsigned)t->watchpoints.slots[i].used << i;
	return slots;
}

uint64_t watchpoint_arm(struct target *t, unsigned skipped)
{
	struct watchpoint_state *w = &t->watchpoints;
	unsigned on = watchpoint_used(t) & ~skipped;
	unsigned off = w->armed & ~watchpoint_used(t);
	uint64_t dr7 = registers_dr7(t);
	if (w->broken)
		on = 0;
	w->owned |= on;
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++) {
		if (w->owned >> i & 1)
			dr7 &= ~field_mask(i);
		if (on >> i & 1)
			dr7 |= field_of(&w->slots[i], i) | DR7_OFF;
	}
	if (off) {
		w->retired = off;
		w->retired_until_us = kdnet_udp_now_us() + RETIRED_US;
	}
	w->armed = on;
	return dr7;
}

void watchpoint_on_resume(struct target *t)
{
	t->watchpoints.owned = t->watchpoints.armed;
}

/* ---- from what is wanted to slots ---- */

static bool same_piece(const struct watchpoint_slot *a, const struct watchpoint_slot *b)
{
	return a->address == b->address && a->length == b->length && a->kind == b->kind;
}

/* Aligned pieces; 0: they are too many. */
static size_t split(const struct watchpoint_region *region,
		    struct watchpoint_slot pieces[static WATCHPOINT_SLOTS])
{
	uint64_t address = region->address;
	uint64_t left = region->length;
	size_t count = 0;
	while (left > 0) {
		uint8_t length = 8;
		while (length > left || address % length != 0)
			length /= 2;
		if (count == WATCHPOINT_SLOTS)
			return 0;
		pieces[count++] = (struct watchpoint_slot){ .address = address,
							    .length = length,
							    .kind = region->kind,
							    .used = true };
		address += length;
		left -= length;
	}
	return count;
}

static bool is_part_of(const struct watchpoint_slot *s,
		       const struct watchpoint_region *region)
{
	struct watchpoint_slot pieces[WATCHPOINT_SLOTS];
	size_t count = split(region, pieces);
	for (size_t i = 0; i < count; i++) {
		if (same_piece(&pieces[i], s))
			return true;
	}
	return false;
}

static void find_used(struct watchpoint_state *w)
{
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++) {
		w->slots[i].used = false;
		for (size_t n = 0; n < w->count; n++)
			w->slots[i].used |= is_part_of(&w->slots[i], &w->regions[n]);
	}
}

/*
 * The slot that has it already; else one that never had any; else one that is free. What
 * the user set by hand in DR7 comes last.
 */
static bool place(struct target *t, const struct watchpoint_slot *piece)
{
	struct watchpoint_state *w = &t->watchpoints;
	unsigned foreign =
		target_asks(t) ? watchpoint_enabled_in(registers_dr7(t)) & ~w->owned : 0;
	struct watchpoint_slot *best = NULL;
	unsigned best_rank = 0;
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++) {
		struct watchpoint_slot *s = &w->slots[i];
		unsigned rank = same_piece(s, piece) ? 4
				: s->used	     ? 0
				: foreign >> i & 1   ? 1
				: s->length != 0     ? 2
						     : 3;
		if (rank > best_rank) {
			best_rank = rank;
			best = s;
		}
	}
	if (best)
		*best = *piece;
	return best != NULL;
}

/* ---- DR0 to DR3 of the processors ---- */

static bool grow(struct watchpoint_state *w, unsigned count)
{
	if (count <= w->processors_count)
		return true;
	struct watchpoint_processor *list = realloc(w->processors, count * sizeof(*list));
	if (!list)
		return false;
	memset(list + w->processors_count, 0,
	       (count - w->processors_count) * sizeof(*list));
	w->processors = list;
	w->processors_count = count;
	return true;
}

static bool is_set(const struct watchpoint_state *w, unsigned processor)
{
	const struct watchpoint_processor *p = &w->processors[processor];
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++) {
		if (w->slots[i].used &&
		    (!p->known || p->address[i] != w->slots[i].address))
			return false;
	}
	return true;
}

static enum kd_result read_addresses(struct target *t, unsigned processor,
				     uint64_t addresses[static WATCHPOINT_SLOTS])
{
	enum kd_result result = KD_DONE;
	for (unsigned i = 0; i < WATCHPOINT_SLOTS && result == KD_DONE; i++)
		result = registers_get(t, processor, t->arch->debug + i, &addresses[i]);
	return result;
}

/* Costs nothing where they are so already. */
static enum kd_result write_addresses(struct target *t, unsigned processor,
				      const uint64_t addresses[static WATCHPOINT_SLOTS])
{
	enum kd_result result = KD_DONE;
	for (unsigned i = 0; i < WATCHPOINT_SLOTS && result == KD_DONE; i++)
		result = registers_set(t, processor, t->arch->debug + i, addresses[i]);
	return result == KD_DONE ? registers_write_special(t, processor) : result;
}

static enum kd_result set_processor(struct target *t, unsigned processor)
{
	struct watchpoint_state *w = &t->watchpoints;
	uint64_t before[WATCHPOINT_SLOTS];
	uint64_t after[WATCHPOINT_SLOTS];
	enum kd_result result = read_addresses(t, processor, before);
	if (result != KD_DONE)
		return result;
	for (unsigned i = 0; i < WATCHPOINT_SLOTS; i++)
		after[i] = w->slots[i].used ? w->slots[i].address : before[i];
	result = write_addresses(t, processor, after);
	if (result == KD_REFUSED) /* it must not be written once more at the resume */
		(void)write_addresses(t, processor, before);
	if (result == KD_GONE) /* another boot, perhaps */
		return result;
	struct watchpoint_processor *p = &w->processors[processor];
	if (!p->original_known)
		memcpy(p->original, before, sizeof(before));
	p->original_known = true;
	p->known = result == KD_DONE;
	memcpy(p->address, after, sizeof(after));
	return result;
}

static enum kd_result set_processors(struct target *t, unsigned *failed)
{
	struct watchpoint_state *w = &t->watchpoints;
	unsigned count = processors_count(t);
	if (!grow(w, count))
		return KD_REFUSED;
	for (unsigned i = 0; i < count; i++) {
		*failed = i;
		enum kd_result result = is_set(w, i) ? KD_DONE : set_processor(t, i);
		if (result != KD_DONE)
			return result;
	}
	return KD_DONE;
}

/* ---- what the front end wants ---- */

/* Its index; as many as there are when it is none of them. */
static size_t find(const struct watchpoint_state *w,
		   const struct watchpoint_region *region)
{
	size_t i = 0;
	for (; i < w->count; i++) {
		const struct watchpoint_region *r = &w->regions[i];
		if (r->address == region->address && r->length == region->length &&
		    r->kind == region->kind)
			break;
	}
	return i;
}

static struct watchpoint_region region_of(enum watchpoint_kind kind, uint64_t address,
					  uint64_t length)
{
	return (struct watchpoint_region){
		.address = address,
		.length = kind == WATCHPOINT_EXECUTE ? 1 : length,
		.kind = kind,
	};
}

static bool is_possible(const struct target *t, const struct watchpoint_region *region)
{
	return registers_known_machine(t) && t->watchpoints.count < WATCHPOINT_REGIONS &&
	       region->length > 0 && region->length <= LENGTH_MAX &&
	       region->address <= UINT64_MAX - region->length;
}

static bool place_all(struct target *t, const struct watchpoint_region *region)
{
	struct watchpoint_slot pieces[WATCHPOINT_SLOTS];
	size_t count = split(region, pieces);
	bool placed = count > 0;
	for (size_t i = 0; i < count && placed; i++)
		placed = place(t, &pieces[i]);
	return placed;
}

static enum kd_result set_new(struct target *t)
{
	unsigned failed;
	return target_asks(t) ? set_processors(t, &failed) : KD_DONE;
}

/* Slots and processors as they were; those that cannot be reached are as they are. */
static void roll_back(struct target *t,
		      const struct watchpoint_slot before[static WATCHPOINT_SLOTS])
{
	unsigned failed;
	memcpy(t->watchpoints.slots, before, sizeof(t->watchpoints.slots));
	find_used(&t->watchpoints);
	if (target_asks(t) && watchpoint_used(t))
		(void)set_processors(t, &failed);
}

enum kd_result watchpoint_insert(struct target *t, enum watchpoint_kind kind,
				 uint64_t address, uint64_t length)
{
	struct watchpoint_state *w = &t->watchpoints;
	struct watchpoint_region region = region_of(kind, address, length);
	struct watchpoint_slot before[WATCHPOINT_SLOTS];
	if (find(w, &region) < w->count)
		return KD_DONE;
	if (!is_possible(t, &region))
		return KD_REFUSED;
	memcpy(before, w->slots, sizeof(before));
	enum kd_result result = place_all(t, &region) ? set_new(t) : KD_REFUSED;
	if (result != KD_DONE) {
		roll_back(t, before);
		return result;
	}
	w->regions[w->count++] = region;
	return KD_DONE;
}

enum kd_result watchpoint_remove(struct target *t, enum watchpoint_kind kind,
				 uint64_t address, uint64_t length)
{
	struct watchpoint_state *w = &t->watchpoints;
	struct watchpoint_region region = region_of(kind, address, length);
	size_t i = find(w, &region);
	if (i == w->count)
		return KD_REFUSED;
	w->regions[i] = w->regions[--w->count];
	find_used(w);
	return KD_DONE;
}

bool watchpoint_wanted(const struct target *t, enum watchpoint_kind kind,
		       uint64_t address, uint64_t length)
{
	struct watchpoint_region region = region_of(kind, address, length);
	return find(&t->watchpoints, &region) < t->watchpoints.count;
}

size_t watchpoint_count(const struct target *t)
{
	return t->watchpoints.count;
}

/* ---- at a resume ---- */

enum kd_result watchpoint_sync(struct target *t)
{
	struct watchpoint_state *w = &t->watchpoints;
	unsigned failed = 0;
	enum kd_result result = watchpoint_used(t) ? set_processors(t, &failed) : KD_DONE;
	w->broken = result == KD_REFUSED;
	if (result != KD_REFUSED)
		return result;
	target_notice(t, KDNET_NOTICES,
		      "processor %u refused its debug registers: no hardware breakpoint "
		      "or watchpoint works now",
		      failed);
	return KD_DONE;
}

/* A resume that passes an exception on takes DR7 from the special registers alone. */
enum kd_result watchpoint_pass_on(struct target *t, uint64_t dr7)
{
	enum kd_result result = KD_DONE;
	if (dr7 == t->stop.change.report.dr7)
		return KD_DONE;
	for (unsigned i = 0; i < processors_count(t) && result == KD_DONE; i++)
		result = registers_set(t, i, t->arch->debug_control, dr7);
	return result;
}

/* ---- leaving, other sessions ---- */

void watchpoint_adopt(struct target *t)
{
	t->watchpoints.owned |= watchpoint_enabled_in(t->stop.change.report.dr7);
}

bool watchpoint_is_broken(const struct target *t)
{
	return t->watchpoints.broken;
}

bool watchpoint_is_armed(const struct target *t)
{
	return t->watchpoints.armed != 0;
}

void watchpoint_want_none(struct target *t)
{
	t->watchpoints.count = 0;
	find_used(&t->watchpoints);
}

static enum kd_result restore_processor(struct target *t, unsigned processor)
{
	struct watchpoint_state *w = &t->watchpoints;
	enum kd_result result = KD_DONE;
	if (processor < w->processors_count && w->processors[processor].original_known)
		result = write_addresses(t, processor, w->processors[processor].original);
	if (result == KD_DONE)
		result = registers_set(t, processor, t->arch->debug_control, DR7_OFF);
	return result == KD_DONE ? registers_write_special(t, processor) : result;
}

static bool is_touched(const struct target *t)
{
	const struct watchpoint_state *w = &t->watchpoints;
	bool touched = watchpoint_enabled_in(t->stop.change.report.dr7) != 0;
	for (unsigned i = 0; i < w->processors_count; i++)
		touched |= w->processors[i].original_known;
	return touched && registers_known_machine(t);
}

enum kd_result watchpoint_restore(struct target *t)
{
	if (!is_touched(t))
		return KD_DONE;
	for (unsigned i = 0; i < processors_count(t); i++) {
		enum kd_result result = restore_processor(t, i);
		/* the others at least */
		if (result != KD_DONE && result != KD_REFUSED)
			return result;
	}
	watchpoint_clear(t);
	return KD_DONE;
}

void watchpoint_on_reconnect(struct target *t)
{
	for (unsigned i = 0; i < t->watchpoints.processors_count; i++)
		t->watchpoints.processors[i].known = false;
}

/* The array's memory stays: this may come in the midst of a walk through it. */
void watchpoint_clear(struct target *t)
{
	struct watchpoint_processor *processors = t->watchpoints.processors;
	unsigned count = t->watchpoints.processors_count;
	t->watchpoints = (struct watchpoint_state){ .processors = processors,
						    .processors_count = count };
	if (count > 0)
		memset(processors, 0, count * sizeof(*processors));
}

void watchpoint_free(struct target *t)
{
	free(t->watchpoints.processors);
	t->watchpoints = (struct watchpoint_state){ 0 };
}
