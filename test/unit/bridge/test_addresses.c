#include <errno.h>

#include "bridge/setup/addresses.h"
#include "test/util.h"

static void an_address_is_resolved_and_printed_again(void **state)
{
	static const struct {
		const char *text;
		bool v6;
	} cases[] = { { "192.0.2.7", false }, { "fd00::7", true }, { "::1", true } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[INET6_ADDRSTRLEN];
		struct kdnet_peer peer;

		assert_null(addresses_resolve(&peer, cases[i].text, 50000, AF_UNSPEC));
		assert_int_equal(peer.port, 50000);
		assert_int_equal(addresses_is_v6(&peer), cases[i].v6);
		addresses_format(text, peer.address);
		assert_string_equal(text, cases[i].text);
	}
}

static void another_family_or_no_name_says_why(void **state)
{
	struct kdnet_peer peer;

	(void)state;
	assert_non_null(addresses_resolve(&peer, "192.0.2.7", 1, AF_INET6));
	assert_non_null(addresses_resolve(&peer, "fd00::7", 1, AF_INET));
	assert_non_null(addresses_resolve(&peer, "not a name", 1, AF_UNSPEC));
}

static void the_way_to_ourselves_leads_over_loopback(void **state)
{
	struct addresses_own own;
	struct kdnet_peer peer;

	(void)state;
	assert_null(addresses_resolve(&peer, "127.0.0.1", 0, AF_INET));
	assert_int_equal(addresses_towards(&own, &peer), 0);
	assert_string_equal(own.text, "127.0.0.1");
	assert_false(own.v6);
}

static void what_another_machine_cannot_reach_is_not_listed(void **state)
{
	struct addresses_own own[ADDRESSES_MAX];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		size_t count = addresses_list(own, v6);

		for (size_t i = 0; i < count; i++) {
			assert_int_equal(own[i].v6, v6);
			assert_true(own[i].interface[0] != '\0');
			assert_int_not_equal(strncmp(own[i].text, "127.", 4), 0);
			assert_int_not_equal(strncmp(own[i].text, "169.254.", 8), 0);
			assert_int_not_equal(strncmp(own[i].text, "fe80:", 5), 0);
			assert_string_not_equal(own[i].text, "::1");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_resolved_and_printed_again),
		cmocka_unit_test(another_family_or_no_name_says_why),
		cmocka_unit_test(the_way_to_ourselves_leads_over_loopback),
		cmocka_unit_test(what_another_machine_cannot_reach_is_not_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
