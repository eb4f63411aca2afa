#include "kdnet/kd_packet.h"

#include "kdnet/wire.h"

uint32_t kd_checksum(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < length; i++)
		sum += data[i];
	return sum;
}

bool kd_packet_decode(struct kd_packet *packet, const uint8_t *payload, size_t length)
{
	struct reader r = rd_init(payload, length);
	packet->leader = rd_le32(&r);
	packet->type = rd_le16(&r);
	packet->length = rd_le16(&r);
	packet->id = rd_le32(&r);
	packet->checksum = rd_le32(&r);
	packet->data = rd_bytes(&r, packet->length);
	return rd_done(&r);
}

bool kd_packet_is_data(const struct kd_packet *packet)
{
	return packet->leader == KD_LEADER_DATA;
}

bool kd_packet_is_control(const struct kd_packet *packet)
{
	return packet->leader == KD_LEADER_CONTROL;
}

bool kd_packet_is_intact(const struct kd_packet *packet)
{
	return packet->checksum == kd_checksum(packet->data, packet->length);
}

bool kd_is_connection_check(const uint8_t *payload, size_t length)
{
	struct reader r = rd_init(payload, length);
	uint64_t zeros = rd_le64(&r);
	(void)rd_le32(&r); /* our IPv4 address: no use to us */
	return rd_done(&r) && zeros == 0;
}

static void write_header(struct writer *w, uint32_t leader, enum kd_packet_type type,
			 uint32_t id, size_t length, uint32_t checksum)
{
	wr_le32(w, leader);
	wr_le16(w, (uint16_t)type);
	wr_le16(w, (uint16_t)length);
	wr_le32(w, id);
	wr_le32(w, checksum);
}

size_t kd_data_encode(uint8_t *out, size_t size, enum kd_packet_type type, uint32_t id,
		      const uint8_t *data, size_t length)
{
	struct writer w = wr_init(out, size);
	if (length > UINT16_MAX)
		return 0;
	write_header(&w, KD_LEADER_DATA, type, id, length, kd_checksum(data, length));
	wr_bytes(&w, data, length);
	return wr_ok(&w) ? w.length : 0;
}

void kd_control_encode(uint8_t out[static KD_HEADER_SIZE], enum kd_packet_type type,
		       uint32_t id)
{
	struct writer w = wr_init(out, KD_HEADER_SIZE);
	write_header(&w, KD_LEADER_CONTROL, type, id, 0, 0);
}
