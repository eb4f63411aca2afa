/*
 * A reader of .debug_frame for tests, written from the DWARF standard and not from the
 * writer: what the rules are at an address. It fails the test on what it does not know.
 */
#ifndef TEST_CFI_H
#define TEST_CFI_H

#include "kdnet/wire.h"
#include "test/util.h"

enum { CFI_REGISTERS = 17, CFI_RSP = 7, CFI_RIP = 16 }; /* DWARF's numbers */

enum cfi_kind { CFI_SAME, CFI_UNDEFINED, CFI_OFFSET, CFI_VALUE };

struct cfi_rule {
	enum cfi_kind kind;
	int64_t offset; /* from the CFA; of CFI_VALUE, the address that is the value */
};

struct cfi_row {
	uint64_t address;
	unsigned cfa_register;
	int64_t cfa_offset;
	struct cfi_rule rules[CFI_REGISTERS];
	bool signal; /* the CIE says so */
};

struct cfi_fde {
	uint64_t begin, end;
	size_t cie, instructions, length;
};

struct cfi {
	const uint8_t *bytes;
	size_t size;
	struct cfi_fde *fdes; /* by address */
	size_t count;
	struct cfi_row *rows; /* of the FDE used last */
	size_t row_count, row_capacity;
	const struct cfi_fde *current;
	size_t restored; /* rules so far that were those of the CIE again */
};

static inline uint64_t cfi_uleb(struct reader *r)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 63; shift += 7) {
		uint8_t byte = rd_8(r);
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	return value;
}

static inline int64_t cfi_sleb(struct reader *r)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 63;) {
		uint8_t byte = rd_8(r);
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if (byte & 0x40)
			value |= UINT64_MAX << shift;
		break;
	}
	return (int64_t)value;
}

static inline int cfi_by_address(const void *a, const void *b)
{
	const struct cfi_fde *x = a, *y = b;
	return (x->begin > y->begin) - (x->begin < y->begin);
}

/* One CIE's initial rules; its augmentation is "" or "zS". */
static inline void cfi_run(struct cfi *cfi, struct reader *r, struct cfi_row *row,
			   const struct cfi_row *initial);

static inline void cfi_read_cie(struct cfi *cfi, size_t offset, struct cfi_row *row,
				bool *augmented)
{
	struct reader r = rd_init(cfi->bytes + offset, cfi->size - offset);
	struct reader e = rd_sub(&r, rd_le32(&r));
	assert_int_equal(rd_le32(&e), 0xffffffff);
	assert_int_equal(rd_8(&e), 3);
	uint8_t augmentation = rd_8(&e);
	*augmented = augmentation == 'z';
	memset(row, 0, sizeof(*row));
	if (*augmented) {
		assert_int_equal(rd_8(&e), 'S');
		row->signal = true;
		augmentation = rd_8(&e);
	}
	assert_int_equal(augmentation, 0);
	assert_int_equal(cfi_uleb(&e), 1);
	assert_int_equal(cfi_sleb(&e), -8);
	assert_int_equal(cfi_uleb(&e), CFI_RIP);
	if (*augmented)
		assert_int_equal(cfi_uleb(&e), 0);
	cfi_run(cfi, &e, row, row);
	assert_true(rd_ok(&e));
}

/* Every entry, where it belongs; none may overlap. */
static inline struct cfi cfi_parse(const uint8_t *bytes, size_t size)
{
	struct cfi cfi = { .bytes = bytes, .size = size };
	struct reader r = rd_init(bytes, size);
	while (r.left > 0) {
		size_t at = size - r.left;
		struct reader e = rd_sub(&r, rd_le32(&r));
		uint32_t cie = rd_le32(&e);
		assert_true(rd_ok(&e));
		assert_int_equal(at % 8, 0);
		if (cie == 0xffffffff)
			continue;
		if (cfi.count % 1024 == 0)
			cfi.fdes =
				realloc(cfi.fdes, (cfi.count + 1024) * sizeof(*cfi.fdes));
		struct cfi_fde *f = &cfi.fdes[cfi.count++];
		f->begin = rd_le64(&e);
		f->end = f->begin + rd_le64(&e);
		f->cie = cie;
		f->instructions = (size_t)(e.pos - bytes);
		f->length = e.left;
		assert_true(rd_ok(&e) && f->end > f->begin);
	}
	if (cfi.count > 0)
		qsort(cfi.fdes, cfi.count, sizeof(*cfi.fdes), cfi_by_address);
	for (size_t i = 1; i < cfi.count; i++)
		assert_true(cfi.fdes[i - 1].end <= cfi.fdes[i].begin);
	return cfi;
}

static inline void cfi_wipe(struct cfi *cfi)
{
	free(cfi->fdes);
	free(cfi->rows);
}

static inline void cfi_keep_row(struct cfi *cfi, const struct cfi_row *row)
{
	if (cfi->row_count == cfi->row_capacity) {
		cfi->row_capacity = cfi->row_capacity ? cfi->row_capacity * 2 : 64;
		cfi->rows = realloc(cfi->rows, cfi->row_capacity * sizeof(*cfi->rows));
		assert_non_null(cfi->rows);
	}
	cfi->rows[cfi->row_count++] = *row;
}

static inline struct cfi_rule *cfi_rule_of(struct cfi_row *row, uint64_t reg)
{
	assert_true(reg < CFI_REGISTERS);
	return &row->rules[reg];
}

static inline void cfi_advance(struct cfi *cfi, struct cfi_row *row, uint64_t delta)
{
	cfi_keep_row(cfi, row);
	row->address += delta;
}

/* DW_CFA_val_expression: only DW_OP_addr is ever written. */
static inline void cfi_value(struct reader *r, struct cfi_row *row)
{
	struct cfi_rule *rule = cfi_rule_of(row, cfi_uleb(r));
	struct reader e = rd_sub(r, cfi_uleb(r));
	assert_int_equal(rd_8(&e), 0x03);
	*rule = (struct cfi_rule){ CFI_VALUE, (int64_t)rd_le64(&e) };
	assert_true(rd_done(&e));
}

static inline void cfi_extended(struct cfi *cfi, struct reader *r, uint8_t op,
				struct cfi_row *row, const struct cfi_row *initial)
{
	uint64_t reg;
	switch (op) {
	case 0x00:
		break;
	case 0x02:
		cfi_advance(cfi, row, rd_8(r));
		break;
	case 0x03:
		cfi_advance(cfi, row, rd_le16(r));
		break;
	case 0x04:
		cfi_advance(cfi, row, rd_le32(r));
		break;
	case 0x06:
		reg = cfi_uleb(r);
		*cfi_rule_of(row, reg) = initial->rules[reg];
		cfi->restored++;
		break;
	case 0x07:
		cfi_rule_of(row, cfi_uleb(r))->kind = CFI_UNDEFINED;
		break;
	case 0x08:
		*cfi_rule_of(row, cfi_uleb(r)) = (struct cfi_rule){ CFI_SAME, 0 };
		break;
	case 0x0c:
		row->cfa_register = (unsigned)cfi_uleb(r);
		row->cfa_offset = (int64_t)cfi_uleb(r);
		break;
	case 0x0e:
		row->cfa_offset = (int64_t)cfi_uleb(r);
		break;
	case 0x11:
		reg = cfi_uleb(r);
		*cfi_rule_of(row, reg) =
			(struct cfi_rule){ CFI_OFFSET, cfi_sleb(r) * -8 };
		break;
	case 0x12:
		row->cfa_register = (unsigned)cfi_uleb(r);
		row->cfa_offset = cfi_sleb(r) * -8;
		break;
	case 0x16:
		cfi_value(r, row);
		break;
	default:
		fail_msg("DW_CFA %x", op);
	}
}

static inline void cfi_run(struct cfi *cfi, struct reader *r, struct cfi_row *row,
			   const struct cfi_row *initial)
{
	while (r->left > 0 && rd_ok(r)) {
		uint8_t op = rd_8(r), low = op & 0x3f;
		if (op >> 6 == 1)
			cfi_advance(cfi, row, low);
		else if (op >> 6 == 2)
			*cfi_rule_of(row, low) =
				(struct cfi_rule){ CFI_OFFSET,
						   (int64_t)cfi_uleb(r) * -8 };
		else if (op >> 6 == 3) {
			*cfi_rule_of(row, low) = initial->rules[low];
			cfi->restored++;
		} else
			cfi_extended(cfi, r, op, row, initial);
	}
}

static inline const struct cfi_fde *cfi_find(const struct cfi *cfi, uint64_t address)
{
	size_t low = 0, high = cfi->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (cfi->fdes[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < cfi->count && cfi->fdes[low].begin <= address;
	return found ? &cfi->fdes[low] : NULL;
}

/* All rows of an FDE into cfi->rows. */
static inline void cfi_read_fde(struct cfi *cfi, const struct cfi_fde *f)
{
	struct cfi_row row, initial;
	bool augmented;
	struct reader r = rd_init(cfi->bytes + f->instructions, f->length);
	cfi->row_count = 0;
	cfi->current = f;
	cfi_read_cie(cfi, f->cie, &initial, &augmented);
	if (augmented)
		assert_int_equal(cfi_uleb(&r), 0);
	row = initial;
	row.address = f->begin;
	cfi_run(cfi, &r, &row, &initial);
	assert_true(rd_ok(&r));
	cfi_keep_row(cfi, &row);
}

/* The rules at an address; NULL: no FDE. Valid until the next one. */
static inline const struct cfi_row *cfi_row_at(struct cfi *cfi, uint64_t address)
{
	const struct cfi_fde *f = cfi_find(cfi, address);
	if (!f)
		return NULL;
	if (f != cfi->current)
		cfi_read_fde(cfi, f);
	size_t low = 0, high = cfi->row_count;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (cfi->rows[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	return &cfi->rows[low];
}

#endif
