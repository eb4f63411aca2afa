#include "bridge/cli/config_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>
#include <sodium.h>

enum { STACK_WIPED = 1024 /* libinih's line, which may have held a key */ };

/* What libinih reads from: lines are counted here, as it does not tell their numbers. */
struct source {
	struct config_text *text;
	const char *rest;
	unsigned line;
};

bool config_text_error(struct config_text *t, unsigned line, const char *key,
		       const char *format, ...)
{
	va_list arguments;
	int length;

	if (t->error[0])
		return false;
	length = snprintf(t->error, t->error_size, "%s:%u: %s%s", t->file, line,
			  key ? key : "", key ? ": " : "");
	if (length < 0 || (size_t)length >= t->error_size)
		return false;
	va_start(arguments, format);
	vsnprintf(t->error + length, t->error_size - (size_t)length, format, arguments);
	va_end(arguments);
	return false;
}

struct config_setting *config_text_find(const struct config_section *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->settings[i].name, name))
			return &s->settings[i];
	return NULL;
}

/* The arena is as long as the file, of which each piece is a part with a character behind
 * it: "name=value\n", "[section]". */
static const char *keep(struct config_text *t, const char *piece, size_t length)
{
	char *kept = t->arena + t->arena_used;

	memcpy(kept, piece, length);
	kept[length] = '\0';
	t->arena_used += length + 1;
	return kept;
}

/* Room for one more of what is `size` bytes; NULL: out of memory. */
static void *grown(void *list, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return list;
	*room = *room ? 2 * *room : 8;
	return realloc(list, *room * size);
}

static bool add_section(struct config_text *t, unsigned line, const char *name,
			size_t length)
{
	struct config_section *sections =
		grown(t->sections, t->count, &t->room, sizeof(*sections));

	if (!sections)
		return config_text_error(t, line, NULL, "out of memory");
	t->sections = sections;
	for (size_t i = 0; i < t->count; i++)
		if (strlen(sections[i].name) == length &&
		    !memcmp(sections[i].name, name, length) && line > 0)
			return config_text_error(
				t, line, NULL,
				"[%s] stands in line %u already: give this one another name",
				sections[i].name, sections[i].line);
	sections[t->count++] =
		(struct config_section){ .name = keep(t, name, length), .line = line };
	return true;
}

/* libinih cuts long names of sections, and is silent about empty ones. */
static void see_section(struct source *s, const char *line, size_t length)
{
	const char *end = memchr(line, ']', length);
	size_t behind;

	if (!end) {
		config_text_error(s->text, s->line, NULL, "a section without its ]");
		return;
	}
	behind = length - (size_t)(end + 1 - line);
	for (const char *c = end + 1; behind > 0; c++, behind--) {
		if (*c == ';' || *c == '#')
			break;
		if (*c != ' ' && *c != '\t' && *c != '\r') {
			config_text_error(s->text, s->line, NULL,
					  "text behind ]: put it on a line of its own");
			return;
		}
	}
	if (end == line + 1)
		config_text_error(s->text, s->line, NULL, "a section without a name");
	else if (!s->text->error[0])
		add_section(s->text, s->line, line + 1, (size_t)(end - line - 1));
}

/*
 * As fgets. Space before a line is left away: for libinih such a line goes on with the
 * value of the one above, which nobody expects here.
 */
static char *next_line(char *out, int size, void *stream)
{
	struct source *s = stream;
	size_t length;

	if (!*s->rest || s->text->error[0])
		return NULL;
	s->line++;
	s->rest += strspn(s->rest, " \t");
	length = strcspn(s->rest, "\n");
	if (length + 3 > (size_t)size) {
		config_text_error(s->text, s->line, NULL,
				  "a line of more than %d characters", size - 3);
		return NULL;
	}
	memcpy(out, s->rest, length);
	memcpy(out + length, "\n", 2);
	if (out[0] == '[')
		see_section(s, out, length);
	s->rest += length + (s->rest[length] == '\n');
	return out;
}

static int on_setting(void *context, const char *section, const char *name,
		      const char *value)
{
	struct source *s = context;
	struct config_text *t = s->text;
	struct config_section *at = &t->sections[t->count - 1];
	const struct config_setting *earlier = config_text_find(at, name);
	struct config_setting *settings;

	(void)section;
	if (t->error[0])
		return 0;
	if (earlier)
		return config_text_error(t, s->line, name,
					 "given in line %u already: leave one of them",
					 earlier->line);
	settings = grown(at->settings, at->count, &at->room, sizeof(*settings));
	if (!settings)
		return config_text_error(t, s->line, NULL, "out of memory");
	at->settings = settings;
	settings[at->count++] = (struct config_setting){
		.name = keep(t, name, strlen(name)),
		.value = keep(t, value, strlen(value)),
		.line = s->line,
	};
	return 1;
}

bool config_text_parse(struct config_text *t, const char *file, const char *text,
		       char *error, size_t size)
{
	struct source source = { .text = t, .rest = text };
	int bad_line;

	*t = (struct config_text){ .file = file, .error = error, .error_size = size };
	error[0] = '\0';
	t->arena = sodium_malloc(strlen(text) + 4);
	if (!t->arena)
		return config_text_error(t, 0, NULL, "no locked memory for keys");
	if (!add_section(t, 0, "", 0))
		return false;
	bad_line = ini_parse_stream(next_line, &source, on_setting, &source);
	sodium_stackzero(STACK_WIPED);
	if (bad_line > 0)
		config_text_error(t, (unsigned)bad_line, NULL,
				  "neither [section] nor name = value");
	else if (bad_line < 0)
		config_text_error(t, source.line, NULL, "out of memory");
	return !error[0];
}

void config_text_free(struct config_text *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->sections[i].settings);
	free(t->sections);
	sodium_free(t->arena); /* wipes */
	*t = (struct config_text){ 0 };
}
