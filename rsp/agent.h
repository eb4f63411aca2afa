/*
 * Agent expressions: the bytecode that gdb makes of a breakpoint's condition, for a
 * stack of 64-bit numbers. Sans-I/O: the code in, a value or an error out; registers and
 * memory are asked of the caller. Code is hostile: whatever it says, the evaluation ends
 * soon and touches nothing but its own stack. RSP.md §4 "Conditions"; the operations are
 * those of gdb's manual, "Bytecode Descriptions".
 */
#ifndef RSP_AGENT_H
#define RSP_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* gdb's conditions take some ten steps for each operator, and cannot loop. */
	RSP_AGENT_STEPS_MAX = 10000,
	RSP_AGENT_STACK_MAX = 100,
	/* Each may cost its reader a question to the target. */
	RSP_AGENT_READS_MAX = 256,
};

enum rsp_agent_error {
	RSP_AGENT_DONE,
	RSP_AGENT_NO_MEMORY,   /* read_memory said no */
	RSP_AGENT_NO_REGISTER, /* read_register said no */
	RSP_AGENT_DIVISION,    /* by zero */
	RSP_AGENT_STACK,       /* too few on it for the operation, or too many */
	RSP_AGENT_TOO_LONG,    /* more steps or reads than the limits above */
	RSP_AGENT_BAD_CODE,    /* cut off, a jump to nowhere, an operand out of range */
	RSP_AGENT_UNSUPPORTED, /* floats, printf, trace variables, unknown operations */
	RSP_AGENT_ERRORS
};

/* Both get `context`; false: it cannot be read. */
struct rsp_agent_source {
	void *context;
	/* Register of the target description's number, not sign-extended. */
	bool (*read_register)(void *context, unsigned number, uint64_t *value);
	/* An unsigned number of 1, 2, 4 or 8 bytes in the target's byte order. */
	bool (*read_memory)(void *context, uint64_t address, size_t length,
			    uint64_t *value);
};

/*
 * Evaluates the expression; *value is set for RSP_AGENT_DONE alone. Operations that only
 * collect trace data do nothing here but what they do to the stack.
 */
enum rsp_agent_error rsp_agent_evaluate(const uint8_t *code, size_t length,
					const struct rsp_agent_source *source,
					uint64_t *value)
	__attribute__((warn_unused_result));

/* The error in a few words, as an end of "cannot be evaluated: …". */
const char *rsp_agent_error_text(enum rsp_agent_error error);

#endif
