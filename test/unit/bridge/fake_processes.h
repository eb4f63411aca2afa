/* A fake target that knows what it runs: the kernel data of processes and threads. */
#ifndef TEST_FAKE_PROCESSES_H
#define TEST_FAKE_PROCESSES_H

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

static inline void put_process(struct fake_target *f, unsigned n, uint64_t next,
			       uint64_t id, const char *name)
{
	memset(fake_at(f, PROCESS(n)), 0, PROCESS_SIZE);
	fake_put64(f, PROCESS(n) + LINKS, next);
	fake_put64(f, PROCESS(n) + LINKS - 8, id);
	memcpy(fake_at(f, PROCESS(n) + NAME), name, strlen(name));
}

/* Processor 0 runs System, 1 explorer.exe, 2 its idle thread. */
static inline struct fake_target *fake_start_with_processes(void)
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

#endif
