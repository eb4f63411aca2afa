#include "bridge/target/memory.h"

#include <string.h>

#include "bridge/target/internal.h"
#include "bridge/target/memory_window.h"
#include "kdnet/wire.h"

enum {
	/* A kernel stack: behind the stack pointer all of this is RAM, or a guard page. */
	STACK_BELOW = 256,
	STACK_ABOVE = 0x4000,
};

static bool is_off(const struct target *t)
{
	return t->memory.off;
}

static enum kd_result cancelled_or(const struct target *t, enum kd_result result)
{
	bool given_up = t->exchange.cancel ||
			(t->events->given_up && t->events->given_up(t->context));
	return given_up ? KD_INTERRUPTED : result;
}

/* Fewer when the range would wrap around the address space. */
static size_t clamp_to_space(uint64_t address, size_t length)
{
	uint64_t left = UINT64_MAX - address;
	return length > 0 && length - 1 > left ? (size_t)left + 1 : length;
}

/* ---- how much one miss asks for ---- */

static bool is_near_stack(struct target *t, uint64_t address)
{
	const struct processor_registers *p =
		t->stop.change.processor < t->registers.count
			? t->registers.processors[t->stop.change.processor]
			: NULL;
	if (!p || !p->context_known)
		return false;
	uint64_t sp = load_le(p->context + t->arch->registers[t->arch->sp].offset,
			      t->arch->pointer_size);
	return address >= sp - STACK_BELOW &&
	       address - (sp - STACK_BELOW) < STACK_BELOW + STACK_ABOVE;
}

static struct memory_miss miss_at(struct target *t, uint64_t address, size_t wanted)
{
	return (struct memory_miss){
		.address = address,
		.wanted = wanted,
		.limit = exchange_read_limit(t),
		.goes_on = address == t->memory.fetched_to || is_near_stack(t, address),
		.exact = is_off(t),
	};
}

/* ---- one read ---- */

static enum kd_result ask(struct target *t, uint64_t address, size_t count,
			  struct kd_reply *reply)
{
	struct kd_request request = {
		.api = KD_READ_VIRTUAL,
		.u.memory = { .address = address, .count = (uint32_t)count },
	};
	enum kd_result result = exchange(t, &request, reply);
	if (result == KD_REFUSED && reply->length > 0)
		result = KD_DONE; /* the readable prefix */
	if (reply->length > count)
		reply->length = count;
	return result;
}

/*
 * A page that is missing ends an answer. How far before its border a range that leads into
 * it is still served is the kernel's affair: only at the border itself, or where the
 * range leads nowhere else, is it known for a hole.
 */
static bool ends_at_hole(const struct memory_window *w, const struct kd_reply *reply)
{
	uint64_t end = w->address + reply->length;
	uint64_t page_left = MEMORY_PAGE_SIZE - end % MEMORY_PAGE_SIZE;
	if (reply->length == w->count)
		return false;
	if (reply->length > 0 && reply->status == KD_STATUS_SUCCESS)
		return false; /* the link's limit */
	return end % MEMORY_PAGE_SIZE == 0 || w->count - reply->length <= page_left;
}

/* Into the cache, as much as comes. */
static enum kd_result take(struct target *t, const struct memory_window *w)
{
	struct kd_reply reply;
	enum kd_result result = ask(t, w->address, w->count, &reply);
	t->memory.misses++;
	if (result != KD_DONE && result != KD_REFUSED)
		return result;
	memory_cache_put(&t->memory.cache, w->address, reply.data, reply.length);
	breakpoint_hide(t, w->address, reply.length);
	if (ends_at_hole(w, &reply))
		memory_cache_put_hole(&t->memory.cache, w->address + reply.length);
	t->memory.fetched_to = w->address + reply.length;
	return KD_DONE;
}

static bool is_known(const struct target *t, uint64_t address)
{
	uint8_t byte;
	return memory_cache_get(&t->memory.cache, address, &byte, 1) == 1;
}

/* What was asked for ahead of need must not cost what is needed. */
static enum kd_result fetch(struct target *t, uint64_t address, size_t wanted)
{
	const struct memory_miss miss = miss_at(t, address, wanted);
	const struct memory_window wide = memory_window(&miss);
	const struct memory_window narrow = memory_window_narrow(&miss);
	bool same = wide.address == narrow.address && wide.count == narrow.count;
	enum kd_result result = take(t, &wide);
	if (result == KD_DONE && !same && !is_known(t, address) &&
	    !memory_cache_is_hole(&t->memory.cache, address))
		result = take(t, &narrow);
	if (result != KD_DONE)
		return result;
	/* memory may be too short to keep it */
	return is_known(t, address) ? KD_DONE : KD_REFUSED;
}

/* What is not kept from one read to the next. */
static void forget_what_changes(struct target *t, uint64_t address, size_t length)
{
	if (is_off(t))
		memory_cache_clear(&t->memory.cache);
	else if (length > 0 && memory_is_device(address + length - 1))
		memory_cache_drop(&t->memory.cache, address, length);
}

enum kd_result memory_read(struct target *t, uint64_t address, void *out, size_t length,
			   size_t *done)
{
	struct memory_state *m = &t->memory;
	*done = 0;
	if (!target_asks(t))
		return KD_GONE;
	if (exchange_busy(t)) /* from inside the loop: no answer, and no hole */
		return KD_REFUSED;
	length = clamp_to_space(address, length);
	if (address_space_covers(t, address))
		return address_space_read(t, address, out, length, done);
	forget_what_changes(t, address, length);
	t->exchange.cancel = false;
	bool missed = false;
	for (;;) {
		uint64_t at = address + *done;
		*done += memory_cache_get(&m->cache, at, (uint8_t *)out + *done,
					  length - *done);
		if (*done == length)
			break;
		if (memory_carry_get(t, address, out, length)) {
			*done = length;
			break;
		}
		at = address + *done;
		enum kd_result result = memory_cache_is_hole(&m->cache, at)
						? KD_REFUSED
						: fetch(t, at, length - *done);
		missed = true;
		if (result == KD_REFUSED)
			return *done > 0 ? KD_DONE : KD_REFUSED;
		result = cancelled_or(t, result);
		if (result != KD_DONE)
			return result;
	}
	if (!missed)
		m->hits++;
	return KD_DONE;
}

enum kd_result memory_read_all(struct target *t, uint64_t address, void *out,
			       size_t length)
{
	size_t done;
	enum kd_result result = memory_read(t, address, out, length, &done);
	if (result == KD_DONE && done < length)
		return KD_REFUSED;
	return result;
}

unsigned memory_pointer_size(const struct target *t)
{
	enum kd_machine machine = t->exchange.guard.machine;
	return machine == KD_MACHINE_I386 || machine == KD_MACHINE_ARM ? 4 : 8;
}

uint64_t memory_address(const struct target *t, uint64_t pointer)
{
	return memory_pointer_size(t) == 4 ? (uint64_t)(int32_t)pointer : pointer;
}

enum kd_result memory_read_pointer(struct target *t, uint64_t address, uint64_t *value)
{
	uint8_t bytes[8] = { 0 };
	unsigned size = memory_pointer_size(t);
	enum kd_result result = memory_read_all(t, address, bytes, size);
	*value = result == KD_DONE ? memory_address(t, load_le(bytes, size)) : 0;
	return result;
}

enum kd_result memory_read_raw(struct target *t, uint64_t address, void *out,
			       size_t length)
{
	struct kd_reply reply;
	enum kd_result result = ask(t, address, length, &reply);
	if (result != KD_DONE)
		return result;
	if (reply.length < length)
		return KD_REFUSED;
	memcpy(out, reply.data, length);
	return KD_DONE;
}

void memory_learn(struct target *t, uint64_t address, const void *bytes, size_t length)
{
	length = clamp_to_space(address, length);
	memory_cache_put(&t->memory.cache, address, bytes, length);
	breakpoint_hide(t, address, length);
}

/* ---- writes ---- */

static enum kd_result write_once(struct target *t, enum kd_api api, uint64_t address,
				 const void *in, size_t length, enum kd_caching caching,
				 size_t *written)
{
	struct kd_request request = {
		.api = api,
		.u.memory = { .address = address,
			      .count = (uint32_t)length,
			      .caching = caching },
		.data = in,
		.length = length,
	};
	struct kd_reply reply;
	enum kd_result result = exchange(t, &request, &reply);
	*written = 0;
	if (result != KD_DONE && result != KD_REFUSED)
		return result;
	*written = reply.u.memory.actual < length ? reply.u.memory.actual : length;
	return *written > 0 ? KD_DONE : KD_REFUSED;
}

enum kd_result memory_write_raw(struct target *t, uint64_t address, const void *in,
				size_t length)
{
	size_t written;
	enum kd_result result = write_once(t, KD_WRITE_VIRTUAL, address, in, length,
					   KD_CACHING_DEFAULT, &written);
	return result == KD_DONE && written < length ? KD_REFUSED : result;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

enum kd_result memory_write(struct target *t, uint64_t address, const void *in,
			    size_t length, size_t *done)
{
	*done = 0;
	if (!target_asks(t))
		return KD_GONE;
	length = clamp_to_space(address, length);
	address_space_forget(t);
	if (address_space_covers(t, address))
		return address_space_write(t, address, in, length, done);
	enum kd_result result = breakpoint_make_way(t, address, length);
	if (result != KD_DONE)
		return result;
	memory_carry_forget(t);
	t->exchange.cancel = false;
	while (*done < length) {
		const uint8_t *from = (const uint8_t *)in + *done;
		size_t written;
		result = write_once(t, KD_WRITE_VIRTUAL, address + *done, from,
				    smaller(length - *done, exchange_write_limit(t)),
				    KD_CACHING_DEFAULT, &written);
		if (result == KD_REFUSED)
			return *done > 0 ? KD_DONE : KD_REFUSED;
		if (result != KD_DONE)
			return result;
		memory_cache_put(&t->memory.cache, address + *done, from, written);
		*done += written;
		if (*done < length && t->exchange.cancel)
			return KD_INTERRUPTED;
	}
	return KD_DONE;
}

/* ---- physical memory ---- */

/*
 * The wrong caching type of a page is refused by newer systems: the one that worked
 * last comes first, then default, cached, uncached (KD.md §3, 313D).
 */
static enum kd_caching caching_at(const struct target *t, unsigned attempt)
{
	enum kd_caching worked = t->memory.caching;
	if (attempt == 0)
		return worked;
	enum kd_caching next = (enum kd_caching)(attempt - 1);
	return next < worked ? next : (enum kd_caching)attempt;
}

enum { CACHINGS = KD_CACHING_UNCACHED + 1 };

static enum kd_result read_physical_once(struct target *t, uint64_t address, void *out,
					 size_t length, size_t *read)
{
	*read = 0;
	for (unsigned attempt = 0; attempt < CACHINGS; attempt++) {
		struct kd_request request = {
			.api = KD_READ_PHYSICAL,
			.u.memory = { .address = address,
				      .count = (uint32_t)length,
				      .caching = caching_at(t, attempt) },
		};
		struct kd_reply reply;
		enum kd_result result = exchange(t, &request, &reply);
		if (result != KD_DONE && result != KD_REFUSED)
			return result;
		if (reply.length == 0)
			continue;
		*read = smaller(reply.length, length);
		memcpy(out, reply.data, *read);
		t->memory.caching = request.u.memory.caching;
		return KD_DONE;
	}
	return KD_REFUSED;
}

enum kd_result memory_read_physical(struct target *t, uint64_t address, void *out,
				    size_t length, size_t *done)
{
	*done = 0;
	if (!target_asks(t))
		return KD_GONE;
	length = clamp_to_space(address, length);
	t->exchange.cancel = false;
	while (*done < length) {
		size_t read;
		enum kd_result result = read_physical_once(
			t, address + *done, (uint8_t *)out + *done,
			smaller(length - *done, exchange_read_limit(t)), &read);
		if (result == KD_REFUSED)
			return *done > 0 ? KD_DONE : KD_REFUSED;
		if (result != KD_DONE)
			return result;
		*done += read;
		if (*done < length && t->exchange.cancel)
			return KD_INTERRUPTED;
	}
	return KD_DONE;
}

static enum kd_result write_physical_once(struct target *t, uint64_t address,
					  const void *in, size_t length, size_t *written)
{
	for (unsigned attempt = 0; attempt < CACHINGS; attempt++) {
		enum kd_caching caching = caching_at(t, attempt);
		enum kd_result result = write_once(t, KD_WRITE_PHYSICAL, address, in,
						   length, caching, written);
		if (result == KD_DONE)
			t->memory.caching = caching;
		if (result != KD_REFUSED)
			return result;
	}
	return KD_REFUSED;
}

enum kd_result memory_write_physical(struct target *t, uint64_t address, const void *in,
				     size_t length, size_t *done)
{
	*done = 0;
	if (!target_asks(t))
		return KD_GONE;
	/* nobody knows which virtual pages show it */
	memory_cache_flush(t);
	length = clamp_to_space(address, length);
	while (*done < length) {
		size_t written;
		enum kd_result result = write_physical_once(
			t, address + *done, (const uint8_t *)in + *done,
			smaller(length - *done, exchange_write_limit(t)), &written);
		if (result == KD_REFUSED)
			return *done > 0 ? KD_DONE : KD_REFUSED;
		if (result != KD_DONE)
			return result;
		*done += written;
	}
	return KD_DONE;
}

/* ---- `monitor cache` ---- */

void memory_cache_enable(struct target *t, bool on)
{
	t->memory.off = !on;
	memory_cache_flush(t);
}

void memory_cache_flush(struct target *t)
{
	memory_cache_clear(&t->memory.cache);
	address_space_forget(t);
	memory_carry_forget(t);
	t->memory.fetched_to = 0;
}

void memory_on_resume(struct target *t)
{
	memory_carry_on_resume(t);
	memory_cache_clear(&t->memory.cache);
	t->memory.fetched_to = 0;
}

struct memory_statistics memory_statistics(const struct target *t)
{
	return (struct memory_statistics){
		.hits = t->memory.hits,
		.misses = t->memory.misses,
		.bytes = t->memory.cache.bytes,
		.enabled = !t->memory.off,
	};
}
