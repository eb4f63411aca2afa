#include "bridge/worker/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS_MAX = 100 };

static const char *const state_names[STATUS_STATES] = {
	[STATUS_DOWN] = "down",	      [STATUS_NEVER_SEEN] = "never-seen",
	[STATUS_WAITING] = "waiting", [STATUS_RUNNING] = "running",
	[STATUS_STOPPED] = "stopped",
};

#define FIELD(member, kind)                                                              \
	{                                                                                \
#member, kind, offsetof(struct status, member),                          \
			sizeof(((struct status *)0)->member)                             \
	}

const struct status_field status_fields[] = {
	FIELD(target, STATUS_TEXT),	  FIELD(label, STATUS_TEXT),
	FIELD(state, STATUS_STATE),	  FIELD(reason, STATUS_TEXT),
	FIELD(since, STATUS_NUMBER),	  FIELD(client, STATUS_TEXT),
	FIELD(endpoint, STATUS_TEXT),	  FIELD(port, STATUS_NUMBER),
	FIELD(kdnet, STATUS_NUMBER),	  FIELD(build, STATUS_NUMBER),
	FIELD(processors, STATUS_NUMBER), FIELD(round_trip_us, STATUS_NUMBER),
	FIELD(sent, STATUS_NUMBER),	  FIELD(received, STATUS_NUMBER),
	FIELD(repeated, STATUS_NUMBER),	  FIELD(duplicates, STATUS_NUMBER),
	FIELD(dropped, STATUS_NUMBER),	  FIELD(exchanges, STATUS_NUMBER),
	FIELD(bugcheck, STATUS_TEXT),	  FIELD(pid, STATUS_NUMBER),
	FIELD(restarts, STATUS_NUMBER),	  { NULL, STATUS_TEXT, 0, 0 },
};

const char *status_state_name(uint64_t state)
{
	return state < STATUS_STATES ? state_names[state] : "unknown";
}

static void *at(struct status *s, const struct status_field *f)
{
	return (char *)s + f->offset;
}

static uint64_t number_of(const struct status *s, const struct status_field *f)
{
	uint64_t number;

	memcpy(&number, (const char *)s + f->offset, sizeof(number));
	return number;
}

/* Lines end where we say, and a terminal is not steered by what a target has printed. */
static void write_text(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

void status_write(FILE *out, const struct status *s)
{
	for (const struct status_field *f = status_fields; f->name; f++) {
		fprintf(out, "%s ", f->name);
		if (f->kind == STATUS_TEXT)
			write_text(out, (const char *)s + f->offset);
		else if (f->kind == STATUS_STATE)
			fputs(status_state_name(number_of(s, f)), out);
		else
			fprintf(out, "%" PRIu64, number_of(s, f));
		fputc('\n', out);
	}
	fputc('\n', out);
}

/* ---- reading ---- */

static const struct status_field *find(const char *name, size_t length)
{
	for (const struct status_field *f = status_fields; f->name; f++)
		if (strlen(f->name) == length && !memcmp(f->name, name, length))
			return f;
	return NULL;
}

static uint64_t state_of(const char *value, size_t length)
{
	for (uint64_t i = 0; i < STATUS_STATES; i++)
		if (strlen(state_names[i]) == length &&
		    !memcmp(state_names[i], value, length))
			return i;
	return STATUS_DOWN;
}

static void take_text(char *out, size_t size, const char *value, size_t length)
{
	if (length >= size)
		length = size - 1;
	for (size_t i = 0; i < length; i++)
		out[i] = (unsigned char)value[i] < ' ' || value[i] == 0x7f ? '?'
									   : value[i];
	out[length] = '\0';
}

static void take_line(struct status *s, const char *line, size_t length)
{
	const char *space = memchr(line, ' ', length);
	const struct status_field *f = space ? find(line, (size_t)(space - line)) : NULL;
	uint64_t number;
	size_t left;

	if (!f)
		return;
	left = length - (size_t)(space + 1 - line);
	if (f->kind == STATUS_TEXT) {
		take_text(at(s, f), f->size, space + 1, left);
		return;
	}
	number = f->kind == STATUS_STATE ? state_of(space + 1, left)
					 : strtoull(space + 1, NULL, 10);
	memcpy(at(s, f), &number, sizeof(number));
}

bool status_read(struct status *s, const char **text)
{
	bool any = false;

	memset(s, 0, sizeof(*s));
	while (**text) {
		size_t length = strcspn(*text, "\n");
		const char *line = *text;

		*text += length + (line[length] == '\n');
		if (length == 0 && any)
			break;
		take_line(s, line, length);
		any = any || length > 0;
	}
	return any;
}

/* ---- the board ---- */

void status_post(struct status_board *b, const struct status *s)
{
	atomic_fetch_add(&b->changes, 1);
	b->status = *s;
	atomic_fetch_add(&b->changes, 1);
}

void status_look(struct status_board *b, struct status *out)
{
	/* One that died in the midst of it leaves the number odd. */
	for (int i = 0; i < LOOKS_MAX; i++) {
		unsigned before = atomic_load(&b->changes);

		*out = b->status;
		if (before % 2 == 0 && atomic_load(&b->changes) == before)
			break;
	}
	for (const struct status_field *f = status_fields; f->name; f++)
		if (f->kind == STATUS_TEXT)
			((char *)at(out, f))[f->size - 1] = '\0';
	if (out->state >= STATUS_STATES)
		out->state = STATUS_DOWN;
}
