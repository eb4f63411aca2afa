#include "bridge/cli/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/cli/config_text.h"
#include "kdnet/key.h"

enum { VALUE_MAX = 512, PATH_SIZE = 4096 };

static const char defaults_name[] = "defaults";

/* A target in the making. */
struct build {
	struct config *config;
	struct config_text *text;
	struct config_target *target;
	const struct config_setting *setting; /* at hand */
	unsigned step;			      /* how far values that count up have come */
};

static bool fail(struct build *b, const char *sentence)
{
	return config_text_error(b->text, b->setting->line, b->setting->name, "%s",
				 sentence);
}

static uint8_t *key_of(const struct config *c, const struct config_target *t)
{
	return c->keys + (size_t)(t - c->targets) * KDNET_KEY_SIZE;
}

/* Settings in another order are the same settings. */
static void add_to_fingerprint(struct config_target *t, const char *name,
			       const void *value, size_t length)
{
	uint8_t one[CONFIG_FINGERPRINT_SIZE];
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(one));
	crypto_generichash_update(&state, (const uint8_t *)name, strlen(name) + 1);
	crypto_generichash_update(&state, value, length);
	crypto_generichash_final(&state, one, sizeof(one));
	for (size_t i = 0; i < sizeof(one); i++)
		t->fingerprint[i] ^= one[i];
}

/* ---- settings ---- */

static bool take_port(struct build *b, const char *value)
{
	char *end;
	unsigned long port = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end || port == 0 || port > UINT16_MAX)
		return fail(b, "give a UDP port from 49152 to 65535, or N+ to count up");
	b->target->options.connection.port = (uint16_t)port;
	b->target->port_line = b->setting->line;
	return true;
}

static bool take_key(struct build *b, const char *value)
{
	uint8_t *key = key_of(b->config, b->target);
	enum kdnet_key_error why = kdnet_key_parse(key, value);

	b->config->holds_key = true;
	b->target->options.key_file = NULL;
	b->target->has_key = why == KDNET_KEY_OK;
	return why == KDNET_KEY_OK || fail(b, kdnet_key_error_text(why));
}

/* A copy that lives as long as the target. */
static char *keep(struct build *b, const char *value)
{
	struct config_target *t = b->target;
	char *copy = t->text_count < CONFIG_TEXTS_MAX ? strdup(value) : NULL;

	if (copy)
		t->texts[t->text_count++] = copy;
	else
		(void)fail(b, "out of memory");
	return copy;
}

static bool take_key_file(struct build *b, const char *value)
{
	if (!value[0])
		return fail(b, "give the name of a file");
	b->target->options.key_file = keep(b, value);
	b->target->has_key = false;
	return b->target->options.key_file != NULL;
}

static bool take_target(struct build *b, const char *value)
{
	char *target = b->target->options.connection.target;

	if (!value[0] || strlen(value) >= CONNECTION_HOST_MAX)
		return fail(b, "give the target's name or address");
	strcpy(target, value);
	return true;
}

static bool take_label(struct build *b, const char *value)
{
	if (strlen(value) >= CONFIG_LABEL_MAX)
		return fail(b, "a label has at most 127 characters");
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return fail(b, "a label has no control characters");
	strcpy(b->target->label, value);
	return true;
}

/* The words of the command line's errors without the option's name, which is said. */
static const char *plain(const char *error)
{
	const char *colon = strncmp(error, "bad --", 6) ? NULL : strstr(error, ": ");

	return colon ? colon + 2 : error;
}

static bool take_option(struct build *b, const char *value)
{
	char error[256];
	char *copy = keep(b, value);

	if (!copy)
		return false;
	if (!options_set(&b->target->options, b->setting->name, copy, error,
			 sizeof(error)))
		return fail(b, plain(error));
	if (!strcmp(b->setting->name, "listen"))
		b->target->listen_line = b->setting->line;
	return true;
}

/* What stands in a section and is no option of the command line, or another one there. */
static const struct row {
	const char *name;
	bool (*take)(struct build *b, const char *value);
	bool counts; /* "N+" */
	const char *instead;
} rows[] = {
	{ "port", take_port, true, "" },
	{ "key", take_key, false, "key-file" },
	{ "key-file", take_key_file, false, "key" },
	{ "target", take_target, false, "" },
	{ "label", take_label, false, "" },
	{ "listen", take_option, true, "" },
};
static const struct row option_row = { NULL, take_option, false, "" };

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return options_is_setting(name) ? &option_row : NULL;
}

/* "{name}" in a value is the target's name. */
static bool put_name(struct build *b, char out[static VALUE_MAX], const char *value)
{
	static const char word[] = "{name}";
	const char *at = strstr(value, word);
	int length;

	if (!at)
		length = snprintf(out, VALUE_MAX, "%s", value);
	else
		length = snprintf(out, VALUE_MAX, "%.*s%s%s", (int)(at - value), value,
				  b->target->name, at + sizeof(word) - 1);
	return (length >= 0 && length < VALUE_MAX) || fail(b, "too long");
}

/* "127.0.0.1:12000+" of the fourth target is 127.0.0.1:12003. */
static bool count_up(struct build *b, char value[static VALUE_MAX])
{
	size_t length = strlen(value), digits = length ? length - 1 : 0;
	unsigned long number;

	if (!length || value[length - 1] != '+')
		return true;
	value[length - 1] = '\0';
	while (digits > 0 && value[digits - 1] >= '0' && value[digits - 1] <= '9')
		digits--;
	number = strtoul(value + digits, NULL, 10);
	if (!value[digits] || number > UINT16_MAX)
		return fail(b, "+ stands behind a port");
	if (number + b->step > UINT16_MAX)
		return fail(b, "counts beyond port 65535: begin with a lower one");
	snprintf(value + digits, VALUE_MAX - digits, "%lu", number + b->step);
	return true;
}

static bool apply(struct build *b, const struct config_setting *s, unsigned step)
{
	const struct row *row = find_row(s->name);
	char value[VALUE_MAX];
	bool taken;

	b->setting = s;
	b->step = step;
	taken = row && put_name(b, value, s->value) &&
		(!row->counts || count_up(b, value)) && row->take(b, value);
	if (taken)
		add_to_fingerprint(b->target, s->name, value, strlen(value));
	sodium_memzero(value, sizeof(value));
	return taken;
}

/* ---- targets ---- */

static bool add_target(struct config *c)
{
	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 8;
		struct config_target *targets =
			realloc(c->targets, room * sizeof(*targets));
		uint8_t *keys = sodium_malloc(room * KDNET_KEY_SIZE);

		if (targets)
			c->targets = targets;
		if (!targets || !keys) {
			sodium_free(keys);
			return false;
		}
		memset(keys, 0, room * KDNET_KEY_SIZE);
		if (c->keys)
			memcpy(keys, c->keys, c->count * KDNET_KEY_SIZE);
		sodium_free(c->keys);
		c->keys = keys;
		c->room = room;
	}
	memset(&c->targets[c->count++], 0, sizeof(c->targets[0]));
	return true;
}

static bool says(const struct config_section *s, const char *name)
{
	const struct row *row = find_row(name);

	return config_text_find(s, name) ||
	       (row && row->instead[0] && config_text_find(s, row->instead));
}

static bool add_named(struct config *c, struct config_text *text,
		      const struct config_section *defaults,
		      const struct config_section *section, const char *name,
		      unsigned step, const struct options *base)
{
	struct build b = { .config = c, .text = text };
	struct config_target *t;

	if (c->count >= CONFIG_TARGETS_MAX)
		return config_text_error(text, section->line, NULL,
					 "more than %d targets", CONFIG_TARGETS_MAX);
	if (!add_target(c))
		return config_text_error(text, section->line, NULL, "out of memory");
	t = b.target = &c->targets[c->count - 1];
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->line = t->port_line = t->listen_line = section->line;
	t->options = *base;
	t->has_key = base->connection.key != NULL;
	if (t->has_key)
		memcpy(key_of(c, t), base->connection.key, KDNET_KEY_SIZE);
	for (size_t i = 0; i < (defaults ? defaults->count : 0); i++)
		if (!says(section, defaults->settings[i].name) &&
		    !apply(&b, &defaults->settings[i], defaults->settings[i].used++))
			return false;
	for (size_t i = 0; i < section->count; i++)
		if (!apply(&b, &section->settings[i], step))
			return false;
	if (t->options.connection.port == 0)
		return config_text_error(
			text, section->line, "port",
			"%s has none: give port = N here, or N+ in [defaults]", name);
	return true;
}

static bool is_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return strspn(name, letters) == strlen(name) && name[0] != '.' &&
	       name[0] != '-' && name[0] && strlen(name) < CONFIG_NAME_MAX;
}

/* "lab-01..16": what stands before the number, its digits, the first and the last one. */
struct range {
	int prefix, digits;
	unsigned first, last;
};

static bool take_range(struct range *r, const char *name)
{
	const char *dots = strstr(name, ".."), *from = dots;

	*r = (struct range){ .prefix = (int)strlen(name) };
	if (!dots)
		return true;
	while (from > name && from[-1] >= '0' && from[-1] <= '9')
		from--;
	r->prefix = (int)(from - name);
	r->digits = (int)(dots - from);
	if (!r->digits || r->digits > 6 || strlen(dots + 2) > 6 || !dots[2] ||
	    strspn(dots + 2, "0123456789") != strlen(dots + 2))
		return false;
	r->first = (unsigned)strtoul(from, NULL, 10);
	r->last = (unsigned)strtoul(dots + 2, NULL, 10);
	return r->first <= r->last && r->last - r->first < CONFIG_TARGETS_MAX;
}

static bool add_section(struct config *c, struct config_text *text,
			const struct config_section *defaults,
			const struct config_section *section, const struct options *base)
{
	char name[VALUE_MAX];
	struct range r;

	if (!take_range(&r, section->name))
		return config_text_error(text, section->line, NULL,
					 "[%s] is no range: as in [lab-1..8]",
					 section->name);
	for (unsigned i = r.first; i <= r.last; i++) {
		if (r.digits)
			snprintf(name, sizeof(name), "%.*s%0*u", r.prefix, section->name,
				 r.digits, i);
		else
			snprintf(name, sizeof(name), "%s", section->name);
		if (!is_name(name))
			return config_text_error(
				text, section->line, NULL,
				"[%s]: a name has up to %d letters, digits and ._-",
				section->name, CONFIG_NAME_MAX - 1);
		if (!add_named(c, text, defaults, section, name, i - r.first, base))
			return false;
	}
	return true;
}

/* ---- the whole ---- */

/* Also those of sections that nobody takes. */
static bool know_all(struct config_text *text)
{
	for (size_t i = 0; i < text->count; i++) {
		const struct config_section *s = &text->sections[i];

		for (size_t k = 0; k < s->count; k++) {
			const struct config_setting *set = &s->settings[k];
			const struct row *row = find_row(set->name);

			if (i == 0)
				return config_text_error(
					text, set->line, set->name,
					"before the first section: put it below [defaults]");
			/* What stands behind a mistyped name may be a key. */
			if (!row)
				return config_text_error(
					text, set->line, set->name,
					"unknown: kdbridge.conf(5) lists what there is");
			if (row->instead[0] && config_text_find(s, row->instead))
				return config_text_error(
					text, set->line, set->name,
					"%s is there, too: leave one of them",
					row->instead);
		}
	}
	return true;
}

bool config_same_endpoint(const struct rsp_endpoint *a, const struct rsp_endpoint *b)
{
	return a->is_unix == b->is_unix && a->port == b->port &&
	       (a->is_unix || a->port) && !strcmp(a->address, b->address);
}

static bool is_alone(struct config_text *text, const struct config_target *a,
		     const struct config_target *b)
{
	if (!strcmp(a->name, b->name))
		return config_text_error(text, b->line, NULL,
					 "%s is in line %u already: choose another name",
					 b->name, a->line);
	if (a->options.connection.port == b->options.connection.port)
		return config_text_error(text, b->port_line, "port",
					 "%s and %s both have %u: give one another port",
					 a->name, b->name, b->options.connection.port);
	if (config_same_endpoint(&a->options.listen, &b->options.listen))
		return config_text_error(
			text, b->listen_line, "listen",
			"%s and %s both have %s:%u: give one another endpoint, or count "
			"up (listen = 127.0.0.1:12000+ in [defaults])",
			a->name, b->name,
			b->options.listen.is_unix ? "unix" : b->options.listen.address,
			b->options.listen.port);
	if (a->options.record && b->options.record &&
	    !strcmp(a->options.record, b->options.record))
		return config_text_error(text, b->line, "record",
					 "%s and %s both have %s: put {name} into it",
					 a->name, b->name, b->options.record);
	return true;
}

static bool are_all_alone(struct config *c, struct config_text *text)
{
	for (size_t i = 0; i < c->count; i++)
		for (size_t k = 0; k < i; k++)
			if (!is_alone(text, &c->targets[k], &c->targets[i]))
				return false;
	return true;
}

static bool build_all(struct config *c, struct config_text *text,
		      const struct options *base)
{
	const struct config_section *defaults = NULL;

	if (!know_all(text))
		return false;
	for (size_t i = 1; i < text->count; i++)
		if (!strcmp(text->sections[i].name, defaults_name))
			defaults = &text->sections[i];
	for (size_t i = 1; i < text->count; i++)
		if (&text->sections[i] != defaults &&
		    !add_section(c, text, defaults, &text->sections[i], base))
			return false;
	if (c->count == 0)
		return config_text_error(text, 1, NULL,
					 "no target: a section for each, as in [lab-1]");
	return are_all_alone(c, text);
}

bool config_parse(struct config *c, const char *file, const char *text,
		  const struct options *base, char *error, size_t size)
{
	struct config_text split;
	bool good;

	*c = (struct config){ 0 };
	good = config_text_parse(&split, file, text, error, size) &&
	       build_all(c, &split, base);
	config_text_free(&split);
	return good;
}

/* ---- keys ---- */

static void find_key_file(char out[static PATH_SIZE], const char *name,
			  const char *directory)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");

	if (name[0] == '/') {
		snprintf(out, PATH_SIZE, "%s", name);
		return;
	}
	snprintf(out, PATH_SIZE, "%s/%s", credentials ? credentials : directory, name);
	if (credentials && access(out, F_OK) != 0)
		snprintf(out, PATH_SIZE, "%s/%s", directory, name);
}

static bool read_key(struct config *c, struct config_target *t, const char *directory,
		     char *error, size_t size)
{
	struct connection *connection = &t->options.connection;
	char path[PATH_SIZE];

	connection->key = NULL;
	find_key_file(path, t->options.key_file, directory);
	if (!connection_key_file(connection, path, error, size))
		return false;
	memcpy(key_of(c, t), connection->key, KDNET_KEY_SIZE);
	t->has_key = true;
	connection_wipe(connection);
	return true;
}

bool config_read_keys(struct config *c, const char *file, const char *directory,
		      char *error, size_t size)
{
	char why[512];

	for (size_t i = 0; i < c->count; i++) {
		struct config_target *t = &c->targets[i];

		/* a file that the command line named was read there */
		if (t->options.key_file && !t->has_key &&
		    !read_key(c, t, directory, why, sizeof(why))) {
			snprintf(error, size, "%s:%u: key-file: %s: %s", file, t->line,
				 t->name, why);
			return false;
		}
		if (!t->has_key) {
			snprintf(error, size,
				 "%s:%u: key: %s has none: give key or key-file", file,
				 t->line, t->name);
			return false;
		}
		t->options.connection.key = key_of(c, t);
		add_to_fingerprint(t, "", key_of(c, t), KDNET_KEY_SIZE);
	}
	return true;
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < c->count; i++)
		for (unsigned k = 0; k < c->targets[i].text_count; k++)
			free(c->targets[i].texts[k]);
	free(c->targets);
	sodium_free(c->keys); /* wipes */
	*c = (struct config){ 0 };
}

const struct config_target *config_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->targets[i].name, name))
			return &c->targets[i];
	return NULL;
}

bool config_same(const struct config_target *a, const struct config_target *b)
{
	return sodium_memcmp(a->fingerprint, b->fingerprint, sizeof(a->fingerprint)) == 0;
}
