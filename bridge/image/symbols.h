/* Which names the functions and exports of a module get in its served image. */
#ifndef BRIDGE_IMAGE_SYMBOLS_H
#define BRIDGE_IMAGE_SYMBOLS_H

#include "bridge/image/coff.h"
#include "bridge/image/exports.h"
#include "bridge/image/unwind_info.h"

/*
 * Adds to the table: every export that lies in a section; the entry point, if it is none of
 * them (nt!KiSystemStartup, driver!DriverEntry, else module!EntryPoint); and
 * `prefix!fn_RVA` for each function without a name, but for those that go on directly
 * behind a part of the same function.
 * In a table with one name each (for lldb) also `prefix!leaf_RVA` behind functions, where
 * more than padding follows.
 *   primaries  of each function of `functions`: RVA of the function it is a part of,
 *              or 0
 * False: no memory.
 */
bool symbols_add(struct coff_table *table, const struct pe *pe, const char *prefix,
		 const struct exports *exports, const struct unwind_table *functions,
		 const uint32_t *primaries);

#endif
