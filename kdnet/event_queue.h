/*
 * Events on their way to the caller: a ring of fixed slots, each with room for one KD
 * packet's data, and the notices, each told once. A flood never makes it grow.
 */
#ifndef KDNET_EVENT_QUEUE_H
#define KDNET_EVENT_QUEUE_H

#include "kdnet/kdnet.h"

enum {
	KDNET_QUEUE_SLOTS = 16,
	/* Packets leave as many slots to events without data. */
	KDNET_QUEUE_RESERVE = 4,
};

struct kdnet_queue_slot {
	struct kdnet_event event;
	uint8_t data[KDNET_KD_DATA_MAX];
};

/* All zeros is an empty queue. */
struct kdnet_queue {
	unsigned first;
	unsigned count;
	uint32_t told;	  /* bit n: notice n was told */
	uint32_t waiting; /* bit n: notice n waits for the caller */
	struct kdnet_peer notice_peer[KDNET_NOTICES];
	uint8_t notice_version[KDNET_NOTICES];
	struct kdnet_queue_slot slots[KDNET_QUEUE_SLOTS];
};

size_t kdnet_queue_room(const struct kdnet_queue *q);
/* An event of that type, to be filled in by the caller; NULL when there is no room. */
struct kdnet_event *kdnet_queue_push(struct kdnet_queue *q, enum kdnet_event_type type);
/* For the events that void all before them: makes room if there is none. */
struct kdnet_event *kdnet_queue_push_always(struct kdnet_queue *q,
					    enum kdnet_event_type type);
/* With a copy of the data; false, when only the reserve is left. */
bool kdnet_queue_push_packet(struct kdnet_queue *q, enum kd_packet_type type,
			     const uint8_t *data, size_t length);
/* Tells it unless it was told before. */
void kdnet_queue_notice(struct kdnet_queue *q, enum kdnet_notice notice,
			const struct kdnet_peer *peer, uint8_t version);
/* From now on the notice is news again. */
void kdnet_queue_rearm(struct kdnet_queue *q, enum kdnet_notice notice);
/* The next event; its data stays until the next push. */
bool kdnet_queue_pop(struct kdnet_queue *q, struct kdnet_event *event);

#endif
