#include "test/sim/impair.h"

#include "test/util.h"

enum { COUNT = 2000 };

static const struct net_address somewhere = { { 1, 2, 3 }, 4 };

struct sums {
	unsigned arrived, swapped, damaged;
	uint64_t fingerprint;
};

/* Sends numbered datagrams a millisecond apart and looks at what comes out. */
static struct sums play(const struct impair_options *options, uint64_t seed)
{
	struct sums sums = { 0 };
	struct impair i;
	struct impair_datagram d;
	unsigned last = 0;
	assert_true(impair_init(&i, options, seed));
	for (unsigned n = 0; n < COUNT + 100; n++) {
		uint64_t now_us = n * UINT64_C(1000);
		uint8_t bytes[8] = { (uint8_t)n, (uint8_t)(n >> 8) };
		if (n < COUNT)
			impair_push(&i, &somewhere, bytes, sizeof(bytes), now_us);
		while (impair_pop(&i, &d, now_us)) {
			unsigned number = d.bytes[0] | (unsigned)d.bytes[1] << 8;
			bool whole = number < COUNT && d.bytes[2] == 0 && d.bytes[7] == 0;
			assert_int_equal(d.length, sizeof(bytes));
			assert_int_equal(d.address.port, somewhere.port);
			sums.arrived++;
			sums.swapped += whole && number < last;
			sums.damaged += !whole;
			last = number;
			sums.fingerprint = sums.fingerprint * 31 + number;
		}
	}
	assert_int_equal(i.count, 0);
	impair_wipe(&i);
	return sums;
}

static void a_good_network_gives_everything_at_once_in_order(void **state)
{
	const struct impair_options good = { 0 };
	(void)state;
	assert_false(impair_is_active(&good));
	struct sums sums = play(&good, 1);
	assert_int_equal(sums.arrived, COUNT);
	assert_int_equal(sums.swapped, 0);
}

static void loss_and_doubling_come_as_often_as_asked(void **state)
{
	const struct impair_options loss = { .loss = 20 }, dup = { .dup = 20 };
	(void)state;
	assert_true(impair_is_active(&loss));
	assert_in_range(play(&loss, 1).arrived, COUNT * 75 / 100, COUNT * 85 / 100);
	assert_in_range(play(&dup, 1).arrived, COUNT * 115 / 100, COUNT * 125 / 100);
}

static void reordered_datagrams_are_overtaken(void **state)
{
	const struct impair_options options = { .reorder = 10 };
	(void)state;
	struct sums sums = play(&options, 1);
	assert_int_equal(sums.arrived, COUNT);
	assert_in_range(sums.swapped, COUNT * 5 / 100, COUNT * 15 / 100);
}

static void damage_flips_one_bit(void **state)
{
	const struct impair_options options = { .corrupt = 100 };
	(void)state;
	struct impair i;
	struct impair_datagram d;
	uint8_t zeros[64] = { 0 };
	unsigned bits = 0;
	assert_true(impair_init(&i, &options, 9));
	impair_push(&i, &somewhere, zeros, sizeof(zeros), 0);
	assert_true(impair_pop(&i, &d, 0));
	for (size_t n = 0; n < sizeof(zeros); n++)
		bits += (unsigned)__builtin_popcount(d.bytes[n]);
	assert_int_equal(bits, 1);
	impair_wipe(&i);
}

static void delay_is_a_deadline(void **state)
{
	const struct impair_options options = { .delay_us = 25000 };
	(void)state;
	struct impair i;
	struct impair_datagram d;
	const uint8_t byte = 1;
	assert_true(impair_init(&i, &options, 9));
	assert_int_equal(impair_deadline(&i), UINT64_MAX);
	impair_push(&i, &somewhere, &byte, 1, 100);
	assert_int_equal(impair_deadline(&i), 25100);
	assert_false(impair_pop(&i, &d, 25099));
	assert_true(impair_pop(&i, &d, 25100));
	impair_wipe(&i);
}

static void the_seed_decides_everything(void **state)
{
	const struct impair_options options = { 10, 10, 10, 10, 2000 };
	(void)state;
	assert_int_equal(play(&options, 5).fingerprint, play(&options, 5).fingerprint);
	assert_int_not_equal(play(&options, 5).fingerprint,
			     play(&options, 6).fingerprint);
}

static void settings_are_read_and_bad_ones_refused(void **state)
{
	struct impair_options options = { 0 };
	(void)state;
	assert_true(impair_set(&options, "loss", "2.5"));
	assert_true(impair_set(&options, "delay", "20"));
	assert_true(options.loss > 2.4 && options.loss < 2.6);
	assert_int_equal(options.delay_us, 20000);
	assert_false(impair_set(&options, "loss", "101"));
	assert_false(impair_set(&options, "loss", "-1"));
	assert_false(impair_set(&options, "loss", "5x"));
	assert_false(impair_set(&options, "loss", ""));
	assert_false(impair_set(&options, "loss", "nan"));
	assert_false(impair_set(&options, "speed", "1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_network_gives_everything_at_once_in_order),
		cmocka_unit_test(loss_and_doubling_come_as_often_as_asked),
		cmocka_unit_test(reordered_datagrams_are_overtaken),
		cmocka_unit_test(damage_flips_one_bit),
		cmocka_unit_test(delay_is_a_deadline),
		cmocka_unit_test(the_seed_decides_everything),
		cmocka_unit_test(settings_are_read_and_bad_ones_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
