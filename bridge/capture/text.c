#include "bridge/capture/text.h"

#include <arpa/inet.h>
#include <inttypes.h>

#include "bridge/capture/text_kd.h"
#include "kdnet/wire.h"

enum {
	POKE_FIXED = 34, /* up to the addresses, which not every host sends */
	IDENTITY_SHOWN = 8,
};

static bool is_plain(unsigned c)
{
	return c >= ' ' && c < 0x7f;
}

void text_data(FILE *out, const uint8_t *bytes, size_t length)
{
	size_t shown = length < TEXT_DATA_MAX ? length : TEXT_DATA_MAX;
	if (length == 0)
		return;
	(void)fputc(' ', out);
	for (size_t i = 0; i < shown; i++)
		(void)fprintf(out, "%02x", bytes[i]);
	(void)fputs(" |", out);
	for (size_t i = 0; i < shown; i++)
		(void)fputc(is_plain(bytes[i]) ? bytes[i] : '.', out);
	(void)fputc('|', out);
	if (shown < length)
		(void)fprintf(out, " and %zu more", length - shown);
}

/* One character, escaped; `wide` chooses between \xNN and \uNNNN. */
static void put_escaped(FILE *out, unsigned c, bool wide)
{
	static const char escaped[] = "\n\r\t\"\\";
	static const char names[] = "nrt\"\\";
	const char *found = c > 0 && c < 0x80 ? strchr(escaped, (int)c) : NULL;
	if (found)
		(void)fprintf(out, "\\%c", names[found - escaped]);
	else if (is_plain(c))
		(void)fputc((int)c, out);
	else
		(void)fprintf(out, wide ? "\\u%04x" : "\\x%02x", c);
}

void text_quoted(FILE *out, const char *text, size_t length)
{
	(void)fputc('"', out);
	for (size_t i = 0; i < length; i++)
		put_escaped(out, (unsigned char)text[i], false);
	(void)fputc('"', out);
}

void text_quoted_wide(FILE *out, const uint8_t *text, size_t length)
{
	(void)fputc('"', out);
	for (size_t i = 0; i + 1 < length; i += 2)
		put_escaped(out, (unsigned)load_le(text + i, 2), true);
	(void)fputc('"', out);
}

/* ---- channel 1 ---- */

static void put_address(FILE *out, const char *label, struct reader *r)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t address[16];
	char name[INET6_ADDRSTRLEN];
	rd_copy(r, address, sizeof(address));
	uint16_t port = rd_be16(r);
	if (!rd_ok(r))
		return;
	bool four = memcmp(address, mapped, sizeof(mapped)) == 0;
	if (!inet_ntop(four ? AF_INET : AF_INET6,
		       four ? address + sizeof(mapped) : address, name, sizeof(name)))
		return;
	(void)fprintf(out, four ? " %s %s:%u" : " %s [%s]:%u", label, name, port);
}

static void put_poke(FILE *out, const struct kdnet_datagram *d,
		     const struct kdnet_poke *poke)
{
	(void)fprintf(out, "poke %u, identity ", poke->counter);
	for (size_t i = 0; i < IDENTITY_SHOWN; i++)
		(void)fprintf(out, "%02x", poke->identity[i]);
	struct reader r = rd_init(d->payload, d->length);
	rd_skip(&r, POKE_FIXED);
	put_address(out, "target", &r);
	put_address(out, "host", &r);
	if (poke->bound_port != 0)
		put_address(out, "bound to", &r);
	else if (poke->has_bound)
		(void)fputs(" not bound", out);
	(void)fprintf(out, ", up %" PRIu64 " s, version %u", d->sequence, d->version);
}

static void put_control(FILE *out, const struct kdnet_datagram *d, unsigned session)
{
	struct kdnet_poke poke;
	if (!d->to_target && kdnet_poke_decode(&poke, d->payload, d->length)) {
		put_poke(out, d, &poke);
	} else if (d->to_target && kdnet_is_response(d->payload, d->length)) {
		(void)fprintf(out, "response, session %u begins", session);
	} else if (d->to_target && d->length == 0) {
		(void)fputs("host poke", out);
	} else {
		(void)fprintf(out, "control, %zu bytes", d->length);
		text_data(out, d->payload, d->length);
	}
}

/* ---- channel 0 ---- */

static void put_connection_check(FILE *out, const struct kdnet_datagram *d)
{
	struct reader r = rd_init(d->payload, d->length);
	rd_skip(&r, 8);
	uint32_t host = rd_le32(&r);
	(void)fprintf(out, "connection check, host %u.%u.%u.%u", host >> 24,
		      host >> 16 & 0xff, host >> 8 & 0xff, host & 0xff);
}

static void put_control_packet(FILE *out, const struct kd_packet *p)
{
	switch (p->type) {
	case KD_PACKET_ACKNOWLEDGE:
		(void)fprintf(out, "ack %08" PRIx32, p->id);
		break;
	case KD_PACKET_RESEND:
		(void)fputs("resend", out);
		break;
	case KD_PACKET_RESET:
		(void)fprintf(out, "reset, next id %08" PRIx32, p->id);
		break;
	default:
		(void)fprintf(out, "control packet of type %u, id %08" PRIx32, p->type,
			      p->id);
	}
}

static void put_packet(FILE *out, const struct kdnet_datagram *d, enum kd_machine machine)
{
	struct kd_packet p;
	if (!kd_packet_decode(&p, d->payload, d->length)) {
		(void)fprintf(out, "no KD packet, %zu bytes", d->length);
		text_data(out, d->payload, d->length);
	} else if (kd_packet_is_control(&p)) {
		put_control_packet(out, &p);
	} else {
		(void)fprintf(out, "%08" PRIx32 " ", p.id);
		text_kd(out, machine, &p, d->to_target);
		if (!kd_packet_is_intact(&p))
			(void)fputs(" (wrong checksum)", out);
	}
}

static void put_data_channel(FILE *out, const struct kdnet_datagram *d,
			     enum kd_machine machine)
{
	if (!d->to_target && kd_is_connection_check(d->payload, d->length))
		put_connection_check(out, d);
	else if (d->length == 1 && d->payload[0] == KD_BREAK_IN_BYTE)
		(void)fputs("break-in", out);
	else
		put_packet(out, d, machine);
}

void text_datagram(FILE *out, const struct kdnet_datagram *d, enum kd_machine machine,
		   unsigned session)
{
	if (d->channel == KDNET_CHANNEL_CONTROL)
		put_control(out, d, session);
	else
		put_data_channel(out, d, machine);
}
