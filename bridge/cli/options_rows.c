#include "bridge/cli/options_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum {
	IMAGE_WAIT_MAX = 3600,
	WAIT_MAX = 3600,
	RECORD_SIZE_MAX = 1023, /* MiB; dissect reads files below 1 GiB */
	RECORD_FILES_MOST = 1000,
	PCI_BUS_MAX = 255,
	PCI_DEVICE_MAX = 31,
	PCI_FUNCTION_MAX = 7,
};

static bool on_listen(struct options_parser *p)
{
	if (rsp_endpoint_parse(&p->options->listen, p->argument))
		return true;
	snprintf(p->error, p->size,
		 "bad --listen: give PORT, ADDRESS:PORT, [IPV6]:PORT or unix:PATH");
	return false;
}

static bool on_stdio(struct options_parser *p)
{
	p->options->stdio = true;
	return true;
}

static bool on_key(struct options_parser *p)
{
	return connection_key_text(&p->options->connection, p->argument, p->error,
				   p->size);
}

static bool on_key_file(struct options_parser *p)
{
	p->options->key_file = p->argument;
	return connection_key_file(&p->options->connection, p->argument, p->error,
				   p->size);
}

static bool take_directory(struct options_parser *p, const char *option,
			   const char *argument, const char **directory)
{
	*directory = argument;
	if (argument[0])
		return true;
	snprintf(p->error, p->size, "bad --%s: give a directory", option);
	return false;
}

static bool on_image_cache(struct options_parser *p)
{
	return take_directory(p, "image-cache", p->argument, &p->options->image_cache);
}

static bool on_image_path(struct options_parser *p)
{
	return take_directory(p, "image-path", p->argument, &p->options->image_path);
}

static bool on_pdb_path(struct options_parser *p)
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

static bool on_image_wait(struct options_parser *p)
{
	if (take_number(p->argument, 0, IMAGE_WAIT_MAX, &p->options->image_wait_s))
		return true;
	snprintf(p->error, p->size, "bad --image-wait: give seconds from 0 to %d",
		 IMAGE_WAIT_MAX);
	return false;
}

static bool on_record(struct options_parser *p)
{
	p->options->record = p->argument;
	if (p->argument[0])
		return true;
	snprintf(p->error, p->size, "bad --record: give a file, such as session.pcapng");
	return false;
}

static bool on_record_key(struct options_parser *p)
{
	p->options->record_key = true;
	return true;
}

static bool on_record_size(struct options_parser *p)
{
	if (take_number(p->argument, 1, RECORD_SIZE_MAX, &p->options->record_size_mib))
		return true;
	snprintf(p->error, p->size, "bad --record-size: give MiB from 1 to %d",
		 RECORD_SIZE_MAX);
	return false;
}

static bool on_record_files(struct options_parser *p)
{
	if (take_number(p->argument, 1, RECORD_FILES_MOST, &p->options->record_files))
		return true;
	snprintf(p->error, p->size, "bad --record-files: give a number from 1 to %d",
		 RECORD_FILES_MOST);
	return false;
}

static bool on_wait(struct options_parser *p)
{
	if (take_number(p->argument, 1, WAIT_MAX, &p->options->wait_s))
		return true;
	snprintf(p->error, p->size, "bad --wait: give seconds from 1 to %d", WAIT_MAX);
	return false;
}

static bool on_file(struct options_parser *p)
{
	p->options->file = p->argument;
	if (p->argument[0])
		return true;
	snprintf(p->error, p->size, "bad --file: give the name of a file to make");
	return false;
}

static bool on_host(struct options_parser *p)
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

static bool on_port(struct options_parser *p)
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

static bool on_target(struct options_parser *p)
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
static bool on_busparams(struct options_parser *p)
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

static bool on_ipv6(struct options_parser *p)
{
	p->options->bcdedit.ipv6 = true;
	return true;
}

static bool on_hypervisor(struct options_parser *p)
{
	p->options->bcdedit.hypervisor = true;
	return true;
}

static bool on_boot(struct options_parser *p)
{
	p->options->bcdedit.boot = true;
	return true;
}

static bool on_config(struct options_parser *p)
{
	p->options->config = p->argument;
	if (p->argument[0])
		return true;
	snprintf(p->error, p->size, "bad --config: give a file, see kdbridge.conf(5)");
	return false;
}

static bool on_check(struct options_parser *p)
{
	p->options->check = true;
	return true;
}

static bool on_watch(struct options_parser *p)
{
	p->options->watch = true;
	return true;
}

static bool on_help(struct options_parser *p)
{
	p->result = OPTIONS_HELP;
	return true;
}

static bool on_version(struct options_parser *p)
{
	p->result = OPTIONS_VERSION;
	return true;
}

#define CHOICE(member) offsetof(struct options, member), NULL
#define CALL(function) 0, function
#define SETUP	       (OPTIONS_BCDEDIT | OPTIONS_DOCTOR)
#define ALL	       (OPTIONS_TARGET | OPTIONS_DISSECT | OPTIONS_KEYGEN | OPTIONS_STATUS | SETUP)
/* Of one target, on the command line and in its section of a configuration file. */
#define EACH (OPTIONS_TARGET | OPTIONS_SECTION)

const struct options_row options_rows[] = {
	{ "config", "FILE", OPTIONS_TARGET, CALL(on_config),
	  "serve all targets of FILE, also -c FILE; see kdbridge.conf(5)" },
	{ "check", NULL, OPTIONS_TARGET, CALL(on_check),
	  "only say whether the file of --config is good" },
	{ "listen", "[ADDR:]PORT|unix:PATH", EACH, CALL(on_listen),
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
	{ "key-file", "FILE", ALL & ~(OPTIONS_KEYGEN | OPTIONS_STATUS), CALL(on_key_file),
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
	{ "unattended", "wait|continue", EACH, CHOICE(unattended),
	  "an exception while no gdb is there waits for one, or goes on" },
	{ "on-disconnect", "run|stop", EACH, CHOICE(disconnect),
	  "when gdb leaves, the target runs on, or stays stopped" },
	{ "break", "none|load|init", EACH, CHOICE(break_at),
	  "stop each boot at its first module load, or as soon as it connects" },
	{ "image-cache", "DIR|none", EACH, CALL(on_image_cache),
	  "keep what gdb is shown of modules in DIR; ~/.cache/kdbridge when not given" },
	{ "image-path", "DIR", EACH, CALL(on_image_path),
	  "look for copies of the target's modules in DIR before reading its memory" },
	{ "image-wait", "SECONDS", EACH, CALL(on_image_wait),
	  "let gdb's connecting wait so long for modules; 5 when not given" },
	{ "pdb-path", "DIR", EACH, CALL(on_pdb_path),
	  "name lldb the modules' PDBs that are in DIR, for source lines and types" },
	{ "record", "FILE", EACH, CALL(on_record),
	  "record the session's datagrams, sealed, for dissect and Wireshark" },
	{ "record-key", NULL, OPTIONS_TARGET, CALL(on_record_key),
	  "with the key: who has the file can read all of it" },
	{ "record-size", "MIB", EACH, CALL(on_record_size),
	  "begin a new file after so much; 64 when not given" },
	{ "record-files", "N", EACH, CALL(on_record_files),
	  "keep so many files, FILE and older ones; 4 when not given" },
	{ "log-level", "error|warn|info|debug", EACH, CHOICE(level),
	  "how much to say on stderr; info when not given" },
	{ "log-format", "text|json", OPTIONS_TARGET, CHOICE(format),
	  "log lines for people or for machines" },
	{ "format", "text|hex|summary", OPTIONS_DISSECT, CHOICE(dissect_format),
	  "a line a datagram for people, all bytes in columns, or sums and times" },
	{ "format", "text|json|openmetrics", OPTIONS_STATUS, CHOICE(status_format),
	  "a table for people, or a document for machines" },
	{ "watch", NULL, OPTIONS_STATUS, CALL(on_watch),
	  "print it again every 2 seconds" },
	{ "help", NULL, ALL, CALL(on_help), "this text" },
	{ "version", NULL, ALL, CALL(on_version), "the version of the program" },
	{ NULL, NULL, 0, CALL(NULL), NULL },
};
