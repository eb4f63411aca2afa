#include "bridge/gdb/gdb.h"

#include <stdio.h>

#include "bridge/target/regions.h"

/*
 * A run of pages can hold several modules: one region each. The list that is there serves,
 * no question to the target.
 */
static struct region_bounds bounds_of(const struct images *images, uint64_t address,
				      struct rsp_region *out)
{
	struct region_bounds bounds = { 0, UINT64_MAX };

	for (size_t i = 0; i < images->count; i++) {
		const struct module *m = &images->list[i].module;
		uint64_t last = m->base + (m->size ? m->size - 1 : 0);

		if (last < m->base)
			continue;
		if (address > last) {
			if (last >= bounds.first)
				bounds.first = last + 1;
		} else if (address < m->base) {
			if (m->base <= bounds.last)
				bounds.last = m->base - 1;
		} else {
			bounds = (struct region_bounds){ m->base, last };
			snprintf(out->name, sizeof(out->name), "%s", m->name);
			break;
		}
	}
	return bounds;
}

enum rsp_result gdb_region(void *context, uint64_t address, struct rsp_region *out)
{
	struct gdb *g = context;
	struct region region;
	struct region_bounds bounds;
	enum kd_result result;

	*out = (struct rsp_region){ .size = 0 };
	if (!gdb_is_live(g))
		return RSP_ERROR;
	bounds = bounds_of(&g->images, address, out);
	result = region_find(g->target, address, &bounds, &region);
	if (result != KD_DONE)
		return gdb_result(g, result);
	if (!region.mapped)
		out->name[0] = '\0';
	out->mapped = out->readable = region.mapped;
	out->writable = region.writable;
	out->executable = region.executable;
	out->start = region.start;
	/* all of the address space is no region */
	out->size = region.last - region.start + 1;
	return gdb_result(g, KD_DONE);
}
