#include "bridge/capture/pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NG_BYTE_ORDER = 0x1a2b3c4d,
	NG_SECTION = 0x0a0d0d0a,
	NG_INTERFACE = 1,
	NG_OLD_PACKET = 2,
	NG_SIMPLE_PACKET = 3,
	NG_PACKET = 6,
	NG_BLOCK_MIN = 12, /* type, length, length again */
	NG_OPTION_END = 0,
	NG_OPTION_COMMENT = 1,
	NG_SECTION_FIXED = 16, /* byte order, version, length */
	NG_OPTION_RESOLUTION = 9,
	NG_OPTION_OFFSET = 14,
	CLASSIC_LINK_MASK = 0x0fffffff, /* what lies above is about checksums */
};

static const uint32_t classic_us = 0xa1b2c3d4;
static const uint32_t classic_ns = 0xa1b23c4d;
static const uint64_t ns_per_s = 1000000000;

/* Numbers of the file's byte order. */
static uint64_t number(const struct pcap_reader *p, struct reader *r, size_t size)
{
	return p->big_endian ? rd_be(r, size) : rd_le(r, size);
}

static uint32_t word(const struct pcap_reader *p, struct reader *r)
{
	return (uint32_t)number(p, r, sizeof(uint32_t));
}

static uint16_t half(const struct pcap_reader *p, struct reader *r)
{
	return (uint16_t)number(p, r, sizeof(uint16_t));
}

/* ---- time ---- */

static uint64_t power_of_10(unsigned exponent)
{
	uint64_t power = 1;
	while (exponent-- > 0)
		power *= 10;
	return power;
}

static uint64_t decimal_ns(uint64_t ticks, unsigned exponent)
{
	const unsigned nano = 9;
	const unsigned most = 19; /* of a 64-bit number */
	if (exponent > nano + most)
		return 0;
	if (exponent > nano)
		return ticks / power_of_10(exponent - nano);
	return ticks * power_of_10(nano - exponent);
}

static uint64_t binary_ns(uint64_t ticks, unsigned exponent)
{
	const unsigned fine = 32; /* a quarter of a nanosecond is enough */
	if (exponent > fine) {
		unsigned less = exponent - fine;
		ticks = less < 64 ? ticks >> less : 0;
		exponent = fine;
	}
	uint64_t fraction = ticks & ((UINT64_C(1) << exponent) - 1);
	return (ticks >> exponent) * ns_per_s + (fraction * ns_per_s >> exponent);
}

static uint64_t to_ns(const struct pcap_interface *interface, uint64_t ticks)
{
	uint64_t ns = interface->binary ? binary_ns(ticks, interface->exponent)
					: decimal_ns(ticks, interface->exponent);
	/* nonsense wraps around: times of a hostile file mean nothing */
	return ns + (uint64_t)interface->offset_s * ns_per_s;
}

/* ---- pcapng ---- */

static size_t padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* The next option of a block: its code and value. False: there is none any more. */
static bool next_option(const struct pcap_reader *p, struct reader *body, uint16_t *code,
			struct reader *value)
{
	*code = half(p, body);
	uint16_t length = half(p, body);
	*value = rd_sub(body, padded(length));
	if (value->left > length)
		value->left = length;
	return rd_ok(body) && *code != NG_OPTION_END;
}

static void interface_options(const struct pcap_reader *p, struct pcap_interface *i,
			      struct reader *body)
{
	const uint8_t binary_bit = 0x80;
	struct reader value;
	uint16_t code;
	while (next_option(p, body, &code, &value)) {
		if (code == NG_OPTION_RESOLUTION) {
			uint8_t resolution = rd_8(&value);
			i->binary = resolution & binary_bit;
			i->exponent = resolution & (uint8_t)~binary_bit;
		} else if (code == NG_OPTION_OFFSET) {
			i->offset_s = (int64_t)number(p, &value, sizeof(uint64_t));
		}
	}
}

/* A second comment is no news to anybody. */
static void on_section(struct pcap_reader *p, struct reader *body)
{
	struct reader value;
	uint16_t code;
	p->comment = NULL;
	rd_skip(body, NG_SECTION_FIXED);
	while (!p->comment && next_option(p, body, &code, &value)) {
		if (code != NG_OPTION_COMMENT)
			continue;
		p->comment = value.pos;
		p->comment_length = value.left;
	}
}

static void on_interface(struct pcap_reader *p, struct reader *body)
{
	const unsigned micro = 6;
	struct pcap_interface i = { .exponent = (uint8_t)micro };
	i.link = half(p, body);
	rd_skip(body, 2);
	i.snap_length = word(p, body);
	interface_options(p, &i, body);
	if (p->interface_count < PCAP_INTERFACES_MAX)
		p->interfaces[p->interface_count] = i;
	/* counted all the same: packets name interfaces by number */
	if (p->interface_count < UINT32_MAX)
		p->interface_count++;
}

/* The length and bytes that end each kind of packet block. */
static bool packet_bytes(struct pcap_packet *packet, struct reader *body, size_t length)
{
	packet->length = length;
	packet->bytes = rd_bytes(body, length);
	return rd_ok(body);
}

static bool on_packet(struct pcap_reader *p, uint32_t type, struct reader *body,
		      struct pcap_packet *packet)
{
	uint32_t interface = 0;
	uint64_t ticks = 0;
	size_t length;
	if (type == NG_SIMPLE_PACKET) {
		length = word(p, body);
		if (p->interface_count > 0 && p->interfaces[0].snap_length > 0 &&
		    length > p->interfaces[0].snap_length)
			length = p->interfaces[0].snap_length;
	} else {
		interface = type == NG_PACKET ? word(p, body) : half(p, body);
		if (type == NG_OLD_PACKET)
			rd_skip(body, 2); /* drops */
		ticks = (uint64_t)word(p, body) << 32;
		ticks |= word(p, body);
		length = word(p, body);
		rd_skip(body, 4); /* the length on the wire */
	}
	p->packets++;
	if (interface >= p->interface_count || interface >= PCAP_INTERFACES_MAX)
		return false;
	packet->number = p->packets;
	packet->link = p->interfaces[interface].link;
	packet->time_ns =
		type == NG_SIMPLE_PACKET ? 0 : to_ns(&p->interfaces[interface], ticks);
	return packet_bytes(packet, body, length);
}

/* A section says anew which byte order it is in, and has interfaces of its own. */
static bool section_order(struct pcap_reader *p, struct reader ahead)
{
	uint32_t order = (uint32_t)rd_le(&ahead, sizeof(order));
	p->big_endian = order != NG_BYTE_ORDER;
	p->interface_count = 0;
	return rd_ok(&ahead) &&
	       (!p->big_endian || __builtin_bswap32(order) == NG_BYTE_ORDER);
}

/* One block: its type and body. False: the end, or nothing that makes sense. */
static bool next_block(struct pcap_reader *p, uint32_t *type, struct reader *body)
{
	if (p->rest.left == 0)
		return false;
	p->damaged = true; /* until this block proved whole */
	*type = word(p, &p->rest);
	struct reader ahead = p->rest;
	rd_skip(&ahead, sizeof(uint32_t));
	if (*type == NG_SECTION && !section_order(p, ahead))
		return false;
	uint32_t length = word(p, &p->rest);
	if (!rd_ok(&p->rest) || length < NG_BLOCK_MIN || length % 4 != 0)
		return false;
	*body = rd_sub(&p->rest, length - NG_BLOCK_MIN);
	if (word(p, &p->rest) != length || !rd_ok(&p->rest))
		return false;
	p->damaged = false;
	return true;
}

static bool ng_next(struct pcap_reader *p, struct pcap_packet *packet)
{
	uint32_t type;
	struct reader body;
	while (next_block(p, &type, &body)) {
		if (type == NG_SECTION)
			on_section(p, &body);
		if (type == NG_INTERFACE)
			on_interface(p, &body);
		if ((type == NG_PACKET || type == NG_SIMPLE_PACKET ||
		     type == NG_OLD_PACKET) &&
		    on_packet(p, type, &body, packet))
			return true;
	}
	return false;
}

/* ---- classic pcap ---- */

static bool classic_init(struct pcap_reader *p, uint32_t magic)
{
	const unsigned micro = 6, nano = 9;
	bool fine = magic == classic_ns || magic == __builtin_bswap32(classic_ns);
	bool coarse = magic == classic_us || magic == __builtin_bswap32(classic_us);
	p->big_endian = magic != classic_us && magic != classic_ns;
	rd_skip(&p->rest, 12); /* version, time zone, precision */
	p->interfaces[0].snap_length = word(p, &p->rest);
	p->interfaces[0].link = word(p, &p->rest) & CLASSIC_LINK_MASK;
	p->interfaces[0].exponent = (uint8_t)(fine ? nano : micro);
	p->interface_count = 1;
	return (fine || coarse) && rd_ok(&p->rest);
}

static bool classic_next(struct pcap_reader *p, struct pcap_packet *packet)
{
	if (p->rest.left == 0)
		return false;
	uint64_t seconds = word(p, &p->rest);
	uint64_t fraction = word(p, &p->rest);
	uint32_t length = word(p, &p->rest);
	rd_skip(&p->rest, 4); /* the length on the wire */
	p->damaged = !packet_bytes(packet, &p->rest, length);
	if (p->damaged)
		return false;
	packet->number = ++p->packets;
	packet->link = p->interfaces[0].link;
	packet->time_ns = seconds * ns_per_s + to_ns(&p->interfaces[0], fraction);
	return true;
}

/* ---- both ---- */

bool pcap_init(struct pcap_reader *p, const uint8_t *bytes, size_t length)
{
	memset(p, 0, sizeof(*p));
	p->rest = rd_init(bytes, length);
	struct reader first = p->rest;
	uint32_t magic = rd_le32(&first);
	p->ng = magic == NG_SECTION;
	if (!rd_ok(&first) || p->ng)
		return p->ng;
	rd_skip(&p->rest, sizeof(magic));
	return classic_init(p, magic);
}

bool pcap_next(struct pcap_reader *p, struct pcap_packet *packet)
{
	if (p->damaged)
		return false;
	return p->ng ? ng_next(p, packet) : classic_next(p, packet);
}

bool pcap_is_damaged(const struct pcap_reader *p)
{
	return p->damaged;
}

static uint8_t *read_all(FILE *file, size_t *length)
{
	size_t room = 1 << 16;
	uint8_t *bytes = malloc(room);
	*length = 0;
	while (bytes) {
		*length += fread(bytes + *length, 1, room - *length, file);
		if (*length < room)
			break;
		uint8_t *more = NULL;
		errno = EFBIG;
		if (room < PCAP_FILE_MAX)
			more = realloc(bytes, room *= 2);
		if (!more)
			free(bytes);
		bytes = more;
	}
	if (bytes && ferror(file)) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

uint8_t *pcap_load(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return NULL;
	uint8_t *bytes = read_all(file, length);
	int why = errno;
	(void)fclose(file);
	errno = why;
	return bytes;
}
