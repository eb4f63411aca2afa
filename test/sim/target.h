/*
 * One simulated Windows machine with its debug transport: machine, KD, packets and
 * datagrams put together, with a bad network between them and the world. Sans-I/O:
 * the owner brings datagrams, time and a place to send to.
 */
#ifndef SIM_TARGET_H
#define SIM_TARGET_H

#include <stdbool.h>
#include <stdio.h>

#include "kdnet/key.h"
#include "test/sim/impair.h"
#include "test/sim/kd.h"
#include "test/sim/machine.h"
#include "test/sim/stats.h"
#include "test/sim/target_link.h"
#include "test/sim/target_net.h"

enum {
	TARGET_SLICE_MIN = 50, /* instructions per processor */
	TARGET_SLICE_MAX = 200000,
	/* Of the first slice after a stop: what others run while one is stepped. */
	TARGET_SLICE_RESUME = 2000,
};

struct target_options {
	struct machine_options machine;
	struct kd_options kd;
	struct impair_options impair;
	uint8_t key[KDNET_KEY_SIZE];
	uint64_t seed;
	bool keep_break_in;	/* a break-in during a stop makes a second one */
	bool new_id_on_repeat;	/* a state change is repeated under another id */
	uint64_t hang_after_us; /* since the start; 0: never */
	uint64_t reboot_us;	/* how long a reboot takes */
};

struct target_handlers {
	void *context;
	/* Puts a datagram on the wire. */
	void (*transmit)(void *context, const struct net_address *to,
			 const uint8_t *datagram, size_t length);
	/*
	 * The transport starts, for the first time or after a reboot: opens a socket,
	 * from another source port than before, and tells the addresses of both sides.
	 */
	void (*start)(void *context, struct net_address *own, struct net_address *host);
};

struct target {
	struct target_options options;
	struct target_handlers handlers;
	struct machine *machine;
	struct kd kd;
	struct target_link link;
	struct target_net net;
	struct impair in;
	struct impair out;
	struct stats stats;
	uint64_t started_us;
	uint64_t boot_until_us; /* the boot waits so long for a host, then goes on */
	bool booting;
	uint64_t reboot_at_us; /* 0: none under way */
	bool hung;
	unsigned boots;
	unsigned
		slice; /* instructions per processor in one target_run; the owner adapts it */
	uint64_t resumes; /* seen when the last slice ran */
	uint64_t now_us;
};

/* Loads the guest and starts it. NULL: *error says why. target_free it. */
struct target *target_new(const struct target_options *options,
			  const struct target_handlers *handlers, uint64_t now_us,
			  const char **error);
void target_free(struct target *t);

void target_receive(struct target *t, const struct net_address *from,
		    const uint8_t *datagram, size_t length, uint64_t now_us);

/* Runs one slice of the machine; true when it wants to run on. */
bool target_run(struct target *t, uint64_t now_us);
bool target_is_running(const struct target *t);

uint64_t target_deadline(const struct target *t);
void target_expire(struct target *t, uint64_t now_us);

/* Reboots without a word (`announce` false), or saying goodbye as Windows does. */
void target_reboot(struct target *t, bool announce, uint64_t now_us);
/* Drops every datagram in both directions for that long. */
void target_silence(struct target *t, uint64_t duration_us, uint64_t now_us);
void target_impair(struct target *t, const struct impair_options *options);

/* running, stopped or frozen */
const char *target_state(const struct target *t);
/* All that --stats writes: state, gauges, counters, violations. */
void target_print_stats(struct target *t, FILE *out);

#endif
