/* Memory requests: prefixes, limits, search, fill. KD.md §3. */
#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

#define UNSUCCESSFUL UINT32_C(0xc0000001)

static uint32_t actual(const struct host_reply *r)
{
	return (uint32_t)load_le(r->u + 12, 4);
}

static void the_transports_limit_is_a_short_read_with_success(void **state)
{
	static const uint32_t limits[] = { 1096, 512 };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct host h;
		struct target_options options = host_options();
		options.kd.max_data = limits[i];
		host_begin(&h, &options);
		struct host_reply r =
			host_range(&h, 0x3130, FAKE_BASE + FAKE_CODE, 1400, NULL, 0);
		assert_int_equal(r.status, 0);
		assert_int_equal(actual(&r), limits[i]);
		assert_int_equal(r.length, limits[i]);
		assert_memory_equal(r.data, fake.memory + FAKE_CODE, limits[i]);
		host_free(&h);
	}
}

static void a_hole_is_a_short_read_with_an_error_and_the_prefix(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	fake.absent[2] = true;
	struct host_reply r = host_range(&h, 0x3130, FAKE_BASE + 0x1ff0, 64, NULL, 0);
	assert_int_equal(r.status, UNSUCCESSFUL);
	assert_int_equal(actual(&r), 16);
	assert_int_equal(r.length, 16);
	r = host_range(&h, 0x3130, FAKE_BASE + 0x2000, 64, NULL, 0);
	assert_int_equal(r.status, UNSUCCESSFUL);
	assert_int_equal(actual(&r), 0);
	r = host_range(&h, 0x3130, FAKE_BASE + 0x2000, 0, NULL, 0);
	assert_int_equal(r.status, 0);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void writes_do_their_prefix_too(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	const uint8_t *bytes = (const uint8_t *)"12345678";
	struct host_reply r = host_range(&h, 0x3131, FAKE_BASE + FAKE_DATA, 8, bytes, 8);
	assert_int_equal(r.status, 0);
	assert_int_equal(actual(&r), 8);
	assert_memory_equal(fake.memory + FAKE_DATA, bytes, 8);
	fake.absent[5] = true;
	r = host_range(&h, 0x3131, FAKE_BASE + 0x4ffc, 8, bytes, 8);
	assert_int_equal(r.status, UNSUCCESSFUL);
	assert_int_equal(actual(&r), 4);
	assert_int_equal(host_violations(&h), 0);
	(void)host_range(&h, 0x3131, FAKE_BASE + FAKE_DATA, 9, bytes, 8);
	assert_int_equal(host_violations(&h), 1); /* a count that is not its data's */
	host_free(&h);
}

static void physical_memory_takes_any_caching_or_only_one(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0 };
	(void)state;
	options.kd.physical_caching = 1;
	host_begin(&h, &options);
	fake.physical[0x10] = 0x77;
	store_le(u, 0x10, 8);
	store_le(u + 8, 1, 4);
	assert_int_equal(host_call(&h, 0x313d, 0, u, NULL, 0).status, UNSUCCESSFUL);
	store_le(u + 12, 1, 4);
	struct host_reply r = host_call(&h, 0x313d, 0, u, NULL, 0);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.data[0], 0x77);
	assert_int_equal(host_call(&h, 0x313e, 0, u, (const uint8_t *)"x", 1).status, 0);
	assert_int_equal(fake.physical[0x10], 'x');
	assert_int_equal(host_violations(&h), 0);
	store_le(u + 12, 9, 4);
	(void)host_call(&h, 0x313d, 0, u, NULL, 0);
	assert_int_equal(host_violations(&h), 1);
	host_free(&h);
}

static void search_finds_the_first_place_or_tells_not_found(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0 };
	(void)state;
	host_begin(&h, &options);
	memcpy(fake.memory + FAKE_DATA + 0x123, "needle", 6);
	store_le(u, FAKE_BASE + FAKE_DATA, 8);
	store_le(u + 8, 0x200, 8);
	store_le(u + 16, 6, 4);
	struct host_reply r = host_call(&h, 0x3156, 0, u, (const uint8_t *)"needle", 6);
	assert_int_equal(r.status, 0);
	assert_int_equal(load_le(r.u, 8), FAKE_BASE + FAKE_DATA + 0x123);
	store_le(u + 8, 0x128, 8); /* one byte too short */
	r = host_call(&h, 0x3156, 0, u, (const uint8_t *)"needle", 6);
	assert_int_equal(r.status, 0xc0000225);
	host_free(&h);
}

static void fill_repeats_its_pattern(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0 };
	(void)state;
	host_begin(&h, &options);
	store_le(u, FAKE_BASE + FAKE_DATA, 8);
	store_le(u + 8, 1000, 4);
	store_le(u + 12, 1, 2);
	store_le(u + 14, 3, 2);
	struct host_reply r = host_call(&h, 0x315b, 0, u, (const uint8_t *)"abc", 3);
	assert_int_equal(r.status, 0);
	assert_int_equal(load_le(r.u + 8, 4), 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(fake.memory[FAKE_DATA + i], "abc"[i % 3]);
	assert_int_equal(fake.memory[FAKE_DATA + 1000], 0);
	store_le(u, 0x1ffe, 8);
	store_le(u + 12, 2, 2); /* physical, past its end */
	r = host_call(&h, 0x315b, 0, u, (const uint8_t *)"abc", 3);
	assert_int_equal(r.status, UNSUCCESSFUL);
	assert_int_equal(load_le(r.u + 8, 4), 2);
	host_free(&h);
}

static void query_tells_space_and_whether_the_page_is_there(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	struct host_reply r = host_range(&h, 0x315c, FAKE_BASE, 0, NULL, 0);
	assert_int_equal(r.status, 0);
	assert_int_equal(load_le(r.u + 16, 4), 2);
	assert_int_equal(host_range(&h, 0x315c, 0x10000, 0, NULL, 0).status,
			 UNSUCCESSFUL);
	assert_int_equal(host_call(&h, 0x3159, 0, NULL, NULL, 0).status, 0);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_transports_limit_is_a_short_read_with_success),
		cmocka_unit_test(a_hole_is_a_short_read_with_an_error_and_the_prefix),
		cmocka_unit_test(writes_do_their_prefix_too),
		cmocka_unit_test(physical_memory_takes_any_caching_or_only_one),
		cmocka_unit_test(search_finds_the_first_place_or_tells_not_found),
		cmocka_unit_test(fill_repeats_its_pattern),
		cmocka_unit_test(query_tells_space_and_whether_the_page_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
