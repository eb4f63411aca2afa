#include "bridge/capture/dissect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "bridge/capture/datagram.h"
#include "bridge/capture/pcap.h"
#include "bridge/capture/record.h"
#include "bridge/capture/summary.h"
#include "bridge/capture/text.h"
#include "kdnet/kd.h"
#include "kdnet/kdnet.h"

/* Sessions whose data keys are tried; the oldest goes when one more begins. */
enum { SESSIONS_MAX = 32 };

struct session {
	unsigned number;
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher cipher;
	enum kd_machine machine; /* as its version reply said */
};

/* All of it is secret or points to secrets: locked memory. */
struct dissect {
	FILE *out;
	enum dissect_format format;
	bool has_key;
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control;
	struct session sessions[SESSIONS_MAX];
	unsigned begun; /* number of the last one */
	size_t current; /* index of the one that opened the last datagram */
	bool timed;
	uint64_t first_ns;
	uint64_t last_ns;
	struct summary summary;
	uint64_t datagrams; /* that are KDNET's */
	uint64_t opened;
	uint64_t sealed;      /* no key fits */
	uint64_t sealed_data; /* of those: data channel */
	uint64_t malformed;
	uint64_t fragments;
	uint64_t cut;
	uint8_t plain[KDNET_PLAINTEXT_MAX];
};

/* ---- keys ---- */

static void begin_session(struct dissect *d, const struct kdnet_datagram *response)
{
	uint8_t key[KDNET_KEY_SIZE];
	kdnet_data_key(key, d->key, response->payload);
	size_t last = (d->begun + SESSIONS_MAX - 1) % SESSIONS_MAX;
	bool repeated = d->begun > 0 &&
			sodium_memcmp(d->sessions[last].key, key, sizeof(key)) == 0;
	if (!repeated) {
		struct session *s = &d->sessions[d->begun % SESSIONS_MAX];
		kdnet_cipher_init(&s->cipher, d->key, key);
		memcpy(s->key, key, sizeof(key));
		s->machine = KD_MACHINE_UNKNOWN;
		s->number = ++d->begun;
	}
	sodium_memzero(key, sizeof(key));
}

/* Opens a data datagram under the session of the last one, else from new to old. */
static enum kdnet_open_result open_data(struct dissect *d, struct kdnet_datagram *got,
					const uint8_t *bytes, size_t length)
{
	enum kdnet_open_result result = KDNET_DROP_TAG;
	size_t count = d->begun < SESSIONS_MAX ? d->begun : SESSIONS_MAX;
	for (size_t i = 0; i <= count && count > 0; i++) {
		size_t index =
			i == 0 ? d->current : (d->begun - i) % (size_t)SESSIONS_MAX;
		result = kdnet_open(got, d->plain, &d->sessions[index].cipher, bytes,
				    length);
		if (result != KDNET_DROP_TAG) {
			d->current = index;
			break;
		}
	}
	return result;
}

static enum kdnet_open_result open_any(struct dissect *d, struct kdnet_datagram *got,
				       enum kdnet_channel channel, const uint8_t *bytes,
				       size_t length)
{
	if (!d->has_key)
		return KDNET_DROP_TAG;
	if (channel == KDNET_CHANNEL_DATA)
		return open_data(d, got, bytes, length);
	return kdnet_open(got, d->plain, &d->control, bytes, length);
}

/* ---- what a datagram tells about those that follow ---- */

static void learn_machine(struct session *s, const struct kdnet_datagram *got)
{
	struct kd_packet packet;
	struct kd_reply reply = { .status = KD_STATUS_UNSUCCESSFUL };
	if (got->to_target || !kd_packet_decode(&packet, got->payload, got->length) ||
	    !kd_packet_is_data(&packet) || packet.type != KD_PACKET_MANIPULATE ||
	    !kd_reply_decode(&reply, s->machine, packet.data, packet.length))
		return;
	if (reply.api == KD_GET_VERSION && reply.status == KD_STATUS_SUCCESS)
		s->machine = (enum kd_machine)reply.u.version.machine;
}

static void learn(struct dissect *d, const struct kdnet_datagram *got)
{
	if (got->channel == KDNET_CHANNEL_DATA)
		learn_machine(&d->sessions[d->current], got);
	else if (got->to_target && kdnet_is_response(got->payload, got->length))
		begin_session(d, got);
}

/* ---- lines ---- */

static void put_time(struct dissect *d, const struct pcap_packet *packet)
{
	const uint64_t ns_per_us = 1000, us_per_s = 1000000;
	bool before = packet->time_ns < d->first_ns;
	uint64_t ns =
		before ? d->first_ns - packet->time_ns : packet->time_ns - d->first_ns;
	uint64_t us = ns / ns_per_us;
	(void)fprintf(d->out, "%" PRIu32 " %s%" PRIu64 ".%06" PRIu64 " ", packet->number,
		      before ? "-" : "", us / us_per_s, us % us_per_s);
}

static void put_hex(FILE *out, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		(void)fprintf(out, "%02x", bytes[i]);
}

static void put_opened(struct dissect *d, const struct pcap_packet *packet,
		       const struct kdnet_datagram *got, size_t length)
{
	if (d->format == DISSECT_SUMMARY) {
		summary_add(&d->summary, packet->time_ns, got, length,
			    d->sessions[d->current].machine, d->begun);
		return;
	}
	put_time(d, packet);
	(void)fputs(got->to_target ? "H>T " : "T>H ", d->out);
	if (d->format == DISSECT_HEX) {
		(void)fprintf(d->out, "%u %" PRIu64 " ", (unsigned)got->channel,
			      got->sequence);
		put_hex(d->out, got->payload, got->length);
	} else {
		text_datagram(d->out, got, d->sessions[d->current].machine, d->begun);
	}
	(void)fputc('\n', d->out);
}

static void put_address(FILE *out, const uint8_t address[static 16], uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char name[INET6_ADDRSTRLEN];
	bool four = memcmp(address, mapped, sizeof(mapped)) == 0;
	if (inet_ntop(four ? AF_INET : AF_INET6,
		      four ? address + sizeof(mapped) : address, name, sizeof(name)))
		(void)fprintf(out, four ? "%s:%u" : "[%s]:%u", name, port);
}

static void put_closed(struct dissect *d, const struct pcap_packet *packet,
		       const struct datagram *sent, enum kdnet_channel channel,
		       enum kdnet_open_result why)
{
	static const char *const reasons[KDNET_OPEN_RESULTS] = {
		[KDNET_DROP_LENGTH] = "malformed, length",
		[KDNET_DROP_CHANNEL] = "malformed, channel",
		[KDNET_DROP_TAG] = "sealed",
		[KDNET_DROP_PADDING] = "malformed, padding",
	};
	if (d->format == DISSECT_SUMMARY)
		return;
	put_time(d, packet);
	if (d->format == DISSECT_HEX) {
		(void)fprintf(d->out, "? %u sealed ", (unsigned)channel);
		put_hex(d->out, sent->bytes, sent->length);
	} else {
		(void)fprintf(d->out, "??? %s, %s channel, %zu bytes", reasons[why],
			      channel == KDNET_CHANNEL_DATA ? "data" : "control",
			      sent->length);
		/* with a key that is no news */
		if (!d->has_key) {
			(void)fputs(", ", d->out);
			put_address(d->out, sent->source, sent->source_port);
			(void)fputs(" to ", d->out);
			put_address(d->out, sent->destination, sent->destination_port);
		}
	}
	(void)fputc('\n', d->out);
}

/* ---- datagrams ---- */

static void count_closed(struct dissect *d, enum kdnet_channel channel,
			 enum kdnet_open_result why)
{
	if (why != KDNET_DROP_TAG) {
		d->malformed++;
		return;
	}
	d->sealed++;
	if (channel == KDNET_CHANNEL_DATA)
		d->sealed_data++;
}

static void on_datagram(struct dissect *d, const struct pcap_packet *packet,
			const struct datagram *sent)
{
	enum kdnet_channel channel;
	enum kdnet_open_result result;
	struct kdnet_datagram got = { 0 };
	uint8_t version;
	bool whole = kdnet_peek(sent->bytes, sent->length, &channel, &version, &result);
	if (result == KDNET_DROP_MAGIC)
		return;
	d->datagrams++;
	if (whole)
		result = open_any(d, &got, channel, sent->bytes, sent->length);
	if (result != KDNET_OPENED) {
		count_closed(d, channel, result);
		put_closed(d, packet, sent, channel, result);
		return;
	}
	d->opened++;
	learn(d, &got);
	put_opened(d, packet, &got, sent->length);
}

static void on_packet(struct dissect *d, const struct pcap_packet *packet)
{
	struct datagram sent;
	if (!d->timed && packet->time_ns > 0) {
		d->timed = true;
		d->first_ns = packet->time_ns;
	}
	if (packet->time_ns > d->last_ns)
		d->last_ns = packet->time_ns;
	switch (datagram_decode(&sent, packet)) {
	case DATAGRAM_FOUND:
		on_datagram(d, packet, &sent);
		break;
	case DATAGRAM_FRAGMENT:
		d->fragments++;
		break;
	case DATAGRAM_CUT:
		d->cut++;
		break;
	case DATAGRAM_OTHER:
		break;
	}
}

/* ---- the end ---- */

static void put_sums(const struct dissect *d, FILE *out)
{
	(void)fprintf(out,
		      "%" PRIu64 " datagrams: %" PRIu64 " opened, %" PRIu64 " sealed",
		      d->datagrams, d->opened, d->sealed);
	if (d->malformed > 0)
		(void)fprintf(out, ", %" PRIu64 " malformed", d->malformed);
	(void)fprintf(out, "; %u session%s\n", d->begun, d->begun == 1 ? "" : "s");
}

/* When it was, and how long. */
static void put_when(const struct dissect *d, FILE *out)
{
	const uint64_t ns_per_s = 1000000000, ns_per_ms = 1000000;
	time_t began = (time_t)(d->first_ns / ns_per_s);
	char text[64];
	struct tm utc;
	if (!d->timed || !gmtime_r(&began, &utc) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
		return;
	uint64_t ms =
		d->last_ns > d->first_ns ? (d->last_ns - d->first_ns) / ns_per_ms : 0;
	(void)fprintf(out, "from %s on, %" PRIu64 ".%03" PRIu64 " s\n", text, ms / 1000,
		      ms % 1000);
}

static void put_end(struct dissect *d, FILE *err)
{
	if (d->format == DISSECT_SUMMARY)
		put_when(d, d->out);
	if (d->format != DISSECT_HEX)
		put_sums(d, d->out);
	else if (d->opened < d->datagrams)
		put_sums(d, err);
	if (d->format == DISSECT_SUMMARY && d->opened > 0)
		summary_print(&d->summary, d->out);
}

static void put_remarks(const struct dissect *d, const char *path, bool damaged,
			FILE *err)
{
	if (damaged)
		(void)fprintf(err,
			      "kdbridge: %s is damaged or cut off: what follows the last "
			      "line is lost\n",
			      path);
	if (d->fragments > 0)
		(void)fprintf(err, "kdbridge: skipped %" PRIu64 " IP fragments\n",
			      d->fragments);
	if (d->cut > 0)
		(void)fprintf(err,
			      "kdbridge: skipped %" PRIu64 " packets of which only the "
			      "beginning was captured: record whole packets\n",
			      d->cut);
	if (!d->has_key && d->sealed > 0)
		(void)fprintf(err,
			      "kdbridge: no key: what is sealed opens with --key KEY, "
			      "--key-file FILE or KDBRIDGE_KEY\n");
	if (d->opened > 0 && d->sealed_data > 0 && d->begun == 0)
		(void)fprintf(err,
			      "kdbridge: %s begins in the middle of a session: without "
			      "its poke and response its data stays sealed\n",
			      path);
}

/* The exit code, and the sentence that goes with it. */
static int verdict(const struct dissect *d, const char *path, FILE *err)
{
	if (d->opened > 0 || (!d->has_key && d->datagrams > 0))
		return 0;
	if (d->datagrams == 0)
		(void)fprintf(err, "kdbridge: %s holds no KDNET datagram\n", path);
	else
		(void)fprintf(err,
			      "kdbridge: the key does not fit: it opens none of the "
			      "%" PRIu64 " KDNET datagrams in %s\n",
			      d->datagrams, path);
	return 1;
}

static void take_key(struct dissect *d, const uint8_t key[static KDNET_KEY_SIZE])
{
	memmove(d->key, key, sizeof(d->key));
	kdnet_cipher_init(&d->control, d->key, d->key);
	d->has_key = true;
}

static int dissect_capture(struct dissect *d, struct pcap_reader *capture,
			   const char *path, FILE *err)
{
	struct pcap_packet packet;
	bool more = pcap_next(capture, &packet);
	if (!d->has_key && record_key(d->key, capture->comment, capture->comment_length))
		take_key(d, d->key);
	for (; more; more = pcap_next(capture, &packet))
		on_packet(d, &packet);
	put_end(d, err);
	put_remarks(d, path, pcap_is_damaged(capture), err);
	return verdict(d, path, err);
}

int dissect_run(const char *path, const uint8_t *key, enum dissect_format format,
		FILE *out, FILE *err)
{
	size_t length;
	int status = 1;
	struct pcap_reader capture;
	uint8_t *bytes = pcap_load(path, &length);
	if (!bytes) {
		(void)fprintf(err, "kdbridge: cannot read %s: %s\n", path,
			      strerror(errno));
		return status;
	}
	struct dissect *d = sodium_init() >= 0 ? sodium_malloc(sizeof(*d)) : NULL;
	if (!d) {
		(void)fprintf(err, "kdbridge: no memory for keys\n");
	} else if (!pcap_init(&capture, bytes, length)) {
		(void)fprintf(err, "kdbridge: %s is neither pcapng nor pcap\n", path);
	} else {
		memset(d, 0, sizeof(*d));
		d->out = out;
		d->format = format;
		if (key)
			take_key(d, key);
		status = dissect_capture(d, &capture, path, err);
		summary_wipe(&d->summary);
	}
	sodium_free(d); /* which wipes it */
	free(bytes);
	return status;
}
