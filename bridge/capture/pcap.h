/*
 * Reads captures: pcapng and classic pcap, either byte order, µs and ns, packet by
 * packet from a buffer. Every byte of a file is hostile: lengths are checked against
 * the buffer, a damaged place ends the reading, nothing is allocated.
 * Formats: IETF drafts draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap.
 */
#ifndef BRIDGE_CAPTURE_PCAP_H
#define BRIDGE_CAPTURE_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/wire.h"

enum {
	PCAP_INTERFACES_MAX = 64, /* of one section; packets of later ones are skipped */
	PCAP_FILE_MAX = 1 << 30,  /* bytes that pcap_load takes */
};

enum pcap_link { /* LINKTYPE_ values */
		 PCAP_LINK_NULL = 0,
		 PCAP_LINK_ETHERNET = 1,
		 PCAP_LINK_RAW_BSD = 12,
		 PCAP_LINK_RAW_OPENBSD = 14,
		 PCAP_LINK_RAW = 101,
		 PCAP_LINK_LOOP = 108,
		 PCAP_LINK_COOKED = 113,
		 PCAP_LINK_IPV4 = 228,
		 PCAP_LINK_IPV6 = 229,
		 PCAP_LINK_COOKED2 = 276,
};

struct pcap_packet {
	uint32_t number;      /* as Wireshark counts frames: from 1 */
	uint64_t time_ns;     /* since 1970; 0 when the file does not say */
	uint32_t link;	      /* enum pcap_link, or another number */
	const uint8_t *bytes; /* into the buffer, as long as that lives */
	size_t length;	      /* as captured */
};

/* How a pcapng interface counts time: ticks of 10^-n or 2^-n seconds. */
struct pcap_interface {
	uint32_t link;
	uint32_t snap_length; /* 0: none */
	bool binary;
	uint8_t exponent;
	int64_t offset_s;
};

struct pcap_reader {
	struct reader rest;
	bool ng;
	bool big_endian;
	bool damaged;
	uint32_t packets;
	/* Classic files have one, made from the file's header. */
	struct pcap_interface interfaces[PCAP_INTERFACES_MAX];
	uint32_t interface_count;
	/* What the present section says of itself, into the buffer; not terminated. */
	const uint8_t *comment; /* NULL: nothing */
	size_t comment_length;
};

/* False: the buffer is no capture of either kind. */
bool pcap_init(struct pcap_reader *p, const uint8_t *bytes, size_t length);
/* False at the end, or where the file is damaged. */
bool pcap_next(struct pcap_reader *p, struct pcap_packet *packet);
/* After the end: did the file stop in the middle of something, or make no sense? */
bool pcap_is_damaged(const struct pcap_reader *p);

/*
 * Reads a whole file; free() the result. NULL and errno set: it cannot be read, or
 * (EFBIG) has more than PCAP_FILE_MAX bytes.
 */
uint8_t *pcap_load(const char *path, size_t *length);

#endif
