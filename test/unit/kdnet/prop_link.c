/*
 * Two links over a network that loses, doubles, reorders and damages: every packet
 * arrives exactly once and in order, whatever the seed. TEST_SEED chooses another.
 */
#include "kdnet/kd_link.h"
#include "kdnet/window.h"

#include "kdnet/wire.h"
#include "test/util.h"

enum {
	PACKETS = 150,
	FLIGHT_MAX = 64,
	ROOM = 12,
	STEP_US = 100,
	GIVE_UP_US = 3600u * 1000000u,
};

struct datagram {
	uint64_t arrives_us;
	uint64_t sequence;
	size_t length;
	uint8_t payload[64];
};

/* One direction of the network. */
struct wire {
	struct datagram flight[FLIGHT_MAX];
	size_t count;
};

struct side {
	struct kd_link link;
	uint64_t counters[KDNET_COUNTERS];
	struct kdnet_window window;
	uint64_t sequence;
	uint32_t sent; /* packets given to the link so far: also their content */
	uint32_t received;
	struct wire out;
};

struct network {
	uint64_t seed;
	unsigned loss; /* percent */
	unsigned dup;
	unsigned damage;
	uint64_t delay_us; /* at most; anything from 0 */
	uint64_t now_us;
};

static bool happens(struct network *net, unsigned percent)
{
	return test_random(&net->seed) % 100 < percent;
}

static void launch(struct network *net, struct wire *wire, const uint8_t *payload,
		   size_t length, uint64_t sequence)
{
	if (happens(net, net->loss) || wire->count == FLIGHT_MAX)
		return;
	struct datagram *d = &wire->flight[wire->count++];
	assert_true(length <= sizeof(d->payload));
	memcpy(d->payload, payload, length);
	d->length = length;
	d->sequence = sequence;
	d->arrives_us = net->now_us + test_random(&net->seed) % (net->delay_us + 1);
	if (length > KD_HEADER_SIZE && happens(net, net->damage))
		d->payload[KD_HEADER_SIZE] ^= 1;
}

static void transmit(struct network *net, struct side *side)
{
	const uint8_t *payload;
	size_t length;
	while ((length = kd_link_transmit(&side->link, &payload, net->now_us)) > 0) {
		side->sequence++;
		launch(net, &side->out, payload, length, side->sequence);
		if (happens(net, net->dup))
			launch(net, &side->out, payload, length, side->sequence);
	}
}

static void take(struct network *net, struct side *side, const struct datagram *d)
{
	struct kd_packet packet;
	if (kdnet_window_accept(&side->window, d->sequence) == KDNET_REPLAYED)
		return;
	if (kd_link_receive(&side->link, &packet, d->payload, d->length, d->sequence,
			    ROOM, net->now_us) != KD_LINK_PACKET)
		return;
	assert_int_equal(packet.length, 4);
	assert_int_equal(load_le(packet.data, 4), side->received);
	side->received++;
}

static void arrive(struct network *net, struct wire *wire, struct side *to)
{
	for (size_t i = 0; i < wire->count;) {
		if (wire->flight[i].arrives_us > net->now_us) {
			i++;
			continue;
		}
		struct datagram d = wire->flight[i];
		wire->flight[i] = wire->flight[--wire->count];
		take(net, to, &d);
	}
}

static void offer(struct side *side)
{
	uint8_t number[4];
	store_le(number, side->sent, sizeof(number));
	if (side->sent < PACKETS &&
	    kd_link_send(&side->link, KD_PACKET_MANIPULATE, number, sizeof(number)))
		side->sent++;
}

static bool is_done(const struct side *a, const struct side *b)
{
	return a->received == PACKETS && b->received == PACKETS &&
	       !kd_link_pending(&a->link) && !kd_link_pending(&b->link);
}

static void run(struct network *net)
{
	struct side *sides = calloc(2, sizeof(*sides));
	struct side *host = &sides[0];
	struct side *target = &sides[1];
	kd_link_init(&host->link, KD_HOST_FIRST_ID, host->counters);
	kd_link_init(&target->link, 0xffffff00, target->counters); /* its ids wrap */
	while (!is_done(host, target) && net->now_us < GIVE_UP_US) {
		for (int i = 0; i < 2; i++) {
			offer(&sides[i]);
			kd_link_expire(&sides[i].link, net->now_us);
			transmit(net, &sides[i]);
		}
		net->now_us += STEP_US;
		arrive(net, &host->out, target);
		arrive(net, &target->out, host);
	}
	assert_true(is_done(host, target));
	free(sides);
}

static uint64_t first_seed(void)
{
	const char *wanted = getenv("TEST_SEED");
	uint64_t seed = wanted ? strtoull(wanted, NULL, 0) : 1;
	print_message("seed %llu\n", (unsigned long long)seed);
	return seed;
}

static void every_packet_arrives_once_and_in_order(void **state)
{
	(void)state;
	const struct network networks[] = {
		{ .delay_us = 0 },
		{ .loss = 5, .delay_us = 200 },
		{ .loss = 30, .delay_us = 1000 },
		{ .dup = 50, .delay_us = 3000 },
		{ .delay_us = 60000 },
		{ .damage = 20, .delay_us = 500 },
		{ .loss = 10, .dup = 10, .damage = 10, .delay_us = 30000 },
		{ .loss = 40, .dup = 30, .damage = 5, .delay_us = 5000 },
	};
	uint64_t seed = first_seed();
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		for (int turn = 0; turn < 4; turn++) {
			struct network net = networks[i];
			net.seed = test_random(&seed);
			run(&net);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packet_arrives_once_and_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
