#include "bridge/target/memory.h"

#include <string.h>

#include "bridge/target/internal.h"
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
	return t->exchange.cancel ? KD_INTERRUPTED : result;
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

/*
 * One packet's worth. A page that was not asked for is entered only by who reads on in
 * order, and on the stack: what is mapped there may be a device, and feel the read.
 */
static size_t fetch_size(struct target *t, uint64_t address, size_t wanted)
{
	size_t limit = exchange_read_limit(t);
	if (wanted >= limit)
		return limit;
	if (is_off(t))
		return wanted;
	if (address == t->memory.fetched_to || is_near_stack(t, address))
		return clamp_to_space(address, limit);
	uint64_t last = address + wanted - 1;
	uint64_t page_left = (last | (MEMORY_PAGE_SIZE - 1)) - address + 1;
	return page_left < limit ? (size_t)page_left : limit;
}

/* Not over the end of the lower half: the guards refuse a range that is not canonical. */
static size_t clamp_to_half(uint64_t address, size_t count)
{
	const uint64_t lower_end = UINT64_C(0x800000000000);
	if (address < lower_end && count > lower_end - address)
		return (size_t)(lower_end - address);
	return count;
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

static enum kd_result fetch(struct target *t, uint64_t address, size_t wanted)
{
	size_t count = clamp_to_half(address, fetch_size(t, address, wanted));
	struct kd_reply reply;
	enum kd_result result = ask(t, address, count, &reply);
	t->memory.misses++;
	if (result != KD_DONE && result != KD_REFUSED)
		return result;
	memory_cache_put(&t->memory.cache, address, reply.data, reply.length);
	breakpoint_hide(t, address, reply.length);
	bool hole = reply.length < count && reply.status != KD_STATUS_SUCCESS;
	if (hole || reply.length == 0)
		memory_cache_put_hole(&t->memory.cache, address + reply.length);
	t->memory.fetched_to = address + reply.length;
	/* memory may be too short to keep it */
	uint8_t first;
	return memory_cache_get(&t->memory.cache, address, &first, 1) == 1 ? KD_DONE
									   : KD_REFUSED;
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
	if (is_off(t))
		memory_cache_clear(&m->cache);
	length = clamp_to_space(address, length);
	t->exchange.cancel = false;
	bool missed = false;
	for (;;) {
		uint64_t at = address + *done;
		*done += memory_cache_get(&m->cache, at, (uint8_t *)out + *done,
					  length - *done);
		if (*done == length)
			break;
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

enum kd_result memory_read_pointer(struct target *t, uint64_t address, uint64_t *value)
{
	uint8_t bytes[8] = { 0 };
	enum kd_result result = memory_read_all(t, address, bytes, t->arch->pointer_size);
	*value = result == KD_DONE ? load_le(bytes, t->arch->pointer_size) : 0;
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
	enum kd_result result = breakpoint_make_way(t, address, length);
	if (result != KD_DONE)
		return result;
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
	memory_cache_clear(&t->memory.cache);
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
