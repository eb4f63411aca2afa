#include "bridge/gdb/gdb.h"
#include "bridge/target/breakpoint.h"

/*
 * Without a target gdb's breakpoints are taken as they are: at an error it would not
 * resume, and the resume is what waits for the target. The target's first stop makes gdb
 * take them away and set them anew, and then bad addresses are found.
 */
enum rsp_result gdb_insert(void *context, enum rsp_breakpoint_type type, uint64_t address,
			   uint64_t kind)
{
	struct gdb *g = context;

	(void)kind;
	if (type != RSP_SOFTWARE_BREAKPOINT)
		return RSP_UNSUPPORTED;
	if (!gdb_is_live(g))
		return RSP_OK;
	return gdb_result(g, breakpoint_insert(g->target, address));
}

/* One that is not there has gone with its target, or never was one: no error. */
enum rsp_result gdb_remove(void *context, enum rsp_breakpoint_type type, uint64_t address,
			   uint64_t kind)
{
	struct gdb *g = context;
	enum kd_result result;

	(void)kind;
	if (type != RSP_SOFTWARE_BREAKPOINT)
		return RSP_UNSUPPORTED;
	result = breakpoint_remove(g->target, address);
	return gdb_result(g, result == KD_REFUSED ? KD_DONE : result);
}
