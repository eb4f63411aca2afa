/* An endpoint and one target of it, version 4, identity 1, at 192.168.0.13. */
#ifndef TEST_ENDPOINT_FIXTURE_H
#define TEST_ENDPOINT_FIXTURE_H

#include "test/unit/kdnet/fake_target.h"

enum { START_US = 10 * SECOND };

struct fixture {
	uint64_t random;
	struct kdnet *k;
	struct fake_target target;
};

static inline struct fixture *start(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	struct kdnet_config config = fake_config(&f->random);
	f->k = kdnet_new(&config, START_US);
	assert_non_null(f->k);
	f->target = fake_boot(f->k, START_US, 1);
	return f;
}

static inline struct fixture *start_connected(void)
{
	struct fixture *f = start();
	fake_connect(&f->target);
	return f;
}

static inline void stop(struct fixture *f)
{
	kdnet_free(f->k);
	free(f);
}

static inline bool is_response(const struct sent *sent)
{
	return sent->any && sent->channel == KDNET_CHANNEL_CONTROL &&
	       kdnet_is_response(sent->payload, sent->length);
}

static inline void assert_answered(struct fake_target *f)
{
	struct sent sent = fake_pull(f);
	assert_true(is_response(&sent));
}

static inline void assert_notice(struct fake_target *f, enum kdnet_notice notice)
{
	struct kdnet_event event = fake_event(f);
	assert_int_equal(event.type, KDNET_NOTICE);
	assert_int_equal(event.notice, notice);
	assert_memory_equal(event.peer.address, f->peer.address, 16);
	assert_int_equal(fake_event(f).type, KDNET_NOTHING);
}

/* The session works in both directions under the target's present key. */
static inline void assert_works(struct fake_target *f)
{
	static uint32_t id = 0x1000;
	fake_drain(f);
	fake_drop_events(f);
	id += 2;
	fake_send_data(f, id, "alive");
	struct kdnet_event event = fake_event(f);
	assert_packet_event(&event, "alive");
	struct sent sent = fake_pull(f);
	assert_control(&sent, KD_PACKET_ACKNOWLEDGE, id);
}

#endif
