/* Registers: g, G, p, P. */
#include "rsp/conn.h"

/* The description, and the thread by lldb's suffix or gdb's Hg, which ends the packet.
 * False: then E01 is right. */
static bool prepare(struct rsp *r, struct rsp_text *t, int *thread)
{
	*thread = thread_named(r, t);
	return conn_description(r) && *thread != RSP_ANY_THREAD && rsp_text_done(t);
}

/* Values in hex at the cursor, up to a suffix or the end. */
static struct rsp_text take_values(struct rsp_text *t)
{
	struct rsp_text values = { t->pos, 0, t->bad };
	while (!t->bad && t->left > 0 && *t->pos != ';') {
		t->pos++;
		t->left--;
		values.left++;
	}
	return values;
}

static size_t count_in_g(const struct rsp_description *d)
{
	size_t count = 0;
	while (count < d->count && d->registers[count].in_g)
		count++;
	return count;
}

void on_read_all(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	int thread;
	bool ok = prepare(r, &t, &thread);
	size_t count = ok ? count_in_g(r->description) : 0;
	reply_begin(r);
	for (unsigned i = 0; ok && i < count; i++)
		ok = reply_register(r, thread, i);
	if (ok && count > 0)
		reply_answer(r);
	else
		rsp_reply_error(r);
}

/* One value at the cursor; `x` digits leave the register as it is. */
static bool write_register(struct rsp *r, int thread, unsigned number, struct rsp_text *t)
{
	size_t size = register_size(&r->description->registers[number]);
	uint8_t value[RSP_REGISTER_MAX];
	if (t->bad || t->left < 2 * size)
		return false;
	struct rsp_text digits = { t->pos, 2 * size, false };
	t->pos += 2 * size;
	t->left -= 2 * size;
	if (digits.pos[0] == 'x')
		return true;
	return hex_decode(value, size, digits.pos, digits.left) &&
	       r->target->write_register &&
	       r->target->write_register(r->context, thread, number, value) == RSP_OK;
}

static size_t size_of_g(const struct rsp_description *d)
{
	size_t size = 0;
	for (size_t i = 0; i < count_in_g(d); i++)
		size += register_size(&d->registers[i]);
	return size;
}

void on_write_all(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct rsp_text values = take_values(&t);
	int thread;
	bool ok = prepare(r, &t, &thread) && values.left == 2 * size_of_g(r->description);
	size_t count = ok ? count_in_g(r->description) : 0;
	for (unsigned i = 0; ok && i < count; i++)
		ok = write_register(r, thread, i, &values);
	if (ok && rsp_text_done(&values))
		rsp_reply_ok(r);
	else
		rsp_reply_error(r);
}

void on_read_one(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	uint64_t number = rsp_text_hex(&t);
	int thread;
	bool ok = prepare(r, &t, &thread) && number < r->description->count;
	reply_begin(r);
	if (ok && reply_register(r, thread, (unsigned)number))
		reply_answer(r);
	else
		rsp_reply_error(r);
}

void on_write_one(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	uint64_t number = rsp_text_hex(&t);
	rsp_text_expect(&t, '=');
	struct rsp_text value = take_values(&t);
	int thread;
	bool ok = prepare(r, &t, &thread) && number < r->description->count &&
		  value.left == 2 * register_size(&r->description->registers[number]) &&
		  write_register(r, thread, (unsigned)number, &value);
	if (ok)
		rsp_reply_ok(r);
	else
		rsp_reply_error(r);
}
