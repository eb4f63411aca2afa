#include "bridge/gdb/console.h"

#include <inttypes.h>
#include <stdarg.h>
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
