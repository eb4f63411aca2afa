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

/* Those that have a value: gdb asks for the others. At least two digits of number, or
 * older lldb does not see that it is one. */
static void add_expedited(struct rsp *r, int thread)
{
	const struct rsp_description *d = conn_description(r);
	for (unsigned i = 0; d && i < d->count; i++) {
		size_t before = r->reply_length;
		if (!d->registers[i].expedited)
			continue;
		reply_number(r, i, 2);
		reply_char(r, ':');
		size_t value = r->reply_length;
		if (!reply_register(r, thread, i) || r->reply[value] == 'x')
			r->reply_length = before;
		else
			reply_char(r, ';');
	}
}

void stop_build(struct rsp *r, const struct rsp_stop *stop)
{
	r->general_thread = stop->thread;
	reply_begin(r);
	reply_char(r, 'T');
	reply_number(r, (uint64_t)stop->signal & 0xff, 2);
	add_expedited(r, stop->thread);
	reply_string(r, "thread:");
	reply_thread(r, stop->thread);
	reply_char(r, ';');
	add_reason(r, stop);
}
