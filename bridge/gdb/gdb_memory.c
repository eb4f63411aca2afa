#include "bridge/gdb/gdb.h"
#include "bridge/target/memory.h"

/* A prefix counts as success: gdb shows it and asks on behind the gap (RSP.md §9). */
static enum rsp_result finish(struct gdb *g, enum kd_result result, size_t done)
{
	gdb_charge(g);
	g->last = result;
	return result == KD_DONE || done > 0 ? RSP_OK : RSP_ERROR;
}

enum rsp_result gdb_read_memory(void *context, uint64_t address, uint8_t *out,
				size_t length, size_t *done)
{
	struct gdb *g = context;

	*done = 0;
	if (!gdb_is_live(g))
		return RSP_ERROR;
	return finish(g, memory_read(g->target, address, out, length, done), *done);
}

enum rsp_result gdb_write_memory(void *context, uint64_t address, const uint8_t *bytes,
				 size_t length, size_t *done)
{
	struct gdb *g = context;

	*done = 0;
	if (!gdb_is_live(g))
		return RSP_ERROR;
	return finish(g, memory_write(g->target, address, bytes, length, done), *done);
}
