#include "bridge/setup/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static void map_v4(uint8_t out[static 16], const struct in_addr *v4)
{
	memcpy(out, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out + sizeof(mapped_prefix), v4, sizeof(*v4));
}

/* To the form of struct kdnet_peer; the scope is that of an IPv6 address. */
static bool take_address(struct kdnet_peer *peer, const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		map_v4(peer->address, &v4.sin_addr);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof(v6));
	memcpy(peer->address, &v6.sin6_addr, sizeof(peer->address));
	peer->interface = v6.sin6_scope_id;
	return true;
}

bool addresses_is_v6(const struct kdnet_peer *peer)
{
	return memcmp(peer->address, mapped_prefix, sizeof(mapped_prefix)) != 0;
}

void addresses_format(char text[static INET6_ADDRSTRLEN],
		      const uint8_t address[static 16])
{
	bool v4 = memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0;

	if (v4)
		inet_ntop(AF_INET, address + sizeof(mapped_prefix), text,
			  INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
}

static bool is_useful(const struct kdnet_peer *peer)
{
	static const uint8_t link_local_v4[2] = { 169, 254 };
	const uint8_t *a = peer->address;

	if (addresses_is_v6(peer)) /* neither fe80::/10 nor ::1 */
		return !(a[0] == 0xfe && (a[1] & 0xc0) == 0x80) &&
		       memcmp(a, &in6addr_loopback, 16) != 0;
	return memcmp(a + 12, link_local_v4, sizeof(link_local_v4)) != 0 && a[12] != 127;
}

size_t addresses_list(struct addresses_own own[static ADDRESSES_MAX], bool v6)
{
	struct ifaddrs *all = NULL;
	size_t count = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (struct ifaddrs *i = all; i && count < ADDRESSES_MAX; i = i->ifa_next) {
		struct kdnet_peer peer = { 0 };

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) ||
		    (i->ifa_flags & IFF_LOOPBACK) || !take_address(&peer, i->ifa_addr) ||
		    addresses_is_v6(&peer) != v6 || !is_useful(&peer))
			continue;
		addresses_format(own[count].text, peer.address);
		snprintf(own[count].interface, sizeof(own[count].interface), "%s",
			 i->ifa_name);
		own[count++].v6 = v6;
	}
	freeifaddrs(all);
	return count;
}

/* Nothing is sent: connecting a UDP socket only looks up the route. */
int addresses_towards(struct addresses_own *own, const struct kdnet_peer *peer)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
				   .sin6_port = htons(peer->port ? peer->port : 1),
				   .sin6_scope_id = peer->interface };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = to.sin6_port };
	bool v6 = addresses_is_v6(peer);
	const void *address = v6 ? (const void *)&to : (const void *)&to4;
	socklen_t size = v6 ? sizeof(to) : sizeof(to4);
	struct sockaddr_storage local = { 0 };
	struct kdnet_peer found = { 0 };
	int status = 0, fd;

	memcpy(&to.sin6_addr, peer->address, sizeof(to.sin6_addr));
	memcpy(&to4.sin_addr, peer->address + sizeof(mapped_prefix),
	       sizeof(to4.sin_addr));
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, address, size) != 0 ||
	    getsockname(fd, (struct sockaddr *)&local, &(socklen_t){ sizeof(local) }) !=
		    0)
		status = -errno;
	close(fd);
	*own = (struct addresses_own){ .v6 = v6 };
	if (status == 0 && take_address(&found, (const struct sockaddr *)&local))
		addresses_format(own->text, found.address);
	return status;
}

const char *addresses_resolve(struct kdnet_peer *peer, const char *name, uint16_t port,
			      int family)
{
	const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found = NULL;
	int status = getaddrinfo(name, NULL, &hints, &found);

	if (status != 0)
		return gai_strerror(status);
	*peer = (struct kdnet_peer){ .port = port };
	take_address(peer, found->ai_addr);
	freeaddrinfo(found);
	return NULL;
}
