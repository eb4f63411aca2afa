/* Memory, virtual and physical. KD.md §3: the prefix before a hole, transport limits. */
#include <string.h>

#include "test/sim/kd_request.h"

enum {
	CACHING_MAX = 3,
	FILL_VIRTUAL = 1,
	FILL_PHYSICAL = 2,
	SPACE_PROCESS = 0,
	SPACE_KERNEL = 2,
	PAGE_READ_WRITE_EXECUTE = 1 | 2 | 4,
	CHUNK = 256,
};

#define KERNEL_HALF UINT64_C(0xffff800000000000)

static size_t clip(const struct kd *k, size_t count)
{
	return count < k->options.max_data ? count : k->options.max_data;
}

/* What is asked for beyond a datagram's room is left out, with success. */
static void read_reply(struct kd *k, struct kd_request *q, bool physical)
{
	uint64_t address = kd_get64(q, 0);
	size_t wanted = clip(k, kd_get32(q, 8));
	uint8_t *room = wr_room(&q->reply, wanted);
	size_t actual;

	if (physical)
		actual = machine_read_physical(k->machine, address, room, wanted);
	else
		actual = machine_read(k->machine, k->current, address, room, wanted);
	q->reply.length = actual;
	kd_put32(q, 12, (uint32_t)actual);
	if (actual < wanted)
		q->status = STATUS_UNSUCCESSFUL;
}

static size_t write_length(struct kd *k, const struct kd_request *q)
{
	size_t count = kd_get32(q, 8);
	if (count != q->length)
		stats_violation(k->stats, "API %x with a count that is not its data's",
				q->api);
	return count < q->length ? count : q->length;
}

static size_t write_virtual(struct kd *k, uint64_t address, const uint8_t *bytes,
			    size_t length)
{
	kd_breakpoint_check_write(k, address, bytes, length);
	kd_opcode_note_write(k, address, bytes, length);
	return machine_write(k->machine, k->current, address, bytes, length);
}

static void write_reply(struct kd *k, struct kd_request *q, bool physical)
{
	uint64_t address = kd_get64(q, 0);
	size_t length = write_length(k, q);
	size_t actual;

	if (physical)
		actual = machine_write_physical(k->machine, address, q->data, length);
	else
		actual = write_virtual(k, address, q->data, length);
	kd_put32(q, 12, (uint32_t)actual);
	if (actual < length || length < kd_get32(q, 8))
		q->status = STATUS_UNSUCCESSFUL;
}

void kd_read_virtual(struct kd *k, struct kd_request *q)
{
	if (kd_address_fits(k, q, kd_get64(q, 0)))
		read_reply(k, q, false);
	else
		kd_put32(q, 12, 0);
}

void kd_write_virtual(struct kd *k, struct kd_request *q)
{
	if (kd_address_fits(k, q, kd_get64(q, 0)))
		write_reply(k, q, false);
	else
		kd_put32(q, 12, 0);
}

/* Newer systems take only the caching that the page is mapped with. */
static bool caching_works(struct kd *k, struct kd_request *q)
{
	uint32_t caching = kd_get32(q, 12);
	if (caching > CACHING_MAX)
		stats_violation(k->stats, "API %x with an unknown caching", q->api);
	if (k->options.physical_caching == KD_ANY_CACHING ||
	    caching == (uint32_t)k->options.physical_caching)
		return true;
	kd_put32(q, 12, 0);
	q->status = STATUS_UNSUCCESSFUL;
	return false;
}

void kd_read_physical(struct kd *k, struct kd_request *q)
{
	if (caching_works(k, q))
		read_reply(k, q, true);
}

void kd_write_physical(struct kd *k, struct kd_request *q)
{
	if (caching_works(k, q))
		write_reply(k, q, true);
}

/* Is the pattern at the address? *readable: false when the memory ends there. */
static bool matches(struct kd *k, uint64_t address, const uint8_t *pattern, size_t length,
		    bool *readable)
{
	uint8_t bytes[CHUNK];
	size_t n = length < sizeof(bytes) ? length : sizeof(bytes);
	*readable = machine_read(k->machine, k->current, address, bytes, n) == n;
	return *readable && memcmp(bytes, pattern, n) == 0;
}

void kd_search_memory(struct kd *k, struct kd_request *q)
{
	uint64_t address = kd_get64(q, 0);
	uint64_t span = kd_get64(q, 8);
	uint32_t length = kd_get32(q, 16);
	bool readable = true;

	if (!kd_address_fits(k, q, address))
		return;
	q->status = STATUS_NOT_FOUND;
	if (length == 0 || length > q->length || length > CHUNK) {
		q->status = STATUS_INVALID_PARAMETER;
		return;
	}
	for (uint64_t i = 0; readable && i + length <= span; i++) {
		if (!matches(k, address + i, q->data, length, &readable))
			continue;
		kd_put64(q, 0, address + i);
		q->status = STATUS_SUCCESS;
		return;
	}
}

static size_t fill_chunk(struct kd *k, bool physical, uint64_t address,
			 const uint8_t *bytes, size_t length)
{
	if (physical)
		return machine_write_physical(k->machine, address, bytes, length);
	return write_virtual(k, address, bytes, length);
}

/* u+8 comes back as the bytes done. */
void kd_fill_memory(struct kd *k, struct kd_request *q)
{
	uint64_t address = kd_get64(q, 0);
	uint32_t length = kd_get32(q, 8);
	uint16_t flags = kd_get16(q, 12);
	uint16_t pattern = kd_get16(q, 14);
	bool physical = flags == FILL_PHYSICAL;
	uint8_t chunk[CHUNK];
	uint32_t done = 0;

	if (!physical && !kd_address_fits(k, q, address))
		return;
	if ((flags != FILL_VIRTUAL && !physical) || pattern == 0 || pattern > q->length) {
		q->status = STATUS_INVALID_PARAMETER;
		return;
	}
	while (done < length) {
		size_t n = length - done < CHUNK ? length - done : CHUNK;
		for (size_t i = 0; i < n; i++)
			chunk[i] = q->data[(done + i) % pattern];
		size_t written = fill_chunk(k, physical, address + done, chunk, n);
		done += (uint32_t)written;
		if (written < n)
			break;
	}
	kd_put32(q, 8, done);
	if (done < length)
		q->status = STATUS_UNSUCCESSFUL;
}

void kd_query_memory(struct kd *k, struct kd_request *q)
{
	uint64_t address = kd_get64(q, 0);
	if (!kd_address_fits(k, q, address))
		return;
	if (!machine_is_resident(k->machine, k->current, address)) {
		q->status = STATUS_UNSUCCESSFUL;
		return;
	}
	kd_put32(q, 16, address >= KERNEL_HALF ? SPACE_KERNEL : SPACE_PROCESS);
	kd_put32(q, 20, PAGE_READ_WRITE_EXECUTE);
}

void kd_check_low_memory(struct kd *k, struct kd_request *q)
{
	(void)k;
	q->status = STATUS_SUCCESS;
}
