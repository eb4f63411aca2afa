/* Captures, the packets in them, what each datagram becomes, and what it was written as. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/capture/datagram.h"
#include "bridge/capture/pcap.h"
#include "bridge/capture/pcapng.h"
#include "bridge/capture/summary.h"
#include "bridge/capture/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static FILE *nowhere(void)
{
	static FILE *file;
	if (!file)
		file = fopen("/dev/null", "w");
	return file;
}

/* As if it had been opened: sealing would keep the fuzzer out of what lies behind. */
static void describe(const struct datagram *d, uint64_t time_ns, struct summary *sums)
{
	struct kdnet_datagram open = { .version = 5,
				       .channel = d->source_port & 1
							  ? KDNET_CHANNEL_CONTROL
							  : KDNET_CHANNEL_DATA,
				       .to_target = d->destination_port & 1,
				       .payload = d->bytes,
				       .length = d->length };
	text_datagram(nowhere(), &open, KD_MACHINE_AMD64, 1);
	text_datagram(nowhere(), &open, KD_MACHINE_I386, 1);
	summary_add(sums, time_ns, &open, d->length, KD_MACHINE_AMD64, 1);
}

/* Written and read again it is the same. */
static void write_again(const struct datagram *d, uint64_t time_ns)
{
	static uint8_t packet[DATAGRAM_LENGTH_MAX + DATAGRAM_HEADERS_MAX], file[1 << 17];
	struct writer raw = wr_init(packet, sizeof(packet));
	struct writer w = wr_init(file, sizeof(file));
	struct pcapng_packet out = { .time_ns = time_ns, .bytes = packet };
	struct pcap_reader reader;
	struct pcap_packet in;
	struct datagram back;
	datagram_encode(&raw, d);
	if (!wr_ok(&raw))
		return;
	out.length = raw.length;
	pcapng_put_section(&w, "fuzz", NULL);
	pcapng_put_interface(&w, PCAP_LINK_RAW, NULL);
	pcapng_put_packet(&w, &out);
	if (!wr_ok(&w) || !pcap_init(&reader, file, w.length) ||
	    !pcap_next(&reader, &in) || in.time_ns != time_ns ||
	    datagram_decode(&back, &in) != DATAGRAM_FOUND || back.length != d->length ||
	    memcmp(back.bytes, d->bytes, d->length) != 0 ||
	    back.source_port != d->source_port)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pcap_reader reader;
	struct pcap_packet packet;
	struct datagram d;
	struct summary sums = { 0 };
	if (!nowhere() || !pcap_init(&reader, bytes, size))
		return 0;
	while (pcap_next(&reader, &packet)) {
		if (datagram_decode(&d, &packet) != DATAGRAM_FOUND)
			continue;
		describe(&d, packet.time_ns, &sums);
		write_again(&d, packet.time_ns);
	}
	summary_print(&sums, nowhere());
	summary_wipe(&sums);
	return 0;
}
