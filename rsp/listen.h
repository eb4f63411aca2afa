/* Where clients connect: TCP and Unix sockets on libev; the only I/O in rsp/. */
#ifndef RSP_LISTEN_H
#define RSP_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "rsp/rsp.h"

struct ev_loop;
struct rsp_listener;

struct rsp_endpoint {
	bool is_unix;
	char address[108]; /* IPv4, IPv6 (without brackets), or the socket's path */
	uint16_t port;	   /* 0: any free one */
};

/* "[ADDR:]PORT", "[V6]:PORT", "unix:PATH"; false when it is none of these. */
bool rsp_endpoint_parse(struct rsp_endpoint *e, const char *text);
/* Is it reachable from this machine alone? Else the user gets a warning. */
bool rsp_endpoint_is_local(const struct rsp_endpoint *e);

enum rsp_listen_event {
	RSP_CLIENT_CONNECTED, /* sent its first valid packet */
	RSP_CLIENT_CLOSED,
	RSP_CLIENT_REFUSED, /* a second one while the first is there */
	RSP_NOT_RSP,	    /* closed: HTTP, TLS, a port scan */
};

struct rsp_listen_options {
	const struct rsp_target *target;
	void *context;
	/* For the log. `peer` is "127.0.0.1:4711". May be NULL. */
	void (*event)(void *context, enum rsp_listen_event event, const char *peer);
};

/*
 * Listens, and serves one client at a time: connections that have sent no valid packet
 * yet do not count and are closed after a few seconds; one that sends what is not RSP
 * is closed at once; while a client is there, others are refused. A stale socket file
 * is replaced, one that is alive is -EADDRINUSE. Returns 0 or -errno.
 */
int rsp_listen_open(struct rsp_listener **out, struct ev_loop *loop,
		    const struct rsp_endpoint *endpoint,
		    const struct rsp_listen_options *options);
/* Speaks on two open descriptors instead (standard input and output), which stay the
 * caller's; SIGPIPE must be ignored. */
int rsp_listen_stdio(struct rsp_listener **out, struct ev_loop *loop, int in, int outward,
		     const struct rsp_listen_options *options);
/* A client that is there is sent what is due, then its session ends as by a lost
 * connection. NULL is fine. Not inside target functions. */
void rsp_listen_close(struct rsp_listener *l);

/* "127.0.0.1:1234" as bound, or "unix:PATH". */
const char *rsp_listen_name(const struct rsp_listener *l);

/* Where the client is, "127.0.0.1:4711"; "" when there is none. */
const char *rsp_listen_peer(const struct rsp_listener *l);

/* Is it on this host, as far as its address tells (a tunnel's end is here)? True when
 * there is none. */
bool rsp_listen_client_is_here(const struct rsp_listener *l);

/* The client, NULL when there is none. */
struct rsp *rsp_listen_client(struct rsp_listener *l);
/* Serves and writes what is due: call it after anything that may have made output or
 * work (a stop, console text). Safe inside target functions: then it only writes. */
void rsp_listen_flush(struct rsp_listener *l);
/* Has the present client's connection gone? A target function that waits asks this. */
bool rsp_listen_client_gone(const struct rsp_listener *l);

#endif
