/*
 * One end of the KD packet layer: stop-and-wait in both directions. Ids, ACK, RESEND,
 * RESET, repetition by measured round trips. Payloads in, payloads out; it knows
 * nothing of keys, sockets or the meaning of a packet. Wire: KDNET.md §5.
 *
 * What we send, enum kd_sending:
 *
 *     IDLE ──kd_link_send──▶ DUE ──transmit──▶ WAITING ──its ACK, confirm──▶ IDLE
 *                             ▲                   │
 *                             └── timer, RESEND ──┘      RESET of ours: to IDLE
 *
 * Our own RESET, in the same states: DUE at kd_link_reset, WAITING once transmitted,
 * IDLE at the target's RESET or data; its timer makes it DUE again. While it is not
 * IDLE, data is held back, as the RESET announces the id under which it goes.
 */
#ifndef KDNET_KD_LINK_H
#define KDNET_KD_LINK_H

#include "kdnet/kd_packet.h"
#include "kdnet/kdnet.h"

enum {
	KD_LINK_CONTROLS = 32, /* ACKs and the like that wait to be transmitted */

	/* microseconds */
	KD_LINK_TIMEOUT_FIRST = 200000, /* before a round trip was measured */
	KD_LINK_TIMEOUT_MIN = 20000,
	KD_LINK_TIMEOUT_MAX = 500000, /* of a packet's first repetition */
	KD_LINK_BACK_OFF_MAX = 2000000,
	KD_LINK_RESET_TIMEOUT = 500000,
	KD_LINK_RESET_BACK_OFF_MAX = 4000000,
	/* A RESET of the target within that time may be one more answer to ours. */
	KD_LINK_RESET_LATE = 2000000,
	/* Our RESENDs, once a run of bad packets is that of a target that stays bad. */
	KD_LINK_RESEND_PAUSE = 500000,

	KD_LINK_RESEND_RUN = 24, /* RESENDs in a row before we RESET */
};

enum kd_sending { KD_SENDING_IDLE, KD_SENDING_DUE, KD_SENDING_WAITING };

struct kd_link_control {
	unsigned type; /* enum kd_packet_type, or 0: the break-in byte */
	uint32_t id;
};

struct kd_link {
	/* our data packet */
	enum kd_sending sending;
	uint32_t next_id;
	uint32_t packet_id;
	size_t packet_length; /* encoded */
	unsigned transmissions;
	uint64_t sent_us;
	uint64_t expires_us;
	uint64_t wait_us;    /* until the next repetition of this packet */
	uint64_t timeout_us; /* what a new packet starts with */
	uint64_t round_trip_us;
	unsigned resend_run; /* RESENDs since something of ours arrived */

	/* our RESET */
	enum kd_sending resetting;
	uint64_t reset_sent_us;
	uint64_t reset_expires_us;
	uint64_t reset_wait_us;
	unsigned reset_answers_open;

	/* the target's data */
	bool has_last;
	uint32_t last_id;
	uint64_t last_sequence; /* KDNET number of the newest data packet */
	unsigned bad_run;
	uint64_t bad_pause_until_us;

	unsigned control_first;
	unsigned control_count;
	struct kd_link_control controls[KD_LINK_CONTROLS];

	uint64_t *counters; /* [KDNET_COUNTERS] */
	uint8_t control[KD_HEADER_SIZE];
	uint8_t packet[KDNET_PAYLOAD_MAX];
};

/* The counters belong to the caller. */
void kd_link_init(struct kd_link *link, uint32_t first_id, uint64_t *counters);
/* Another session: nothing in flight, nothing seen. A new target starts ids anew. */
void kd_link_restart(struct kd_link *link, bool new_target);

/* What a payload was, for the caller to tell. */
enum kd_link_event {
	KD_LINK_NOTHING,
	KD_LINK_PACKET,	   /* new data, acknowledged */
	KD_LINK_DELIVERED, /* ours was */
	KD_LINK_RESET,	   /* the target's, not an answer to ours */
};

/*
 * Takes one payload. *packet is set for KD_LINK_PACKET and points into it.
 *   sequence  its KDNET number: tells a late repetition from a new packet
 *   room      packets that the caller can take; what it could not is not
 *             acknowledged, so that the target sends it again
 */
enum kd_link_event kd_link_receive(struct kd_link *link, struct kd_packet *packet,
				   const uint8_t *payload, size_t length,
				   uint64_t sequence, size_t room, uint64_t now_us);

/* The next payload to send, valid until the next call; 0 when there is none. */
size_t kd_link_transmit(struct kd_link *link, const uint8_t **payload, uint64_t now_us);

/* False while another one is not acknowledged, or when it is too long. */
bool kd_link_send(struct kd_link *link, enum kd_packet_type type, const uint8_t *data,
		  size_t length);
bool kd_link_pending(const struct kd_link *link);
void kd_link_confirm(struct kd_link *link);
void kd_link_break_in(struct kd_link *link);
/* Drops what is in flight. */
void kd_link_reset(struct kd_link *link);

uint64_t kd_link_deadline(const struct kd_link *link);
void kd_link_expire(struct kd_link *link, uint64_t now_us);

#endif
