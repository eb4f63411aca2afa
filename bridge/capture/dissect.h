/*
 * kdbridge dissect: a recorded KDNET session in the clear. Data keys come from the
 * responses in the recording (KDNET.md §4); one recording may hold many sessions.
 */
#ifndef BRIDGE_CAPTURE_DISSECT_H
#define BRIDGE_CAPTURE_DISSECT_H

#include <stdint.h>
#include <stdio.h>

#include "kdnet/key.h"

enum dissect_format {
	DISSECT_TEXT, /* a line a datagram for people, and the sums at the end */
	/*
	 * Columns for programs: frame, seconds since the first packet, direction (T>H
	 * or H>T), channel (0 data, 1 control), sequence number, payload in hex. Where
	 * no key opens one: "?", channel, "sealed", and the datagram as sent.
	 */
	DISSECT_HEX,
	DISSECT_SUMMARY, /* the sums, and those of summary.h */
};

/*
 * Writes the transcript of the capture at `path` to `out`, and what went wrong, one
 * sentence a line, to `err`. Without a key (NULL) that of the recording is taken
 * (record.h), and without that only what is not sealed is told. Returns the exit code:
 * 0, or 1 when the file cannot be read or holds no datagram that the key opens.
 */
int dissect_run(const char *path, const uint8_t *key, enum dissect_format format,
		FILE *out, FILE *err);

#endif
