/* Which build a PDB file belongs to (MSF 7.00, its streams 1 and 3). */
#ifndef BRIDGE_IMAGE_PDB_H
#define BRIDGE_IMAGE_PDB_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/image/rsds.h"

/* Is the file the PDB that the record asks for: the same GUID, and the age? */
bool pdb_matches(const char *path, const struct rsds *rsds);

/*
 * The PDB that the record asks for in a directory: DIR/name.pdb in any case, or as a
 * symbol server keeps it, DIR/name.pdb/GUIDage/name.pdb. False: it is not there.
 */
bool pdb_find(const char *directory, const struct rsds *rsds, char path[static PATH_MAX]);

#endif
