#include "bridge/target/processes.h"

#include "test/unit/bridge/fake_kdbg.h"

enum {
	PROCESS_SIZE = 0x100,
	DIRECTORY = 0x28,
	LINKS = 0x48,
	PARENT = 0x60,
	NAME = 0x80,
	CURRENT_THREAD = 8,
	THREAD_PROCESS = 0x40,
};
#define BLOCK	   (FAKE_BASE + 0x3500)
#define HEAD	   (FAKE_BASE + 0x3520)
#define PRCB	   (FAKE_BASE + 0x3540)
#define THREAD	   (FAKE_BASE + 0x1000)
#define IDLE	   (FAKE_BASE + 0x1200)
#define PROCESS(n) (FAKE_BASE + 0x1400 + (uint64_t)(n)*PROCESS_SIZE)

static void put_process(struct fake_target *f, unsigned n, uint64_t next, uint64_t id,
			const char *name)
{
	memset(fake_at(f, PROCESS(n)), 0, PROCESS_SIZE);
	fake_put64(f, PROCESS(n) + DIRECTORY, 0x1000 * (n + 1));
	fake_put64(f, PROCESS(n) + LINKS, next);
	fake_put64(f, PROCESS(n) + LINKS - 8, id);
	fake_put64(f, PROCESS(n) + PARENT, n ? 4 : 0);
	memcpy(fake_at(f, PROCESS(n) + NAME), name, strlen(name));
}

/* The processor runs `running`; System, explorer.exe and a third one are there. */
static struct fake_target *start(uint64_t running)
{
	struct fake_target *f = fake_start(1);
	fake_give_kdbg(f);
	fake_put64(f, FAKE_KDBG + KDBG_PROCESSOR_BLOCK, BLOCK);
	fake_put64(f, FAKE_KDBG + KDBG_ACTIVE_PROCESS_HEAD, HEAD);
	store_le(fake_at(f, FAKE_KDBG + KDBG_PRCB_CURRENT_THREAD), CURRENT_THREAD, 2);
	store_le(fake_at(f, FAKE_KDBG + KDBG_THREAD_PROCESS), THREAD_PROCESS, 2);
	store_le(fake_at(f, FAKE_KDBG + KDBG_PROCESS_SIZE), PROCESS_SIZE, 2);
	store_le(fake_at(f, FAKE_KDBG + KDBG_PROCESS_DIRECTORY_TABLE), DIRECTORY, 2);
	store_le(fake_at(f, FAKE_KDBG + KDBG_PROCESS_PARENT), PARENT, 2);
	fake_put64(f, BLOCK, PRCB);
	fake_put64(f, PRCB + CURRENT_THREAD, THREAD);
	fake_put64(f, THREAD + THREAD_PROCESS, running);
	fake_put64(f, HEAD, PROCESS(0) + LINKS);
	put_process(f, 0, PROCESS(1) + LINKS, 4, "System");
	put_process(f, 1, PROCESS(2) + LINKS, 1234, "explorer.exe");
	put_process(f, 2, HEAD, 99, "\x1b]0;x");
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	fake_forget_counts(f);
	return f;
}

static void each_has_its_id_parent_and_page_tables(void **state)
{
	(void)state;
	struct fake_target *f = start(PROCESS(1));
	struct process *list;
	size_t count;
	assert_int_equal(processes_list(f->t, 0, &list, &count), KD_DONE);
	assert_int_equal(count, 3);
	assert_string_equal(list[0].name, "System");
	assert_int_equal(list[0].id, 4);
	assert_true(list[0].cr3 == 0x1000);
	assert_true(list[1].object == PROCESS(1));
	assert_string_equal(list[1].name, "explorer.exe");
	assert_int_equal(list[1].id, 1234);
	assert_int_equal(list[1].parent, 4);
	assert_true(list[1].cr3 == 0x2000);
	assert_true(list[1].peb == 0); /* this kernel does not tell where it is */
	assert_string_equal(list[2].name, "?]0;x");
	free(list);
	fake_end(f);
}

/* All idle: the idle process is in no list, PsInitialSystemProcess is. */
static void an_idle_machine_needs_the_system_process(void **state)
{
	(void)state;
	struct fake_target *f = start(IDLE);
	struct process *list;
	size_t count;
	assert_int_equal(processes_list(f->t, 0, &list, &count), KD_REFUSED);
	assert_int_equal(count, 0);
	free(list);
	assert_int_equal(processes_list(f->t, PROCESS(0), &list, &count), KD_DONE);
	assert_int_equal(count, 3);
	free(list);
	fake_end(f);
}

static void a_loop_or_a_hole_ends_the_list(void **state)
{
	(void)state;
	struct fake_target *f = start(PROCESS(0));
	struct process *list;
	size_t count;
	fake_put64(f, PROCESS(2) + LINKS, PROCESS(1) + LINKS);
	assert_int_equal(processes_list(f->t, 0, &list, &count), KD_DONE);
	assert_int_equal(count, 3);
	free(list);
	fake_put64(f, PROCESS(1) + LINKS, 0x1000);
	memory_cache_flush(f->t);
	assert_int_equal(processes_list(f->t, 0, &list, &count), KD_DONE);
	assert_int_equal(count, 2);
	free(list);
	fake_end(f);
}

static void without_kdbg_or_a_stop_there_is_none(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	struct process *list;
	size_t count;
	assert_int_equal(processes_list(f->t, 0, &list, &count), KD_REFUSED);
	assert_null(list);
	fake_end(f);
	f = fake_start(1);
	assert_int_equal(processes_list(f->t, 0, &list, &count), KD_GONE);
	assert_null(list);
	fake_end(f);
}

/* What KDBG claims is not believed. */
static void offsets_that_make_no_sense_are_survived(void **state)
{
	(void)state;
	struct fake_target *f = start(PROCESS(0));
	struct process *list;
	size_t count;
	store_le(fake_at(f, FAKE_KDBG + KDBG_PROCESS_PEB), 0xfffc, 2);
	memory_cache_flush(f->t);
	f->t->attach.kdbg_asked = false;
	enum kd_result result = processes_list(f->t, 0, &list, &count);
	assert_true(result == KD_REFUSED || result == KD_DONE);
	free(list);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_id_parent_and_page_tables),
		cmocka_unit_test(an_idle_machine_needs_the_system_process),
		cmocka_unit_test(a_loop_or_a_hole_ends_the_list),
		cmocka_unit_test(without_kdbg_or_a_stop_there_is_none),
		cmocka_unit_test(offsets_that_make_no_sense_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
