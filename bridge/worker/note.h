/*
 * A note on disk for each target: did the last run of this boot leave it clean? Without
 * it a kill -9 would leave breakpoints in a kernel that nobody debugs any more.
 */
#ifndef BRIDGE_WORKER_NOTE_H
#define BRIDGE_WORKER_NOTE_H

#include <stdbool.h>
#include <stdint.h>

enum { NOTE_IDENTITY_SIZE = 30, NOTE_PATH_MAX = 4096 };

struct note {
	char path[NOTE_PATH_MAX]; /* "" when there is no place for it */
};

enum note_past {
	NOTE_UNKNOWN, /* no note of this boot */
	NOTE_CLEAN,
	NOTE_OPEN, /* a client was there, and nobody cleaned up after it */
};

/* The note is <runtime directory>/target-<port>.state; the directory is made. Returns
 * 0 or -errno: then nothing is ever noted. */
int note_init(struct note *n, uint16_t port);

enum note_past note_read(const struct note *n,
			 const uint8_t identity[static NOTE_IDENTITY_SIZE]);
/* Replaces the note; written aside and renamed. Returns 0 or -errno. */
int note_write(const struct note *n, const uint8_t identity[static NOTE_IDENTITY_SIZE],
	       bool clean);

#endif
