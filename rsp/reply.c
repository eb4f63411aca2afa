#include "rsp/conn.h"

#include <string.h>

void reply_begin(struct rsp *r)
{
	r->reply_length = 0;
	r->unacked = false;
	r->resends = 0;
}

/* The next n bytes of the packet. Beyond its end there is a mistake of ours: every
 * caller has limited what it adds, and the packet is cut. */
static uint8_t *room(struct rsp *r, size_t n)
{
	if (n > sizeof(r->reply) - r->reply_length)
		return NULL;
	r->reply_length += n;
	return r->reply + r->reply_length - n;
}

void reply_char(struct rsp *r, char c)
{
	uint8_t *out = room(r, 1);
	if (out)
		*out = (uint8_t)c;
}

void reply_string(struct rsp *r, const char *text)
{
	for (; *text != '\0'; text++)
		reply_char(r, (char)(escape_needed((uint8_t)*text) ? '?' : *text));
}

void reply_number(struct rsp *r, uint64_t value, size_t digits)
{
	uint8_t hex[16];
	size_t used = hex_number(hex, value);
	for (size_t i = used; i < digits; i++)
		reply_char(r, '0');
	uint8_t *out = room(r, used);
	if (out)
		memcpy(out, hex, used);
}

void reply_bytes_hex(struct rsp *r, const void *bytes, size_t length)
{
	uint8_t *out = room(r, 2 * length);
	if (out)
		(void)hex_encode(out, bytes, length);
}

void reply_bytes_escaped(struct rsp *r, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!escape_needed(bytes[i])) {
			reply_char(r, (char)bytes[i]);
			continue;
		}
		uint8_t *out = room(r, 2);
		if (!out)
			return;
		out[0] = RSP_ESCAPE;
		out[1] = bytes[i] ^ RSP_ESCAPE_XOR;
	}
}

void reply_thread(struct rsp *r, int thread)
{
	if (rsp_is_multiprocess(r))
		reply_string(r, "p1.");
	reply_number(r, (uint64_t)thread, 1);
}

void reply_send(struct rsp *r)
{
	r->unacked = frame_send(&r->frame, r->reply, r->reply_length) && !r->frame.no_ack;
}

void reply_answer(struct rsp *r)
{
	if (!r->reply_owed)
		return;
	r->reply_owed = false;
	reply_send(r);
}

void rsp_reply_text(struct rsp *r, const char *text)
{
	if (!r->reply_owed)
		return;
	reply_begin(r);
	reply_string(r, text);
	reply_answer(r);
}

void rsp_reply_ok(struct rsp *r)
{
	rsp_reply_text(r, "OK");
}

void rsp_reply_error(struct rsp *r)
{
	const char *words = NULL;
	if (r->lldb.error_strings && r->attached && r->target->error_text)
		words = r->target->error_text(r->context);
	if (!r->reply_owed)
		return;
	reply_begin(r);
	reply_string(r, "E01");
	if (words) {
		reply_char(r, ';');
		reply_bytes_hex(r, words, strlen(words));
	}
	reply_answer(r);
}

void rsp_reply_empty(struct rsp *r)
{
	rsp_reply_text(r, "");
}

void rsp_reply_hex(struct rsp *r, const void *bytes, size_t length)
{
	if (!r->reply_owed)
		return;
	reply_begin(r);
	reply_bytes_hex(r, bytes, length < RSP_PACKET_MAX ? length : RSP_PACKET_MAX);
	reply_answer(r);
}

void rsp_reply_binary(struct rsp *r, const char *prefix, const void *bytes, size_t length)
{
	if (!r->reply_owed)
		return;
	reply_begin(r);
	reply_string(r, prefix);
	reply_bytes_escaped(r, bytes, length < RSP_PACKET_MAX ? length : RSP_PACKET_MAX);
	reply_answer(r);
}

void rsp_reply_window(struct rsp *r, const void *document, size_t size, uint64_t offset,
		      uint64_t length)
{
	size_t start = offset < size ? (size_t)offset : size;
	size_t left = size - start;
	size_t piece = length < RSP_PACKET_MAX ? (size_t)length : RSP_PACKET_MAX;
	bool last = left <= piece;
	const uint8_t *bytes = document;
	rsp_reply_binary(r, last ? "l" : "m", size > 0 ? bytes + start : bytes,
			 last ? left : piece);
}
