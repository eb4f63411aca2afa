#include <capstone/capstone.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bridge/gdb/monitor.h"
#include "bridge/gdb/symbolize.h"
#include "bridge/target/memory.h"

/* `monitor u`: instructions, with the names of where they are and of where they lead. */

enum {
	COUNT_DEFAULT = 8,
	COUNT_MAX = 512,
	INSTRUCTION_MAX = 16,
	BYTES_SHOWN = 11, /* most are shorter, and columns stay aligned */
	TEXT_MAX = 256,	  /* mnemonic and operands */
};

/* How Capstone calls what runs on a machine. */
static const struct decoder {
	enum kd_machine machine;
	cs_arch arch;
	cs_mode mode;
	size_t unit; /* what is skipped when it is no instruction */
} decoders[] = {
	{ KD_MACHINE_AMD64, CS_ARCH_X86, CS_MODE_64, 1 },
	{ KD_MACHINE_I386, CS_ARCH_X86, CS_MODE_32, 1 },
	{ KD_MACHINE_ARM64, CS_ARCH_ARM64, CS_MODE_ARM, 4 },
};

struct listing {
	struct gdb *g;
	const struct decoder *decoder;
	csh capstone;
	cs_insn *insn;
	char symbol[SYMBOLIZED_MAX]; /* of the line before, without the distance */
};

static bool listing_open(struct listing *l, struct gdb *g)
{
	enum kd_machine machine = target_arch(g->target)->machine;

	*l = (struct listing){ .g = g };
	for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++)
		if (decoders[i].machine == machine)
			l->decoder = &decoders[i];
	if (!l->decoder ||
	    cs_open(l->decoder->arch, l->decoder->mode, &l->capstone) != CS_ERR_OK) {
		monitor_print(g, "Code of this machine cannot be decoded.\n");
		return false;
	}
	cs_option(l->capstone, CS_OPT_DETAIL, CS_OPT_ON);
	l->insn = cs_malloc(l->capstone);
	if (!l->insn)
		cs_close(&l->capstone);
	return l->insn != NULL;
}

static void listing_close(struct listing *l)
{
	cs_free(l->insn, 1);
	cs_close(&l->capstone);
}

/* ---- one line ---- */

/* Where a branch leads, or what a RIP-relative operand means; 0: neither. */
static uint64_t target_of(const struct listing *l)
{
	const cs_insn *insn = l->insn;
	const cs_x86 *x86 = &insn->detail->x86;
	bool branches = cs_insn_group(l->capstone, insn, CS_GRP_JUMP) ||
			cs_insn_group(l->capstone, insn, CS_GRP_CALL);

	if (l->decoder->arch != CS_ARCH_X86)
		return 0;
	for (uint8_t i = 0; i < x86->op_count; i++) {
		const cs_x86_op *op = &x86->operands[i];

		if (op->type == X86_OP_IMM && branches)
			return (uint64_t)op->imm;
		if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP)
			return insn->address + insn->size + (uint64_t)op->mem.disp;
	}
	return 0;
}

/* A function's name once, before its first line that is shown. */
static void print_symbol(struct listing *l, uint64_t address)
{
	char name[SYMBOLIZED_MAX];
	size_t length;

	symbolize(l->g, address, name);
	if (!name[0])
		return;
	length = strcspn(name, "+");
	if (name[length] && strlen(l->symbol) == length &&
	    !memcmp(name, l->symbol, length))
		return;
	monitor_print(l->g, "%s:\n", name);
	memcpy(l->symbol, name, length);
	l->symbol[length] = '\0';
}

static void print_line(const struct listing *l, uint64_t address, const uint8_t *bytes,
		       size_t size, const char *text, uint64_t target)
{
	char hex[2 * INSTRUCTION_MAX + 1] = "", name[SYMBOLIZED_MAX] = "";

	for (size_t i = 0; i < size && i < INSTRUCTION_MAX; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	if (target)
		symbolize(l->g, target, name);
	monitor_print(l->g, "%016" PRIx64 " %-*s %s%s%s\n", address, 2 * BYTES_SHOWN, hex,
		      text, name[0] ? "  ; " : "", name);
}

/* Returns how long the instruction is; 0: there is none that can be read. */
static size_t list_one(struct listing *l, uint64_t address)
{
	uint8_t bytes[INSTRUCTION_MAX];
	char text[TEXT_MAX + 1] = "(no instruction)";
	const uint8_t *code = bytes;
	size_t left = 0;
	uint64_t at = address;

	(void)memory_read(l->g->target, address, bytes, sizeof(bytes), &left);
	if (left == 0)
		return 0;
	print_symbol(l, address);
	if (!cs_disasm_iter(l->capstone, &code, &left, &at, l->insn)) {
		size_t size = left < l->decoder->unit ? left : l->decoder->unit;

		print_line(l, address, bytes, size, text, 0);
		return size;
	}
	if (l->insn->op_str[0])
		(void)snprintf(text, sizeof(text), "%-8s %s", l->insn->mnemonic,
			       l->insn->op_str);
	else
		(void)snprintf(text, sizeof(text), "%s", l->insn->mnemonic);
	print_line(l, address, bytes, l->insn->size, text, target_of(l));
	return l->insn->size;
}

/* ---- the command ---- */

static void list(struct gdb *g, uint64_t address, uint64_t count)
{
	struct listing l;

	if (!listing_open(&l, g))
		return;
	for (; count > 0; count--) {
		size_t size = list_one(&l, address);

		if (size == 0) {
			monitor_print(g, "Memory at %016" PRIx64 " cannot be read.\n",
				      address);
			break;
		}
		address += size;
	}
	g->listed_to = address;
	listing_close(&l);
}

static bool start_of(struct gdb *g, uint64_t *address)
{
	const struct target_stop *stop = target_stopped(g->target);

	*address = g->listed_to;
	return *address != 0 ||
	       (stop && registers_get(g->target, stop->processor,
				      target_arch(g->target)->pc, address) == KD_DONE);
}

void monitor_u(struct gdb *g, const char *arguments)
{
	uint64_t address, count = COUNT_DEFAULT;

	if (!monitor_is_stopped(g))
		return;
	if (!arguments[0]) {
		if (start_of(g, &address))
			list(g, address, count);
		return;
	}
	if (!monitor_take_address(g, &arguments, &address))
		return;
	if (arguments[0] && (!monitor_take_number(&arguments, COUNT_MAX, &count) ||
			     arguments[0] || count == 0)) {
		monitor_usage(g, "u");
		return;
	}
	list(g, address, count);
}
