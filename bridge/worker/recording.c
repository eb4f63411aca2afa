#include "bridge/worker/recording.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static void on_ended(void *context, const char *path, int error)
{
	struct recording *r = context;

	log_event(r->log, LOG_WARN, "recording-ended",
		  "the recording has ended, cannot write {path}: {why}; the session goes "
		  "on without it",
		  LOG_TEXT("path", path), LOG_TEXT("why", strerror(error)));
}

static void explain(const char *path, enum record_result result, struct log *log)
{
	static const char *const sentences[] = {
		[RECORD_NOT_OURS] = "it exists and is no recording: give another name",
		[RECORD_IN_USE] = "another kdbridge records into it: give another name",
		[RECORD_LONG_NAME] = "the name is too long",
	};

	log_event(log, LOG_ERROR, "record-failed", "cannot record into {path}: {why}",
		  LOG_TEXT("path", path),
		  LOG_TEXT("why", result == RECORD_FAILED ? strerror(errno)
							  : sentences[result]));
}

bool recording_open(struct recording *r, const struct options *o, struct log *log)
{
	const uint64_t mib = 1 << 20;
	const struct record_options options = {
		.path = o->record,
		.size = o->record_size_mib * mib,
		.files = o->record_files,
		.key = o->record_key ? o->connection.key : NULL,
		.port = o->connection.port,
		.ended = on_ended,
		.context = r,
	};
	enum record_result result;

	*r = (struct recording){ .log = log, .port = o->connection.port };
	if (!o->record)
		return true;
	result = record_new(&r->record, &options);
	if (result != RECORD_BEGUN) {
		explain(o->record, result, log);
		return false;
	}
	log_event(log, LOG_INFO, "recording",
		  "recording into {path}, {files} files of {size} MiB at most{key}",
		  LOG_TEXT("path", o->record), LOG_NUMBER("files", o->record_files),
		  LOG_NUMBER("size", o->record_size_mib),
		  LOG_TEXT("key", o->record_key
					  ? ", with the key in it: who has the file "
					    "can read all of it"
					  : ""));
	return true;
}

void recording_close(struct recording *r)
{
	record_free(r->record);
	r->record = NULL;
}

static uint64_t now_ns(void)
{
	const uint64_t ns_per_s = 1000000000;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * ns_per_s + (uint64_t)now.tv_nsec;
}

static void on_datagram(void *context, const struct kdnet_peer *peer, bool to_target,
			const uint8_t *bytes, size_t length)
{
	const struct recording *r = context;
	struct datagram d = { .bytes = bytes, .length = length };

	memcpy(d.source, to_target ? peer->local : peer->address, sizeof(d.source));
	memcpy(d.destination, to_target ? peer->address : peer->local,
	       sizeof(d.destination));
	d.source_port = to_target ? r->port : peer->port;
	d.destination_port = to_target ? peer->port : r->port;
	record_datagram(r->record, now_ns(), &d, to_target);
}

struct kdnet_udp_tap recording_tap(struct recording *r)
{
	struct kdnet_udp_tap nobody = { NULL, NULL };

	return r->record ? (struct kdnet_udp_tap){ on_datagram, r } : nobody;
}
