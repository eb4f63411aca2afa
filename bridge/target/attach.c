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
			"the target's machine type %04x is not known here: it can be "
			"resumed, but its registers cannot be shown",
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

bool attach_first_stop(struct target *t)
{
	/*
	 * Our ids begin anew: a target whose last host stopped at the same id would take
	 * the first request for a repetition. It repeats its state: the same stop.
	 */
	bool done = exchange_reset(t) == KD_DONE && get_version(t) &&
		    (!registers_known_machine(t) || release_stale_breakpoints(t));
	if (!is_looked_at(t))
		return false;
	watchpoint_adopt(t);
	/* else it is tried again at the next stop, and this one shown as it is */
	t->attach.fresh = !done;
	return true;
}

/* ---- KDBG ---- */

static bool read_block(struct target *t, uint64_t address, struct kdbg *kdbg)
{
	uint8_t block[KDBG_SIZE_MAX];
	enum { SIZE_AT = 0x14 };
	if (memory_read_all(t, address, block, KDBG_HEADER_SIZE) != KD_DONE)
		return false;
	size_t size = (size_t)load_le(block + SIZE_AT, 4);
	if (size < KDBG_HEADER_SIZE)
		size = KDBG_HEADER_SIZE;
	if (size > sizeof(block))
		size = sizeof(block);
	size_t done;
	(void)memory_read(t, address, block, size, &done);
	return done >= KDBG_HEADER_SIZE && kdbg_decode(kdbg, block, done);
}

/* Any block may be another's, unreadable or encoded: then live without. */
static void find_kdbg(struct target *t)
{
	struct kdbg *kdbg = &t->attach.kdbg;
	uint64_t head = t->attach.version.debugger_data_list;
	uint64_t block;
	if (head == 0 || memory_read_pointer(t, head, &block) != KD_DONE)
		return;
	for (int n = 0; n < KDBG_BLOCKS_MAX && block != 0 && block != head; n++) {
		if (!read_block(t, block, kdbg) || kdbg->tagged)
			return;
		block = kdbg->next;
	}
}

const struct kdbg *target_kdbg(struct target *t)
{
	struct attach_state *a = &t->attach;
	if (!a->kdbg_asked && a->version_known && target_asks(t) && !exchange_busy(t)) {
		a->kdbg_asked = true;
		find_kdbg(t);
	}
	return a->kdbg.tagged ? &a->kdbg : NULL;
}
