/*
 * The configuration file for many targets: a section each, and [defaults].
 *
 *     [defaults]
 *     port = 50000+               counted up from section to section
 *     listen = 127.0.0.1:12000+
 *     key-file = {name}.key
 *     [lab-1..8]                  eight targets, lab-1 to lab-8
 *     [server]
 *     target = 192.168.0.20
 *
 * A section takes port, key, key-file, listen, target, label, and what options.c marks as
 * fit for one; kdbridge.conf(5) is the reference. Text in, targets or one sentence out.
 */
#ifndef BRIDGE_CLI_CONFIG_H
#define BRIDGE_CLI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/cli/options.h"

enum {
	CONFIG_TARGETS_MAX = 4096,
	CONFIG_NAME_MAX = 64,
	CONFIG_LABEL_MAX = 128,
	CONFIG_TEXTS_MAX = 16, /* settings of a target that are kept as text */
	CONFIG_FINGERPRINT_SIZE = 32,
};

struct config_target {
	char name[CONFIG_NAME_MAX]; /* letters, digits and "._-" */
	char label[CONFIG_LABEL_MAX];
	unsigned line, port_line, listen_line; /* where that was said */
	/* Its connection's key belongs to the configuration: copy it, do not wipe it. */
	struct options options;
	bool has_key;
	uint8_t fingerprint[CONFIG_FINGERPRINT_SIZE]; /* of all settings, and the key */
	char *texts[CONFIG_TEXTS_MAX];
	unsigned text_count;
};

struct config {
	struct config_target *targets; /* in the file's order */
	size_t count, room;
	uint8_t *keys;	/* locked memory, KDNET_KEY_SIZE for each target */
	bool holds_key; /* the text itself does */
};

/*
 * Takes the text of a file called `file`. `base` is what a target has that neither its
 * section nor [defaults] tells more of, its key included. False: `error` says
 * "FILE:LINE: KEY: what is wrong", or without a key where there is none; no key of a
 * target is ever part of it. Release with config_free in both cases.
 */
bool config_parse(struct config *c, const char *file, const char *text,
		  const struct options *base, char *error, size_t size);

/*
 * Reads what key-file names: from $CREDENTIALS_DIRECTORY when it is there, else from
 * `directory`, unless the path is absolute. Then each target has its key, or there is an
 * error as above.
 */
bool config_read_keys(struct config *c, const char *file, const char *directory,
		      char *error, size_t size);

void config_free(struct config *c);

/* By name; NULL: there is none. */
const struct config_target *config_find(const struct config *c, const char *name);
/* Would both have a worker do the same? */
bool config_same(const struct config_target *a, const struct config_target *b);

/* Would both listen at one place? Port 0 is never the same. */
bool config_same_endpoint(const struct rsp_endpoint *a, const struct rsp_endpoint *b);

#endif
