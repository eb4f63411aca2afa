#include "bridge/target/exception.h"

#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

enum { STOP_ON_EXCEPTION = 1 }; /* of NtGlobalFlag */

static bool is_always_shown(uint32_t code)
{
	return code == KD_STATUS_BREAKPOINT || code == KD_STATUS_SINGLE_STEP ||
	       code == KD_STATUS_WAKE_DEBUGGER;
}

/* ---- the rules ---- */

static struct exception_policy *find(struct exception_state *e, uint32_t code)
{
	for (size_t i = 0; i < e->count; i++) {
		if (e->policies[i].code == code)
			return &e->policies[i];
	}
	return NULL;
}

bool exception_set(struct target *t, uint32_t code, enum exception_action action)
{
	struct exception_state *e = &t->exceptions;
	struct exception_policy *policy = find(e, code);
	if (is_always_shown(code) || (!policy && e->count == EXCEPTION_POLICIES))
		return false;
	if (!policy)
		policy = &e->policies[e->count++];
	*policy = (struct exception_policy){ .code = code, .action = action };
	return true;
}

void exception_unset(struct target *t, uint32_t code)
{
	struct exception_state *e = &t->exceptions;
	struct exception_policy *policy = find(e, code);
	if (!policy)
		return;
	size_t behind = (size_t)(&e->policies[e->count] - policy) - 1;
	memmove(policy, policy + 1, behind * sizeof(*policy));
	e->count--;
}

void exception_set_others(struct target *t, enum exception_action action)
{
	t->exceptions.others = action;
}

enum exception_action exception_others(const struct target *t)
{
	return t->exceptions.others;
}

const struct exception_policy *exception_policies(const struct target *t, size_t *count)
{
	*count = t->exceptions.count;
	return t->exceptions.policies;
}

bool exception_is_passed_on(struct target *t)
{
	const struct target_stop *stop = &t->stop.stop;
	bool steps = t->plan.kind == PLAN_STEP || t->plan.kind == PLAN_RANGE;
	if (stop->kind != TARGET_STOP_EXCEPTION ||
	    is_always_shown(stop->exception.code) || steps)
		return false;
	const struct exception_policy *policy =
		find(&t->exceptions, stop->exception.code);
	enum exception_action action = policy ? policy->action : t->exceptions.others;
	return action == EXCEPTION_PASS ||
	       (action == EXCEPTION_SECOND && stop->exception.first_chance);
}

/* ---- NtGlobalFlag ---- */

static enum kd_result change_flag(struct target *t, uint64_t address, bool on,
				  bool *changed)
{
	uint8_t bytes[4];
	size_t done;
	*changed = false;
	enum kd_result result = memory_read_all(t, address, bytes, sizeof(bytes));
	if (result != KD_DONE)
		return result;
	uint64_t old = load_le(bytes, sizeof(bytes));
	uint64_t new = on ? old | STOP_ON_EXCEPTION : old & ~(uint64_t)STOP_ON_EXCEPTION;
	if (old == new)
		return KD_DONE;
	store_le(bytes, new, sizeof(bytes));
	result = memory_write(t, address, bytes, sizeof(bytes), &done);
	if (result == KD_DONE && done != sizeof(bytes))
		return KD_REFUSED;
	*changed = result == KD_DONE;
	return result;
}

enum kd_result exception_first_chance(struct target *t, uint64_t address, bool on)
{
	struct exception_state *e = &t->exceptions;
	bool changed;
	enum kd_result result = change_flag(t, address, on, &changed);
	if (result != KD_DONE)
		return result;
	e->flag_address = address;
	e->flag_is_ours = on && (changed || e->flag_is_ours);
	return KD_DONE;
}

bool exception_flag_is_ours(const struct target *t)
{
	return t->exceptions.flag_is_ours;
}

enum kd_result exception_restore(struct target *t)
{
	struct exception_state *e = &t->exceptions;
	bool changed;
	if (!e->flag_is_ours)
		return KD_DONE;
	enum kd_result result = change_flag(t, e->flag_address, false, &changed);
	/* what cannot be written now cannot be later */
	if (result == KD_DONE || result == KD_REFUSED)
		e->flag_is_ours = false;
	return result == KD_REFUSED ? KD_DONE : result;
}

void exception_forget_flag(struct target *t)
{
	t->exceptions.flag_is_ours = false;
}
