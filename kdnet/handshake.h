/*
 * Poke, response and data key, and the book of what poked before: when is a poke a
 * reason to answer? Wire: KDNET.md §4.
 */
#ifndef KDNET_HANDSHAKE_H
#define KDNET_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/key.h"

enum {
	KDNET_NONCE_SIZE = 32,
	KDNET_IDENTITY_SIZE = 30, /* the nonce without its counter */
	KDNET_RESPONSE_SIZE = 322,
	KDNET_IDENTITIES = 8, /* remembered at a time */
};

struct kdnet_poke {
	uint8_t nonce[KDNET_NONCE_SIZE]; /* counter and identity, as sent */
	uint16_t counter;
	uint8_t identity[KDNET_IDENTITY_SIZE];
	bool has_bound;	     /* long enough to name the host of its data channel */
	uint16_t bound_port; /* 0: the target has no data channel */
};

bool kdnet_same_identity(const uint8_t a[static KDNET_IDENTITY_SIZE],
			 const uint8_t b[static KDNET_IDENTITY_SIZE]);

/* From a control payload; at least 34 bytes that begin 01 01. */
bool kdnet_poke_decode(struct kdnet_poke *poke, const uint8_t *payload, size_t length);

void kdnet_response_encode(uint8_t out[static KDNET_RESPONSE_SIZE],
			   const uint8_t client_nonce[static KDNET_NONCE_SIZE],
			   const uint8_t host_nonce[static KDNET_NONCE_SIZE]);
/* Is a control payload a response? For those who only watch. */
bool kdnet_is_response(const uint8_t *payload, size_t length);

/* The key of channel 0: SHA-256 of control key and response. Secret. */
void kdnet_data_key(uint8_t key[static KDNET_KEY_SIZE],
		    const uint8_t control[static KDNET_KEY_SIZE],
		    const uint8_t response[static KDNET_RESPONSE_SIZE]);

/* One boot of a target, as its pokes show it. */
struct kdnet_known {
	bool used;
	bool bound_first; /* its first poke named a bound host */
	bool proven;	  /* had a session that a datagram proved */
	bool answered;	  /* and that answer not proven since */
	uint16_t counter; /* the highest */
	uint8_t identity[KDNET_IDENTITY_SIZE];
	uint64_t seen_us;
	uint64_t answered_us;
};

/* All zeros is an empty book. */
struct kdnet_poke_book {
	struct kdnet_known known[KDNET_IDENTITIES];
};

enum kdnet_poke_verdict {
	KDNET_POKE_ANSWER,    /* (re)connect: answer at once */
	KDNET_POKE_HEARTBEAT, /* of the live session: it lives, and needs no answer */
	KDNET_POKE_TOO_SOON,  /* a second answer within a second */
	KDNET_POKE_REPEATED,  /* the newest poke once more: the network did that */
	KDNET_POKE_REPLAYED,  /* an older one: somebody did that */
};

/*
 * Judges an authentic poke, and notes its counter. `live` is the identity of the
 * proven session, NULL when there is none. *known is its page of the book, valid
 * until the next call.
 */
enum kdnet_poke_verdict kdnet_poke_judge(struct kdnet_poke_book *book,
					 const struct kdnet_poke *poke,
					 const uint8_t *live, uint64_t now_us,
					 struct kdnet_known **known);
/* The page of an identity, NULL when it was forgotten. */
struct kdnet_known *kdnet_poke_find(struct kdnet_poke_book *book,
				    const uint8_t identity[static KDNET_IDENTITY_SIZE]);

#endif
