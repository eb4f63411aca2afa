/*
 * Random reads, writes, breakpoints and steps of a stopped target against a naive model:
 * what is read is what the target holds, without any breakpoint of ours, and a byte
 * that is known is never asked for again.
 */
#include "test/unit/bridge/fake_target.h"

#include <stdio.h>

enum { ROUNDS = 3000, SPAN = 0x2400, FIRST = 0x1800, SITES = 48 };

struct model {
	uint8_t bytes[FAKE_RAM]; /* without breakpoints */
	bool known[FAKE_RAM + MEMORY_PAGE_SIZE];
	uint64_t random;
};

static size_t below(struct model *m, size_t limit)
{
	return (size_t)(test_random(&m->random) % limit);
}

static void forget_known(struct model *m)
{
	memset(m->known, 0, sizeof(m->known));
}

static void read_and_compare(struct fake_target *f, struct model *m)
{
	size_t at = FIRST + below(m, FAKE_RAM - FIRST);
	size_t length = 1 + below(m, below(m, 4) == 0 ? SPAN : 64);
	size_t there = FAKE_RAM - at < length ? FAKE_RAM - at : length;
	uint8_t *out = malloc(length);
	bool all_known = true;
	for (size_t i = 0; i < there; i++)
		all_known = all_known && m->known[at + i];
	unsigned asked = fake_count(f, KD_READ_VIRTUAL);
	size_t done;
	assert_int_equal(memory_read(f->t, FAKE_BASE + at, out, length, &done), KD_DONE);
	assert_int_equal(done, there);
	assert_memory_equal(out, m->bytes + at, there);
	if (all_known && there == length)
		assert_int_equal(fake_count(f, KD_READ_VIRTUAL), asked);
	for (size_t i = 0; i < there; i++)
		m->known[at + i] = true;
	free(out);
}

static void write_both(struct fake_target *f, struct model *m)
{
	uint8_t in[2000];
	size_t at = FIRST + below(m, FAKE_RAM - FIRST - 0x400);
	size_t length = 1 + below(m, below(m, 4) == 0 ? sizeof(in) : 16);
	if (length > FAKE_RAM - at)
		length = FAKE_RAM - at;
	/* the int3 of break-ins stays one */
	for (size_t i = 0; i < length; i++)
		in[i] = (uint8_t)(test_random(&m->random) % 0x80);
	size_t done;
	assert_int_equal(memory_write(f->t, FAKE_BASE + at, in, length, &done), KD_DONE);
	assert_int_equal(done, length);
	memcpy(m->bytes + at, in, length);
}

static void toggle_breakpoint(struct fake_target *f, struct model *m)
{
	uint64_t address = FAKE_BASE + FIRST + below(m, SITES) * 24;
	if (breakpoint_wanted(f->t, address))
		assert_int_equal(breakpoint_remove(f->t, address), KD_DONE);
	else
		assert_int_equal(breakpoint_insert(f->t, address), KD_DONE);
}

/* In the nops below FIRST, where nothing is written and no breakpoint lies. */
static void step(struct fake_target *f, struct model *m)
{
	fake_set_register(f, 0, FAKE_RIP, FAKE_CODE + below(m, 0x400));
	fake_go(f, TARGET_STEP, 0);
	forget_known(m);
	for (unsigned site = 0; site < SITES; site++) {
		size_t at = FIRST + site * 24;
		bool wanted = breakpoint_wanted(f->t, FAKE_BASE + at);
		assert_int_equal(f->ram[at], wanted ? 0xcc : m->bytes[at]);
	}
}

static void memory_agrees_with_the_model(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	struct model *m = calloc(1, sizeof(*m));
	uint64_t seed = 20240917;
	printf("seed %llu\n", (unsigned long long)seed);
	m->random = seed;
	memcpy(m->bytes, f->ram, sizeof(m->bytes));
	for (int round = 0; round < ROUNDS; round++) {
		size_t what = below(m, 16);
		if (what < 8)
			read_and_compare(f, m);
		else if (what < 11)
			write_both(f, m);
		else if (what < 15)
			toggle_breakpoint(f, m);
		else
			step(f, m);
	}
	assert_int_equal(target_leave(f->t, true), KD_DONE);
	assert_memory_equal(f->ram, m->bytes, sizeof(m->bytes));
	free(m);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_agrees_with_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
