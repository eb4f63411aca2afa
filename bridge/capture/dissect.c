#include "bridge/capture/dissect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "bridge/capture/datagram.h"
#include "bridge/capture/pcap.h"
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
	uint8_t key[KDNET_KEY_SIZE];
	struct kdnet_cipher control;
	struct session sessions[SESSIONS_MAX];
	unsigned begun; /* number of the last one */
	size_t current; /* index of the one that opened the last datagram */
	bool timed;
	uint64_t first_ns;
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

static void put_opened(struct dissect *d, const struct kdnet_datagram *got)
{
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

static void put_closed(struct dissect *d, const struct datagram *sent,
		       enum kdnet_channel channel, enum kdnet_open_result why)
{
	static const char *const reasons[KDNET_OPEN_RESULTS] = {
		[KDNET_DROP_LENGTH] = "malformed, length",
		[KDNET_DROP_CHANNEL] = "malformed, channel",
		[KDNET_DROP_TAG] = "sealed",
		[KDNET_DROP_PADDING] = "malformed, padding",
	};
	if (d->format == DISSECT_HEX) {
		(void)fprintf(d->out, "? %u sealed ", (unsigned)channel);
		put_hex(d->out, sent->bytes, sent->length);
	} else {
		(void)fprintf(d->out, "??? %s, %s channel, %zu bytes", reasons[why],
			      channel == KDNET_CHANNEL_DATA ? "data" : "control",
			      sent->length);
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
	put_time(d, packet);
	if (result != KDNET_OPENED) {
		count_closed(d, channel, result);
		put_closed(d, sent, channel, result);
		return;
	}
	d->opened++;
	learn(d, &got);
	put_opened(d, &got);
}

static void on_packet(struct dissect *d, const struct pcap_packet *packet)
{
	struct datagram sent;
	if (!d->timed && packet->time_ns > 0) {
		d->timed = true;
		d->first_ns = packet->time_ns;
	}
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
	if (d->opened > 0 && d->sealed_data > 0 && d->begun == 0)
		(void)fprintf(err,
			      "kdbridge: %s begins in the middle of a session: without "
			      "its poke and response its data stays sealed\n",
			      path);
}

/* The exit code, and the sentence that goes with it. */
static int verdict(const struct dissect *d, const char *path, FILE *err)
{
	if (d->opened > 0)
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

static int dissect_capture(struct dissect *d, struct pcap_reader *capture,
			   const char *path, FILE *err)
{
	struct pcap_packet packet;
	while (pcap_next(capture, &packet))
		on_packet(d, &packet);
	if (d->format == DISSECT_TEXT)
		put_sums(d, d->out);
	else if (d->opened < d->datagrams)
		put_sums(d, err);
	put_remarks(d, path, pcap_is_damaged(capture), err);
	return verdict(d, path, err);
}

int dissect_run(const char *path, const uint8_t key[static KDNET_KEY_SIZE],
		enum dissect_format format, FILE *out, FILE *err)
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
		memcpy(d->key, key, sizeof(d->key));
		kdnet_cipher_init(&d->control, d->key, d->key);
		status = dissect_capture(d, &capture, path, err);
	}
	sodium_free(d); /* which wipes it */
	free(bytes);
	return status;
}
