/*
 * Arguments of each packet, framed as they must be, so that nothing of the input is spent
 * on sums: a line is one packet. One that begins with a byte from 80 on is a row of the
 * packet table by number, with the rest as its arguments. Agent expressions of Z come
 * along. What the server says is checked, and it is stopped again when it runs.
 */
#include "test/fuzz/rsp_server.h"

#include <stdio.h>

#include "rsp/conn.h"

enum { PACKET_MAX = 4096, ROW = 0x80 };

static const char *row_name(unsigned number)
{
	const struct rsp_packet *table = packet_table();
	size_t count = 0;
	while (table[count].name)
		count++;
	must(count > 0);
	return table[number % count].name;
}

static void send(struct rsp *r, const uint8_t *bytes, size_t length, uint64_t now_us)
{
	uint8_t frame[PACKET_MAX + 4];
	uint8_t checksum = 0;
	size_t n = 0;
	frame[n++] = '$';
	for (size_t i = 0; i < length; i++) {
		checksum = (uint8_t)(checksum + bytes[i]);
		frame[n++] = bytes[i];
	}
	frame[n] = '#';
	(void)snprintf((char *)frame + n + 1, 3, "%02x", checksum);
	(void)rsp_receive(r, frame, n + 3, now_us);
	(void)rsp_serve(r, now_us);
	read_output(r);
}

/* '$' and '#' would end it; the table's name goes before a row's arguments. */
static size_t make_packet(uint8_t out[static PACKET_MAX], const uint8_t *line,
			  size_t length)
{
	size_t n = 0;
	if (length > 0 && line[0] >= ROW) {
		const char *name = row_name(line[0] - ROW);
		n = strlen(name);
		memcpy(out, name, n);
		line++;
		length--;
	}
	for (size_t i = 0; i < length && n < PACKET_MAX - 1; i++) {
		if (line[i] != '$' && line[i] != '#')
			out[n++] = line[i];
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t first[] = "qSupported:multiprocess+;swbreak+;hwbreak+";
	uint8_t packet[PACKET_MAX];
	struct rsp *r = NULL;
	uint64_t now_us = 1000000;
	r = rsp_new(&target, &r);
	must(r != NULL);
	if (fuzz_byte(&data, &size) & 1)
		send(r, first, sizeof(first) - 1, now_us);
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;
		send(r, packet, make_packet(packet, data, length), now_us += 1000);
		if (rsp_is_running(r))
			rsp_stop(r, &(struct rsp_stop){ .reason = length % 8,
							.signal = 5,
							.thread = 1,
							.address = now_us });
		read_output(r);
		length += end != NULL;
		data += length;
		size -= length;
	}
	rsp_closed(r);
	rsp_free(r);
	return 0;
}
