/* The sections of a configuration file as they stand there; private to config.c. */
#ifndef BRIDGE_CLI_CONFIG_TEXT_H
#define BRIDGE_CLI_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct config_setting {
	const char *name, *value;
	unsigned line;
	unsigned used; /* how many targets took it, for values that count up */
};

struct config_section {
	const char *name; /* "" for what stands before the first */
	unsigned line;
	struct config_setting *settings;
	size_t count, room;
};

struct config_text {
	const char *file;
	struct config_section *sections;
	size_t count, room;
	/* All of its text, in locked memory: keys are part of it. */
	char *arena;
	size_t arena_used;
	char *error; /* "": none so far */
	size_t error_size;
};

/* Splits a file with libinih; a name that comes twice in a section, or a section that
 * comes twice, is an error. Release with config_text_free in both cases. */
bool config_text_parse(struct config_text *t, const char *file, const char *text,
		       char *error, size_t size);
void config_text_free(struct config_text *t);

struct config_setting *config_text_find(const struct config_section *s, const char *name);

/* "FILE:LINE: KEY: …", the first one only; key may be NULL. Always false. */
bool config_text_error(struct config_text *t, unsigned line, const char *key,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
