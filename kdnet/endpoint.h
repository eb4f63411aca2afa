/* The inside of struct kdnet: for endpoint.c and its tests, nobody else. */
#ifndef KDNET_ENDPOINT_H
#define KDNET_ENDPOINT_H

#include "kdnet/event_queue.h"
#include "kdnet/handshake.h"
#include "kdnet/kd_link.h"
#include "kdnet/kdnet.h"
#include "kdnet/session.h"

enum { KDNET_HOST_POKE_INTERVAL_US = 500000 };

struct kdnet {
	struct kdnet_config config;
	struct kdnet_cipher control;
	struct kdnet_sessions sessions;
	struct kdnet_poke_book pokes;

	uint64_t sequence;	     /* of the last datagram sent; never goes back */
	uint64_t session_heard_us;   /* the live session's last sign of life */
	uint64_t authentic_heard_us; /* anything authentic at all */

	/* of the last proven session, also after it was lost */
	bool has_last;
	uint8_t last_identity[KDNET_IDENTITY_SIZE];
	uint8_t last_version;
	struct kdnet_peer last_peer;

	bool poke_due; /* a host poke waits to be transmitted */
	struct kdnet_peer poke_peer;
	uint64_t poke_target_at_us;   /* the next one to target= */
	uint64_t poke_unopened_at_us; /* none for unopened data before that */

	uint64_t counters[KDNET_COUNTERS];
	struct kdnet_queue queue;
	struct kd_link link;
	uint8_t plain[KDNET_PLAINTEXT_MAX];
};

#endif
