#include "kdnet/endpoint.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

enum { LOST_AFTER_US = KDNET_LOST_AFTER_MS * 1000 };

static const uint64_t never = UINT64_MAX;

static void sodium_random(void *context, void *out, size_t size)
{
	(void)context;
	randombytes_buf(out, size);
}

struct kdnet *kdnet_new(const struct kdnet_config *config, uint64_t now_us)
{
	if (sodium_init() < 0)
		return NULL;
	struct kdnet *k = sodium_malloc(sizeof(*k));
	if (!k)
		return NULL;
	memset(k, 0, sizeof(*k));
	k->config = *config;
	if (!k->config.random)
		k->config.random = sodium_random;
	kdnet_cipher_init(&k->control, config->key, config->key);
	kd_link_init(&k->link, KD_HOST_FIRST_ID, k->counters);
	k->poke_target_at_us = now_us;
	return k;
}

void kdnet_free(struct kdnet *k)
{
	sodium_free(k); /* wipes */
}

static bool is_link_local(const struct kdnet_peer *peer)
{
	static const uint8_t prefix[14] = { [10] = 0xff, 0xff, 169, 254 };
	return memcmp(peer->address, prefix, sizeof(prefix)) == 0;
}

/* ---- the session's life ---- */

static void lose_session(struct kdnet *k, uint64_t now_us)
{
	struct kdnet_event *event = kdnet_queue_push_always(&k->queue, KDNET_LOST);
	event->peer = k->sessions.live.peer;
	kdnet_session_wipe(&k->sessions.live);
	kd_link_restart(&k->link, false);
	k->poke_target_at_us = now_us;
}

static void lose_if_silent(struct kdnet *k, uint64_t now_us)
{
	if (k->sessions.live.used && now_us - k->session_heard_us >= LOST_AFTER_US)
		lose_session(k, now_us);
}

static void remember_peer(struct kdnet *k)
{
	k->last_version = k->sessions.live.version;
	k->last_peer = k->sessions.live.peer;
}

/* A datagram opened under the candidate's key: that is the session now. */
static void promote(struct kdnet *k, struct kdnet_session *candidate,
		    const struct kdnet_peer *from)
{
	struct kdnet_session *live = &k->sessions.live;
	kdnet_session_promote(&k->sessions, candidate, from);
	bool same_target =
		k->has_last && kdnet_same_identity(k->last_identity, live->identity);
	struct kdnet_event *event = kdnet_queue_push_always(&k->queue, KDNET_CONNECTED);
	event->reboot = k->has_last && !same_target;
	event->bound_elsewhere = live->bound_elsewhere;
	event->version = live->version;
	event->peer = live->peer;

	k->has_last = true;
	memcpy(k->last_identity, live->identity, KDNET_IDENTITY_SIZE);
	remember_peer(k);
	struct kdnet_known *known = kdnet_poke_find(&k->pokes, live->identity);
	if (known) {
		known->proven = true;
		known->answered = false;
	}
	kd_link_restart(&k->link, !same_target);
	kdnet_queue_rearm(&k->queue, KDNET_NOTICE_WRONG_KEY);
}

/* ---- control channel ---- */

static void answer_poke(struct kdnet *k, const struct kdnet_poke *poke,
			const struct kdnet_known *known, const struct kdnet_datagram *d,
			const struct kdnet_peer *from)
{
	uint8_t nonce[KDNET_NONCE_SIZE];
	k->config.random(k->config.random_context, nonce, sizeof(nonce));
	struct kdnet_session *candidate =
		kdnet_session_new(&k->sessions, k->config.key, poke, nonce);
	candidate->bound_elsewhere = known->bound_first && !known->proven;
	candidate->version = d->version;
	candidate->peer = *from;
	candidate->poke_sequence = d->sequence;
	candidate->respond = true;
}

static void on_heartbeat(struct kdnet *k, const struct kdnet_datagram *d,
			 const struct kdnet_peer *from, uint64_t now_us)
{
	k->session_heard_us = now_us;
	k->sessions.live.version = d->version;
	k->sessions.live.peer = *from; /* NAT may have moved its port */
	remember_peer(k);
}

static void on_poke(struct kdnet *k, const struct kdnet_poke *poke,
		    const struct kdnet_datagram *d, const struct kdnet_peer *from,
		    uint64_t now_us)
{
	/* a clone has the same key, and even the same identity when it is a snapshot */
	if (k->sessions.live.used && !kdnet_same_host(from, &k->sessions.live.peer)) {
		k->counters[KDNET_COUNT_DROPPED_STRANGER]++;
		kdnet_queue_notice(&k->queue, KDNET_NOTICE_STRANGER, from, d->version);
		return;
	}
	struct kdnet_known *known;
	const uint8_t *live = k->sessions.live.used ? k->sessions.live.identity : NULL;
	enum kdnet_poke_verdict verdict =
		kdnet_poke_judge(&k->pokes, poke, live, now_us, &known);
	if (verdict == KDNET_POKE_REPLAYED || verdict == KDNET_POKE_REPEATED) {
		k->counters[KDNET_COUNT_DROPPED_REPLAY]++;
		if (verdict == KDNET_POKE_REPLAYED)
			kdnet_queue_notice(&k->queue, KDNET_NOTICE_REPLAY, from,
					   d->version);
		return;
	}

	k->authentic_heard_us = now_us;
	k->counters[KDNET_COUNT_POKES]++;
	if (is_link_local(from))
		kdnet_queue_notice(&k->queue, KDNET_NOTICE_LINK_LOCAL, from, d->version);
	if (d->version > KDNET_NEWEST_VERSION)
		kdnet_queue_notice(&k->queue, KDNET_NOTICE_NEW_VERSION, from, d->version);
	if (live && kdnet_same_identity(live, poke->identity))
		on_heartbeat(k, d, from, now_us);
	if (verdict == KDNET_POKE_ANSWER)
		answer_poke(k, poke, known, d, from);
}

static void drop(struct kdnet *k, enum kdnet_open_result why)
{
	k->counters[why == KDNET_DROP_TAG ? KDNET_COUNT_DROPPED_TAG
					  : KDNET_COUNT_DROPPED_FORM]++;
}

static void receive_control(struct kdnet *k, const struct kdnet_peer *from,
			    const uint8_t *datagram, size_t length, uint64_t now_us)
{
	struct kdnet_datagram d;
	enum kdnet_open_result result =
		kdnet_open(&d, k->plain, &k->control, datagram, length);
	if (result != KDNET_OPENED) {
		drop(k, result);
		/* beside a live session it is damage, or another machine's business */
		if (result == KDNET_DROP_TAG && !k->sessions.live.used)
			kdnet_queue_notice(&k->queue, KDNET_NOTICE_WRONG_KEY, from, 0);
		return;
	}
	if (d.to_target) { /* our own, reflected */
		drop(k, KDNET_DROP_PADDING);
		return;
	}
	k->counters[KDNET_COUNT_RECEIVED]++;
	struct kdnet_poke poke;
	if (kdnet_poke_decode(&poke, d.payload, d.length))
		on_poke(k, &poke, &d, from, now_us);
}

/* ---- data channel ---- */

/*
 * Data that no key opens: a target that still talks to the host before us, perhaps.
 * A host poke makes it offer a poke at once; only where we know who is there, as the
 * datagram proves nothing, and never beside a live session: a target that lost its
 * data key says so in its pokes (KDNET.md §4).
 */
static void on_unopened_data(struct kdnet *k, const struct kdnet_peer *from,
			     uint64_t now_us)
{
	bool known = (k->has_last && kdnet_same_host(from, &k->last_peer)) ||
		     (k->config.has_target && kdnet_same_host(from, &k->config.target));
	if (k->sessions.live.used || !known || now_us < k->poke_unopened_at_us)
		return;
	k->poke_unopened_at_us = now_us + KDNET_HOST_POKE_INTERVAL_US;
	k->poke_due = true;
	k->poke_peer = *from;
}

static void receive_payload(struct kdnet *k, const struct kdnet_datagram *d,
			    uint64_t now_us)
{
	size_t room = kdnet_queue_room(&k->queue);
	room = room > KDNET_QUEUE_RESERVE ? room - KDNET_QUEUE_RESERVE : 0;
	struct kd_packet packet;
	enum kd_link_event event = kd_link_receive(&k->link, &packet, d->payload,
						   d->length, d->sequence, room, now_us);
	bool told = true;
	if (event == KD_LINK_PACKET)
		told = kdnet_queue_push_packet(&k->queue,
					       (enum kd_packet_type)packet.type,
					       packet.data, packet.length);
	else if (event == KD_LINK_DELIVERED)
		told = kdnet_queue_push(&k->queue, KDNET_DELIVERED);
	else if (event == KD_LINK_RESET)
		told = kdnet_queue_push(&k->queue, KDNET_RESET_BY_TARGET);
	assert(told); /* the link was told how much room there is */
}

static void receive_data(struct kdnet *k, const struct kdnet_peer *from,
			 const uint8_t *datagram, size_t length, uint64_t now_us)
{
	struct kdnet_datagram d;
	enum kdnet_open_result result;
	struct kdnet_session *session =
		kdnet_session_open(&k->sessions, &d, k->plain, datagram, length, &result);
	if (!session)
		on_unopened_data(k, from, now_us);
	if (result != KDNET_OPENED || d.to_target) {
		drop(k, result);
		return;
	}
	enum kdnet_order order = kdnet_window_accept(&session->window, d.sequence);
	if (order == KDNET_REPLAYED) {
		k->counters[KDNET_COUNT_DROPPED_REPLAY]++;
		return;
	}
	k->counters[KDNET_COUNT_RECEIVED]++;
	k->session_heard_us = now_us;
	k->authentic_heard_us = now_us;
	if (session != &k->sessions.live)
		promote(k, session, from);
	if (order == KDNET_NEWEST) {
		k->sessions.live.version = d.version;
		k->sessions.live.peer = *from;
		remember_peer(k);
	}
	receive_payload(k, &d, now_us);
}

void kdnet_receive(struct kdnet *k, const struct kdnet_peer *from,
		   const uint8_t *datagram, size_t length, uint64_t now_us)
{
	lose_if_silent(k, now_us);
	enum kdnet_channel channel;
	enum kdnet_open_result result;
	uint8_t version;
	if (!kdnet_peek(datagram, length, &channel, &version, &result)) {
		drop(k, result);
		kdnet_queue_notice(&k->queue, KDNET_NOTICE_NOT_KDNET, from, 0);
	} else if (channel == KDNET_CHANNEL_CONTROL) {
		receive_control(k, from, datagram, length, now_us);
	} else {
		receive_data(k, from, datagram, length, now_us);
	}
}

bool kdnet_event(struct kdnet *k, struct kdnet_event *event)
{
	if (kdnet_queue_pop(&k->queue, event))
		return true;
	*event = (struct kdnet_event){ .type = KDNET_NOTHING };
	return false;
}

/* ---- what goes out ---- */

static size_t emit(struct kdnet *k, const struct kdnet_cipher *cipher, uint8_t *out,
		   size_t size, const struct kdnet_datagram *d)
{
	k->counters[KDNET_COUNT_SENT]++;
	size_t length = kdnet_seal(out, size, cipher, d);
	assert(length > 0);
	return length;
}

static size_t emit_response(struct kdnet *k, struct kdnet_session *candidate,
			    struct kdnet_peer *to, uint8_t *out, size_t size)
{
	uint8_t response[KDNET_RESPONSE_SIZE];
	kdnet_session_response(candidate, response);
	candidate->respond = false;
	k->counters[KDNET_COUNT_RESPONSES]++;
	*to = candidate->peer;
	return emit(k, &k->control, out, size,
		    &(struct kdnet_datagram){
			    .version = candidate->version,
			    .channel = KDNET_CHANNEL_CONTROL,
			    .to_target = true,
			    .sequence = candidate->poke_sequence,
			    .payload = response,
			    .length = sizeof(response),
		    });
}

static size_t emit_host_poke(struct kdnet *k, struct kdnet_peer *to, uint8_t *out,
			     size_t size)
{
	k->poke_due = false;
	*to = k->poke_peer;
	return emit(
		k, &k->control, out, size,
		&(struct kdnet_datagram){
			.version = k->has_last ? k->last_version : KDNET_NEWEST_VERSION,
			.channel = KDNET_CHANNEL_CONTROL,
			.to_target = true,
			.sequence = ++k->sequence,
		});
}

static size_t emit_data(struct kdnet *k, struct kdnet_peer *to, uint8_t *out, size_t size,
			uint64_t now_us)
{
	const uint8_t *payload;
	size_t length = kd_link_transmit(&k->link, &payload, now_us);
	if (length == 0)
		return 0;
	*to = k->sessions.live.peer;
	return emit(k, &k->sessions.live.cipher, out, size,
		    &(struct kdnet_datagram){
			    .version = k->sessions.live.version,
			    .channel = KDNET_CHANNEL_DATA,
			    .to_target = true,
			    .sequence = ++k->sequence,
			    .payload = payload,
			    .length = length,
		    });
}

size_t kdnet_transmit(struct kdnet *k, struct kdnet_peer *to, uint8_t *out, size_t size,
		      uint64_t now_us)
{
	assert(size >= KDNET_DATAGRAM_MAX);
	for (size_t i = 0; i < KDNET_CANDIDATES; i++)
		if (k->sessions.candidates[i].respond)
			return emit_response(k, &k->sessions.candidates[i], to, out,
					     size);
	if (k->poke_due)
		return emit_host_poke(k, to, out, size);
	return k->sessions.live.used ? emit_data(k, to, out, size, now_us) : 0;
}

/* ---- time ---- */

static bool pokes_target(const struct kdnet *k)
{
	return k->config.has_target && !k->sessions.live.used;
}

uint64_t kdnet_deadline(const struct kdnet *k)
{
	if (pokes_target(k))
		return k->poke_target_at_us;
	if (!k->sessions.live.used)
		return never;
	uint64_t lost = k->session_heard_us + LOST_AFTER_US;
	uint64_t link = kd_link_deadline(&k->link);
	return lost < link ? lost : link;
}

void kdnet_expire(struct kdnet *k, uint64_t now_us)
{
	lose_if_silent(k, now_us);
	if (k->sessions.live.used)
		kd_link_expire(&k->link, now_us);
	if (pokes_target(k) && now_us >= k->poke_target_at_us) {
		k->poke_target_at_us = now_us + KDNET_HOST_POKE_INTERVAL_US;
		k->poke_due = true;
		k->poke_peer = k->config.target;
	}
}

/* ---- what the caller asks for ---- */

bool kdnet_send(struct kdnet *k, enum kd_packet_type type, const uint8_t *data,
		size_t length, uint64_t now_us)
{
	(void)now_us; /* the clock of a packet starts when it is transmitted */
	return k->sessions.live.used && kd_link_send(&k->link, type, data, length);
}

bool kdnet_send_pending(const struct kdnet *k)
{
	return kd_link_pending(&k->link);
}

void kdnet_confirm(struct kdnet *k)
{
	kd_link_confirm(&k->link);
}

void kdnet_break_in(struct kdnet *k)
{
	if (k->sessions.live.used)
		kd_link_break_in(&k->link);
}

void kdnet_reset(struct kdnet *k, uint64_t now_us)
{
	(void)now_us;
	if (k->sessions.live.used)
		kd_link_reset(&k->link);
}

void kdnet_poke_target(struct kdnet *k, uint64_t now_us)
{
	(void)now_us;
	if (!k->has_last && !k->config.has_target)
		return;
	k->poke_due = true;
	k->poke_peer = k->has_last ? k->last_peer : k->config.target;
}

bool kdnet_connected(const struct kdnet *k)
{
	return k->sessions.live.used;
}

const uint8_t *kdnet_identity(const struct kdnet *k)
{
	return k->has_last ? k->last_identity : NULL;
}

uint64_t kdnet_count(const struct kdnet *k, enum kdnet_counter counter)
{
	return k->counters[counter];
}

uint64_t kdnet_round_trip_us(const struct kdnet *k)
{
	return k->link.round_trip_us;
}

uint8_t kdnet_version(const struct kdnet *k)
{
	return k->has_last ? k->last_version : 0;
}

uint64_t kdnet_last_heard_us(const struct kdnet *k)
{
	return k->authentic_heard_us;
}
