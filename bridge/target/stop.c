#include <string.h>

#include "bridge/target/internal.h"

/*
 * From a state change to the reason why the target stands still. KD.md §2.
 */

/* ---- the newest report ---- */

bool stop_note(struct target *t, const uint8_t *data, size_t length)
{
	struct stop_state *s = &t->stop;
	struct kd_state_change change;
	if (length > sizeof(s->bytes) ||
	    !kd_state_change_decode(&change, t->exchange.guard.machine, data, length))
		return false;
	/* Repeated after RESET or RESEND, it is the same stop (KD.md trap 5). */
	if (target_asks(t) && !s->report_expected)
		return false;
	memcpy(s->bytes, data, length);
	s->length = length;
	s->pending = true;
	return true;
}

static void count_processors(struct target *t)
{
	struct kd_state_change *change = &t->stop.change;
	struct kd_guard *guard = &t->exchange.guard;
	if (change->processor >= PROCESSORS_MAX)
		change->processor = 0;
	uint32_t count = change->processors;
	if (count <= change->processor)
		count = change->processor + 1u;
	if (count > PROCESSORS_MAX)
		count = PROCESSORS_MAX;
	if (count > guard->processors)
		guard->processors = count;
}

void stop_decode_again(struct target *t)
{
	struct stop_state *s = &t->stop;
	if (!kd_state_change_decode(&s->change, t->exchange.guard.machine, s->bytes,
				    s->length))
		s->change = (struct kd_state_change){ .state = KD_STATE_EXCEPTION };
	count_processors(t);
}

static bool is_exception(const struct kd_state_change *change, uint32_t code)
{
	return change->state == KD_STATE_EXCEPTION && change->u.exception.code == code;
}

bool stop_take_report(struct target *t)
{
	struct stop_state *s = &t->stop;
	if (!s->pending)
		return false;
	s->pending = false;
	s->report_expected = false;
	target_become(t, LIFE_LOOKING);
	stop_decode_again(t);
	t->exchange.guard.contexts_fetched = 0;
	t->exchange.guard.all_contexts_fetched = false;
	uint64_t pc = s->change.program_counter;
	s->hit_planted = is_exception(&s->change, KD_STATUS_BREAKPOINT) &&
			 (breakpoint_is_planted(t, pc) ||
			  breakpoint_is_planted(t, s->change.u.exception.address));
	breakpoint_on_report(t, pc);
	return true;
}

/* ---- what it is ---- */

bool stop_is_step_of(const struct target *t, unsigned processor)
{
	const struct kd_state_change *change = &t->stop.change;
	return is_exception(change, KD_STATUS_SINGLE_STEP) &&
	       change->processor == processor && !watchpoint_dr6(t);
}

/*
 * CONTEXT decides. The kernel leaves PC on the breakpoint instruction; the boot debugger
 * behind it, and its exception address is the instruction's own (KD.md §2). Shown is the
 * instruction's, always.
 */
static void find_breakpoint_pc(struct target *t)
{
	struct target_stop *stop = &t->stop.stop;
	uint64_t pc;
	/* the kernel's, on one of ours: nothing to ask */
	if (t->stop.hit_planted && stop->pc == stop->exception.address)
		return;
	if (registers_get(t, stop->processor, t->arch->pc, &pc) != KD_DONE)
		pc = stop->pc;
	if (pc > stop->exception.address &&
	    pc - stop->exception.address <= t->arch->breakpoint_size) {
		pc = stop->exception.address;
		(void)registers_show_pc(t, stop->processor, pc);
	}
	stop->pc = pc;
}

/* What BreakpointWithStatus was called with, KD.md §2 "Bugcheck". */
static bool names_bugcheck(struct target *t)
{
	enum { BUGCHECK_FIRST = 3, BUGCHECK_SECOND = 4, BUGCHECK_FATAL = 5 };
	uint64_t why;
	return registers_get(t, t->stop.stop.processor, t->arch->argument, &why) ==
		       KD_DONE &&
	       ((uint32_t)why == BUGCHECK_FIRST || (uint32_t)why == BUGCHECK_SECOND ||
		(uint32_t)why == BUGCHECK_FATAL);
}

/* The register is known already, KDBG may have to be read. */
static bool is_bugcheck(struct target *t)
{
	if (!names_bugcheck(t))
		return false;
	const struct kdbg *kdbg = target_kdbg(t);
	return kdbg ? kdbg_address(kdbg, KDBG_BREAKPOINT_WITH_STATUS) == t->stop.stop.pc
		    : t->stop.fatal_length > 0;
}

static enum target_stop_kind breakpoint_kind(struct target *t)
{
	find_breakpoint_pc(t);
	uint64_t pc = t->stop.stop.pc;
	if (breakpoint_wanted(t, pc))
		return TARGET_STOP_BREAKPOINT;
	if (is_bugcheck(t))
		return TARGET_STOP_BUGCHECK;
	if (!t->break_in.wanted)
		return TARGET_STOP_HARD_BREAKPOINT;
	if (!t->stop.hit_planted)
		break_in_learn(t, pc);
	return TARGET_STOP_BREAK_IN;
}

static bool is_planned_step(const struct target *t)
{
	return t->plan.kind != PLAN_CONTINUE && stop_is_step_of(t, t->plan.processor);
}

static enum target_stop_kind step_kind(struct target *t)
{
	if (t->break_in.wanted)
		return TARGET_STOP_BREAK_IN; /* as good an end as any */
	/* it arrived where the front end wants to stop anyway */
	if (t->plan.kind == PLAN_RANGE && breakpoint_wanted(t, t->stop.stop.pc))
		return TARGET_STOP_BREAKPOINT;
	if (t->plan.kind == PLAN_RANGE && watchpoint_at_pc(t, t->stop.stop.pc))
		return TARGET_STOP_HARDWARE_BREAKPOINT;
	return TARGET_STOP_STEP;
}

static enum target_stop_kind exception_kind(struct target *t)
{
	t->stop.stop.exception = t->stop.change.u.exception;
	if (is_exception(&t->stop.change, KD_STATUS_BREAKPOINT))
		return breakpoint_kind(t);
	if (is_planned_step(t))
		return step_kind(t);
	return watchpoint_find_hit(t, &t->stop.stop) ? t->stop.stop.kind
						     : TARGET_STOP_EXCEPTION;
}

static void copy_printable(char *out, size_t size, const char *text, size_t length)
{
	size_t n = 0;
	for (; n < length && n + 1 < size && text[n] != '\0'; n++) {
		bool printable = text[n] >= ' ' && text[n] <= '~';
		out[n] = printable ? text[n] : '?';
	}
	out[n] = '\0';
}

static enum target_stop_kind load_kind(struct target *t)
{
	const struct kd_load_symbols *load = &t->stop.change.u.load;
	struct target_stop *stop = &t->stop.stop;
	stop->image.base = memory_address(t, load->base);
	stop->image.size = load->image_size;
	stop->image.unload = load->unload;
	copy_printable(stop->image.path, sizeof(stop->image.path), load->path,
		       load->path_length);
	modules_on_load(t, stop);
	return TARGET_STOP_LOAD;
}

static void classify(struct target *t)
{
	const struct kd_state_change *change = &t->stop.change;
	struct target_stop *stop = &t->stop.stop;
	*stop = (struct target_stop){ .processor = change->processor,
				      .pc = change->program_counter };
	if (change->state == KD_STATE_LOAD_SYMBOLS)
		stop->kind = load_kind(t);
	else if (change->state == KD_STATE_COMMAND_STRING)
		stop->kind = TARGET_STOP_COMMAND;
	else
		stop->kind = exception_kind(t);
	size_t count = change->report.instruction_count;
	if (count > KD_INSTRUCTION_STREAM)
		count = KD_INSTRUCTION_STREAM;
	memory_learn(t, stop->pc, change->report.instructions, count);
}

/* Of the code itself: what is ours does not show in the cache. */
size_t stop_hard_breakpoint(struct target *t)
{
	enum { INT3 = 0xcc, INT = 0xcd, INT_3 = 0x03, INT_2C = 0x2c, INT_2D = 0x2d };
	uint64_t pc = t->stop.stop.pc;
	uint8_t code[3] = { 0 };
	size_t done;
	(void)memory_read(t, pc, code, sizeof(code), &done);
	if (t->arch->machine == KD_MACHINE_ARM64)
		return 0;
	if (done >= 1 && code[0] == INT3)
		return 1;
	if (done >= 2 && code[0] == INT && (code[1] == INT_3 || code[1] == INT_2C))
		return 2;
	/* KD.md trap 4: the byte behind int 2d is skipped by whoever serves it */
	if (done >= 2 && code[0] == INT && code[1] == INT_2D)
		return done >= 3 && code[2] == INT3 ? 3 : 2;
	return 0;
}

/* ---- what becomes of it ---- */

static bool is_stale(struct target *t)
{
	const struct target_stop *stop = &t->stop.stop;
	if (stop->kind == TARGET_STOP_EXCEPTION)
		return watchpoint_is_stale(t) || step_take_late(t);
	if (stop->kind != TARGET_STOP_HARD_BREAKPOINT)
		return false;
	/* of ours, taken back while the target ran */
	if (t->stop.hit_planted)
		return true;
	return break_in_take_stale(t, stop->pc, stop_hard_breakpoint(t) > 0);
}

static void deliver(struct target *t)
{
	if (t->stop.quiet || !t->events->stopped)
		return;
	/* the front end may wait for the next stop in there */
	t->working = false;
	t->stop.delivering = true;
	t->events->stopped(t->context, &t->stop.stop);
	t->stop.delivering = false;
	t->working = true;
}

static void report(struct target *t)
{
	stop_describe(t, &t->stop.stop);
	if (t->life != LIFE_LOOKING)
		return;
	step_on_stop(t);
	break_in_on_stop(t);
	target_become(t, LIFE_STOPPED);
	deliver(t);
}

bool stop_pending_is_repetition(const struct target *t, unsigned processor)
{
	struct kd_state_change change;
	return t->stop.pending &&
	       kd_state_change_decode(&change, t->exchange.guard.machine, t->stop.bytes,
				      t->stop.length) &&
	       change.processor == processor;
}

void stop_step_made(struct target *t)
{
	struct target_stop *stop = &t->stop.stop;
	uint64_t pc = stop->pc;
	(void)registers_get(t, stop->processor, t->arch->pc, &pc);
	*stop = (struct target_stop){ .kind = TARGET_STOP_STEP,
				      .processor = stop->processor,
				      .pc = pc };
	t->stop.step_made = true;
	target_become(t, LIFE_LOOKING);
	target_feed_work(t);
}

void stop_look(struct target *t)
{
	if (t->stop.step_made && t->life == LIFE_LOOKING) {
		t->stop.step_made = false;
		report(t);
		return;
	}
	t->stop.step_made = false;
	if (!stop_take_report(t))
		return;
	if (t->attach.fresh && !attach_first_stop(t))
		return;
	if (step_goes_on(t))
		return;
	classify(t);
	/* lost, or another session, while we asked */
	if (t->life != LIFE_LOOKING)
		return;
	if (is_stale(t))
		step_swallow(t);
	else if (!miss_goes_on(t) && (!exception_is_passed_on(t) || !step_pass_on(t)))
		report(t);
}

/* ---- a bugcheck announces itself, in pieces perhaps ---- */

void stop_on_print(struct target *t, const char *text, size_t length)
{
	static const char marker[] = "*** Fatal System Error: ";
	struct stop_state *s = &t->stop;
	if (s->fatal_length == 0) {
		const char *found = memmem(text, length, marker, sizeof(marker) - 1);
		if (!found)
			return;
		found += sizeof(marker) - 1;
		length -= (size_t)(found - text);
		text = found;
	}
	size_t room = sizeof(s->fatal) - 1 - s->fatal_length;
	size_t n = length < room ? length : room;
	memcpy(s->fatal + s->fatal_length, text, n);
	s->fatal_length += n;
	s->fatal[s->fatal_length] = '\0';
}
