/* Contexts, special registers, MSRs. KD.md §3 and §5. */
#include "test/sim/kd_register.h"

#include <string.h>

#include "test/sim/kd_request.h"

enum { CONTROL_KPCR, CONTROL_KPRCB, CONTROL_SPECIAL, CONTROL_KTHREAD, CONTROLS };

/* A processor that is not there: a violation already by kd_serve. */
static bool has_processor(struct kd *k, struct kd_request *q)
{
	if (q->processor < machine_cpus(k->machine))
		return true;
	q->status = STATUS_UNSUCCESSFUL;
	return false;
}

/* ---- CONTEXT ---- */

static void fetch_context(struct kd *k, unsigned cpu,
			  uint8_t context[static MACHINE_CONTEXT_SIZE])
{
	machine_get_context(k->machine, cpu, context);
	k->context_sent = true;
	k->context_read[cpu] = true;
}

void kd_get_context(struct kd *k, struct kd_request *q)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	if (!has_processor(k, q))
		return;
	fetch_context(k, q->processor, context);
	wr_bytes(&q->reply, context, sizeof(context));
}

/* KD has one flag for all processors; a careful host asks for each. */
static bool may_set_context(struct kd *k, struct kd_request *q)
{
	if (!has_processor(k, q))
		return false;
	if (!k->context_read[q->processor])
		stats_violation(k->stats, "API %x before this stop's context was fetched",
				q->api);
	if (k->context_sent)
		return true;
	q->status = STATUS_UNSUCCESSFUL;
	return false;
}

static void commit_context(struct kd *k, unsigned cpu,
			   const uint8_t context[static MACHINE_CONTEXT_SIZE])
{
	uint32_t flags = (uint32_t)load_le(context + CONTEXT_FLAGS, 4);
	if ((flags & CONTEXT_AMD64) == 0 || flags == CONTEXT_AMD64)
		stats_violation(k->stats, "context whose flags drop every register");
	machine_set_context(k->machine, cpu, context);
}

void kd_set_context(struct kd *k, struct kd_request *q)
{
	if (!may_set_context(k, q))
		return;
	if (q->length < MACHINE_CONTEXT_SIZE)
		q->status = STATUS_UNSUCCESSFUL; /* a kernel asserts here */
	else
		commit_context(k, q->processor, q->data);
}

void kd_get_context_part(struct kd *k, struct kd_request *q)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	uint32_t offset = kd_get32(q, 0);
	uint32_t count = kd_get32(q, 4);

	kd_put32(q, 8, 0);
	if (k->options.no_context_parts || offset > sizeof(context)) {
		q->status = STATUS_UNSUCCESSFUL;
		return;
	}
	if (!has_processor(k, q))
		return;
	fetch_context(k, q->processor, context);
	if (count > sizeof(context) - offset)
		count = (uint32_t)sizeof(context) - offset;
	/* A whole context fits a frame; of anything less the usual room is given. */
	if (count < sizeof(context) && count > k->options.max_data)
		count = k->options.max_data;
	wr_bytes(&q->reply, context + offset, count);
	kd_put32(q, 8, count);
}

/* Taken once complete; a shorter total than a CONTEXT changes only that prefix. */
static void commit_staged(struct kd *k, unsigned cpu, uint32_t total)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	machine_get_context(k->machine, cpu, context);
	memcpy(context, k->staged, total < sizeof(context) ? total : sizeof(context));
	commit_context(k, cpu, context);
}

void kd_set_context_part(struct kd *k, struct kd_request *q)
{
	uint32_t offset = kd_get32(q, 0);
	uint32_t count = kd_get32(q, 4);
	uint32_t total = kd_get32(q, 8);

	kd_put32(q, 8, 0);
	if (k->options.no_context_parts) {
		q->status = STATUS_UNSUCCESSFUL;
		return;
	}
	if (!may_set_context(k, q))
		return;
	if (total > KD_STAGED_MAX || offset > total || count > total - offset ||
	    count != q->length) {
		stats_violation(k->stats, "part of a context outside of its total");
		q->status = STATUS_INVALID_PARAMETER;
		return;
	}
	if (count > 0)
		memcpy(k->staged + offset, q->data, count);
	kd_put32(q, 8, count);
	if (offset + count == total)
		commit_staged(k, q->processor, total);
}

/* ---- control space ---- */

/* An address above 3 killed a kernel. */
static bool control_fits(struct kd *k, struct kd_request *q)
{
	if (!has_processor(k, q))
		return false;
	if (kd_get64(q, 0) < CONTROLS)
		return true;
	stats_violation(k->stats, "API %x with a control space above 3", q->api);
	q->status = STATUS_UNSUCCESSFUL;
	return false;
}

static uint64_t control_pointer(struct kd *k, uint64_t which, unsigned cpu)
{
	switch (which) {
	case CONTROL_KPCR:
		return machine_kpcr(k->machine, cpu);
	case CONTROL_KPRCB:
		return machine_kprcb(k->machine, cpu);
	default:
		return machine_kthread(k->machine, cpu);
	}
}

/* It answers its own size, whatever was asked. */
void kd_read_control(struct kd *k, struct kd_request *q)
{
	uint8_t special[MACHINE_SPECIAL_SIZE];
	uint64_t which = kd_get64(q, 0);

	if (control_fits(k, q) && which == CONTROL_SPECIAL) {
		machine_get_special(k->machine, q->processor, special);
		k->special_read[q->processor] = true;
		wr_bytes(&q->reply, special, sizeof(special));
	} else if (q->status == STATUS_SUCCESS) {
		wr_le64(&q->reply, control_pointer(k, which, q->processor));
	}
	kd_put32(q, 12, (uint32_t)q->reply.length);
}

/* Loaded as they are at resume: what no kernel survives. */
static void check_special(struct kd *k, const struct kd_request *q, const uint8_t *old,
			  const uint8_t *new)
{
	static const size_t fixed[] = { SPECIAL_CR0, SPECIAL_GDT_BASE, SPECIAL_IDT_BASE };
	if (!k->special_read[q->processor])
		stats_violation(k->stats,
				"special registers written before they were read");
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (load_le(old + fixed[i], 8) != 0 && load_le(new + fixed[i], 8) == 0)
			stats_violation(k->stats, "special register at %zx set to 0",
					fixed[i]);
	}
	if (load_le(new + SPECIAL_CR3, 8) == 0 && load_le(old + SPECIAL_CR3, 8) != 0)
		stats_violation(k->stats, "CR3 set to 0");
	if ((load_le(new + SPECIAL_DR7, 8) & (DR7_RESERVED | DR7_GENERAL_DETECT)) != 0)
		stats_violation(k->stats, "DR7 with reserved bits");
}

void kd_write_control(struct kd *k, struct kd_request *q)
{
	uint8_t old[MACHINE_SPECIAL_SIZE];
	uint8_t new[MACHINE_SPECIAL_SIZE];
	uint32_t count = kd_get32(q, 8);

	kd_put32(q, 12, 0);
	if (!control_fits(k, q))
		return;
	if (kd_get64(q, 0) != CONTROL_SPECIAL || count > q->length) {
		stats_violation(k->stats, "API 3138 of something that cannot be written");
		q->status = STATUS_UNSUCCESSFUL;
		return;
	}
	machine_get_special(k->machine, q->processor, old);
	memcpy(new, old, sizeof(new));
	memcpy(new, q->data, count < sizeof(new) ? count : sizeof(new));
	check_special(k, q, old, new);
	machine_set_special(k->machine, q->processor, new);
	kd_put32(q, 12, count < sizeof(new) ? count : (uint32_t)sizeof(new));
}

/* ---- MSRs: those of the processor that serves ---- */

void kd_read_msr(struct kd *k, struct kd_request *q)
{
	bool known = false;
	uint64_t value = machine_msr(k->machine, k->current, kd_get32(q, 0), &known);
	if (!known) {
		q->status = STATUS_UNSUCCESSFUL;
		return;
	}
	kd_put32(q, 4, (uint32_t)value);
	kd_put32(q, 8, (uint32_t)(value >> 32));
}

void kd_write_msr(struct kd *k, struct kd_request *q)
{
	uint64_t value = kd_get32(q, 4) | (uint64_t)kd_get32(q, 8) << 32;
	if (!machine_set_msr(k->machine, k->current, kd_get32(q, 0), value))
		q->status = STATUS_UNSUCCESSFUL;
}
