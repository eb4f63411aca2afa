/*
 * The control socket of tests: a line in, lines and a "." out. Commands are one
 * table, which `help` prints.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include <ev.h>

#include "test/sim/target.h"

enum { CONTROL_LINE_SIZE = 1024, CONTROL_CLIENTS_MAX = 8 };

struct control;

/* Called after each command: the target may have something to do, or is to end. */
typedef void control_done(void *context, bool quit);

/*
 * Does one command and writes the answer's lines, without the closing ".".
 * *quit is set where the command asks for the end.
 */
void control_execute(struct target *t, const char *line, FILE *out, uint64_t now_us,
		     bool *quit);

/* Listens on a Unix socket, which replaces a stale one. NULL: errno says why. */
struct control *control_open(struct ev_loop *loop, const char *path, struct target *t,
			     control_done *done, void *context);
void control_close(struct control *c);

#endif
