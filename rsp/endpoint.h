/* Addresses of listeners and peers as text and as sockets; private to rsp/. */
#ifndef RSP_ENDPOINT_H
#define RSP_ENDPOINT_H

#include "rsp/listen.h"

enum { RSP_NAME_MAX = 128 };

/*
 * A socket that listens there, not blocking; or -errno. `name` tells where, with the
 * port that it got. A Unix socket is its owner's alone (mode 600).
 */
int endpoint_listen(const struct rsp_endpoint *e, char name[static RSP_NAME_MAX]);

/* "127.0.0.1:4711" of the other side, "unix" for a Unix socket. */
void endpoint_peer(int fd, char name[static RSP_NAME_MAX]);

struct sockaddr_storage;
/*
 * Is the other side of a connection on this host? So it is when it comes from a loopback
 * address or from the one that it has reached, and when no network is between.
 */
bool endpoint_is_here(const struct sockaddr_storage *peer,
		      const struct sockaddr_storage *own);
/* The same of a socket; what cannot be told counts as here. */
bool endpoint_peer_is_here(int fd);

#endif
