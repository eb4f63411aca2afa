/* Breakpoints and watchpoints: Z, z. */
#include "rsp/conn.h"

struct point {
	uint64_t type, address, kind;
	struct rsp_conditions conditions;
};

/*
 * `Xlength,code`: the code, as bytes, is put at *out, where there is room for what a
 * packet can hold.
 */
static void take_condition(struct rsp_text *t, struct rsp_conditions *conditions,
			   uint8_t **out)
{
	uint64_t length = rsp_text_hex(t);
	rsp_text_expect(t, ',');
	if (t->bad || length == 0 || length > t->left / 2 ||
	    conditions->count == RSP_CONDITIONS_MAX ||
	    !hex_decode(*out, (size_t)length, t->pos, 2 * (size_t)length)) {
		t->bad = true;
		return;
	}
	conditions->list[conditions->count++] =
		(struct rsp_condition){ *out, (size_t)length };
	*out += length;
	t->pos += 2 * length;
	t->left -= 2 * (size_t)length;
}

/*
 * `type,address,kind`, and of a breakpoint that is inserted `;X…X…` or `;X…;X…`. Commands
 * (`cmds:`) were not offered: refused, since to leave them out would change what was
 * asked.
 */
static bool parse(struct rsp *r, struct rsp_text t, bool conditional, struct point *point)
{
	uint8_t *code = r->scratch;
	point->conditions.count = 0;
	point->type = rsp_text_hex(&t);
	rsp_text_expect(&t, ',');
	point->address = rsp_text_hex(&t);
	rsp_text_expect(&t, ',');
	point->kind = rsp_text_hex(&t);
	conditional &= point->type <= RSP_HARDWARE_BREAKPOINT;
	while (conditional && !t.bad && t.left > 0) {
		if (rsp_text_accept(&t, ';') && t.left == 0)
			break;
		rsp_text_expect(&t, 'X');
		take_condition(&t, &point->conditions, &code);
	}
	return rsp_text_done(&t);
}

/* A software breakpoint is never answered empty, or gdb writes the opcode itself
 * (RSP.md §4). */
static void answer(struct rsp *r, enum rsp_result result, uint64_t type)
{
	if (result == RSP_OK)
		rsp_reply_ok(r);
	else if (result == RSP_UNSUPPORTED && type != RSP_SOFTWARE_BREAKPOINT)
		rsp_reply_empty(r);
	else
		rsp_reply_error(r);
}

/* False: it has been answered. Of a type that is not known nothing else is looked at. */
static bool take(struct rsp *r, struct rsp_text t, bool conditional, struct point *point)
{
	struct rsp_text type = t;
	uint64_t number = rsp_text_hex(&type);
	rsp_text_expect(&type, ',');
	if (!type.bad && number > RSP_ACCESS_WATCHPOINT)
		answer(r, RSP_UNSUPPORTED, number);
	else if (parse(r, t, conditional, point))
		return true;
	else
		rsp_reply_error(r);
	return false;
}

void on_insert(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct point p;
	enum rsp_result result = RSP_UNSUPPORTED;
	if (!take(r, rsp_text_init(arguments, length), true, &p))
		return;
	if (r->target->insert)
		result = r->target->insert(r->context, (enum rsp_breakpoint_type)p.type,
					   p.address, p.kind, &p.conditions);
	r->lldb.plants |= result == RSP_OK;
	answer(r, result, p.type);
}

void on_remove(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct point p;
	enum rsp_result result = RSP_UNSUPPORTED;
	if (!take(r, rsp_text_init(arguments, length), false, &p))
		return;
	if (r->target->remove)
		result = r->target->remove(r->context, (enum rsp_breakpoint_type)p.type,
					   p.address, p.kind);
	answer(r, result, p.type);
}
