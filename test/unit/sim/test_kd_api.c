/* The form of requests, and the small APIs: ports, buses, MSRs. KD.md §3. */
#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

#define UNSUCCESSFUL UINT32_C(0xc0000001)
#define INVALID	     UINT32_C(0xc000000d)

static void an_unknown_api_is_refused_and_a_violation(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	assert_int_equal(host_call(&h, 0x3143, 0, NULL, NULL, 0).status, UNSUCCESSFUL);
	assert_int_equal(host_call(&h, 0x9999, 0, NULL, NULL, 0).status, UNSUCCESSFUL);
	assert_int_equal(host_violations(&h), 2);
	host_free(&h);
}

static void a_reply_repeats_what_the_request_left_undefined(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40];
	(void)state;
	host_begin(&h, &options);
	memset(u, 0xa5, sizeof(u));
	store_le(u, FAKE_BASE + FAKE_CODE, 8);
	store_le(u + 8, 4, 4);
	struct host_reply r = host_call(&h, 0x3130, 1, u, NULL, 0);
	store_le(u + 12, 4, 4);
	assert_memory_equal(r.u, u, sizeof(u));
	host_free(&h);
}

static void what_killed_kernels_is_a_violation(void **state)
{
	struct host h;
	struct target_options options = host_options();
	static const uint32_t by_address[] = { 0x3130, 0x3131, 0x3134, 0x3156, 0x315c };
	(void)state;
	host_begin(&h, &options);
	for (size_t i = 0; i < sizeof(by_address) / sizeof(by_address[0]); i++) {
		struct host_reply r = host_range(
			&h, by_address[i], UINT64_C(0x0000800000000000), 0, NULL, 0);
		assert_int_equal(r.status, UNSUCCESSFUL);
		assert_int_equal(host_violations(&h), i + 1);
	}
	uint64_t before = host_violations(&h);
	assert_int_equal(host_call(&h, 0x3132, 2, NULL, NULL, 0).status, UNSUCCESSFUL);
	assert_int_equal(host_range(&h, 0x3137, 4, 8, NULL, 0).status, UNSUCCESSFUL);
	assert_int_equal(host_call(&h, 0x3147, 0, NULL, NULL, 0).status, UNSUCCESSFUL);
	assert_int_equal(host_violations(&h), before + 3);
	host_free(&h);
}

static void the_form_of_a_request_is_checked(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t request[HOST_MANIPULATE] = { 0x46, 0x31 };
	(void)state;
	host_begin(&h, &options);
	/* Status 0 and 103 are both fine. */
	host_data(&h, 2, h.id, request, sizeof(request));
	host_expect_control(&h, 4, h.id);
	h.id += 2;
	(void)host_packet(&h, 2, NULL);
	host_acknowledge(&h);
	assert_int_equal(host_violations(&h), 0);
	(void)host_call(&h, 0x3146, 0, NULL, request, 4); /* data where none belongs */
	assert_int_equal(host_violations(&h), 1);
	request[8] = 7;
	host_data(&h, 2, h.id, request, sizeof(request));
	host_expect_control(&h, 4, h.id);
	h.id += 2;
	(void)host_packet(&h, 2, NULL);
	host_acknowledge(&h);
	assert_int_equal(host_violations(&h), 2);
	host_data(&h, 2, h.id, request, 55); /* no request at all: no reply */
	host_expect_control(&h, 4, h.id);
	host_expect_silence(&h);
	assert_int_equal(host_violations(&h), 3);
	host_free(&h);
}

static void requests_are_counted_by_api(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_begin(&h, &options);
	for (unsigned i = 0; i < 3; i++)
		(void)host_call(&h, 0x3146, 0, NULL, NULL, 0);
	assert_int_equal(h.target->stats.apis[0x16], 3);
	host_free(&h);
}

static void ports_are_read_and_written_in_both_forms(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0x70 };
	(void)state;
	host_begin(&h, &options);
	store_le(u + 8, 1, 4);
	store_le(u + 12, 0x5a, 4);
	assert_int_equal(host_call(&h, 0x313a, 0, u, NULL, 0).status, 0);
	assert_int_equal(load_le(host_call(&h, 0x3139, 0, u, NULL, 0).u + 12, 4), 0x5a);
	memset(u, 0, sizeof(u));
	store_le(u, 4, 4);
	store_le(u + 12, 1, 4);
	store_le(u + 16, 0xcf8, 8);
	store_le(u + 24, 0x80000000, 4);
	assert_int_equal(host_call(&h, 0x3145, 0, u, NULL, 0).status, 0);
	assert_int_equal(load_le(host_call(&h, 0x3144, 0, u, NULL, 0).u + 24, 4),
			 0x80000000);
	store_le(u, 3, 4); /* a size that no port has */
	assert_int_equal(host_call(&h, 0x3144, 0, u, NULL, 0).status, INVALID);
	assert_int_equal(host_violations(&h), 1);
	host_free(&h);
}

static void bus_data_shows_one_host_bridge(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 4 };
	(void)state;
	host_begin(&h, &options);
	store_le(u + 16, 4096, 4);
	struct host_reply r = host_call(&h, 0x3157, 0, u, NULL, 0);
	assert_int_equal(r.length, 256);
	assert_int_equal(load_le(r.u + 16, 4), 256);
	assert_int_equal(load_le(r.data, 4), 0x12378086);
	store_le(u + 8, 3, 4);
	assert_int_equal(load_le(host_call(&h, 0x3157, 0, u, NULL, 0).data, 4),
			 0xffffffff);
	assert_int_equal(host_call(&h, 0x3158, 0, u, (const uint8_t *)"x", 1).status,
			 UNSUCCESSFUL);
	host_free(&h);
}

static void known_msrs_are_read_and_written_in_halves(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0 };
	(void)state;
	host_begin(&h, &options);
	store_le(u, 0xc0000080, 4);
	store_le(u + 4, 0x11223344, 4);
	store_le(u + 8, 0x55667788, 4);
	assert_int_equal(host_call(&h, 0x3153, 0, u, NULL, 0).status, 0);
	struct host_reply r = host_call(&h, 0x3152, 0, u, NULL, 0);
	assert_int_equal(load_le(r.u + 4, 8), UINT64_C(0x5566778811223344));
	store_le(u, 0x12345, 4);
	assert_int_equal(host_call(&h, 0x3152, 0, u, NULL, 0).status, UNSUCCESSFUL);
	assert_int_equal(host_call(&h, 0x3153, 0, u, NULL, 0).status, UNSUCCESSFUL);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unknown_api_is_refused_and_a_violation),
		cmocka_unit_test(a_reply_repeats_what_the_request_left_undefined),
		cmocka_unit_test(what_killed_kernels_is_a_violation),
		cmocka_unit_test(the_form_of_a_request_is_checked),
		cmocka_unit_test(requests_are_counted_by_api),
		cmocka_unit_test(ports_are_read_and_written_in_both_forms),
		cmocka_unit_test(bus_data_shows_one_host_bridge),
		cmocka_unit_test(known_msrs_are_read_and_written_in_halves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
