/* A configuration from disk, with its keys. */
#ifndef BRIDGE_CLI_CONFIG_FILE_H
#define BRIDGE_CLI_CONFIG_FILE_H

#include "bridge/cli/config.h"

/*
 * Reads options->config; the options are what targets have by default. False: `error` is a
 * sentence that names the file. Release with config_free in both cases.
 *   exposed  set when others can read the file, which holds keys
 */
bool config_load(struct config *c, const struct options *options, bool *exposed,
		 char *error, size_t size);

#endif
