/*
 * The target's side of KDNET: pokes, the response, the data key, sequence numbers.
 * Sans-I/O: datagrams come in by target_net_receive and leave by a callback, time is
 * passed in. Written from KDNET.md §3, §4 and §6, apart from the host's code; only
 * the sealing is shared with it.
 */
#ifndef SIM_TARGET_NET_H
#define SIM_TARGET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/seal.h"
#include "test/sim/stats.h"

enum {
	TARGET_NET_IDENTITY_SIZE = 30,
	TARGET_NET_POKE_SIZE = 344,
	TARGET_NET_RESPONSE_SIZE = 322,
	TARGET_NET_POKES_REMEMBERED = 8,
	TARGET_NET_SEQUENCES_REMEMBERED = 64,
};

#define TARGET_NET_POKE_INTERVAL_US UINT64_C(3000000)

/* IPv4 as ::ffff:a.b.c.d; the port in host order. */
struct net_address {
	uint8_t ip[16];
	uint16_t port;
};

struct target_net_handlers {
	void *context;
	void (*transmit)(void *context, const struct net_address *to,
			 const uint8_t *datagram, size_t length);
	/* A response was taken: a host is there. */
	void (*connected)(void *context);
	/* One payload of the data channel. */
	void (*payload)(void *context, const uint8_t *payload, size_t length);
};

struct target_net_poke {
	uint16_t counter;
	uint64_t sequence;
};

struct target_net_sequence {
	uint64_t number;
	uint8_t tag[KDNET_TAG_SIZE];
};

struct target_net {
	struct target_net_handlers handlers;
	struct stats *stats;
	uint8_t control_key[KDNET_KEY_SIZE];
	struct kdnet_cipher control;
	struct kdnet_cipher data;
	uint8_t version;
	struct net_address target; /* as the pokes tell it */
	struct net_address host;   /* as configured */
	struct net_address bound;  /* of the data channel; valid when connected */
	bool connected;

	uint8_t identity[TARGET_NET_IDENTITY_SIZE];
	uint16_t counter;
	uint64_t started_us;
	uint64_t next_poke_us;
	struct target_net_poke pokes[TARGET_NET_POKES_REMEMBERED];
	unsigned poke_count; /* sent since the start; the ring's position */

	uint64_t own_sequence; /* of the next datagram on the data channel */
	uint64_t highest;      /* taken from the host on the data channel */
	struct target_net_sequence seen[TARGET_NET_SEQUENCES_REMEMBERED];
	unsigned seen_count;
};

/*   key  the control key; version  as in every datagram: 2, 4, 5 or newer */
void target_net_init(struct target_net *n, const struct target_net_handlers *handlers,
		     struct stats *stats, const uint8_t key[static KDNET_KEY_SIZE],
		     uint8_t version);
void target_net_wipe(struct target_net *n);

/*
 * A start of the transport, at power on and at each reboot: a new identity, no
 * data channel, the first poke at once.
 */
void target_net_start(struct target_net *n,
		      const uint8_t identity[static TARGET_NET_IDENTITY_SIZE],
		      const struct net_address *target, const struct net_address *host,
		      uint64_t now_us);

void target_net_receive(struct target_net *n, const struct net_address *from,
			const uint8_t *datagram, size_t length, uint64_t now_us);

/* One payload on the data channel; false, and nothing sent, without a connection. */
bool target_net_send(struct target_net *n, const uint8_t *payload, size_t length);

/* When target_net_expire wants to be called: the next poke. */
uint64_t target_net_deadline(const struct target_net *n);
void target_net_expire(struct target_net *n, uint64_t now_us);

#endif
