/* Memory: m, M, X. lldb's `x` is in on_lldb_memory.c. */
#include "rsp/conn.h"

struct rsp_span text_span(struct rsp_text *t)
{
	struct rsp_span span;
	span.address = rsp_text_hex(t);
	rsp_text_expect(t, ',');
	span.length = rsp_text_hex(t);
	return span;
}

/* How much of it lies below the end of the address space. */
static uint64_t length_in_space(const struct rsp_span *span)
{
	uint64_t behind = UINT64_MAX - span->address;
	return span->length > 0 && span->length - 1 > behind ? behind + 1 : span->length;
}

bool memory_read_span(struct rsp *r, const struct rsp_text *t,
		      const struct rsp_span *span, size_t limit, size_t *done)
{
	uint64_t wanted = length_in_space(span);
	if (wanted > limit)
		wanted = limit;
	*done = 0;
	return rsp_text_done(t) && wanted > 0 && r->target->read_memory &&
	       r->target->read_memory(r->context, span->address, r->scratch,
				      (size_t)wanted, done) == RSP_OK &&
	       *done > 0 && *done <= wanted;
}

void on_memory_read(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct rsp_span span = text_span(&t);
	size_t done;
	if (memory_read_span(r, &t, &span, RSP_PACKET_MAX / 2, &done))
		rsp_reply_hex(r, r->scratch, done);
	else
		rsp_reply_error(r);
}

static void write_memory(struct rsp *r, const struct rsp_span *span, const uint8_t *bytes)
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
	struct rsp_span span = text_span(&t);
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
	struct rsp_span span = text_span(&t);
	rsp_text_expect(&t, ':');
	if (!t.bad && span.length == t.left)
		write_memory(r, &span, t.pos);
	else
		rsp_reply_error(r);
}
