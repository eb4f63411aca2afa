#include "bridge/cli/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "kdnet/key.h"

static const char environment_name[] = "KDBRIDGE_KEY";

static bool starts_with(const char *text, const char *prefix)
{
	return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static bool take_key(struct connection *c, const char *text, const char *from,
		     char *error, size_t size)
{
	enum kdnet_key_error why;

	if (c->key) {
		snprintf(error, size, "more than one key is given: leave one");
		return false;
	}
	c->key = sodium_malloc(KDNET_KEY_SIZE);
	if (!c->key) {
		snprintf(error, size, "no locked memory for the key: raise ulimit -l");
		return false;
	}
	why = kdnet_key_parse(c->key, text);
	if (why == KDNET_KEY_OK)
		return true;
	snprintf(error, size, "bad key %s: %s", from, kdnet_key_error_text(why));
	connection_wipe(c);
	return false;
}

bool connection_key_text(struct connection *c, char *text, char *error, size_t size)
{
	bool taken = take_key(c, text, "on the command line", error, size);

	memset(text, '*', strlen(text));
	return taken;
}

bool connection_key_file(struct connection *c, const char *path, char *error, size_t size)
{
	/* One byte more than a key and its line end: longer files hold no key. */
	char text[KDNET_KEY_TEXT_SIZE + 64] = "";
	struct stat status;
	ssize_t length = -1;
	bool taken = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &status) == 0)
		length = read(fd, text, sizeof(text) - 1);
	if (length < 0) {
		snprintf(error, size, "cannot read the key file %s: %s", path,
			 strerror(errno));
	} else {
		text[length] = '\0';
		text[strcspn(text, "\r\n")] = '\0';
		c->key_file_exposed = (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
		taken = take_key(c, text + strspn(text, " \t"), "in the key file", error,
				 size);
	}
	sodium_memzero(text, sizeof(text));
	if (fd >= 0)
		close(fd);
	return taken;
}

bool connection_key_environment(struct connection *c, char *error, size_t size)
{
	char *text = getenv(environment_name);
	bool taken = true;

	if (text && !c->key)
		taken = take_key(c, text, "in KDBRIDGE_KEY", error, size);
	if (text) {
		memset(text, '*', strlen(text));
		unsetenv(environment_name);
	}
	return taken;
}

void connection_wipe(struct connection *c)
{
	sodium_free(c->key); /* wipes */
	c->key = NULL;
}

static bool parse_port(struct connection *c, char *text, char *error, size_t size)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || port == 0 || port > UINT16_MAX) {
		snprintf(
			error, size,
			"bad port in the connection string: give port=N, N from 49152 to 65535");
		return false;
	}
	c->port = (uint16_t)port;
	return true;
}

static bool parse_target(struct connection *c, char *text, char *error, size_t size)
{
	if (!text[0] || strlen(text) >= sizeof(c->target)) {
		snprintf(
			error, size,
			"bad target in the connection string: give target=NAME or an address");
		return false;
	}
	strcpy(c->target, text);
	return true;
}

static const struct field {
	const char *name;
	bool (*parse)(struct connection *c, char *text, char *error, size_t size);
} fields[] = {
	{ "port=", parse_port },
	{ "key=", connection_key_text },
	{ "target=", parse_target },
};

static bool parse_field(struct connection *c, char *text, char *error, size_t size)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (starts_with(text, fields[i].name))
			return fields[i].parse(c, text + strlen(fields[i].name), error,
					       size);
	/* What stands behind a mistyped name may be a key. */
	snprintf(
		error, size,
		"unknown \"%.*s\" in the connection string: it takes port=, key= and target=",
		(int)strcspn(text, "=."), text);
	return false;
}

/* Other transports of WinDbg's. */
static const struct transport {
	const char *prefix, *name;
} transports[] = {
	{ "com:", "a serial line" }, { "usb:", "USB" },	  { "usb3:", "USB" },
	{ "1394:", "FireWire" },     { "exdi:", "EXDI" }, { "kdsrv:", "a KD server" },
};

static bool is_net(const char *text, char *error, size_t size)
{
	if (starts_with(text, "net:"))
		return true;
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		if (!starts_with(text, transports[i].prefix))
			continue;
		snprintf(error, size,
			 "%s (%s) is not supported: set the target up for the network "
			 "(bcdedit /dbgsettings net) and give net:port=N,key=K",
			 transports[i].prefix, transports[i].name);
		return false;
	}
	/* The word itself may be a key. */
	snprintf(
		error, size,
		"neither a subcommand nor a connection string, which begins with net: as in "
		"net:port=50000,key=1.2.3.4: see kdbridge --help");
	return false;
}

bool connection_parse(struct connection *c, char *text, char *error, size_t size)
{
	char *next, *field = text + strlen("net:");
	bool good = is_net(text, error, size);

	if (!good) {
		memset(text, '*', strlen(text));
		return false;
	}
	/* All fields even after an error: each key must be overwritten. */
	for (; field; field = next) {
		char ignored[1] = "";

		next = strchr(field, ',');
		if (next)
			*next = '\0';
		if (!parse_field(c, field, good ? error : ignored,
				 good ? size : sizeof(ignored)))
			good = false;
		if (next)
			*next++ = ',';
	}
	if (good && !c->port) {
		snprintf(
			error, size,
			"no port: give net:port=N,key=… with the port that bcdedit /dbgsettings shows on the target");
		good = false;
	}
	if (!good)
		connection_wipe(c);
	return good;
}
