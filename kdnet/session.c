#include "kdnet/session.h"

#include <string.h>

#include <sodium.h>

bool kdnet_same_host(const struct kdnet_peer *a, const struct kdnet_peer *b)
{
	return memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

void kdnet_session_wipe(struct kdnet_session *session)
{
	sodium_memzero(session, sizeof(*session));
}

static struct kdnet_session *free_slot(struct kdnet_sessions *s)
{
	struct kdnet_session *oldest = &s->candidates[0];
	for (size_t i = 0; i < KDNET_CANDIDATES; i++) {
		struct kdnet_session *candidate = &s->candidates[i];
		if (!candidate->used)
			return candidate;
		if (candidate->age < oldest->age)
			oldest = candidate;
	}
	kdnet_session_wipe(oldest);
	return oldest;
}

void kdnet_session_response(const struct kdnet_session *session,
			    uint8_t out[static KDNET_RESPONSE_SIZE])
{
	kdnet_response_encode(out, session->client_nonce, session->host_nonce);
}

static void set_key(struct kdnet_session *session,
		    const uint8_t control[static KDNET_KEY_SIZE])
{
	uint8_t response[KDNET_RESPONSE_SIZE];
	uint8_t key[KDNET_KEY_SIZE];
	kdnet_session_response(session, response);
	kdnet_data_key(key, control, response);
	kdnet_cipher_init(&session->cipher, control, key);
	sodium_memzero(key, sizeof(key));
}

struct kdnet_session *kdnet_session_new(struct kdnet_sessions *s,
					const uint8_t control[static KDNET_KEY_SIZE],
					const struct kdnet_poke *poke,
					const uint8_t host_nonce[static KDNET_NONCE_SIZE])
{
	struct kdnet_session *session = free_slot(s);
	session->used = true;
	session->age = ++s->answers;
	memcpy(session->identity, poke->identity, KDNET_IDENTITY_SIZE);
	memcpy(session->client_nonce, poke->nonce, KDNET_NONCE_SIZE);
	memcpy(session->host_nonce, host_nonce, KDNET_NONCE_SIZE);
	set_key(session, control);
	return session;
}

struct kdnet_session *kdnet_session_open(struct kdnet_sessions *s,
					 struct kdnet_datagram *d,
					 uint8_t plain[static KDNET_PLAINTEXT_MAX],
					 const uint8_t *datagram, size_t length,
					 enum kdnet_open_result *result)
{
	*result = KDNET_DROP_TAG;
	for (size_t i = 0; i <= KDNET_CANDIDATES; i++) {
		struct kdnet_session *session = i == 0 ? &s->live : &s->candidates[i - 1];
		if (!session->used)
			continue;
		*result = kdnet_open(d, plain, &session->cipher, datagram, length);
		if (*result != KDNET_DROP_TAG)
			return session;
	}
	return NULL;
}

/*
 * Older answers are void now, and so are those to another machine with the same key:
 * it lost the race. A newer one to the same machine may still become its key.
 */
static void drop_beaten_candidates(struct kdnet_sessions *s)
{
	for (size_t i = 0; i < KDNET_CANDIDATES; i++) {
		struct kdnet_session *candidate = &s->candidates[i];
		if (candidate->used &&
		    (candidate->age < s->live.age ||
		     !kdnet_same_host(&candidate->peer, &s->live.peer)))
			kdnet_session_wipe(candidate);
	}
}

void kdnet_session_promote(struct kdnet_sessions *s, struct kdnet_session *candidate,
			   const struct kdnet_peer *from)
{
	s->live = *candidate;
	kdnet_session_wipe(candidate);
	s->live.respond = false;
	s->live.peer = *from;
	drop_beaten_candidates(s);
}
