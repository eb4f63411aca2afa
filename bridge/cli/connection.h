/*
 * Where the target is and which key opens it: WinDbg's connection string
 * "net:port=50000,key=1.2.3.4,target=HOST", and keys from a file or the environment.
 * Errors are sentences for the user; no key is ever part of one.
 */
#ifndef BRIDGE_CLI_CONNECTION_H
#define BRIDGE_CLI_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONNECTION_HOST_MAX = 256,
	/* Ports that Windows takes, KDNET.md §1: others draw a warning. */
	CONNECTION_PORT_FIRST = 49152,
};

struct connection {
	uint16_t port;
	char target[CONNECTION_HOST_MAX]; /* "" when none was named */
	uint8_t *key;	       /* KDNET_KEY_SIZE bytes of locked memory; NULL: none yet */
	bool key_file_exposed; /* other users can read the key's file */
};

/*
 * Parses the string and overwrites the key in it with '*', so that a list of processes
 * does not show it, also when something else in it is wrong. False: *error says what.
 */
bool connection_parse(struct connection *c, char *text, char *error, size_t size);

/* One key, as text, file (first line) or KDBRIDGE_KEY; the first two refuse a second. */
bool connection_key_text(struct connection *c, char *text, char *error, size_t size);
bool connection_key_file(struct connection *c, const char *path, char *error,
			 size_t size);
/* The environment's key, when there is no other; it is wiped from there. */
bool connection_key_environment(struct connection *c, char *error, size_t size);

/* Wipes and frees the key. */
void connection_wipe(struct connection *c);

#endif
