/* Memory as lldb asks for it: x, qMemoryRegionInfo. RSP.md §15. */
#include "rsp/conn.h"

#include <string.h>

/*
 * `xADDRESS,LENGTH`: raw bytes; `x0,0` asks whether there is that packet. The `x` of gdb 16
 * wants another answer.
 */
void on_memory_read_binary(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct rsp_span span = text_span(&t);
	size_t done = 0;
	if (!rsp_is_lldb(r) || !r->target->read_memory)
		rsp_reply_empty(r);
	else if (rsp_text_done(&t) && span.length == 0)
		rsp_reply_ok(r);
	else if (memory_read_span(r, &t, &span, RSP_PACKET_MAX, &done))
		rsp_reply_binary(r, "", r->scratch, done);
	else
		rsp_reply_error(r);
}

static void add_permissions(struct rsp *r, const struct rsp_region *region)
{
	reply_string(r, "permissions:");
	if (region->readable)
		reply_char(r, 'r');
	if (region->writable)
		reply_char(r, 'w');
	if (region->executable)
		reply_char(r, 'x');
	reply_char(r, ';');
}

static void answer_region(struct rsp *r, const struct rsp_region *region)
{
	reply_begin(r);
	reply_string(r, "start:");
	reply_number(r, region->start, 1);
	reply_string(r, ";size:");
	reply_number(r, region->size, 1);
	reply_char(r, ';');
	if (region->mapped) /* a gap has none */
		add_permissions(r, region);
	if (region->name[0] != '\0') {
		reply_string(r, "name:");
		reply_bytes_hex(r, region->name,
				strnlen(region->name, sizeof(region->name)));
		reply_char(r, ';');
	}
	reply_answer(r);
}

/* `qMemoryRegionInfo:ADDRESS` */
void on_memory_region(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct rsp_region region = { 0 };
	uint64_t address;
	if (!r->target->region) {
		rsp_reply_empty(r);
		return;
	}
	address = rsp_text_hex(&t);
	if (rsp_text_done(&t) &&
	    r->target->region(r->context, address, &region) == RSP_OK)
		answer_region(r, &region);
	else
		rsp_reply_error(r);
}
