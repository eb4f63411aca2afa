#include "bridge/setup/ruleset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROW = 64 };

enum ruleset_match ruleset_both(enum ruleset_match a, enum ruleset_match b)
{
	return a < b ? a : b;
}

enum ruleset_match ruleset_not(enum ruleset_match a)
{
	return a == RULESET_PERHAPS ? a : a == RULESET_YES ? RULESET_NO : RULESET_YES;
}

/* ---- making one ---- */

static bool grow(void **array, unsigned count, size_t size)
{
	void *larger;

	if (count % GROW != 0)
		return true;
	larger = realloc(*array, (count + GROW) * size);
	if (larger)
		*array = larger;
	return larger != NULL;
}

static unsigned find_chain(const struct ruleset *r, const char *name)
{
	unsigned i = 0;

	while (i < r->chain_count && strcmp(r->chains[i].name, name) != 0)
		i++;
	return i;
}

struct ruleset_chain *ruleset_chain(struct ruleset *r, const char *name)
{
	unsigned at = find_chain(r, name);
	void *chains = r->chains;

	if (at < r->chain_count)
		return &r->chains[at];
	if (!grow(&chains, r->chain_count, sizeof(*r->chains)))
		return NULL;
	r->chains = chains;
	r->chains[at] = (struct ruleset_chain){ .base = false };
	snprintf(r->chains[at].name, sizeof(r->chains[at].name), "%s", name);
	r->chain_count++;
	return &r->chains[at];
}

struct ruleset_rule *ruleset_add(struct ruleset *r, const char *chain)
{
	void *rules = r->rules;

	if (!ruleset_chain(r, chain) || !grow(&rules, r->rule_count, sizeof(*r->rules)))
		return NULL;
	r->rules = rules;
	r->rules[r->rule_count] = (struct ruleset_rule){
		.chain = find_chain(r, chain),
		.match = RULESET_YES,
	};
	return &r->rules[r->rule_count++];
}

void ruleset_free(struct ruleset *r)
{
	free(r->chains);
	free(r->rules);
	*r = (struct ruleset){ .chains = NULL };
}

/* ---- walking it ---- */

enum fate { GOES_ON, ACCEPTED, DROPPED };

struct walk {
	const struct ruleset *rules;
	bool may_accept; /* a rule that may match would have accepted it before */
	const char *may_drop;
	const char *dropped_by;
	unsigned steps; /* a bound for rules that jump to each other in many ways */
};

enum { STEPS_MAX = 50000000 };

static enum fate walk_chain(struct walk *w, unsigned chain, unsigned depth);

/* What the rule would do if it matched. */
static enum fate fate_of(struct walk *w, const struct ruleset_rule *rule, unsigned depth)
{
	unsigned target;

	switch (rule->action) {
	case RULESET_ACCEPT:
		return ACCEPTED;
	case RULESET_DROP:
		w->dropped_by = rule->text;
		return DROPPED;
	case RULESET_JUMP:
	case RULESET_GOTO:
		target = find_chain(w->rules, rule->target);
		return target < w->rules->chain_count && depth < RULESET_DEPTH_MAX
			       ? walk_chain(w, target, depth + 1)
			       : GOES_ON;
	case RULESET_NOTHING:
	case RULESET_RETURN:
		break;
	}
	return GOES_ON;
}

static bool leaves_chain(const struct ruleset_rule *rule)
{
	return rule->action == RULESET_RETURN || rule->action == RULESET_GOTO;
}

static enum fate walk_chain(struct walk *w, unsigned chain, unsigned depth)
{
	for (unsigned i = 0; i < w->rules->rule_count && w->steps < STEPS_MAX; i++) {
		const struct ruleset_rule *rule = &w->rules->rules[i];
		enum fate fate;

		w->steps++;
		if (rule->chain != chain || rule->match == RULESET_NO)
			continue;
		fate = fate_of(w, rule, depth);
		if (rule->match == RULESET_YES && (fate != GOES_ON || leaves_chain(rule)))
			return fate;
		if (rule->match == RULESET_PERHAPS && fate == ACCEPTED)
			w->may_accept = true;
		if (rule->match == RULESET_PERHAPS && fate == DROPPED && !w->may_drop)
			w->may_drop = w->dropped_by;
	}
	return GOES_ON;
}

static void answer(struct firewall_verdict *v, enum firewall_answer worse,
		   const char *what, const char *name)
{
	if (worse <= v->answer)
		return;
	v->answer = worse;
	snprintf(v->where, sizeof(v->where), "%s%s", what, name);
}

static void judge_chain(const struct ruleset *r, unsigned chain,
			struct firewall_verdict *v)
{
	struct walk w = { .rules = r };
	enum fate fate = walk_chain(&w, chain, 0);
	/* What may have been accepted before may not be dropped at all. */
	enum firewall_answer drops = w.may_accept ? FIREWALL_MAY_DROP : FIREWALL_DROPS;

	if (fate == DROPPED)
		answer(v, drops, "", w.dropped_by);
	else if (fate == GOES_ON && r->chains[chain].drops)
		answer(v, drops, "the policy of chain ", r->chains[chain].name);
	else if (w.may_drop)
		answer(v, FIREWALL_MAY_DROP, "", w.may_drop);
}

void ruleset_judge(const struct ruleset *r, struct firewall_verdict *v)
{
	v->answer = FIREWALL_LETS_IN;
	v->where[0] = '\0';
	for (unsigned i = 0; i < r->chain_count; i++)
		if (r->chains[i].base)
			judge_chain(r, i, v);
}
