#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

/*
 * What the first stop of a session needs before anything else: KD.md §8. A host that
 * was here before may have left breakpoints, which must be gone before memory is read.
 */

enum { KDBG_BLOCKS_MAX = 8 };

static bool is_looked_at(const struct target *t)
{
	return t->life == LIFE_LOOKING;
}

static void learn_machine(struct target *t)
{
	enum kd_machine machine = (enum kd_machine)t->attach.version.machine;
	t->exchange.guard.machine = machine;
	const struct arch *arch = arch_of(machine);
	if (arch)
		t->arch = arch;
	else
		target_notice(
			t, KDNET_NOTICES,
			"the registers of the target's machine type %04x are not known "
			"here: it can be resumed, but not past a breakpoint "
			"instruction in its code",
			(unsigned)machine);
	stop_decode_again(t);
}

static bool get_version(struct target *t)
{
	struct kd_request request = { .api = KD_GET_VERSION };
	struct kd_reply reply;
	enum kd_result result = exchange(t, &request, &reply);
	if (result != KD_DONE)
		return false;
	t->attach.version = reply.u.version;
	t->attach.version_known = true;
	learn_machine(t);
	return true;
}

/* Handles of a host before us; C0000001 for each unknown one is fine. */
static bool release_stale_breakpoints(struct target *t)
{
	for (uint32_t handle = 1; handle <= KD_BREAKPOINTS; handle++) {
		struct kd_request request = { .api = KD_RESTORE_BREAKPOINT,
					      .u.breakpoint.handle = handle };
		struct kd_reply reply;
		enum kd_result result = exchange(t, &request, &reply);
		if (result != KD_DONE && result != KD_REFUSED)
			return false;
	}
	return true;
}

void target_trust(struct target *t)
{
	t->attach.trusted = true;
}

static bool needs_release(const struct target *t)
{
	return registers_known_machine(t) && !t->attach.trusted;
}

bool attach_first_stop(struct target *t)
{
	/*
	 * Our ids begin anew: a target whose last host stopped at the same id would take
	 * the first request for a repetition. It repeats its state: the same stop.
	 */
	bool done = exchange_reset(t) == KD_DONE && get_version(t) &&
		    (!needs_release(t) || release_stale_breakpoints(t));
	if (!is_looked_at(t))
		return false;
	watchpoint_adopt(t);
	/* else it is tried again at the next stop, and this one shown as it is */
	t->attach.fresh = !done;
	return true;
}

/* ---- KDBG ---- */

static enum kd_result read_block(struct target *t, uint64_t address, struct kdbg *kdbg)
{
	uint8_t block[KDBG_SIZE_MAX];
	enum { SIZE_AT = 0x14 };
	enum kd_result result = memory_read_all(t, address, block, KDBG_HEADER_SIZE);
	if (result != KD_DONE)
		return result;
	size_t size = (size_t)load_le(block + SIZE_AT, 4);
	if (size < KDBG_HEADER_SIZE)
		size = KDBG_HEADER_SIZE;
	if (size > sizeof(block))
		size = sizeof(block);
	size_t done;
	result = memory_read(t, address, block, size, &done);
	if (result == KD_DONE && !kdbg_decode(kdbg, block, done))
		result = KD_REFUSED;
	return result;
}

/* Any block may be another's, unreadable or encoded: then live without (KD_REFUSED). */
static enum kd_result find_kdbg(struct target *t)
{
	struct kdbg *kdbg = &t->attach.kdbg;
	uint64_t head = memory_address(t, t->attach.version.debugger_data_list);
	uint64_t block;
	enum kd_result result =
		head == 0 ? KD_REFUSED : memory_read_pointer(t, head, &block);
	for (int n = 0; result == KD_DONE && n < KDBG_BLOCKS_MAX && block != 0 &&
			block != head && !kdbg->tagged;
	     n++) {
		result = read_block(t, block, kdbg);
		/* with 32-bit pointers both of its links lie in the first one's place */
		block = memory_address(t, kdbg->next);
	}
	return result;
}

const struct kdbg *target_kdbg(struct target *t)
{
	struct attach_state *a = &t->attach;
	if (!a->kdbg_asked && a->version_known && target_asks(t) && !exchange_busy(t)) {
		enum kd_result result = find_kdbg(t);
		/* whoever wanted it may have given up: the next one asks again */
		a->kdbg_asked = result == KD_DONE || result == KD_REFUSED;
	}
	return a->kdbg.tagged ? &a->kdbg : NULL;
}
