/*
 * UDP ports of this machine: which are free, who has the others, and how many datagrams
 * were lost there for want of room.
 */
#ifndef BRIDGE_SETUP_PORTS_H
#define BRIDGE_SETUP_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* What Microsoft recommends for KDNET, and what Windows takes (KDNET.md §1). */
	PORTS_RECOMMENDED_FIRST = 50000,
	PORTS_RECOMMENDED_LAST = 50039,
	PORTS_FIRST = 49152,
	PORTS_LAST = 65535,
	PORTS_PROGRAM_MAX = 16, /* as long as the kernel keeps a program's name */
};

/* A UDP socket as /proc/net/udp and /proc/net/udp6 list it. */
struct ports_socket {
	uint64_t inode;
	uint64_t dropped; /* datagrams that its buffer had no room for */
	bool any_address; /* bound to none in particular */
	bool v6;
};

/*
 * Finds the socket on that local port in the text of /proc/net/udp, or, with `v6`, of
 * /proc/net/udp6. Lines of another form are passed over. False: none is there.
 */
bool ports_find(struct ports_socket *socket, const char *text, bool v6, uint16_t port);

struct ports_holder {
	struct ports_socket socket;
	long pid; /* 0: cannot be seen, it is another user's */
	char program[PORTS_PROGRAM_MAX];
};

/* Who has the port; false: nobody. */
bool ports_holder(struct ports_holder *holder, uint16_t port);

/* Can the port be bound now, for all addresses? 0, or -errno: why not. */
int ports_try(uint16_t port);

/*
 * The first of `count` ports in a row that are all free: of the recommended ones, else
 * of those that Windows takes. 0: there are none.
 */
uint16_t ports_choose(unsigned count);

#endif
