#include "bridge/gdb/gdb.h"

#include <stdio.h>

#include "bridge/target/regions.h"

/* A run of pages can hold several modules: one region each. */
static void clip(const struct images *images, uint64_t address, struct region *region,
		 struct rsp_region *out)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct module *m = &images->list[i].module;
		uint64_t last = m->base + (m->size ? m->size - 1 : 0);

		if (address > last) {
			if (last >= region->start)
				region->start = last + 1;
		} else if (address < m->base) {
			if (m->base <= region->last)
				region->last = m->base - 1;
		} else {
			if (m->base > region->start)
				region->start = m->base;
			if (last < region->last)
				region->last = last;
			snprintf(out->name, sizeof(out->name), "%s", m->name);
		}
	}
}

/* Of the list that is there: no question to the target. */
enum rsp_result gdb_region(void *context, uint64_t address, struct rsp_region *out)
{
	struct gdb *g = context;
	struct region region;
	enum kd_result result;

	if (!gdb_is_live(g))
		return RSP_ERROR;
	result = region_find(g->target, address, &region);
	if (result != KD_DONE)
		return gdb_result(g, result);
	*out = (struct rsp_region){
		.mapped = region.mapped,
		.readable = region.mapped,
		.writable = region.writable,
		.executable = region.executable,
	};
	if (region.mapped)
		clip(&g->images, address, &region, out);
	out->start = region.start;
	/* all of the address space is no region */
	out->size = region.last - region.start + 1;
	return gdb_result(g, KD_DONE);
}
