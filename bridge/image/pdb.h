/* Which build a PDB file belongs to (MSF 7.00, its streams 1 and 3). */
#ifndef BRIDGE_IMAGE_PDB_H
#define BRIDGE_IMAGE_PDB_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/image/rsds.h"

enum pdb_found {
	PDB_MISSING, /* no file there, or none that may be opened */
	PDB_OTHER,   /* one of another build, or no PDB at all */
	PDB_FOUND,
};

/* Is the file the PDB that the record asks for: the same GUID, and the age? */
enum pdb_found pdb_check(const char *path, const struct rsds *rsds);

/*
 * The PDB that the record asks for in a directory: DIR/name.pdb in any case, or as a
 * symbol server keeps it, DIR/name.pdb/GUIDage/name.pdb. `path` is that of the file at
 * hand, unless it is missing.
 */
enum pdb_found pdb_find(const char *directory, const struct rsds *rsds,
			char path[static PATH_MAX]);

#endif
