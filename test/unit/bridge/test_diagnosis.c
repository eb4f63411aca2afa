#include <errno.h>
#include <stdio.h>

#include "bridge/setup/diagnosis.h"
#include "test/util.h"

struct lab {
	struct diagnosis_facts facts;
	struct diagnosis_finding findings[DIAGNOSIS_FINDINGS_MAX];
	size_t count;
};

static void set_address(uint8_t out[static 16], uint8_t last)
{
	const uint8_t address[16] = { [10] = 0xff, 0xff, 10, 0, 0, last };

	memcpy(out, address, sizeof(address));
}

/* A machine and a target of which all is well. */
static struct lab healthy(void)
{
	struct lab lab = { .facts = { .port = 50000,
				      .own_count = 1,
				      .own = { { "10.0.0.1", "eth0", false } },
				      .firewall = { .answer = FIREWALL_LETS_IN },
				      .watched = true,
				      .watched_s = 10 } };
	struct watch_facts *w = &lab.facts.watch;

	w->datagrams.count = 8;
	w->pokes.count = 4;
	set_address(w->pokes.from.address, 9);
	w->version = 5;
	w->source_count = 1;
	set_address(w->sources[0].address, 9);
	w->answers = 4;
	w->proofs = 4;
	w->round_trip_us = 1234;
	return lab;
}

static struct lab silent(void)
{
	struct lab lab = healthy();

	lab.facts.watch = (struct watch_facts){ .version = 0 };
	return lab;
}

static const struct diagnosis_finding *look(struct lab *lab, const char *name)
{
	lab->count = diagnose(lab->findings, &lab->facts);
	for (size_t i = 0; i < lab->count; i++)
		if (strcmp(lab->findings[i].name, name) == 0)
			return &lab->findings[i];
	return NULL;
}

static void expect(struct lab lab, const char *name, enum diagnosis_weight weight,
		   const char *words)
{
	const struct diagnosis_finding *f = look(&lab, name);

	if (!f)
		fail_msg("%s is not found", name);
	assert_int_equal(f->weight, weight);
	if (!strstr(f->text, words) && !strstr(f->advice, words))
		fail_msg("\"%s\" is not in: %s / %s", words, f->text, f->advice);
	if (weight == DIAGNOSIS_PROBLEM)
		assert_true(f->advice[0] != '\0');
	assert_int_equal(diagnosis_is_bad(lab.findings, lab.count),
			 weight == DIAGNOSIS_PROBLEM);
}

static void all_is_well_when_answers_arrive(void **state)
{
	struct lab lab = healthy();

	(void)state;
	expect(lab, "pokes", DIAGNOSIS_GOOD, "10.0.0.9");
	expect(lab, "answers", DIAGNOSIS_GOOD, "4 of 4, round trip 1.234 ms");
	assert_null(look(&lab, "loss"));
	assert_null(look(&lab, "nothing-arrives"));
	for (size_t i = 0; i < lab.count; i++)
		assert_int_equal(lab.findings[i].weight, DIAGNOSIS_GOOD);
}

static void without_a_connection_string_the_machine_alone_is_looked_at(void **state)
{
	struct lab lab = { .facts = { .own_count = 0 } };

	(void)state;
	expect(lab, "addresses", DIAGNOSIS_PROBLEM, "no address");
	lab.facts.own_count = 1;
	assert_non_null(look(&lab, "addresses"));
	assert_false(diagnosis_is_bad(lab.findings, lab.count));
	assert_null(look(&lab, "port-free"));
}

static void the_port_is_judged(void **state)
{
	struct lab lab = healthy();

	(void)state;
	lab.facts.port = 5364;
	expect(lab, "port-number", DIAGNOSIS_PROBLEM, "49152 to 65535");
	lab.facts.port = 50000;
	lab.facts.watched = false;
	lab.facts.port_status = -EADDRINUSE;
	lab.facts.port_taken = true;
	lab.facts.holder = (struct ports_holder){ .pid = 7, .program = "windbg" };
	expect(lab, "port-taken", DIAGNOSIS_PROBLEM, "windbg (process 7)");
	lab.facts.holder.pid = 0;
	expect(lab, "port-taken", DIAGNOSIS_PROBLEM, "As root");
	lab.facts.holder = (struct ports_holder){ .pid = 8, .program = "kdbridge" };
	expect(lab, "port-served", DIAGNOSIS_GOOD, "process 8");
	lab.facts.holder.socket.dropped = 3;
	expect(lab, "port-dropped", DIAGNOSIS_NOTE, "3 datagrams");
	lab.facts.port_taken = false;
	lab.facts.port_status = -EACCES;
	expect(lab, "port-failed", DIAGNOSIS_PROBLEM, "privileges");
}

static void the_firewall_matters_when_nothing_comes(void **state)
{
	struct lab lab = silent(), well = healthy();
	const struct firewall_verdict drops = { FIREWALL_DROPS, "the rule", "let it" };

	(void)state;
	lab.facts.firewall = well.facts.firewall = drops;
	expect(lab, "firewall", DIAGNOSIS_PROBLEM, "let it");
	assert_null(look(&well, "firewall"));
	lab.facts.firewall.answer = FIREWALL_MAY_DROP;
	assert_int_equal(look(&lab, "firewall")->weight, DIAGNOSIS_NOTE);
	lab.facts.firewall.answer = FIREWALL_UNKNOWN;
	assert_int_equal(look(&lab, "firewall-open")->weight, DIAGNOSIS_NOTE);
	/* before anything was watched, it is worth knowing */
	lab.facts.watched = false;
	lab.facts.firewall.answer = FIREWALL_DROPS;
	expect(lab, "firewall", DIAGNOSIS_PROBLEM, "the rule");
}

static void silence_says_where_to_look(void **state)
{
	struct lab lab = silent();

	(void)state;
	expect(lab, "nothing-arrives", DIAGNOSIS_PROBLEM, "bcdedit /dbgsettings");
	lab.facts.has_guest = true;
	lab.facts.guest = (struct qemu_guest){ .pid = 12, .name = "win11" };
	assert_non_null(strstr(look(&lab, "guest")->text, "win11"));
	lab = healthy();
	lab.facts.has_guest = true;
	assert_null(look(&lab, "guest"));
}

static void the_way_to_the_target_is_judged(void **state)
{
	struct lab lab = silent();

	(void)state;
	lab.facts.target = "box";
	lab.facts.target_unknown = "Name or service not known";
	assert_non_null(strstr(look(&lab, "target-name")->text, "box"));
	lab.facts.target_unknown = NULL;
	lab.facts.route_status = -ENETUNREACH;
	assert_int_equal(look(&lab, "route")->weight, DIAGNOSIS_PROBLEM);
	assert_null(look(&lab, "family"));
	lab.facts.target_is_ipv6 = true;
	assert_non_null(strstr(look(&lab, "family")->advice, "hostip:"));
	assert_null(look(&lab, "route"));
	lab.facts.route_status = 0;
	snprintf(lab.facts.towards.text, sizeof(lab.facts.towards.text), "fd00::2");
	assert_non_null(strstr(look(&lab, "route")->text, "fd00::2"));
}

static void other_senders_are_told_from_a_wrong_key(void **state)
{
	struct lab lab = silent();
	struct watch_facts *w = &lab.facts.watch;

	(void)state;
	w->datagrams.count = w->not_kdnet.count = 5;
	expect(lab, "not-kdnet", DIAGNOSIS_PROBLEM, "Another program");
	w->datagrams.count = 6;
	w->wrong_key.count = 1;
	expect(lab, "wrong-key", DIAGNOSIS_PROBLEM, "not with this key");
	assert_int_equal(look(&lab, "not-kdnet")->weight, DIAGNOSIS_NOTE);
	w->wrong_key.count = 0;
	w->unopened.count = 1;
	expect(lab, "old-session", DIAGNOSIS_PROBLEM, "--wait");
	w->unopened.count = 0;
	w->sealed.count = 1;
	expect(lab, "no-key", DIAGNOSIS_PROBLEM, "key=");
	lab = healthy();
	lab.facts.watch.wrong_key.count = 2;
	expect(lab, "wrong-key", DIAGNOSIS_NOTE, "another machine");
}

static void a_clone_is_named_with_the_other_one(void **state)
{
	struct lab lab = healthy();

	(void)state;
	lab.facts.watch.source_count = 2;
	set_address(lab.facts.watch.sources[1].address, 10);
	expect(lab, "clone", DIAGNOSIS_PROBLEM, "10.0.0.9 and 10.0.0.10");
}

static void odd_targets_are_noted(void **state)
{
	struct lab lab = healthy();

	(void)state;
	lab.facts.watch.version = 7;
	expect(lab, "new-version", DIAGNOSIS_NOTE, "version 7");
	lab = healthy();
	lab.facts.watch.link_local.count = 1;
	expect(lab, "link-local", DIAGNOSIS_NOTE, "DHCP");
}

static void a_target_of_another_host_is_a_problem(void **state)
{
	struct lab lab = healthy();

	(void)state;
	lab.facts.watch.answers = lab.facts.watch.proofs = 0;
	lab.facts.watch.bound_elsewhere = true;
	set_address(lab.facts.watch.bound_host, 2);
	expect(lab, "other-host", DIAGNOSIS_PROBLEM, "10.0.0.2");
	expect(lab, "other-host", DIAGNOSIS_PROBLEM, "target=");
	assert_null(look(&lab, "answers"));
}

static void answers_that_do_not_arrive_are_a_problem(void **state)
{
	struct lab lab = healthy();

	(void)state;
	lab.facts.watch.proofs = 0;
	expect(lab, "answers", DIAGNOSIS_PROBLEM, "NAT");
	assert_null(look(&lab, "loss"));
	lab.facts.watch.proofs = 2;
	lab.facts.watch.pokes_lost = 3;
	expect(lab, "loss", DIAGNOSIS_NOTE, "5 of 11");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_well_when_answers_arrive),
		cmocka_unit_test(
			without_a_connection_string_the_machine_alone_is_looked_at),
		cmocka_unit_test(the_port_is_judged),
		cmocka_unit_test(the_firewall_matters_when_nothing_comes),
		cmocka_unit_test(silence_says_where_to_look),
		cmocka_unit_test(the_way_to_the_target_is_judged),
		cmocka_unit_test(other_senders_are_told_from_a_wrong_key),
		cmocka_unit_test(a_clone_is_named_with_the_other_one),
		cmocka_unit_test(odd_targets_are_noted),
		cmocka_unit_test(a_target_of_another_host_is_a_problem),
		cmocka_unit_test(answers_that_do_not_arrive_are_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
