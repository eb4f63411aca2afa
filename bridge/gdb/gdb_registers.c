#include "bridge/gdb/gdb.h"

#include <string.h>

#include "bridge/target/arch.h"

static const struct rsp_flag eflags_bits[] = {
	{ "CF", 0 },  { "PF", 2 },  { "AF", 4 },  { "ZF", 6 },	 { "SF", 7 },
	{ "TF", 8 },  { "IF", 9 },  { "DF", 10 }, { "OF", 11 },	 { "NT", 14 },
	{ "RF", 16 }, { "VM", 17 }, { "AC", 18 }, { "VIF", 19 }, { "VIP", 20 },
	{ "ID", 21 }, { "", 0 },
};

/* Types that rows of arch tables name and gdb does not have. */
static const struct rsp_flags_type flags_types[] = {
	{ "i386_eflags", "org.gnu.gdb.i386.core", 4, eflags_bits },
};

void gdb_registers_init(struct gdb *g)
{
	const struct arch *arch = target_arch(g->target);
	size_t count = arch->count < GDB_REGISTERS_MAX ? arch->count : GDB_REGISTERS_MAX;

	for (size_t i = 0; i < count; i++) {
		const struct arch_register *row = &arch->registers[i];

		g->registers[i] = (struct rsp_register){
			.name = row->name,
			.bits = row->bits,
			.type = row->type,
			.group = row->group,
			.feature = row->feature,
			.in_g = row->in_g,
			.expedited = row->expedited,
		};
	}
	g->description = (struct rsp_description){
		.architecture = arch->name,
		.registers = g->registers,
		.count = count,
		.flags_types = flags_types,
		.flags_count = sizeof(flags_types) / sizeof(flags_types[0]),
		.pc = arch->pc,
		.sp = arch->sp,
		.fp = arch->fp,
	};
}

const struct rsp_description *gdb_description(void *context)
{
	struct gdb *g = context;

	return &g->description;
}

/* gdb refuses a stop without a PC: those told with each stop are zeros (RSP.md §7). */
static enum rsp_result placeholder(const struct gdb *g, unsigned number, uint8_t *out,
				   bool *valid)
{
	memset(out, 0, RSP_REGISTER_MAX);
	*valid = g->registers[number].expedited;
	return RSP_OK;
}

bool gdb_registers_foreign(const struct gdb *g)
{
	const struct kd_version *version = target_version(g->target);

	return version && !arch_of((enum kd_machine)version->machine);
}

/* Of the processor that stopped its report tells the PC, without which gdb gives up. */
static enum rsp_result foreign(const struct gdb *g, unsigned processor, unsigned number,
			       uint8_t *out, bool *valid)
{
	const struct target_stop *stop = target_stopped(g->target);

	memset(out, 0, RSP_REGISTER_MAX);
	*valid = stop && processor == stop->processor && number == g->description.pc;
	for (unsigned i = 0; *valid && i < sizeof(stop->pc); i++)
		out[i] = (uint8_t)(stop->pc >> (8 * i));
	return RSP_OK;
}

enum rsp_result gdb_read_register(void *context, int thread, unsigned number,
				  uint8_t *out, bool *valid)
{
	struct gdb *g = context;
	enum kd_result result;

	if (number >= g->description.count)
		return RSP_ERROR;
	if (!gdb_is_live(g))
		return placeholder(g, number, out, valid);
	if (gdb_registers_foreign(g))
		return foreign(g, gdb_processor(g, thread), number, out, valid);
	result = registers_read(g->target, gdb_processor(g, thread), number, out);
	/* What this machine does not have is no failure of the others. */
	*valid = result == KD_DONE;
	return gdb_result(g, result == KD_REFUSED ? KD_DONE : result);
}

enum rsp_result gdb_write_register(void *context, int thread, unsigned number,
				   const uint8_t *bytes)
{
	struct gdb *g = context;

	if (number >= g->description.count || !gdb_is_live(g))
		return RSP_ERROR;
	return gdb_result(
		g, registers_write(g->target, gdb_processor(g, thread), number, bytes));
}
