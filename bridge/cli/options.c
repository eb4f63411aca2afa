#include "bridge/cli/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PORT = 1234, DEFAULT_IMAGE_WAIT = 5, IMAGE_WAIT_MAX = 3600 };

struct parser {
	struct options *options;
	enum options_command command;
	char *error;
	size_t size;
	enum options_result result;
	char *argument; /* of the option at hand, in argv; NULL: it has none */
};

struct row {
	const char *name;
	const char *argument; /* NULL: takes none */
	unsigned commands;
	/* The argument's words are choices: which one goes to this int; else `parse`. */
	size_t choice;
	bool (*parse)(struct parser *p);
	const char *help;
};

static bool on_listen(struct parser *p)
{
	if (rsp_endpoint_parse(&p->options->listen, p->argument))
		return true;
	snprintf(p->error, p->size,
		 "bad --listen: give PORT, ADDRESS:PORT, [IPV6]:PORT or unix:PATH");
	return false;
}

static bool on_stdio(struct parser *p)
{
	p->options->stdio = true;
	return true;
}

static bool on_key(struct parser *p)
{
	return connection_key_text(&p->options->connection, p->argument, p->error,
				   p->size);
}

static bool on_key_file(struct parser *p)
{
	return connection_key_file(&p->options->connection, p->argument, p->error,
				   p->size);
}

static bool take_directory(struct parser *p, const char *option, const char *argument,
			   const char **directory)
{
	*directory = argument;
	if (argument[0])
		return true;
	snprintf(p->error, p->size, "bad --%s: give a directory", option);
	return false;
}

static bool on_image_cache(struct parser *p)
{
	return take_directory(p, "image-cache", p->argument, &p->options->image_cache);
}

static bool on_image_path(struct parser *p)
{
	return take_directory(p, "image-path", p->argument, &p->options->image_path);
}

static bool on_image_wait(struct parser *p)
{
	char *end;
	unsigned long seconds = strtoul(p->argument, &end, 10);

	p->options->image_wait_s = (unsigned)seconds;
	if (p->argument[0] >= '0' && p->argument[0] <= '9' && !*end &&
	    seconds <= IMAGE_WAIT_MAX)
		return true;
	snprintf(p->error, p->size, "bad --image-wait: give seconds from 0 to %d",
		 IMAGE_WAIT_MAX);
	return false;
}

static bool on_help(struct parser *p)
{
	p->result = OPTIONS_HELP;
	return true;
}

static bool on_version(struct parser *p)
{
	p->result = OPTIONS_VERSION;
	return true;
}

#define CHOICE(member) offsetof(struct options, member), NULL
#define CALL(function) 0, function
#define BOTH	       (OPTIONS_TARGET | OPTIONS_DISSECT)

static const struct row rows[] = {
	{ "listen", "[ADDR:]PORT|unix:PATH", OPTIONS_TARGET, CALL(on_listen),
	  "where gdb connects; 127.0.0.1:1234 when not given, port 0 picks one" },
	{ "stdio", NULL, OPTIONS_TARGET, CALL(on_stdio),
	  "speak with gdb on standard input and output instead" },
	{ "key", "KEY", OPTIONS_DISSECT, CALL(on_key),
	  "the key of the target that was recorded" },
	{ "key-file", "FILE", BOTH, CALL(on_key_file),
	  "read the key from FILE; the environment's KDBRIDGE_KEY works, too" },
	{ "unattended", "wait|continue", OPTIONS_TARGET, CHOICE(unattended),
	  "an exception while no gdb is there waits for one, or goes on" },
	{ "on-disconnect", "run|stop", OPTIONS_TARGET, CHOICE(disconnect),
	  "when gdb leaves, the target runs on, or stays stopped" },
	{ "break", "none|load|init", OPTIONS_TARGET, CHOICE(break_at),
	  "stop each boot at its first module load, or as soon as it connects" },
	{ "image-cache", "DIR|none", OPTIONS_TARGET, CALL(on_image_cache),
	  "keep what gdb is shown of modules in DIR; ~/.cache/kdbridge when not given" },
	{ "image-path", "DIR", OPTIONS_TARGET, CALL(on_image_path),
	  "look for copies of the target's modules in DIR before reading its memory" },
	{ "image-wait", "SECONDS", OPTIONS_TARGET, CALL(on_image_wait),
	  "let gdb's connecting wait so long for modules; 5 when not given" },
	{ "log-level", "error|warn|info|debug", OPTIONS_TARGET, CHOICE(level),
	  "how much to say on stderr; info when not given" },
	{ "log-format", "text|json", OPTIONS_TARGET, CHOICE(format),
	  "log lines for people or for machines" },
	{ "format", "text|hex", OPTIONS_DISSECT, CHOICE(dissect_format),
	  "a line a datagram for people, or all bytes in columns" },
	{ "help", NULL, BOTH, CALL(on_help), "this text" },
	{ "version", NULL, BOTH, CALL(on_version), "the version of the program" },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Stores which of "a|b|c" it is. */
static bool choose(struct parser *p, const struct row *row)
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

static const struct row *find(const struct parser *p, const char *name, size_t length)
{
	for (size_t i = 0; i < ROWS; i++)
		if ((rows[i].commands & p->command) && strlen(rows[i].name) == length &&
		    !memcmp(rows[i].name, name, length))
			return &rows[i];
	return NULL;
}

/* "--name", "--name=argument" or "--name argument"; *taken counts what was used. */
static bool parse_option(struct parser *p, char *text, char *next, int *taken)
{
	char *name = text + 2;
	size_t length = strcspn(name, "=");
	const struct row *row = find(p, name, length);

	p->argument = name[length] ? name + length + 1 : NULL;

	if (!row) {
		snprintf(p->error, p->size,
			 "unknown option --%.*s: kdbridge --help lists them", (int)length,
			 name);
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

static bool parse_positional(struct parser *p, char *text)
{
	struct options *o = p->options;

	if (p->command == OPTIONS_DISSECT ? o->file != NULL : o->connection.port != 0) {
		snprintf(p->error, p->size,
			 p->command == OPTIONS_DISSECT
				 ? "more than one file: give one"
				 : "more than one connection string: give one");
		return false;
	}
	if (p->command == OPTIONS_TARGET)
		return connection_parse(&o->connection, text, p->error, p->size);
	o->file = text;
	return true;
}

static bool parse_all(struct parser *p, int argc, char **argv)
{
	bool options = true;

	for (int i = 1; i < argc && p->result == OPTIONS_GOOD; i++) {
		char *text = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (options && !strcmp(text, "--")) {
			options = false;
		} else if (options && !strcmp(text, "-k") &&
			   p->command == OPTIONS_TARGET) {
			continue; /* WinDbg's option before its connection string */
		} else if (options && !strncmp(text, "--", 2)) {
			if (!parse_option(p, text, next, &i))
				return false;
		} else if (options && text[0] == '-' && text[1]) {
			snprintf(p->error, p->size,
				 "unknown option %.2s: kdbridge --help lists them", text);
			return false;
		} else if (!parse_positional(p, text)) {
			return false;
		}
	}
	return true;
}

/* Is all there that the command needs? */
static bool is_complete(struct parser *p)
{
	struct options *o = p->options;

	if (!connection_key_environment(&o->connection, p->error, p->size))
		return false;
	if (p->command == OPTIONS_TARGET && !o->connection.port)
		snprintf(
			p->error, p->size,
			"no connection string: give net:port=N,key=… as set on the target, or see kdbridge --help");
	else if (p->command == OPTIONS_DISSECT && !o->file)
		snprintf(p->error, p->size,
			 "no file: give a pcapng or pcap file to dissect");
	else if (!o->connection.key)
		snprintf(p->error, p->size,
			 "no key: give %s, --key-file FILE or KDBRIDGE_KEY",
			 p->command == OPTIONS_TARGET ? "key= in the connection string"
						      : "--key KEY");
	else
		return true;
	return false;
}

enum options_result options_parse(struct options *o, enum options_command command,
				  int argc, char **argv, char *error, size_t size)
{
	struct parser p = { .options = o,
			    .command = command,
			    .error = error,
			    .size = size,
			    .result = OPTIONS_GOOD };

	*o = (struct options){ .level = LOG_INFO, .image_wait_s = DEFAULT_IMAGE_WAIT };
	o->listen.port = DEFAULT_PORT;
	strcpy(o->listen.address, "127.0.0.1");
	error[0] = '\0';
	if (!parse_all(&p, argc, argv))
		return OPTIONS_BAD;
	if (p.result == OPTIONS_GOOD && !is_complete(&p))
		return OPTIONS_BAD;
	return p.result;
}

void options_wipe(struct options *o)
{
	connection_wipe(&o->connection);
}

void options_print_help(FILE *out, enum options_command command)
{
	for (size_t i = 0; i < ROWS; i++) {
		char left[64];

		if (!(rows[i].commands & command))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name,
			 rows[i].argument ? "=" : "",
			 rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %-34s%s\n", left, rows[i].help);
	}
}
