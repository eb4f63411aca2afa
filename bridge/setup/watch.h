/*
 * What doctor learns from the datagrams on a port that nobody else serves, sans-I/O:
 * datagrams and time in, facts and datagrams out.
 *
 * It opens pokes, and answers those of a target that serves no other host, to see
 * whether answers arrive: the target then shows it by a connection check (KDNET.md §4).
 * No KD packet is ever sent: the kernel notices nothing, and whoever debugs it next
 * connects as ever. With target= it sends host pokes, which only ask for a poke.
 */
#ifndef BRIDGE_SETUP_WATCH_H
#define BRIDGE_SETUP_WATCH_H

#include "kdnet/kdnet.h"

enum { WATCH_SOURCES_MAX = 4 };

/* How many datagrams of a kind came, and the first one's sender. */
struct watch_count {
	uint64_t count;
	struct kdnet_peer from;
};

/* An address that sent authentic pokes. */
struct watch_source {
	uint8_t address[16];
	uint64_t pokes;
};

struct watch_facts {
	struct watch_count datagrams; /* all but our own, reflected */
	struct watch_count not_kdnet;
	struct watch_count sealed;     /* KDNET, but no key was given to open it */
	struct watch_count wrong_key;  /* pokes that the key does not open */
	struct watch_count unopened;   /* of a session that somebody else had */
	struct watch_count link_local; /* from 169.254.* */

	struct watch_count pokes;
	uint64_t pokes_lost; /* their counters tell */
	uint8_t version;
	struct watch_source sources[WATCH_SOURCES_MAX];
	unsigned source_count; /* may say one more than fit */
	bool has_hosts;	       /* the newest poke named them: */
	uint8_t configured_host[16];
	uint8_t bound_host[16];
	bool bound_elsewhere; /* a poke that named another host than this machine */

	uint64_t answers;
	uint64_t proofs;	/* answers that arrived, as the target showed */
	uint64_t round_trip_us; /* the best, 0: none was measured */
};

struct watch;

struct watch_config {
	const uint8_t *key; /* KDNET_KEY_SIZE bytes, copied; NULL: none is known */
	bool has_target;
	struct kdnet_peer target; /* poked until it pokes */
	/* As in struct kdnet_config; NULL: libsodium's. */
	void (*random)(void *context, void *out, size_t size);
	void *random_context;
};

/* In locked memory. NULL: out of it. */
struct watch *watch_new(const struct watch_config *config);
void watch_free(struct watch *w);

void watch_receive(struct watch *w, const struct kdnet_peer *from,
		   const uint8_t *datagram, size_t length, uint64_t now_us);
/* The next datagram to send; 0: none. `size` is at least KDNET_DATAGRAM_MAX. */
size_t watch_transmit(struct watch *w, struct kdnet_peer *to, uint8_t *out, size_t size,
		      uint64_t now_us);
/* When watch_transmit has something to send by itself; UINT64_MAX: never. */
uint64_t watch_deadline(const struct watch *w);

/* An answer was given, and until then the target may show that it arrived; 0: none is
 * open. Facts before that time may call the last answer lost too early. */
uint64_t watch_awaits_until(const struct watch *w);

const struct watch_facts *watch_facts(const struct watch *w);

#endif
