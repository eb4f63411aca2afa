/* The sealed datagrams of the two captures of real targets, for tests of the transport. */
#ifndef TEST_DATAGRAMS_H
#define TEST_DATAGRAMS_H

#include <stdio.h>

#include "kdnet/seal.h"
#include "kdnet/wire.h"
#include "test/util.h"

#define WIN81_KEY "1.1.1.1"
#define WIN10_KEY "8.8.8.8"

struct captured {
	unsigned frame;	     /* from 1 */
	uint64_t time_us;    /* since the first one */
	char name[32];	     /* of a block in win81-v2.txt */
	bool to_target;	     /* by address, or as the file says */
	uint8_t *bytes;	     /* exactly as long, on the heap */
	size_t length;	     /* of the datagram */
	uint8_t *plain;	     /* win81: the plaintext as noted there */
	size_t plain_length; /* of it */
};

struct capture {
	struct captured *datagrams;
	size_t count;
};

static inline struct captured *capture_add(struct capture *c)
{
	c->datagrams = realloc(c->datagrams, (c->count + 1) * sizeof(*c->datagrams));
	assert_non_null(c->datagrams);
	struct captured *d = &c->datagrams[c->count++];
	memset(d, 0, sizeof(*d));
	d->frame = (unsigned)c->count;
	return d;
}

static inline void capture_free(struct capture *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->datagrams[i].bytes);
		free(c->datagrams[i].plain);
	}
	free(c->datagrams);
	*c = (struct capture){ 0 };
}

/* "key value" lines of one block at `block`; NULL when it has no such line. */
static inline const char *block_value(const char *block, const char *key)
{
	const char *end = strstr(block, "\n\n");
	char wanted[32];
	(void)snprintf(wanted, sizeof(wanted), "\n%s ", key);
	const char *found = strstr(block, wanted);
	return found && (!end || found < end) ? found + strlen(wanted) : NULL;
}

/* The 17 datagrams of a real Windows 8.1 and WinDbg. */
static inline struct capture capture_win81(void)
{
	struct capture c = { 0 };
	char *text = test_vector_file("win81-v2.txt", NULL);
	for (const char *at = strstr(text, "\nname "); at;
	     at = strstr(at + 1, "\nname ")) {
		struct captured *d = capture_add(&c);
		assert_int_equal(sscanf(at, "\nname %31s", d->name), 1);
		d->to_target = strncmp(block_value(at, "direction"), "host", 4) == 0;
		d->bytes = test_hex(block_value(at, "datagram"), &d->length);
		d->plain = test_hex(block_value(at, "plaintext"), &d->plain_length);
	}
	free(text);
	return c;
}

/* UDP over IPv4 over Ethernet, as all of that capture is. */
static inline void capture_frame(struct capture *c, struct reader frame, uint64_t time_us,
				 uint64_t *start_us)
{
	enum { ETHERNET = 14, IP_SOURCE = 12, UDP_HEADER = 8 };
	rd_skip(&frame, ETHERNET);
	size_t ip_header = (size_t)(rd_8(&frame) & 15) * 4;
	rd_skip(&frame, IP_SOURCE - 1);
	uint64_t source = rd_be(&frame, 4);
	rd_skip(&frame, ip_header - IP_SOURCE - 4 + 4);
	size_t length = rd_be16(&frame) - (size_t)UDP_HEADER;
	rd_skip(&frame, 2);
	const uint8_t *payload = rd_bytes(&frame, length);
	assert_true(rd_ok(&frame));

	struct captured *d = capture_add(c);
	if (d->frame == 1)
		*start_us = time_us;
	d->time_us = time_us - *start_us;
	d->to_target = source == 0xc0a80201;
	assert_true(d->to_target || source == 0xc0a80248);
	d->bytes = test_exact_copy(payload, length);
	d->length = length;
}

/* The 955 datagrams of a real Windows 10 boot debugger and WinDbg. */
static inline struct capture capture_win10(void)
{
	enum { ENHANCED_PACKET = 6, BLOCK_FRAME = 12 };
	struct capture c = { 0 };
	size_t size;
	char *file = test_vector_file("win10-v4.pcapng", &size);
	struct reader r = rd_init((const uint8_t *)file, size);
	uint64_t start_us = 0;
	while (r.left > 0) {
		uint32_t type = rd_le32(&r);
		uint32_t length = rd_le32(&r);
		struct reader block = rd_sub(&r, length - BLOCK_FRAME);
		rd_skip(&r, 4);
		assert_true(rd_ok(&r));
		if (type != ENHANCED_PACKET)
			continue;
		rd_skip(&block, 4); /* interface */
		uint64_t time_us = (uint64_t)rd_le32(&block) << 32;
		time_us |= rd_le32(&block);
		size_t captured = rd_le32(&block);
		rd_skip(&block, 4);
		capture_frame(&c, rd_sub(&block, captured), time_us, &start_us);
	}
	free(file);
	return c;
}

/* Ciphers of both channels of one session; the data key comes with its response. */
struct capture_keys {
	uint8_t control_key[KDNET_KEY_SIZE];
	struct kdnet_cipher control;
	struct kdnet_cipher data;
};

static inline void capture_keys_init(struct capture_keys *keys, const char *text)
{
	assert_int_equal(kdnet_key_parse(keys->control_key, text), KDNET_KEY_OK);
	kdnet_cipher_init(&keys->control, keys->control_key, keys->control_key);
	kdnet_cipher_init(&keys->data, keys->control_key, keys->control_key);
}

#endif
