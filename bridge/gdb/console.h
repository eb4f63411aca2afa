/*
 * What the user shall read: debug output of the target and sentences of ours, kept
 * until the client can take it (while it waits for a stop, or in a monitor command:
 * RSP.md §5) and, while no client is there, for the next one. Bounded: the oldest text
 * goes first, and what went is said.
 */
#ifndef BRIDGE_GDB_CONSOLE_H
#define BRIDGE_GDB_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "rsp/rsp.h"

enum { CONSOLE_SIZE = 65536, CONSOLE_LINE_MAX = 512 };

struct console {
	char text[CONSOLE_SIZE]; /* a ring */
	size_t start, length;
	uint64_t dropped; /* bytes, since the client was told last */
};

/* Any bytes. */
void console_put(struct console *c, const char *text, size_t length);
/* A sentence of ours. */
void console_say(struct console *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Gives the client all that is kept, joined into as few packets as possible. What it
 * cannot take now stays. `r` may be NULL.
 */
void console_flush(struct console *c, struct rsp *r);

/*
 * The last lines of what is kept, oldest first, one call each; longer ones than
 * CONSOLE_LINE_MAX come in pieces. Returns how many calls it were.
 */
size_t console_lines(const struct console *c, size_t lines,
		     void (*line)(void *context, const char *text, size_t length),
		     void *context);

/*
 * A copy that steers no terminal: tabs, printable ASCII and UTF-8 beyond the control
 * characters stay, all else is '?', carriage returns are left out. Cut to its room, and
 * ended.
 */
void console_harmless(char *out, size_t size, const char *text, size_t length);

#endif
