#include "bridge/target/registers.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

enum { EFLAGS_TF = 0x100 };

bool registers_known_machine(const struct target *t)
{
	return t->exchange.guard.machine == t->arch->machine;
}

static const struct arch_register *row_of(const struct target *t, unsigned number)
{
	return number < t->arch->count ? &t->arch->registers[number] : NULL;
}

/* ---- what is held of each processor ---- */

static bool grow(struct registers_state *r, unsigned count)
{
	struct processor_registers **list =
		realloc(r->processors, count * sizeof(struct processor_registers *));
	if (!list)
		return false;
	for (unsigned i = r->count; i < count; i++)
		list[i] = NULL;
	r->processors = list;
	r->count = count;
	return true;
}

/* NULL: no such processor, no map for this machine, not stopped, or no memory. */
static struct processor_registers *held(struct target *t, unsigned processor)
{
	struct registers_state *r = &t->registers;
	if (processor >= processors_count(t) || !registers_known_machine(t) ||
	    !target_asks(t))
		return NULL;
	if (processor >= r->count && !grow(r, processors_count(t)))
		return NULL;
	if (!r->processors[processor])
		r->processors[processor] = calloc(1, sizeof(struct processor_registers));
	return r->processors[processor];
}

bool registers_known(const struct target *t, unsigned processor)
{
	const struct registers_state *r = &t->registers;
	return processor < r->count && r->processors[processor] &&
	       r->processors[processor]->context_known;
}

static enum kd_result why_not_held(const struct target *t)
{
	return target_asks(t) ? KD_REFUSED : KD_GONE;
}

void registers_drop(struct target *t)
{
	for (unsigned i = 0; i < t->registers.count; i++) {
		struct processor_registers *p = t->registers.processors[i];
		if (!p)
			continue;
		p->context_known = false;
		p->special_known = false;
		p->write_context = false;
	}
}

void registers_free(struct target *t)
{
	for (unsigned i = 0; i < t->registers.count; i++)
		free(t->registers.processors[i]);
	free(t->registers.processors);
	t->registers = (struct registers_state){ 0 };
}

/* ---- fetching ---- */

static uint8_t *flags_of(const struct target *t, uint8_t *context)
{
	return context + t->arch->registers[t->arch->flags].offset;
}

/*
 * A step's trap flag is still set in the report that ends it, and the resume clears it
 * (KD.md §3 "Breakpoint instructions"): not the user's, so it is not shown.
 */
static void hide_trap_flag(struct target *t, unsigned processor, uint8_t *context)
{
	uint8_t *flags = flags_of(t, context);
	if (processor == t->stop.change.processor)
		store_le(flags, load_le(flags, 4) & ~(uint64_t)EFLAGS_TF, 4);
}

static enum kd_result ask_context(struct target *t, unsigned processor,
				  struct kd_reply *reply)
{
	struct kd_request request = { .api = KD_GET_CONTEXT,
				      .processor = (uint16_t)processor };
	enum kd_result result = exchange(t, &request, reply);
	if (result == KD_DONE && reply->length < t->arch->context_size)
		return KD_REFUSED;
	return result;
}

static enum kd_result need_context(struct target *t, unsigned processor,
				   struct processor_registers *p)
{
	if (p->context_known)
		return KD_DONE;
	struct kd_reply reply;
	enum kd_result result = ask_context(t, processor, &reply);
	if (result != KD_DONE)
		return result;
	memcpy(p->context, reply.data, t->arch->context_size);
	hide_trap_flag(t, processor, p->context);
	memcpy(p->original, p->context, sizeof(p->original));
	p->context_known = true;
	p->write_context = false;
	return KD_DONE;
}

/* A kernel may answer its own size: no more than asked is taken, fewer accepted. */
static enum kd_result need_special(struct target *t, unsigned processor,
				   struct processor_registers *p)
{
	if (p->special_known)
		return KD_DONE;
	struct kd_request request = {
		.api = KD_READ_CONTROL_SPACE,
		.processor = (uint16_t)processor,
		.u.memory = { .address = KD_CONTROL_SPECIAL,
			      .count = (uint32_t)t->arch->special_size },
	};
	struct kd_reply reply;
	enum kd_result result = exchange(t, &request, &reply);
	if (result != KD_DONE)
		return result;
	size_t length = reply.length;
	if (length == 0)
		return KD_REFUSED;
	if (length > t->arch->special_size)
		length = t->arch->special_size;
	memset(p->special, 0, sizeof(p->special));
	memcpy(p->special, reply.data, length);
	memcpy(p->special_original, p->special, sizeof(p->special));
	p->special_length = length;
	p->special_known = true;
	return KD_DONE;
}

static enum kd_result read_msr(struct target *t, unsigned processor, uint32_t number,
			       uint64_t *value)
{
	struct kd_request request = { .api = KD_READ_MSR,
				      .processor = (uint16_t)processor,
				      .u.msr.number = number };
	struct kd_reply reply;
	enum kd_result result = exchange(t, &request, &reply);
	*value = reply.u.msr.value;
	return result;
}

static enum kd_result write_msr(struct target *t, unsigned processor, uint32_t number,
				uint64_t value)
{
	struct kd_request request = { .api = KD_WRITE_MSR,
				      .processor = (uint16_t)processor,
				      .u.msr = { .number = number, .value = value } };
	struct kd_reply reply;
	return exchange(t, &request, &reply);
}

/* The block that holds the row, fetched if it must be. */
static enum kd_result need_block(struct target *t, unsigned processor,
				 const struct arch_register *row,
				 struct processor_registers *p, uint8_t **block)
{
	bool special = row->place == IN_SPECIAL;
	*block = special ? p->special : p->context;
	return special ? need_special(t, processor, p) : need_context(t, processor, p);
}

static bool lies_behind_special(const struct arch_register *row,
				const struct processor_registers *p)
{
	return row->place == IN_SPECIAL && row->offset + row->stored > p->special_length;
}

/* ---- reading and writing ---- */

/* What the state change told already costs nothing. */
static bool told_by_stop(struct target *t, unsigned processor, unsigned number,
			 uint64_t *value)
{
	const struct processor_registers *p = held(t, processor);
	*value = t->stop.stop.pc;
	return p && !p->context_known && number == t->arch->pc &&
	       t->life == LIFE_STOPPED && processor == t->stop.stop.processor;
}

enum kd_result registers_read(struct target *t, unsigned processor, unsigned number,
			      uint8_t out[static REGISTER_BYTES_MAX])
{
	memset(out, 0, REGISTER_BYTES_MAX);
	const struct arch_register *row = row_of(t, number);
	struct processor_registers *p = held(t, processor);
	if (!row || !p)
		return row ? why_not_held(t) : KD_REFUSED;
	uint64_t value;
	if (told_by_stop(t, processor, number, &value)) {
		store_le(out, value, row->stored);
		return KD_DONE;
	}
	if (row->place == IN_MSR) {
		enum kd_result result = read_msr(t, processor, row->offset, &value);
		if (result == KD_DONE)
			store_le(out, value, row->stored);
		return result;
	}
	uint8_t *block;
	enum kd_result result = need_block(t, processor, row, p, &block);
	if (result != KD_DONE)
		return result;
	if (lies_behind_special(row, p))
		return KD_REFUSED;
	if (row->place == IN_CONTEXT_CODED)
		t->arch->load(row, block, out);
	else
		memcpy(out, block + row->offset, row->stored);
	return KD_DONE;
}

enum kd_result registers_write(struct target *t, unsigned processor, unsigned number,
			       const uint8_t *bytes)
{
	const struct arch_register *row = row_of(t, number);
	struct processor_registers *p = held(t, processor);
	if (!row || !p)
		return row ? why_not_held(t) : KD_REFUSED;
	if (row->place == IN_MSR)
		return write_msr(t, processor, row->offset, load_le(bytes, row->stored));
	uint8_t *block;
	enum kd_result result = need_block(t, processor, row, p, &block);
	if (result != KD_DONE)
		return result;
	if (lies_behind_special(row, p))
		return KD_REFUSED;
	if (row->place == IN_CONTEXT_CODED)
		return t->arch->store(row, block, bytes) ? KD_DONE : KD_REFUSED;
	memcpy(block + row->offset, bytes, row->stored);
	return KD_DONE;
}

enum kd_result registers_get(struct target *t, unsigned processor, unsigned number,
			     uint64_t *value)
{
	uint8_t bytes[REGISTER_BYTES_MAX];
	enum kd_result result = registers_read(t, processor, number, bytes);
	*value = load_le(bytes, sizeof(*value));
	return result;
}

enum kd_result registers_set(struct target *t, unsigned processor, unsigned number,
			     uint64_t value)
{
	uint8_t bytes[REGISTER_BYTES_MAX] = { 0 };
	store_le(bytes, value, sizeof(value));
	return registers_write(t, processor, number, bytes);
}

enum kd_result registers_show_pc(struct target *t, unsigned processor, uint64_t pc)
{
	return registers_set(t, processor, t->arch->pc, pc);
}

/* ---- back to the target, once, at resume ---- */

static bool context_fetched(const struct target *t, unsigned processor)
{
	const struct kd_guard *guard = &t->exchange.guard;
	return processor < 64 ? guard->contexts_fetched >> processor & 1
			      : guard->all_contexts_fetched;
}

static enum kd_result write_context(struct target *t, unsigned processor,
				    struct processor_registers *p)
{
	struct kd_reply reply;
	/* refused unless this stop's was fetched; a RESET in between may have undone that */
	if (!context_fetched(t, processor)) {
		enum kd_result result = ask_context(t, processor, &reply);
		if (result != KD_DONE)
			return result;
	}
	/* only the groups named in the flags would be obeyed */
	store_le(p->context + t->arch->context_flags_offset, t->arch->context_flags, 4);
	struct kd_request request = { .api = KD_SET_CONTEXT,
				      .processor = (uint16_t)processor,
				      .u.context_flags = t->arch->context_flags,
				      .data = p->context,
				      .length = t->arch->context_size };
	enum kd_result result = exchange(t, &request, &reply);
	if (result == KD_DONE) {
		memcpy(p->original, p->context, sizeof(p->original));
		p->write_context = false;
	}
	return result;
}

static enum kd_result write_special(struct target *t, unsigned processor,
				    struct processor_registers *p)
{
	struct kd_request request = {
		.api = KD_WRITE_CONTROL_SPACE,
		.processor = (uint16_t)processor,
		.u.memory = { .address = KD_CONTROL_SPECIAL,
			      .count = (uint32_t)p->special_length },
		.data = p->special,
		.length = p->special_length,
	};
	struct kd_reply reply;
	enum kd_result result = exchange(t, &request, &reply);
	if (result == KD_DONE)
		memcpy(p->special_original, p->special, sizeof(p->special));
	return result;
}

enum kd_result registers_write_special(struct target *t, unsigned processor)
{
	struct processor_registers *p = held(t, processor);
	if (!p)
		return why_not_held(t);
	if (!p->special_known ||
	    memcmp(p->special, p->special_original, p->special_length) == 0)
		return KD_DONE;
	return write_special(t, processor, p);
}

static enum kd_result write_processor(struct target *t, unsigned processor,
				      struct processor_registers *p)
{
	enum kd_result result = KD_DONE;
	if (p->context_known && (p->write_context || memcmp(p->context, p->original,
							    t->arch->context_size) != 0))
		result = write_context(t, processor, p);
	return result == KD_DONE ? registers_write_special(t, processor) : result;
}

enum kd_result registers_write_back(struct target *t)
{
	for (unsigned i = 0; i < t->registers.count; i++) {
		struct processor_registers *p = t->registers.processors[i];
		if (!p)
			continue;
		enum kd_result result = write_processor(t, i, p);
		/* what the target refuses it refuses again: it must not be stuck for it */
		if (result == KD_REFUSED)
			target_notice(t, KDNET_NOTICES,
				      "the target refused the changed registers of "
				      "processor %u",
				      i);
		else if (result != KD_DONE)
			return result;
	}
	return KD_DONE;
}

enum kd_result registers_clear_trap_flag(struct target *t, unsigned processor)
{
	struct processor_registers *p = held(t, processor);
	if (!p)
		return why_not_held(t);
	enum kd_result result = need_context(t, processor, p);
	if (result != KD_DONE)
		return result;
	uint8_t *flags = flags_of(t, p->context);
	store_le(flags, load_le(flags, 4) & ~(uint64_t)EFLAGS_TF, 4);
	/* hidden on the reporting processor: there it looks clear already */
	if (processor == t->stop.change.processor)
		p->write_context = true;
	return KD_DONE;
}

uint64_t registers_dr7(struct target *t)
{
	enum { DR7_AT = 0x48 }; /* KD.md §5 */
	unsigned processor = t->stop.change.processor;
	const struct processor_registers *p = processor < t->registers.count
						      ? t->registers.processors[processor]
						      : NULL;
	if (p && p->special_known && registers_known_machine(t))
		return load_le(p->special + DR7_AT, 8);
	return t->stop.change.report.dr7;
}
