/*
 * KD packets and the link that they reach, without keys around them: each step is one
 * byte and what it needs. What the link takes is what its target sent, and it stays able
 * to send.
 */
#include "test/fuzz/fuzz.h"

#include "kdnet/kd_link.h"
#include "kdnet/wire.h"

struct harness {
	struct kd_link link;
	uint64_t counters[KDNET_COUNTERS];
	struct reader input;
	uint64_t now_us, sequence;
};

static void deliver(struct harness *h, const uint8_t *payload, size_t length)
{
	struct kd_packet packet;
	size_t room = rd_8(&h->input) & 3;
	enum kd_link_event event = kd_link_receive(&h->link, &packet, payload, length,
						   ++h->sequence, room, h->now_us);
	if (event != KD_LINK_PACKET)
		return;
	must(room > 0 && kd_packet_is_data(&packet) && kd_packet_is_intact(&packet));
	must(packet.data >= payload && packet.length <= length);
}

static const uint8_t *part(struct harness *h, size_t *length)
{
	size_t wanted = rd_8(&h->input);
	*length = wanted < h->input.left ? wanted : h->input.left;
	return rd_bytes(&h->input, *length);
}

static void step_raw(struct harness *h)
{
	size_t length;
	const uint8_t *payload = part(h, &length);
	deliver(h, payload, length);
}

static void step_data(struct harness *h)
{
	uint8_t payload[KD_HEADER_SIZE + UINT8_MAX];
	enum kd_packet_type type = (enum kd_packet_type)(rd_8(&h->input) & 15);
	uint32_t id = rd_8(&h->input) & 15;
	size_t length;
	const uint8_t *data = part(h, &length);
	size_t size = kd_data_encode(payload, sizeof(payload), type, id, data, length);
	must(size == KD_HEADER_SIZE + length);
	deliver(h, payload, size);
}

static void step_control(struct harness *h)
{
	uint8_t payload[KD_HEADER_SIZE];
	unsigned type = KD_PACKET_ACKNOWLEDGE + rd_8(&h->input) % 3u;
	kd_control_encode(payload, (enum kd_packet_type)type,
			  KD_HOST_FIRST_ID + (rd_8(&h->input) & 15));
	deliver(h, payload, sizeof(payload));
}

static void step_time(struct harness *h)
{
	uint64_t deadline_us = kd_link_deadline(&h->link);
	if (rd_8(&h->input) & 1 && deadline_us != UINT64_MAX && deadline_us > h->now_us)
		h->now_us = deadline_us;
	else
		h->now_us += (uint64_t)rd_8(&h->input) * 10000;
	kd_link_expire(&h->link, h->now_us);
}

static void step_ask(struct harness *h)
{
	switch (rd_8(&h->input) % 6) {
	case 0:
		must(kd_link_send(&h->link, KD_PACKET_MANIPULATE, h->input.pos,
				  h->input.left < 64 ? h->input.left : 64) ||
		     h->link.sending != KD_SENDING_IDLE);
		break;
	case 1:
		kd_link_reset(&h->link);
		break;
	case 2:
		kd_link_break_in(&h->link);
		break;
	case 3:
		kd_link_confirm(&h->link);
		break;
	case 4:
		kd_link_restart(&h->link, rd_8(&h->input) & 1);
		break;
	case 5:
		h->sequence -= h->sequence > 8 ? rd_8(&h->input) & 7u : 0;
		break;
	}
}

static void step_transmit(struct harness *h)
{
	const uint8_t *payload;
	struct kd_packet packet;
	size_t length;
	for (unsigned n = 0;
	     (length = kd_link_transmit(&h->link, &payload, h->now_us)) > 0; n++) {
		must(n <= KD_LINK_CONTROLS + 2);
		must(length == 1 || kd_packet_decode(&packet, payload, length));
	}
	must(kd_link_deadline(&h->link) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct harness *) = {
		step_raw, step_data, step_control, step_time, step_ask, step_transmit,
	};
	struct harness h = { .input = rd_init(data, size), .now_us = 1000000 };
	struct kd_packet packet;
	if (kd_packet_decode(&packet, data, size))
		must(packet.length == size - KD_HEADER_SIZE);
	(void)kd_is_connection_check(data, size);
	kd_link_init(&h.link, KD_HOST_FIRST_ID, h.counters);
	while (rd_ok(&h.input) && h.input.left > 0)
		steps[rd_8(&h.input) % (sizeof(steps) / sizeof(steps[0]))](&h);
	step_transmit(&h);
	return 0;
}
