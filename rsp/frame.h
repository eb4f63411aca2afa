/*
 * Bytes to packets and packets to bytes: `$payload#checksum`, acknowledgements, the
 * interrupt byte. Sans-I/O, fixed buffers: what a client may make us keep is bounded by
 * them, and untouched pages cost nothing. Private to rsp/. Wire: RSP.md §6, §9.
 */
#ifndef RSP_FRAME_H
#define RSP_FRAME_H

#include "rsp/rsp.h"

enum {
	/* A payload that we send: binary of RSP_PACKET_MAX bytes, each escaped, and a prefix. */
	FRAME_PAYLOAD_MAX = 2 * RSP_PACKET_MAX + 64,
	FRAME_OVERHEAD = 4, /* $ # and the checksum */
	FRAME_QUEUE_SIZE = 4 * RSP_PACKET_MAX,
	/* Kept free of console text and acks, so that there is always room for one reply. */
	FRAME_RESERVE = FRAME_PAYLOAD_MAX + FRAME_OVERHEAD,
	FRAME_OUTPUT_SIZE = 4 * FRAME_RESERVE,
};

enum frame_state {
	FRAME_OUTSIDE, /* between packets */
	FRAME_PAYLOAD,
	FRAME_CHECKSUM_HIGH,
	FRAME_CHECKSUM_LOW,
};

/* What a byte completed. */
enum frame_event {
	FRAME_NOTHING,
	FRAME_PACKET, /* a good one is in the queue */
	FRAME_BROKEN, /* one with a wrong checksum was dropped */
	FRAME_INTERRUPT,
	FRAME_ACK,
	FRAME_NAK,
	FRAME_FOREIGN,	/* a byte between packets that means nothing there */
	FRAME_OVERFLOW, /* longer than RSP_PACKET_MAX, or more than the queue holds */
};

struct frame {
	enum frame_state state;
	bool no_ack;
	uint8_t checksum; /* of the payload so far */
	int high;	  /* the first checksum digit, -1 when it is none */

	/* Queue: complete packets in [head, tail), each behind its length, then the payload
	 * that is being received, of `partial` bytes. */
	size_t head, tail, partial, packets;
	/* Output: [out_head, out_tail) waits to be written. */
	size_t out_head, out_tail;
	uint8_t queue[FRAME_QUEUE_SIZE];
	uint8_t output[FRAME_OUTPUT_SIZE];
};

enum frame_event frame_take(struct frame *f, uint8_t byte);

/* The first packet of the queue as it came, still escaped; false when there is none. */
bool frame_peek(const struct frame *f, const uint8_t **payload, size_t *length);
void frame_pop(struct frame *f);

/* How much more output fits. */
size_t frame_room(const struct frame *f);
/*
 * Sends a payload, runs shortened. Bytes that need it are escaped already. False when it
 * does not fit: then nothing of it is sent.
 */
bool frame_send(struct frame *f, const uint8_t *payload, size_t length);
/* A single '+' or '-'; left out when the reserve begins. */
void frame_send_byte(struct frame *f, uint8_t byte);
void frame_sent(struct frame *f, size_t length);

#endif
