#include "kdnet/key.h"

#include <stdbool.h>

#include <sodium.h>

#include "kdnet/wire.h"

enum { BASE = 36 };

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z') /* kdnet.exe prints upper case */
		return c - 'A' + 10;
	return -1;
}

/* Reads one part up to a dot or the end, and leaves *text there. */
static enum kdnet_key_error parse_part(const char **text, uint64_t *value)
{
	int digits = 0;
	*value = 0;
	for (; **text != '\0' && **text != '.'; (*text)++) {
		int digit = digit_value(**text);
		if (digit < 0)
			return KDNET_KEY_CHARACTER;
		if (++digits > KDNET_KEY_PART_DIGITS)
			return KDNET_KEY_TOO_LARGE;
		if (*value > (UINT64_MAX - (uint64_t)digit) / BASE)
			return KDNET_KEY_TOO_LARGE;
		*value = *value * BASE + (uint64_t)digit;
	}
	return digits > 0 ? KDNET_KEY_OK : KDNET_KEY_PART_EMPTY;
}

static enum kdnet_key_error parse_parts(uint8_t *key, const char *text)
{
	struct writer w = wr_init(key, KDNET_KEY_SIZE);
	for (int part = 0; part < KDNET_KEY_PARTS; part++) {
		uint64_t value;
		if (part > 0 && *text++ != '.')
			return KDNET_KEY_PARTS_WRONG;
		enum kdnet_key_error error = parse_part(&text, &value);
		if (error != KDNET_KEY_OK)
			return error;
		wr_le64(&w, value);
	}
	return *text == '\0' ? KDNET_KEY_OK : KDNET_KEY_PARTS_WRONG;
}

enum kdnet_key_error kdnet_key_parse(uint8_t key[static KDNET_KEY_SIZE], const char *text)
{
	enum kdnet_key_error error = parse_parts(key, text);
	if (error != KDNET_KEY_OK)
		sodium_memzero(key, KDNET_KEY_SIZE);
	return error;
}

const char *kdnet_key_error_text(enum kdnet_key_error error)
{
	switch (error) {
	case KDNET_KEY_OK:
		return "the key is well formed";
	case KDNET_KEY_PARTS_WRONG:
		return "the key needs four parts separated by dots, like 1.2.3.4";
	case KDNET_KEY_PART_EMPTY:
		return "a part of the key is empty: it needs four, like 1.2.3.4";
	case KDNET_KEY_CHARACTER:
		return "the key may hold only the digits 0-9, the letters a-z and dots";
	case KDNET_KEY_TOO_LARGE:
		return "a part of the key is too large: each is at most 3w5e11264sgsf";
	}
	return "the key is not well formed";
}

static void format_part(char **text, uint64_t value)
{
	char digits[KDNET_KEY_PART_DIGITS];
	int count = 0;
	do {
		uint64_t digit = value % BASE;
		digits[count++] =
			(char)(digit < 10 ? '0' + (char)digit : 'a' + (char)(digit - 10));
		value /= BASE;
	} while (value > 0);
	while (count > 0)
		*(*text)++ = digits[--count];
}

void kdnet_key_format(char text[static KDNET_KEY_TEXT_SIZE],
		      const uint8_t key[static KDNET_KEY_SIZE])
{
	struct reader r = rd_init(key, KDNET_KEY_SIZE);
	for (int part = 0; part < KDNET_KEY_PARTS; part++) {
		if (part > 0)
			*text++ = '.';
		format_part(&text, rd_le64(&r));
	}
	*text = '\0';
}
