#include <inttypes.h>
#include <string.h>

#include "bridge/gdb/monitor.h"
#include "bridge/target/memory.h"

/* Commands about the bridge itself: versions, costs, the cache. */

enum { COUNTS_MAX = 128 };

void monitor_version(struct gdb *g, const char *arguments)
{
	const struct kd_version *v = target_version(g->target);

	(void)arguments;
	monitor_print(g, "kdbridge %s\n", KDBRIDGE_VERSION);
	if (v)
		monitor_print(g,
			      "target: Windows build %u, machine %04x, KD protocol %u, "
			      "kernel at %#" PRIx64 "\n",
			      v->build, v->machine, v->protocol, v->kernel_base);
	else
		monitor_print(g, "target: not known yet\n");
}

static void print_link(struct gdb *g)
{
	const struct kdnet *k = target_kdnet(g->target);

	monitor_print(g,
		      "link: round trip %" PRIu64 " us, %" PRIu64
		      " repeated by us, %" PRIu64 " by the target, %" PRIu64 " dropped\n",
		      kdnet_round_trip_us(k), kdnet_count(k, KDNET_COUNT_REPEATED),
		      kdnet_count(k, KDNET_COUNT_DUPLICATES),
		      kdnet_count(k, KDNET_COUNT_DROPPED_FORM) +
			      kdnet_count(k, KDNET_COUNT_DROPPED_TAG) +
			      kdnet_count(k, KDNET_COUNT_DROPPED_REPLAY) +
			      kdnet_count(k, KDNET_COUNT_DROPPED_STRANGER));
}

void monitor_stats(struct gdb *g, const char *arguments)
{
	struct rsp_count counts[COUNTS_MAX];
	struct rsp *r = g->owner->client(g->owner_context);
	size_t n = r ? rsp_counts(r, counts, COUNTS_MAX) : 0;

	(void)arguments;
	monitor_print(g, "exchanges %" PRIu64 "\n", target_exchanges(g->target));
	monitor_print(g, "missed %" PRIu64 "\n", g->conditions.missed);
	for (size_t i = 0; i < n; i++)
		monitor_print(g, "%s %" PRIu64 " %" PRIu64 "\n", counts[i].kind,
			      counts[i].packets, counts[i].cost);
	print_link(g);
}

static void cache_off(struct gdb *g)
{
	memory_cache_enable(g->target, false);
}

static void cache_on(struct gdb *g)
{
	memory_cache_enable(g->target, true);
}

static void cache_flush(struct gdb *g)
{
	memory_cache_flush(g->target);
}

static void cache_stats(struct gdb *g)
{
	struct memory_statistics s = memory_statistics(g->target);

	monitor_print(
		g, "cache %s, %" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " bytes\n",
		s.enabled ? "on" : "off", s.hits, s.misses, s.bytes);
}

void monitor_cache(struct gdb *g, const char *arguments)
{
	static const struct {
		const char *word;
		void (*handler)(struct gdb *g);
	} words[] = {
		{ "", cache_stats },  { "stats", cache_stats }, { "on", cache_on },
		{ "off", cache_off }, { "flush", cache_flush },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(words[i].word, arguments)) {
			words[i].handler(g);
			return;
		}
	}
	monitor_print(g, "Usage: monitor cache on|off|flush|stats\n");
}
