#include "kdnet/kd_link.h"

#include <string.h>

enum { BREAK_IN = 0 }; /* in place of a control packet's type */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void kd_link_init(struct kd_link *link, uint32_t first_id, uint64_t *counters)
{
	memset(link, 0, sizeof(*link));
	link->next_id = first_id;
	link->timeout_us = KD_LINK_TIMEOUT_FIRST;
	link->counters = counters;
}

void kd_link_restart(struct kd_link *link, bool new_target)
{
	link->sending = KD_SENDING_IDLE;
	link->resetting = KD_SENDING_IDLE;
	link->resend_run = 0;
	link->reset_answers_open = 0;
	link->has_last = false;
	link->last_sequence = 0;
	link->bad_run = 0;
	link->control_count = 0;
	if (new_target)
		link->next_id = KD_HOST_FIRST_ID;
}

/* ---- what waits to go out ---- */

static bool control_has_room(const struct kd_link *link)
{
	return link->control_count < KD_LINK_CONTROLS;
}

/* Full is no harm: what asked for it will ask again. */
static void control_push(struct kd_link *link, unsigned type, uint32_t id)
{
	if (!control_has_room(link))
		return;
	unsigned slot = (link->control_first + link->control_count) % KD_LINK_CONTROLS;
	link->controls[slot] = (struct kd_link_control){ type, id };
	link->control_count++;
}

/* One of a kind is enough. */
static void control_push_once(struct kd_link *link, unsigned type)
{
	for (unsigned i = 0; i < link->control_count; i++) {
		unsigned slot = (link->control_first + i) % KD_LINK_CONTROLS;
		if (link->controls[slot].type == type)
			return;
	}
	control_push(link, type, 0);
}

/* The id under which our next data goes: what a RESET announces. */
static uint32_t announced_id(const struct kd_link *link)
{
	return link->sending == KD_SENDING_IDLE ? link->next_id : link->packet_id;
}

static void forget_last(struct kd_link *link)
{
	link->has_last = false;
}

static size_t emit_reset(struct kd_link *link, uint64_t now_us)
{
	kd_control_encode(link->control, KD_PACKET_RESET, announced_id(link));
	link->reset_sent_us = now_us;
	link->reset_answers_open++;
	forget_last(link);
	return KD_HEADER_SIZE;
}

static size_t emit_control(struct kd_link *link, uint64_t now_us)
{
	struct kd_link_control control = link->controls[link->control_first];
	link->control_first = (link->control_first + 1) % KD_LINK_CONTROLS;
	link->control_count--;

	if (control.type == BREAK_IN) {
		link->control[0] = KD_BREAK_IN_BYTE;
		return 1;
	}
	if (control.type == KD_PACKET_RESET)
		return emit_reset(link, now_us);
	kd_control_encode(link->control, (enum kd_packet_type)control.type, control.id);
	return KD_HEADER_SIZE;
}

static size_t emit_own_reset(struct kd_link *link, uint64_t now_us)
{
	link->resetting = KD_SENDING_WAITING;
	link->reset_expires_us = now_us + link->reset_wait_us;
	link->reset_wait_us =
		smaller(link->reset_wait_us * 2, KD_LINK_RESET_BACK_OFF_MAX);
	return emit_reset(link, now_us);
}

static size_t emit_packet(struct kd_link *link, uint64_t now_us)
{
	if (link->transmissions > 0)
		link->counters[KDNET_COUNT_REPEATED]++;
	link->transmissions++;
	link->sending = KD_SENDING_WAITING;
	link->sent_us = now_us;
	link->expires_us = now_us + link->wait_us;
	return link->packet_length;
}

size_t kd_link_transmit(struct kd_link *link, const uint8_t **payload, uint64_t now_us)
{
	*payload = link->control;
	if (link->control_count > 0)
		return emit_control(link, now_us);
	if (link->resetting == KD_SENDING_DUE)
		return emit_own_reset(link, now_us);
	if (link->resetting == KD_SENDING_IDLE && link->sending == KD_SENDING_DUE) {
		*payload = link->packet;
		return emit_packet(link, now_us);
	}
	return 0;
}

/* ---- what the caller asks for ---- */

bool kd_link_send(struct kd_link *link, enum kd_packet_type type, const uint8_t *data,
		  size_t length)
{
	if (link->sending != KD_SENDING_IDLE)
		return false;
	link->packet_length = kd_data_encode(link->packet, sizeof(link->packet), type,
					     link->next_id, data, length);
	if (link->packet_length == 0)
		return false;
	link->packet_id = link->next_id;
	link->next_id += KD_ID_STEP;
	link->transmissions = 0;
	link->wait_us = link->timeout_us;
	link->sending = KD_SENDING_DUE;
	return true;
}

bool kd_link_pending(const struct kd_link *link)
{
	return link->sending != KD_SENDING_IDLE;
}

void kd_link_confirm(struct kd_link *link)
{
	link->sending = KD_SENDING_IDLE;
	link->resend_run = 0;
}

void kd_link_break_in(struct kd_link *link)
{
	control_push_once(link, BREAK_IN);
}

static void start_reset(struct kd_link *link)
{
	link->resetting = KD_SENDING_DUE;
	link->reset_wait_us = KD_LINK_RESET_TIMEOUT;
}

void kd_link_reset(struct kd_link *link)
{
	kd_link_confirm(link);
	start_reset(link);
}

/* ---- what the target sends ---- */

static void measure(struct kd_link *link, uint64_t sample_us)
{
	uint64_t *smooth = &link->round_trip_us;
	if (*smooth == 0)
		*smooth = sample_us > 0 ? sample_us : 1;
	else
		*smooth = (*smooth * 7 + sample_us) / 8;
	uint64_t timeout = smaller(*smooth * 4, KD_LINK_TIMEOUT_MAX);
	link->timeout_us = timeout > KD_LINK_TIMEOUT_MIN ? timeout : KD_LINK_TIMEOUT_MIN;
}

static enum kd_link_event on_acknowledge(struct kd_link *link, uint32_t id, size_t room,
					 uint64_t now_us)
{
	bool ours = link->sending != KD_SENDING_IDLE && link->transmissions > 0 &&
		    id == link->packet_id;
	if (!ours || room == 0)
		return KD_LINK_NOTHING;
	/* of a repeated packet nobody knows which one the ACK means (Karn) */
	if (link->transmissions == 1)
		measure(link, now_us - link->sent_us);
	kd_link_confirm(link);
	return KD_LINK_DELIVERED;
}

static enum kd_link_event on_resend(struct kd_link *link)
{
	link->counters[KDNET_COUNT_RESENDS]++;
	if (link->sending == KD_SENDING_IDLE || link->transmissions == 0)
		return KD_LINK_NOTHING;
	link->resend_run++;
	if (link->resend_run < KD_LINK_RESEND_RUN)
		link->sending = KD_SENDING_DUE;
	else if (link->resend_run == KD_LINK_RESEND_RUN)
		start_reset(link);
	/* beyond: the timer alone repeats, or both sides would spin */
	return KD_LINK_NOTHING;
}

static void repeat_packet(struct kd_link *link)
{
	if (link->sending == KD_SENDING_WAITING)
		link->sending = KD_SENDING_DUE;
}

/* Each RESET of ours may be answered by one of the target's: that needs no answer. */
static bool take_reset_answer(struct kd_link *link, uint64_t now_us)
{
	if (now_us - link->reset_sent_us > KD_LINK_RESET_LATE)
		link->reset_answers_open = 0;
	if (link->reset_answers_open == 0)
		return link->resetting == KD_SENDING_WAITING;
	link->reset_answers_open--;
	return true;
}

static void reset_is_answered(struct kd_link *link)
{
	if (link->resetting != KD_SENDING_WAITING)
		return;
	link->resetting = KD_SENDING_IDLE;
	repeat_packet(link);
}

static enum kd_link_event on_reset(struct kd_link *link, uint64_t sequence, size_t room,
				   uint64_t now_us)
{
	/* one that came after the data which followed it tells nothing any more */
	bool overtaken = link->has_last && sequence < link->last_sequence;
	bool answer = take_reset_answer(link, now_us);
	if (!answer && room == 0)
		return KD_LINK_NOTHING;
	bool late = answer && link->resetting != KD_SENDING_WAITING;
	if (!overtaken && !late)
		forget_last(link);
	reset_is_answered(link);
	if (answer)
		return KD_LINK_NOTHING;

	if (link->resetting == KD_SENDING_IDLE)
		control_push_once(link, KD_PACKET_RESET);
	repeat_packet(link);
	return KD_LINK_RESET;
}

static enum kd_link_event on_control(struct kd_link *link, const struct kd_packet *packet,
				     uint64_t sequence, size_t room, uint64_t now_us)
{
	switch (packet->type) {
	case KD_PACKET_ACKNOWLEDGE:
		return on_acknowledge(link, packet->id, room, now_us);
	case KD_PACKET_RESEND:
		return on_resend(link);
	case KD_PACKET_RESET:
		return on_reset(link, sequence, room, now_us);
	default:
		return KD_LINK_NOTHING;
	}
}

/*
 * The last one again, or an older one that was overtaken on the way. An older id in
 * a newer datagram is no repetition: stop-and-wait never goes back, so those ids
 * were started anew.
 */
static bool is_duplicate(const struct kd_link *link, uint32_t id, uint64_t sequence)
{
	if (!link->has_last)
		return false;
	if (id == link->last_id)
		return true;
	return sequence < link->last_sequence && (int32_t)(id - link->last_id) < 0;
}

static enum kd_link_event on_data(struct kd_link *link, const struct kd_packet *packet,
				  uint64_t sequence, size_t room)
{
	if (!control_has_room(link))
		return KD_LINK_NOTHING; /* it could not be acknowledged */
	reset_is_answered(link);
	if (is_duplicate(link, packet->id, sequence)) {
		link->counters[KDNET_COUNT_DUPLICATES]++;
		control_push(link, KD_PACKET_ACKNOWLEDGE, packet->id);
		return KD_LINK_NOTHING;
	}
	if (room == 0)
		return KD_LINK_NOTHING;
	control_push(link, KD_PACKET_ACKNOWLEDGE, packet->id);
	link->has_last = true;
	link->last_id = packet->id;
	if (sequence > link->last_sequence)
		link->last_sequence = sequence;
	return KD_LINK_PACKET;
}

/* Asks for a damaged packet again; a target that always sends bad ones, less often. */
static void ask_again(struct kd_link *link, uint64_t now_us)
{
	if (++link->bad_run > KD_LINK_RESEND_RUN) {
		if (now_us < link->bad_pause_until_us)
			return;
		link->bad_pause_until_us = now_us + KD_LINK_RESEND_PAUSE;
	}
	control_push_once(link, KD_PACKET_RESEND);
}

static bool begins_as_data(const uint8_t *payload, size_t length)
{
	const uint8_t leader[4] = { 0x30, 0x30, 0x30, 0x30 };
	return length >= sizeof(leader) && memcmp(payload, leader, sizeof(leader)) == 0;
}

enum kd_link_event kd_link_receive(struct kd_link *link, struct kd_packet *packet,
				   const uint8_t *payload, size_t length,
				   uint64_t sequence, size_t room, uint64_t now_us)
{
	bool whole = kd_packet_decode(packet, payload, length);
	if (whole && kd_packet_is_control(packet))
		return on_control(link, packet, sequence, room, now_us);
	if (whole && kd_packet_is_data(packet) && kd_packet_is_intact(packet)) {
		link->bad_run = 0;
		return on_data(link, packet, sequence, room);
	}
	if (begins_as_data(payload, length))
		ask_again(link, now_us);
	else if (kd_is_connection_check(payload, length))
		/* needs no answer, but WinDbg gives this one */
		control_push_once(link, KD_PACKET_RESEND);
	return KD_LINK_NOTHING;
}

/* ---- time ---- */

uint64_t kd_link_deadline(const struct kd_link *link)
{
	if (link->resetting != KD_SENDING_IDLE)
		return link->resetting == KD_SENDING_WAITING ? link->reset_expires_us
							     : UINT64_MAX;
	return link->sending == KD_SENDING_WAITING ? link->expires_us : UINT64_MAX;
}

static void back_off(struct kd_link *link)
{
	link->wait_us = smaller(link->wait_us * 2, KD_LINK_BACK_OFF_MAX);
	/* kept for the next packet until one is measured, or a slow link never would be */
	link->timeout_us = smaller(link->wait_us, KD_LINK_TIMEOUT_MAX);
}

void kd_link_expire(struct kd_link *link, uint64_t now_us)
{
	if (now_us < kd_link_deadline(link))
		return;
	if (link->resetting == KD_SENDING_WAITING) {
		link->resetting = KD_SENDING_DUE;
		return;
	}
	if (link->sending != KD_SENDING_WAITING)
		return;
	back_off(link);
	link->sending = KD_SENDING_DUE;
	if (link->resend_run >= KD_LINK_RESEND_RUN)
		link->resend_run = 0;
}
