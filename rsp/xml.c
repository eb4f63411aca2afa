#include "rsp/rsp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rsp_xml rsp_xml_init(size_t limit)
{
	return (struct rsp_xml){ NULL, 0, 0, limit, false };
}

/* Room for n bytes and a NUL behind them, or NULL and `full`. */
static char *xml_room(struct rsp_xml *x, size_t n)
{
	if (x->full || n > x->limit - x->length) {
		x->full = true;
		return NULL;
	}
	size_t needed = x->length + n + 1;
	if (needed > x->room) {
		size_t room = needed < 512 ? 1024 : 2 * needed;
		char *grown = realloc(x->text, room);
		if (!grown) {
			x->full = true;
			return NULL;
		}
		x->text = grown;
		x->room = room;
	}
	x->length += n;
	x->text[x->length] = '\0';
	return x->text + x->length - n;
}

static void xml_bytes(struct rsp_xml *x, const char *bytes, size_t n)
{
	char *out = xml_room(x, n);
	if (out)
		memcpy(out, bytes, n);
}

void rsp_xml_markup(struct rsp_xml *x, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *out = length < 0 ? NULL : xml_room(x, (size_t)length);
	if (!out)
		return;
	va_start(args, format);
	(void)vsnprintf(out, (size_t)length + 1, format, args);
	va_end(args);
}

/*
 * How many bytes at `text` are one character that XML 1.0 allows, 0 when they are none:
 * control characters, broken, overlong or surrogate UTF-8, U+FFFE and U+FFFF.
 */
static size_t xml_character(const char *text)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} forms[] = {
		{ 0x80, 0x00, 0x20 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};
	const uint8_t *bytes = (const uint8_t *)text;
	if (bytes[0] == '\t' || bytes[0] == '\n' || bytes[0] == '\r')
		return 1;
	for (size_t n = 0; n < sizeof(forms) / sizeof(*forms); n++) {
		if ((bytes[0] & forms[n].mask) != forms[n].lead)
			continue;
		uint32_t code = bytes[0] & (uint8_t)~forms[n].mask;
		for (size_t i = 1; i <= n; i++) {
			if ((bytes[i] & 0xc0) != 0x80) /* the NUL, too */
				return 0;
			code = code << 6 | (bytes[i] & 0x3f);
		}
		bool allowed = code >= forms[n].least && code <= 0x10ffff &&
			       (code < 0xd800 || code > 0xdfff) &&
			       (code & 0xfffe) != 0xfffe && code != 0x7f;
		return allowed ? n + 1 : 0;
	}
	return 0;
}

static const char *xml_entity(char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	default:
		return NULL;
	}
}

void rsp_xml_text(struct rsp_xml *x, const char *text)
{
	while (*text != '\0' && !x->full) {
		const char *entity = xml_entity(*text);
		size_t length = xml_character(text);
		if (entity)
			xml_bytes(x, entity, strlen(entity));
		else if (length > 0)
			xml_bytes(x, text, length);
		else
			xml_bytes(x, "?", 1);
		text += length > 0 ? length : 1;
	}
}

void rsp_xml_attribute(struct rsp_xml *x, const char *name, const char *value)
{
	rsp_xml_markup(x, " %s=\"", name);
	rsp_xml_text(x, value);
	rsp_xml_markup(x, "\"");
}
