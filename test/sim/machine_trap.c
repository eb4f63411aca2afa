#include "test/sim/machine_internal.h"

#include "kdnet/wire.h"

/* What the engine stopped for, as the event that a Windows kernel would tell KD. */
enum {
	SERVICE_PRINT = 1,
	SERVICE_PROMPT,
	SERVICE_LOAD,
	SERVICE_UNLOAD,
	SERVICE_COMMAND,
	INTERRUPT_ASSERT = 0x2c,
	INTERRUPT_SERVICE = 0x2d,
};

struct machine_event *trap_event(struct machine *m, struct cpu *c,
				 enum machine_event_type type)
{
	m->event = (struct machine_event){
		.type = type,
		.processor = c->number,
		.program_counter = cpu_get(c, UC_X86_REG_RIP),
		.thread = c->kthread,
	};
	m->stopped = true;
	return &m->event;
}

static bool reports_first_chance(struct machine *m, uint32_t code)
{
	return code == CODE_BREAKPOINT || code == CODE_SINGLE_STEP ||
	       (memory_get(m, m->global_flag, 4) & 1);
}

static void raise(struct machine *m, struct cpu *c, uint32_t code, unsigned count,
		  uint64_t first, uint64_t second)
{
	struct machine_event *e = trap_event(m, c, MACHINE_EXCEPTION);
	e->u.exception.code = code;
	e->u.exception.address = e->program_counter;
	e->u.exception.parameter_count = count;
	e->u.exception.parameters[0] = first;
	e->u.exception.parameters[1] = second;
	e->u.exception.first_chance = reports_first_chance(m, code);
}

void trap_debug(struct machine *m, struct cpu *c, uint32_t bits)
{
	cpu_set_special(c, SPECIAL_DR6, 0xffff0ff0u | bits);
	raise(m, c, CODE_SINGLE_STEP, 0, 0, 0);
}

/* ---- int 2d: what the guest asks of the debugger ---- */

static uint32_t copy_text(struct machine *m, struct cpu *c, uint64_t address,
			  uint64_t length, char *out, uint32_t room)
{
	if (length > room)
		length = room;
	return (uint32_t)machine_read(m, c->number, address, out, (size_t)length);
}

/* A STRING's text with a NUL behind; returns its length without that. */
static uint32_t copy_string(struct machine *m, struct cpu *c, uint64_t string, char *out,
			    uint32_t room)
{
	uint8_t header[16] = { 0 };
	machine_read(m, c->number, string, header, sizeof(header));
	uint32_t n = copy_text(m, c, load_le(header + 8, 8), load_le(header, 2), out,
			       room - 1);
	out[n] = 0;
	return n;
}

static void raise_text(struct machine *m, struct cpu *c, enum machine_event_type type)
{
	struct machine_event *e = trap_event(m, c, type);
	uint64_t length = cpu_get(c, UC_X86_REG_RDX) & 0xffff;
	e->u.text.length = copy_text(m, c, cpu_get(c, UC_X86_REG_RCX), length,
				     e->u.text.bytes, sizeof(e->u.text.bytes));
	if (type == MACHINE_PROMPT)
		e->u.text.room = (uint32_t)cpu_get(c, UC_X86_REG_R9) & 0xffff;
}

static void raise_command(struct machine *m, struct cpu *c)
{
	struct machine_event *e = trap_event(m, c, MACHINE_COMMAND);
	char *out = e->u.text.bytes;
	uint32_t half = sizeof(e->u.text.bytes) / 2;
	uint32_t n = copy_string(m, c, cpu_get(c, UC_X86_REG_RCX), out, half) + 1;
	n += copy_string(m, c, cpu_get(c, UC_X86_REG_RDX), out + n, half) + 1;
	e->u.text.length = n;
}

/* RCX: the path, a STRING; RDX: KD_SYMBOLS_INFO (base, process id, checksum, size). */
static void raise_image(struct machine *m, struct cpu *c, enum machine_event_type type)
{
	struct machine_event *e = trap_event(m, c, type);
	uint8_t info[24] = { 0 };
	machine_read(m, c->number, cpu_get(c, UC_X86_REG_RDX), info, sizeof(info));
	copy_string(m, c, cpu_get(c, UC_X86_REG_RCX), e->u.image.path,
		    sizeof(e->u.image.path));
	e->u.image.base = load_le(info, 8);
	e->u.image.process = load_le(info + 8, 8);
	e->u.image.checksum = (uint32_t)load_le(info + 16, 4);
	e->u.image.size = (uint32_t)load_le(info + 20, 4);
}

static void raise_service(struct machine *m, struct cpu *c)
{
	switch (cpu_get(c, UC_X86_REG_RAX) & 0xffffffff) {
	case SERVICE_PRINT:
		raise_text(m, c, MACHINE_PRINT);
		break;
	case SERVICE_PROMPT:
		raise_text(m, c, MACHINE_PROMPT);
		break;
	case SERVICE_LOAD:
		raise_image(m, c, MACHINE_LOAD);
		break;
	case SERVICE_UNLOAD:
		raise_image(m, c, MACHINE_UNLOAD);
		break;
	case SERVICE_COMMAND:
		raise_command(m, c);
		break;
	default:
		raise(m, c, CODE_BREAKPOINT, 1, cpu_get(c, UC_X86_REG_RAX), 0);
	}
}

/* ---- exceptions ---- */

void trap_fault(struct machine *m, struct cpu *c)
{
	bool canonical = m->fault_address >> 47 == 0 || m->fault_address >> 47 == 0x1ffff;
	cpu_set_special(c, SPECIAL_CR2, m->fault_address);
	if (canonical)
		raise(m, c, CODE_ACCESS_VIOLATION, 2, m->fault_access, m->fault_address);
	else /* a general protection fault tells no address */
		raise(m, c, CODE_ACCESS_VIOLATION, 2, 0, UINT64_MAX);
}

/*
 * PC on the instruction for faults, int3 and int 2c, as Windows reports them
 * (test/vectors/win81-v2.txt: PC, exception address and the int3 agree); behind it
 * for int 2d and after a step. The engine stands behind what is an int instruction.
 */
void trap_interrupt(struct machine *m, struct cpu *c)
{
	switch (m->interrupt) {
	case 0:
		raise(m, c, CODE_DIVIDE, 0, 0, 0);
		break;
	case 1:
		trap_debug(m, c, 0x4000 | m->hits);
		break;
	case 3:
		cpu_move_rip(c, -1);
		raise(m, c, CODE_BREAKPOINT, 1, 0, 0);
		break;
	case 6:
		raise(m, c, CODE_ILLEGAL, 0, 0, 0);
		break;
	case 13:
		raise(m, c, CODE_PRIVILEGED, 0, 0, 0);
		break;
	case 16:
	case 19:
		raise(m, c, CODE_FLOAT, 0, 0, 0);
		break;
	case INTERRUPT_ASSERT:
		cpu_move_rip(c, -2);
		raise(m, c, CODE_ASSERTION, 0, 0, 0);
		break;
	case INTERRUPT_SERVICE:
		raise_service(m, c);
		break;
	default: /* no gate: a general protection fault */
		cpu_move_rip(c, -2);
		raise(m, c, CODE_ACCESS_VIOLATION, 2, 0, UINT64_MAX);
	}
}
