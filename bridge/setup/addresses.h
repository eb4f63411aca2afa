/* Which addresses of this machine a target may be told to send to. */
#ifndef BRIDGE_SETUP_ADDRESSES_H
#define BRIDGE_SETUP_ADDRESSES_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "kdnet/kdnet.h"

enum { ADDRESSES_MAX = 16 };

struct addresses_own {
	char text[INET6_ADDRSTRLEN];
	char interface[IF_NAMESIZE]; /* "" when it was found by a route */
	bool v6;
};

/*
 * All that another machine could reach: no loopback, no link-local ones. Returns how
 * many; 0 when there are none.
 */
size_t addresses_list(struct addresses_own own[static ADDRESSES_MAX], bool v6);

/* Our address on the way to the peer. 0, or -errno: -ENETUNREACH without a route. */
int addresses_towards(struct addresses_own *own, const struct kdnet_peer *peer);

/*
 * A name or an address as a peer on that port; `family` is AF_INET, AF_INET6 or, for the
 * one that the system prefers, AF_UNSPEC. Returns NULL, or why not.
 */
const char *addresses_resolve(struct kdnet_peer *peer, const char *name, uint16_t port,
			      int family);

bool addresses_is_v6(const struct kdnet_peer *peer);
/* "192.168.0.2" or "fe80::1", of 16 bytes as in struct kdnet_peer. */
void addresses_format(char text[static INET6_ADDRSTRLEN],
		      const uint8_t address[static 16]);

#endif
