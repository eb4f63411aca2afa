/*
 * One connection on the loop: reads into its rsp, writes at once what waits there, keeps
 * its timer. What follows from it is the listener's to decide. Private to rsp/.
 */
#ifndef RSP_CONNECTION_H
#define RSP_CONNECTION_H

#include <ev.h>

#include "rsp/endpoint.h"

enum role {
	CANDIDATE, /* has sent no valid packet yet, or waits for the client to be gone */
	CLIENT,
	LEAVING, /* its session ended; the last reply is on its way */
};

struct connection {
	struct ev_loop *loop;
	void *owner;
	/* Called last after each event: may free the connection. */
	void (*settle)(void *owner);
	struct rsp *rsp;
	enum role role;
	bool gone; /* read and written no more; to be freed */
	bool is_socket;
	bool is_here;	/* its other side is on this host */
	bool foreign;	/* gone because it does not speak RSP */
	bool said_last; /* LEAVING: all was written, and our half closed */
	int in, out;
	uint64_t age; /* order of arrival */
	ev_io reading, writing;
	ev_timer timer; /* for CANDIDATE and LEAVING the end, for CLIENT the keep-alive */
	char peer[RSP_NAME_MAX];
};

/* Starts reading. A socket is `in` and `out`, and closed with the connection; other
 * descriptors stay the caller's. NULL: out of memory, nothing is closed. */
struct connection *connection_new(struct ev_loop *loop, const struct rsp_target *target,
				  void *context, int in, int out, bool is_socket);
void connection_free(struct connection *c);

/* Monotonic microseconds, the time that rsp is told. */
uint64_t connection_now_us(void);
/* Writes what waits; then the keep-alive is armed where one is due. */
void connection_forward(struct connection *c);
/* A candidate is closed after this long without a valid packet. */
void connection_expect_packet(struct connection *c);
void connection_make_client(struct connection *c);
/* Writes the last reply and waits a little for the other side to close. */
void connection_leave(struct connection *c);
/* Writes what waits, even if that takes a moment. */
void connection_drain(struct connection *c);

#endif
