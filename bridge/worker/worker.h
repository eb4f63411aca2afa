/* The process of one target: its loop, its signals, its exit code. */
#ifndef BRIDGE_WORKER_WORKER_H
#define BRIDGE_WORKER_WORKER_H

#include "bridge/cli/log.h"
#include "bridge/cli/options.h"

/*
 * Runs until SIGTERM or SIGINT (or, with --stdio, until the client leaves), then leaves
 * the target. A second signal ends it at once. Returns the exit code.
 */
int worker_run(struct options *options, struct log *log);

#endif
