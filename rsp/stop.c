#include "rsp/conn.h"

#include <string.h>

static bool always(const struct rsp *r)
{
	(void)r;
	return true;
}

static bool takes_swbreak(const struct rsp *r)
{
	return r->client.swbreak;
}

static bool takes_hwbreak(const struct rsp *r)
{
	return r->client.hwbreak;
}

/* How a reason is said; RSP.md §4. */
static const struct reason_key {
	const char *key; /* NULL: nothing is said */
	bool has_address;
	bool (*wanted)(const struct rsp *r);
} reason_keys[] = {
	[RSP_STOP_PLAIN] = { NULL, false, always },
	[RSP_STOP_SWBREAK] = { "swbreak", false, takes_swbreak },
	[RSP_STOP_HWBREAK] = { "hwbreak", false, takes_hwbreak },
	[RSP_STOP_WATCH] = { "watch", true, always },
	[RSP_STOP_RWATCH] = { "rwatch", true, always },
	[RSP_STOP_AWATCH] = { "awatch", true, always },
	[RSP_STOP_LIBRARY] = { "library", false, always },
	[RSP_STOP_TRACE] = { NULL, false, always },
};

static void add_reason(struct rsp *r, const struct rsp_stop *stop)
{
	if ((size_t)stop->reason >= sizeof(reason_keys) / sizeof(*reason_keys))
		return;
	const struct reason_key *reason = &reason_keys[stop->reason];
	if (!reason->key || !reason->wanted(r))
		return;
	reply_string(r, reason->key);
	reply_char(r, ':');
	if (reason->has_address)
		reply_number(r, stop->address, 1);
	reply_char(r, ';');
}

size_t register_size(const struct rsp_register *reg)
{
	size_t size = (reg->bits + 7u) / 8;
	return size < RSP_REGISTER_MAX ? size : RSP_REGISTER_MAX;
}

bool register_value(struct rsp *r, int thread, unsigned number,
		    uint8_t value[static RSP_REGISTER_MAX])
{
	bool valid = false;
	memset(value, 0, RSP_REGISTER_MAX);
	return r->target->read_register &&
	       r->target->read_register(r->context, thread, number, value, &valid) ==
		       RSP_OK &&
	       valid;
}

bool reply_register(struct rsp *r, int thread, unsigned number)
{
	size_t size = register_size(&r->description->registers[number]);
	uint8_t value[RSP_REGISTER_MAX] = { 0 };
	bool valid = false;
	if (!r->target->read_register ||
	    r->target->read_register(r->context, thread, number, value, &valid) != RSP_OK)
		return false;
	if (valid)
		reply_bytes_hex(r, value, size);
	for (size_t i = 0; !valid && i < 2 * size; i++)
		reply_char(r, 'x');
	return true;
}

bool register_is_told(const struct rsp *r, const struct rsp_register *reg)
{
	/* lldb asks for each that is missing by a packet of its own */
	return reg->expedited || (rsp_is_lldb(r) && reg->in_g && reg->group &&
				  strcmp(reg->group, "general") == 0);
}

/* Those that have a value: gdb asks for the others. At least two digits of number, or
 * older lldb does not see that it is one. */
static void add_expedited(struct rsp *r, int thread)
{
	const struct rsp_description *d = conn_description(r);
	for (unsigned i = 0; d && i < d->count; i++) {
		uint8_t value[RSP_REGISTER_MAX];
		if (!register_is_told(r, &d->registers[i]) ||
		    !register_value(r, thread, i, value))
			continue;
		reply_number(r, i, 2);
		reply_char(r, ':');
		reply_bytes_hex(r, value, register_size(&d->registers[i]));
		reply_char(r, ';');
	}
}

static void add_thread(struct rsp *r, int thread)
{
	reply_string(r, "thread:");
	reply_thread(r, thread);
	reply_char(r, ';');
}

void stop_build(struct rsp *r, const struct rsp_stop *stop)
{
	bool lldb = rsp_is_lldb(r);
	r->general_thread = stop->thread;
	r->stop = *stop;
	reply_begin(r);
	reply_char(r, 'T');
	reply_number(r, (uint64_t)stop->signal & 0xff, 2);
	add_expedited(r, stop->thread);
	add_thread(r, stop->thread);
	if (lldb && stop->reason != RSP_STOP_LIBRARY)
		lldb_add_thread(r, stop->thread);
	if (lldb)
		lldb_add_threads(r, stop);
	add_reason(r, stop);
	if (lldb)
		lldb_add_reason(r, stop);
	if (lldb && stop->reason != RSP_STOP_LIBRARY)
		lldb_add_stack(r, stop->thread);
}

void stop_build_other(struct rsp *r, int thread)
{
	reply_begin(r);
	reply_string(r, "T00");
	add_thread(r, thread);
	lldb_add_thread(r, thread);
}
