/*
 * The true call chain. Unwinding by .pdata must agree, at every instruction, with a
 * shadow stack that knows nothing of unwind data: it watches calls and returns.
 */
#include "test/unit/sim/machine_fixture.h"

enum { DEPTH = 64, STEPS = 12000 };

struct shadow {
	uint64_t return_address[DEPTH]; /* outermost first */
	uint64_t slot[DEPTH];		/* where it lies on the stack */
	size_t depth;
};

static bool is_call(struct machine *m, uint64_t pc, uint64_t return_address)
{
	uint64_t n = return_address - pc;
	if (n < 2 || n > 7)
		return false;
	uint8_t first = (uint8_t)read_word(m, pc, 1);
	return first == 0xe8 || first == 0xff || (first == 0x41 && n == 3);
}

/* What one instruction, from pc and rsp to where the processor is now, did to the stack. */
static void follow(struct machine *m, struct shadow *s, uint64_t pc, uint64_t rsp)
{
	uint64_t now = context_word(m, 0, CONTEXT_RSP);
	while (s->depth > 0 && s->slot[s->depth - 1] < now)
		s->depth--;
	if (now != rsp - 8)
		return;
	uint64_t pushed = read_word(m, now, 8);
	if (!is_call(m, pc, pushed) || context_word(m, 0, CONTEXT_RIP) == pushed)
		return;
	assert_true(s->depth < DEPTH);
	s->return_address[s->depth] = pushed;
	s->slot[s->depth++] = now;
}

static void assert_chain(struct machine *m, const struct shadow *s, uint64_t pc)
{
	uint64_t chain[DEPTH + 1];
	size_t n = machine_call_chain(m, 0, chain, DEPTH + 1);
	bool same = n == s->depth + 1 && chain[0] == pc;
	for (size_t i = 0; same && i < s->depth; i++)
		same = chain[i + 1] == s->return_address[s->depth - 1 - i];
	if (!same)
		fail_msg("at nt+%llx: %zu frames, the shadow has %zu",
			 (unsigned long long)(pc - machine_kernel_base(m)), n,
			 s->depth + 1);
}

/* The shadow of a thread's very first instruction: nothing was called yet. */
static struct machine *start_stepping(void)
{
	struct machine *m = new_machine(1);
	set_context_word(m, 0, CONTEXT_EFLAGS, 0x302);
	return m;
}

struct walk {
	struct machine *m;
	struct shadow shadow;
	size_t deepest;
	uint64_t pc, rsp;
};

static void step_and_check(struct walk *w)
{
	w->pc = context_word(w->m, 0, CONTEXT_RIP);
	w->rsp = context_word(w->m, 0, CONTEXT_RSP);
	struct machine_event e = run_to(w->m, MACHINE_EXCEPTION);
	assert_int_equal(e.u.exception.code, 0x80000004);
	follow(w->m, &w->shadow, w->pc, w->rsp);
	assert_chain(w->m, &w->shadow, e.program_counter);
	if (w->shadow.depth > w->deepest)
		w->deepest = w->shadow.depth;
	resume(w->m);
}

/* Each kind of function has its own way to unwind: all of them must have been there. */
static const char *const kinds[] = {
	"IopMediumFrame",     "IopLargeFrame",	 "MiFloatingPoint", "RtlpVariableFrame",
	"CcRecurse",	      "CcManyRegisters", "CcHashCallback",  "ObpHashChained",
	"ObpHashChainedPart", "RtlpMixVersion2", "RtlpRotateLeaf",  "SeTailJump",
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void the_chain_is_true_at_every_instruction_of_the_worker(void **state)
{
	(void)state;
	struct walk w = { .m = start_stepping() };
	uint64_t starts[KINDS];
	unsigned seen[KINDS] = { 0 };
	for (unsigned k = 0; k < KINDS; k++)
		starts[k] = symbol(w.m, kinds[k]);
	for (unsigned i = 0; i < STEPS; i++) {
		step_and_check(&w);
		for (unsigned k = 0; k < KINDS; k++)
			seen[k] += w.pc == starts[k];
	}
	for (unsigned k = 0; k < KINDS; k++)
		if (!seen[k])
			fail_msg("%s never ran", kinds[k]);
	assert_true(w.deepest >= 12);
	assert_true(read_word(w.m, symbol(w.m, "KiWorkerIterations"), 8) > 16);
	assert_true(read_word(w.m, symbol(w.m, "KiProcessorTicks"), 8) > 0);
	machine_free(w.m);
}

/* Stops at the first instruction of the interrupt; the shadow is the interrupted one's. */
static void the_chain_is_true_through_the_clock_interrupt(void **state)
{
	(void)state;
	struct walk w = { .m = start_stepping() };
	struct machine *m = w.m;
	uint64_t handler = symbol(m, "KiClockInterrupt");
	uint8_t before = (uint8_t)read_word(m, handler, 1);
	write_byte(m, handler, 0xcc);
	struct machine_event e;
	uint64_t pc, rsp;
	for (;;) {
		pc = context_word(m, 0, CONTEXT_RIP);
		rsp = context_word(m, 0, CONTEXT_RSP);
		e = run_to(m, MACHINE_EXCEPTION);
		if (e.u.exception.code == 0x80000003)
			break;
		follow(m, &w.shadow, pc, rsp);
		resume(m);
	}
	write_byte(m, handler, before);
	assert_int_equal(e.program_counter, handler);
	uint64_t frame = context_word(m, 0, CONTEXT_RSP);
	assert_int_equal(read_word(m, frame, 8), pc);
	assert_int_equal(read_word(m, frame + 24, 8), rsp);
	w.shadow.return_address[w.shadow.depth] = pc;
	w.shadow.slot[w.shadow.depth++] = frame;
	assert_chain(m, &w.shadow, handler);
	set_context_word(m, 0, CONTEXT_EFLAGS,
			 context_word(m, 0, CONTEXT_EFLAGS) | EFLAGS_TF);
	resume(m);
	size_t outside = w.shadow.depth - 1;
	unsigned inside = 0;
	for (; w.shadow.depth > outside; inside++)
		step_and_check(&w);
	assert_in_range(inside, 30, 200);
	for (unsigned i = 0; i < 100; i++)
		step_and_check(&w);
	machine_free(m);
}

static void a_break_in_shows_the_interrupted_worker(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	run_quietly(m, 33);
	break_in(m);
	uint64_t chain[DEPTH];
	size_t n = machine_call_chain(m, 0, chain, DEPTH);
	uint64_t worker = symbol(m, "ExpWorkerThread"),
		 start = symbol(m, "KiStartSystemThread");
	assert_true(n >= 6);
	assert_in_range(chain[n - 2], worker, worker + 0x100);
	assert_in_range(chain[n - 1], start, start + 16);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_chain_is_true_at_every_instruction_of_the_worker),
		cmocka_unit_test(the_chain_is_true_through_the_clock_interrupt),
		cmocka_unit_test(a_break_in_shows_the_interrupted_worker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
