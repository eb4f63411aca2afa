/* Debug registers of the fake target: set by the bridge, hit when a test says so. */
#ifndef TEST_FAKE_WATCH_H
#define TEST_FAKE_WATCH_H

#include "test/unit/bridge/fake_target.h"

#define DATA (FAKE_BASE + 0x2800)
#define SITE (FAKE_CODE + 0x40)

static inline enum kd_result write_watch(struct fake_target *f, uint64_t address,
					 uint64_t length)
{
	return watchpoint_insert(f->t, WATCHPOINT_WRITE, address, length);
}

static inline void never_ends(struct fake_target *f, bool trace)
{
	(void)f;
	(void)trace;
}

/* The next report says that these registers were hit on that processor. */
static inline void hit(struct fake_target *f, unsigned cpu, unsigned slots)
{
	f->dr6_hits = slots;
	fake_exception(f, cpu, KD_STATUS_SINGLE_STEP);
	f->dr6_hits = 0;
}

static inline void run_until_hit(struct fake_target *f, unsigned cpu, unsigned slots)
{
	unsigned stops = f->stops;
	f->on_resume = never_ends;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	hit(f, cpu, slots);
	fake_spin_until(f, &f->stops, stops + 1);
}

#endif
