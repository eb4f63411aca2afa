/* The other side of the wire for tests: frames requests, and reads what is sent back. */
#ifndef TEST_RSP_CLIENT_H
#define TEST_RSP_CLIENT_H

#include <stdio.h>

#include "test/util.h"

/* Appends `$payload#checksum` to out; returns its length. The payload goes as it is. */
static inline size_t client_frame(uint8_t *out, const void *payload, size_t length)
{
	uint8_t checksum = 0;
	out[0] = '$';
	memcpy(out + 1, payload, length);
	for (size_t i = 0; i < length; i++)
		checksum = (uint8_t)(checksum + ((const uint8_t *)payload)[i]);
	(void)snprintf((char *)out + 1 + length, 4, "#%02x", checksum);
	return length + 4;
}

struct client_reader {
	const uint8_t *pos;
	size_t left;
	size_t pluses, minuses; /* that were between packets */
};

/*
 * The next packet of a stream, runs expanded as gdb does, escapes left in place. Fails the
 * test on anything that gdb would not take: wrong checksums, runs of nothing, counts
 * that cannot be printed, bytes between packets other than '+' and '-'. False at the end.
 */
static inline bool client_next(struct client_reader *r, uint8_t *out, size_t room,
			       size_t *length)
{
	while (r->left > 0 && (*r->pos == '+' || *r->pos == '-')) {
		r->pluses += *r->pos == '+';
		r->minuses += *r->pos == '-';
		r->pos++;
		r->left--;
	}
	if (r->left == 0)
		return false;
	assert_int_equal(*r->pos, '$');
	size_t end = 1;
	uint8_t checksum = 0, last = 0;
	*length = 0;
	for (; end < r->left && r->pos[end] != '#'; end++) {
		uint8_t c = r->pos[end];
		assert_int_not_equal(c, '$');
		checksum = (uint8_t)(checksum + c);
		if (c != '*') {
			assert_true(*length < room);
			out[(*length)++] = last = c;
			continue;
		}
		assert_true(*length > 0 && end + 1 < r->left);
		uint8_t count = r->pos[++end];
		assert_true(count >= 29 + 3 && count <= 126);
		assert_null(strchr("#$+-", count));
		checksum = (uint8_t)(checksum + count);
		for (int i = 0; i < count - 29; i++) {
			assert_true(*length < room);
			out[(*length)++] = last;
		}
	}
	assert_true(end + 2 < r->left);
	char digits[3] = { (char)r->pos[end + 1], (char)r->pos[end + 2], '\0' };
	assert_int_equal(strtoul(digits, NULL, 16), checksum);
	r->pos += end + 3;
	r->left -= end + 3;
	return true;
}

/* Undoes `}` in place. */
static inline size_t client_unescape(uint8_t *bytes, size_t length)
{
	size_t to = 0;
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '}') {
			assert_true(i + 1 < length);
			bytes[to++] = bytes[++i] ^ 0x20;
		} else {
			bytes[to++] = bytes[i];
		}
	}
	return to;
}

#endif
