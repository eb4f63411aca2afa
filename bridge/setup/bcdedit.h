/*
 * kdbridge bcdedit: the commands that set a target up, the command for this side, and
 * what one has to know. Commands as Microsoft's pages on BCDEdit (/debug, /dbgsettings,
 * /hypervisorsettings, /bootdebug, /set) give them.
 */
#ifndef BRIDGE_SETUP_BCDEDIT_H
#define BRIDGE_SETUP_BCDEDIT_H

#include <stdio.h>

#include "bridge/cli/options.h"
#include "bridge/setup/addresses.h"
#include "kdnet/key.h"

enum bcdedit_format { BCDEDIT_TEXT, BCDEDIT_SH, BCDEDIT_PS1 };

/* All that is printed, decided. */
struct bcdedit_plan {
	/* The first one goes into the commands; the others are named beside. */
	struct addresses_own hosts[ADDRESSES_MAX];
	size_t host_count; /* at least 1 */
	uint16_t port;	   /* the hypervisor's is the next one */
	char key[KDNET_KEY_TEXT_SIZE];
	char hypervisor_key[KDNET_KEY_TEXT_SIZE];
	const char *key_file; /* NULL: the key stands in the command for this side */
	const struct options_bcdedit *wanted;
};

/* Writes the plan in the format that it wants. No I/O but `out`. */
void bcdedit_print(const struct bcdedit_plan *plan, FILE *out);

/*
 * Finds address, port and key as far as the options do not give them, and prints.
 * Errors are one sentence on `err`. Returns the exit code.
 */
int bcdedit_run(const struct options *options, FILE *out, FILE *err);

#endif
