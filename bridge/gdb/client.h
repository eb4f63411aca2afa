/* Who is connected: where the needs of clients differ, a row decides. */
#ifndef BRIDGE_GDB_CLIENT_H
#define BRIDGE_GDB_CLIENT_H

#include "rsp/rsp.h"

struct client {
	const char *name; /* for the log */
	/* What the end of a step is reported as: gdb takes a plain stop. */
	enum rsp_stop_reason step_reason;
};

extern const struct client client_gdb;

#endif
