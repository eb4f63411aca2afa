/* The command line of kdsim. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "test/sim/target.h"

struct options {
	struct target_options target;
	const char *host; /* numeric IPv4 or IPv6 address */
	uint16_t port;
	uint16_t source_port; /* 0: any; after a reboot always any */
	const char *stats;    /* file, or NULL */
	const char *control;  /* socket, or NULL */
	char images[4096];
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG };

/* OPTIONS_WRONG: one line on stderr said what is wrong. */
enum options_result options_parse(struct options *o, int argc, char **argv);
void options_help(FILE *out);

#endif
