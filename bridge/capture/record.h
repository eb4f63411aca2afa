/*
 * Records a session: every datagram as it is on the wire, in files that dissect and
 * Wireshark read. Data stays sealed: without the target's key such a file says who spoke
 * when, and no more.
 *
 * Files are rotated: "x.pcapng" is the newest, "x.1.pcapng" the one before, and so on; the
 * oldest goes. What "x.pcapng" held at the start is rotated as well. Each file begins with
 * the handshake of the session that goes on in it, so that the key opens it by itself.
 *
 * A file that cannot be written ends the recording, nothing else; what was written before
 * is whole.
 */
#ifndef BRIDGE_CAPTURE_RECORD_H
#define BRIDGE_CAPTURE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/capture/datagram.h"
#include "kdnet/key.h"

struct record;

enum {
	RECORD_FILES_MAX = 1000,
	/* A file holds at least its beginning and some datagrams. */
	RECORD_SIZE_MIN = 1 << 16,
	RECORD_PATH_MAX = 4096,
};

/* Why no recording begins. */
enum record_result {
	RECORD_BEGUN,
	RECORD_FAILED,	  /* errno says why */
	RECORD_NOT_OURS,  /* what is there is no recording: it is left alone */
	RECORD_IN_USE,	  /* somebody else records into that file */
	RECORD_LONG_NAME, /* longer than RECORD_PATH_MAX */
};

struct record_options {
	const char *path;
	uint64_t size;	/* of a file at most, in bytes */
	unsigned files; /* at most, from 1 on */
	/* Goes into the files, in the clear; NULL: it does not. Copied into locked memory. */
	const uint8_t *key;
	uint16_t port; /* the UDP port, to be told */
	/* The recording has ended, as `path` cannot be written: `error` is an errno. */
	void (*ended)(void *context, const char *path, int error);
	void *context;
};

/* Creates the first file, with mode 600. All of the options is copied. */
enum record_result record_new(struct record **out, const struct record_options *options);

/*
 * Writes one datagram; nothing when the recording has ended.
 *   time_ns  since 1970
 */
void record_datagram(struct record *r, uint64_t time_ns, const struct datagram *d,
		     bool to_target);

/* NULL is fine. */
void record_free(struct record *r);

/*
 * The key that a recording holds, from the comment of its section. False: it holds none.
 */
bool record_key(uint8_t key[static KDNET_KEY_SIZE], const uint8_t *comment,
		size_t length);

#endif
