/* The text of iptables-save(8). */
#include "bridge/setup/firewall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/setup/ruleset.h"

enum { WORD_MAX = 128 };

struct reading {
	struct ruleset rules;
	const struct firewall_question *question;
	char table[32];
};

struct line {
	const char *at; /* what is left of it */
	char word[WORD_MAX];
};

/* The next word, quotes removed; false at the end of the line. */
static bool next_word(struct line *l)
{
	size_t used = 0;
	bool quoted = false;

	l->at += strspn(l->at, " \t");
	if (!*l->at || *l->at == '\n')
		return false;
	for (; *l->at && *l->at != '\n' && (quoted || *l->at != ' '); l->at++) {
		if (*l->at == '"')
			quoted = !quoted;
		else if (used < sizeof(l->word) - 1)
			l->word[used++] = *l->at;
	}
	l->word[used] = '\0';
	return true;
}

/* ---- matches; each gets the option's argument ---- */

static enum ruleset_match match_protocol(const struct firewall_question *q,
					 const char *word)
{
	(void)q;
	return !strcmp(word, "udp") || !strcmp(word, "17") || !strcmp(word, "all")
		       ? RULESET_YES
		       : RULESET_NO;
}

/* "50000", "50000:50039", ":1023", and lists of them with commas. */
static enum ruleset_match match_ports(const struct firewall_question *q, const char *word)
{
	for (const char *at = word; *at;) {
		char *end;
		unsigned long low = strtoul(at, &end, 10), high = low;

		if (*end == ':') {
			high = strtoul(end + 1, &end, 10);
			if (end[-1] == ':')
				high = UINT16_MAX;
		}
		if (low <= q->port && q->port <= high)
			return RULESET_YES;
		if (end == at)
			return RULESET_PERHAPS; /* no number: a service's name */
		at = *end == ',' ? end + 1 : end + strlen(end);
	}
	return RULESET_NO;
}

/* It comes from another machine; by which interface nobody knows. */
static enum ruleset_match match_interface(const struct firewall_question *q,
					  const char *word)
{
	(void)q;
	return strcmp(word, "lo") == 0 ? RULESET_NO : RULESET_PERHAPS;
}

static enum ruleset_match match_state(const struct firewall_question *q, const char *word)
{
	(void)q;
	return strstr(word, "NEW") ? RULESET_YES : RULESET_NO;
}

static enum ruleset_match match_local(const struct firewall_question *q, const char *word)
{
	(void)q;
	return strcmp(word, "LOCAL") == 0 ? RULESET_YES : RULESET_NO;
}

/* -m NAME only loads what the next options need, but for those without any. */
static enum ruleset_match match_module(const struct firewall_question *q,
				       const char *word)
{
	static const char *const plain[] = { "udp",	"multiport", "conntrack", "state",
					     "comment", "addrtype",  "tcp",	  "icmp",
					     "icmp6",	"pkttype" };

	(void)q;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(word, plain[i]) == 0)
			return RULESET_YES;
	return RULESET_PERHAPS;
}

static enum ruleset_match match_anything(const struct firewall_question *q,
					 const char *word)
{
	(void)q;
	(void)word;
	return RULESET_YES;
}

static const struct option {
	const char *name;
	enum ruleset_match (*match)(const struct firewall_question *q, const char *word);
} options[] = {
	{ "-p", match_protocol },
	{ "--dport", match_ports },
	{ "--dports", match_ports },
	{ "--destination-port", match_ports },
	{ "-i", match_interface },
	{ "--ctstate", match_state },
	{ "--state", match_state },
	{ "--dst-type", match_local },
	{ "-m", match_module },
	{ "--comment", match_anything },
	{ "--reject-with", match_anything },
	{ "--log-prefix", match_anything },
	{ "--log-level", match_anything },
	{ "--set-xmark", match_anything },
};

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* ---- targets ---- */

static enum ruleset_action action_of(const char *target)
{
	static const struct {
		const char *name;
		enum ruleset_action action;
	} targets[] = {
		{ "ACCEPT", RULESET_ACCEPT },
		{ "DROP", RULESET_DROP },
		{ "REJECT", RULESET_DROP },
		{ "RETURN", RULESET_RETURN },
	};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (strcmp(targets[i].name, target) == 0)
			return targets[i].action;
	return RULESET_JUMP; /* LOG and the like are chains that do not exist */
}

static void name_chain(const struct reading *r, char *out, const char *chain)
{
	snprintf(out, RULESET_NAME_MAX, "%s %.90s", r->table, chain);
}

/* One option with its argument; what is not known may match or not. */
static void take_option(struct reading *r, struct ruleset_rule *rule, struct line *l)
{
	char name[WORD_MAX];
	bool negated = strcmp(l->word, "!") == 0;
	const struct option *option;
	enum ruleset_match match;

	if (negated && !next_word(l))
		return;
	memcpy(name, l->word, sizeof(name));
	option = find_option(name);
	if (!option) {
		if (name[0] == '-')
			rule->match = ruleset_both(rule->match, RULESET_PERHAPS);
		return;
	}
	if (!next_word(l))
		return;
	match = option->match(r->question, l->word);
	if (negated && option->match == match_interface && match == RULESET_NO)
		match = RULESET_YES; /* not lo: certainly */
	else if (negated && option->match == match_interface)
		match = RULESET_PERHAPS;
	else if (negated)
		match = ruleset_not(match);
	rule->match = ruleset_both(rule->match, match);
}

/* "-A CHAIN option… -j TARGET option…" */
static void take_rule(struct reading *r, struct line *l)
{
	char name[RULESET_NAME_MAX];
	const char *whole = l->at;
	struct ruleset_rule *rule;

	if (!next_word(l))
		return;
	name_chain(r, name, l->word);
	rule = ruleset_add(&r->rules, name);
	if (!rule)
		return;
	snprintf(rule->text, sizeof(rule->text), "the rule -A%.*s of table %s",
		 (int)strcspn(whole, "\n") > 90 ? 90 : (int)strcspn(whole, "\n"), whole,
		 r->table);
	while (next_word(l)) {
		bool jump = !strcmp(l->word, "-j"), far_jump = !strcmp(l->word, "-g");

		if (!jump && !far_jump) {
			take_option(r, rule, l);
			continue;
		}
		if (!next_word(l))
			return;
		rule->action = far_jump ? RULESET_GOTO : action_of(l->word);
		name_chain(r, rule->target, l->word);
		/* What follows a verdict is about how, not whether. */
		if (rule->action != RULESET_JUMP)
			return;
	}
}

/* ":CHAIN POLICY [packets:bytes]", no policy being "-" */
static void take_chain(struct reading *r, struct line *l)
{
	char name[RULESET_NAME_MAX];
	struct ruleset_chain *chain;
	bool base;

	if (!next_word(l))
		return;
	base = (!strcmp(l->word, "INPUT") || !strcmp(l->word, "PREROUTING")) &&
	       strcmp(r->table, "nat") != 0;
	name_chain(r, name, l->word);
	chain = ruleset_chain(&r->rules, name);
	if (!chain || !next_word(l))
		return;
	chain->base = base;
	chain->drops = strcmp(l->word, "DROP") == 0;
}

static void take_line(struct reading *r, const char *text)
{
	struct line l = { .at = text };

	switch (*l.at) {
	case '*':
		l.at++;
		if (next_word(&l))
			snprintf(r->table, sizeof(r->table), "%.31s", l.word);
		break;
	case ':':
		l.at++;
		take_chain(r, &l);
		break;
	case '-':
		if (next_word(&l) && strcmp(l.word, "-A") == 0)
			take_rule(r, &l);
		break;
	default:
		break;
	}
}

void firewall_read_iptables(struct firewall_verdict *v, const char *text,
			    const struct firewall_question *q)
{
	struct reading r = { .question = q, .table = "filter" };

	*v = (struct firewall_verdict){ .answer = FIREWALL_UNKNOWN };
	for (const char *line = text; *line; line += strcspn(line, "\n")) {
		line += *line == '\n';
		take_line(&r, line);
	}
	if (r.rules.chain_count > 0)
		ruleset_judge(&r.rules, v);
	if (v->answer >= FIREWALL_MAY_DROP)
		snprintf(v->advice, sizeof(v->advice),
			 "%s -I INPUT -p udp --dport %u -j ACCEPT",
			 q->v6 ? "ip6tables" : "iptables", q->port);
	ruleset_free(&r.rules);
}
