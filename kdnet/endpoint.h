/* The inside of struct kdnet: for endpoint.c and its tests, nobody else. */
#ifndef KDNET_ENDPOINT_H
#define KDNET_ENDPOINT_H

#include "kdnet/event_queue.h"
#include "kdnet/handshake.h"
#include "kdnet/kd_link.h"
#include "kdnet/kdnet.h"
#include "kdnet/window.h"

enum {
	/* Responses given that nothing proved yet; the newest ones. */
	KDNET_CANDIDATES = 4,
	KDNET_HOST_POKE_INTERVAL_US = 500000,
};

/*
 * A data key and all that hangs on it. It begins as a candidate, when a poke was
 * answered; the first datagram that opens under it makes it the live session:
 *
 *     poke ──answer──▶ candidate ──proof──▶ live ──silence, a newer proof──▶ wiped
 *
 * Until then the older live session keeps its key and its peer (KDNET.md §4).
 */
struct kdnet_session {
	bool used;
	bool reboot;	      /* another identity than the session before */
	bool bound_elsewhere; /* its first poke named a host, and that was not us */
	uint8_t version;
	uint64_t age; /* when it was answered, in answers */
	uint8_t identity[KDNET_IDENTITY_SIZE];
	struct kdnet_peer peer;
	struct kdnet_cipher cipher;
	struct kdnet_window window;
	/* the response, while it waits to be transmitted */
	bool respond;
	uint64_t poke_sequence;
	uint8_t client_nonce[KDNET_NONCE_SIZE];
	uint8_t host_nonce[KDNET_NONCE_SIZE];
};

struct kdnet {
	struct kdnet_config config;
	struct kdnet_cipher control;
	struct kdnet_session live; /* proven, when used */
	struct kdnet_session candidates[KDNET_CANDIDATES];
	uint64_t answers;
	struct kdnet_poke_book pokes;

	uint64_t sequence;	     /* of the last datagram sent; never goes back */
	uint64_t session_heard_us;   /* the live session's last sign of life */
	uint64_t authentic_heard_us; /* anything authentic at all */

	/* of the last proven session, also after it was lost */
	bool has_last;
	uint8_t last_identity[KDNET_IDENTITY_SIZE];
	uint8_t last_version;
	struct kdnet_peer last_peer;

	bool poke_due; /* a host poke waits to be transmitted */
	struct kdnet_peer poke_peer;
	uint64_t poke_target_at_us;   /* the next one to target= */
	uint64_t poke_unopened_at_us; /* none for unopened data before that */

	uint64_t counters[KDNET_COUNTERS];
	struct kdnet_queue queue;
	struct kd_link link;
	uint8_t plain[KDNET_PLAINTEXT_MAX];
};

#endif
