/*
 * The data keys of one endpoint: the live session, and the answers to pokes that
 * nothing proved yet. A session begins as a candidate, when a poke was answered; the
 * first datagram that opens under its key makes it the live one:
 *
 *     poke ──answer──▶ candidate ──proof──▶ live ──silence, a newer proof──▶ wiped
 *
 * Until then the older live session keeps its key and its peer (KDNET.md §4).
 */
#ifndef KDNET_SESSION_H
#define KDNET_SESSION_H

#include "kdnet/handshake.h"
#include "kdnet/kdnet.h"
#include "kdnet/window.h"

enum { KDNET_CANDIDATES = 4 };

struct kdnet_session {
	bool used;
	bool bound_elsewhere; /* its first poke named a host, and that was not us */
	uint8_t version;
	uint64_t age; /* the number of its answer */
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

/* All zeros holds no session. */
struct kdnet_sessions {
	struct kdnet_session live; /* proven, when used */
	struct kdnet_session candidates[KDNET_CANDIDATES];
	uint64_t answers;
};

bool kdnet_same_host(const struct kdnet_peer *a, const struct kdnet_peer *b);
void kdnet_session_wipe(struct kdnet_session *session);

/*
 * A candidate for that poke, in place of the oldest one if all are taken. The caller
 * fills in version, peer, poke_sequence and bound_elsewhere, and asks for its response.
 */
struct kdnet_session *
kdnet_session_new(struct kdnet_sessions *s, const uint8_t control[static KDNET_KEY_SIZE],
		  const struct kdnet_poke *poke,
		  const uint8_t host_nonce[static KDNET_NONCE_SIZE]);

/* The control payload that answers the poke. */
void kdnet_session_response(const struct kdnet_session *session,
			    uint8_t out[static KDNET_RESPONSE_SIZE]);

/*
 * Tries the live key, then the candidates'. Returns the session whose key opened the
 * datagram, though *result may say that its padding is wrong; NULL: none did.
 */
struct kdnet_session *kdnet_session_open(struct kdnet_sessions *s,
					 struct kdnet_datagram *d,
					 uint8_t plain[static KDNET_PLAINTEXT_MAX],
					 const uint8_t *datagram, size_t length,
					 enum kdnet_open_result *result);

/* Makes a candidate the live session, heard from there. */
void kdnet_session_promote(struct kdnet_sessions *s, struct kdnet_session *candidate,
			   const struct kdnet_peer *from);

#endif
