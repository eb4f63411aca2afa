/* The replay window against a model that remembers every number that came. */
#include "kdnet/window.h"

#include "test/util.h"

enum { NUMBERS = 4096, TURNS = 200000 };

struct model {
	bool seen[NUMBERS];
	uint64_t highest;
	bool any;
};

static enum kdnet_order model_accept(struct model *m, uint64_t sequence)
{
	bool newest = !m->any || sequence > m->highest;
	if (m->any && sequence + KDNET_WINDOW_SIZE < m->highest)
		return KDNET_REPLAYED;
	if (m->seen[sequence])
		return KDNET_REPLAYED;
	m->seen[sequence] = true;
	if (newest)
		m->highest = sequence;
	m->any = true;
	return newest ? KDNET_NEWEST : KDNET_BEHIND;
}

/* Mostly near the highest, as a network does; sometimes a jump, sometimes old ones. */
static uint64_t next_number(const struct model *m, uint64_t *seed)
{
	uint64_t dice = test_random(seed) % 100;
	uint64_t r = test_random(seed);
	if (dice < 60)
		return m->highest + 1 + r % 3;
	if (dice < 98)
		return m->highest - r % (m->highest < 80 ? m->highest + 1 : 80);
	if (dice < 99)
		return m->highest + r % 140;
	return r % (m->highest + 1);
}

static void the_window_agrees_with_the_model(void **state)
{
	(void)state;
	const char *wanted = getenv("TEST_SEED");
	uint64_t seed = wanted ? strtoull(wanted, NULL, 0) : 1;
	print_message("seed %llu\n", (unsigned long long)seed);
	struct model *m = calloc(1, sizeof(*m));
	struct kdnet_window w = { 0 };
	for (int turn = 0; turn < TURNS; turn++) {
		uint64_t sequence = next_number(m, &seed);
		if (sequence >= NUMBERS) { /* a new session */
			memset(m, 0, sizeof(*m));
			w = (struct kdnet_window){ 0 };
			continue;
		}
		assert_int_equal(kdnet_window_accept(&w, sequence),
				 model_accept(m, sequence));
	}
	free(m);
}

static void each_distance_behind_is_taken_once_within_64(void **state)
{
	(void)state;
	for (uint64_t behind = 0; behind < 200; behind++) {
		struct kdnet_window w = { 0 };
		assert_int_equal(kdnet_window_accept(&w, 500), KDNET_NEWEST);
		assert_int_equal(kdnet_window_accept(&w, 1000), KDNET_NEWEST);
		bool within = behind >= 1 && behind <= KDNET_WINDOW_SIZE;
		assert_int_equal(kdnet_window_accept(&w, 1000 - behind),
				 within ? KDNET_BEHIND : KDNET_REPLAYED);
		assert_int_equal(kdnet_window_accept(&w, 1000 - behind), KDNET_REPLAYED);
	}
}

static void each_step_ahead_keeps_what_was_seen(void **state)
{
	(void)state;
	for (uint64_t step = 1; step < 200; step++) {
		struct kdnet_window w = { 0 };
		assert_int_equal(kdnet_window_accept(&w, 1000), KDNET_NEWEST);
		assert_int_equal(kdnet_window_accept(&w, 998), KDNET_BEHIND);
		assert_int_equal(kdnet_window_accept(&w, 1000 + step), KDNET_NEWEST);
		assert_int_equal(kdnet_window_accept(&w, 1000), KDNET_REPLAYED);
		assert_int_equal(kdnet_window_accept(&w, 998), KDNET_REPLAYED);
		assert_int_equal(kdnet_window_accept(&w, 999), step < KDNET_WINDOW_SIZE
								       ? KDNET_BEHIND
								       : KDNET_REPLAYED);
	}
}

static void numbers_at_both_ends_of_56_bits_work(void **state)
{
	(void)state;
	const uint64_t top = (UINT64_C(1) << 56) - 1;
	struct kdnet_window w = { 0 };
	assert_int_equal(kdnet_window_accept(&w, 0), KDNET_NEWEST);
	assert_int_equal(kdnet_window_accept(&w, 0), KDNET_REPLAYED);
	assert_int_equal(kdnet_window_accept(&w, top), KDNET_NEWEST);
	assert_int_equal(kdnet_window_accept(&w, top - 1), KDNET_BEHIND);
	assert_int_equal(kdnet_window_accept(&w, 0), KDNET_REPLAYED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_agrees_with_the_model),
		cmocka_unit_test(each_distance_behind_is_taken_once_within_64),
		cmocka_unit_test(each_step_ahead_keeps_what_was_seen),
		cmocka_unit_test(numbers_at_both_ends_of_56_bits_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
