/*
 * The wire of a target on the loopback interface, in the loop of the test: pokes, data
 * key, KD packets with their ids and acknowledgements. Nothing is ever lost, so nothing
 * is repeated but what a RESET asks for. KDNET.md §4, §5.
 */
#ifndef TEST_FAKE_LINK_H
#define TEST_FAKE_LINK_H

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "kdnet/handshake.h"
#include "kdnet/kd.h"
#include "kdnet/kd_packet.h"
#include "kdnet/seal.h"
#include "kdnet/wire.h"
#include "test/util.h"

enum { FAKE_QUEUE = 16, FAKE_POKE_SIZE = 344 };

struct fake_packet {
	enum kd_packet_type type;
	size_t length;
	uint8_t data[KDNET_KD_DATA_MAX];
};

struct fake_link {
	struct ev_loop *loop;
	struct ev_io readable;
	int socket;
	uint16_t host_port;
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control, data;
	bool connected;
	bool deaf; /* takes nothing any more, and acknowledges nothing */
	uint8_t identity[KDNET_IDENTITY_SIZE];
	uint16_t counter;
	uint64_t sequence;

	uint32_t next_id;
	uint32_t host_id; /* the last one seen */
	bool host_seen;
	bool in_flight; /* queue[0] waits for its acknowledgement */
	unsigned queued;
	struct fake_packet queue[FAKE_QUEUE];

	unsigned resets, break_ins;
	void *context;
	void (*on_data)(void *context, enum kd_packet_type type, uint8_t *data,
			size_t length);
	void (*on_break_in)(void *context);
	void (*on_reset)(void *context);
	void (*on_connected)(void *context);
};

static inline void fake_transmit(struct fake_link *l, enum kdnet_channel channel,
				 uint64_t sequence, const uint8_t *payload, size_t length)
{
	uint8_t out[KDNET_DATAGRAM_MAX];
	struct kdnet_datagram d = { .version = 5,
				    .channel = channel,
				    .sequence = sequence,
				    .payload = payload,
				    .length = length };
	size_t size =
		kdnet_seal(out, sizeof(out),
			   channel == KDNET_CHANNEL_DATA ? &l->data : &l->control, &d);
	assert_true(size > 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(l->host_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	(void)sendto(l->socket, out, size, 0, (struct sockaddr *)&to, sizeof(to));
}

static inline void fake_poke(struct fake_link *l)
{
	uint8_t poke[FAKE_POKE_SIZE] = { 1, 1 };
	store_le(poke + 2, ++l->counter, 2);
	memcpy(poke + 4, l->identity, sizeof(l->identity));
	fake_transmit(l, KDNET_CHANNEL_CONTROL, l->counter, poke, sizeof(poke));
}

static inline void fake_payload(struct fake_link *l, const uint8_t *payload,
				size_t length)
{
	fake_transmit(l, KDNET_CHANNEL_DATA, ++l->sequence, payload, length);
}

static inline void fake_control(struct fake_link *l, enum kd_packet_type type,
				uint32_t id)
{
	uint8_t packet[KD_HEADER_SIZE];
	kd_control_encode(packet, type, id);
	fake_payload(l, packet, sizeof(packet));
}

static inline void fake_send_first(struct fake_link *l)
{
	uint8_t packet[KDNET_PAYLOAD_MAX];
	const struct fake_packet *first = &l->queue[0];
	l->in_flight = true;
	fake_payload(l, packet,
		     kd_data_encode(packet, sizeof(packet), first->type, l->next_id,
				    first->data, first->length));
}

static inline void fake_send(struct fake_link *l, enum kd_packet_type type,
			     const void *data, size_t length)
{
	assert_true(l->queued < FAKE_QUEUE && length <= sizeof(l->queue[0].data));
	struct fake_packet *packet = &l->queue[l->queued++];
	packet->type = type;
	packet->length = length;
	memcpy(packet->data, data, length);
	if (!l->in_flight)
		fake_send_first(l);
}

static inline void fake_acknowledged(struct fake_link *l, uint32_t id)
{
	if (!l->in_flight || id != l->next_id)
		return;
	l->in_flight = false;
	l->next_id += KD_ID_STEP;
	l->queued--;
	memmove(&l->queue[0], &l->queue[1], l->queued * sizeof(l->queue[0]));
	if (l->queued > 0)
		fake_send_first(l);
}

static inline void fake_on_reset(struct fake_link *l)
{
	l->resets++;
	l->host_seen = false;
	fake_control(l, KD_PACKET_RESET, l->next_id);
	if (l->in_flight)
		fake_send_first(l);
	else
		l->on_reset(l->context);
}

static inline void fake_on_packet(struct fake_link *l, uint8_t *payload, size_t length)
{
	struct kd_packet p;
	if (length == 1 && payload[0] == KD_BREAK_IN_BYTE) {
		l->break_ins++;
		l->on_break_in(l->context);
		return;
	}
	assert_true(kd_packet_decode(&p, payload, length));
	if (p.leader == KD_LEADER_CONTROL) {
		if (p.type == KD_PACKET_ACKNOWLEDGE)
			fake_acknowledged(l, p.id);
		if (p.type == KD_PACKET_RESET)
			fake_on_reset(l);
		return;
	}
	bool repeated = l->host_seen && p.id == l->host_id; /* on a machine that stalls */
	/* a real one would answer RESEND */
	assert_false(l->in_flight && !repeated);
	fake_control(l, KD_PACKET_ACKNOWLEDGE, p.id);
	if (repeated)
		return;
	l->host_seen = true;
	l->host_id = p.id;
	l->on_data(l->context, (enum kd_packet_type)p.type, payload + KD_HEADER_SIZE,
		   p.length);
}

static inline void fake_on_response(struct fake_link *l, const uint8_t *response)
{
	uint8_t key[KDNET_KEY_SIZE];
	const uint8_t check[12] = { 0 };
	kdnet_data_key(key, l->key, response);
	kdnet_cipher_init(&l->data, l->key, key);
	l->connected = true;
	fake_payload(l, check, sizeof(check));
	l->on_connected(l->context);
}

static inline void fake_take(struct fake_link *l, const uint8_t *datagram, size_t length)
{
	static uint8_t plain[KDNET_PLAINTEXT_MAX];
	uint8_t payload[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	enum kdnet_channel channel;
	uint8_t version;
	enum kdnet_open_result result;
	assert_true(kdnet_peek(datagram, length, &channel, &version, &result));
	bool data = channel == KDNET_CHANNEL_DATA;
	/* under an older key: what was sent before the boot that we are in */
	if (kdnet_open(&d, plain, data ? &l->data : &l->control, datagram, length) !=
	    KDNET_OPENED)
		return;
	memcpy(payload, d.payload, d.length);
	if (data)
		fake_on_packet(l, payload, d.length);
	else if (d.length == KDNET_RESPONSE_SIZE)
		fake_on_response(l, payload);
}

static inline void fake_on_readable(struct ev_loop *loop, struct ev_io *watcher,
				    int events)
{
	struct fake_link *l = watcher->data;
	uint8_t datagram[KDNET_DATAGRAM_MAX];
	(void)loop;
	(void)events;
	ssize_t length = recv(l->socket, datagram, sizeof(datagram), MSG_DONTWAIT);
	if (length > 0 && !l->deaf)
		fake_take(l, datagram, (size_t)length);
}

static inline void fake_boot(struct fake_link *l, uint8_t identity)
{
	memset(l->identity, identity, sizeof(l->identity));
	l->connected = false;
	l->counter = 0;
	l->sequence = 0;
	l->next_id = 0;
	l->host_seen = false;
	l->in_flight = false;
	l->queued = 0;
	fake_poke(l);
}

static inline void fake_link_open(struct fake_link *l, struct ev_loop *loop,
				  uint16_t host_port)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	l->loop = loop;
	l->host_port = host_port;
	l->socket = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(l->socket >= 0);
	assert_int_equal(bind(l->socket, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(kdnet_key_parse(l->key, "1.2.3.4"), KDNET_KEY_OK);
	kdnet_cipher_init(&l->control, l->key, l->key);
	ev_io_init(&l->readable, fake_on_readable, l->socket, EV_READ);
	l->readable.data = l;
	ev_io_start(loop, &l->readable);
}

static inline void fake_link_close(struct fake_link *l)
{
	ev_io_stop(l->loop, &l->readable);
	(void)close(l->socket);
}

#endif
