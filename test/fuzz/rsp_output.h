/* What a server of RSP may send: acks between packets, and packets that are whole. */
#ifndef TEST_FUZZ_RSP_OUTPUT_H
#define TEST_FUZZ_RSP_OUTPUT_H

#include "rsp/frame.h"
#include "test/fuzz/fuzz.h"

/* Between packets there are acks alone, and no packet holds a '$' or an early '#'. */
static inline void read_output(struct rsp *r)
{
	size_t length;
	const uint8_t *p = rsp_output(r, &length);
	must(length <= FRAME_OUTPUT_SIZE);
	for (size_t i = 0; i < length; i++) {
		if (p[i] == '+' || p[i] == '-')
			continue;
		must(p[i] == '$');
		uint8_t checksum = 0;
		for (i++; i < length && p[i] != '#'; i++) {
			must(p[i] != '$');
			checksum = (uint8_t)(checksum + p[i]);
		}
		must(i + 2 < length);
		char digits[3] = { (char)p[i + 1], (char)p[i + 2], '\0' };
		must(strtoul(digits, NULL, 16) == checksum);
		i += 2;
	}
	rsp_sent(r, length);
}

#endif
