/*
 * Writes captures in pcapng form, as bytes: one section, one interface with times in
 * nanoseconds, packets. pcap.h reads them back, and so does Wireshark.
 * Format: IETF draft draft-ietf-opsawg-pcapng.
 */
#ifndef BRIDGE_CAPTURE_PCAPNG_H
#define BRIDGE_CAPTURE_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/capture/pcap.h"
#include "kdnet/wire.h"

enum {
	/* Of a packet's block: more than what stands around its bytes and its comment. */
	PCAPNG_PACKET_EXTRA = 64,
};

/* Texts are UTF-8 and may be NULL; of a long one the beginning is written. */

/* Begins a file. `application` is who writes it, `comment` is for whoever reads it. */
void pcapng_put_section(struct writer *w, const char *application, const char *comment);

/* The interface of all packets that follow. */
void pcapng_put_interface(struct writer *w, enum pcap_link link, const char *name);

struct pcapng_packet {
	uint64_t time_ns; /* since 1970 */
	const uint8_t *bytes;
	size_t length;
	bool outbound; /* this machine sent it */
	const char *comment;
};

void pcapng_put_packet(struct writer *w, const struct pcapng_packet *packet);

#endif
