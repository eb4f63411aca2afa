/*
 * A target whose link is honest and whose words are the input's: each answer and each
 * report is a true one, changed as the script says; a script that is over changes nothing.
 * No sockets: datagrams that it sends lie in a queue, sealed as they should be.
 */
#ifndef TEST_FUZZ_LYING_TARGET_H
#define TEST_FUZZ_LYING_TARGET_H

#include "kdnet/handshake.h"
#include "kdnet/kd.h"
#include "kdnet/kd_packet.h"
#include "kdnet/seal.h"
#include "kdnet/wire.h"
#include "test/fuzz/fuzz.h"

enum {
	LYING_RAM = 0x8000,
	LYING_CPUS = 2,
	LYING_QUEUE = 16,  /* KD packets that wait for their acknowledgement */
	LYING_WIRE = 64,   /* datagrams on their way */
	LYING_STATE = 240, /* a state change without what follows it */
	LYING_HEARTBEAT_US = 3000000,
	LYING_REPEAT_US = 400000,
	LYING_RIP = 0xf8,
	LYING_RSP = 0x98,
};

#define LYING_BASE  UINT64_C(0xfffff80000000000)
#define LYING_LIST  (LYING_BASE + 0x6000)
#define LYING_NAMES (LYING_BASE + 0x6200)

struct lying_packet {
	enum kd_packet_type type;
	size_t length;
	uint8_t data[KDNET_KD_DATA_MAX];
};

struct lying_datagram {
	size_t length;
	uint8_t bytes[KDNET_DATAGRAM_MAX];
};

struct lying_target {
	struct reader script;
	uint64_t now_us, heartbeat_us, repeat_us;
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control, data;
	bool connected;
	uint8_t identity, version;
	uint16_t counter;
	uint64_t sequence;

	uint32_t next_id, host_id;
	bool host_seen, in_flight;
	unsigned queued, wire_first, wire_count;
	struct lying_packet queue[LYING_QUEUE];
	struct lying_datagram wire[LYING_WIRE];

	bool stopped;
	unsigned cpu;
	size_t state_length;
	uint8_t state[LYING_STATE + 256];
	uint8_t ram[LYING_RAM];
	uint8_t context[LYING_CPUS][KD_CONTEXT_AMD64];
	uint8_t special[LYING_CPUS][KD_SPECIAL_AMD64];
	struct {
		bool used;
		uint64_t address;
		uint8_t saved;
	} breakpoints[KD_BREAKPOINTS];
};

/* ---- the wire ---- */

static void lying_seal(struct lying_target *l, enum kdnet_channel channel,
		       uint64_t sequence, const uint8_t *payload, size_t length)
{
	if (l->wire_count == LYING_WIRE) /* the network drops it */
		return;
	struct lying_datagram *out =
		&l->wire[(l->wire_first + l->wire_count++) % LYING_WIRE];
	struct kdnet_datagram d = { .version = l->version,
				    .channel = channel,
				    .sequence = sequence,
				    .payload = payload,
				    .length = length };
	out->length =
		kdnet_seal(out->bytes, sizeof(out->bytes),
			   channel == KDNET_CHANNEL_CONTROL ? &l->control : &l->data, &d);
	must(out->length > 0);
}

static void lying_payload(struct lying_target *l, const uint8_t *payload, size_t length)
{
	lying_seal(l, KDNET_CHANNEL_DATA, ++l->sequence, payload, length);
}

static void lying_poke(struct lying_target *l)
{
	uint8_t poke[344] = { 1, 1 };
	store_le(poke + 2, ++l->counter, 2);
	memset(poke + 4, l->identity, KDNET_IDENTITY_SIZE);
	l->heartbeat_us = l->now_us + LYING_HEARTBEAT_US;
	lying_seal(l, KDNET_CHANNEL_CONTROL, l->counter, poke, sizeof(poke));
}

static void lying_control(struct lying_target *l, enum kd_packet_type type, uint32_t id)
{
	uint8_t packet[KD_HEADER_SIZE];
	kd_control_encode(packet, type, id);
	lying_payload(l, packet, sizeof(packet));
}

static void lying_send_first(struct lying_target *l)
{
	uint8_t packet[KDNET_PAYLOAD_MAX];
	const struct lying_packet *first = &l->queue[0];
	size_t length = kd_data_encode(packet, sizeof(packet), first->type, l->next_id,
				       first->data, first->length);
	l->in_flight = true;
	l->repeat_us = l->now_us + LYING_REPEAT_US;
	lying_payload(l, packet, length);
}

static void lying_send(struct lying_target *l, enum kd_packet_type type,
		       const uint8_t *data, size_t length)
{
	if (l->queued == LYING_QUEUE || length > sizeof(l->queue[0].data))
		return;
	struct lying_packet *packet = &l->queue[l->queued++];
	packet->type = type;
	packet->length = length;
	if (length > 0)
		memcpy(packet->data, data, length);
	if (!l->in_flight)
		lying_send_first(l);
}

static void lying_acknowledged(struct lying_target *l, uint32_t id)
{
	if (!l->in_flight || id != l->next_id)
		return;
	l->in_flight = false;
	l->next_id += KD_ID_STEP;
	l->queued--;
	memmove(&l->queue[0], &l->queue[1], l->queued * sizeof(l->queue[0]));
	if (l->queued > 0)
		lying_send_first(l);
}

/* ---- lies ---- */

static const uint8_t *lying_part(struct lying_target *l, size_t max, size_t *length)
{
	size_t wanted = rd_8(&l->script);
	wanted = wanted < max ? wanted : max;
	*length = wanted < l->script.left ? wanted : l->script.left;
	return rd_bytes(&l->script, *length);
}

static void lying_speak(struct lying_target *l, unsigned kind)
{
	static const enum kd_packet_type types[] = {
		KD_PACKET_DEBUG_IO, KD_PACKET_STATE_CHANGE64,  KD_PACKET_FILE_IO,
		KD_PACKET_TRACE_IO, KD_PACKET_CONTROL_REQUEST, KD_PACKET_MANIPULATE,
	};
	uint8_t data[LYING_STATE + UINT8_MAX] = { 0 };
	size_t length, fixed = kind % 6 == 1 ? LYING_STATE : 16;
	const uint8_t *part = lying_part(l, UINT8_MAX, &length);
	store_le(data, kind % 6 == 1 ? 0x3030 + (kind & 3) : 0x3230 + (kind >> 3 & 3), 4);
	store_le(data + 8, length, 4);
	/* over the fixed part or behind it */
	if (length > 0)
		memcpy(data + (kind & 0x40 ? 4 : fixed), part, length);
	lying_send(l, types[kind % 6], data, fixed + length);
}

static void lying_reboot(struct lying_target *l)
{
	l->identity++;
	l->connected = l->stopped = l->in_flight = l->host_seen = false;
	l->queued = 0;
	l->counter = 0;
	l->sequence = 0;
	l->next_id = 0;
	lying_poke(l);
}

/* Changes bytes of what is to be sent; returns its length then. */
static size_t lying_change(struct lying_target *l, uint8_t *data, size_t length,
			   unsigned how)
{
	size_t count, at = rd_le16(&l->script);
	const uint8_t *part = lying_part(l, 32, &count);
	at = length > 0 ? at % length : 0;
	if (how & 1)
		return at; /* cut */
	for (size_t i = 0; i < count && at + i < length; i++)
		data[at + i] = part[i];
	return length;
}

/* False: it is not sent at all. */
static bool lying_twist(struct lying_target *l, uint8_t *data, size_t *length)
{
	unsigned what = rd_8(&l->script), at;
	size_t count;
	const uint8_t *part;
	switch (what & 15) {
	case 1:
	case 2:
	case 3:
		*length = lying_change(l, data, *length, 0);
		return true;
	case 4:
		*length = lying_change(l, data, *length, 1);
		return true;
	case 5:
		return false;
	case 6:
		lying_speak(l, what >> 4);
		return true;
	case 7:
		lying_speak(l, rd_8(&l->script));
		return true;
	case 8:
		part = lying_part(l, UINT8_MAX, &count);
		lying_payload(l, part, count);
		return true;
	case 9:
		at = rd_le16(&l->script) % LYING_RAM;
		part = lying_part(l, LYING_RAM - at, &count);
		if (count > 0)
			memcpy(l->ram + at, part, count);
		return true;
	case 10:
		lying_control(l, KD_PACKET_RESET, l->next_id);
		return true;
	case 11:
		if (what >> 4 == 0)
			lying_reboot(l);
		return what >> 4 != 0;
	default:
		return true;
	}
}

static void lying_say(struct lying_target *l, enum kd_packet_type type,
		      const uint8_t *data, size_t length)
{
	uint8_t copy[KDNET_KD_DATA_MAX];
	memcpy(copy, data, length);
	if (lying_twist(l, copy, &length))
		lying_send(l, type, copy, length);
}

#endif
