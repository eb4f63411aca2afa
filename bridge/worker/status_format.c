#include "bridge/worker/status_format.h"

#include <inttypes.h>
#include <string.h>

static uint64_t number_of(const struct status *s, const struct status_field *f)
{
	uint64_t number;

	memcpy(&number, (const char *)s + f->offset, sizeof(number));
	return number;
}

/* ---- JSON ---- */

static void put_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ')
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

void status_print_json(FILE *out, const struct status *targets, size_t count)
{
	fputc('[', out);
	for (size_t i = 0; i < count; i++) {
		const struct status *s = &targets[i];

		fputs(i ? ",\n {" : "{", out);
		for (const struct status_field *f = status_fields; f->name; f++) {
			fprintf(out, "%s\"%s\":", f == status_fields ? "" : ",", f->name);
			if (f->kind == STATUS_TEXT)
				put_quoted(out, (const char *)s + f->offset);
			else if (f->kind == STATUS_STATE)
				put_quoted(out, status_state_name(s->state));
			else
				fprintf(out, "%" PRIu64, number_of(s, f));
		}
		fputc('}', out);
	}
	fputs("]\n", out);
}

/* ---- OpenMetrics ---- */

static const struct metric {
	const char *name, *type, *help;
	size_t offset;
	double scale;
} metrics[] = {
#define METRIC(name, type, member, scale, help)                                          \
	{                                                                                \
		name, type, help, offsetof(struct status, member), scale                 \
	}
	METRIC("state_since_seconds", "gauge", since, 1, "When the state began."),
	METRIC("processors", "gauge", processors, 1, "Processors of the target."),
	METRIC("round_trip_seconds", "gauge", round_trip_us, 1e-6,
	       "Smoothed round trip of the link."),
	METRIC("sent_datagrams", "counter", sent, 1, "Datagrams to the target."),
	METRIC("received_datagrams", "counter", received, 1,
	       "Datagrams from the target."),
	METRIC("repeated_datagrams", "counter", repeated, 1,
	       "Datagrams that were sent again."),
	METRIC("duplicate_datagrams", "counter", duplicates, 1,
	       "Datagrams that the target sent again."),
	METRIC("dropped_datagrams", "counter", dropped, 1,
	       "Datagrams that were not the target's, or not whole."),
	METRIC("exchanges", "counter", exchanges, 1,
	       "Requests that the target answered."),
	METRIC("restarts", "counter", restarts, 1, "Starts of the worker after a death."),
#undef METRIC
};

/* The format's own escapes; other control characters cannot come, see status.h. */
static void put_label(FILE *out, const char *name, const char *text)
{
	fprintf(out, "%s=\"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# TYPE kdbridge_%s %s\n# HELP kdbridge_%s %s\n", name, type, name,
		help);
}

static void put_info(FILE *out, const struct status *s)
{
	static const struct {
		const char *label;
		size_t offset;
	} labels[] = {
		{ "label", offsetof(struct status, label) },
		{ "endpoint", offsetof(struct status, endpoint) },
		{ "client", offsetof(struct status, client) },
		{ "reason", offsetof(struct status, reason) },
		{ "bugcheck", offsetof(struct status, bugcheck) },
	};

	fputs("kdbridge_target_info{", out);
	put_label(out, "target", s->target);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		fputc(',', out);
		put_label(out, labels[i].label, (const char *)s + labels[i].offset);
	}
	fprintf(out,
		",port=\"%" PRIu64 "\",kdnet=\"%" PRIu64 "\",build=\"%" PRIu64 "\"} 1\n",
		s->port, s->kdnet, s->build);
}

static void put_states(FILE *out, const struct status *s)
{
	for (uint64_t state = 0; state < STATUS_STATES; state++) {
		fputs("kdbridge_state{", out);
		put_label(out, "target", s->target);
		fprintf(out, ",kdbridge_state=\"%s\"} %d\n", status_state_name(state),
			s->state == state);
	}
}

static void put_value(FILE *out, const struct metric *m, const struct status *s)
{
	uint64_t value;

	memcpy(&value, (const char *)s + m->offset, sizeof(value));
	fprintf(out, "kdbridge_%s%s{", m->name,
		strcmp(m->type, "counter") == 0 ? "_total" : "");
	put_label(out, "target", s->target);
	fprintf(out, "} %.15g\n", (double)value * m->scale);
}

void status_print_metrics(FILE *out, const struct status *targets, size_t count)
{
	put_head(out, "target", "info", "What a target is.");
	for (size_t i = 0; i < count; i++)
		put_info(out, &targets[i]);
	put_head(out, "state", "stateset", "What a target does.");
	for (size_t i = 0; i < count; i++)
		put_states(out, &targets[i]);
	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
		put_head(out, metrics[m].name, metrics[m].type, metrics[m].help);
		for (size_t i = 0; i < count; i++)
			put_value(out, &metrics[m], &targets[i]);
	}
	fputs("# EOF\n", out);
}
