#include "test/sim/target_net.h"

#include <assert.h>
#include <string.h>

#include <nettle/sha2.h>

#include "kdnet/wire.h"

/* The poke's layout, KDNET.md §4. */
enum {
	POKE_ZERO_TAIL = 88,
	HOST_NONCE_SIZE = 32,
	RESPONSE_ZEROS = 256,
	CONNECTION_CHECK_ZEROS = 8,
};

#define SECOND_US UINT64_C(1000000)

void target_net_init(struct target_net *n, const struct target_net_handlers *handlers,
		     struct stats *stats, const uint8_t key[static KDNET_KEY_SIZE],
		     uint8_t version)
{
	memset(n, 0, sizeof(*n));
	n->handlers = *handlers;
	n->stats = stats;
	n->version = version;
	memcpy(n->control_key, key, KDNET_KEY_SIZE);
	kdnet_cipher_init(&n->control, key, key);
}

void target_net_wipe(struct target_net *n)
{
	kdnet_cipher_wipe(&n->control);
	kdnet_cipher_wipe(&n->data);
	memset(n->control_key, 0, sizeof(n->control_key));
}

static void transmit(struct target_net *n, const struct net_address *to,
		     enum kdnet_channel channel, uint64_t sequence,
		     const uint8_t *payload, size_t length)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	const struct kdnet_datagram d = {
		.version = n->version,
		.channel = channel,
		.sequence = sequence,
		.payload = payload,
		.length = length,
	};
	const struct kdnet_cipher *cipher =
		channel == KDNET_CHANNEL_CONTROL ? &n->control : &n->data;
	size_t size = kdnet_seal(sealed, sizeof(sealed), cipher, &d);
	assert(size > 0);
	stats_count(n->stats, STATS_DATAGRAMS_OUT);
	n->handlers.transmit(n->handlers.context, to, sealed, size);
}

static void write_address(struct writer *w, const struct net_address *address)
{
	wr_bytes(w, address->ip, sizeof(address->ip));
	wr_be16(w, address->port);
}

/* Version 4 names the bound host only once there is one; 2 and 5 always name one. */
static void write_bound_host(struct writer *w, const struct target_net *n)
{
	static const struct net_address nobody;
	if (n->connected)
		write_address(w, &n->bound);
	else
		write_address(w, n->version == 4 ? &nobody : &n->host);
}

static void poke(struct target_net *n, const struct net_address *to, uint64_t now_us)
{
	uint8_t payload[TARGET_NET_POKE_SIZE];
	struct writer w = wr_init(payload, sizeof(payload));
	uint64_t sequence = (now_us - n->started_us) / SECOND_US;

	wr_8(&w, 1);
	wr_8(&w, 1);
	wr_le16(&w, n->counter);
	wr_bytes(&w, n->identity, sizeof(n->identity));
	write_address(&w, &n->target);
	write_address(&w, &n->host);
	write_bound_host(&w, n);
	assert(w.length == POKE_ZERO_TAIL);
	wr_zeros_to(&w, sizeof(payload));
	assert(wr_ok(&w));

	n->pokes[n->poke_count++ % TARGET_NET_POKES_REMEMBERED] =
		(struct target_net_poke){ n->counter, sequence };
	n->counter++;
	stats_count(n->stats, STATS_POKES);
	transmit(n, to, KDNET_CHANNEL_CONTROL, sequence, payload, sizeof(payload));
}

void target_net_start(struct target_net *n,
		      const uint8_t identity[static TARGET_NET_IDENTITY_SIZE],
		      const struct net_address *target, const struct net_address *host,
		      uint64_t now_us)
{
	memcpy(n->identity, identity, sizeof(n->identity));
	n->target = *target;
	n->host = *host;
	n->connected = false;
	n->counter = identity[0];
	n->poke_count = 0;
	n->started_us = now_us;
	n->next_poke_us = now_us;
	n->own_sequence = n->version == 2 ? 2 : 1;
	n->highest = 0;
	n->seen_count = 0;
}

uint64_t target_net_deadline(const struct target_net *n)
{
	return n->next_poke_us;
}

void target_net_expire(struct target_net *n, uint64_t now_us)
{
	if (now_us < n->next_poke_us)
		return;
	n->next_poke_us = now_us + TARGET_NET_POKE_INTERVAL_US;
	poke(n, n->connected ? &n->bound : &n->host, now_us);
}

bool target_net_send(struct target_net *n, const uint8_t *payload, size_t length)
{
	if (!n->connected)
		return false;
	transmit(n, &n->bound, KDNET_CHANNEL_DATA, n->own_sequence++, payload, length);
	return true;
}

static const struct target_net_poke *find_poke(const struct target_net *n,
					       uint16_t counter)
{
	for (unsigned i = 0; i < n->poke_count && i < TARGET_NET_POKES_REMEMBERED; i++) {
		if (n->pokes[i].counter == counter)
			return &n->pokes[i];
	}
	return NULL;
}

/* Leader 0, type 0 to a host that reads it as a KD packet. */
static void check_connection(struct target_net *n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t payload[CONNECTION_CHECK_ZEROS + 4];
	struct writer w = wr_init(payload, sizeof(payload));
	bool ipv4 = memcmp(n->bound.ip, mapped, sizeof(mapped)) == 0;

	wr_zeros(&w, CONNECTION_CHECK_ZEROS);
	for (unsigned i = 0; i < 4; i++)
		wr_8(&w, ipv4 ? n->bound.ip[15 - i] : 0);
	(void)target_net_send(n, payload, sizeof(payload));
}

static void derive_data_key(struct target_net *n, const uint8_t *response)
{
	struct sha256_ctx hash;
	uint8_t key[KDNET_KEY_SIZE];
	sha256_init(&hash);
	sha256_update(&hash, KDNET_KEY_SIZE, n->control_key);
	sha256_update(&hash, TARGET_NET_RESPONSE_SIZE, response);
	sha256_digest(&hash, sizeof(key), key);
	kdnet_cipher_init(&n->data, n->control_key, key);
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; bytes && i < length; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

/* Does it answer one of the last pokes of this boot? */
static bool response_fits(struct target_net *n, const struct kdnet_datagram *d)
{
	struct reader r = rd_init(d->payload, d->length);
	uint16_t head = rd_le16(&r);
	uint16_t counter = rd_le16(&r);
	const uint8_t *identity = rd_bytes(&r, TARGET_NET_IDENTITY_SIZE);
	rd_skip(&r, HOST_NONCE_SIZE);
	const uint8_t *zeros = rd_bytes(&r, RESPONSE_ZEROS);

	if (!rd_done(&r) || head != 0x0201 || !all_zero(zeros, RESPONSE_ZEROS)) {
		stats_violation(n->stats,
				"response of another form than 01 02 and 322 bytes");
		return false;
	}
	const struct target_net_poke *answered = find_poke(n, counter);
	if (!answered || memcmp(identity, n->identity, TARGET_NET_IDENTITY_SIZE) != 0) {
		stats_count(n->stats, STATS_RESPONSES_STALE);
		return false;
	}
	if (d->sequence != answered->sequence)
		stats_violation(n->stats, "response with another sequence than the poke");
	return true;
}

/*
 * Our own sequence goes on over a new key; only what was taken from the host is
 * forgotten, so that a response that the network doubled does no harm.
 */
static void on_response(struct target_net *n, const struct net_address *from,
			const struct kdnet_datagram *d)
{
	if (!response_fits(n, d))
		return;
	derive_data_key(n, d->payload);
	n->bound = *from;
	n->connected = true;
	n->highest = 0;
	n->seen_count = 0;
	stats_count(n->stats, STATS_CONNECTS);
	check_connection(n);
	n->handlers.connected(n->handlers.context);
}

static void on_control(struct target_net *n, const struct net_address *from,
		       const struct kdnet_datagram *d, uint64_t now_us)
{
	if (d->length == 0) { /* host poke: a poke at once, to whoever asks */
		stats_count(n->stats, STATS_HOST_POKES);
		poke(n, from, now_us);
		return;
	}
	if (d->version != n->version)
		stats_violation(n->stats, "response of another protocol version");
	else
		on_response(n, from, d);
}

/* The same number on two different datagrams is a counter that was rewound. */
static void check_reuse(struct target_net *n, uint64_t sequence, const uint8_t *tag)
{
	for (unsigned i = 0; i < n->seen_count && i < TARGET_NET_SEQUENCES_REMEMBERED;
	     i++) {
		if (n->seen[i].number == sequence &&
		    memcmp(n->seen[i].tag, tag, KDNET_TAG_SIZE) != 0)
			stats_violation(n->stats, "sequence number used twice");
	}
}

static void on_data(struct target_net *n, const struct kdnet_datagram *d,
		    const uint8_t *tag)
{
	if (d->version != n->version) {
		stats_violation(n->stats, "data of another protocol version");
		return;
	}
	if (d->sequence <= n->highest) {
		check_reuse(n, d->sequence, tag);
		stats_count(n->stats, STATS_DATAGRAMS_OLD);
		return;
	}
	n->highest = d->sequence;
	struct target_net_sequence *seen =
		&n->seen[n->seen_count++ % TARGET_NET_SEQUENCES_REMEMBERED];
	seen->number = d->sequence;
	memcpy(seen->tag, tag, KDNET_TAG_SIZE);
	n->handlers.payload(n->handlers.context, d->payload, d->length);
}

void target_net_receive(struct target_net *n, const struct net_address *from,
			const uint8_t *datagram, size_t length, uint64_t now_us)
{
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	enum kdnet_channel channel;
	enum kdnet_open_result result;
	uint8_t version;

	stats_count(n->stats, STATS_DATAGRAMS_IN);
	bool known = kdnet_peek(datagram, length, &channel, &version, &result) &&
		     (channel == KDNET_CHANNEL_CONTROL || n->connected);
	const struct kdnet_cipher *cipher =
		known && channel == KDNET_CHANNEL_DATA ? &n->data : &n->control;
	if (!known || kdnet_open(&d, plain, cipher, datagram, length) != KDNET_OPENED) {
		stats_count(n->stats, STATS_DATAGRAMS_BAD);
		return;
	}
	if (!d.to_target)
		stats_violation(n->stats, "datagram with the direction bit of a target");
	else if (channel == KDNET_CHANNEL_CONTROL)
		on_control(n, from, &d, now_us);
	else
		on_data(n, &d, datagram + length - KDNET_TAG_SIZE);
}
