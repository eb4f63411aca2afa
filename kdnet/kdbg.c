#include "kdnet/kd.h"

#include "kdnet/wire.h"

static const uint8_t tag[4] = { 'K', 'D', 'B', 'G' };

bool kdbg_decode(struct kdbg *kdbg, const uint8_t *block, size_t length)
{
	struct reader r = rd_init(block, length);
	memset(kdbg, 0, sizeof(*kdbg));
	kdbg->next = rd_le64(&r);
	rd_skip(&r, 8);
	const uint8_t *found = rd_bytes(&r, sizeof(tag));
	uint32_t size = rd_le32(&r);
	if (!rd_ok(&r))
		return false;
	kdbg->tagged = memcmp(found, tag, sizeof(tag)) == 0;
	if (!kdbg->tagged) /* encoded: none of its numbers means anything */
		return true;
	if (size < KDBG_HEADER_SIZE)
		return false;
	kdbg->size = size < KDBG_SIZE_MAX ? size : KDBG_SIZE_MAX;
	kdbg->length = length < kdbg->size ? length : kdbg->size;
	memcpy(kdbg->bytes, block, kdbg->length);
	return true;
}

static uint64_t load(const struct kdbg *kdbg, size_t offset, size_t size)
{
	if (kdbg->length < size || offset > kdbg->length - size)
		return 0;
	return load_le(kdbg->bytes + offset, size);
}

uint64_t kdbg_address(const struct kdbg *kdbg, enum kdbg_field field)
{
	return load(kdbg, field, sizeof(uint64_t));
}

uint16_t kdbg_offset(const struct kdbg *kdbg, enum kdbg_offset field)
{
	return (uint16_t)load(kdbg, field, sizeof(uint16_t));
}
