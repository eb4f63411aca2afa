#include "test/sim/stats.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static const char *const names[STATS_COUNTERS] = {
	[STATS_STOPS] = "stops",
	[STATS_RESUMES] = "resumes",
	[STATS_RETRANSMISSIONS] = "retransmissions",
	[STATS_REPEATS] = "repeats",
	[STATS_DATAGRAMS_IN] = "datagrams_in",
	[STATS_DATAGRAMS_OUT] = "datagrams_out",
	[STATS_DATAGRAMS_BAD] = "datagrams_bad",
	[STATS_DATAGRAMS_OLD] = "datagrams_old",
	[STATS_RESPONSES_STALE] = "responses_stale",
	[STATS_POKES] = "pokes",
	[STATS_HOST_POKES] = "host_pokes",
	[STATS_CONNECTS] = "connects",
	[STATS_BREAK_INS] = "break_ins",
	[STATS_RESENDS_IN] = "resends_in",
	[STATS_RESETS_IN] = "resets_in",
	[STATS_RESENDS_OUT] = "resends_out",
	[STATS_DUPLICATES_IN] = "duplicates_in",
	[STATS_PRINTS] = "prints",
	[STATS_PROMPTS] = "prompts",
	[STATS_LOADS] = "loads",
	[STATS_UNLOADS] = "unloads",
	[STATS_SWITCHES] = "switches",
	[STATS_REBOOTS] = "reboots",
	[STATS_FILES] = "files",
	[STATS_FILE_BYTES] = "file_bytes",
};

void stats_add(struct stats *s, enum stats_counter counter, uint64_t amount)
{
	s->counters[counter] += amount;
	s->changed = true;
}

void stats_count(struct stats *s, enum stats_counter counter)
{
	stats_add(s, counter, 1);
}

void stats_api(struct stats *s, uint32_t api)
{
	if (api >= STATS_API_FIRST && api - STATS_API_FIRST < STATS_API_COUNT)
		s->apis[api - STATS_API_FIRST]++;
	s->changed = true;
}

void stats_violation(struct stats *s, const char *format, ...)
{
	char text[STATS_VIOLATION_SIZE];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);

	s->changed = true;
	s->violation_count++;
	for (unsigned i = 0; i < s->distinct; i++) {
		if (strcmp(s->violations[i].text, text) == 0) {
			s->violations[i].count++;
			return;
		}
	}
	if (s->distinct == STATS_VIOLATIONS_MAX)
		return;
	struct stats_violation *added = &s->violations[s->distinct++];
	memcpy(added->text, text, sizeof(text));
	added->count = 1;
}

void stats_print(const struct stats *s, FILE *out)
{
	for (unsigned i = 0; i < STATS_COUNTERS; i++)
		(void)fprintf(out, "%s %" PRIu64 "\n", names[i], s->counters[i]);
	for (unsigned i = 0; i < STATS_API_COUNT; i++) {
		if (s->apis[i] > 0)
			(void)fprintf(out, "api %x %" PRIu64 "\n", STATS_API_FIRST + i,
				      s->apis[i]);
	}
	(void)fprintf(out, "violations %" PRIu64 "\n", s->violation_count);
	for (unsigned i = 0; i < s->distinct; i++)
		(void)fprintf(out, "violation %" PRIu64 " %s\n", s->violations[i].count,
			      s->violations[i].text);
}
