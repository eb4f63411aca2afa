/*
 * One question to the target and its answer: the only place that runs the event loop
 * inside a call. Counts exchanges, learns how many bytes one reply can carry.
 */
#ifndef BRIDGE_TARGET_EXCHANGE_H
#define BRIDGE_TARGET_EXCHANGE_H

#include "bridge/target/target.h"

/*
 * Sends the request and waits for its own reply; late replies to other questions are
 * dropped, debug output that comes between is delivered. The reply's data is valid until
 * the next exchange. KD_REFUSED with reply->status set when the target refused it; with a
 * guard's refusal the status is KD_STATUS_UNSUCCESSFUL and nothing was sent.
 */
enum kd_result exchange(struct target *t, const struct kd_request *request,
			struct kd_reply *reply);

/* For the APIs without a reply: waits for the acknowledgement (or what proves it). */
enum kd_result exchange_send(struct target *t, const struct kd_request *request);

/* Bytes of memory that one read, or write, can carry on this link. */
size_t exchange_read_limit(const struct target *t);
size_t exchange_write_limit(const struct target *t);

#endif
