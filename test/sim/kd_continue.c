/*
 * Continue, step, switch, reboot: requests without a reply. KD.md §3, "Continue" and
 * "Stepping another processor".
 */
#include "test/sim/kd_register.h"
#include "test/sim/kd_request.h"

#define DBG_EXCEPTION_HANDLED	  UINT32_C(0x00010001)
#define DBG_CONTINUE		  UINT32_C(0x00010002)
#define DBG_EXCEPTION_NOT_HANDLED UINT32_C(0x80010001)
#define BUGCHECK_IGNORED	  UINT32_C(0xe2)

static bool handled(uint32_t status)
{
	return (status & UINT32_C(0x80000000)) == 0;
}

static void check_status(struct kd *k, uint32_t status)
{
	if (status != DBG_CONTINUE && status != DBG_EXCEPTION_HANDLED &&
	    status != DBG_EXCEPTION_NOT_HANDLED)
		stats_violation(k->stats, "continue with status %x", status);
}

/* TF of the processor that reported last. */
static void set_trace(struct kd *k, bool trace)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	machine_get_context(k->machine, k->current, context);
	uint64_t flags = load_le(context + CONTEXT_EFLAGS, 4);
	flags = trace ? flags | EFLAGS_TF : flags & ~(uint64_t)EFLAGS_TF;
	store_le(context + CONTEXT_EFLAGS, flags, 4);
	machine_set_context(k->machine, k->current, context);
}

static bool is_enabled(uint64_t dr7, unsigned n)
{
	return (dr7 >> (2 * n) & 3) != 0;
}

/* Execute breakpoints have length 1, watches lie on a multiple of their length. */
static void check_debug_register(struct kd *k, uint64_t dr7, unsigned n, uint64_t address)
{
	static const uint64_t masks[] = { 0, 1, 7, 3 }; /* lengths 1, 2, 8, 4 */
	unsigned type = (unsigned)(dr7 >> (16 + 4 * n)) & 3;
	unsigned length = (unsigned)(dr7 >> (18 + 4 * n)) & 3;
	if (type == 0 && length != 0)
		stats_violation(k->stats,
				"execute breakpoint in a debug register with a length");
	if ((address & masks[length]) != 0)
		stats_violation(k->stats, "debug register not aligned to its length");
	if (type == 2)
		stats_violation(k->stats, "debug register for port I/O");
}

static void check_debug_registers(struct kd *k, uint64_t dr7)
{
	uint8_t first[MACHINE_SPECIAL_SIZE], other[MACHINE_SPECIAL_SIZE];
	if ((dr7 & (DR7_RESERVED | DR7_GENERAL_DETECT)) != 0)
		stats_violation(k->stats, "DR7 with reserved bits");
	if ((dr7 & DR7_ENABLES) == 0)
		return;
	machine_get_special(k->machine, 0, first);
	for (unsigned cpu = 0; cpu < machine_cpus(k->machine); cpu++) {
		machine_get_special(k->machine, cpu, other);
		for (unsigned n = 0; n < DEBUG_REGISTERS; n++) {
			size_t at = SPECIAL_DR0 + 8 * n;
			uint64_t address = load_le(other + at, 8);
			if (!is_enabled(dr7, n))
				continue;
			if (cpu == 0)
				check_debug_register(k, dr7, n, address);
			else if (address != load_le(first + at, 8))
				stats_violation(k->stats,
						"DR%u differs between processors", n);
		}
	}
}

static void load_debug_registers(struct kd *k, uint64_t dr7)
{
	uint8_t special[MACHINE_SPECIAL_SIZE];
	check_debug_registers(k, dr7);
	for (unsigned cpu = 0; cpu < machine_cpus(k->machine); cpu++) {
		machine_get_special(k->machine, cpu, special);
		store_le(special + SPECIAL_DR6, DR6_CLEARED, 8);
		store_le(special + SPECIAL_DR7, dr7, 8);
		machine_set_special(k->machine, cpu, special);
	}
}

unsigned kd_debug_registers_active(struct kd *k)
{
	uint8_t special[MACHINE_SPECIAL_SIZE];
	unsigned count = 0;
	for (unsigned cpu = 0; cpu < machine_cpus(k->machine); cpu++) {
		machine_get_special(k->machine, cpu, special);
		count += (load_le(special + SPECIAL_DR7, 8) & DR7_ENABLES) != 0;
	}
	return count;
}

/* The target that said goodbye is gone once the host lets it go. */
static bool is_leaving(const struct kd *k)
{
	return k->event.type == MACHINE_UNLOAD &&
	       k->event.u.image.base == KD_FAREWELL_BASE;
}

/* From a processor that was switched to, the way leads back to the stop's owner. */
static void go(struct kd *k, struct kd_request *q, uint32_t status)
{
	if (k->current != k->owner) {
		kd_report_owner(k, q->now_us);
		return;
	}
	if (is_leaving(k)) {
		k->reboot = true;
		return;
	}
	stats_count(k->stats, STATS_RESUMES);
	kd_resume(k, handled(status), NULL, 0);
}

void kd_continue(struct kd *k, struct kd_request *q)
{
	check_status(k, kd_get32(q, 0));
	go(k, q, kd_get32(q, 0));
}

void kd_continue2(struct kd *k, struct kd_request *q)
{
	uint32_t status = kd_get32(q, 0);
	check_status(k, status);
	if (handled(status)) {
		set_trace(k, kd_get32(q, 4) != 0);
		load_debug_registers(k, kd_get64(q, 8));
	}
	go(k, q, status);
}

/* A number that is wrong or its own brings the same report again. */
void kd_switch_processor(struct kd *k, struct kd_request *q)
{
	struct machine_event event = k->reported;
	if (q->processor < machine_cpus(k->machine) && q->processor != k->current) {
		stats_count(k->stats, STATS_SWITCHES);
		if (q->processor == k->owner) {
			kd_report_owner(k, q->now_us);
			return;
		}
		machine_switch_event(k->machine, q->processor, &event);
	}
	kd_report(k, &event, q->now_us);
}

void kd_reboot_api(struct kd *k, struct kd_request *q)
{
	(void)q;
	k->reboot = true;
}

void kd_bugcheck(struct kd *k, struct kd_request *q)
{
	uint32_t code = kd_get32(q, 0);
	stats_count(k->stats, STATS_RESUMES);
	machine_bugcheck(k->machine, code == 0 ? BUGCHECK_IGNORED : code);
	kd_resume(k, true, NULL, 0);
}

void kd_clear_internal(struct kd *k, struct kd_request *q)
{
	(void)k;
	(void)q;
}
