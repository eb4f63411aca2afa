/* Captures, the packets in them, and the line that each datagram becomes. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bridge/capture/datagram.h"
#include "bridge/capture/pcap.h"
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
static void describe(const struct datagram *d)
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
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pcap_reader reader;
	struct pcap_packet packet;
	struct datagram d;
	if (!nowhere() || !pcap_init(&reader, bytes, size))
		return 0;
	while (pcap_next(&reader, &packet)) {
		if (datagram_decode(&d, &packet) == DATAGRAM_FOUND)
			describe(&d);
	}
	return 0;
}
