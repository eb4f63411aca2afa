#include "bridge/capture/datagram.h"

enum {
	ETHER_IPV4 = 0x0800,
	ETHER_IPV6 = 0x86dd,
	ETHER_VLAN = 0x8100,
	ETHER_SERVICE_VLAN = 0x88a8,
	ETHER_OLD_VLAN = 0x9100,
	ETHER_ADDRESSES = 12,
	VLAN_TAGS_MAX = 4,
	COOKED_SKIP = 14,  /* up to the protocol */
	COOKED2_SKIP = 18, /* behind the protocol */
	IPV4_HEADER = 20,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV4_FRAGMENT_OFFSET = 0x1fff,
	IPV6_EXTENSIONS_MAX = 8,
	UDP_HEADER = 8,
	TIME_TO_LIVE = 64,
};

enum protocol {
	HOP_BY_HOP = 0,
	UDP = 17,
	ROUTING = 43,
	FRAGMENT = 44,
	AUTHENTICATION = 51,
	DESTINATION_OPTIONS = 60,
};

static enum datagram_result decode_udp(struct datagram *d, struct reader *r)
{
	d->source_port = rd_be16(r);
	d->destination_port = rd_be16(r);
	size_t length = rd_be16(r);
	rd_skip(r, 2); /* the checksum: often left to the network card */
	if (!rd_ok(r) || length < UDP_HEADER)
		return DATAGRAM_OTHER;
	d->length = length - UDP_HEADER;
	d->bytes = rd_bytes(r, d->length);
	return rd_ok(r) ? DATAGRAM_FOUND : DATAGRAM_CUT;
}

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static void mapped_address(uint8_t out[static 16], struct reader *r)
{
	memcpy(out, mapped, sizeof(mapped));
	rd_copy(r, out + sizeof(mapped), 4);
}

static enum datagram_result decode_ipv4(struct datagram *d, struct reader *r)
{
	size_t header = (size_t)(rd_8(r) & 0xf) * 4;
	rd_skip(r, 1);
	size_t total = rd_be16(r);
	rd_skip(r, 2);
	uint16_t fragment = rd_be16(r);
	rd_skip(r, 1);
	uint8_t protocol = rd_8(r);
	rd_skip(r, 2);
	mapped_address(d->source, r);
	mapped_address(d->destination, r);
	rd_skip(r, header < IPV4_HEADER ? 0 : header - IPV4_HEADER);
	if (!rd_ok(r) || header < IPV4_HEADER || protocol != UDP || total < header)
		return DATAGRAM_OTHER;
	if (fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET))
		return DATAGRAM_FRAGMENT;
	/* short frames are padded, so the packet may be smaller than what is left */
	size_t payload = total - header;
	struct reader udp = rd_sub(r, payload < r->left ? payload : r->left);
	return decode_udp(d, &udp);
}

/* Steps over one extension header; false when the next thing is no extension. */
static bool skip_extension(uint8_t *next, struct reader *r)
{
	bool words = *next == AUTHENTICATION;
	if (*next != HOP_BY_HOP && *next != ROUTING && *next != DESTINATION_OPTIONS &&
	    !words)
		return false;
	*next = rd_8(r);
	size_t length = rd_8(r);
	rd_skip(r, words ? (length + 2) * 4 - 2 : (length + 1) * 8 - 2);
	return rd_ok(r);
}

static enum datagram_result decode_ipv6(struct datagram *d, struct reader *r)
{
	rd_skip(r, 4);
	size_t payload = rd_be16(r);
	uint8_t next = rd_8(r);
	rd_skip(r, 1);
	rd_copy(r, d->source, sizeof(d->source));
	rd_copy(r, d->destination, sizeof(d->destination));
	struct reader inner = rd_sub(r, payload < r->left ? payload : r->left);
	for (unsigned i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (!skip_extension(&next, &inner))
			break;
	}
	if (!rd_ok(&inner))
		return DATAGRAM_OTHER;
	if (next == FRAGMENT)
		return DATAGRAM_FRAGMENT;
	return next == UDP ? decode_udp(d, &inner) : DATAGRAM_OTHER;
}

static enum datagram_result decode_ip(struct datagram *d, struct reader *r)
{
	uint8_t version = r->left > 0 ? r->pos[0] >> 4 : 0;
	if (version == 4)
		return decode_ipv4(d, r);
	return version == 6 ? decode_ipv6(d, r) : DATAGRAM_OTHER;
}

static enum datagram_result decode_ether_type(struct datagram *d, uint16_t type,
					      struct reader *r)
{
	for (unsigned tags = 0; tags < VLAN_TAGS_MAX; tags++) {
		if (type != ETHER_VLAN && type != ETHER_SERVICE_VLAN &&
		    type != ETHER_OLD_VLAN)
			break;
		rd_skip(r, 2);
		type = rd_be16(r);
	}
	return rd_ok(r) && (type == ETHER_IPV4 || type == ETHER_IPV6) ? decode_ip(d, r)
								      : DATAGRAM_OTHER;
}

enum datagram_result datagram_decode(struct datagram *d, const struct pcap_packet *packet)
{
	struct reader r = rd_init(packet->bytes, packet->length);
	uint16_t type;
	memset(d, 0, sizeof(*d));
	switch (packet->link) {
	case PCAP_LINK_ETHERNET:
		rd_skip(&r, ETHER_ADDRESSES);
		return decode_ether_type(d, rd_be16(&r), &r);
	case PCAP_LINK_COOKED:
		rd_skip(&r, COOKED_SKIP);
		return decode_ether_type(d, rd_be16(&r), &r);
	case PCAP_LINK_COOKED2:
		type = rd_be16(&r);
		rd_skip(&r, COOKED2_SKIP);
		return decode_ether_type(d, type, &r);
	case PCAP_LINK_NULL: /* an address family first; the version says the same */
	case PCAP_LINK_LOOP:
		rd_skip(&r, 4);
		return rd_ok(&r) ? decode_ip(d, &r) : DATAGRAM_OTHER;
	case PCAP_LINK_RAW:
	case PCAP_LINK_RAW_BSD:
	case PCAP_LINK_RAW_OPENBSD:
	case PCAP_LINK_IPV4:
	case PCAP_LINK_IPV6:
		return decode_ip(d, &r);
	default:
		return DATAGRAM_OTHER;
	}
}

/* ---- writing ---- */

static const uint8_t unspecified[16];

static bool may_be_ipv4(const uint8_t address[static 16])
{
	return memcmp(address, mapped, sizeof(mapped)) == 0 ||
	       memcmp(address, unspecified, sizeof(unspecified)) == 0;
}

/* RFC 1071; what has an odd length is summed up last. */
static uint32_t sum_up(uint32_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (length % 2 != 0)
		sum += (uint32_t)bytes[length - 1] << 8;
	return sum;
}

static uint16_t checksum_of(uint32_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint16_t udp_checksum(const struct datagram *d, const uint8_t *header)
{
	/* the IPv4 addresses alone sum up to the same: what the mapped ones have more
	 * is 0xffff, which is zero here */
	uint32_t sum = UDP + (uint32_t)(d->length + UDP_HEADER);
	sum = sum_up(sum, d->source, sizeof(d->source));
	sum = sum_up(sum, d->destination, sizeof(d->destination));
	sum = sum_up(sum, header, UDP_HEADER);
	uint16_t checksum = checksum_of(sum_up(sum, d->bytes, d->length));
	return checksum == 0 ? UINT16_MAX : checksum; /* 0: there is none */
}

static void encode_ipv4(struct writer *w, const struct datagram *d)
{
	uint8_t *header = w->buf + w->length;
	wr_8(w, 4 << 4 | IPV4_HEADER / 4);
	wr_8(w, 0);
	wr_be16(w, (uint16_t)(IPV4_HEADER + UDP_HEADER + d->length));
	wr_zeros(w, 4); /* no fragment */
	wr_8(w, TIME_TO_LIVE);
	wr_8(w, UDP);
	wr_be16(w, 0);
	wr_bytes(w, d->source + sizeof(mapped), 4);
	wr_bytes(w, d->destination + sizeof(mapped), 4);
	if (!wr_ok(w))
		return;
	uint16_t checksum = checksum_of(sum_up(0, header, IPV4_HEADER));
	header[10] = (uint8_t)(checksum >> 8);
	header[11] = (uint8_t)checksum;
}

static void encode_ipv6(struct writer *w, const struct datagram *d)
{
	wr_be(w, UINT32_C(6) << 28, 4);
	wr_be16(w, (uint16_t)(UDP_HEADER + d->length));
	wr_8(w, UDP);
	wr_8(w, TIME_TO_LIVE);
	wr_bytes(w, d->source, sizeof(d->source));
	wr_bytes(w, d->destination, sizeof(d->destination));
}

void datagram_encode(struct writer *w, const struct datagram *d)
{
	if (d->length > DATAGRAM_LENGTH_MAX) {
		w->full = true;
		return;
	}
	if (may_be_ipv4(d->source) && may_be_ipv4(d->destination))
		encode_ipv4(w, d);
	else
		encode_ipv6(w, d);
	uint8_t *header = w->buf + w->length;
	wr_be16(w, d->source_port);
	wr_be16(w, d->destination_port);
	wr_be16(w, (uint16_t)(UDP_HEADER + d->length));
	wr_be16(w, 0);
	wr_bytes(w, d->bytes, d->length);
	if (!wr_ok(w))
		return;
	uint16_t checksum = udp_checksum(d, header);
	header[6] = (uint8_t)(checksum >> 8);
	header[7] = (uint8_t)checksum;
}
