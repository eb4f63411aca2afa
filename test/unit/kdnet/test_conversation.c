/*
 * The target's side of win10-v4.pcapng, played to an endpoint that was given WinDbg's
 * nonce and sends what WinDbg sent when WinDbg did.
 */
#include "kdnet/endpoint.h"

#include "test/unit/kdnet/datagrams.h"

enum {
	RESPONSE_FRAME = 2,
	CHECK_ANSWER_FRAME = 5,
	/* WinDbg never saw this reply (frames 200 to 206); we acknowledge it. */
	LOST_REPLY = 0x60,
	IDS_MAX = 512,
};

struct ids {
	uint32_t id[IDS_MAX];
	size_t count;
};

struct player {
	struct kdnet *k;
	struct capture_keys keys;
	uint64_t start_us;
	struct ids acknowledged; /* by us, repetitions left out */
	unsigned resends;	 /* RESENDs of ours */
	unsigned resets;
	unsigned packets; /* events */
	unsigned delivered;
	uint8_t request[KDNET_PAYLOAD_MAX]; /* the last data packet of ours */
	size_t request_length;
	unsigned requests;		    /* repetitions included */
	uint8_t answer[KDNET_DATAGRAM_MAX]; /* the last control datagram of ours */
	size_t answer_length;
};

static void windbg_nonce(void *context, void *out, size_t size)
{
	assert_int_equal(size, KDNET_NONCE_SIZE);
	memcpy(out, context, size);
}

static void id_add(struct ids *ids, uint32_t id)
{
	if (ids->count > 0 && ids->id[ids->count - 1] == id)
		return;
	assert_true(ids->count < IDS_MAX);
	ids->id[ids->count++] = id;
}

static void note_payload(struct player *p, const struct kdnet_datagram *d)
{
	struct kd_packet packet;
	assert_true(kd_packet_decode(&packet, d->payload, d->length));
	if (kd_packet_is_data(&packet)) {
		memcpy(p->request, d->payload, d->length);
		p->request_length = d->length;
		p->requests++;
	}
	if (packet.type == KD_PACKET_ACKNOWLEDGE)
		id_add(&p->acknowledged, packet.id);
	p->resends += packet.type == KD_PACKET_RESEND;
	p->resets += packet.type == KD_PACKET_RESET;
}

static void pull(struct player *p, uint64_t now_us)
{
	struct kdnet_event event;
	while (kdnet_event(p->k, &event)) {
		p->packets += event.type == KDNET_PACKET;
		p->delivered += event.type == KDNET_DELIVERED;
		assert_int_not_equal(event.type, KDNET_LOST);
		assert_int_not_equal(event.type, KDNET_NOTICE);
		assert_int_not_equal(event.type, KDNET_RESET_BY_TARGET);
	}
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	struct kdnet_peer to;
	size_t length;
	while ((length = kdnet_transmit(p->k, &to, sealed, sizeof(sealed), now_us)) > 0) {
		bool control = sealed[5] == KDNET_CHANNEL_CONTROL;
		uint8_t plain[KDNET_PLAINTEXT_MAX];
		struct kdnet_datagram d;
		assert_int_equal(kdnet_open(&d, plain,
					    control ? &p->keys.control : &p->keys.data,
					    sealed, length),
				 KDNET_OPENED);
		assert_true(d.to_target);
		if (!control) {
			note_payload(p, &d);
			continue;
		}
		memcpy(p->answer, sealed, length);
		p->answer_length = length;
	}
}

/* A datagram of WinDbg's: say the same, if it was WinDbg's user who said it. */
static void mimic(struct player *p, const struct captured *captured, uint64_t now_us)
{
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	struct kd_packet packet;
	assert_int_equal(
		kdnet_open(&d, plain, &p->keys.data, captured->bytes, captured->length),
		KDNET_OPENED);
	assert_true(kd_packet_decode(&packet, d.payload, d.length));
	if (kd_packet_is_control(&packet)) {
		if (packet.type == KD_PACKET_RESET)
			kdnet_reset(p->k, now_us);
		return;
	}
	bool repetition = p->request_length == d.length &&
			  memcmp(p->request, d.payload, d.length) == 0;
	if (repetition)
		return; /* ours is due at the target's RESEND, 15 ms earlier */
	assert_true(kdnet_send(p->k, (enum kd_packet_type)packet.type, packet.data,
			       packet.length, now_us));
	pull(p, now_us);
	/* the same id, checksum, everything */
	assert_int_equal(p->request_length, d.length);
	assert_memory_equal(p->request, d.payload, d.length);
}

static void take_data_key(struct player *p, const struct captured *response)
{
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	assert_int_equal(kdnet_open(&d, plain, &p->keys.control, response->bytes,
				    response->length),
			 KDNET_OPENED);
	uint8_t key[KDNET_KEY_SIZE];
	kdnet_data_key(key, p->keys.control_key, d.payload);
	kdnet_cipher_init(&p->keys.data, p->keys.control_key, key);
}

static void play(struct player *p, const struct capture *c)
{
	const struct kdnet_peer target = {
		.address = { [10] = 0xff, 0xff, 192, 168, 2, 72 },
		.port = 51111,
	};
	for (size_t i = 0; i < c->count; i++) {
		const struct captured *captured = &c->datagrams[i];
		uint64_t now_us = p->start_us + captured->time_us;
		while (kdnet_deadline(p->k) <= now_us) {
			uint64_t then_us = kdnet_deadline(p->k);
			kdnet_expire(p->k, then_us);
			pull(p, then_us);
		}
		if (!captured->to_target)
			kdnet_receive(p->k, &target, captured->bytes, captured->length,
				      now_us);
		else if (captured->frame != RESPONSE_FRAME)
			mimic(p, captured, now_us);
		pull(p, now_us);
	}
}

/* WinDbg's ACKs, and how many datagrams of the target there are. */
static struct ids windbg_acknowledges(const struct player *p, const struct capture *c,
				      unsigned *from_target)
{
	struct ids ids = { .count = 0 };
	*from_target = 0;
	for (size_t i = 0; i < c->count; i++) {
		const struct captured *captured = &c->datagrams[i];
		uint8_t plain[KDNET_PLAINTEXT_MAX];
		struct kdnet_datagram d;
		struct kd_packet packet;
		*from_target += !captured->to_target;
		if (captured->to_target &&
		    kdnet_open(&d, plain, &p->keys.data, captured->bytes,
			       captured->length) == KDNET_OPENED &&
		    kd_packet_decode(&packet, d.payload, d.length) &&
		    kd_packet_is_control(&packet) && packet.type == KD_PACKET_ACKNOWLEDGE)
			id_add(&ids, packet.id);
	}
	return ids;
}

static void assert_final_state(const struct player *p, unsigned from_target)
{
	const struct kdnet *k = p->k;
	assert_true(kdnet_connected(k));
	assert_int_equal(kdnet_count(k, KDNET_COUNT_RECEIVED), from_target);
	assert_int_equal(kdnet_count(k, KDNET_COUNT_DROPPED_FORM), 0);
	assert_int_equal(kdnet_count(k, KDNET_COUNT_DROPPED_TAG), 0);
	assert_int_equal(kdnet_count(k, KDNET_COUNT_DROPPED_REPLAY), 0);
	assert_int_equal(kdnet_count(k, KDNET_COUNT_RESPONSES), 1);
	assert_int_equal(k->sessions.live.window.highest, 265);
	assert_int_equal(k->sessions.live.version, 4);
	assert_true(k->link.has_last);
	assert_int_equal(k->link.last_id, 0x108);
	assert_int_equal(k->link.next_id, 0x800000fe);
	assert_false(kdnet_send_pending(k));
	assert_in_range(kdnet_round_trip_us(k), 10, 1000);
}

static void the_capture_of_windows_10_is_taken_like_windbg_took_it(void **state)
{
	(void)state;
	struct capture c = capture_win10();
	struct player *p = calloc(1, sizeof(*p));
	p->start_us = 5000000;
	capture_keys_init(&p->keys, WIN10_KEY);

	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	const struct captured *response = &c.datagrams[RESPONSE_FRAME - 1];
	assert_int_equal(kdnet_open(&d, plain, &p->keys.control, response->bytes,
				    response->length),
			 KDNET_OPENED);
	uint8_t nonce[KDNET_NONCE_SIZE];
	memcpy(nonce, d.payload + 2 + KDNET_NONCE_SIZE, sizeof(nonce));
	take_data_key(p, response);
	struct kdnet_config config = { .random = windbg_nonce, .random_context = nonce };
	memcpy(config.key, p->keys.control_key, sizeof(config.key));
	p->k = kdnet_new(&config, p->start_us);
	play(p, &c);

	/* the response is WinDbg's, byte for byte */
	assert_int_equal(p->answer_length, response->length);
	assert_memory_equal(p->answer, response->bytes, response->length);
	/* the connection check was answered as in frame 5; one RESET as in frame 206 */
	assert_int_equal(p->resends, 1);
	assert_int_equal(p->resets, 1);
	assert_int_equal(kdnet_count(p->k, KDNET_COUNT_RESENDS), 1);

	unsigned from_target;
	struct ids windbg = windbg_acknowledges(p, &c, &from_target);
	size_t ours = 0;
	for (size_t i = 0; i < windbg.count; i++, ours++) {
		if (p->acknowledged.id[ours] == LOST_REPLY)
			ours++;
		assert_int_equal(p->acknowledged.id[ours], windbg.id[i]);
	}
	assert_int_equal(ours, p->acknowledged.count);
	assert_int_equal(p->acknowledged.count, windbg.count + 1);
	assert_final_state(p, from_target);
	/* 0x00 to 0x108, and 0x62 once more after the RESET */
	assert_int_equal(p->packets, 0x108 / 2 + 1 + 1);
	assert_int_equal(p->delivered, 0xfe / 2);
	assert_int_equal(p->requests, 0xfe / 2 + 1);

	kdnet_free(p->k);
	free(p);
	capture_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_capture_of_windows_10_is_taken_like_windbg_took_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
