#include "rsp/hex.h"

#include <limits.h>
#include <string.h>

int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char hex_char(unsigned value)
{
	return "0123456789abcdef"[value & 15];
}

size_t hex_encode(uint8_t *out, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		*out++ = (uint8_t)hex_char(bytes[i] >> 4);
		*out++ = (uint8_t)hex_char(bytes[i]);
	}
	return 2 * length;
}

bool hex_decode(uint8_t *out, size_t length, const uint8_t *hex, size_t hex_length)
{
	if (hex_length / 2 != length || hex_length % 2 != 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = hex_digit(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

size_t hex_number(uint8_t out[static 16], uint64_t value)
{
	size_t digits = 1;
	while (digits < 16 && value >> (4 * digits) != 0)
		digits++;
	for (size_t i = 0; i < digits; i++)
		out[i] = (uint8_t)hex_char((unsigned)(value >> (4 * (digits - 1 - i))));
	return digits;
}

bool escape_needed(uint8_t c)
{
	return c == '#' || c == '$' || c == '*' || c == RSP_ESCAPE;
}

bool escape_decode(uint8_t *bytes, size_t *length)
{
	size_t to = 0;
	for (size_t from = 0; from < *length; from++) {
		uint8_t c = bytes[from];
		if (c == RSP_ESCAPE) {
			if (++from == *length)
				return false;
			c = bytes[from] ^ RSP_ESCAPE_XOR;
		}
		bytes[to++] = c;
	}
	*length = to;
	return true;
}

struct rsp_text rsp_text_init(const uint8_t *bytes, size_t length)
{
	return (struct rsp_text){ bytes, length, false };
}

/* The one place that moves the cursor; the caller knows that n are left. */
static void advance(struct rsp_text *t, size_t n)
{
	t->pos += n;
	t->left -= n;
}

uint64_t rsp_text_hex(struct rsp_text *t)
{
	uint64_t value = 0;
	size_t digits = 0;
	while (digits < t->left && hex_digit(t->pos[digits]) >= 0) {
		if (digits == 16) {
			t->bad = true;
			return 0;
		}
		value = value << 4 | (uint64_t)hex_digit(t->pos[digits++]);
	}
	if (t->bad || digits == 0) {
		t->bad = true;
		return 0;
	}
	advance(t, digits);
	return value;
}

bool rsp_text_accept(struct rsp_text *t, char c)
{
	if (t->bad || t->left == 0 || *t->pos != (uint8_t)c)
		return false;
	advance(t, 1);
	return true;
}

void rsp_text_expect(struct rsp_text *t, char c)
{
	if (!rsp_text_accept(t, c))
		t->bad = true;
}

bool rsp_text_done(const struct rsp_text *t)
{
	return !t->bad && t->left == 0;
}

struct rsp_text text_until(struct rsp_text *t, char c)
{
	if (t->bad || t->left == 0)
		return (struct rsp_text){ t->pos, 0, t->bad };
	const uint8_t *end = memchr(t->pos, c, t->left);
	size_t length = end ? (size_t)(end - t->pos) : t->left;
	struct rsp_text part = { t->pos, length, false };
	advance(t, end ? length + 1 : length);
	return part;
}

bool text_is(const struct rsp_text *t, const char *word)
{
	size_t length = strlen(word);
	return !t->bad && t->left == length && memcmp(t->pos, word, length) == 0;
}

struct rsp_text text_rest(struct rsp_text *t)
{
	struct rsp_text rest = *t;
	if (!t->bad && t->left > 0)
		advance(t, t->left);
	return rest;
}

/* One number of a thread id: -1, or hex that fits an int. */
static int id_number(struct rsp_text *t)
{
	if (rsp_text_accept(t, '-')) {
		rsp_text_expect(t, '1');
		return -1;
	}
	uint64_t value = rsp_text_hex(t);
	if (value > INT_MAX)
		t->bad = true;
	return t->bad ? 0 : (int)value;
}

int text_thread(struct rsp_text *t)
{
	if (!rsp_text_accept(t, 'p'))
		return id_number(t);
	int process = id_number(t);
	if (process > 1)
		t->bad = true;
	if (!rsp_text_accept(t, '.'))
		return RSP_ALL_THREADS;
	return id_number(t);
}
