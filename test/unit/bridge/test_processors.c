#include "bridge/target/processors.h"

#include "test/unit/bridge/fake_kdbg.h"

enum {
	PROCESS_SIZE = 0x100,
	LINKS = 0x18,
	NAME = 0x80,
	CURRENT_THREAD = 8,
	THREAD_PROCESS = 0x40,
};
#define BLOCK	   (FAKE_BASE + 0x3500)
#define HEAD	   (FAKE_BASE + 0x3520)
#define PRCB(n)	   (FAKE_BASE + 0x3540 + (uint64_t)(n)*0x40)
#define THREAD(n)  (FAKE_BASE + 0x1000 + (uint64_t)(n)*0x80)
#define PROCESS(n) (FAKE_BASE + 0x1400 + (uint64_t)(n)*PROCESS_SIZE)

static void put_process(struct fake_target *f, unsigned n, uint64_t next, uint64_t id,
			const char *name)
{
	memset(fake_at(f, PROCESS(n)), 0, PROCESS_SIZE);
	fake_put64(f, PROCESS(n) + LINKS, next);
	fake_put64(f, PROCESS(n) + LINKS - 8, id);
	memcpy(fake_at(f, PROCESS(n) + NAME), name, strlen(name));
}

/* Processor 0 runs System, 1 explorer.exe, 2 its idle thread. */
static struct fake_target *start_with_processes(void)
{
	struct fake_target *f = fake_start(3);
	fake_give_kdbg(f);
	uint64_t kdbg = FAKE_KDBG;
	fake_put64(f, kdbg + KDBG_PROCESSOR_BLOCK, BLOCK);
	fake_put64(f, kdbg + KDBG_ACTIVE_PROCESS_HEAD, HEAD);
	store_le(fake_at(f, kdbg + KDBG_PRCB_CURRENT_THREAD), CURRENT_THREAD, 2);
	store_le(fake_at(f, kdbg + KDBG_THREAD_PROCESS), THREAD_PROCESS, 2);
	store_le(fake_at(f, kdbg + KDBG_PROCESS_SIZE), PROCESS_SIZE, 2);
	for (unsigned n = 0; n < 3; n++) {
		fake_put64(f, BLOCK + 8 * n, PRCB(n));
		fake_put64(f, PRCB(n) + CURRENT_THREAD, THREAD(n));
		fake_put64(f, PRCB(n) + CURRENT_THREAD + 16, THREAD(2));
		fake_put64(f, THREAD(n) + THREAD_PROCESS, PROCESS(n));
	}
	fake_put64(f, HEAD, PROCESS(0) + LINKS);
	put_process(f, 0, PROCESS(1) + LINKS, 4, "System");
	put_process(f, 1, HEAD, 1234, "explorer.exe");
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	return f;
}

static void expect(struct fake_target *f, unsigned processor, const char *text)
{
	char out[64];
	processors_describe(f->t, processor, out, sizeof(out));
	assert_string_equal(out, text);
}

static void what_runs_is_named(void **state)
{
	(void)state;
	struct fake_target *f = start_with_processes();
	assert_int_equal(processors_count(f->t), 3);
	expect(f, 1, "explorer.exe pid 1234");
	expect(f, 0, "System pid 4");
	expect(f, 2, "idle");
	fake_end(f);
}

static void it_costs_nothing_the_second_time(void **state)
{
	(void)state;
	struct fake_target *f = start_with_processes();
	expect(f, 0, "System pid 4");
	expect(f, 1, "explorer.exe pid 1234");
	fake_forget_counts(f);
	expect(f, 0, "System pid 4");
	expect(f, 1, "explorer.exe pid 1234");
	assert_int_equal(f->logged, 0);
	fake_end(f);
}

static void without_kdbg_there_are_no_names(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(2);
	expect(f, 0, "");
	expect(f, 1, "");
	assert_int_equal(f->logged, 0);
	fake_end(f);
}

static void lists_that_lead_nowhere_end(void **state)
{
	(void)state;
	struct fake_target *f = start_with_processes();
	/* System's entry leads to itself: explorer.exe is never met */
	fake_put64(f, PROCESS(0) + LINKS, PROCESS(0) + LINKS);
	expect(f, 1, "");
	fake_end(f);
}

static void names_are_cleaned_and_cut(void **state)
{
	(void)state;
	struct fake_target *f = start_with_processes();
	memcpy(fake_at(f, PROCESS(1) + NAME), "a\x1b[31mbcdefghijklmn", 18);
	expect(f, 1, "a?[31mbcdefghij pid 1234");
	char out[5];
	processors_describe(f->t, 1, out, sizeof(out));
	assert_string_equal(out, "a?[3");
	expect(f, 7, "");
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_runs_is_named),
		cmocka_unit_test(it_costs_nothing_the_second_time),
		cmocka_unit_test(without_kdbg_there_are_no_names),
		cmocka_unit_test(lists_that_lead_nowhere_end),
		cmocka_unit_test(names_are_cleaned_and_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
