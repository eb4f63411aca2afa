#include "bridge/cli/options.h"

#include <assert.h>
#include <string.h>

#include "bridge/cli/options_internal.h"

enum {
	DEFAULT_PORT = 1234,
	DEFAULT_IMAGE_WAIT = 5,
	DEFAULT_WAIT = 10, /* three pokes, KDNET.md §4 */
	DEFAULT_RECORD_SIZE = 64,
	DEFAULT_RECORD_FILES = 4,
};

static bool take_connection(struct options_parser *p)
{
	struct connection *c = &p->options->connection;

	if (c->port == 0)
		return connection_parse(c, p->argument, p->error, p->size);
	memset(p->argument, '*', strlen(p->argument)); /* it may hold a key */
	snprintf(p->error, p->size, "more than one connection string: give one");
	return false;
}

static bool take_file(struct options_parser *p)
{
	if (p->options->file) {
		snprintf(p->error, p->size, "more than one file: give one");
		return false;
	}
	p->options->file = p->argument;
	return true;
}

static bool take_nothing(struct options_parser *p)
{
	/* Whoever pastes a connection string here must not leave its key behind. */
	memset(p->argument, '*', strlen(p->argument));
	snprintf(
		p->error, p->size,
		"it takes options only, see its --help: what stands without -- is too much");
	return false;
}

static bool config_is_complete(struct options_parser *p)
{
	const struct options *o = p->options;
	const char *why = NULL;

	if (o->connection.port)
		why = "--config and a connection string: give one of them";
	else if (o->stdio)
		why = "--config and --stdio: a gdb on standard input is for one target";
	if (why)
		snprintf(p->error, p->size, "%s", why);
	return !why;
}

static bool target_is_complete(struct options_parser *p)
{
	const struct connection *c = &p->options->connection;

	if (p->options->config)
		return config_is_complete(p);
	if (p->options->check) {
		snprintf(p->error, p->size, "--check needs the file: --config FILE");
		return false;
	}
	if (p->options->record_key && !p->options->record) {
		snprintf(p->error, p->size, "--record-key needs the file: --record FILE");
		return false;
	}
	if (c->port && c->key)
		return true;
	snprintf(
		p->error, p->size, "%s",
		c->port ? "no key: give key= in the connection string, --key-file FILE or KDBRIDGE_KEY"
			: "no connection string: give net:port=N,key=… as set on the target, or see kdbridge --help");
	return false;
}

static bool dissect_is_complete(struct options_parser *p)
{
	if (p->options->file)
		return true;
	snprintf(p->error, p->size, "no file: give a pcapng or pcap file to dissect");
	return false;
}

static bool bcdedit_is_complete(struct options_parser *p)
{
	struct options_bcdedit *b = &p->options->bcdedit;
	const char *why = NULL;

	if (b->host && b->ipv6 && !b->host_is_ipv6)
		why = "--ipv6 and an IPv4 address in --host: leave one of them";
	b->ipv6 = b->ipv6 || (b->host && b->host_is_ipv6);
	if (b->ipv6 && b->hypervisor)
		why = "the hypervisor's debugger knows IPv4 only: leave --ipv6 or --hypervisor";
	else if (b->hypervisor && p->options->connection.port == UINT16_MAX)
		why = "--hypervisor takes the next port, too: give a --port below 65535";
	if (why)
		snprintf(p->error, p->size, "%s", why);
	return !why;
}

static bool needs_nothing(struct options_parser *p)
{
	(void)p;
	return true;
}

/* What stands without "--", and what must be there in the end. */
static const struct options_rule {
	enum options_command command;
	const char *help;			      /* whom to ask */
	bool (*positional)(struct options_parser *p); /* the argument is the word */
	bool (*is_complete)(struct options_parser *p);
} rules[] = {
	{ OPTIONS_TARGET, "kdbridge", take_connection, target_is_complete },
	{ OPTIONS_DISSECT, "kdbridge dissect", take_file, dissect_is_complete },
	{ OPTIONS_KEYGEN, "kdbridge keygen", take_nothing, needs_nothing },
	{ OPTIONS_BCDEDIT, "kdbridge bcdedit", take_nothing, bcdedit_is_complete },
	{ OPTIONS_DOCTOR, "kdbridge doctor", take_connection, needs_nothing },
	{ OPTIONS_STATUS, "kdbridge status", take_nothing, needs_nothing },
};

static const struct options_rule *rule_of(enum options_command command)
{
	const struct options_rule *rule = rules;

	while (rule->command != command)
		rule++;
	return rule;
}

/* Stores which of "a|b|c" it is. */
static bool choose(struct options_parser *p, const struct options_row *row)
{
	const char *word = row->argument;

	assert(word && p->argument);
	size_t length = strlen(p->argument);

	for (int i = 0;; i++) {
		size_t n = strcspn(word, "|");

		if (n == length && !memcmp(word, p->argument, n)) {
			*(int *)(void *)((char *)p->options + row->choice) = i;
			return true;
		}
		if (!word[n])
			break;
		word += n + 1;
	}
	snprintf(p->error, p->size, "bad --%s: give one of %s", row->name, row->argument);
	return false;
}

static const struct options_row *find(const struct options_parser *p, const char *name,
				      size_t length)
{
	for (const struct options_row *row = options_rows; row->name; row++)
		if ((row->commands & p->command) && strlen(row->name) == length &&
		    !memcmp(row->name, name, length))
			return row;
	return NULL;
}

/* "--name", "--name=argument" or "--name argument"; *taken counts what was used. */
static bool parse_option(struct options_parser *p, char *text, char *next, int *taken)
{
	char *name = text + 2;
	size_t length = strcspn(name, "=");
	const struct options_row *row = find(p, name, length);

	p->argument = name[length] ? name + length + 1 : NULL;

	if (!row) {
		snprintf(p->error, p->size, "unknown option --%.*s: %s --help lists them",
			 (int)length, name, p->rule->help);
		return false;
	}
	if (!row->argument && p->argument) {
		snprintf(p->error, p->size, "--%s takes no value", row->name);
		return false;
	}
	if (row->argument && !p->argument) {
		if (!next) {
			snprintf(p->error, p->size, "--%s needs a value: %s", row->name,
				 row->argument);
			return false;
		}
		p->argument = next;
		(*taken)++;
	}
	return row->parse ? row->parse(p) : choose(p, row);
}

static bool parse_all(struct options_parser *p, int argc, char **argv)
{
	bool options = true;

	for (int i = 1; i < argc && p->result == OPTIONS_GOOD; i++) {
		char *text = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (options && !strcmp(text, "--")) {
			options = false;
		} else if (options && !strcmp(text, "-k") &&
			   (p->command & (OPTIONS_TARGET | OPTIONS_DOCTOR))) {
			continue; /* WinDbg's option before its connection string */
		} else if (options && !strcmp(text, "-c") &&
			   (p->command & OPTIONS_TARGET)) {
			static char config[] = "--config";

			if (!parse_option(p, config, next, &i))
				return false;
		} else if (options && !strncmp(text, "--", 2)) {
			if (!parse_option(p, text, next, &i))
				return false;
		} else if (options && text[0] == '-' && text[1]) {
			snprintf(p->error, p->size,
				 "unknown option %.2s: %s --help lists them", text,
				 p->rule->help);
			return false;
		} else {
			p->argument = text;
			if (!p->rule->positional(p))
				return false;
		}
	}
	return true;
}

enum options_result options_parse(struct options *o, enum options_command command,
				  int argc, char **argv, char *error, size_t size)
{
	struct options_parser p = { .options = o,
				    .command = command,
				    .rule = rule_of(command),
				    .error = error,
				    .size = size,
				    .result = OPTIONS_GOOD };

	*o = (struct options){ .level = LOG_INFO,
			       .image_wait_s = DEFAULT_IMAGE_WAIT,
			       .record_size_mib = DEFAULT_RECORD_SIZE,
			       .record_files = DEFAULT_RECORD_FILES,
			       .wait_s = DEFAULT_WAIT };
	o->listen.port = DEFAULT_PORT;
	strcpy(o->listen.address, "127.0.0.1");
	error[0] = '\0';
	if (!parse_all(&p, argc, argv))
		return OPTIONS_BAD;
	if (p.result == OPTIONS_GOOD &&
	    (!connection_key_environment(&o->connection, error, size) ||
	     !p.rule->is_complete(&p)))
		return OPTIONS_BAD;
	return p.result;
}

bool options_is_setting(const char *name)
{
	const struct options_parser p = { .command = OPTIONS_SECTION };

	return find(&p, name, strlen(name)) != NULL;
}

bool options_set(struct options *o, const char *name, char *value, char *error,
		 size_t size)
{
	struct options_parser p = { .options = o,
				    .command = OPTIONS_SECTION,
				    .error = error,
				    .size = size,
				    .argument = value };
	const struct options_row *row = find(&p, name, strlen(name));

	assert(row);
	return row->parse ? row->parse(&p) : choose(&p, row);
}

void options_wipe(struct options *o)
{
	connection_wipe(&o->connection);
}

void options_print_help(FILE *out, enum options_command command)
{
	for (const struct options_row *row = options_rows; row->name; row++) {
		char left[64];

		if (!(row->commands & command))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", row->name,
			 row->argument ? "=" : "", row->argument ? row->argument : "");
		fprintf(out, "  %-34s%s\n", left, row->help);
	}
}
