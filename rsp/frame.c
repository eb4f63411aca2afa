#include "rsp/frame.h"

#include <string.h>

#include "rsp/hex.h"

enum {
	INTERRUPT = 0x03,
	LENGTH_SIZE = 4, /* of a queued packet, host order */

	/* Run lengths: c '*' n stands for c and n - 29 more of it. */
	RUN_BASE = 29,
	RUN_MIN = 3,
	RUN_MAX = 126 - RUN_BASE,
};

/* Makes room for n more bytes of the packet that is being received. */
static bool queue_room(struct frame *f, size_t n)
{
	size_t needed = LENGTH_SIZE + f->partial + n;
	if (needed <= FRAME_QUEUE_SIZE - f->tail)
		return true;
	size_t used = f->tail - f->head;
	if (needed > FRAME_QUEUE_SIZE - used)
		return false;
	size_t begun = f->partial > 0 ? LENGTH_SIZE + f->partial : 0;
	memmove(f->queue, f->queue + f->head, used + begun);
	f->head = 0;
	f->tail = used;
	return true;
}

static enum frame_event take_payload(struct frame *f, uint8_t byte)
{
	if (byte == '#') {
		f->state = FRAME_CHECKSUM_HIGH;
		return FRAME_NOTHING;
	}
	if (byte == '$') { /* a real one is escaped: the packet before was cut off */
		f->partial = 0;
		f->checksum = 0;
		return FRAME_NOTHING;
	}
	if (f->partial == RSP_PACKET_MAX || !queue_room(f, 1))
		return FRAME_OVERFLOW;
	f->queue[f->tail + LENGTH_SIZE + f->partial++] = byte;
	f->checksum = (uint8_t)(f->checksum + byte);
	return FRAME_NOTHING;
}

/* Without acks nothing can be asked for again, and clients need not count: taken. */
static enum frame_event finish_packet(struct frame *f, uint8_t byte)
{
	f->state = FRAME_OUTSIDE;
	int low = hex_digit(byte);
	bool digits = f->high >= 0 && low >= 0;
	if (!digits || (!f->no_ack && f->checksum != (f->high << 4 | low))) {
		f->partial = 0;
		return FRAME_BROKEN;
	}
	if (!queue_room(f, 0)) /* an empty packet: room for its length */
		return FRAME_OVERFLOW;
	uint32_t length = (uint32_t)f->partial;
	memcpy(f->queue + f->tail, &length, LENGTH_SIZE);
	f->tail += LENGTH_SIZE + f->partial;
	f->partial = 0;
	f->packets++;
	return FRAME_PACKET;
}

static enum frame_event take_outside(struct frame *f, uint8_t byte)
{
	switch (byte) {
	case '$':
		f->state = FRAME_PAYLOAD;
		f->partial = 0;
		f->checksum = 0;
		return FRAME_NOTHING;
	case '+':
		return FRAME_ACK;
	case '-':
		return FRAME_NAK;
	case INTERRUPT:
		return FRAME_INTERRUPT;
	default:
		return FRAME_FOREIGN;
	}
}

enum frame_event frame_take(struct frame *f, uint8_t byte)
{
	switch (f->state) {
	case FRAME_PAYLOAD:
		return take_payload(f, byte);
	case FRAME_CHECKSUM_HIGH:
		f->high = hex_digit(byte);
		f->state = FRAME_CHECKSUM_LOW;
		return FRAME_NOTHING;
	case FRAME_CHECKSUM_LOW:
		return finish_packet(f, byte);
	case FRAME_OUTSIDE:
		break;
	}
	return take_outside(f, byte);
}

bool frame_peek(const struct frame *f, const uint8_t **payload, size_t *length)
{
	if (f->head == f->tail)
		return false;
	uint32_t stored;
	memcpy(&stored, f->queue + f->head, LENGTH_SIZE);
	*payload = f->queue + f->head + LENGTH_SIZE;
	*length = stored;
	return true;
}

void frame_pop(struct frame *f)
{
	const uint8_t *payload;
	size_t length;
	if (!frame_peek(f, &payload, &length))
		return;
	f->head += LENGTH_SIZE + length;
	f->packets--;
	/* While a packet is coming in behind, its place must stay. */
	if (f->head == f->tail && f->partial == 0)
		f->head = f->tail = 0;
}

/* How long the run at the start of the payload is, as a count that may be sent; 0: none.
 * Counts that would look like '#', '$', '+' and '-' are left out. */
static size_t run_length(const uint8_t *payload, size_t length)
{
	size_t more = 0;
	while (more < RUN_MAX && more + 1 < length && payload[more + 1] == payload[0])
		more++;
	while (more >= RUN_MIN && strchr("#$+-", RUN_BASE + (int)more))
		more--;
	return more < RUN_MIN ? 0 : more;
}

size_t frame_room(const struct frame *f)
{
	return FRAME_OUTPUT_SIZE - (f->out_tail - f->out_head);
}

/* The output from a free place of n bytes on; NULL when there is none. */
static uint8_t *output_room(struct frame *f, size_t n)
{
	if (n > frame_room(f))
		return NULL;
	if (n > FRAME_OUTPUT_SIZE - f->out_tail) {
		memmove(f->output, f->output + f->out_head, f->out_tail - f->out_head);
		f->out_tail -= f->out_head;
		f->out_head = 0;
	}
	return f->output + f->out_tail;
}

/*
 * An escape and the byte behind it stay together and never begin a run: gdb expands runs
 * before escapes, lldb both in one pass, and they would repeat different bytes.
 */
static uint8_t *shorten(uint8_t *out, const uint8_t *payload, size_t length)
{
	for (size_t i = 0; i < length;) {
		*out++ = payload[i];
		if (payload[i] == RSP_ESCAPE && i + 1 < length) {
			*out++ = payload[i + 1];
			i += 2;
			continue;
		}
		size_t more = run_length(payload + i, length - i);
		if (more > 0) {
			*out++ = '*';
			*out++ = (uint8_t)(RUN_BASE + more);
		}
		i += 1 + more;
	}
	return out;
}

bool frame_send(struct frame *f, const uint8_t *payload, size_t length)
{
	uint8_t *start = output_room(f, length + FRAME_OVERHEAD);
	if (!start)
		return false;
	uint8_t *out = start;
	*out++ = '$';
	uint8_t *body = out;
	out = shorten(out, payload, length);
	uint8_t checksum = 0;
	for (const uint8_t *p = body; p < out; p++)
		checksum = (uint8_t)(checksum + *p);
	*out++ = '#';
	*out++ = (uint8_t)hex_char(checksum >> 4);
	*out++ = (uint8_t)hex_char(checksum);
	f->out_tail += (size_t)(out - start);
	return true;
}

void frame_send_byte(struct frame *f, uint8_t byte)
{
	if (frame_room(f) <= FRAME_RESERVE)
		return;
	*output_room(f, 1) = byte;
	f->out_tail++;
}

void frame_sent(struct frame *f, size_t length)
{
	size_t waiting = f->out_tail - f->out_head;
	f->out_head += length < waiting ? length : waiting;
	if (f->out_head == f->out_tail)
		f->out_head = f->out_tail = 0;
}
