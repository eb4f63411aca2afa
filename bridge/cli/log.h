/*
 * The log: one event, one line on stderr, as text for people or JSON for machines.
 *
 * An event has a level, a stable name, a sentence, and named fields; "{port}" in the
 * sentence stands for the field's value. Text shows the sentence alone, JSON all of it.
 * Levels: error, we stop; warn, somebody should act; info, the life of a session; debug,
 * what went over the wire. Keys never go in here.
 */
#ifndef BRIDGE_CLI_LOG_H
#define BRIDGE_CLI_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_AS_TEXT, LOG_AS_JSON };

enum {
	LOG_LINE_MAX = 4096,
	LOG_VALUE_MAX = 600,  /* bytes of one field's text as written; the rest is cut */
	LOG_REPEATS_MAX = 32, /* different warnings whose repetitions are counted */
	LOG_EVENT_NAME_MAX = 40,
	LOG_FIELDS_MAX = 8, /* of one event */
};

struct log_field {
	const char *name; /* NULL ends a list */
	enum { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_HEX } kind;
	const char *text; /* any bytes: control characters come out escaped */
	uint64_t number;
};

#define LOG_TEXT(name, text)                                                             \
	{                                                                                \
		(name), LOG_FIELD_TEXT, (text), 0                                        \
	}
#define LOG_NUMBER(name, number)                                                         \
	{                                                                                \
		(name), LOG_FIELD_NUMBER, NULL, (uint64_t)(number)                       \
	}
#define LOG_HEX(name, number)                                                            \
	{                                                                                \
		(name), LOG_FIELD_HEX, NULL, (uint64_t)(number)                          \
	}
#define LOG_END                                                                          \
	{                                                                                \
		NULL, LOG_FIELD_TEXT, NULL, 0                                            \
	}

struct log {
	int fd;
	const char *target; /* of many: its name, part of each line; NULL: there is one */
	/* The line goes to the journal, which has a time and takes the level. */
	bool journal;
	enum log_level level; /* the most talkative that is still written */
	enum log_format format;
	struct {
		char event[LOG_EVENT_NAME_MAX];
		uint64_t count;
	} repeats[LOG_REPEATS_MAX];
};

/* Looks at JOURNAL_STREAM, which names the journal's end of our output. */
void log_init(struct log *log, int fd, enum log_level level, enum log_format format);

/*
 * Writes one line. A warning that comes again is written at its 10th, 100th … time
 * only, with the count: trouble is said once, then counted.
 */
void log_write(struct log *log, enum log_level level, const char *event,
	       const char *sentence, const struct log_field *fields);

#define log_event(log, level, event, sentence, ...)                                      \
	log_write((log), (level), (event), (sentence),                                   \
		  (const struct log_field[LOG_FIELDS_MAX + 1]){ __VA_ARGS__ })

/* The line that log_write makes, without its end; for tests. Returns its length. */
size_t log_format_line(char out[static LOG_LINE_MAX], const struct log *log,
		       enum log_level level, const char *event, const char *sentence,
		       const struct log_field *fields, uint64_t times);

#endif
