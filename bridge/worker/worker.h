/* The process of one target: its loop, its signals, its exit code. */
#ifndef BRIDGE_WORKER_WORKER_H
#define BRIDGE_WORKER_WORKER_H

#include "bridge/cli/log.h"
#include "bridge/cli/options.h"
#include "bridge/worker/status.h"

/*
 * Runs until SIGTERM or SIGINT (or, with --stdio, until the client leaves), then leaves
 * the target. A second signal ends it at once. Returns the exit code.
 *
 *   board  of a supervisor, to which all is told: then SIGINT means nothing, and SIGTERM
 *          no more the second time. NULL: it answers `kdbridge status` itself
 */
int worker_run(struct options *options, struct log *log, struct status_board *board);

#endif
