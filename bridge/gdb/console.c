#include "bridge/gdb/console.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE_MAX = 1024 };

static void drop(struct console *c, size_t length)
{
	c->start = (c->start + length) % CONSOLE_SIZE;
	c->length -= length;
}

void console_put(struct console *c, const char *text, size_t length)
{
	size_t end, first;

	if (length > CONSOLE_SIZE) {
		c->dropped += length - CONSOLE_SIZE;
		text += length - CONSOLE_SIZE;
		length = CONSOLE_SIZE;
	}
	if (length > CONSOLE_SIZE - c->length) {
		size_t excess = length - (CONSOLE_SIZE - c->length);

		c->dropped += excess;
		drop(c, excess);
	}
	end = (c->start + c->length) % CONSOLE_SIZE;
	first = CONSOLE_SIZE - end < length ? CONSOLE_SIZE - end : length;
	memcpy(c->text + end, text, first);
	memcpy(c->text, text + first, length - first);
	c->length += length;
}

void console_say(struct console *c, const char *format, ...)
{
	char text[SENTENCE_MAX];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length > 0)
		console_put(c, text, strlen(text));
}

static bool tell_dropped(struct console *c, struct rsp *r)
{
	char text[80];

	if (!c->dropped)
		return true;
	snprintf(text, sizeof(text),
		 "[kdbridge: %" PRIu64 " bytes of older output lost]\n", c->dropped);
	if (!rsp_console(r, text, strlen(text)))
		return false;
	c->dropped = 0;
	return true;
}

void console_flush(struct console *c, struct rsp *r)
{
	if (!r || !tell_dropped(c, r))
		return;
	while (c->length) {
		size_t piece = CONSOLE_SIZE - c->start;

		if (piece > c->length)
			piece = c->length;
		if (!rsp_console(r, c->text + c->start, piece))
			return;
		drop(c, piece);
	}
}

/* ---- reading it again ---- */

static char byte_at(const struct console *c, size_t offset)
{
	return c->text[(c->start + offset) % CONSOLE_SIZE];
}

/* Where the last lines begin; a line's end at the very end begins no other one. */
static size_t last_lines(const struct console *c, size_t lines)
{
	size_t at = c->length;

	while (at > 0) {
		bool ends = at < c->length && byte_at(c, at - 1) == '\n';

		if (ends && --lines == 0)
			break;
		at--;
	}
	return at;
}

size_t console_lines(const struct console *c, size_t lines,
		     void (*line)(void *context, const char *text, size_t length),
		     void *context)
{
	char text[CONSOLE_LINE_MAX];
	size_t length = 0, calls = 0;

	for (size_t at = lines ? last_lines(c, lines) : c->length; at < c->length; at++) {
		bool ends = byte_at(c, at) == '\n';

		if (!ends)
			text[length++] = byte_at(c, at);
		if (ends || length == sizeof(text) || at + 1 == c->length) {
			line(context, text, length);
			length = 0;
			calls++;
		}
	}
	return calls;
}

/* Bytes of the character there that may be shown; 0: it may not. */
static size_t shown_bytes(const unsigned char *text, size_t left)
{
	enum { CONTINUATION = 0x80, CONTINUATION_MASK = 0xc0, C1_LEAD = 0xc2 };
	size_t bytes = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (text[0] < 0x80)
		return text[0] == '\t' || (text[0] >= ' ' && text[0] != 0x7f);
	if (text[0] < C1_LEAD || text[0] > 0xf4 || bytes > left)
		return 0;
	for (size_t i = 1; i < bytes; i++)
		if ((text[i] & CONTINUATION_MASK) != CONTINUATION)
			return 0;
	/* U+0080 to U+009F are control characters, too */
	return text[0] == C1_LEAD && text[1] < 0xa0 ? 0 : bytes;
}

void console_harmless(char *out, size_t size, const char *text, size_t length)
{
	const unsigned char *from = (const unsigned char *)text;
	size_t n = 0;

	for (size_t i = 0; i < length;) {
		size_t bytes = shown_bytes(from + i, length - i);
		size_t room = bytes ? bytes : 1;

		if (n + room >= size)
			break;
		if (bytes)
			memcpy(out + n, text + i, bytes);
		else
			out[n] = '?';
		n += bytes || text[i] != '\r' ? room : 0;
		i += room;
	}
	out[n] = '\0';
}
