/* kdbridge doctor: watches a port, and says what is wrong and what to do. */
#ifndef BRIDGE_SETUP_DOCTOR_H
#define BRIDGE_SETUP_DOCTOR_H

#include <stdio.h>

#include "bridge/cli/options.h"

/*
 * Gathers facts about this machine and, with a connection string, about what arrives on
 * its port, unless somebody serves it already; prints the findings to `out`. SIGINT ends
 * the watch early. Returns the exit code: 0 when all is well, 1 when not.
 */
int doctor_run(const struct options *options, FILE *out);

#endif
