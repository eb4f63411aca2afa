#include "bridge/target/processors.h"

#include <stdio.h>
#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

/*
 * What runs on a processor: KPRCB → current thread → process → image name and id. KDBG
 * names the offsets of all but the last two. Those are found once in a boot: the process
 * list links them, and its first entry is System with id 4, in every version [inferred].
 */

enum {
	NAME_SIZE = 15, /* EPROCESS.ImageFileName */
	SYSTEM_ID = 4,
	PROCESS_SIZE_MAX = 0x1000,
	LIST_MAX = 1024,
	/* KPRCB: CurrentThread, NextThread, IdleThread follow each other. */
	IDLE_THREAD = 2,
};

unsigned processors_count(const struct target *t)
{
	uint32_t count = t->exchange.guard.processors;
	return count > 0 ? count : 1;
}

void processors_clear(struct target *t)
{
	t->processors = (struct processors_state){ 0 };
}

/* ---- the two offsets ---- */

static size_t process_size(const struct kdbg *kdbg)
{
	uint16_t size = kdbg_offset(kdbg, KDBG_PROCESS_SIZE);
	return size < PROCESS_SIZE_MAX ? size : PROCESS_SIZE_MAX;
}

/* Where "System" stands behind the list links of that process; 0: nowhere. */
static int32_t find_name(struct target *t, uint64_t links, size_t size)
{
	static const char name[NAME_SIZE] = "System";
	uint8_t process[PROCESS_SIZE_MAX];
	size_t done = 0;
	(void)memory_read(t, links, process, size, &done);
	const uint8_t *found = memmem(process, done, name, sizeof(name));
	return found ? (int32_t)(found - process) : 0;
}

/* The links of a process known by its address: the entry of the list within it. */
static uint16_t find_links(struct target *t, const struct kdbg *kdbg, uint64_t head,
			   uint64_t process)
{
	size_t size = process_size(kdbg);
	uint64_t entry = head;
	for (int n = 0; n < LIST_MAX; n++) {
		if (memory_read_pointer(t, entry, &entry) != KD_DONE || entry == head)
			return 0;
		if (entry > process && entry - process < size)
			return (uint16_t)(entry - process);
	}
	return 0;
}

static void search(struct target *t, const struct kdbg *kdbg, uint64_t process)
{
	struct processors_state *p = &t->processors;
	uint64_t head = kdbg_address(kdbg, KDBG_ACTIVE_PROCESS_HEAD);
	uint64_t links;
	uint64_t id;
	p->searched = true;
	if (head == 0 || memory_read_pointer(t, head, &links) != KD_DONE ||
	    memory_read_pointer(t, links - memory_pointer_size(t), &id) != KD_DONE ||
	    id != SYSTEM_ID)
		return;
	p->name = find_name(t, links, process_size(kdbg));
	if (p->name != 0)
		p->links = find_links(t, kdbg, head, process);
}

/* ---- one processor ---- */

struct running {
	uint64_t thread;
	uint64_t idle_thread; /* 0: not known */
	uint64_t process;
};

static bool find_running(struct target *t, const struct kdbg *kdbg, unsigned processor,
			 struct running *r)
{
	unsigned pointer = memory_pointer_size(t);
	uint64_t block = kdbg_address(kdbg, KDBG_PROCESSOR_BLOCK);
	uint16_t current = kdbg_offset(kdbg, KDBG_PRCB_CURRENT_THREAD);
	uint16_t process = kdbg_offset(kdbg, KDBG_THREAD_PROCESS);
	uint64_t prcb;
	if (block == 0 || process == 0 ||
	    memory_read_pointer(t, block + (uint64_t)processor * pointer, &prcb) !=
		    KD_DONE ||
	    memory_read_pointer(t, prcb + current, &r->thread) != KD_DONE)
		return false;
	(void)memory_read_pointer(t, prcb + current + (uint64_t)IDLE_THREAD * pointer,
				  &r->idle_thread);
	return memory_read_pointer(t, r->thread + process, &r->process) == KD_DONE;
}

static void describe_process(struct target *t, uint64_t process, char *out, size_t size)
{
	const struct processors_state *p = &t->processors;
	uint64_t links = process + p->links;
	uint8_t name[NAME_SIZE];
	uint64_t id;
	if (memory_read_all(t, links + (uint64_t)p->name, name, sizeof(name)) !=
		    KD_DONE ||
	    memory_read_pointer(t, links - memory_pointer_size(t), &id) != KD_DONE)
		return;
	for (size_t i = 0; i < sizeof(name); i++) {
		if (name[i] != '\0' && (name[i] < ' ' || name[i] > '~'))
			name[i] = '?';
	}
	(void)snprintf(out, size, "%.*s pid %llu", NAME_SIZE, (const char *)name,
		       (unsigned long long)id);
}

bool processors_learn(struct target *t, uint64_t process)
{
	struct processors_state *p = &t->processors;
	const struct kdbg *kdbg = target_kdbg(t);
	if (!kdbg)
		return false;
	if (!p->searched)
		search(t, kdbg, process);
	else if (p->links == 0 && p->name != 0)
		p->links = find_links(
			t, kdbg, kdbg_address(kdbg, KDBG_ACTIVE_PROCESS_HEAD), process);
	return p->links != 0;
}

uint64_t processors_process(struct target *t, unsigned processor)
{
	const struct kdbg *kdbg = target_kdbg(t);
	struct running r;
	return kdbg && find_running(t, kdbg, processor, &r) ? r.process : 0;
}

void processors_describe(struct target *t, unsigned processor, char *out, size_t size)
{
	if (size == 0)
		return;
	out[0] = '\0';
	const struct kdbg *kdbg = target_kdbg(t);
	struct running r;
	if (!kdbg || processor >= processors_count(t) ||
	    !find_running(t, kdbg, processor, &r))
		return;
	if (r.thread == r.idle_thread) {
		(void)snprintf(out, size, "idle");
		return;
	}
	if (processors_learn(t, r.process))
		describe_process(t, r.process, out, size);
}
