/* What the parts of the command line's parser share: private to options*.c. */
#ifndef BRIDGE_CLI_OPTIONS_INTERNAL_H
#define BRIDGE_CLI_OPTIONS_INTERNAL_H

#include "bridge/cli/options.h"

struct options_parser {
	struct options *options;
	enum options_command command;
	const struct options_rule *rule; /* of that command */
	char *error;
	size_t size;
	enum options_result result;
	char *argument; /* of the option at hand, or a word; NULL: it has none */
};

struct options_row {
	const char *name;
	const char *argument; /* NULL: takes none */
	unsigned commands;
	/* The argument's words are choices: which one goes to this int; else `parse`. */
	size_t choice;
	bool (*parse)(struct options_parser *p);
	const char *help;
};

/* All options of all commands; ends with a row without a name. */
extern const struct options_row options_rows[];

#endif
