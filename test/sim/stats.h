/*
 * What happened in the simulated target, for tests: counters, requests by API, and
 * violations, that is everything a strict kernel would have choked on.
 */
#ifndef SIM_STATS_H
#define SIM_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum stats_counter {
	STATS_STOPS,	       /* state changes, repetitions not counted */
	STATS_RESUMES,	       /* continues that let the processors run */
	STATS_RETRANSMISSIONS, /* our data packets repeated after a time-out */
	STATS_REPEATS,	       /* the same on the host's request (RESEND, RESET) */
	STATS_DATAGRAMS_IN,
	STATS_DATAGRAMS_OUT,
	STATS_DATAGRAMS_BAD,   /* not opened: another key, damaged, no KDNET */
	STATS_DATAGRAMS_OLD,   /* sequence not above the highest: dropped unseen */
	STATS_RESPONSES_STALE, /* echo no recent poke */
	STATS_POKES,
	STATS_HOST_POKES,
	STATS_CONNECTS, /* responses taken, each with a new data key */
	STATS_BREAK_INS,
	STATS_RESENDS_IN,
	STATS_RESETS_IN,
	STATS_RESENDS_OUT,
	STATS_DUPLICATES_IN, /* data packets acknowledged again and dropped */
	STATS_PRINTS,
	STATS_PROMPTS,
	STATS_LOADS,
	STATS_UNLOADS,
	STATS_SWITCHES,
	STATS_REBOOTS,
	STATS_FILES,	  /* file I/O: files that the host opened for us */
	STATS_FILE_BYTES, /* and bytes read from them */
	STATS_COUNTERS,
};

enum {
	STATS_API_FIRST = 0x3130,
	STATS_API_COUNT = 0x40,
	STATS_VIOLATIONS_MAX = 64, /* distinct ones; further are only summed up */
	STATS_VIOLATION_SIZE = 120,
};

struct stats_violation {
	char text[STATS_VIOLATION_SIZE];
	uint64_t count;
};

struct stats {
	uint64_t counters[STATS_COUNTERS];
	uint64_t apis[STATS_API_COUNT];
	struct stats_violation violations[STATS_VIOLATIONS_MAX];
	unsigned distinct;
	uint64_t violation_count;
	bool changed; /* since the owner cleared it */
};

void stats_count(struct stats *s, enum stats_counter counter);
void stats_add(struct stats *s, enum stats_counter counter, uint64_t amount);
void stats_api(struct stats *s, uint32_t api);

/* Equal texts are counted together, so keep addresses out of them. */
void stats_violation(struct stats *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Lines `name value`, then `violations N` and a line `violation COUNT TEXT` for each. */
void stats_print(const struct stats *s, FILE *out);

#endif
