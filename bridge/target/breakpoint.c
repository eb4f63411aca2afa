#include "bridge/target/breakpoint.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"

/*
 * The list, sorted by address. A breakpoint that is no longer wanted stays in it with
 * the byte that lies beneath, as front ends take all of theirs back at every stop and
 * set them again at the resume; only what differs then costs an exchange.
 */

enum { LIST_FIRST = 16 };

static size_t instruction_size(const struct target *t)
{
	return t->arch->breakpoint_size;
}

static size_t lower_bound(const struct breakpoint_state *b, uint64_t address)
{
	size_t low = 0;
	size_t high = b->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (b->list[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct breakpoint *find(const struct target *t, uint64_t address)
{
	const struct breakpoint_state *b = &t->breakpoints;
	size_t i = lower_bound(b, address);
	return i < b->count && b->list[i].address == address ? &b->list[i] : NULL;
}

/* Of those in [address - size + 1, address + length), the first. */
static size_t first_in(const struct target *t, uint64_t address)
{
	uint64_t before = instruction_size(t) - 1;
	return lower_bound(&t->breakpoints, address > before ? address - before : 0);
}

static bool reaches(const struct breakpoint *p, uint64_t address, uint64_t length)
{
	return p->address < address || p->address - address < length;
}

/* ---- the list ---- */

static bool is_idle(const struct breakpoint *p)
{
	return !p->wanted && p->planted == NOT_PLANTED;
}

static void drop_idle(struct breakpoint_state *b)
{
	size_t kept = 0;
	for (size_t i = 0; i < b->count; i++) {
		if (!is_idle(&b->list[i]))
			b->list[kept++] = b->list[i];
	}
	b->count = kept;
}

static bool grow(struct breakpoint_state *b)
{
	if (b->count == BREAKPOINTS_MAX)
		drop_idle(b);
	if (b->count == BREAKPOINTS_MAX)
		return false;
	if (b->count < b->room)
		return true;
	size_t room = b->room > 0 ? b->room * 2 : LIST_FIRST;
	struct breakpoint *list = realloc(b->list, room * sizeof(*list));
	if (!list)
		return false;
	b->list = list;
	b->room = room;
	return true;
}

static struct breakpoint *add(struct target *t, uint64_t address)
{
	struct breakpoint_state *b = &t->breakpoints;
	if (!grow(b))
		return NULL;
	size_t i = lower_bound(b, address);
	memmove(&b->list[i + 1], &b->list[i], (b->count - i) * sizeof(b->list[0]));
	b->list[i] = (struct breakpoint){ .address = address };
	b->count++;
	return &b->list[i];
}

/* ---- what the front end wants ---- */

static enum kd_result learn_saved(struct target *t, struct breakpoint *p)
{
	if (p->saved_known)
		return KD_DONE;
	enum kd_result result =
		memory_read_all(t, p->address, p->saved, instruction_size(t));
	p->saved_known = result == KD_DONE;
	return result;
}

enum kd_result breakpoint_insert(struct target *t, uint64_t address)
{
	struct breakpoint *p = find(t, address);
	struct breakpoint fresh = { .address = address };
	if (target_asks(t)) {
		enum kd_result result = learn_saved(t, p ? p : &fresh);
		if (result != KD_DONE)
			return result;
	}
	if (!p) {
		p = add(t, address);
		if (!p)
			return KD_REFUSED;
		*p = fresh;
	}
	p->wanted = true;
	return KD_DONE;
}

enum kd_result breakpoint_remove(struct target *t, uint64_t address)
{
	struct breakpoint *p = find(t, address);
	if (!p || !p->wanted)
		return KD_REFUSED;
	p->wanted = false;
	return KD_DONE;
}

bool breakpoint_wanted(const struct target *t, uint64_t address)
{
	const struct breakpoint *p = find(t, address);
	return p && p->wanted;
}

bool breakpoint_is_planted(const struct target *t, uint64_t address)
{
	const struct breakpoint *p = find(t, address);
	return p && p->planted != NOT_PLANTED;
}

size_t breakpoint_count(const struct target *t)
{
	size_t count = 0;
	for (size_t i = 0; i < t->breakpoints.count; i++)
		count += t->breakpoints.list[i].wanted;
	return count;
}

static size_t count_planted(const struct target *t, enum breakpoint_planted how)
{
	size_t count = 0;
	for (size_t i = 0; i < t->breakpoints.count; i++)
		count += t->breakpoints.list[i].planted == how;
	return count;
}

size_t breakpoint_planted_count(const struct target *t)
{
	return count_planted(t, PLANTED_KD) + count_planted(t, PLANTED_OPCODE);
}

void breakpoint_want_none(struct target *t)
{
	for (size_t i = 0; i < t->breakpoints.count; i++)
		t->breakpoints.list[i].wanted = false;
}

/* ---- out of the target ---- */

static bool holds_our_opcode(struct target *t, const struct breakpoint *p)
{
	uint8_t now[sizeof(p->saved)];
	return memory_read_raw(t, p->address, now, instruction_size(t)) == KD_DONE &&
	       memcmp(now, t->arch->breakpoint, instruction_size(t)) == 0 &&
	       memcmp(now, p->saved, instruction_size(t)) != 0;
}

static enum kd_result write_saved(struct target *t, const struct breakpoint *p)
{
	enum kd_result result =
		memory_write_raw(t, p->address, p->saved, instruction_size(t));
	/* its page is gone, and the opcode with it */
	return result == KD_REFUSED ? KD_DONE : result;
}

/*
 * A refused handle is mostly one that KD deleted by itself, and then all is well; but
 * the opcode may still lie there (KD.md §3 "Breakpoints"). It is asked for once: a
 * handle whose page is gone would be accepted for ever.
 */
static enum kd_result release(struct target *t, struct breakpoint *p)
{
	struct kd_request request = { .api = KD_RESTORE_BREAKPOINT,
				      .u.breakpoint.handle = p->handle };
	struct kd_reply reply;
	enum kd_result result = exchange(t, &request, &reply);
	if (result == KD_REFUSED)
		result = p->saved_known && holds_our_opcode(t, p) ? write_saved(t, p)
								  : KD_DONE;
	return result;
}

static void note_removed(struct target *t, uint64_t address)
{
	struct breakpoint_state *b = &t->breakpoints;
	b->removed[b->removed_next++ % BREAKPOINT_REMOVED] = address;
	if (b->removed_count < BREAKPOINT_REMOVED)
		b->removed_count++;
}

static enum kd_result unplant(struct target *t, struct breakpoint *p)
{
	enum kd_result result =
		p->planted == PLANTED_KD ? release(t, p) : write_saved(t, p);
	if (result != KD_DONE)
		return result;
	p->planted = NOT_PLANTED;
	p->handle = 0;
	note_removed(t, p->address);
	return KD_DONE;
}

enum kd_result breakpoint_lift(struct target *t, uint64_t address)
{
	struct breakpoint *p = find(t, address);
	return p && p->planted != NOT_PLANTED ? unplant(t, p) : KD_DONE;
}

/* ---- into the target ---- */

static enum kd_result plant_opcode(struct target *t, struct breakpoint *p)
{
	/* restored by us later: only what lies there now is good enough */
	enum kd_result result =
		memory_read_raw(t, p->address, p->saved, instruction_size(t));
	if (result == KD_DONE) {
		p->saved_known = true;
		result = memory_write_raw(t, p->address, t->arch->breakpoint,
					  instruction_size(t));
	}
	if (result == KD_DONE)
		p->planted = PLANTED_OPCODE;
	return result;
}

static enum kd_result plant_kd(struct target *t, struct breakpoint *p)
{
	struct kd_request request = { .api = KD_WRITE_BREAKPOINT,
				      .u.breakpoint.address = p->address };
	struct kd_reply reply;
	enum kd_result result = exchange(t, &request, &reply);
	if (result != KD_DONE)
		return result;
	uint32_t handle = reply.u.breakpoint.handle;
	if (handle == 0 || handle > KD_BREAKPOINTS)
		return KD_REFUSED;
	p->handle = handle;
	p->planted = PLANTED_KD;
	return KD_DONE;
}

/*
 * One whose page is not there is KD's to plant at page-in; when KD refuses that, too, it
 * stays wanted and is tried again at the next resume.
 */
static enum kd_result plant(struct target *t, struct breakpoint *p)
{
	enum kd_result result = learn_saved(t, p);
	if (result != KD_DONE && result != KD_REFUSED)
		return result;
	bool room = count_planted(t, PLANTED_KD) < KD_BREAKPOINTS;
	result = room ? plant_kd(t, p) : KD_REFUSED;
	if (result == KD_REFUSED)
		result = plant_opcode(t, p);
	if (result != KD_REFUSED)
		return result;
	target_notice(t, KDNET_NOTICES, "the breakpoint at %016llx cannot be planted now",
		      (unsigned long long)p->address);
	return KD_DONE;
}

/* ---- at a resume ---- */

static bool is_skipped(const struct breakpoint_skip *skip, uint64_t address)
{
	for (size_t i = 0; skip && i < skip->count; i++) {
		if (skip->address[i] == address)
			return true;
	}
	return false;
}

enum kd_result breakpoint_sync(struct target *t, const struct breakpoint_skip *skip)
{
	struct breakpoint_state *b = &t->breakpoints;
	enum kd_result result = KD_DONE;
	for (size_t i = 0; i < b->count && result == KD_DONE; i++) {
		struct breakpoint *p = &b->list[i];
		bool stays = p->wanted && !is_skipped(skip, p->address);
		if (p->planted != NOT_PLANTED && !stays)
			result = unplant(t, p);
	}
	for (size_t i = 0; i < b->count && result == KD_DONE; i++) {
		struct breakpoint *p = &b->list[i];
		if (p->wanted && p->planted == NOT_PLANTED &&
		    !is_skipped(skip, p->address))
			result = plant(t, p);
	}
	return result;
}

static bool would_vanish(uint64_t address, uint64_t pc)
{
	return address - pc < KD_VANISH;
}

enum kd_result breakpoint_sync_away_from(struct target *t, uint64_t pc)
{
	struct breakpoint_state *b = &t->breakpoints;
	enum kd_result result = KD_DONE;
	for (size_t i = 0; i < b->count && result == KD_DONE; i++) {
		struct breakpoint *p = &b->list[i];
		if (p->wanted && p->planted == NOT_PLANTED &&
		    !would_vanish(p->address, pc))
			result = plant(t, p);
	}
	return result;
}

void breakpoint_on_report(struct target *t, uint64_t pc)
{
	struct breakpoint_state *b = &t->breakpoints;
	for (size_t i = lower_bound(b, pc); i < b->count; i++) {
		struct breakpoint *p = &b->list[i];
		if (!would_vanish(p->address, pc))
			break;
		if (p->planted != PLANTED_KD)
			continue;
		p->planted = NOT_PLANTED;
		p->handle = 0;
		note_removed(t, p->address);
	}
}

bool breakpoint_was_removed(const struct target *t, uint64_t address)
{
	const struct breakpoint_state *b = &t->breakpoints;
	for (unsigned i = 0; i < b->removed_count; i++) {
		if (b->removed[i] == address)
			return !breakpoint_is_planted(t, address);
	}
	return false;
}

/* ---- between them and memory ---- */

void breakpoint_hide(struct target *t, uint64_t address, size_t length)
{
	const struct breakpoint_state *b = &t->breakpoints;
	for (size_t i = first_in(t, address); i < b->count; i++) {
		const struct breakpoint *p = &b->list[i];
		if (!reaches(p, address, length))
			break;
		for (size_t n = 0; p->planted != NOT_PLANTED && p->saved_known &&
				   n < instruction_size(t);
		     n++) {
			/* only what was read: the rest is not known to be there */
			if (p->address + n - address < length)
				memory_cache_put(&t->memory.cache, p->address + n,
						 &p->saved[n], 1);
		}
	}
}

enum kd_result breakpoint_make_way(struct target *t, uint64_t address, size_t length)
{
	struct breakpoint_state *b = &t->breakpoints;
	enum kd_result result = KD_DONE;
	for (size_t i = first_in(t, address); i < b->count && result == KD_DONE; i++) {
		struct breakpoint *p = &b->list[i];
		if (!reaches(p, address, length))
			break;
		if (p->planted != NOT_PLANTED)
			result = unplant(t, p);
		p->saved_known = false;
	}
	return result;
}

void breakpoint_distrust(struct target *t, uint64_t address, uint64_t length)
{
	struct breakpoint_state *b = &t->breakpoints;
	for (size_t i = lower_bound(b, address); i < b->count; i++) {
		struct breakpoint *p = &b->list[i];
		if (!reaches(p, address, length))
			break;
		if (p->planted == NOT_PLANTED)
			p->saved_known = false;
	}
}

/* ---- another session ---- */

void breakpoint_on_reconnect(struct target *t)
{
	struct breakpoint_state *b = &t->breakpoints;
	b->removed_count = 0;
	for (size_t i = 0; i < b->count; i++) {
		struct breakpoint *p = &b->list[i];
		if (p->planted != PLANTED_KD)
			continue;
		p->planted = NOT_PLANTED;
		p->handle = 0;
	}
}

/* The list's memory stays: this may come in the midst of a walk through it. */
void breakpoint_clear(struct target *t)
{
	t->breakpoints.count = 0;
	t->breakpoints.removed_count = 0;
}

void breakpoint_free(struct target *t)
{
	free(t->breakpoints.list);
	t->breakpoints = (struct breakpoint_state){ 0 };
}
