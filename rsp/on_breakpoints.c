/* Breakpoints and watchpoints: Z, z. */
#include "rsp/conn.h"

typedef enum rsp_result change(void *context, enum rsp_breakpoint_type type,
			       uint64_t address, uint64_t kind);

/*
 * `type,address,kind`. Conditions and commands behind a ';' were not offered: refused,
 * since to leave them out would change what was asked. A software breakpoint is never
 * answered empty, or gdb writes the opcode itself (RSP.md §4).
 */
static void serve(struct rsp *r, const uint8_t *arguments, size_t length,
		  change *function)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	uint64_t type = rsp_text_hex(&t);
	rsp_text_expect(&t, ',');
	uint64_t address = rsp_text_hex(&t);
	rsp_text_expect(&t, ',');
	uint64_t kind = rsp_text_hex(&t);

	enum rsp_result result = RSP_ERROR;
	if (!t.bad && type > RSP_ACCESS_WATCHPOINT)
		result = RSP_UNSUPPORTED;
	else if (rsp_text_done(&t))
		result = function ? function(r->context, (enum rsp_breakpoint_type)type,
					     address, kind)
				  : RSP_UNSUPPORTED;
	if (result == RSP_OK)
		rsp_reply_ok(r);
	else if (result == RSP_UNSUPPORTED && type != RSP_SOFTWARE_BREAKPOINT)
		rsp_reply_empty(r);
	else
		rsp_reply_error(r);
}

void on_insert(struct rsp *r, const uint8_t *arguments, size_t length)
{
	serve(r, arguments, length, r->target->insert);
}

void on_remove(struct rsp *r, const uint8_t *arguments, size_t length)
{
	serve(r, arguments, length, r->target->remove);
}
