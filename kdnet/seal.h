/* Sealing and opening one datagram. Wire: KDNET.md §3 [capture]. */
#ifndef KDNET_SEAL_H
#define KDNET_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nettle/aes.h>
#include <nettle/sha2.h>

#include "kdnet/key.h"

enum kdnet_channel { KDNET_CHANNEL_DATA = 0, KDNET_CHANNEL_CONTROL = 1 };

enum {
	KDNET_HEADER_SIZE = 6, /* "MDBG", version, channel */
	KDNET_TAG_SIZE = 16,   /* the HMAC's first half, also the CBC IV */
	KDNET_BLOCK_SIZE = 16,
	KDNET_PREFIX_SIZE = 8, /* sequence number, direction and padding */
	KDNET_DATAGRAM_MIN = KDNET_HEADER_SIZE + KDNET_BLOCK_SIZE + KDNET_TAG_SIZE,
	/* An Ethernet frame without its IP and UDP headers; the largest seen has 1334. */
	KDNET_DATAGRAM_MAX = 1472,
	KDNET_PLAINTEXT_MAX = KDNET_DATAGRAM_MAX - KDNET_HEADER_SIZE - KDNET_TAG_SIZE,
	/* What a payload may hold when the sealed datagram is to fit that frame. */
	KDNET_PAYLOAD_MAX = KDNET_PLAINTEXT_MAX / KDNET_BLOCK_SIZE * KDNET_BLOCK_SIZE -
			    KDNET_PREFIX_SIZE,
};

/*
 * A key, expanded once: AES schedules of the control or the data key, and the
 * HMAC's inner and outer states, which on both channels come from the control
 * key. Secret: wipe it with kdnet_cipher_wipe.
 */
struct kdnet_cipher {
	struct aes256_ctx encrypt;
	struct aes256_ctx decrypt;
	struct sha256_ctx mac_inner;
	struct sha256_ctx mac_outer;
};

/* One datagram in the clear. */
struct kdnet_datagram {
	uint8_t version;
	enum kdnet_channel channel;
	bool to_target;		/* the direction bit */
	uint64_t sequence;	/* 56 bits */
	const uint8_t *payload; /* into the buffer that kdnet_open filled */
	size_t length;		/* of the payload, without padding */
};

/* Why a datagram was not opened; an index into counters. */
enum kdnet_open_result {
	KDNET_OPENED,
	KDNET_DROP_LENGTH,  /* too short, too long or not whole blocks */
	KDNET_DROP_MAGIC,   /* not "MDBG" */
	KDNET_DROP_CHANNEL, /* neither data nor control */
	KDNET_DROP_TAG,	    /* sealed with another key, or damaged */
	KDNET_DROP_PADDING, /* authentic, but the padding does not fit */
	KDNET_OPEN_RESULTS,
};

/*
 *   control  the control key, of which the HMAC key is made
 *   key      the AES key: the control key itself for channel 1, the data key
 *            for channel 0
 */
void kdnet_cipher_init(struct kdnet_cipher *cipher,
		       const uint8_t control[static KDNET_KEY_SIZE],
		       const uint8_t key[static KDNET_KEY_SIZE]);
void kdnet_cipher_wipe(struct kdnet_cipher *cipher);

/*
 * Channel and version of a datagram from its clear header, before any key is
 * tried. False (and why in *result) when it cannot be a KDNET datagram at all.
 */
bool kdnet_peek(const uint8_t *datagram, size_t length, enum kdnet_channel *channel,
		uint8_t *version, enum kdnet_open_result *result);

/*
 * Opens a datagram of `length` bytes into `plain`; d->payload points into it.
 * Nothing of d may be used unless the result is KDNET_OPENED. The direction bit
 * is reported, not judged.
 */
enum kdnet_open_result kdnet_open(struct kdnet_datagram *d,
				  uint8_t plain[static KDNET_PLAINTEXT_MAX],
				  const struct kdnet_cipher *cipher,
				  const uint8_t *datagram, size_t length);

/*
 * Seals d into `out` of `size` bytes; the padding is chosen as real hosts do, up
 * to the next whole block. Returns the length, or 0 when it does not fit.
 */
size_t kdnet_seal(uint8_t *out, size_t size, const struct kdnet_cipher *cipher,
		  const struct kdnet_datagram *d);

#endif
