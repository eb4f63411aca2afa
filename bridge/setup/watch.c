#include "bridge/setup/watch.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "kdnet/handshake.h"
#include "kdnet/seal.h"
#include "kdnet/wire.h"

enum {
	ANSWER_INTERVAL_US = 1000000,
	HOST_POKE_INTERVAL_US = 500000,
	PROOF_TIMEOUT_US = 1000000,
	/* The poke's layout, KDNET.md §4 */
	CONFIGURED_OFFSET = 52,
	BOUND_OFFSET = 70,
};

struct watch {
	struct watch_config config;
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control;
	struct watch_facts facts;
	uint8_t plain[KDNET_PLAINTEXT_MAX];

	/* the poke that came last, of which the next counter is expected */
	bool has_poke;
	struct kdnet_poke poke;

	/* the answer: due, then given, then proven by a datagram under its key */
	bool answer_due, answered;
	struct kdnet_peer answer_to;
	uint8_t answer_version;
	uint64_t answer_sequence, answered_us;
	struct kdnet_cipher data;

	uint64_t host_poke_at_us, host_pokes;
};

struct watch *watch_new(const struct watch_config *config)
{
	struct watch *w = sodium_malloc(sizeof(*w));

	if (!w)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->config = *config;
	if (config->key) {
		memcpy(w->key, config->key, sizeof(w->key));
		kdnet_cipher_init(&w->control, w->key, w->key);
	}
	w->config.key = config->key ? w->key : NULL;
	return w;
}

void watch_free(struct watch *w)
{
	sodium_free(w); /* wipes */
}

const struct watch_facts *watch_facts(const struct watch *w)
{
	return &w->facts;
}

static void count(struct watch_count *c, const struct kdnet_peer *from)
{
	if (c->count++ == 0)
		c->from = *from;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	return sodium_is_zero(bytes, size) != 0;
}

static bool is_link_local(const uint8_t address[static 16])
{
	static const uint8_t prefix[14] = { [10] = 0xff, 0xff, 169, 254 };

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

/* ---- pokes ---- */

static void note_source(struct watch *w, const struct kdnet_peer *from)
{
	struct watch_facts *f = &w->facts;
	unsigned i = 0;

	while (i < f->source_count && i < WATCH_SOURCES_MAX &&
	       memcmp(f->sources[i].address, from->address, 16) != 0)
		i++;
	if (i == WATCH_SOURCES_MAX) {
		f->source_count = WATCH_SOURCES_MAX + 1;
		return;
	}
	if (i == f->source_count) {
		memcpy(f->sources[i].address, from->address, 16);
		f->sources[i].pokes = 0;
		f->source_count++;
	}
	f->sources[i].pokes++;
}

/* What is missing between two pokes of one boot; false: this one is no news. */
static bool note_counter(struct watch *w, const struct kdnet_poke *poke)
{
	bool same_boot =
		w->has_poke && kdnet_same_identity(w->poke.identity, poke->identity);
	uint16_t step = (uint16_t)(poke->counter - w->poke.counter);

	if (same_boot && (step == 0 || step > INT16_MAX))
		return false; /* doubled or late, by the network */
	if (same_boot)
		w->facts.pokes_lost += (uint64_t)step - 1;
	w->poke = *poke;
	w->has_poke = true;
	return true;
}

/*
 * Does it serve another host, whose session an answer would end? Versions 2 and 5 name
 * their configured host even before they have a session. A target that pokes us unasked
 * is configured for us, by whatever address a router between us translates.
 */
static bool serves_another(const struct watch *w, const struct kdnet_peer *from)
{
	const struct watch_facts *f = &w->facts;
	bool asked = w->host_pokes > 0;

	if (!f->has_hosts || is_zero(f->bound_host, sizeof(f->bound_host)))
		return false;
	if (memcmp(f->bound_host, from->local, sizeof(f->bound_host)) == 0)
		return false;
	return asked ||
	       memcmp(f->bound_host, f->configured_host, sizeof(f->bound_host)) != 0;
}

static void note_hosts(struct watch *w, const struct kdnet_datagram *d)
{
	struct watch_facts *f = &w->facts;
	struct reader r = rd_init(d->payload, d->length);

	rd_skip(&r, CONFIGURED_OFFSET);
	rd_copy(&r, f->configured_host, sizeof(f->configured_host));
	rd_skip(&r, BOUND_OFFSET - CONFIGURED_OFFSET - sizeof(f->configured_host));
	rd_copy(&r, f->bound_host, sizeof(f->bound_host));
	f->has_hosts = rd_ok(&r) && w->poke.has_bound;
}

static void on_poke(struct watch *w, const struct kdnet_poke *poke,
		    const struct kdnet_datagram *d, const struct kdnet_peer *from,
		    uint64_t now_us)
{
	struct watch_facts *f = &w->facts;

	note_source(w, from);
	if (is_link_local(from->address))
		count(&f->link_local, from);
	if (!note_counter(w, poke))
		return;
	count(&f->pokes, from);
	f->version = d->version;
	note_hosts(w, d);
	if (serves_another(w, from)) {
		f->bound_elsewhere = true;
		return;
	}
	if (f->answers > 0 && now_us - w->answered_us < ANSWER_INTERVAL_US)
		return;
	w->answer_due = true;
	w->answer_to = *from;
	w->answer_version = d->version;
	w->answer_sequence = d->sequence;
}

/* False: it is our own, reflected, as when target= is this machine. */
static bool receive_control(struct watch *w, const struct kdnet_peer *from,
			    const uint8_t *datagram, size_t length, uint64_t now_us)
{
	struct kdnet_datagram d;
	struct kdnet_poke poke;

	if (!w->config.key) {
		count(&w->facts.sealed, from);
		return true;
	}
	if (kdnet_open(&d, w->plain, &w->control, datagram, length) != KDNET_OPENED) {
		count(&w->facts.wrong_key, from);
		return true;
	}
	if (!d.to_target && kdnet_poke_decode(&poke, d.payload, d.length))
		on_poke(w, &poke, &d, from, now_us);
	return !d.to_target;
}

/* ---- the data channel ---- */

static void receive_data(struct watch *w, const struct kdnet_peer *from,
			 const uint8_t *datagram, size_t length, uint64_t now_us)
{
	struct watch_facts *f = &w->facts;
	struct kdnet_datagram d;
	uint64_t took_us = now_us - w->answered_us;

	if (f->answers == 0 ||
	    kdnet_open(&d, w->plain, &w->data, datagram, length) != KDNET_OPENED) {
		count(&f->unopened, from);
		return;
	}
	if (!w->answered || d.to_target)
		return;
	w->answered = false; /* one proof for each answer */
	f->proofs++;
	if (f->round_trip_us == 0 || took_us < f->round_trip_us)
		f->round_trip_us = took_us > 0 ? took_us : 1;
}

void watch_receive(struct watch *w, const struct kdnet_peer *from,
		   const uint8_t *datagram, size_t length, uint64_t now_us)
{
	enum kdnet_channel channel;
	enum kdnet_open_result why;
	uint8_t version;
	bool foreign = true;

	if (!kdnet_peek(datagram, length, &channel, &version, &why))
		count(&w->facts.not_kdnet, from);
	else if (channel == KDNET_CHANNEL_CONTROL)
		foreign = receive_control(w, from, datagram, length, now_us);
	else
		receive_data(w, from, datagram, length, now_us);
	if (foreign)
		count(&w->facts.datagrams, from);
}

/* ---- what goes out ---- */

static void fill_random(struct watch *w, void *out, size_t size)
{
	if (w->config.random)
		w->config.random(w->config.random_context, out, size);
	else
		randombytes_buf(out, size);
}

static size_t emit(const struct watch *w, uint8_t version, uint64_t sequence,
		   const uint8_t *payload, size_t length, uint8_t *out, size_t size)
{
	return kdnet_seal(out, size, &w->control,
			  &(struct kdnet_datagram){
				  .version = version,
				  .channel = KDNET_CHANNEL_CONTROL,
				  .to_target = true,
				  .sequence = sequence,
				  .payload = payload,
				  .length = length,
			  });
}

static size_t emit_answer(struct watch *w, struct kdnet_peer *to, uint8_t *out,
			  size_t size, uint64_t now_us)
{
	uint8_t nonce[KDNET_NONCE_SIZE], response[KDNET_RESPONSE_SIZE];
	uint8_t key[KDNET_KEY_SIZE];

	fill_random(w, nonce, sizeof(nonce));
	kdnet_response_encode(response, w->poke.nonce, nonce);
	kdnet_data_key(key, w->key, response);
	kdnet_cipher_init(&w->data, w->key, key);
	sodium_memzero(key, sizeof(key));
	w->answer_due = false;
	w->answered = true;
	w->answered_us = now_us;
	w->facts.answers++;
	*to = w->answer_to;
	return emit(w, w->answer_version, w->answer_sequence, response, sizeof(response),
		    out, size);
}

static bool pokes_target(const struct watch *w)
{
	return w->config.has_target && w->config.key && w->facts.pokes.count == 0;
}

uint64_t watch_deadline(const struct watch *w)
{
	return pokes_target(w) ? w->host_poke_at_us : UINT64_MAX;
}

uint64_t watch_awaits_until(const struct watch *w)
{
	return w->answered ? w->answered_us + PROOF_TIMEOUT_US : 0;
}

size_t watch_transmit(struct watch *w, struct kdnet_peer *to, uint8_t *out, size_t size,
		      uint64_t now_us)
{
	assert(size >= KDNET_DATAGRAM_MAX);
	if (w->answer_due)
		return emit_answer(w, to, out, size, now_us);
	if (!pokes_target(w) || now_us < w->host_poke_at_us)
		return 0;
	w->host_poke_at_us = now_us + HOST_POKE_INTERVAL_US;
	*to = w->config.target;
	return emit(w, KDNET_NEWEST_VERSION, ++w->host_pokes, NULL, 0, out, size);
}
