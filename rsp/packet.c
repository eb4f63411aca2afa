#include "rsp/conn.h"

#include <stdio.h>
#include <string.h>

/* The order means nothing: the longest name that fits wins. RSP.md §1, §4, §7, §9. */
static const struct rsp_packet packets[] = {
	{ "qSupported", RSP_PREFIX, RSP_ALWAYS, on_supported },
	{ "QStartNoAckMode", RSP_EXACT, RSP_ALWAYS, on_no_ack_mode },
	{ "!", RSP_EXACT, RSP_ALWAYS, on_extended },
	{ "?", RSP_EXACT, RSP_ALWAYS, on_stop_reason },
	{ "qAttached", RSP_PREFIX, RSP_ALWAYS, on_attached },
	{ "qSymbol:", RSP_PREFIX, RSP_ALWAYS, on_symbol },
	{ "vAttach;", RSP_PREFIX, RSP_ALWAYS, on_attach },
	{ "vRun;", RSP_PREFIX, RSP_ALWAYS, on_restart },
	{ "R", RSP_PREFIX, RSP_ALWAYS, on_restart },
	{ "D", RSP_PREFIX, RSP_WHILE_RUNNING, on_detach },
	{ "vKill;", RSP_PREFIX, RSP_WHILE_RUNNING, on_vkill },
	{ "k", RSP_EXACT, RSP_WHILE_RUNNING, on_kill },

	{ "H", RSP_PREFIX, RSP_ALWAYS, on_set_thread },
	{ "T", RSP_PREFIX, RSP_ALWAYS, on_thread_alive },
	{ "qC", RSP_EXACT, RSP_ALWAYS, on_current_thread },
	{ "qfThreadInfo", RSP_EXACT, RSP_ALWAYS, on_thread_list },
	{ "qsThreadInfo", RSP_EXACT, RSP_ALWAYS, on_thread_list_more },
	{ "qThreadExtraInfo,", RSP_PREFIX, RSP_STOPPED, on_thread_extra },

	{ "g", RSP_EXACT, RSP_STOPPED, on_read_all },
	{ "G", RSP_PREFIX, RSP_STOPPED, on_write_all },
	{ "p", RSP_PREFIX, RSP_STOPPED, on_read_one },
	{ "P", RSP_PREFIX, RSP_STOPPED, on_write_one },

	{ "m", RSP_PREFIX, RSP_STOPPED, on_memory_read },
	{ "M", RSP_PREFIX, RSP_STOPPED, on_memory_write_hex },
	{ "X", RSP_PREFIX, RSP_STOPPED, on_memory_write },

	{ "Z", RSP_PREFIX, RSP_STOPPED, on_insert },
	{ "z", RSP_PREFIX, RSP_STOPPED, on_remove },

	{ "c", RSP_PREFIX, RSP_STOPPED, on_continue },
	{ "C", RSP_PREFIX, RSP_STOPPED, on_continue_signal },
	{ "s", RSP_PREFIX, RSP_STOPPED, on_step },
	{ "S", RSP_PREFIX, RSP_STOPPED, on_step_signal },
	{ "vCont;", RSP_PREFIX, RSP_STOPPED, on_vcont },
	{ "vCont?", RSP_EXACT, RSP_ALWAYS, on_vcont_query },

	{ "qXfer:features:read:", RSP_PREFIX, RSP_ALWAYS, on_features_read },
	{ "qXfer:threads:read:", RSP_PREFIX, RSP_ALWAYS, on_threads_read },
	{ "qXfer:", RSP_PREFIX, RSP_ALWAYS, on_xfer },
	{ "qRcmd,", RSP_PREFIX, RSP_ALWAYS, on_command },

	/* lldb's; RSP.md §10 to §15 */
	{ "QThreadSuffixSupported", RSP_EXACT, RSP_ALWAYS, on_thread_suffix },
	{ "QListThreadsInStopReply", RSP_EXACT, RSP_ALWAYS, on_threads_in_stop },
	{ "qSupportsDetachAndStayStopped:", RSP_PREFIX, RSP_ALWAYS, on_stay_stopped },
	{ "QEnableErrorStrings", RSP_EXACT, RSP_ALWAYS, on_error_strings },
	{ "qHostInfo", RSP_EXACT, RSP_ALWAYS, on_host },
	{ "qProcessInfo", RSP_EXACT, RSP_ALWAYS, on_process },
	{ "qFileLoadAddress:", RSP_PREFIX, RSP_ALWAYS, on_file_address },
	{ "qThreadStopInfo", RSP_PREFIX, RSP_STOPPED, on_thread_stop },
	{ "jThreadsInfo", RSP_EXACT, RSP_STOPPED, on_threads_json },
	{ "x", RSP_PREFIX, RSP_STOPPED, on_memory_read_binary },
	{ "qMemoryRegionInfo:", RSP_PREFIX, RSP_STOPPED, on_memory_region },

	{ NULL, RSP_EXACT, RSP_ALWAYS, NULL },
};

const struct rsp_packet *packet_table(void)
{
	return packets;
}

static bool fits(const struct rsp_packet *row, const uint8_t *payload, size_t length)
{
	size_t name = strlen(row->name);
	return length >= name && memcmp(payload, row->name, name) == 0 &&
	       (row->match == RSP_PREFIX || length == name);
}

static const struct rsp_packet *longest(const struct rsp_packet *table,
					const uint8_t *payload, size_t length)
{
	const struct rsp_packet *best = NULL;
	for (const struct rsp_packet *row = table; row && row->name; row++) {
		if (fits(row, payload, length) &&
		    (!best || strlen(row->name) > strlen(best->name)))
			best = row;
	}
	return best;
}

const struct rsp_packet *packet_find(const struct rsp_target *target,
				     const uint8_t *payload, size_t length)
{
	const struct rsp_packet *own = longest(target->packets, payload, length);
	return own ? own : longest(packets, payload, length);
}

/* ---- counts ---- */

/* The last place collects what no longer has one of its own. */
static struct rsp_count *count_of(struct rsp *r, const char *kind)
{
	for (size_t i = 0; i < r->kinds; i++) {
		if (strncmp(r->counts[i].kind, kind, sizeof(r->counts[i].kind) - 1) == 0)
			return &r->counts[i];
	}
	if (r->kinds == RSP_KINDS_MAX)
		return &r->counts[RSP_KINDS_MAX - 1];
	struct rsp_count *fresh = &r->counts[r->kinds++];
	(void)snprintf(fresh->kind, sizeof(fresh->kind), "%s",
		       r->kinds == RSP_KINDS_MAX ? "other" : kind);
	return fresh;
}

void packet_count_as(struct rsp *r, const char *kind)
{
	if (r->kind)
		r->kind->packets--;
	r->kind = count_of(r, kind);
	r->kind->packets++;
}

size_t rsp_counts(const struct rsp *r, struct rsp_count *out, size_t max)
{
	size_t count = 0;
	for (size_t i = 0; i < r->kinds && count < max; i++) {
		if (r->counts[i].packets > 0) /* 0: all were counted as another */
			out[count++] = r->counts[i];
	}
	return count;
}

void rsp_cost(struct rsp *r, uint64_t cost)
{
	if (r->kind)
		r->kind->cost += cost;
}

/* ---- dispatch ---- */

void packet_serve(struct rsp *r, const uint8_t *payload, size_t length)
{
	const struct rsp_packet *row = packet_find(r->target, payload, length);
	r->kind = NULL;
	packet_count_as(r, row ? row->name : "unknown");
	if (!row)
		rsp_reply_empty(r);
	else if (row->when == RSP_STOPPED && r->state != RSP_HALTED)
		rsp_reply_error(r);
	else
		row->handler(r, payload + strlen(row->name), length - strlen(row->name));
	r->kind = NULL;
}
