/*
 * What a bad network does to datagrams, deterministically from a seed: loss,
 * doubling, reordering, delay, damage, silence. One of it per direction.
 */
#ifndef SIM_IMPAIR_H
#define SIM_IMPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "test/sim/target_net.h"

enum { IMPAIR_HELD_MAX = 256 };

/* Overtaken datagrams are held back this much longer than the others. */
#define IMPAIR_REORDER_US UINT64_C(3000)

struct impair_options {
	double loss; /* percent, as the following three */
	double dup;
	double reorder;
	double corrupt; /* one bit is flipped */
	uint64_t delay_us;
};

struct impair_datagram {
	uint64_t due_us;
	uint64_t order; /* of equal times the earlier one goes first */
	struct net_address address;
	size_t length;
	uint8_t bytes[KDNET_DATAGRAM_MAX];
};

struct impair {
	struct impair_options options;
	uint64_t random;
	uint64_t silent_until_us;
	uint64_t order;
	struct impair_datagram *held; /* IMPAIR_HELD_MAX of them */
	unsigned count;
};

/* False: no memory. */
bool impair_init(struct impair *i, const struct impair_options *options, uint64_t seed);
void impair_wipe(struct impair *i);

bool impair_is_active(const struct impair_options *options);

/* Takes a datagram, which impair_pop may give once, twice or never. */
void impair_push(struct impair *i, const struct net_address *address,
		 const uint8_t *datagram, size_t length, uint64_t now_us);

/* The next datagram that is due; false: none. */
bool impair_pop(struct impair *i, struct impair_datagram *out, uint64_t now_us);

/* When impair_pop will have one; UINT64_MAX: never. */
uint64_t impair_deadline(const struct impair *i);

/*
 * Reads one setting, `loss`, `dup`, `reorder`, `corrupt` (percent) or `delay`
 * (milliseconds). False: no such setting, or no such value.
 */
bool impair_set(struct impair_options *options, const char *name, const char *value);

#endif
