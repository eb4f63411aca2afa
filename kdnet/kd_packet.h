/* One KD packet: 16-byte header and data. Wire: KD.md §1, KDNET.md §5 [capture]. */
#ifndef KDNET_KD_PACKET_H
#define KDNET_KD_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KD_LEADER_DATA = 0x30303030,
	KD_LEADER_CONTROL = 0x69696969,
	KD_HEADER_SIZE = 16,
	KD_BREAK_IN_BYTE = 0x62, /* alone in its datagram */
	KD_ID_STEP = 2,		 /* from one data packet to the next */
};

#define KD_HOST_FIRST_ID UINT32_C(0x80000000)

enum kd_packet_type {
	KD_PACKET_STATE_CHANGE32 = 1,
	KD_PACKET_MANIPULATE = 2,
	KD_PACKET_DEBUG_IO = 3,
	KD_PACKET_ACKNOWLEDGE = 4,
	KD_PACKET_RESEND = 5,
	KD_PACKET_RESET = 6,
	KD_PACKET_STATE_CHANGE64 = 7,
	KD_PACKET_POLL_BREAK_IN = 8,
	KD_PACKET_TRACE_IO = 9,
	KD_PACKET_CONTROL_REQUEST = 10,
	KD_PACKET_FILE_IO = 11,
};

struct kd_packet {
	uint32_t leader;
	uint16_t type;
	uint32_t id;
	uint32_t checksum;
	const uint8_t *data; /* into the payload */
	size_t length;	     /* of the data */
};

/* The sum of the bytes, mod 2^32. */
uint32_t kd_checksum(const uint8_t *data, size_t length);

/*
 * Takes one datagram's payload apart: false unless it is a header and exactly the
 * data that the header announces. Leader and checksum are the caller's to judge.
 */
bool kd_packet_decode(struct kd_packet *packet, const uint8_t *payload, size_t length);
bool kd_packet_is_data(const struct kd_packet *packet);
bool kd_packet_is_control(const struct kd_packet *packet);
/* Does the checksum fit the data? */
bool kd_packet_is_intact(const struct kd_packet *packet);

/*
 * The target's connection check: eight zeros, then the host's address. No real KD
 * packet: its leader and type are 0 (KDNET.md §4).
 */
bool kd_is_connection_check(const uint8_t *payload, size_t length);

/* A data packet with its checksum. Returns the length, 0 when it does not fit. */
size_t kd_data_encode(uint8_t *out, size_t size, enum kd_packet_type type, uint32_t id,
		      const uint8_t *data, size_t length);
/* An ACKNOWLEDGE, RESEND or RESET. */
void kd_control_encode(uint8_t out[static KD_HEADER_SIZE], enum kd_packet_type type,
		       uint32_t id);

#endif
