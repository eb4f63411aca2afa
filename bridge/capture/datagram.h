/*
 * The UDP datagram in a captured packet: Ethernet with VLAN tags, Linux cooked v1 and
 * v2, BSD loopback or raw IP; IPv4 and IPv6, whole datagrams alone (KDNET never
 * relies on fragments, KDNET.md §1).
 */
#ifndef BRIDGE_CAPTURE_DATAGRAM_H
#define BRIDGE_CAPTURE_DATAGRAM_H

#include "bridge/capture/pcap.h"
#include "kdnet/wire.h"

enum datagram_result {
	DATAGRAM_FOUND,
	DATAGRAM_OTHER,	   /* not UDP, or a kind of link that is not known */
	DATAGRAM_FRAGMENT, /* a piece of a larger one */
	DATAGRAM_CUT,	   /* the capture holds only its beginning */
};

struct datagram {
	uint8_t source[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d */
	uint8_t destination[16];
	uint16_t source_port;
	uint16_t destination_port;
	const uint8_t *bytes; /* into the packet */
	size_t length;
};

enum datagram_result datagram_decode(struct datagram *d,
				     const struct pcap_packet *packet);

enum {
	DATAGRAM_HEADERS_MAX = 48, /* IPv6 and UDP */
	DATAGRAM_LENGTH_MAX = 65535 - DATAGRAM_HEADERS_MAX,
};

/*
 * The packet of raw IP that carries the datagram, with its checksums: IPv4 when both
 * addresses are, where an unspecified one counts as either. Full when it is longer than
 * DATAGRAM_LENGTH_MAX.
 */
void datagram_encode(struct writer *w, const struct datagram *d);

#endif
