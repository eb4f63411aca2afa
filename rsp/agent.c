#include "rsp/agent.h"

/* ---- the machine ---- */

struct machine {
	const uint8_t *code;
	size_t length, pc;
	const struct rsp_agent_source *source;
	uint64_t operand; /* of the present operation */
	size_t depth;
	unsigned steps, reads;
	bool over;
	uint64_t stack[RSP_AGENT_STACK_MAX];
};

/*
 * One operation. s[0] is the lowest of those that it pops, and where what it pushes
 * begins: both are known to have room (the row says how many).
 */
typedef enum rsp_agent_error operation(struct machine *m, uint64_t *s);

/* ---- arithmetic: the lowest is the left operand; wraps, as gdb's does ---- */

static enum rsp_agent_error add(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] += s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error sub(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] -= s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error mul(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] *= s[1];
	return RSP_AGENT_DONE;
}

static bool is_negative(uint64_t value)
{
	return value >> 63;
}

static uint64_t magnitude(uint64_t value)
{
	return is_negative(value) ? -value : value;
}

/* By magnitudes, as the least number divided by -1 is not defined in C. */
static enum rsp_agent_error div_signed(struct machine *m, uint64_t *s)
{
	(void)m;
	if (s[1] == 0)
		return RSP_AGENT_DIVISION;
	uint64_t quotient = magnitude(s[0]) / magnitude(s[1]);
	s[0] = is_negative(s[0]) != is_negative(s[1]) ? -quotient : quotient;
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error rem_signed(struct machine *m, uint64_t *s)
{
	(void)m;
	if (s[1] == 0)
		return RSP_AGENT_DIVISION;
	uint64_t rest = magnitude(s[0]) % magnitude(s[1]);
	s[0] = is_negative(s[0]) ? -rest : rest;
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error div_unsigned(struct machine *m, uint64_t *s)
{
	(void)m;
	if (s[1] == 0)
		return RSP_AGENT_DIVISION;
	s[0] /= s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error rem_unsigned(struct machine *m, uint64_t *s)
{
	(void)m;
	if (s[1] == 0)
		return RSP_AGENT_DIVISION;
	s[0] %= s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error lsh(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] = s[1] < 64 ? s[0] << s[1] : 0;
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error rsh_unsigned(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] = s[1] < 64 ? s[0] >> s[1] : 0;
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error rsh_signed(struct machine *m, uint64_t *s)
{
	uint64_t flip = is_negative(s[0]) ? UINT64_MAX : 0;
	s[0] ^= flip;
	(void)rsh_unsigned(m, s);
	s[0] ^= flip;
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error bit_and(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] &= s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error bit_or(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] |= s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error bit_xor(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] ^= s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error bit_not(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] = ~s[0];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error log_not(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] = !s[0];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error equal(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] = s[0] == s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error less_unsigned(struct machine *m, uint64_t *s)
{
	(void)m;
	s[0] = s[0] < s[1];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error less_signed(struct machine *m, uint64_t *s)
{
	const uint64_t sign = UINT64_C(1) << 63;
	(void)m;
	s[0] = (s[0] ^ sign) < (s[1] ^ sign);
	return RSP_AGENT_DONE;
}

/* ---- widths: of that many bits, up to all of them ---- */

static enum rsp_agent_error zero_ext(struct machine *m, uint64_t *s)
{
	if (m->operand == 0 || m->operand > 64)
		return RSP_AGENT_BAD_CODE;
	s[0] &= UINT64_MAX >> (64 - m->operand);
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error ext(struct machine *m, uint64_t *s)
{
	enum rsp_agent_error error = zero_ext(m, s);
	if (error == RSP_AGENT_DONE && s[0] >> (m->operand - 1) & 1)
		s[0] |= ~(UINT64_MAX >> (64 - m->operand));
	return error;
}

/* ---- what is asked of the caller ---- */

static enum rsp_agent_error read_number(struct machine *m, uint64_t *s, size_t length)
{
	uint64_t address = s[0];
	if (m->reads++ == RSP_AGENT_READS_MAX)
		return RSP_AGENT_TOO_LONG;
	return m->source->read_memory(m->source->context, address, length, s)
		       ? RSP_AGENT_DONE
		       : RSP_AGENT_NO_MEMORY;
}

static enum rsp_agent_error ref8(struct machine *m, uint64_t *s)
{
	return read_number(m, s, 1);
}

static enum rsp_agent_error ref16(struct machine *m, uint64_t *s)
{
	return read_number(m, s, 2);
}

static enum rsp_agent_error ref32(struct machine *m, uint64_t *s)
{
	return read_number(m, s, 4);
}

static enum rsp_agent_error ref64(struct machine *m, uint64_t *s)
{
	return read_number(m, s, 8);
}

static enum rsp_agent_error reg(struct machine *m, uint64_t *s)
{
	if (m->reads++ == RSP_AGENT_READS_MAX)
		return RSP_AGENT_TOO_LONG;
	return m->source->read_register(m->source->context, (unsigned)m->operand, s)
		       ? RSP_AGENT_DONE
		       : RSP_AGENT_NO_REGISTER;
}

/* ---- the stack, the flow ---- */

static enum rsp_agent_error push_operand(struct machine *m, uint64_t *s)
{
	s[0] = m->operand;
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error nothing(struct machine *m, uint64_t *s)
{
	(void)m;
	(void)s;
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error dup(struct machine *m, uint64_t *s)
{
	(void)m;
	s[1] = s[0];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error swap(struct machine *m, uint64_t *s)
{
	(void)m;
	uint64_t lower = s[0];
	s[0] = s[1];
	s[1] = lower;
	return RSP_AGENT_DONE;
}

/* a b c becomes c a b */
static enum rsp_agent_error rot(struct machine *m, uint64_t *s)
{
	(void)m;
	uint64_t top = s[2];
	s[2] = s[1];
	s[1] = s[0];
	s[0] = top;
	return RSP_AGENT_DONE;
}

/* 0 is the top */
static enum rsp_agent_error pick(struct machine *m, uint64_t *s)
{
	if (m->operand >= m->depth)
		return RSP_AGENT_STACK;
	s[0] = m->stack[m->depth - 1 - m->operand];
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error jump(struct machine *m, uint64_t *s)
{
	(void)s;
	if (m->operand >= m->length)
		return RSP_AGENT_BAD_CODE;
	m->pc = (size_t)m->operand;
	return RSP_AGENT_DONE;
}

static enum rsp_agent_error if_goto(struct machine *m, uint64_t *s)
{
	return s[0] != 0 ? jump(m, s) : RSP_AGENT_DONE;
}

static enum rsp_agent_error end(struct machine *m, uint64_t *s)
{
	(void)s;
	m->over = true;
	return RSP_AGENT_DONE;
}

/* ---- the operations: operand bytes behind the opcode, what is popped and pushed ---- */

static const struct row {
	uint8_t operand, pops, pushes;
	operation *run; /* NULL: not supported */
} rows[] = {
	[0x02] = { 0, 2, 1, add },
	[0x03] = { 0, 2, 1, sub },
	[0x04] = { 0, 2, 1, mul },
	[0x05] = { 0, 2, 1, div_signed },
	[0x06] = { 0, 2, 1, div_unsigned },
	[0x07] = { 0, 2, 1, rem_signed },
	[0x08] = { 0, 2, 1, rem_unsigned },
	[0x09] = { 0, 2, 1, lsh },
	[0x0a] = { 0, 2, 1, rsh_signed },
	[0x0b] = { 0, 2, 1, rsh_unsigned },
	[0x0c] = { 0, 2, 0, nothing }, /* trace */
	[0x0d] = { 1, 1, 1, nothing }, /* trace_quick */
	[0x0e] = { 0, 1, 1, log_not },
	[0x0f] = { 0, 2, 1, bit_and },
	[0x10] = { 0, 2, 1, bit_or },
	[0x11] = { 0, 2, 1, bit_xor },
	[0x12] = { 0, 1, 1, bit_not },
	[0x13] = { 0, 2, 1, equal },
	[0x14] = { 0, 2, 1, less_signed },
	[0x15] = { 0, 2, 1, less_unsigned },
	[0x16] = { 1, 1, 1, ext },
	[0x17] = { 0, 1, 1, ref8 },
	[0x18] = { 0, 1, 1, ref16 },
	[0x19] = { 0, 1, 1, ref32 },
	[0x1a] = { 0, 1, 1, ref64 },
	[0x20] = { 2, 1, 0, if_goto },
	[0x21] = { 2, 0, 0, jump },
	[0x22] = { 1, 0, 1, push_operand }, /* const8, const16, const32, const64 */
	[0x23] = { 2, 0, 1, push_operand },
	[0x24] = { 4, 0, 1, push_operand },
	[0x25] = { 8, 0, 1, push_operand },
	[0x26] = { 2, 0, 1, reg },
	[0x27] = { 0, 1, 1, end }, /* the top is the value */
	[0x28] = { 0, 1, 2, dup },
	[0x29] = { 0, 1, 0, nothing }, /* pop */
	[0x2a] = { 1, 1, 1, zero_ext },
	[0x2b] = { 0, 2, 2, swap },
	[0x2f] = { 0, 2, 0, nothing }, /* tracenz */
	[0x30] = { 2, 1, 1, nothing }, /* trace16 */
	[0x32] = { 1, 0, 1, pick },
	[0x33] = { 0, 3, 3, rot },
};

/* Operands are big-endian, whatever the target is. */
static bool take_operand(struct machine *m, size_t bytes)
{
	if (bytes > m->length - m->pc)
		return false;
	m->operand = 0;
	while (bytes-- > 0)
		m->operand = m->operand << 8 | m->code[m->pc++];
	return true;
}

static enum rsp_agent_error step(struct machine *m)
{
	if (m->pc >= m->length)
		return RSP_AGENT_BAD_CODE;
	size_t opcode = m->code[m->pc++];
	if (opcode >= sizeof(rows) / sizeof(rows[0]) || !rows[opcode].run)
		return RSP_AGENT_UNSUPPORTED;
	const struct row *row = &rows[opcode];
	if (!take_operand(m, row->operand))
		return RSP_AGENT_BAD_CODE;
	if (row->pops > m->depth ||
	    m->depth - row->pops + row->pushes > RSP_AGENT_STACK_MAX)
		return RSP_AGENT_STACK;
	size_t lowest = m->depth - row->pops;
	enum rsp_agent_error error = row->run(m, m->stack + lowest);
	m->depth = lowest + row->pushes;
	return error;
}

enum rsp_agent_error rsp_agent_evaluate(const uint8_t *code, size_t length,
					const struct rsp_agent_source *source,
					uint64_t *value)
{
	struct machine m = { .code = code, .length = length, .source = source };
	while (!m.over) {
		if (m.steps++ == RSP_AGENT_STEPS_MAX)
			return RSP_AGENT_TOO_LONG;
		enum rsp_agent_error error = step(&m);
		if (error != RSP_AGENT_DONE)
			return error;
	}
	*value = m.stack[m.depth - 1];
	return RSP_AGENT_DONE;
}

const char *rsp_agent_error_text(enum rsp_agent_error error)
{
	static const char *const texts[RSP_AGENT_ERRORS] = {
		[RSP_AGENT_DONE] = "no error",
		[RSP_AGENT_NO_MEMORY] = "memory that it reads is not there",
		[RSP_AGENT_NO_REGISTER] = "a register that it reads is not there",
		[RSP_AGENT_DIVISION] = "it divides by zero",
		[RSP_AGENT_STACK] = "its code does not fit the stack",
		[RSP_AGENT_TOO_LONG] = "it takes too long",
		[RSP_AGENT_BAD_CODE] = "its code is broken",
		[RSP_AGENT_UNSUPPORTED] = "it does what is not supported here",
	};
	return error < RSP_AGENT_ERRORS ? texts[error] : "";
}
