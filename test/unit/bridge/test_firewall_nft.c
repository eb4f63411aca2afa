/* Rulesets as nft -j prints them, shortened to what counts. */
#include <stdio.h>

#include "bridge/setup/firewall.h"
#include "test/util.h"

enum { TEXT_MAX = 8192 };

#define CHAIN(name, policy)                                                              \
	"{\"chain\":{\"family\":\"inet\",\"table\":\"filter\",\"name\":\"" name          \
	"\",\"handle\":1,\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,"             \
	"\"policy\":\"" policy "\"}},"
#define PLAIN(name)                                                                      \
	"{\"chain\":{\"family\":\"inet\",\"table\":\"filter\",\"name\":\"" name          \
	"\",\"handle\":2}},"
#define RULE_IN(chain, expr)                                                             \
	"{\"rule\":{\"family\":\"inet\",\"table\":\"filter\",\"chain\":\"" chain         \
	"\",\"handle\":7,\"expr\":[" expr "]}},"
#define RULE(expr) RULE_IN("input", expr)
#define MATCH(op, left, right)                                                           \
	"{\"match\":{\"op\":\"" op "\",\"left\":" left ",\"right\":" right "}},"
#define UDP_DPORT "{\"payload\":{\"protocol\":\"udp\",\"field\":\"dport\"}}"
#define TCP_DPORT "{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}}"
#define SADDR	  "{\"payload\":{\"protocol\":\"ip\",\"field\":\"saddr\"}}"
#define SADDR6	  "{\"payload\":{\"protocol\":\"ip6\",\"field\":\"saddr\"}}"
#define META(key) "{\"meta\":{\"key\":\"" key "\"}}"
#define CT_STATE  "{\"ct\":{\"key\":\"state\"}}"
#define ACCEPT	  "{\"accept\":null}"
#define DROP	  "{\"drop\":null}"
#define TO(chain) "{\"jump\":{\"target\":\"" chain "\"}}"

static struct firewall_verdict judge(const char *rules, bool v6)
{
	static char text[TEXT_MAX];
	const struct firewall_question question = { .port = 50000, .v6 = v6 };
	struct firewall_verdict verdict;

	snprintf(text, sizeof(text),
		 "{\"nftables\": [{\"metainfo\":{\"version\":\"1.0.6\"}},%s"
		 "{\"table\":{\"family\":\"inet\",\"name\":\"filter\",\"handle\":1}}]}",
		 rules);
	firewall_read_nft(&verdict, text, &question);
	return verdict;
}

static void expect(const char *rules, enum firewall_answer answer)
{
	struct firewall_verdict verdict = judge(rules, false);

	if (verdict.answer != answer)
		fail_msg("%d (%s), not %d: %s", verdict.answer, verdict.where, answer,
			 rules);
}

static void no_rules_let_everything_in(void **state)
{
	(void)state;
	expect("", FIREWALL_LETS_IN);
	expect(CHAIN("input", "accept"), FIREWALL_LETS_IN);
}

static void a_policy_of_drop_is_named_with_a_way_out(void **state)
{
	struct firewall_verdict v = judge(
		CHAIN("input", "drop") RULE(
			MATCH("in", CT_STATE, "[\"established\",\"related\"]") ACCEPT)
			RULE(MATCH("==", META("iifname"), "\"lo\"")
				     ACCEPT) RULE(MATCH("==", TCP_DPORT, "22") ACCEPT)
				RULE(MATCH("==", META("l4proto"), "\"icmp\"") ACCEPT),
		false);

	(void)state;
	assert_int_equal(v.answer, FIREWALL_DROPS);
	assert_non_null(strstr(v.where, "policy of chain inet filter input"));
	assert_string_equal(v.advice,
			    "nft insert rule inet filter input udp dport 50000 accept");
}

static void the_port_may_be_a_number_a_range_or_in_a_set(void **state)
{
	(void)state;
	expect(CHAIN("input", "drop") RULE(MATCH("==", UDP_DPORT, "50000") ACCEPT),
	       FIREWALL_LETS_IN);
	expect(CHAIN("input", "drop") RULE(MATCH("==", UDP_DPORT, "50001") ACCEPT),
	       FIREWALL_DROPS);
	expect(CHAIN("input", "drop")
		       RULE(MATCH("==", UDP_DPORT, "{\"range\":[50000,50039]}") ACCEPT),
	       FIREWALL_LETS_IN);
	expect(CHAIN("input", "drop")
		       RULE(MATCH("==", UDP_DPORT,
				  "{\"set\":[53,{\"range\":[49152,65535]}]}") ACCEPT),
	       FIREWALL_LETS_IN);
	expect(CHAIN("input", "drop") RULE(MATCH("!=", UDP_DPORT, "53") ACCEPT),
	       FIREWALL_LETS_IN);
	expect(CHAIN("input", "accept") RULE(MATCH("!=", TCP_DPORT, "22") DROP),
	       FIREWALL_LETS_IN);
}

static void a_named_set_is_looked_up(void **state)
{
	static const char set[] = "{\"set\":{\"family\":\"inet\",\"name\":\"open\","
				  "\"table\":\"filter\",\"type\":\"inet_service\","
				  "\"elem\":[22,{\"elem\":{\"val\":50000}}]}},";
	char text[TEXT_MAX];

	(void)state;
	snprintf(text, sizeof(text), "%s%s", set,
		 CHAIN("input", "drop") RULE(MATCH("==", UDP_DPORT, "\"@open\"") ACCEPT));
	expect(text, FIREWALL_LETS_IN);
	expect(CHAIN("input", "drop") RULE(MATCH("==", UDP_DPORT, "\"@other\"") ACCEPT),
	       FIREWALL_MAY_DROP);
}

static void a_rule_that_drops_is_named(void **state)
{
	struct firewall_verdict v =
		judge(CHAIN("input", "accept")
			      RULE(MATCH("==", META("l4proto"), "\"udp\"") DROP),
		      false);

	(void)state;
	assert_int_equal(v.answer, FIREWALL_DROPS);
	assert_non_null(strstr(v.where, "handle 7 in chain inet filter input"));
	expect(CHAIN("input", "accept") RULE(MATCH("==", CT_STATE, "\"invalid\"") DROP),
	       FIREWALL_LETS_IN);
	expect(CHAIN("input", "accept")
		       RULE("{\"counter\":{\"packets\":1}},{\"reject\":{}}"),
	       FIREWALL_DROPS);
}

static void what_depends_on_more_may_drop(void **state)
{
	(void)state;
	expect(CHAIN("input", "drop") RULE(
		       MATCH("==", SADDR, "{\"prefix\":{\"addr\":\"10.0.0.0\"}}") ACCEPT),
	       FIREWALL_MAY_DROP);
	expect(CHAIN("input", "accept") RULE(MATCH("==", SADDR, "\"@banned\"") DROP),
	       FIREWALL_MAY_DROP);
	expect(CHAIN("input", "accept") RULE("{\"limit\":{\"rate\":1}}," DROP),
	       FIREWALL_MAY_DROP);
	/* of the other family it is about no datagram of ours */
	expect(CHAIN("input", "accept") RULE(MATCH("==", SADDR6, "\"@banned\"") DROP),
	       FIREWALL_LETS_IN);
	assert_int_equal(judge(CHAIN("input", "accept") RULE(
				       MATCH("==", META("nfproto"), "\"ipv6\"") DROP),
			       true)
				 .answer,
			 FIREWALL_DROPS);
}

static void jumps_and_maps_are_followed(void **state)
{
	(void)state;
	expect(CHAIN("input", "drop") PLAIN("open")
		       RULE_IN("open", MATCH("==", UDP_DPORT, "50000") ACCEPT)
			       RULE(MATCH("==", META("iifname"), "\"lo\"") ACCEPT)
				       RULE(TO("open")),
	       FIREWALL_LETS_IN);
	expect(CHAIN("input", "accept") PLAIN("a") RULE_IN("a", "{\"return\":null}")
		       RULE_IN("a", DROP) RULE(TO("a")),
	       FIREWALL_LETS_IN);
	expect(CHAIN("input", "drop")
		       RULE("{\"vmap\":{\"key\":" CT_STATE ",\"data\":{\"set\":["
			    "[\"established\",{\"accept\":null}],"
			    "[\"invalid\",{\"drop\":null}]]}}}")
			       RULE(MATCH("==", UDP_DPORT, "50000") ACCEPT),
	       FIREWALL_LETS_IN);
	/* a ring of jumps ends */
	expect(CHAIN("input", "drop") RULE_IN("a", TO("b")) RULE_IN("b", TO("a"))
		       RULE(TO("a")),
	       FIREWALL_DROPS);
}

static void tables_of_iptables_are_left_to_iptables_save(void **state)
{
	(void)state;
	expect(CHAIN("input", "drop") RULE("{\"xt\":null}," ACCEPT), FIREWALL_LETS_IN);
}

static void hostile_text_says_nothing(void **state)
{
	static const char rules[] = CHAIN("input", "drop")
		RULE(MATCH("==", UDP_DPORT, "{\"set\":[1,{\"range\":[1,2]}]}") ACCEPT);
	const struct firewall_question question = { .port = 50000 };
	struct firewall_verdict v;
	char text[TEXT_MAX];

	(void)state;
	snprintf(text, sizeof(text), "{\"nftables\": [%s {}]}", rules);
	for (size_t length = 0; length < strlen(text); length++) {
		char *cut = strndup(text, length);

		firewall_read_nft(&v, cut, &question);
		assert_int_equal(v.answer, FIREWALL_UNKNOWN);
		free(cut);
	}
	firewall_read_nft(&v, "{\"nftables\":[{\"rule\":3},{\"chain\":[]},4]}",
			  &question);
	assert_int_equal(v.answer, FIREWALL_LETS_IN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rules_let_everything_in),
		cmocka_unit_test(a_policy_of_drop_is_named_with_a_way_out),
		cmocka_unit_test(the_port_may_be_a_number_a_range_or_in_a_set),
		cmocka_unit_test(a_named_set_is_looked_up),
		cmocka_unit_test(a_rule_that_drops_is_named),
		cmocka_unit_test(what_depends_on_more_may_drop),
		cmocka_unit_test(jumps_and_maps_are_followed),
		cmocka_unit_test(tables_of_iptables_are_left_to_iptables_save),
		cmocka_unit_test(hostile_text_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
