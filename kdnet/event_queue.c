#include "kdnet/event_queue.h"

#include <string.h>

_Static_assert(KDNET_NOTICES <= 32, "notices are bits of a uint32_t");

size_t kdnet_queue_room(const struct kdnet_queue *q)
{
	return KDNET_QUEUE_SLOTS - q->count;
}

static struct kdnet_queue_slot *take_slot(struct kdnet_queue *q,
					  enum kdnet_event_type type)
{
	struct kdnet_queue_slot *slot =
		&q->slots[(q->first + q->count) % KDNET_QUEUE_SLOTS];
	q->count++;
	slot->event = (struct kdnet_event){ .type = type };
	return slot;
}

struct kdnet_event *kdnet_queue_push(struct kdnet_queue *q, enum kdnet_event_type type)
{
	return kdnet_queue_room(q) > 0 ? &take_slot(q, type)->event : NULL;
}

struct kdnet_event *kdnet_queue_push_always(struct kdnet_queue *q,
					    enum kdnet_event_type type)
{
	if (kdnet_queue_room(q) == 0)
		q->count = 0;
	return &take_slot(q, type)->event;
}

bool kdnet_queue_push_packet(struct kdnet_queue *q, enum kd_packet_type type,
			     const uint8_t *data, size_t length)
{
	if (kdnet_queue_room(q) <= KDNET_QUEUE_RESERVE || length > KDNET_KD_DATA_MAX)
		return false;
	struct kdnet_queue_slot *slot = take_slot(q, KDNET_PACKET);
	if (length > 0)
		memcpy(slot->data, data, length);
	slot->event.packet = type;
	slot->event.data = slot->data;
	slot->event.length = length;
	return true;
}

void kdnet_queue_notice(struct kdnet_queue *q, enum kdnet_notice notice,
			const struct kdnet_peer *peer, uint8_t version)
{
	uint32_t bit = UINT32_C(1) << notice;
	if (q->told & bit)
		return;
	q->told |= bit;
	q->waiting |= bit;
	q->notice_peer[notice] = *peer;
	q->notice_version[notice] = version;
}

void kdnet_queue_rearm(struct kdnet_queue *q, enum kdnet_notice notice)
{
	q->told &= ~(UINT32_C(1) << notice);
}

static bool pop_notice(struct kdnet_queue *q, struct kdnet_event *event)
{
	for (unsigned n = 0; n < KDNET_NOTICES; n++) {
		if (!(q->waiting & UINT32_C(1) << n))
			continue;
		q->waiting &= ~(UINT32_C(1) << n);
		*event = (struct kdnet_event){
			.type = KDNET_NOTICE,
			.notice = (enum kdnet_notice)n,
			.peer = q->notice_peer[n],
			.version = q->notice_version[n],
		};
		return true;
	}
	return false;
}

bool kdnet_queue_pop(struct kdnet_queue *q, struct kdnet_event *event)
{
	if (q->count == 0)
		return pop_notice(q, event);
	*event = q->slots[q->first].event;
	q->first = (q->first + 1) % KDNET_QUEUE_SLOTS;
	q->count--;
	return true;
}
