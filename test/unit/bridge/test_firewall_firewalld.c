#include "bridge/setup/firewall.h"
#include "test/util.h"

#define DMZ "dmz\n  target: default\n  ports: 50000/udp\n  rich rules: \n\n"
#define ZONE(ports, rich)                                                                \
	"public (default, active)\n  target: default\n  icmp-block-inversion: no\n"      \
	"  interfaces: eth0\n  sources: \n  services: dhcpv6-client ssh\n"               \
	"  ports: " ports "\n  protocols: \n  forward: yes\n  rich rules: \n" rich "\n"

static struct firewall_verdict judge(const char *text)
{
	const struct firewall_question question = { .port = 50000 };
	struct firewall_verdict v;

	firewall_read_firewalld(&v, text, &question);
	return v;
}

static void an_active_zone_must_list_the_port(void **state)
{
	struct firewall_verdict v = judge(DMZ ZONE("22/tcp 50000/tcp", ""));

	(void)state;
	assert_int_equal(v.answer, FIREWALL_DROPS);
	assert_string_equal(v.where, "firewalld's zone public");
	assert_non_null(strstr(v.advice, "--zone=public --add-port=50000/udp"));
	assert_int_equal(judge(ZONE("22/tcp 50000/udp", "")).answer, FIREWALL_LETS_IN);
	assert_int_equal(judge(ZONE("50000-50039/udp", "")).answer, FIREWALL_LETS_IN);
	assert_int_equal(judge(DMZ).answer, FIREWALL_UNKNOWN);
	assert_int_equal(judge("").answer, FIREWALL_UNKNOWN);
}

static void a_zone_that_trusts_lets_everything_in(void **state)
{
	(void)state;
	assert_int_equal(
		judge("trusted (active)\n  target: ACCEPT\n  ports: \n\n").answer,
		FIREWALL_LETS_IN);
}

static void rich_rules_and_several_zones_are_not_clear(void **state)
{
	(void)state;
	assert_int_equal(
		judge(ZONE("", "\trule family=\"ipv4\" port port=\"50000\" accept\n"))
			.answer,
		FIREWALL_MAY_DROP);
	assert_int_equal(
		judge(ZONE("", "") "trusted (active)\n  target: ACCEPT\n").answer,
		FIREWALL_MAY_DROP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_active_zone_must_list_the_port),
		cmocka_unit_test(a_zone_that_trusts_lets_everything_in),
		cmocka_unit_test(rich_rules_and_several_zones_are_not_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
