/*
 * The parent of many workers: one process for each target of a configuration file. It
 * parses nothing that comes from a network; a worker that dies takes nobody along.
 *
 * A worker's life, and who changes it (supervisor.c):
 *
 *   none      no process                 ─ start ─▶ alive
 *   alive     a process serves           ─ it ends by itself ─▶ none, for a while
 *                                        ─ its section changed or went ─▶ leaving
 *   leaving   told to leave its target   ─ it ends ─▶ none: started anew, or forgotten
 */
#ifndef BRIDGE_WORKER_SUPERVISOR_H
#define BRIDGE_WORKER_SUPERVISOR_H

#include "bridge/cli/config.h"
#include "bridge/cli/log.h"
#include "bridge/cli/options.h"

/*
 * Reads options->config and serves its targets until SIGTERM or SIGINT; SIGHUP has it read
 * anew. What the options say besides is what targets have by default. A second signal
 * kills the workers at once. Returns the exit code: 2 when the file is wrong.
 */
int supervisor_run(const struct options *options, struct log *log);

/* --check: says whether the file is good. Returns the exit code. */
int supervisor_check(const struct options *options, FILE *out, FILE *err);

#endif
