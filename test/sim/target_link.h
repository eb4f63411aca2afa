/*
 * The target's KD packet layer: ids, acknowledgements, resend, reset, repetition.
 *
 * KD is synchronous: what it sends it waits for, frozen, and while the system runs
 * it looks at what has come only when the clock ticks. So payloads are queued here
 * and looked at in target_link_poll, which the owner calls at once while the target
 * stands still and at its ticks while it runs.
 *
 * A packet is on its way (`pending`) until it is acknowledged; then, when it was a
 * report (a state change, a prompt, a file request), the target waits for packets of
 * one type and repeats the report when the host asks with RESEND or RESET.
 * Wire: KDNET.md §5, KD.md §1.
 */
#ifndef SIM_TARGET_LINK_H
#define SIM_TARGET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/seal.h"
#include "test/sim/stats.h"

enum target_link_type {
	LINK_STATE_CHANGE_32 = 1,
	LINK_MANIPULATE = 2,
	LINK_DEBUG_IO = 3,
	LINK_ACKNOWLEDGE = 4,
	LINK_RESEND = 5,
	LINK_RESET = 6,
	LINK_STATE_CHANGE = 7,
	LINK_FILE_IO = 11,
};

enum {
	LINK_HEADER_SIZE = 16,
	LINK_DATA_MAX = KDNET_PAYLOAD_MAX - LINK_HEADER_SIZE,
	LINK_QUEUE_SIZE = 32,
	LINK_ID_STEP = 2,
};

#define LINK_REPEAT_US	    UINT64_C(500000)
#define LINK_HOST_FIRST_ID  UINT32_C(0x80000000)
#define LINK_LEADER_DATA    UINT32_C(0x30303030)
#define LINK_LEADER_CONTROL UINT32_C(0x69696969)
#define LINK_BREAK_IN	    UINT8_C(0x62)

struct target_link_handlers {
	void *context;
	void (*send)(void *context, const uint8_t *payload, size_t length);
	/* The pending packet has arrived, a report's repetition included. */
	void (*acknowledged)(void *context, uint64_t now_us);
	/* A new packet of the type that the report asked for; acknowledged already. */
	void (*packet)(void *context, enum target_link_type type, const uint8_t *data,
		       size_t length, uint64_t now_us);
};

struct target_link_payload {
	size_t length;
	uint8_t bytes[KDNET_PAYLOAD_MAX];
};

struct target_link_packet {
	bool valid;
	bool report;
	uint32_t id;
	struct target_link_payload payload; /* header and data */
};

struct target_link {
	struct target_link_handlers handlers;
	struct stats *stats;
	/* Options; set them after target_link_init. */
	bool lenient;	       /* the wire loses or reorders: late order is no fault */
	bool keep_break_in;    /* one that comes during a stop stays (KD.md, trap 7) */
	bool new_id_on_repeat; /* an acknowledged report is repeated under a new id */

	bool running;
	bool break_in; /* seen, not yet taken by target_link_take_break_in */
	uint32_t next_id;
	bool taken; /* is taken_id the last one? A RESET forgets it */
	uint32_t taken_id;
	uint32_t expected_id;
	struct target_link_packet pending;
	uint64_t repeat_us; /* when pending is sent again */
	struct target_link_packet report;
	enum target_link_type wanted; /* packets that the report waits for */

	struct target_link_payload queue[LINK_QUEUE_SIZE];
	unsigned head;
	unsigned queued;
};

/*   first_id  of the target's own packets: any number */
void target_link_init(struct target_link *l, const struct target_link_handlers *handlers,
		      struct stats *stats, uint32_t first_id);

/* A payload from the host, looked at by the next poll; too many are lost. */
void target_link_receive(struct target_link *l, const uint8_t *payload, size_t length);
void target_link_poll(struct target_link *l, uint64_t now_us);

/*
 * Sends a packet, which freezes the target until it is acknowledged; none may be
 * pending. target_link_report: one that stays on offer until target_link_resume, and
 * makes the target take packets of type `wanted`.
 */
void target_link_send(struct target_link *l, enum target_link_type type,
		      const uint8_t *data, size_t length, uint64_t now_us);
void target_link_report(struct target_link *l, enum target_link_type type,
			enum target_link_type wanted, const uint8_t *data, size_t length,
			uint64_t now_us);

/* The target runs: from now on only polls see what comes. */
void target_link_resume(struct target_link *l);

/* Was a break-in byte seen? It is taken. */
bool target_link_take_break_in(struct target_link *l);

/* When target_link_expire wants to be called; UINT64_MAX: never. */
uint64_t target_link_deadline(const struct target_link *l);
void target_link_expire(struct target_link *l, uint64_t now_us);

#endif
