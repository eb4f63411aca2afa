#include "rsp/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rsp/hex.h"

struct json json_init(char *room, size_t size)
{
	return (struct json){ .text = room, .room = size };
}

/* The next n bytes; NULL: there is no room, now or ever again. */
static char *take(struct json *j, size_t n)
{
	if (j->full || n > j->room - j->length) {
		j->full = true;
		return NULL;
	}
	j->length += n;
	return j->text + j->length - n;
}

static void add(struct json *j, const char *text)
{
	size_t length = strlen(text);
	char *out = take(j, length);
	if (out)
		memcpy(out, text, length);
}

static void add_char(struct json *j, char c)
{
	char *out = take(j, 1);
	if (out)
		*out = c;
}

static void begin(struct json *j, const char *key)
{
	if (j->comma)
		add_char(j, ',');
	j->comma = true;
	if (!key)
		return;
	add_char(j, '"');
	add(j, key);
	add(j, "\":");
}

void json_open(struct json *j, const char *key, char bracket)
{
	begin(j, key);
	add_char(j, bracket);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	add_char(j, bracket);
	j->comma = true;
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	char digits[24];
	(void)snprintf(digits, sizeof(digits), "%" PRIu64, value);
	begin(j, key);
	add(j, digits);
}

void json_text(struct json *j, const char *key, const char *text)
{
	begin(j, key);
	add_char(j, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			add_char(j, '\\');
		add_char(j, *text < ' ' || *text > '~' ? '?' : *text);
	}
	add_char(j, '"');
}

void json_hex(struct json *j, const char *key, const void *bytes, size_t length)
{
	begin(j, key);
	add_char(j, '"');
	char *out = length <= SIZE_MAX / 2 ? take(j, 2 * length) : NULL;
	if (out)
		(void)hex_encode((uint8_t *)out, bytes, length);
	add_char(j, '"');
}
