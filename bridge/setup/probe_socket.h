/* doctor's UDP socket: blocking, of both families, without libev. */
#ifndef BRIDGE_SETUP_PROBE_SOCKET_H
#define BRIDGE_SETUP_PROBE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/kdnet.h"

struct probe_socket {
	int fd;
	bool v6; /* both families; else IPv4 alone, as IPv6 is switched off here */
};

/* Binds the port for all addresses. 0, or -errno. */
int probe_open(struct probe_socket *s, uint16_t port);
void probe_close(struct probe_socket *s);

/*
 * Waits for a datagram until the deadline (kdnet_udp_now_us). `size` bytes of it at
 * most are kept; *from says where it came from and on which of our addresses. 0: none
 * came, or a signal did.
 */
size_t probe_receive(const struct probe_socket *s, struct kdnet_peer *from, void *out,
		     size_t size, uint64_t deadline_us);

/* 0, or -errno: -EAFNOSUPPORT for an IPv6 address when the socket knows IPv4 alone. */
int probe_send(const struct probe_socket *s, const struct kdnet_peer *to,
	       const uint8_t *bytes, size_t length);

#endif
