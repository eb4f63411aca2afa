/*
 * Chains of rules as all of Linux' packet filters have them, read for one question: each
 * rule already says whether it matches. Walking them tells what becomes of the datagram.
 */
#ifndef BRIDGE_SETUP_RULESET_H
#define BRIDGE_SETUP_RULESET_H

#include "bridge/setup/firewall.h"

enum ruleset_match { RULESET_NO, RULESET_PERHAPS, RULESET_YES };

enum ruleset_action {
	RULESET_NOTHING, /* counts, logs */
	RULESET_ACCEPT,
	RULESET_DROP, /* or rejects */
	RULESET_JUMP,
	RULESET_GOTO,
	RULESET_RETURN,
};

enum { RULESET_NAME_MAX = 128, RULESET_DEPTH_MAX = 16 };

struct ruleset_chain {
	char name[RULESET_NAME_MAX];
	bool base;  /* datagrams enter here */
	bool drops; /* at its end, when it is a base chain */
};

struct ruleset_rule {
	unsigned chain;
	enum ruleset_match match;
	enum ruleset_action action;
	char target[RULESET_NAME_MAX]; /* JUMP and GOTO: a chain */
	char text[RULESET_NAME_MAX];   /* for people */
};

/* All zeros is an empty one. */
struct ruleset {
	struct ruleset_chain *chains;
	struct ruleset_rule *rules;
	unsigned chain_count, rule_count;
};

/* Both at once. */
enum ruleset_match ruleset_both(enum ruleset_match a, enum ruleset_match b);
enum ruleset_match ruleset_not(enum ruleset_match a);

/* Adds a chain or finds it; NULL: out of memory. Valid until the next call. */
struct ruleset_chain *ruleset_chain(struct ruleset *r, const char *name);
/* Adds a rule at the end of that chain; NULL: out of memory. */
struct ruleset_rule *ruleset_add(struct ruleset *r, const char *chain);
void ruleset_free(struct ruleset *r);

/*
 * Sends the datagram through all base chains. LETS_IN when there is no base chain.
 * `advice` of the verdict is left alone.
 */
void ruleset_judge(const struct ruleset *r, struct firewall_verdict *verdict);

#endif
