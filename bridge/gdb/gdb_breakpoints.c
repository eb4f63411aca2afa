#include "bridge/gdb/gdb.h"
#include "bridge/target/breakpoint.h"
#include "bridge/target/watchpoint.h"

/*
 * What the debug registers can do. Reads alone are not among it: answered as not
 * supported, which makes gdb watch for any access and look whether the value changed.
 */
static bool hardware_kind(enum rsp_breakpoint_type type, enum watchpoint_kind *kind)
{
	static const struct {
		enum rsp_breakpoint_type type;
		enum watchpoint_kind kind;
	} rows[] = {
		{ RSP_HARDWARE_BREAKPOINT, WATCHPOINT_EXECUTE },
		{ RSP_WRITE_WATCHPOINT, WATCHPOINT_WRITE },
		{ RSP_ACCESS_WATCHPOINT, WATCHPOINT_ACCESS },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		*kind = rows[i].kind;
		if (rows[i].type == type)
			return true;
	}
	return false;
}

static enum kd_result insert(struct gdb *g, enum rsp_breakpoint_type type,
			     uint64_t address, uint64_t kind)
{
	enum watchpoint_kind hardware;

	if (hardware_kind(type, &hardware))
		return watchpoint_insert(g->target, hardware, address, kind);
	return breakpoint_insert(g->target, address);
}

/*
 * Without a target gdb's breakpoints are taken as they are: at an error it would not
 * resume, and the resume is what waits for the target. The target's first stop makes gdb
 * take them away and set them anew, and then bad addresses are found.
 */
enum rsp_result gdb_insert(void *context, enum rsp_breakpoint_type type, uint64_t address,
			   uint64_t kind, const struct rsp_conditions *conditions)
{
	struct gdb *g = context;
	enum watchpoint_kind hardware;
	enum kd_result result;

	if (!hardware_kind(type, &hardware) && type != RSP_SOFTWARE_BREAKPOINT)
		return RSP_UNSUPPORTED;
	if (!gdb_is_live(g) && !g->asked)
		return RSP_OK;
	result = insert(g, type, address, kind);
	if (result == KD_DONE && !gdb_conditions_set(g, type, address, conditions)) {
		(void)gdb_remove(g, type, address, kind);
		result = KD_REFUSED;
	}
	return gdb_result(g, result);
}

/* One that is not there has gone with its target, or never was one: no error. */
enum rsp_result gdb_remove(void *context, enum rsp_breakpoint_type type, uint64_t address,
			   uint64_t kind)
{
	struct gdb *g = context;
	enum watchpoint_kind hardware;
	enum kd_result result;

	if (hardware_kind(type, &hardware))
		result = watchpoint_remove(g->target, hardware, address, kind);
	else if (type == RSP_SOFTWARE_BREAKPOINT)
		result = breakpoint_remove(g->target, address);
	else
		return RSP_UNSUPPORTED;
	gdb_conditions_drop(g, type, address);
	return gdb_result(g, result == KD_REFUSED ? KD_DONE : result);
}
