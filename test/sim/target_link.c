#include "test/sim/target_link.h"

#include <assert.h>
#include <string.h>

#include "kdnet/wire.h"

void target_link_init(struct target_link *l, const struct target_link_handlers *handlers,
		      struct stats *stats, uint32_t first_id)
{
	memset(l, 0, sizeof(*l));
	l->handlers = *handlers;
	l->stats = stats;
	l->running = true;
	l->next_id = first_id;
	l->expected_id = LINK_HOST_FIRST_ID;
}

/* ---- what goes out ---- */

static void write_header(struct writer *w, uint32_t leader, enum target_link_type type,
			 size_t length, uint32_t id, uint32_t checksum)
{
	wr_le32(w, leader);
	wr_le16(w, (uint16_t)type);
	wr_le16(w, (uint16_t)length);
	wr_le32(w, id);
	wr_le32(w, checksum);
}

static void send_control(struct target_link *l, enum target_link_type type, uint32_t id)
{
	uint8_t packet[LINK_HEADER_SIZE];
	struct writer w = wr_init(packet, sizeof(packet));
	write_header(&w, LINK_LEADER_CONTROL, type, 0, id, 0);
	if (type == LINK_RESEND)
		stats_count(l->stats, STATS_RESENDS_OUT);
	l->handlers.send(l->handlers.context, packet, sizeof(packet));
}

static uint32_t sum(const uint8_t *data, size_t length)
{
	uint32_t total = 0;
	for (size_t i = 0; i < length; i++)
		total += data[i];
	return total;
}

static void transmit_pending(struct target_link *l, uint64_t now_us)
{
	const struct target_link_payload *payload = &l->pending.payload;
	l->repeat_us = now_us + LINK_REPEAT_US;
	l->handlers.send(l->handlers.context, payload->bytes, payload->length);
}

static void build_packet(struct target_link *l, struct target_link_packet *packet,
			 enum target_link_type type, const uint8_t *data, size_t length)
{
	struct writer w = wr_init(packet->payload.bytes, sizeof(packet->payload.bytes));
	packet->valid = true;
	packet->id = l->next_id;
	l->next_id += LINK_ID_STEP;
	write_header(&w, LINK_LEADER_DATA, type, length, packet->id, sum(data, length));
	wr_bytes(&w, data, length);
	assert(wr_ok(&w));
	packet->payload.length = w.length;
}

void target_link_send(struct target_link *l, enum target_link_type type,
		      const uint8_t *data, size_t length, uint64_t now_us)
{
	assert(!l->pending.valid);
	l->running = false;
	l->pending.report = false;
	build_packet(l, &l->pending, type, data, length);
	transmit_pending(l, now_us);
}

void target_link_report(struct target_link *l, enum target_link_type type,
			enum target_link_type wanted, const uint8_t *data, size_t length,
			uint64_t now_us)
{
	assert(!l->pending.valid);
	l->running = false;
	l->pending.report = true;
	build_packet(l, &l->pending, type, data, length);
	l->report = l->pending;
	l->wanted = wanted;
	transmit_pending(l, now_us);
}

void target_link_resume(struct target_link *l)
{
	l->running = true;
	l->pending.valid = false;
	l->report.valid = false;
}

/* ---- repetition ---- */

static void set_id(struct target_link_packet *packet, uint32_t id)
{
	packet->id = id;
	store_le(packet->payload.bytes + 8, id, 4);
}

uint64_t target_link_deadline(const struct target_link *l)
{
	return l->pending.valid ? l->repeat_us : UINT64_MAX;
}

void target_link_expire(struct target_link *l, uint64_t now_us)
{
	if (!l->pending.valid || now_us < l->repeat_us)
		return;
	stats_count(l->stats, STATS_RETRANSMISSIONS);
	transmit_pending(l, now_us);
}

/*
 * What the host asks for again: the packet on its way, else the report that it has
 * not answered yet. After a RESET the report keeps its id; after a mere RESEND the
 * host still knows that one, so it gets the next.
 */
static void repeat(struct target_link *l, bool reset, uint64_t now_us)
{
	if (!l->pending.valid && l->report.valid) {
		l->pending = l->report;
		if (!reset || l->new_id_on_repeat)
			set_id(&l->pending, l->next_id);
		l->next_id = l->pending.id + LINK_ID_STEP;
	}
	if (reset)
		send_control(l, LINK_RESET,
			     l->pending.valid ? l->pending.id : l->next_id);
	if (!l->pending.valid)
		return;
	stats_count(l->stats, STATS_REPEATS);
	transmit_pending(l, now_us);
}

/* ---- what comes in ---- */

static void on_acknowledge(struct target_link *l, uint32_t id, uint64_t now_us)
{
	if (!l->pending.valid || l->pending.id != id)
		return;
	l->pending.valid = false;
	l->handlers.acknowledged(l->handlers.context, now_us);
}

static void on_control(struct target_link *l, uint16_t type, uint32_t id, uint64_t now_us)
{
	switch (type) {
	case LINK_ACKNOWLEDGE:
		on_acknowledge(l, id, now_us);
		break;
	case LINK_RESEND:
		stats_count(l->stats, STATS_RESENDS_IN);
		if (!l->running)
			repeat(l, false, now_us);
		break;
	case LINK_RESET:
		stats_count(l->stats, STATS_RESETS_IN);
		l->taken = false;
		l->expected_id = id;
		if (!l->running)
			repeat(l, true, now_us);
		break;
	default:
		stats_violation(l->stats, "control packet of type %u", type);
	}
}

/*
 * A packet while another of ours is still to be acknowledged: the host has missed
 * something. It is asked to repeat its own, and where that one can only be the
 * next request the acknowledgement is taken as given (KDNET.md §5, frames 194-205).
 */
static void on_early_packet(struct target_link *l, uint64_t now_us)
{
	uint16_t type = (uint16_t)load_le(l->pending.payload.bytes + 4, 2);
	bool only_printed = type == LINK_DEBUG_IO && !l->pending.report;

	send_control(l, LINK_RESEND, 0);
	if (!l->lenient)
		stats_violation(l->stats,
				"data packet before the acknowledgement of ours");
	if (only_printed)
		return;
	l->pending.valid = false;
	l->handlers.acknowledged(l->handlers.context, now_us);
}

static void take_packet(struct target_link *l, enum target_link_type type, uint32_t id,
			const uint8_t *data, size_t length, uint64_t now_us)
{
	if (id != l->expected_id)
		stats_violation(l->stats, "packet id that is not the next");
	l->taken = true;
	l->taken_id = id;
	l->expected_id = id + LINK_ID_STEP;
	send_control(l, LINK_ACKNOWLEDGE, id);
	l->handlers.packet(l->handlers.context, type, data, length, now_us);
}

static void on_data(struct target_link *l, enum target_link_type type, uint32_t id,
		    const uint8_t *data, size_t length, uint64_t now_us)
{
	if (l->taken && l->taken_id == id) {
		stats_count(l->stats, STATS_DUPLICATES_IN);
		send_control(l, LINK_ACKNOWLEDGE, id);
	} else if (l->running) {
		stats_violation(l->stats, "data packet of type %d while running", type);
	} else if (l->pending.valid) {
		on_early_packet(l, now_us);
	} else if (!l->report.valid || type != l->wanted) {
		stats_violation(l->stats, "data packet of type %d where %d is due", type,
				l->wanted);
		send_control(l, LINK_RESEND, 0);
	} else {
		take_packet(l, type, id, data, length, now_us);
	}
}

static void on_packet(struct target_link *l, const uint8_t *payload, size_t length,
		      uint64_t now_us)
{
	struct reader r = rd_init(payload, length);
	uint32_t leader = rd_le32(&r);
	uint16_t type = rd_le16(&r);
	uint16_t count = rd_le16(&r);
	uint32_t id = rd_le32(&r);
	uint32_t checksum = rd_le32(&r);
	const uint8_t *data = rd_bytes(&r, count);

	if (!rd_done(&r) || sum(data, count) != checksum) {
		stats_violation(l->stats, "packet with a wrong length or checksum");
		send_control(l, LINK_RESEND, 0);
	} else if (leader == LINK_LEADER_CONTROL && count == 0) {
		on_control(l, type, id, now_us);
	} else if (leader == LINK_LEADER_DATA) {
		on_data(l, type, id, data, count, now_us);
	} else {
		stats_violation(l->stats, "packet with a wrong leader");
	}
}

/* Seen in a stop it is lost, or stays for a second stop, as targets differ. */
static void on_break_in(struct target_link *l)
{
	stats_count(l->stats, STATS_BREAK_INS);
	if (l->running || !l->report.valid || l->wanted != LINK_MANIPULATE ||
	    l->keep_break_in)
		l->break_in = true;
}

bool target_link_take_break_in(struct target_link *l)
{
	bool seen = l->break_in;
	l->break_in = false;
	return seen;
}

void target_link_receive(struct target_link *l, const uint8_t *payload, size_t length)
{
	if (l->queued == LINK_QUEUE_SIZE || length > KDNET_PAYLOAD_MAX)
		return;
	struct target_link_payload *slot =
		&l->queue[(l->head + l->queued++) % LINK_QUEUE_SIZE];
	slot->length = length;
	if (length > 0)
		memcpy(slot->bytes, payload, length);
}

/* A packet that lets the target run leaves what is behind it to the next tick. */
void target_link_poll(struct target_link *l, uint64_t now_us)
{
	bool running = l->running;
	while (l->queued > 0 && l->running == running) {
		struct target_link_payload payload = l->queue[l->head];
		l->head = (l->head + 1) % LINK_QUEUE_SIZE;
		l->queued--;
		if (payload.length == 1 && payload.bytes[0] == LINK_BREAK_IN)
			on_break_in(l);
		else
			on_packet(l, payload.bytes, payload.length, now_us);
	}
}
