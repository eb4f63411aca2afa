#include "bridge/cli/options.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_PORT = 1234,
	DEFAULT_IMAGE_WAIT = 5,
	IMAGE_WAIT_MAX = 3600,
	DEFAULT_WAIT = 10, /* three pokes, KDNET.md §4 */
	WAIT_MAX = 3600,
	DEFAULT_RECORD_SIZE = 64,
	RECORD_SIZE_MAX = 1023, /* MiB; dissect reads files below 1 GiB */
	DEFAULT_RECORD_FILES = 4,
	RECORD_FILES_MOST = 1000,
	PCI_BUS_MAX = 255,
	PCI_DEVICE_MAX = 31,
	PCI_FUNCTION_MAX = 7,
};

struct parser {
	struct options *options;
	enum options_command command;
	const struct rule *rule; /* of that command */
	char *error;
	size_t size;
	enum options_result result;
	char *argument; /* of the option at hand, or a word; NULL: it has none */
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
	p->options->key_file = p->argument;
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

static bool on_pdb_path(struct parser *p)
{
	return take_directory(p, "pdb-path", p->argument, &p->options->pdb_path);
}

/* A decimal number and nothing else. */
static bool take_number(const char *text, unsigned long least, unsigned long most,
			unsigned *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*number = (unsigned)value;
	return text[0] >= '0' && text[0] <= '9' && !*end && value >= least &&
	       value <= most;
}

static bool on_image_wait(struct parser *p)
{
	if (take_number(p->argument, 0, IMAGE_WAIT_MAX, &p->options->image_wait_s))
		return true;
	snprintf(p->error, p->size, "bad --image-wait: give seconds from 0 to %d",
		 IMAGE_WAIT_MAX);
	return false;
}

static bool on_record(struct parser *p)
{
	p->options->record = p->argument;
	if (p->argument[0])
		return true;
	snprintf(p->error, p->size,
		 "bad --record: give a file, such as session.pcapng");
	return false;
}

static bool on_record_key(struct parser *p)
{
	p->options->record_key = true;
	return true;
}

static bool on_record_size(struct parser *p)
{
	if (take_number(p->argument, 1, RECORD_SIZE_MAX, &p->options->record_size_mib))
		return true;
	snprintf(p->error, p->size, "bad --record-size: give MiB from 1 to %d",
		 RECORD_SIZE_MAX);
	return false;
}

static bool on_record_files(struct parser *p)
{
	if (take_number(p->argument, 1, RECORD_FILES_MOST, &p->options->record_files))
		return true;
	snprintf(p->error, p->size, "bad --record-files: give a number from 1 to %d",
		 RECORD_FILES_MOST);
	return false;
}

static bool on_wait(struct parser *p)
{
	if (take_number(p->argument, 1, WAIT_MAX, &p->options->wait_s))
		return true;
	snprintf(p->error, p->size, "bad --wait: give seconds from 1 to %d", WAIT_MAX);
	return false;
}

static bool on_file(struct parser *p)
{
	p->options->file = p->argument;
	if (p->argument[0])
		return true;
	snprintf(p->error, p->size, "bad --file: give the name of a file to make");
	return false;
}

static bool on_host(struct parser *p)
{
	struct options_bcdedit *b = &p->options->bcdedit;
	struct in6_addr address;

	b->host = p->argument;
	b->host_is_ipv6 = inet_pton(AF_INET6, p->argument, &address) == 1;
	if (b->host_is_ipv6 || inet_pton(AF_INET, p->argument, &address) == 1)
		return true;
	snprintf(p->error, p->size,
		 "bad --host: give an IPv4 or IPv6 address of this machine, not a name");
	return false;
}

static bool on_port(struct parser *p)
{
	unsigned port;

	if (take_number(p->argument, 1, UINT16_MAX, &port)) {
		p->options->connection.port = (uint16_t)port;
		return true;
	}
	snprintf(p->error, p->size, "bad --port: give a UDP port from %d to 65535",
		 CONNECTION_PORT_FIRST);
	return false;
}

static bool on_target(struct parser *p)
{
	struct connection *c = &p->options->connection;

	if (p->argument[0] && strlen(p->argument) < sizeof(c->target)) {
		strcpy(c->target, p->argument);
		return true;
	}
	snprintf(p->error, p->size, "bad --target: give the target's name or address");
	return false;
}

/* "B.D.F" in decimal, as Windows' device manager shows it. */
static bool on_busparams(struct parser *p)
{
	unsigned bus, device, function;
	int end = 0;

	p->options->bcdedit.busparams = p->argument;
	if (strspn(p->argument, "0123456789.") == strlen(p->argument) &&
	    sscanf(p->argument, "%3u.%2u.%1u%n", &bus, &device, &function, &end) == 3 &&
	    !p->argument[end] && bus <= PCI_BUS_MAX && device <= PCI_DEVICE_MAX &&
	    function <= PCI_FUNCTION_MAX)
		return true;
	snprintf(p->error, p->size,
		 "bad --busparams: give BUS.DEVICE.FUNCTION in decimal, as in 0.25.0 "
		 "(the adapter's location in the target's device manager)");
	return false;
}

static bool on_ipv6(struct parser *p)
{
	p->options->bcdedit.ipv6 = true;
	return true;
}

static bool on_hypervisor(struct parser *p)
{
	p->options->bcdedit.hypervisor = true;
	return true;
}

static bool on_boot(struct parser *p)
{
	p->options->bcdedit.boot = true;
	return true;
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
#define SETUP	       (OPTIONS_BCDEDIT | OPTIONS_DOCTOR)
#define ALL	       (OPTIONS_TARGET | OPTIONS_DISSECT | OPTIONS_KEYGEN | SETUP)

static const struct row rows[] = {
	{ "listen", "[ADDR:]PORT|unix:PATH", OPTIONS_TARGET, CALL(on_listen),
	  "where gdb connects; 127.0.0.1:1234 when not given, port 0 picks one" },
	{ "stdio", NULL, OPTIONS_TARGET, CALL(on_stdio),
	  "speak with gdb on standard input and output instead" },
	{ "host", "ADDRESS", OPTIONS_BCDEDIT, CALL(on_host),
	  "this machine's address for the target; found when not given" },
	{ "target", "HOST", OPTIONS_BCDEDIT, CALL(on_target),
	  "take the address on the way to that name or address" },
	{ "port", "N", OPTIONS_BCDEDIT, CALL(on_port),
	  "the UDP port; a free one from 50000 on when not given" },
	{ "key", "KEY", OPTIONS_DISSECT, CALL(on_key),
	  "the key of the target that was recorded, where the file does not hold it" },
	{ "key", "KEY", OPTIONS_BCDEDIT, CALL(on_key),
	  "the key; a new one is made when none is given" },
	{ "key-file", "FILE", ALL & ~OPTIONS_KEYGEN, CALL(on_key_file),
	  "read the key from FILE; the environment's KDBRIDGE_KEY works, too" },
	{ "busparams", "B.D.F", OPTIONS_BCDEDIT, CALL(on_busparams),
	  "which network adapter of the target: PCI bus, device, function" },
	{ "ipv6", NULL, OPTIONS_BCDEDIT, CALL(on_ipv6),
	  "over IPv6 (Windows 10 1809 and newer)" },
	{ "hypervisor", NULL, OPTIONS_BCDEDIT, CALL(on_hypervisor),
	  "debug the target's Hyper-V, too: a target of its own, on the next port" },
	{ "boot", NULL, OPTIONS_BCDEDIT, CALL(on_boot),
	  "debug the boot manager and the loader, too" },
	{ "format", "text|sh|ps1", OPTIONS_BCDEDIT, CHOICE(bcdedit.format),
	  "an explanation, or a script for the target: POSIX shell, PowerShell" },
	{ "file", "FILE", OPTIONS_KEYGEN, CALL(on_file),
	  "write the key to FILE, which only you can read, instead of printing it" },
	{ "wait", "SECONDS", OPTIONS_DOCTOR, CALL(on_wait),
	  "watch so long; 10 when not given" },
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
	{ "pdb-path", "DIR", OPTIONS_TARGET, CALL(on_pdb_path),
	  "name lldb the modules' PDBs that are in DIR, for source lines and types" },
	{ "record", "FILE", OPTIONS_TARGET, CALL(on_record),
	  "record the session's datagrams, sealed, for dissect and Wireshark" },
	{ "record-key", NULL, OPTIONS_TARGET, CALL(on_record_key),
	  "with the key: who has the file can read all of it" },
	{ "record-size", "MIB", OPTIONS_TARGET, CALL(on_record_size),
	  "begin a new file after so much; 64 when not given" },
	{ "record-files", "N", OPTIONS_TARGET, CALL(on_record_files),
	  "keep so many files, FILE and older ones; 4 when not given" },
	{ "log-level", "error|warn|info|debug", OPTIONS_TARGET, CHOICE(level),
	  "how much to say on stderr; info when not given" },
	{ "log-format", "text|json", OPTIONS_TARGET, CHOICE(format),
	  "log lines for people or for machines" },
	{ "format", "text|hex|summary", OPTIONS_DISSECT, CHOICE(dissect_format),
	  "a line a datagram for people, all bytes in columns, or sums and times" },
	{ "help", NULL, ALL, CALL(on_help), "this text" },
	{ "version", NULL, ALL, CALL(on_version), "the version of the program" },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static bool take_connection(struct parser *p)
{
	struct connection *c = &p->options->connection;

	if (c->port == 0)
		return connection_parse(c, p->argument, p->error, p->size);
	memset(p->argument, '*', strlen(p->argument)); /* it may hold a key */
	snprintf(p->error, p->size, "more than one connection string: give one");
	return false;
}

static bool take_file(struct parser *p)
{
	if (p->options->file) {
		snprintf(p->error, p->size, "more than one file: give one");
		return false;
	}
	p->options->file = p->argument;
	return true;
}

static bool take_nothing(struct parser *p)
{
	/* Whoever pastes a connection string here must not leave its key behind. */
	memset(p->argument, '*', strlen(p->argument));
	snprintf(
		p->error, p->size,
		"it takes options only, see its --help: what stands without -- is too much");
	return false;
}

static bool target_is_complete(struct parser *p)
{
	const struct connection *c = &p->options->connection;

	if (c->port && c->key)
		return true;
	snprintf(
		p->error, p->size, "%s",
		c->port ? "no key: give key= in the connection string, --key-file FILE or KDBRIDGE_KEY"
			: "no connection string: give net:port=N,key=… as set on the target, or see kdbridge --help");
	return false;
}

static bool dissect_is_complete(struct parser *p)
{
	if (p->options->file)
		return true;
	snprintf(p->error, p->size, "no file: give a pcapng or pcap file to dissect");
	return false;
}

static bool bcdedit_is_complete(struct parser *p)
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

static bool needs_nothing(struct parser *p)
{
	(void)p;
	return true;
}

/* What stands without "--", and what must be there in the end. */
static const struct rule {
	enum options_command command;
	const char *help;		      /* whom to ask */
	bool (*positional)(struct parser *p); /* the argument is the word */
	bool (*is_complete)(struct parser *p);
} rules[] = {
	{ OPTIONS_TARGET, "kdbridge", take_connection, target_is_complete },
	{ OPTIONS_DISSECT, "kdbridge dissect", take_file, dissect_is_complete },
	{ OPTIONS_KEYGEN, "kdbridge keygen", take_nothing, needs_nothing },
	{ OPTIONS_BCDEDIT, "kdbridge bcdedit", take_nothing, bcdedit_is_complete },
	{ OPTIONS_DOCTOR, "kdbridge doctor", take_connection, needs_nothing },
};

static const struct rule *rule_of(enum options_command command)
{
	const struct rule *rule = rules;

	while (rule->command != command)
		rule++;
	return rule;
}

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

static bool parse_all(struct parser *p, int argc, char **argv)
{
	bool options = true;

	for (int i = 1; i < argc && p->result == OPTIONS_GOOD; i++) {
		char *text = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (options && !strcmp(text, "--")) {
			options = false;
		} else if (options && !strcmp(text, "-k") &&
			   (p->command & (OPTIONS_TARGET | OPTIONS_DOCTOR))) {
			continue; /* WinDbg's option before its connection string */
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
	struct parser p = { .options = o,
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
