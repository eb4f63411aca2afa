/* Memory: m, M, X. `x` is answered empty: gdb and lldb disagree on its form. */
#include "rsp/conn.h"

/* `addr,length` */
struct span {
	uint64_t address, length;
};

static struct span take_span(struct rsp_text *t)
{
	struct span span;
	span.address = rsp_text_hex(t);
	rsp_text_expect(t, ',');
	span.length = rsp_text_hex(t);
	return span;
}

/* How much of it lies below the end of the address space. */
static uint64_t length_in_space(const struct span *span)
{
	uint64_t behind = UINT64_MAX - span->address;
	return span->length > 0 && span->length - 1 > behind ? behind + 1 : span->length;
}

void on_memory_read(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct span span = take_span(&t);
	uint64_t wanted = length_in_space(&span);
	if (wanted > RSP_PACKET_MAX / 2)
		wanted = RSP_PACKET_MAX / 2;
	size_t done = 0;
	bool ok = rsp_text_done(&t) && wanted > 0 && r->target->read_memory &&
		  r->target->read_memory(r->context, span.address, r->scratch,
					 (size_t)wanted, &done) == RSP_OK;
	if (ok && done > 0 && done <= wanted)
		rsp_reply_hex(r, r->scratch, done);
	else
		rsp_reply_error(r);
}

static void write_memory(struct rsp *r, const struct span *span, const uint8_t *bytes)
{
	size_t done = 0;
	bool ok = length_in_space(span) == span->length && r->target->write_memory;
	if (ok && span->length > 0)
		ok = r->target->write_memory(r->context, span->address, bytes,
					     (size_t)span->length, &done) == RSP_OK;
	if (ok && done == span->length) /* of nothing: a probe */
		rsp_reply_ok(r);
	else
		rsp_reply_error(r);
}

void on_memory_write_hex(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct span span = take_span(&t);
	rsp_text_expect(&t, ':');
	if (!t.bad && span.length <= sizeof(r->scratch) &&
	    hex_decode(r->scratch, (size_t)span.length, t.pos, t.left))
		write_memory(r, &span, r->scratch);
	else
		rsp_reply_error(r);
}

void on_memory_write(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct span span = take_span(&t);
	rsp_text_expect(&t, ':');
	if (!t.bad && span.length == t.left)
		write_memory(r, &span, t.pos);
	else
		rsp_reply_error(r);
}
