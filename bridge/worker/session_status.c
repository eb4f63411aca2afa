#include "bridge/worker/session.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "bridge/target/processors.h"
#include "bridge/worker/session_internal.h"

static enum status_state state_of(const struct session *s)
{
	switch (target_state(s->target)) {
	case TARGET_RUNNING:
		return STATUS_RUNNING;
	case TARGET_STOPPED:
		return STATUS_STOPPED;
	case TARGET_WAITING:
		break;
	}
	return s->seen ? STATUS_WAITING : STATUS_NEVER_SEEN;
}

static void tell_state(struct session *s, struct status *out)
{
	enum status_state state = state_of(s);
	const struct target_stop *stop = target_stopped(s->target);

	if (!s->status_since || state != s->status_state) {
		s->status_state = state;
		s->status_since = (uint64_t)time(NULL);
	}
	out->state = state;
	out->since = s->status_since;
	out->reason[0] = '\0';
	if (stop)
		snprintf(out->reason, sizeof(out->reason), "%s", stop->text);
}

static void tell_link(const struct kdnet *k, struct status *out)
{
	out->kdnet = kdnet_version(k);
	out->round_trip_us = kdnet_round_trip_us(k);
	out->sent = kdnet_count(k, KDNET_COUNT_SENT);
	out->received = kdnet_count(k, KDNET_COUNT_RECEIVED);
	out->repeated = kdnet_count(k, KDNET_COUNT_REPEATED);
	out->duplicates = kdnet_count(k, KDNET_COUNT_DUPLICATES);
	out->dropped = kdnet_count(k, KDNET_COUNT_DROPPED_FORM) +
		       kdnet_count(k, KDNET_COUNT_DROPPED_TAG) +
		       kdnet_count(k, KDNET_COUNT_DROPPED_REPLAY) +
		       kdnet_count(k, KDNET_COUNT_DROPPED_STRANGER);
}

static void tell_target(struct target *t, struct status *out)
{
	const struct kd_version *v = target_version(t);
	const struct target_bugcheck *b = target_seen_bugcheck(t);
	const char *name = b ? bugcheck_name(b->code) : NULL;

	out->build = v ? v->build : 0;
	out->processors = v ? processors_count(t) : 0;
	out->exchanges = target_exchanges(t);
	out->bugcheck[0] = '\0';
	if (b)
		snprintf(out->bugcheck, sizeof(out->bugcheck), "%08" PRIx32 "%s%s%s",
			 b->code, name ? " " : "", name ? name : "",
			 b->earlier_boot ? ", in an earlier boot" : "");
}

void session_status(struct session *s, struct status *out)
{
	tell_state(s, out);
	tell_link(target_kdnet(s->target), out);
	tell_target(s->target, out);
	out->port = target_port(s->target);
	out->client[0] = '\0';
	if (!s->listener)
		return;
	snprintf(out->client, sizeof(out->client), "%s", rsp_listen_peer(s->listener));
	snprintf(out->endpoint, sizeof(out->endpoint), "%s",
		 rsp_listen_name(s->listener));
}
