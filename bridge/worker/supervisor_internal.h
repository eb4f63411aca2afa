/* What the files of the supervisor share. */
#ifndef BRIDGE_WORKER_SUPERVISOR_INTERNAL_H
#define BRIDGE_WORKER_SUPERVISOR_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include <ev.h>

#include "bridge/cli/config.h"
#include "bridge/cli/log.h"
#include "bridge/worker/status.h"
#include "bridge/worker/status_server.h"

enum { SUPERVISOR_SLOT = 4096 /* a page: a worker sees its own board, no other */ };

/* A target and its worker. */
struct child {
	struct supervisor *supervisor;
	const struct config_target *target; /* NULL: its section is gone */
	char name[CONFIG_NAME_MAX];
	pid_t pid;    /* 0: no process */
	bool leaving; /* it was told to */
	/* What the process has in use. */
	uint16_t port;
	struct rsp_endpoint listen;
	unsigned slot; /* of its board */
	unsigned failures, restarts;
	double started;
	uint64_t down_since; /* 1970 */
	char down_reason[128];
	ev_child ended;
	ev_timer restart;
};

struct supervisor {
	struct ev_loop *loop;
	struct log *log;
	const struct options *options;
	struct config config;
	struct child **children;
	size_t count;
	void *boards; /* shared memory, a slot each */
	bool slots[CONFIG_TARGETS_MAX];
	struct status_server *status;
	unsigned signals; /* to end */
	bool unclean;
	ev_signal terminate, interrupt, reload;
};

/* ---- supervisor_child.c ---- */

/* What the child's worker tells; sound only through status_look. */
struct status_board *child_board(const struct child *c);
/* Starts all that have a section, no process, and nothing to wait for. */
void child_start_due(struct supervisor *s);
/* Its process is asked to leave its target. */
void child_tell_to_leave(struct child *c);
/* Needs no process any more. */
void child_forget(struct child *c);
/* NULL: no room, and the log says so. */
struct child *child_add(struct supervisor *s, const struct config_target *target);

#endif
