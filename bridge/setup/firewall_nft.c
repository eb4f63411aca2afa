/* The text of `nft -j list ruleset`, libnftables-json(5). */
#include "bridge/setup/firewall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/setup/json_tree.h"
#include "bridge/setup/ruleset.h"

struct reading {
	struct json_tree json;
	struct ruleset rules;
	const struct firewall_question *question;
	char table[RULESET_NAME_MAX]; /* of the rule at hand: "inet filter" */
};

/* Copies a string's bytes as far as they fit. */
static void copy_text(const struct json_tree *j, int token, char *out, size_t size)
{
	size_t length = token == JSON_NONE ? 0 : j->tokens[token].length;

	if (length >= size)
		length = size - 1;
	if (length > 0)
		memcpy(out, j->tokens[token].start, length);
	out[length] = '\0';
}

/* "inet filter", and with a chain "inet filter input". */
static void name_of(const struct json_tree *j, int object, char *out, const char *last)
{
	static const char *const parts[] = { "family", "table" };
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < 3; i++) {
		const char *part = i < 2 ? parts[i] : last;
		int token = part ? json_tree_member(j, object, part) : JSON_NONE;

		if (token == JSON_NONE)
			continue;
		if (used > 0 && used < RULESET_NAME_MAX - 1)
			out[used++] = ' ';
		copy_text(j, token, out + used, RULESET_NAME_MAX - used);
		used += strlen(out + used);
	}
}

/* ---- values ---- */

/* What a field of our datagram is: a number, a name of it, both; or not known. */
struct value {
	bool known;
	uint64_t number;
	const char *names[2];
};

static enum ruleset_match is_within(const struct reading *r, int range,
				    const struct value *value)
{
	int low = json_tree_first(&r->json, range),
	    high = json_tree_next(&r->json, range, low);
	uint64_t from, to;

	if (!json_tree_number(&r->json, low, &from) ||
	    !json_tree_number(&r->json, high, &to))
		return RULESET_PERHAPS;
	return from <= value->number && value->number <= to ? RULESET_YES : RULESET_NO;
}

static enum ruleset_match is_value(const struct reading *r, int right,
				   const struct value *value, unsigned depth);

/* An element is the value itself, or {"elem": {"val": value, …}}. */
static enum ruleset_match is_any(const struct reading *r, int list,
				 const struct value *value, unsigned depth)
{
	enum ruleset_match best = RULESET_NO;

	for (int i = json_tree_first(&r->json, list); i != JSON_NONE;
	     i = json_tree_next(&r->json, list, i)) {
		int inner = json_tree_member(
			&r->json, json_tree_member(&r->json, i, "elem"), "val");
		enum ruleset_match match =
			is_value(r, inner == JSON_NONE ? i : inner, value, depth);

		if (match > best)
			best = match;
	}
	return best;
}

/* "@name": the elements of a set that is listed elsewhere. */
static int named_set(const struct reading *r, int name)
{
	int list = json_tree_member(&r->json, 0, "nftables");
	char wanted[RULESET_NAME_MAX], table[RULESET_NAME_MAX];

	copy_text(&r->json, name, wanted, sizeof(wanted));
	for (int i = json_tree_first(&r->json, list); i != JSON_NONE;
	     i = json_tree_next(&r->json, list, i)) {
		int set = json_tree_member(&r->json, i, "set");

		if (!json_tree_is_text(&r->json, json_tree_member(&r->json, set, "name"),
				       wanted + 1))
			continue;
		name_of(&r->json, set, table, NULL);
		if (strcmp(table, r->table) == 0)
			return json_tree_member(&r->json, set, "elem");
	}
	return JSON_NONE;
}

static enum ruleset_match is_value(const struct reading *r, int right,
				   const struct value *value, unsigned depth)
{
	const struct json_tree *j = &r->json;
	int set = json_tree_member(j, right, "set"),
	    range = json_tree_member(j, right, "range");
	uint64_t number;

	if (!value->known || right == JSON_NONE || depth > RULESET_DEPTH_MAX)
		return RULESET_PERHAPS;
	if (json_tree_is_type(j, right, JSON_ARRAY))
		return is_any(r, right, value, depth + 1);
	if (set != JSON_NONE)
		return is_any(r, set, value, depth + 1);
	if (range != JSON_NONE)
		return is_within(r, range, value);
	if (json_tree_is_type(j, right, JSON_OBJECT))
		return RULESET_PERHAPS;
	if (j->tokens[right].length > 1 && j->tokens[right].start[0] == '@') {
		int elements = named_set(r, right);

		return elements == JSON_NONE ? RULESET_PERHAPS
					     : is_any(r, elements, value, depth + 1);
	}
	if (json_tree_number(j, right, &number))
		return number == value->number ? RULESET_YES : RULESET_NO;
	for (size_t i = 0; i < 2; i++)
		if (value->names[i] && json_tree_is_text(j, right, value->names[i]))
			return RULESET_YES;
	return RULESET_NO;
}

/* ---- what is compared ---- */

enum left_kind {
	LEFT_UNKNOWN,
	LEFT_NEVER, /* of another protocol: the rule is not about our datagram */
	LEFT_PORT,
	LEFT_UDP,
	LEFT_FAMILY,
	LEFT_ETHER,
	LEFT_NEW,
	LEFT_INTERFACE,
	LEFT_LOCAL,
};

/* {"payload": {"protocol": …, "field": …}}; a field of NULL is any. */
static const struct payload {
	const char *protocol, *field;
	enum left_kind kind;
} payloads[] = {
	{ "udp", "dport", LEFT_PORT },	 { "th", "dport", LEFT_PORT },
	{ "ip", "protocol", LEFT_UDP },	 { "ip6", "nexthdr", LEFT_UDP },
	{ "tcp", NULL, LEFT_NEVER },	 { "icmp", NULL, LEFT_NEVER },
	{ "icmpv6", NULL, LEFT_NEVER },	 { "igmp", NULL, LEFT_NEVER },
	{ "sctp", NULL, LEFT_NEVER },	 { "dccp", NULL, LEFT_NEVER },
	{ "udplite", NULL, LEFT_NEVER }, { "esp", NULL, LEFT_NEVER },
	{ "ah", NULL, LEFT_NEVER },	 { "arp", NULL, LEFT_NEVER },
};

/* {"meta": {"key": …}}, {"ct": {"key": …}} */
static const struct key {
	const char *object, *key;
	enum left_kind kind;
} keys[] = {
	{ "meta", "l4proto", LEFT_UDP },       { "meta", "nfproto", LEFT_FAMILY },
	{ "meta", "protocol", LEFT_ETHER },    { "meta", "iif", LEFT_INTERFACE },
	{ "meta", "iifname", LEFT_INTERFACE }, { "ct", "state", LEFT_NEW },
};

static bool is_other_family(const struct reading *r, int protocol)
{
	return json_tree_is_text(&r->json, protocol, r->question->v6 ? "ip" : "ip6");
}

static enum left_kind payload_kind(const struct reading *r, int payload)
{
	int protocol = json_tree_member(&r->json, payload, "protocol");
	int field = json_tree_member(&r->json, payload, "field");

	if (is_other_family(r, protocol))
		return LEFT_NEVER;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
		if (json_tree_is_text(&r->json, protocol, payloads[i].protocol) &&
		    (!payloads[i].field ||
		     json_tree_is_text(&r->json, field, payloads[i].field)))
			return payloads[i].kind;
	return LEFT_UNKNOWN;
}

static enum left_kind left_kind(const struct reading *r, int left)
{
	const struct json_tree *j = &r->json;
	int payload = json_tree_member(j, left, "payload"),
	    fib = json_tree_member(j, left, "fib");

	if (payload != JSON_NONE)
		return payload_kind(r, payload);
	if (fib != JSON_NONE &&
	    json_tree_is_text(j, json_tree_member(j, fib, "result"), "type"))
		return LEFT_LOCAL;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		int object = json_tree_member(j, left, keys[i].object);

		if (json_tree_is_text(j, json_tree_member(j, object, "key"), keys[i].key))
			return keys[i].kind;
	}
	return LEFT_UNKNOWN;
}

static enum ruleset_match compare(const struct reading *r, int left, int right)
{
	const struct firewall_question *q = r->question;
	const struct value values[] = {
		[LEFT_PORT] = { true, q->port, { NULL, NULL } },
		[LEFT_UDP] = { true, 17, { "udp", NULL } },
		[LEFT_FAMILY] = { true,
				  q->v6 ? 10 : 2,
				  { q->v6 ? "ipv6" : "ipv4", NULL } },
		[LEFT_ETHER] = { true,
				 q->v6 ? 0x86dd : 0x800,
				 { q->v6 ? "ip6" : "ip", NULL } },
		[LEFT_NEW] = { true, 8, { "new", NULL } },
		[LEFT_LOCAL] = { true, 2, { "local", NULL } },
	};
	enum left_kind kind = left_kind(r, left);

	if (kind == LEFT_NEVER)
		return RULESET_NO;
	if (kind == LEFT_UNKNOWN)
		return RULESET_PERHAPS;
	/* It comes from another machine; by which interface nobody knows. */
	if (kind == LEFT_INTERFACE)
		return json_tree_is_text(&r->json, right, "lo") ? RULESET_NO
								: RULESET_PERHAPS;
	return is_value(r, right, &values[kind], 0);
}

/* ---- rules ---- */

static enum ruleset_match match_of(const struct reading *r, int match)
{
	int left = json_tree_member(&r->json, match, "left");
	enum ruleset_match same =
		compare(r, left, json_tree_member(&r->json, match, "right"));

	if (!json_tree_is_text(&r->json, json_tree_member(&r->json, match, "op"), "!="))
		return same;
	if (left_kind(r, left) == LEFT_INTERFACE) /* not lo: certainly */
		return same == RULESET_NO ? RULESET_YES : RULESET_PERHAPS;
	/* "tcp dport != 22" is about TCP, too */
	return left_kind(r, left) == LEFT_NEVER ? RULESET_NO : ruleset_not(same);
}

static const struct verdict_name {
	const char *name;
	enum ruleset_action action;
} verdict_names[] = {
	{ "accept", RULESET_ACCEPT }, { "drop", RULESET_DROP },
	{ "reject", RULESET_DROP },   { "jump", RULESET_JUMP },
	{ "goto", RULESET_GOTO },     { "return", RULESET_RETURN },
};

/* A statement like {"drop": null} or {"jump": {"target": "x"}}; false: it is another. */
static bool take_verdict(struct reading *r, int chain, int statement,
			 enum ruleset_match match, const char *text)
{
	int key = json_tree_first(&r->json, statement), target;
	struct ruleset_rule *rule;
	char name[RULESET_NAME_MAX], last[RULESET_NAME_MAX];

	for (size_t i = 0; i < sizeof(verdict_names) / sizeof(verdict_names[0]); i++) {
		if (!json_tree_is_text(&r->json, key, verdict_names[i].name))
			continue;
		name_of(&r->json, chain, name, "chain");
		rule = ruleset_add(&r->rules, name);
		if (!rule)
			return true;
		rule->match = match;
		rule->action = verdict_names[i].action;
		snprintf(rule->text, sizeof(rule->text), "%s", text);
		target = json_tree_member(&r->json, json_tree_value(&r->json, key),
					  "target");
		copy_text(&r->json, target, last, sizeof(last));
		snprintf(rule->target, sizeof(rule->target), "%.80s %.46s", r->table,
			 last);
		return true;
	}
	return false;
}

/* {"vmap": {"key": …, "data": {"set": [[value, verdict], …]}}}: a rule for each pair. */
static void take_map(struct reading *r, int chain, int map, enum ruleset_match match,
		     const char *text)
{
	const struct json_tree *j = &r->json;
	int key = json_tree_member(j, map, "key"),
	    data = json_tree_member(j, map, "data");
	int pairs = json_tree_member(j, data, "set");

	if (pairs == JSON_NONE && data != JSON_NONE)
		pairs = named_set(r, data);
	for (int i = json_tree_first(j, pairs); i != JSON_NONE;
	     i = json_tree_next(j, pairs, i)) {
		int value = json_tree_first(j, i), verdict = json_tree_next(j, i, value);
		enum ruleset_match here = ruleset_both(match, compare(r, key, value));

		(void)take_verdict(r, chain, verdict, here, text);
	}
}

/* Statements that decide nothing about whether the rest of the rule is reached. */
static bool is_harmless(const struct json_tree *j, int key)
{
	static const char *const names[] = { "counter", "log",	"comment", "mangle",
					     "notrack", "meta", "ct",	   "set",
					     "map",	"flow", "nftrace" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (json_tree_is_text(j, key, names[i]))
			return true;
	return false;
}

static void take_rule(struct reading *r, int rule)
{
	const struct json_tree *j = &r->json;
	int statements = json_tree_member(j, rule, "expr");
	enum ruleset_match match = RULESET_YES;
	char chain[RULESET_NAME_MAX], text[RULESET_NAME_MAX + 64];
	uint64_t handle;

	name_of(j, rule, r->table, NULL);
	name_of(j, rule, chain, "chain");
	(void)json_tree_number(j, json_tree_member(j, rule, "handle"), &handle);
	snprintf(text, sizeof(text), "the rule with handle %llu in chain %s",
		 (unsigned long long)handle, chain);
	for (int i = json_tree_first(j, statements); i != JSON_NONE;
	     i = json_tree_next(j, statements, i)) {
		int key = json_tree_first(j, i);

		if (json_tree_is_text(j, key, "match"))
			match = ruleset_both(match, match_of(r, json_tree_value(j, key)));
		else if (json_tree_is_text(j, key, "vmap"))
			take_map(r, rule, json_tree_value(j, key), match, text);
		else if (!take_verdict(r, rule, i, match, text) && !is_harmless(j, key))
			match = ruleset_both(match, RULESET_PERHAPS);
	}
}

/* ---- tables and chains ---- */

static bool is_family(const struct reading *r, int object)
{
	int family = json_tree_member(&r->json, object, "family");

	return json_tree_is_text(&r->json, family, "inet") ||
	       json_tree_is_text(&r->json, family, r->question->v6 ? "ip6" : "ip");
}

/* iptables' own matches are not told in JSON; iptables-save tells them. */
static bool is_of_iptables(struct reading *r, int wanted)
{
	const struct json_tree *j = &r->json;
	int list = json_tree_member(j, 0, "nftables");
	char table[RULESET_NAME_MAX], other[RULESET_NAME_MAX];

	name_of(j, wanted, table, NULL);
	for (int i = json_tree_first(j, list); i != JSON_NONE;
	     i = json_tree_next(j, list, i)) {
		int rule = json_tree_member(j, i, "rule"),
		    expr = json_tree_member(j, rule, "expr");

		name_of(j, rule, other, NULL);
		for (int s = json_tree_first(j, expr);
		     s != JSON_NONE && !strcmp(table, other);
		     s = json_tree_next(j, expr, s))
			if (json_tree_is_text(j, json_tree_first(j, s), "xt"))
				return true;
	}
	return false;
}

static void take_chain(struct reading *r, int chain)
{
	const struct json_tree *j = &r->json;
	int hook = json_tree_member(j, chain, "hook");
	char name[RULESET_NAME_MAX];
	struct ruleset_chain *made;

	name_of(j, chain, name, "name");
	made = ruleset_chain(&r->rules, name);
	if (!made)
		return;
	made->base = (json_tree_is_text(j, hook, "input") ||
		      json_tree_is_text(j, hook, "prerouting")) &&
		     json_tree_is_text(j, json_tree_member(j, chain, "type"), "filter") &&
		     !is_of_iptables(r, chain);
	made->drops = json_tree_is_text(j, json_tree_member(j, chain, "policy"), "drop");
}

static void advise(struct firewall_verdict *v, const struct firewall_question *q)
{
	static const char word[] = "chain ";
	const char *chain = strstr(v->where, word);

	if (chain)
		snprintf(v->advice, sizeof(v->advice),
			 "nft insert rule %.120s udp dport %u accept",
			 chain + strlen(word), q->port);
}

void firewall_read_nft(struct firewall_verdict *v, const char *text,
		       const struct firewall_question *q)
{
	struct reading r = { .question = q };
	bool good = json_tree_parse(&r.json, text, strlen(text));
	int list = good ? json_tree_member(&r.json, 0, "nftables") : JSON_NONE;

	*v = (struct firewall_verdict){ .answer = FIREWALL_UNKNOWN };
	for (int i = json_tree_first(&r.json, list); i != JSON_NONE;
	     i = json_tree_next(&r.json, list, i)) {
		int chain = json_tree_member(&r.json, i, "chain");
		int rule = json_tree_member(&r.json, i, "rule");

		if (chain != JSON_NONE && is_family(&r, chain))
			take_chain(&r, chain);
		if (rule != JSON_NONE && is_family(&r, rule))
			take_rule(&r, rule);
	}
	if (list != JSON_NONE) {
		ruleset_judge(&r.rules, v);
		advise(v, q);
	}
	ruleset_free(&r.rules);
	json_tree_free(&r.json);
}
