/*
 * A recording in numbers: exchanges by API with their round trips, losses, stops. It is
 * given the datagrams one after the other, in the clear, and keeps counts and times only.
 *
 * A round trip is the time from the first try of a request to its reply, at the place
 * where the recording was made.
 */
#ifndef BRIDGE_CAPTURE_SUMMARY_H
#define BRIDGE_CAPTURE_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kdnet/kd.h"
#include "kdnet/kdnet.h"

enum {
	SUMMARY_APIS = 48,  /* more than there are; others are not told apart */
	SUMMARY_STOPS = 64, /* kinds of stops */
};

/* Times, of which percentiles are asked in the end. */
struct summary_times {
	uint32_t *us;
	size_t count, room;
};

struct summary_api {
	enum kd_api api;
	uint64_t asked, answered, failed;
	uint64_t bytes; /* of memory, contexts and so on, either way */
	struct summary_times times;
};

struct summary_stop {
	enum kd_state state;
	uint32_t code; /* of exceptions */
	bool unload;   /* of loads */
	uint64_t count;
};

/* One direction. */
struct summary_side {
	uint64_t datagrams, bytes;
	uint64_t repeated; /* KD packets sent again */
	uint64_t resends, resets;
	uint64_t lost, late; /* datagrams, by their sequence numbers */
	bool counted;	     /* `highest` is known */
	uint64_t highest;
	bool sent; /* `id` is known */
	uint32_t id;
};

/* All zeros is an empty one. */
struct summary {
	struct summary_side sides[2]; /* from the target, to the target */
	uint64_t pokes, responses, host_pokes, break_ins;
	uint64_t prints, prompts, others;
	unsigned session; /* of the last datagram of data */
	struct summary_api apis[SUMMARY_APIS];
	size_t api_count;
	struct summary_stop stops[SUMMARY_STOPS];
	size_t stop_count;
	struct summary_api *pending; /* asked, not answered yet */
	uint64_t asked_ns;
	struct summary_times acknowledgements;
	bool awaits_acknowledgement;
	uint64_t sent_ns;
	bool stopped;
	uint64_t stopped_ns, stopped_for_ns;
};

/* A datagram as it is on the wire, of `length` bytes, and what was in it. */
void summary_add(struct summary *s, uint64_t time_ns, const struct kdnet_datagram *d,
		 size_t length, enum kd_machine machine, unsigned session);

void summary_print(struct summary *s, FILE *out);

void summary_wipe(struct summary *s);

#endif
