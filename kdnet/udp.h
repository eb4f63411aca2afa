/* The UDP socket of one endpoint on libev: the only I/O in kdnet/. */
#ifndef KDNET_UDP_H
#define KDNET_UDP_H

#include <stdint.h>

#include "kdnet/kdnet.h"

struct ev_loop;
struct kdnet_udp;

/*
 * Something came in, or a timer ran: the owner pulls kdnet_event until it is dry.
 * What had to be acknowledged was sent before. It may close the socket.
 */
typedef void kdnet_udp_notify(void *context);

/*
 * Whoever wants to see all datagrams as they are on the wire, sealed: after each that
 * came, before each that goes. It calls nothing of k or the socket.
 */
struct kdnet_udp_tap {
	void (*datagram)(void *context, const struct kdnet_peer *peer, bool to_target,
			 const uint8_t *bytes, size_t length); /* NULL: nobody does */
	void *context;
};

/*
 * Binds the wildcard address of both families on `port` (0: any free one) and drives
 * `k`: receives in batches, answers from the address and interface on which the
 * datagram came (KDNET.md §1), runs its timer. `k` and `loop` must outlive it.
 * `tap` is copied, and may be NULL.
 * Returns 0 or -errno (-EADDRINUSE when the port is taken).
 */
int kdnet_udp_open(struct kdnet_udp **out, struct ev_loop *loop, struct kdnet *k,
		   uint16_t port, kdnet_udp_notify *notify, void *context,
		   const struct kdnet_udp_tap *tap);
void kdnet_udp_close(struct kdnet_udp *udp);

/* The bound port. */
uint16_t kdnet_udp_port(const struct kdnet_udp *udp);

/* Sends what kdnet_transmit has, and sets the timer anew: after every call on k. */
void kdnet_udp_flush(struct kdnet_udp *udp);

/* Monotonic microseconds: the clock whose values k was given. */
uint64_t kdnet_udp_now_us(void);

#endif
