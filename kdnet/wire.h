/*
 * Byte cursors: the only way in which bytes become numbers and numbers bytes.
 *
 * A reader that once failed stays failed, gives zeros and does not move; so a
 * decoder reads straight down and asks once, at the end. A writer that once was
 * full stays full and writes nothing more. One function in each checks bounds.
 * Byte order is in the name; target data is little-endian throughout, the
 * datagram's sequence number and the poke's ports are big-endian (KDNET.md §3).
 */
#ifndef KDNET_WIRE_H
#define KDNET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *pos;
	size_t left;
	bool bad;
};

static inline struct reader rd_init(const uint8_t *buf, size_t len)
{
	return (struct reader){ buf, len, false };
}

/* The next n bytes, valid as long as the input is; NULL when there are fewer. */
static inline const uint8_t *rd_bytes(struct reader *r, size_t n)
{
	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *start = r->pos;
	if (n > 0) /* a NULL input of no bytes is a fine one */
		r->pos += n;
	r->left -= n;
	return start;
}

static inline bool rd_ok(const struct reader *r)
{
	return !r->bad;
}

/* True when all was read, and nothing is left over. */
static inline bool rd_done(const struct reader *r)
{
	return !r->bad && r->left == 0;
}

static inline void rd_skip(struct reader *r, size_t n)
{
	(void)rd_bytes(r, n);
}

/* Copies n bytes out; zeros when there are fewer. */
static inline void rd_copy(struct reader *r, uint8_t *out, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	if (n == 0)
		return;
	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

/* A cursor over the next n bytes alone. */
static inline struct reader rd_sub(struct reader *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	return (struct reader){ p, p ? n : 0, r->bad };
}

static inline uint64_t rd_le(struct reader *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	uint64_t value = 0;
	for (size_t i = n; p && i > 0; i--)
		value = value << 8 | p[i - 1];
	return value;
}

static inline uint64_t rd_be(struct reader *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	uint64_t value = 0;
	for (size_t i = 0; p && i < n; i++)
		value = value << 8 | p[i];
	return value;
}

static inline uint8_t rd_8(struct reader *r)
{
	return (uint8_t)rd_le(r, 1);
}
static inline uint16_t rd_le16(struct reader *r)
{
	return (uint16_t)rd_le(r, 2);
}
static inline uint32_t rd_le32(struct reader *r)
{
	return (uint32_t)rd_le(r, 4);
}
static inline uint64_t rd_le64(struct reader *r)
{
	return rd_le(r, 8);
}
static inline uint16_t rd_be16(struct reader *r)
{
	return (uint16_t)rd_be(r, 2);
}
static inline uint64_t rd_be56(struct reader *r)
{
	return rd_be(r, 7);
}

struct writer {
	uint8_t *buf;
	size_t size;
	size_t length;
	bool full;
};

static inline struct writer wr_init(uint8_t *buf, size_t size)
{
	return (struct writer){ buf, size, 0, false };
}

/* Room for n bytes, to be filled by the caller; NULL when there is less. */
static inline uint8_t *wr_room(struct writer *w, size_t n)
{
	if (w->full || n > w->size - w->length) {
		w->full = true;
		return NULL;
	}
	w->length += n;
	return w->buf + (w->length - n);
}

static inline bool wr_ok(const struct writer *w)
{
	return !w->full;
}

static inline void wr_bytes(struct writer *w, const void *bytes, size_t n)
{
	uint8_t *p = wr_room(w, n);
	if (p && n > 0)
		memcpy(p, bytes, n);
}

static inline void wr_zeros(struct writer *w, size_t n)
{
	uint8_t *p = wr_room(w, n);
	if (p && n > 0)
		memset(p, 0, n);
}

/* Zeros up to the given offset from the start; full when that is passed already. */
static inline void wr_zeros_to(struct writer *w, size_t offset)
{
	if (offset < w->length)
		w->full = true;
	else
		wr_zeros(w, offset - w->length);
}

static inline void wr_le(struct writer *w, uint64_t value, size_t n)
{
	uint8_t *p = wr_room(w, n);
	for (size_t i = 0; p && i < n; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static inline void wr_be(struct writer *w, uint64_t value, size_t n)
{
	uint8_t *p = wr_room(w, n);
	for (size_t i = 0; p && i < n; i++)
		p[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
}

static inline void wr_8(struct writer *w, uint8_t value)
{
	wr_le(w, value, 1);
}
static inline void wr_le16(struct writer *w, uint16_t value)
{
	wr_le(w, value, 2);
}
static inline void wr_le32(struct writer *w, uint32_t value)
{
	wr_le(w, value, 4);
}
static inline void wr_le64(struct writer *w, uint64_t value)
{
	wr_le(w, value, 8);
}
static inline void wr_be16(struct writer *w, uint16_t value)
{
	wr_be(w, value, 2);
}
static inline void wr_be56(struct writer *w, uint64_t value)
{
	wr_be(w, value, 7);
}

/*
 * Fixed layouts (CONTEXT, special registers), loaded and stored by row: the
 * caller has checked offset + n against the size of the block once. n is 1 to 8.
 */
static inline uint64_t load_le(const uint8_t *p, size_t n)
{
	uint64_t value = 0;
	for (size_t i = n; i > 0; i--)
		value = value << 8 | p[i - 1];
	return value;
}

static inline void store_le(uint8_t *p, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

#endif
