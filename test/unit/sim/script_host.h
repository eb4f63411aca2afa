/*
 * A host of a few lines, sealed with the code that captures prove, against a whole
 * target. What the target sends lies in a list, opened. Included
 * by exactly one source file of a test program; fake_machine.h, where it is wanted,
 * comes first.
 */
#ifndef TEST_SCRIPT_HOST_H
#define TEST_SCRIPT_HOST_H

#include <nettle/sha2.h>

#include "kdnet/seal.h"
#include "kdnet/wire.h"
#include "test/sim/target.h"
#include "test/util.h"

enum { HOST_INBOX = 64, HOST_HEADER = 16, HOST_MANIPULATE = 56 };

struct host_datagram {
	enum kdnet_channel channel;
	uint64_t sequence;
	size_t length;
	uint8_t payload[KDNET_PAYLOAD_MAX];
};

struct host {
	struct target *target;
	uint64_t now_us;
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control, data;
	uint8_t version;
	struct host_datagram inbox[HOST_INBOX];
	unsigned received, read;
	uint64_t sequence;
	uint32_t id;
	unsigned starts;
	uint32_t last_ack; /* of our packet */
	uint32_t last_id;  /* of the target's last data packet */
};

static const struct net_address host_address = {
	{ [10] = 0xff, [11] = 0xff, 192, 168, 0, 11 }, 50000
};

static inline void host_transmit(void *context, const struct net_address *to,
				 const uint8_t *datagram, size_t length)
{
	struct host *h = context;
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	enum kdnet_channel channel;
	enum kdnet_open_result result;
	assert_int_equal(to->port, host_address.port);
	assert_true(kdnet_peek(datagram, length, &channel, &h->version, &result));
	assert_int_equal(
		kdnet_open(&d, plain,
			   channel == KDNET_CHANNEL_CONTROL ? &h->control : &h->data,
			   datagram, length),
		KDNET_OPENED);
	assert_false(d.to_target);
	assert_true(h->received < HOST_INBOX);
	struct host_datagram *kept = &h->inbox[h->received++];
	kept->channel = d.channel;
	kept->sequence = d.sequence;
	kept->length = d.length;
	memcpy(kept->payload, d.payload, d.length);
}

static inline void host_start(void *context, struct net_address *own,
			      struct net_address *host)
{
	struct host *h = context;
	h->starts++;
	*own = host_address;
	own->ip[15] = 13;
	own->port = (uint16_t)(50000 + h->starts - 1);
	*host = host_address;
}

static inline struct target_options host_options(void)
{
	struct target_options o = { .seed = 1, .reboot_us = 300000 };
	o.machine.cpus = 2;
	o.kd.version = 4;
	o.kd.max_data = KD_MAX_DATA_DEFAULT;
	o.kd.physical_caching = KD_ANY_CACHING;
	(void)kdnet_key_parse(o.key, "1.2.3.4");
	return o;
}

static inline void host_init(struct host *h, const struct target_options *options)
{
	const struct target_handlers handlers = { h, host_transmit, host_start };
	const char *error = NULL;
	memset(h, 0, sizeof(*h));
	memcpy(h->key, options->key, sizeof(h->key));
	kdnet_cipher_init(&h->control, h->key, h->key);
	h->id = 0x80000000;
	h->now_us = 1000000;
	h->target = target_new(options, &handlers, h->now_us, &error);
	assert_non_null(h->target);
}

static inline void host_free(struct host *h)
{
	target_free(h->target);
}

static inline void host_send_as(struct host *h, enum kdnet_channel channel,
				uint64_t sequence, const uint8_t *payload, size_t length)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	const struct kdnet_datagram d = { h->version, channel, true,
					  sequence,   payload, length };
	size_t size =
		kdnet_seal(sealed, sizeof(sealed),
			   channel == KDNET_CHANNEL_CONTROL ? &h->control : &h->data, &d);
	assert_true(size > 0);
	target_receive(h->target, &host_address, sealed, size, h->now_us);
}

static inline void host_send(struct host *h, const uint8_t *payload, size_t length)
{
	host_send_as(h, KDNET_CHANNEL_DATA, ++h->sequence, payload, length);
}

/* The next datagram of the target; fails the test when there is none. */
static inline const struct host_datagram *host_next(struct host *h)
{
	assert_true(h->read < h->received);
	return &h->inbox[h->read++];
}

static inline void host_expect_silence(const struct host *h)
{
	assert_int_equal(h->read, h->received);
}

/* Forgets what was read, so that long conversations fit. */
static inline void host_tidy(struct host *h)
{
	assert_int_equal(h->read, h->received);
	h->read = h->received = 0;
}

static inline void host_wait(struct host *h, uint64_t us)
{
	h->now_us += us;
	target_expire(h->target, h->now_us);
}

/* ---- handshake ---- */

static inline void host_answer_poke(struct host *h, const struct host_datagram *poke)
{
	uint8_t response[TARGET_NET_RESPONSE_SIZE] = { 1, 2 };
	uint8_t key[KDNET_KEY_SIZE];
	struct sha256_ctx hash;
	assert_int_equal(poke->channel, KDNET_CHANNEL_CONTROL);
	assert_int_equal(poke->length, TARGET_NET_POKE_SIZE);
	memcpy(response + 2, poke->payload + 2, 32);
	memset(response + 34, 0x5a, 32);
	sha256_init(&hash);
	sha256_update(&hash, sizeof(h->key), h->key);
	sha256_update(&hash, sizeof(response), response);
	sha256_digest(&hash, sizeof(key), key);
	kdnet_cipher_init(&h->data, h->key, key);
	host_send_as(h, KDNET_CHANNEL_CONTROL, poke->sequence, response,
		     sizeof(response));
}

static inline void host_connect(struct host *h)
{
	target_expire(h->target, h->now_us);
	host_answer_poke(h, host_next(h));
	const struct host_datagram *check = host_next(h);
	assert_int_equal(check->channel, KDNET_CHANNEL_DATA);
	assert_int_equal(check->length, 12);
}

/* ---- KD packets ---- */

static inline void host_control(struct host *h, uint16_t type, uint32_t id)
{
	uint8_t p[HOST_HEADER] = { 0x69, 0x69, 0x69, 0x69 };
	store_le(p + 4, type, 2);
	store_le(p + 8, id, 4);
	host_send(h, p, sizeof(p));
}

static inline void host_expect_control(struct host *h, uint16_t type, uint32_t id)
{
	const struct host_datagram *d = host_next(h);
	assert_int_equal(d->channel, KDNET_CHANNEL_DATA);
	assert_int_equal(d->length, HOST_HEADER);
	assert_int_equal(load_le(d->payload, 4), 0x69696969);
	assert_int_equal(load_le(d->payload + 4, 2), type);
	assert_int_equal(load_le(d->payload + 8, 4), id);
}

static inline void host_data(struct host *h, uint16_t type, uint32_t id,
			     const uint8_t *data, size_t length)
{
	uint8_t p[KDNET_PAYLOAD_MAX] = { 0x30, 0x30, 0x30, 0x30 };
	uint32_t sum = 0;
	for (size_t i = 0; i < length; i++)
		sum += data[i];
	store_le(p + 4, type, 2);
	store_le(p + 6, length, 2);
	store_le(p + 8, id, 4);
	store_le(p + 12, sum, 4);
	if (length > 0)
		memcpy(p + HOST_HEADER, data, length);
	host_send(h, p, HOST_HEADER + length);
}

/* A data packet of the target, not acknowledged yet; its data. */
static inline const uint8_t *host_packet(struct host *h, uint16_t type, size_t *length)
{
	const struct host_datagram *d = host_next(h);
	assert_int_equal(d->channel, KDNET_CHANNEL_DATA);
	assert_true(d->length >= HOST_HEADER);
	assert_int_equal(load_le(d->payload, 4), 0x30303030);
	assert_int_equal(load_le(d->payload + 4, 2), type);
	assert_int_equal(load_le(d->payload + 6, 2), d->length - HOST_HEADER);
	h->last_id = (uint32_t)load_le(d->payload + 8, 4);
	if (length)
		*length = d->length - HOST_HEADER;
	return d->payload + HOST_HEADER;
}

static inline void host_acknowledge(struct host *h)
{
	host_control(h, 4, h->last_id);
}

static inline void host_break_in(struct host *h)
{
	static const uint8_t byte = 0x62;
	host_send(h, &byte, 1);
}

/* A state change, acknowledged; its 240 bytes. */
static inline const uint8_t *host_expect_stop(struct host *h)
{
	size_t length;
	const uint8_t *state = host_packet(h, 7, &length);
	assert_true(length >= KD_STATE_CHANGE_SIZE);
	host_acknowledge(h);
	return state;
}

/* ---- requests ---- */

struct host_reply {
	uint32_t status;
	const uint8_t *u;
	const uint8_t *data;
	size_t length;
};

static inline void host_ask(struct host *h, uint32_t api, uint16_t processor,
			    const uint8_t *u, const uint8_t *data, size_t length)
{
	uint8_t request[KDNET_PAYLOAD_MAX] = { 0 };
	store_le(request, api, 4);
	store_le(request + 6, processor, 2);
	store_le(request + 8, 0x103, 4);
	if (u)
		memcpy(request + 16, u, 40);
	if (length > 0)
		memcpy(request + HOST_MANIPULATE, data, length);
	host_data(h, 2, h->id, request, HOST_MANIPULATE + length);
	host_expect_control(h, 4, h->id);
	h->id += 2;
}

/* One whole exchange with the four datagrams in their order. */
static inline struct host_reply host_call(struct host *h, uint32_t api,
					  uint16_t processor, const uint8_t *u,
					  const uint8_t *data, size_t length)
{
	struct host_reply r;
	size_t size;
	host_ask(h, api, processor, u, data, length);
	const uint8_t *reply = host_packet(h, 2, &size);
	assert_true(size >= HOST_MANIPULATE);
	assert_int_equal(load_le(reply, 4), api);
	assert_int_equal(load_le(reply + 6, 2), processor);
	host_acknowledge(h);
	if (h->received > HOST_INBOX / 2 && h->read == h->received)
		h->read = h->received = 0; /* the reply's bytes stay until the next */
	r.status = (uint32_t)load_le(reply + 8, 4);
	r.u = reply + 16;
	r.data = reply + HOST_MANIPULATE;
	r.length = size - HOST_MANIPULATE;
	return r;
}

/* u of most requests: a 64-bit address and a count. */
static inline struct host_reply host_range(struct host *h, uint32_t api, uint64_t address,
					   uint32_t count, const uint8_t *data,
					   size_t length)
{
	uint8_t u[40] = { 0 };
	store_le(u, address, 8);
	store_le(u + 8, count, 4);
	return host_call(h, api, 0, u, data, length);
}

/* 313C, handled. */
static inline void host_continue(struct host *h, uint16_t processor, bool trace,
				 uint64_t dr7)
{
	uint8_t u[40] = { 0 };
	store_le(u, 0x00010002, 4);
	store_le(u + 4, trace, 4);
	store_le(u + 8, dr7, 8);
	host_ask(h, 0x313c, processor, u, NULL, 0);
}

#ifdef TEST_FAKE_MACHINE_H
/* The beginning of most tests: connected, and stopped by a break-in. */
static inline void host_begin(struct host *h, const struct target_options *options)
{
	host_init(h, options);
	host_connect(h);
	host_break_in(h);
	(void)target_run(h->target, h->now_us);
	(void)host_expect_stop(h);
}

/* Lets the machine raise an event in its next slice, and reads the stop. */
static inline const uint8_t *host_stop_at(struct host *h, struct machine_event event)
{
	fake.next = event;
	(void)target_run(h->target, h->now_us);
	return host_expect_stop(h);
}
#endif

static inline uint64_t host_violations(const struct host *h)
{
	return h->target->stats.violation_count;
}

#endif
