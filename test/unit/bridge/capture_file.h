/* Builds captures of every kind in memory, for the tests of bridge/capture/. */
#ifndef TEST_CAPTURE_FILE_H
#define TEST_CAPTURE_FILE_H

#include "bridge/capture/pcap.h"
#include "kdnet/wire.h"
#include "test/util.h"

enum capture_kind {
	CAPTURE_NG,
	CAPTURE_NG_NS, /* nanoseconds, by an option */
	CAPTURE_US,
	CAPTURE_NS,
	CAPTURE_KINDS,
};

struct capture_file {
	struct writer w;
	enum capture_kind kind;
	bool big_endian;
	uint8_t bytes[1 << 19];
};

static inline void capture_number(struct capture_file *f, uint64_t value, size_t size)
{
	if (f->big_endian)
		wr_be(&f->w, value, size);
	else
		wr_le(&f->w, value, size);
}

static inline bool capture_is_ng(const struct capture_file *f)
{
	return f->kind == CAPTURE_NG || f->kind == CAPTURE_NG_NS;
}

/* A pcapng block with the given body. */
static inline void capture_block(struct capture_file *f, uint32_t type,
				 const uint8_t *body, size_t length)
{
	size_t padded = (length + 3) & ~(size_t)3;
	capture_number(f, type, 4);
	capture_number(f, padded + 12, 4);
	wr_bytes(&f->w, body, length);
	wr_zeros(&f->w, padded - length);
	capture_number(f, padded + 12, 4);
}

/* A writer of a body in the byte order of the file. */
static inline struct capture_file *capture_body(struct capture_file *body,
						const struct capture_file *f)
{
	body->kind = f->kind;
	body->big_endian = f->big_endian;
	body->w = wr_init(body->bytes, sizeof(body->bytes));
	return body;
}

static inline struct capture_file *capture_alloc(void)
{
	struct capture_file *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	return f;
}

static inline void capture_section(struct capture_file *f)
{
	struct capture_file *body = capture_body(capture_alloc(), f);
	capture_number(body, 0x1a2b3c4d, 4);
	capture_number(body, 1, 2);
	capture_number(body, 0, 2);
	capture_number(body, UINT64_MAX, 8);
	capture_block(f, 0x0a0d0d0a, body->bytes, body->w.length);
	free(body);
}

/* `resolution` as option 9 has it; 0: no option. */
static inline void capture_interface(struct capture_file *f, uint32_t link,
				     uint8_t resolution)
{
	struct capture_file *body = capture_body(capture_alloc(), f);
	capture_number(body, link, 2);
	capture_number(body, 0, 2);
	capture_number(body, 0, 4);
	if (resolution != 0) {
		capture_number(body, 9, 2);
		capture_number(body, 1, 2);
		wr_8(&body->w, resolution);
		wr_zeros(&body->w, 3);
		capture_number(body, 0, 4);
	}
	capture_block(f, 1, body->bytes, body->w.length);
	free(body);
}

static inline struct capture_file *capture_new(enum capture_kind kind, bool big_endian,
					       uint32_t link)
{
	struct capture_file *f = capture_alloc();
	f->kind = kind;
	f->big_endian = big_endian;
	f->w = wr_init(f->bytes, sizeof(f->bytes));
	if (capture_is_ng(f)) {
		capture_section(f);
		capture_interface(f, link, kind == CAPTURE_NG_NS ? 9 : 0);
		return f;
	}
	capture_number(f, kind == CAPTURE_NS ? 0xa1b23c4d : 0xa1b2c3d4, 4);
	capture_number(f, 2, 2);
	capture_number(f, 4, 2);
	capture_number(f, 0, 8);
	capture_number(f, 65535, 4);
	capture_number(f, link, 4);
	return f;
}

static inline void capture_packet_on(struct capture_file *f, uint32_t interface,
				     uint64_t ticks, const uint8_t *bytes, size_t length)
{
	struct capture_file *body = capture_body(capture_alloc(), f);
	capture_number(body, interface, 4);
	capture_number(body, ticks >> 32, 4);
	capture_number(body, ticks & UINT32_MAX, 4);
	capture_number(body, length, 4);
	capture_number(body, length, 4);
	wr_bytes(&body->w, bytes, length);
	capture_block(f, 6, body->bytes, body->w.length);
	free(body);
}

static inline void capture_packet(struct capture_file *f, uint64_t time_ns,
				  const uint8_t *bytes, size_t length)
{
	bool ns = f->kind == CAPTURE_NG_NS || f->kind == CAPTURE_NS;
	if (capture_is_ng(f)) {
		capture_packet_on(f, 0, ns ? time_ns : time_ns / 1000, bytes, length);
		return;
	}
	capture_number(f, time_ns / 1000000000, 4);
	capture_number(f, time_ns % 1000000000 / (ns ? 1 : 1000), 4);
	capture_number(f, length, 4);
	capture_number(f, length, 4);
	wr_bytes(&f->w, bytes, length);
}

/* An IPv4 packet with one UDP datagram; returns its length. */
static inline size_t capture_ipv4(uint8_t *out, size_t size, const uint8_t *udp,
				  size_t length)
{
	struct writer w = wr_init(out, size);
	wr_8(&w, 0x45);
	wr_8(&w, 0);
	wr_be16(&w, (uint16_t)(length + 28));
	wr_be(&w, 0, 4);
	wr_8(&w, 64);
	wr_8(&w, 17);
	wr_be16(&w, 0);
	wr_be(&w, 0xc0a80248, 4);
	wr_be(&w, 0xc0a80201, 4);
	wr_be16(&w, 50000);
	wr_be16(&w, 50001);
	wr_be16(&w, (uint16_t)(length + 8));
	wr_be16(&w, 0);
	wr_bytes(&w, udp, length);
	assert_true(wr_ok(&w));
	return w.length;
}

#endif
