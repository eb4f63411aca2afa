/*
 * Time that only passes when somebody waits, and libev's functions over it: a session's
 * timers run without a second of real time, and an input means the same each time. Stands
 * in for the library: a program defines each function once, here.
 */
#ifndef TEST_FUZZ_VIRTUAL_LOOP_H
#define TEST_FUZZ_VIRTUAL_LOOP_H

#include <ev.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "test/fuzz/fuzz.h"

enum { VIRTUAL_WATCHERS = 32 };

static struct {
	uint64_t now_us;
	struct ev_timer *timers[VIRTUAL_WATCHERS];
	struct ev_idle *idles[VIRTUAL_WATCHERS];
	struct ev_watcher *fed;
	/* Something happens by itself: wire, client. False: nothing is due. */
	bool (*turn)(void);
	/* When something happens next. */
	uint64_t (*next_us)(void);
} virtual_loop;

int clock_gettime(clockid_t clock, struct timespec *out)
{
	if (clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, out);
	out->tv_sec = (time_t)(virtual_loop.now_us / 1000000);
	out->tv_nsec = (long)(virtual_loop.now_us % 1000000) * 1000;
	return 0;
}

void ev_now_update(struct ev_loop *loop)
{
	(void)loop;
}

void ev_break(struct ev_loop *loop, int how)
{
	(void)loop;
	(void)how;
}

/* ---- timers: `at` is absolute while one is active ---- */

void ev_timer_start(struct ev_loop *loop, ev_timer *timer)
{
	(void)loop;
	if (timer->active)
		return;
	unsigned n = 0;
	while (n < VIRTUAL_WATCHERS && virtual_loop.timers[n])
		n++;
	must(n < VIRTUAL_WATCHERS && timer->at >= 0. && timer->at < 1e6);
	timer->at += (double)virtual_loop.now_us / 1e6;
	timer->active = 1;
	virtual_loop.timers[n] = timer;
}

void ev_timer_stop(struct ev_loop *loop, ev_timer *timer)
{
	(void)loop;
	for (unsigned n = 0; n < VIRTUAL_WATCHERS; n++)
		if (virtual_loop.timers[n] == timer)
			virtual_loop.timers[n] = NULL;
	timer->active = 0;
}

void ev_timer_again(struct ev_loop *loop, ev_timer *timer)
{
	ev_timer_stop(loop, timer);
	timer->at = timer->repeat;
	if (timer->repeat > 0.)
		ev_timer_start(loop, timer);
}

static ev_timer *first_timer(void)
{
	ev_timer *first = NULL;
	for (unsigned n = 0; n < VIRTUAL_WATCHERS; n++) {
		ev_timer *timer = virtual_loop.timers[n];
		if (timer && (!first || timer->at < first->at))
			first = timer;
	}
	return first;
}

static void fire(struct ev_loop *loop, ev_timer *timer)
{
	if (timer->repeat > 0.)
		ev_timer_again(loop, timer);
	else
		ev_timer_stop(loop, timer);
	timer->cb(loop, timer, EV_TIMER);
}

/* ---- what runs when nothing else does, and what was fed ---- */

void ev_idle_start(struct ev_loop *loop, ev_idle *idle)
{
	(void)loop;
	for (unsigned n = 0; !idle->active && n < VIRTUAL_WATCHERS; n++) {
		if (virtual_loop.idles[n])
			continue;
		virtual_loop.idles[n] = idle;
		idle->active = 1;
	}
}

void ev_idle_stop(struct ev_loop *loop, ev_idle *idle)
{
	(void)loop;
	for (unsigned n = 0; n < VIRTUAL_WATCHERS; n++)
		if (virtual_loop.idles[n] == idle)
			virtual_loop.idles[n] = NULL;
	idle->active = 0;
}

void ev_feed_event(struct ev_loop *loop, void *watcher, int events)
{
	(void)loop;
	(void)events;
	must(!virtual_loop.fed || virtual_loop.fed == watcher);
	virtual_loop.fed = watcher;
}

int ev_clear_pending(struct ev_loop *loop, void *watcher)
{
	(void)loop;
	if (virtual_loop.fed == watcher)
		virtual_loop.fed = NULL;
	return 0;
}

static bool run_fed(struct ev_loop *loop)
{
	struct ev_watcher *fed = virtual_loop.fed;
	virtual_loop.fed = NULL;
	if (fed)
		fed->cb(loop, fed, EV_ASYNC);
	return fed != NULL;
}

static bool run_idle(struct ev_loop *loop)
{
	for (unsigned n = 0; n < VIRTUAL_WATCHERS; n++) {
		struct ev_idle *idle = virtual_loop.idles[n];
		if (!idle)
			continue;
		idle->cb(loop, idle, EV_IDLE);
		return true;
	}
	return false;
}

/* ---- the loop ---- */

int ev_run(struct ev_loop *loop, int flags)
{
	must(flags == EVRUN_ONCE);
	if (run_fed(loop) || virtual_loop.turn() || run_idle(loop))
		return 1;
	ev_timer *timer = first_timer();
	uint64_t timer_us = timer ? (uint64_t)(timer->at * 1e6 + .5) : UINT64_MAX;
	uint64_t next_us = virtual_loop.next_us();
	must(timer_us != UINT64_MAX ||
	     next_us != UINT64_MAX); /* else it sleeps for ever */
	uint64_t at_us = timer_us < next_us ? timer_us : next_us;
	if (at_us > virtual_loop.now_us)
		virtual_loop.now_us = at_us;
	if (timer_us <= next_us)
		fire(loop, timer);
	return 1;
}

#endif
