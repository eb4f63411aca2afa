/* One link alone: the test says what the target sends, and looks at what we do. */
#ifndef TEST_KD_LINK_FIXTURE_H
#define TEST_KD_LINK_FIXTURE_H

#include "kdnet/kd_link.h"
#include "test/util.h"

enum { ROOM = 12, MILLISECOND = 1000 };

struct fixture {
	struct kd_link link;
	uint64_t counters[KDNET_COUNTERS];
	uint64_t now_us;
	uint64_t sequence; /* of the last payload that was given to the link */
	uint8_t last[KDNET_PAYLOAD_MAX];
};

static inline struct fixture *start(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	kd_link_init(&f->link, KD_HOST_FIRST_ID, f->counters);
	f->now_us = 1000000;
	return f;
}

static inline enum kd_link_event take(struct fixture *f, const uint8_t *payload,
				      size_t length, uint64_t sequence, size_t room)
{
	struct kd_packet packet;
	uint8_t *exact = test_exact_copy(payload, length);
	enum kd_link_event event = kd_link_receive(&f->link, &packet, exact, length,
						   sequence, room, f->now_us);
	free(exact);
	return event;
}

static inline enum kd_link_event control(struct fixture *f, enum kd_packet_type type,
					 uint32_t id)
{
	uint8_t packet[KD_HEADER_SIZE];
	kd_control_encode(packet, type, id);
	return take(f, packet, sizeof(packet), ++f->sequence, ROOM);
}

static inline enum kd_link_event data_at(struct fixture *f, uint32_t id,
					 uint64_t sequence, size_t room)
{
	uint8_t packet[KD_HEADER_SIZE + 3];
	size_t length = kd_data_encode(packet, sizeof(packet), KD_PACKET_DEBUG_IO, id,
				       (const uint8_t *)"abc", 3);
	return take(f, packet, length, sequence, room);
}

static inline enum kd_link_event data(struct fixture *f, uint32_t id)
{
	return data_at(f, id, ++f->sequence, ROOM);
}

static inline bool send(struct fixture *f, const char *text)
{
	return kd_link_send(&f->link, KD_PACKET_MANIPULATE, (const uint8_t *)text,
			    strlen(text));
}

/* The next payload of the link is that control packet, or that data, or nothing. */
static inline void expect_control(struct fixture *f, enum kd_packet_type type,
				  uint32_t id)
{
	const uint8_t *payload;
	struct kd_packet packet;
	size_t length = kd_link_transmit(&f->link, &payload, f->now_us);
	assert_int_equal(length, KD_HEADER_SIZE);
	assert_true(kd_packet_decode(&packet, payload, length));
	assert_true(kd_packet_is_control(&packet));
	assert_int_equal(packet.type, type);
	assert_int_equal(packet.id, id);
}

static inline void expect_data(struct fixture *f, uint32_t id, const char *text)
{
	const uint8_t *payload;
	struct kd_packet packet;
	size_t length = kd_link_transmit(&f->link, &payload, f->now_us);
	assert_true(kd_packet_decode(&packet, payload, length));
	assert_true(kd_packet_is_data(&packet) && kd_packet_is_intact(&packet));
	assert_int_equal(packet.id, id);
	assert_int_equal(packet.length, strlen(text));
	assert_memory_equal(packet.data, text, packet.length);
}

static inline void expect_silence(struct fixture *f)
{
	const uint8_t *payload;
	assert_int_equal(kd_link_transmit(&f->link, &payload, f->now_us), 0);
}

static inline void expire_after(struct fixture *f, uint64_t us)
{
	f->now_us += us;
	kd_link_expire(&f->link, f->now_us);
}

static inline void acknowledge_sent(struct fixture *f, uint32_t id)
{
	assert_int_equal(control(f, KD_PACKET_ACKNOWLEDGE, id), KD_LINK_DELIVERED);
}

/* Sends one packet and has it acknowledged after that time. */
static inline void round_trip(struct fixture *f, uint64_t us)
{
	uint32_t id = f->link.next_id;
	assert_true(send(f, "x"));
	expect_data(f, id, "x");
	f->now_us += us;
	acknowledge_sent(f, id);
}

#endif
