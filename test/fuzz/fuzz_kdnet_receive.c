/*
 * An endpoint and all that may happen to it. The input is a list of steps, one byte
 * each and what it needs; the harness has the keys, so that the bytes of the input
 * are payloads, not ciphertext that no key ever opens.
 */
#include <stdlib.h>
#include <string.h>

#include "kdnet/kdnet.h"
#include "kdnet/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct harness {
	struct kdnet *k;
	struct reader input;
	uint64_t now_us;
	uint64_t sequence;
	uint64_t sent; /* the endpoint's highest sequence number */
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control;
	struct kdnet_cipher target; /* data key, as the target has it */
	struct kdnet_peer peer;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void same_nonce(void *context, void *out, size_t size)
{
	(void)context;
	memset(out, 0x55, size);
}

static void seal_and_deliver(struct harness *h, enum kdnet_channel channel,
			     const uint8_t *payload, size_t length)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	struct kdnet_datagram d = {
		.version = 4,
		.channel = channel,
		.sequence = ++h->sequence,
		.payload = payload,
		.length = length,
	};
	size_t size = kdnet_seal(
		sealed, sizeof(sealed),
		channel == KDNET_CHANNEL_CONTROL ? &h->control : &h->target, &d);
	if (size > 0)
		kdnet_receive(h->k, &h->peer, sealed, size, h->now_us);
}

/* A part of the input: its length is its first byte, times four. */
static const uint8_t *part(struct harness *h, size_t *length)
{
	size_t wanted = (size_t)rd_8(&h->input) * 4;
	*length = wanted < h->input.left ? wanted : h->input.left;
	return rd_bytes(&h->input, *length);
}

static void step_control(struct harness *h)
{
	size_t length;
	const uint8_t *payload = part(h, &length);
	seal_and_deliver(h, KDNET_CHANNEL_CONTROL, payload, length);
}

static void step_data(struct harness *h)
{
	size_t length;
	const uint8_t *payload = part(h, &length);
	seal_and_deliver(h, KDNET_CHANNEL_DATA, payload, length);
}

static void step_raw(struct harness *h)
{
	size_t length;
	const uint8_t *datagram = part(h, &length);
	kdnet_receive(h->k, &h->peer, datagram, length, h->now_us);
}

static void step_poke(struct harness *h)
{
	uint8_t payload[344] = { 1, 1 };
	payload[2] = rd_8(&h->input);
	payload[4] = rd_8(&h->input) & 15;
	payload[87] = rd_8(&h->input);
	seal_and_deliver(h, KDNET_CHANNEL_CONTROL, payload, sizeof(payload));
}

/* A KD packet whose checksum fits. */
static void step_packet(struct harness *h)
{
	uint8_t packet[KDNET_PAYLOAD_MAX];
	unsigned type = rd_8(&h->input);
	uint32_t id = rd_8(&h->input);
	size_t length;
	const uint8_t *data = part(h, &length);
	size_t size = kd_data_encode(packet, sizeof(packet), (enum kd_packet_type)type,
				     id, data, length);
	seal_and_deliver(h, KDNET_CHANNEL_DATA, packet, size);
}

static void step_kd_control(struct harness *h)
{
	uint8_t packet[KD_HEADER_SIZE];
	unsigned type = KD_PACKET_ACKNOWLEDGE + rd_8(&h->input) % 3u;
	uint32_t id = rd_8(&h->input);
	kd_control_encode(packet, (enum kd_packet_type)type,
			  id & 1 ? KD_HOST_FIRST_ID + (id & ~1u) : id);
	seal_and_deliver(h, KDNET_CHANNEL_DATA, packet, sizeof(packet));
}

static void step_time(struct harness *h)
{
	h->now_us += (uint64_t)rd_8(&h->input) * 100000;
	kdnet_expire(h->k, h->now_us);
}

static void step_peer(struct harness *h)
{
	h->peer.address[15] = rd_8(&h->input) & 3;
	h->sequence -= h->sequence > 70 ? rd_8(&h->input) % 70u : 0;
}

static void step_ask(struct harness *h)
{
	size_t length;
	const uint8_t *data;
	switch (rd_8(&h->input) % 5) {
	case 0:
		data = part(h, &length);
		(void)kdnet_send(h->k, KD_PACKET_MANIPULATE, data, length, h->now_us);
		break;
	case 1:
		kdnet_reset(h->k, h->now_us);
		break;
	case 2:
		kdnet_break_in(h->k);
		break;
	case 3:
		kdnet_confirm(h->k);
		break;
	case 4:
		kdnet_poke_target(h->k, h->now_us);
		break;
	}
}

static void step_events(struct harness *h)
{
	struct kdnet_event event;
	uint8_t sum = 0;
	for (unsigned n = 0; kdnet_event(h->k, &event); n++) {
		must(n < 64);
		for (size_t i = 0; i < event.length; i++)
			sum ^= event.data[i]; /* all of it is readable */
	}
	must(sum <= 0xff);
}

static void take_response(struct harness *h, const struct kdnet_datagram *d)
{
	uint8_t key[KDNET_KEY_SIZE];
	kdnet_data_key(key, h->key, d->payload);
	kdnet_cipher_init(&h->target, h->key, key);
}

static void step_transmit(struct harness *h)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_peer to;
	size_t length;
	for (unsigned n = 0;
	     (length = kdnet_transmit(h->k, &to, sealed, sizeof(sealed), h->now_us)) > 0;
	     n++) {
		struct kdnet_datagram d;
		must(n < 64);
		if (sealed[5] == KDNET_CHANNEL_CONTROL) {
			must(kdnet_open(&d, plain, &h->control, sealed, length) ==
			     KDNET_OPENED);
			if (kdnet_is_response(d.payload, d.length)) {
				take_response(h, &d);
				continue;
			}
		} else if (kdnet_open(&d, plain, &h->target, sealed, length) !=
			   KDNET_OPENED) {
			continue; /* under the older key still */
		}
		must(d.sequence > h->sent);
		h->sent = d.sequence;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct harness *) = {
		step_control, step_data,       step_raw,      step_poke,
		step_packet,  step_kd_control, step_time,     step_peer,
		step_ask,     step_events,     step_transmit,
	};
	struct harness h = { .input = rd_init(data, size), .now_us = 1000000 };
	struct kdnet_config config = { .random = same_nonce };
	(void)kdnet_key_parse(config.key, "1.2.3.4");
	memcpy(h.key, config.key, sizeof(h.key));
	config.has_target = rd_8(&h.input) & 1;
	h.k = kdnet_new(&config, h.now_us);
	kdnet_cipher_init(&h.control, h.key, h.key);
	kdnet_cipher_init(&h.target, h.key, h.key);
	while (rd_ok(&h.input) && h.input.left > 0)
		steps[rd_8(&h.input) % (sizeof(steps) / sizeof(steps[0]))](&h);
	step_events(&h);
	step_transmit(&h);
	kdnet_free(h.k);
	return 0;
}
