#include "bridge/capture/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t ns_per_us = 1000;
static const double us_per_ms = 1e3;
static const double ns_per_second = 1e9;

/* ---- times ---- */

/* Without memory for one more the percentiles are those of what there is. */
static void add_time(struct summary_times *t, uint64_t from_ns, uint64_t to_ns)
{
	const size_t first_room = 64;
	uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / ns_per_us : 0;
	if (t->count == t->room) {
		size_t room = t->room > 0 ? 2 * t->room : first_room;
		uint32_t *more = realloc(t->us, room * sizeof(*more));
		if (!more)
			return;
		t->us = more;
		t->room = room;
	}
	t->us[t->count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return (left > right) - (left < right);
}

/* The nearest rank, in milliseconds; the times are sorted. */
static double percentile_ms(const struct summary_times *t, unsigned percent)
{
	const size_t whole = 100;
	size_t rank = (t->count * percent + whole - 1) / whole;
	return t->us[rank > 0 ? rank - 1 : 0] / us_per_ms;
}

static void put_times(struct summary_times *t, FILE *out)
{
	static const unsigned percents[] = { 50, 90, 99, 100 };
	if (t->count > 0)
		qsort(t->us, t->count, sizeof(*t->us), compare);
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		if (t->count > 0)
			(void)fprintf(out, " %9.3f", percentile_ms(t, percents[i]));
		else
			(void)fprintf(out, " %9s", "-");
	}
}

/* ---- exchanges ---- */

static struct summary_api *find_api(struct summary *s, enum kd_api api)
{
	for (size_t i = 0; i < s->api_count; i++)
		if (s->apis[i].api == api)
			return &s->apis[i];
	if (s->api_count == SUMMARY_APIS)
		return NULL;
	s->apis[s->api_count].api = api;
	return &s->apis[s->api_count++];
}

static void end_stop(struct summary *s, uint64_t time_ns)
{
	if (s->stopped && time_ns > s->stopped_ns)
		s->stopped_for_ns += time_ns - s->stopped_ns;
	s->stopped = false;
}

static void on_request(struct summary *s, uint64_t time_ns, enum kd_machine machine,
		       const struct kd_packet *p)
{
	struct kd_request r;
	if (!kd_request_decode(&r, machine, p->data, p->length))
		return;
	s->pending = find_api(s, r.api);
	s->asked_ns = time_ns;
	if (s->pending) {
		s->pending->asked++;
		s->pending->bytes += r.length;
	}
	if (r.api == KD_CONTINUE || r.api == KD_CONTINUE2)
		end_stop(s, time_ns);
}

static void on_reply(struct summary *s, uint64_t time_ns, enum kd_machine machine,
		     const struct kd_packet *p)
{
	struct kd_reply r;
	if (!s->pending || !kd_reply_decode(&r, machine, p->data, p->length) ||
	    r.api != s->pending->api)
		return;
	s->pending->answered++;
	s->pending->failed += r.status != KD_STATUS_SUCCESS;
	s->pending->bytes += r.length;
	add_time(&s->pending->times, s->asked_ns, time_ns);
	s->pending = NULL;
}

/* ---- stops ---- */

static void count_stop(struct summary *s, const struct summary_stop *stop)
{
	size_t i = 0;
	while (i < s->stop_count &&
	       (s->stops[i].state != stop->state || s->stops[i].code != stop->code ||
		s->stops[i].unload != stop->unload))
		i++;
	if (i == SUMMARY_STOPS)
		return;
	if (i == s->stop_count)
		s->stops[s->stop_count++] = *stop;
	s->stops[i].count++;
}

static void on_state_change(struct summary *s, uint64_t time_ns, enum kd_machine machine,
			    const struct kd_packet *p)
{
	struct kd_state_change change;
	if (!kd_state_change_decode(&change, machine, p->data, p->length))
		return;
	struct summary_stop stop = { .state = change.state };
	if (change.state == KD_STATE_EXCEPTION)
		stop.code = change.u.exception.code;
	else if (change.state == KD_STATE_LOAD_SYMBOLS)
		stop.unload = change.u.load.unload;
	count_stop(s, &stop);
	s->stopped = true;
	s->stopped_ns = time_ns;
}

/* ---- packets ---- */

static void on_debug_io(struct summary *s, const struct kd_packet *p)
{
	struct kd_debug_io io;
	if (!kd_debug_io_decode(&io, p->data, p->length))
		s->others++;
	else if (io.api == KD_PRINT)
		s->prints++;
	else
		s->prompts++;
}

static void on_data(struct summary *s, uint64_t time_ns, enum kd_machine machine,
		    const struct kd_packet *p, bool to_target)
{
	if (p->type == KD_PACKET_MANIPULATE && to_target)
		on_request(s, time_ns, machine, p);
	else if (p->type == KD_PACKET_MANIPULATE)
		on_reply(s, time_ns, machine, p);
	else if (p->type == KD_PACKET_STATE_CHANGE64 && !to_target)
		on_state_change(s, time_ns, machine, p);
	else if (p->type == KD_PACKET_DEBUG_IO && !to_target)
		on_debug_io(s, p);
	else
		s->others++;
}

static void on_control_packet(struct summary *s, uint64_t time_ns,
			      const struct kd_packet *p, bool to_target)
{
	struct summary_side *side = &s->sides[to_target];
	const struct summary_side *other = &s->sides[!to_target];
	if (p->type == KD_PACKET_RESEND) {
		side->resends++;
	} else if (p->type == KD_PACKET_RESET) {
		side->resets++;
		/* what is pending comes again, and is no repetition (KDNET.md §5) */
		s->sides[0].sent = s->sides[1].sent = false;
	} else if (p->type == KD_PACKET_ACKNOWLEDGE && !to_target &&
		   s->awaits_acknowledgement && other->sent && p->id == other->id) {
		add_time(&s->acknowledgements, s->sent_ns, time_ns);
		s->awaits_acknowledgement = false;
	}
}

static void on_packet(struct summary *s, uint64_t time_ns, enum kd_machine machine,
		      const struct kd_packet *p, bool to_target)
{
	struct summary_side *side = &s->sides[to_target];
	if (kd_packet_is_control(p)) {
		on_control_packet(s, time_ns, p, to_target);
		return;
	}
	if (!kd_packet_is_data(p))
		return;
	bool again = side->sent && side->id == p->id;
	side->sent = true;
	side->id = p->id;
	if (to_target) {
		/* which of two was acknowledged nobody knows */
		s->awaits_acknowledgement = !again;
		s->sent_ns = time_ns;
	}
	if (again)
		side->repeated++;
	else
		on_data(s, time_ns, machine, p, to_target);
}

/* ---- datagrams ---- */

static void count_sequence(struct summary_side *side, uint64_t sequence)
{
	if (!side->counted || sequence == side->highest + 1) {
		side->highest = sequence;
	} else if (sequence > side->highest) {
		side->lost += sequence - side->highest - 1;
		side->highest = sequence;
	} else {
		side->late++;
	}
	side->counted = true;
}

static void begin_session(struct summary *s, unsigned session)
{
	s->session = session;
	s->pending = NULL;
	s->awaits_acknowledgement = s->stopped = false;
	for (size_t i = 0; i < 2; i++)
		s->sides[i].counted = s->sides[i].sent = false;
}

static void on_control_channel(struct summary *s, const struct kdnet_datagram *d)
{
	if (!d->to_target)
		s->pokes++;
	else if (d->length == 0)
		s->host_pokes++;
	else
		s->responses++;
}

void summary_add(struct summary *s, uint64_t time_ns, const struct kdnet_datagram *d,
		 size_t length, enum kd_machine machine, unsigned session)
{
	struct kd_packet p;
	struct summary_side *side = &s->sides[d->to_target];
	side->datagrams++;
	side->bytes += length;
	if (d->channel == KDNET_CHANNEL_CONTROL) {
		on_control_channel(s, d);
		return;
	}
	if (session != s->session)
		begin_session(s, session);
	count_sequence(side, d->sequence);
	if (d->to_target && d->length == 1 && d->payload[0] == KD_BREAK_IN_BYTE)
		s->break_ins++;
	else if (kd_packet_decode(&p, d->payload, d->length))
		on_packet(s, time_ns, machine, &p, d->to_target);
}

/* ---- the text ---- */

static void put_exchanges(struct summary *s, FILE *out)
{
	if (s->api_count > 0)
		(void)fprintf(out, "\n%-26s %8s %8s %6s %9s %9s %9s %9s %10s\n",
			      "exchanges, times in ms", "asked", "answered", "failed",
			      "50 %", "90 %", "99 %", "longest", "bytes");
	for (size_t i = 0; i < s->api_count; i++) {
		struct summary_api *a = &s->apis[i];
		(void)fprintf(out, "%-26s %8" PRIu64 " %8" PRIu64 " %6" PRIu64,
			      kd_api_name(a->api), a->asked, a->answered, a->failed);
		put_times(&a->times, out);
		(void)fprintf(out, " %10" PRIu64 "\n", a->bytes);
	}
	if (s->acknowledgements.count > 0) {
		(void)fprintf(out, "%-26s %8s %8zu %6s", "acknowledgements", "",
			      s->acknowledgements.count, "");
		put_times(&s->acknowledgements, out);
		(void)fputc('\n', out);
	}
}

static void put_side(const struct summary_side *side, const char *name, FILE *out)
{
	(void)fprintf(out,
		      "%-16s %10" PRIu64 " %10" PRIu64 " %8" PRIu64 " %8" PRIu64
		      " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n",
		      name, side->datagrams, side->bytes, side->lost, side->late,
		      side->repeated, side->resends, side->resets);
}

static void put_stops(const struct summary *s, FILE *out)
{
	if (s->stop_count > 0)
		(void)fprintf(out, "\n%-26s %8s\n", "stops", "count");
	for (size_t i = 0; i < s->stop_count; i++) {
		const struct summary_stop *stop = &s->stops[i];
		char name[32];
		if (stop->state == KD_STATE_EXCEPTION)
			(void)snprintf(name, sizeof(name), "exception %08" PRIx32,
				       stop->code);
		else if (stop->state == KD_STATE_LOAD_SYMBOLS)
			(void)snprintf(name, sizeof(name), "%s",
				       stop->unload ? "unload" : "load");
		else
			(void)snprintf(name, sizeof(name), "command");
		(void)fprintf(out, "%-26s %8" PRIu64 "\n", name, stop->count);
	}
}

void summary_print(struct summary *s, FILE *out)
{
	(void)fprintf(out, "\n%-16s %10s %10s %8s %8s %8s %8s %8s\n", "", "datagrams",
		      "bytes", "lost", "late", "repeated", "RESEND", "RESET");
	put_side(&s->sides[0], "from the target", out);
	put_side(&s->sides[1], "to the target", out);
	(void)fprintf(out,
		      "\n%" PRIu64 " pokes, %" PRIu64 " responses, %" PRIu64
		      " host pokes, %" PRIu64 " break-ins; %" PRIu64 " prints, %" PRIu64
		      " prompts, %" PRIu64 " other packets; stopped for %.3f s\n",
		      s->pokes, s->responses, s->host_pokes, s->break_ins, s->prints,
		      s->prompts, s->others, (double)s->stopped_for_ns / ns_per_second);
	put_exchanges(s, out);
	put_stops(s, out);
}

void summary_wipe(struct summary *s)
{
	for (size_t i = 0; i < s->api_count; i++)
		free(s->apis[i].times.us);
	free(s->acknowledgements.us);
	memset(s, 0, sizeof(*s));
}
