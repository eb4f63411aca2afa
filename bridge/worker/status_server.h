/* The socket on which a process tells its status to `kdbridge status`. */
#ifndef BRIDGE_WORKER_STATUS_SERVER_H
#define BRIDGE_WORKER_STATUS_SERVER_H

#include <stdio.h>

struct ev_loop;
struct status_server;

/* Writes all that there is to tell now. */
typedef void status_tell(void *context, FILE *out);

/*
 * Listens on <runtime directory>/NAME with mode 600. A socket file whose owner has died is
 * replaced; one that is alive is -EADDRINUSE. Returns 0 or -errno.
 */
int status_server_open(struct status_server **out, struct ev_loop *loop, const char *name,
		       status_tell *tell, void *context);
/* On a listening socket that systemd gave us: its file is systemd's. */
int status_server_adopt(struct status_server **out, struct ev_loop *loop, int fd,
			status_tell *tell, void *context);

/* Where it listens. */
const char *status_server_path(const struct status_server *s);

/* Stops, and removes the socket. NULL is fine. */
void status_server_close(struct status_server *s);
/* In a child of its process, once the loop is gone: closes descriptors, and no more. */
void status_server_abandon(struct status_server *s);

#endif
