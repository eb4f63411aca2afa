/*
 * The target's end for tests of the endpoint: it pokes, takes responses, seals what
 * the test wants to say, and opens what the endpoint sent.
 */
#ifndef TEST_FAKE_TARGET_H
#define TEST_FAKE_TARGET_H

#include "kdnet/endpoint.h"
#include "kdnet/wire.h"
#include "test/util.h"

enum {
	FAKE_POKE_SIZE = 344,
	SECOND = 1000000, /* microseconds */
	MILLISECOND = 1000,
};

struct fake_target {
	struct kdnet *k;
	uint64_t now_us;
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control;
	struct kdnet_cipher data;
	struct kdnet_peer peer;
	uint8_t version;
	uint16_t counter;    /* of the next poke */
	uint16_t bound_port; /* in the next poke */
	uint8_t identity[KDNET_IDENTITY_SIZE];
	uint64_t uptime;   /* control sequence */
	uint64_t sequence; /* of the last datagram on the data channel */
	bool deaf;	   /* responses get lost */
};

/* One datagram of the endpoint, opened. */
struct sent {
	bool any;
	struct kdnet_peer to;
	enum kdnet_channel channel;
	uint8_t version;
	uint64_t sequence;
	uint8_t payload[KDNET_PAYLOAD_MAX];
	size_t length;
	struct kd_packet packet; /* when it is one: leader 0 otherwise */
};

/* Nonces that differ, the same in each run. */
static inline void fake_random(void *context, void *out, size_t size)
{
	uint64_t *state = context;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)out)[i] = (uint8_t)test_random(state);
}

static inline struct kdnet_peer fake_peer(uint8_t last_byte, uint16_t port)
{
	return (struct kdnet_peer){
		.address = { [10] = 0xff, 0xff, 192, 168, 0, last_byte },
		.port = port,
		.local = { [10] = 0xff, 0xff, 192, 168, 0, 11 },
		.interface = 2,
	};
}

static inline struct kdnet_config fake_config(uint64_t *random_state)
{
	struct kdnet_config config = { .random = fake_random,
				       .random_context = random_state };
	assert_int_equal(kdnet_key_parse(config.key, "1.2.3.4"), KDNET_KEY_OK);
	return config;
}

/* Another machine, or the same one booted again. */
static inline struct fake_target fake_boot(struct kdnet *k, uint64_t now_us,
					   uint8_t identity)
{
	struct fake_target f = {
		.k = k,
		.now_us = now_us,
		.peer = fake_peer(13, 50000),
		.version = 4,
		.counter = 100,
		.uptime = 3,
	};
	assert_int_equal(kdnet_key_parse(f.key, "1.2.3.4"), KDNET_KEY_OK);
	kdnet_cipher_init(&f.control, f.key, f.key);
	kdnet_cipher_init(&f.data, f.key, f.key);
	memset(f.identity, identity, sizeof(f.identity));
	return f;
}

static inline size_t fake_seal(const struct fake_target *f, uint8_t *out,
			       enum kdnet_channel channel, uint64_t sequence,
			       const uint8_t *payload, size_t length)
{
	struct kdnet_datagram d = {
		.version = f->version,
		.channel = channel,
		.sequence = sequence,
		.payload = payload,
		.length = length,
	};
	size_t sealed =
		kdnet_seal(out, KDNET_DATAGRAM_MAX,
			   channel == KDNET_CHANNEL_CONTROL ? &f->control : &f->data, &d);
	assert_true(sealed > 0);
	return sealed;
}

static inline void fake_deliver(struct fake_target *f, const uint8_t *datagram,
				size_t length)
{
	uint8_t *exact = test_exact_copy(datagram, length);
	kdnet_receive(f->k, &f->peer, exact, length, f->now_us);
	free(exact);
}

/* The next poke, sealed but not sent. */
static inline size_t fake_poke_seal(struct fake_target *f, uint8_t *out)
{
	uint8_t payload[FAKE_POKE_SIZE] = { 1, 1 };
	store_le(payload + 2, f->counter++, 2);
	memcpy(payload + 4, f->identity, sizeof(f->identity));
	payload[86] = (uint8_t)(f->bound_port >> 8);
	payload[87] = (uint8_t)f->bound_port;
	f->uptime += 3;
	return fake_seal(f, out, KDNET_CHANNEL_CONTROL, f->uptime, payload,
			 sizeof(payload));
}

static inline void fake_poke(struct fake_target *f)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	size_t length = fake_poke_seal(f, sealed);
	fake_deliver(f, sealed, length);
}

static inline void fake_take_response(struct fake_target *f, const struct sent *sent)
{
	if (f->deaf)
		return;
	uint8_t key[KDNET_KEY_SIZE];
	kdnet_data_key(key, f->key, sent->payload);
	kdnet_cipher_init(&f->data, f->key, key);
	f->sequence = 0;
}

/* What the endpoint sends next; a response is taken. */
static inline struct sent fake_pull(struct fake_target *f)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	struct sent sent = { 0 };
	size_t length = kdnet_transmit(f->k, &sent.to, sealed, sizeof(sealed), f->now_us);
	if (length == 0)
		return sent;
	bool control = sealed[5] == KDNET_CHANNEL_CONTROL;
	assert_int_equal(
		kdnet_open(&d, plain, control ? &f->control : &f->data, sealed, length),
		KDNET_OPENED);
	assert_true(d.to_target);
	sent.any = true;
	sent.channel = d.channel;
	sent.version = d.version;
	sent.sequence = d.sequence;
	sent.length = d.length;
	memcpy(sent.payload, d.payload, d.length);
	if (control && kdnet_is_response(d.payload, d.length))
		fake_take_response(f, &sent);
	if (control || !kd_packet_decode(&sent.packet, sent.payload, sent.length))
		sent.packet = (struct kd_packet){ 0 };
	return sent;
}

static inline bool fake_is_silent(struct fake_target *f)
{
	return !fake_pull(f).any;
}

static inline void fake_drain(struct fake_target *f)
{
	while (fake_pull(f).any)
		;
}

static inline void fake_send(struct fake_target *f, const uint8_t *payload, size_t length)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	size_t size =
		fake_seal(f, sealed, KDNET_CHANNEL_DATA, ++f->sequence, payload, length);
	fake_deliver(f, sealed, size);
}

static inline void fake_send_check(struct fake_target *f)
{
	const uint8_t check[12] = { [8] = 11, 0, 168, 192 };
	fake_send(f, check, sizeof(check));
}

static inline void fake_send_control(struct fake_target *f, enum kd_packet_type type,
				     uint32_t id)
{
	uint8_t packet[KD_HEADER_SIZE];
	kd_control_encode(packet, type, id);
	fake_send(f, packet, sizeof(packet));
}

static inline void fake_send_data(struct fake_target *f, uint32_t id, const char *text)
{
	uint8_t packet[KDNET_PAYLOAD_MAX];
	size_t length = kd_data_encode(packet, sizeof(packet), KD_PACKET_DEBUG_IO, id,
				       (const uint8_t *)text, strlen(text));
	fake_send(f, packet, length);
}

static inline struct kdnet_event fake_event(struct fake_target *f)
{
	struct kdnet_event event;
	(void)kdnet_event(f->k, &event);
	return event;
}

static inline void fake_drop_events(struct fake_target *f)
{
	while (fake_event(f).type != KDNET_NOTHING)
		;
}

/* Poke, response, connection check, and all that follows from them. */
static inline void fake_connect(struct fake_target *f)
{
	fake_poke(f);
	struct sent response = fake_pull(f);
	assert_true(response.any);
	assert_true(kdnet_is_response(response.payload, response.length));
	fake_send_check(f);
	fake_drain(f);
	assert_true(kdnet_connected(f->k));
	fake_drop_events(f);
	f->bound_port = 50000;
}

/* Time passes, and what was due happens. */
static inline void fake_wait(struct fake_target *f, uint64_t us)
{
	uint64_t until = f->now_us + us;
	while (kdnet_deadline(f->k) <= until) {
		if (kdnet_deadline(f->k) > f->now_us)
			f->now_us = kdnet_deadline(f->k);
		kdnet_expire(f->k, f->now_us);
		if (kdnet_deadline(f->k) <= f->now_us)
			break; /* something waits to be transmitted first */
	}
	f->now_us = until;
}

static inline void assert_control(const struct sent *sent, enum kd_packet_type type,
				  uint32_t id)
{
	assert_true(sent->any);
	assert_int_equal(sent->channel, KDNET_CHANNEL_DATA);
	assert_true(kd_packet_is_control(&sent->packet));
	assert_int_equal(sent->packet.type, type);
	assert_int_equal(sent->packet.id, id);
}

static inline void assert_data(const struct sent *sent, uint32_t id, const char *text)
{
	assert_true(sent->any);
	assert_true(kd_packet_is_data(&sent->packet));
	assert_int_equal(sent->packet.id, id);
	assert_int_equal(sent->packet.length, strlen(text));
	/* after the header: the copy was moved with the struct */
	assert_memory_equal(sent->payload + KD_HEADER_SIZE, text, strlen(text));
}

static inline void assert_packet_event(const struct kdnet_event *event, const char *text)
{
	assert_int_equal(event->type, KDNET_PACKET);
	assert_int_equal(event->length, strlen(text));
	assert_memory_equal(event->data, text, strlen(text));
}

#endif
