/* `kdbridge status`: asks whoever runs here, and prints what they tell. */
#ifndef BRIDGE_WORKER_STATUS_COMMAND_H
#define BRIDGE_WORKER_STATUS_COMMAND_H

#include <stdio.h>

#include "bridge/cli/options.h"

/*
 * Asks every process that has a status socket in the runtime directory, or in
 * /run/kdbridge. Returns the exit code: 1 when nobody runs, or nobody may be asked.
 */
int status_command_run(const struct options *options, FILE *out, FILE *err);

#endif
