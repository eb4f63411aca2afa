#include "bridge/capture/pcapng.h"

#include <string.h>

enum {
	BYTE_ORDER = 0x1a2b3c4d,
	SECTION = 0x0a0d0d0a,
	INTERFACE = 1,
	PACKET = 6,
	MAJOR = 1,
	MINOR = 0,
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_RESOLUTION = 9,
	NANOSECONDS = 9, /* 10^-9 s */
	PACKET_FLAGS = 2,
	FLAG_INBOUND = 1,
	FLAG_OUTBOUND = 2,
	TEXT_MAX = 4096,
};

/* Where the block began, for block_end. */
static size_t block_begin(struct writer *w, uint32_t type)
{
	size_t start = w->length;
	wr_le32(w, type);
	wr_zeros(w, sizeof(uint32_t)); /* its length, not known yet */
	return start;
}

static void block_end(struct writer *w, size_t start)
{
	size_t length = w->length - start + sizeof(uint32_t);
	wr_le32(w, (uint32_t)length);
	if (wr_ok(w))
		store_le(w->buf + start + sizeof(uint32_t), length, sizeof(uint32_t));
}

static void put_padded(struct writer *w, const void *bytes, size_t length)
{
	wr_bytes(w, bytes, length);
	wr_zeros(w, (4 - length % 4) % 4);
}

static void put_option(struct writer *w, uint16_t code, const void *value, size_t length)
{
	wr_le16(w, code);
	wr_le16(w, (uint16_t)length);
	put_padded(w, value, length);
}

static void put_text(struct writer *w, uint16_t code, const char *text)
{
	if (text)
		put_option(w, code, text, strnlen(text, TEXT_MAX));
}

static void end_options(struct writer *w)
{
	put_option(w, OPTION_END, NULL, 0);
}

void pcapng_put_section(struct writer *w, const char *application, const char *comment)
{
	size_t start = block_begin(w, SECTION);
	wr_le32(w, BYTE_ORDER);
	wr_le16(w, MAJOR);
	wr_le16(w, MINOR);
	wr_le64(w, UINT64_MAX); /* the section ends with the file */
	put_text(w, OPTION_COMMENT, comment);
	put_text(w, SECTION_APPLICATION, application);
	end_options(w);
	block_end(w, start);
}

void pcapng_put_interface(struct writer *w, enum pcap_link link, const char *name)
{
	const uint8_t resolution = NANOSECONDS;
	size_t start = block_begin(w, INTERFACE);
	wr_le16(w, (uint16_t)link);
	wr_le16(w, 0);
	wr_le32(w, 0); /* packets are whole */
	put_text(w, INTERFACE_NAME, name);
	put_option(w, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	end_options(w);
	block_end(w, start);
}

void pcapng_put_packet(struct writer *w, const struct pcapng_packet *packet)
{
	uint8_t flags[sizeof(uint32_t)];
	size_t start = block_begin(w, PACKET);
	wr_le32(w, 0); /* the first interface */
	wr_le32(w, (uint32_t)(packet->time_ns >> 32));
	wr_le32(w, (uint32_t)packet->time_ns);
	wr_le32(w, (uint32_t)packet->length);
	wr_le32(w, (uint32_t)packet->length); /* on the wire */
	put_padded(w, packet->bytes, packet->length);
	store_le(flags, packet->outbound ? FLAG_OUTBOUND : FLAG_INBOUND, sizeof(flags));
	put_text(w, OPTION_COMMENT, packet->comment);
	put_option(w, PACKET_FLAGS, flags, sizeof(flags));
	end_options(w);
	block_end(w, start);
}
