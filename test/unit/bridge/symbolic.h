/*
 * A witness for unwinding that knows no unwind data: it follows the instructions of a
 * function from its start along every branch, and keeps what RSP, the other registers and
 * the stack are in terms of what they were at the call. So at each instruction it knows
 * where the caller's registers are, and a row of CFI is right or wrong.
 */
#ifndef TEST_SYMBOLIC_H
#define TEST_SYMBOLIC_H

#include <capstone/capstone.h>

#include "test/unit/bridge/cfi.h"

enum symbolic_kind { UNKNOWN, AT_CALL, FROM_CFA, CONSTANT };

struct symbolic {
	enum symbolic_kind kind;
	int64_t value; /* AT_CALL: the register; FROM_CFA: the offset; CONSTANT: it */
};

enum { STACK_WORDS = 48 };

struct machine_state {
	struct symbolic reg[CFI_REGISTERS]; /* DWARF's numbers */
	struct {
		int64_t at; /* from the CFA */
		struct symbolic value;
	} stack[STACK_WORDS];
	size_t words;
};

struct waiting_state {
	uint32_t rva;
	struct machine_state state;
};

struct symbolic_walk {
	csh capstone;
	cs_insn *insn;
	const uint8_t *image;
	size_t size;
	uint64_t base; /* of the CFI */
	struct cfi *cfi;
	uint8_t *visited; /* by RVA */
	bool (*same_function)(void *context, uint32_t from, uint32_t to);
	void *context;
	struct waiting_state *waiting;
	size_t waiting_count, waiting_capacity;
	/* results */
	size_t instructions, wrong;
	size_t untold; /* no unwind data tells of that register: longjmp and its like */
	uint32_t first_wrong;
	const char *why;
};

static inline int symbolic_register(x86_reg reg)
{
	static const struct {
		x86_reg reg;
		int number;
	} map[] = {
		{ X86_REG_RAX, 0 },   { X86_REG_RDX, 1 },   { X86_REG_RCX, 2 },
		{ X86_REG_RBX, 3 },   { X86_REG_RSI, 4 },   { X86_REG_RDI, 5 },
		{ X86_REG_RBP, 6 },   { X86_REG_RSP, 7 },   { X86_REG_R8, 8 },
		{ X86_REG_R9, 9 },    { X86_REG_R10, 10 },  { X86_REG_R11, 11 },
		{ X86_REG_R12, 12 },  { X86_REG_R13, 13 },  { X86_REG_R14, 14 },
		{ X86_REG_R15, 15 },  { X86_REG_EAX, 0 },   { X86_REG_EDX, 1 },
		{ X86_REG_ECX, 2 },   { X86_REG_EBX, 3 },   { X86_REG_ESI, 4 },
		{ X86_REG_EDI, 5 },   { X86_REG_EBP, 6 },   { X86_REG_R8D, 8 },
		{ X86_REG_R9D, 9 },   { X86_REG_R10D, 10 }, { X86_REG_R11D, 11 },
		{ X86_REG_R12D, 12 }, { X86_REG_R13D, 13 }, { X86_REG_R14D, 14 },
		{ X86_REG_R15D, 15 }, { X86_REG_AL, 0 },    { X86_REG_BL, 3 },
		{ X86_REG_CL, 2 },    { X86_REG_DL, 1 },    { X86_REG_SIL, 4 },
		{ X86_REG_DIL, 5 },   { X86_REG_BPL, 6 },   { X86_REG_AX, 0 },
		{ X86_REG_BX, 3 },    { X86_REG_CX, 2 },    { X86_REG_DX, 1 },
		{ X86_REG_SI, 4 },    { X86_REG_DI, 5 },    { X86_REG_BP, 6 },
		{ X86_REG_AH, 0 },    { X86_REG_BH, 3 },    { X86_REG_CH, 2 },
		{ X86_REG_DH, 1 },    { X86_REG_R12B, 12 }, { X86_REG_R13B, 13 },
		{ X86_REG_R14B, 14 }, { X86_REG_R15B, 15 }, { X86_REG_R12W, 12 },
		{ X86_REG_R13W, 13 }, { X86_REG_R14W, 14 }, { X86_REG_R15W, 15 },
		{ X86_REG_R8B, 8 },   { X86_REG_R9B, 9 },   { X86_REG_R10B, 10 },
		{ X86_REG_R11B, 11 }, { X86_REG_R8W, 8 },   { X86_REG_R9W, 9 },
		{ X86_REG_R10W, 10 }, { X86_REG_R11W, 11 },
	};
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (map[i].reg == reg)
			return map[i].number;
	return -1;
}

static inline struct symbolic load_word(const struct machine_state *s, int64_t at)
{
	for (size_t i = 0; i < s->words; i++)
		if (s->stack[i].at == at)
			return s->stack[i].value;
	return (struct symbolic){ UNKNOWN, 0 };
}

static inline void store_bytes(struct machine_state *s, int64_t at, int64_t size,
			       struct symbolic value)
{
	for (size_t i = 0; i < s->words; i++)
		if (s->stack[i].at > at - 8 && s->stack[i].at < at + size)
			s->stack[i--] = s->stack[--s->words];
	if (value.kind == UNKNOWN || size != 8 || s->words == STACK_WORDS)
		return;
	s->stack[s->words].at = at;
	s->stack[s->words++].value = value;
}

/*
 * The state at a call's target, as its first row says: nothing is saved yet. A cold part
 * that a compiler split off begins in the middle of things.
 */
static inline struct machine_state state_at_entry(const struct cfi_row *row)
{
	struct machine_state s = { .words = 0 };
	for (int r = 0; r < CFI_REGISTERS; r++)
		s.reg[r] = (struct symbolic){ AT_CALL, r };
	for (int r = 0; r < CFI_RIP; r++)
		if (row->rules[r].kind == CFI_OFFSET) {
			store_bytes(&s, row->rules[r].offset, 8, s.reg[r]);
			s.reg[r].kind = UNKNOWN;
		}
	s.reg[CFI_RSP].kind = UNKNOWN;
	s.reg[row->cfa_register] = (struct symbolic){ FROM_CFA, -row->cfa_offset };
	return s;
}

/* Where an operand in memory lies; UNKNOWN: anywhere. */
static inline struct symbolic address_of(const struct machine_state *s,
					 const cs_x86_op *op)
{
	struct symbolic a = { UNKNOWN, 0 };
	int base = symbolic_register(op->mem.base);
	if (op->mem.index != X86_REG_INVALID || base < 0)
		return a;
	a = s->reg[base];
	a.value += op->mem.disp;
	if (a.kind != FROM_CFA)
		a.kind = UNKNOWN;
	return a;
}

static inline struct symbolic value_of(const struct machine_state *s, const cs_x86_op *op)
{
	struct symbolic unknown = { UNKNOWN, 0 };
	if (op->type == X86_OP_IMM)
		return (struct symbolic){ CONSTANT, op->imm };
	if (op->size != 8)
		return unknown;
	if (op->type == X86_OP_REG) {
		int r = symbolic_register(op->reg);
		return r < 0 ? unknown : s->reg[r];
	}
	if (op->type == X86_OP_MEM) {
		struct symbolic a = address_of(s, op);
		return a.kind == FROM_CFA ? load_word(s, a.value) : unknown;
	}
	return unknown;
}

static inline void write_operand(struct machine_state *s, const cs_x86_op *op,
				 struct symbolic value)
{
	if (op->type == X86_OP_REG) {
		int r = symbolic_register(op->reg);
		if (r >= 0)
			s->reg[r] = value;
	} else if (op->type == X86_OP_MEM) {
		struct symbolic a = address_of(s, op);
		if (a.kind == FROM_CFA)
			store_bytes(s, a.value, op->size, value);
	}
}

/* Every register that an instruction writes without being understood. */
static inline void forget_written(struct symbolic_walk *w, struct machine_state *s)
{
	cs_regs read, written;
	uint8_t reads = 0, writes = 0;
	if (cs_regs_access(w->capstone, w->insn, read, &reads, written, &writes) != 0)
		return;
	for (uint8_t i = 0; i < writes; i++) {
		int r = symbolic_register(written[i]);
		if (r >= 0)
			s->reg[r].kind = UNKNOWN;
	}
	const cs_x86 *x = &w->insn->detail->x86;
	for (uint8_t i = 0; i < x->op_count; i++)
		if (x->operands[i].type == X86_OP_MEM &&
		    x->operands[i].access & CS_AC_WRITE)
			write_operand(s, &x->operands[i],
				      (struct symbolic){ UNKNOWN, 0 });
}

static inline void push(struct machine_state *s, struct symbolic value)
{
	s->reg[CFI_RSP].value -= 8;
	if (s->reg[CFI_RSP].kind == FROM_CFA)
		store_bytes(s, s->reg[CFI_RSP].value, 8, value);
}

static inline void add_constant(struct symbolic_walk *w, struct machine_state *s,
				int64_t sign)
{
	const cs_x86_op *op = w->insn->detail->x86.operands;
	int r = op[0].type == X86_OP_REG ? symbolic_register(op[0].reg) : -1;
	struct symbolic value = value_of(s, &op[1]);
	if (r >= 0 && op[0].size == 8 && value.kind == CONSTANT &&
	    s->reg[r].kind == FROM_CFA)
		s->reg[r].value += sign * value.value;
	else
		forget_written(w, s);
}

static inline void step_state(struct symbolic_walk *w, struct machine_state *s)
{
	const cs_x86_op *op = w->insn->detail->x86.operands;
	struct symbolic value, stack = s->reg[CFI_RSP];
	switch (w->insn->id) {
	case X86_INS_PUSH:
		push(s, value_of(s, &op[0]));
		break;
	case X86_INS_POP:
		value = stack.kind == FROM_CFA ? load_word(s, stack.value)
					       : (struct symbolic){ UNKNOWN, 0 };
		s->reg[CFI_RSP].value += 8;
		write_operand(s, &op[0], value);
		break;
	case X86_INS_MOV:
	case X86_INS_MOVABS:
		write_operand(s, &op[0], value_of(s, &op[1]));
		break;
	case X86_INS_LEA:
		write_operand(s, &op[0],
			      op[0].size == 8 ? address_of(s, &op[1])
					      : (struct symbolic){ UNKNOWN, 0 });
		break;
	case X86_INS_ADD:
		add_constant(w, s, 1);
		break;
	case X86_INS_SUB:
		add_constant(w, s, -1);
		break;
	case X86_INS_LEAVE:
		s->reg[CFI_RSP] = s->reg[6];
		s->reg[6] = s->reg[CFI_RSP].kind == FROM_CFA
				    ? load_word(s, s->reg[CFI_RSP].value)
				    : (struct symbolic){ UNKNOWN, 0 };
		s->reg[CFI_RSP].value += 8;
		break;
	case X86_INS_CALL: /* the callee keeps what the convention says */
		for (unsigned r = 0; r < 12; r++)
			if ((r <= 2 || r >= 8) && s->reg[r].kind != CONSTANT)
				s->reg[r].kind = UNKNOWN; /* RAX for __chkstk */
		break;
	default:
		forget_written(w, s);
	}
}

/* ---- the witness's word ---- */

static inline void wrong(struct symbolic_walk *w, uint32_t rva, const char *why)
{
	if (w->wrong++ == 0) {
		w->first_wrong = rva;
		w->why = why;
	}
}

/* Does the row find the caller's register r? What the witness lost, it does not judge. */
static inline bool finds_register(const struct machine_state *s,
				  const struct cfi_row *row, int r)
{
	struct symbolic found = s->reg[r];
	if (row->rules[r].kind == CFI_OFFSET)
		found = load_word(s, row->rules[r].offset);
	return found.kind == AT_CALL && found.value == r;
}

/* Does any row of the FDE at hand save the register? */
static inline bool is_told(const struct cfi *cfi, int r)
{
	for (size_t i = 0; i < cfi->row_count; i++)
		if (cfi->rows[i].rules[r].kind == CFI_OFFSET)
			return true;
	return false;
}

static inline void check_state(struct symbolic_walk *w, uint32_t rva,
			       const struct machine_state *s)
{
	static const int kept[] = { 3, 4, 5, 6, 12, 13, 14, 15 };
	const struct cfi_row *row = cfi_row_at(w->cfi, w->base + rva);
	w->instructions++;
	if (!row) {
		wrong(w, rva, "no row");
		return;
	}
	struct symbolic cfa = s->reg[row->cfa_register];
	if (cfa.kind != FROM_CFA) {
		if (row->cfa_register == CFI_RSP)
			w->untold++;
		else
			wrong(w, rva, "the frame register is not set");
	} else if (cfa.value + row->cfa_offset != 0) {
		wrong(w, rva, "another CFA");
	}
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (finds_register(s, row, kept[i]))
			continue;
		if (is_told(w->cfi, kept[i]))
			wrong(w, rva, "a saved register");
		else
			w->untold++;
	}
}

static inline void wait_for(struct symbolic_walk *w, uint32_t rva,
			    const struct machine_state *s)
{
	if (rva >= w->size || w->visited[rva])
		return;
	if (w->waiting_count == w->waiting_capacity) {
		w->waiting_capacity = w->waiting_capacity ? w->waiting_capacity * 2 : 64;
		w->waiting =
			realloc(w->waiting, w->waiting_capacity * sizeof(*w->waiting));
		assert_non_null(w->waiting);
	}
	w->waiting[w->waiting_count].rva = rva;
	w->waiting[w->waiting_count++].state = *s;
}

/* Where it goes on behind one instruction; false: nowhere, directly. */
static inline bool follow_flow(struct symbolic_walk *w, uint32_t rva,
			       const struct machine_state *s)
{
	const cs_insn *i = w->insn;
	const cs_x86_op *op = i->detail->x86.operands;
	bool jumps = cs_insn_group(w->capstone, i, CS_GRP_JUMP);
	if (cs_insn_group(w->capstone, i, CS_GRP_RET) ||
	    cs_insn_group(w->capstone, i, CS_GRP_IRET) || i->id == X86_INS_INT3 ||
	    i->id == X86_INS_UD2 || i->id == X86_INS_HLT ||
	    (i->id == X86_INS_INT && op[0].imm == 0x29)) /* __fastfail */
		return false;
	if (jumps && op[0].type == X86_OP_IMM) {
		uint64_t to = (uint64_t)op[0].imm;
		if (to < w->size && w->same_function(w->context, rva, (uint32_t)to))
			wait_for(w, (uint32_t)to, s);
	}
	return !jumps || i->id != X86_INS_JMP;
}

static inline void walk_from(struct symbolic_walk *w, uint32_t rva,
			     struct machine_state s)
{
	while (rva < w->size && !w->visited[rva]) {
		const uint8_t *code = w->image + rva;
		size_t left = w->size - rva;
		uint64_t address = rva;
		if (!cs_disasm_iter(w->capstone, &code, &left, &address, w->insn))
			return;
		w->visited[rva] = 1;
		check_state(w, rva, &s);
		step_state(w, &s);
		if (!follow_flow(w, rva, &s))
			return;
		uint32_t next = (uint32_t)address;
		if (!w->same_function(w->context, rva, next))
			return; /* behind a call that does not return */
		rva = next;
	}
}

/* From the function's start, with its first row. */
static inline void symbolic_function(struct symbolic_walk *w, uint32_t begin,
				     const struct cfi_row *row)
{
	struct machine_state entry = state_at_entry(row);
	wait_for(w, begin, &entry);
	while (w->waiting_count > 0) {
		struct waiting_state next = w->waiting[--w->waiting_count];
		walk_from(w, next.rva, next.state);
	}
}

static inline void symbolic_open(struct symbolic_walk *w)
{
	assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &w->capstone), CS_ERR_OK);
	cs_option(w->capstone, CS_OPT_DETAIL, CS_OPT_ON);
	w->insn = cs_malloc(w->capstone);
	w->visited = calloc(1, w->size);
	assert_non_null(w->visited);
}

static inline void symbolic_close(struct symbolic_walk *w)
{
	cs_free(w->insn, 1);
	cs_close(&w->capstone);
	free(w->visited);
	free(w->waiting);
}

#endif
