/*
 * Served images as files for lldb, which opens modules on its own host and never by vFile
 * (RSP.md §13). The files are those of the image cache; where nothing is kept, they are in
 * a private directory that goes away with the session.
 *
 * A caller, for each module: lldb_image_find; where it has none, served_image_build with
 * IMAGE_FOR_LLDB, then lldb_image_store. Only a module whose file is there may be listed.
 */
#ifndef BRIDGE_IMAGE_LLDB_IMAGE_H
#define BRIDGE_IMAGE_LLDB_IMAGE_H

#include "bridge/image/image_cache.h"

struct lldb_images;

enum { LLDB_PATH_MAX = 4096 }; /* with the NUL */

/* Where the PDBs are, and who is told of a wrong one. */
struct pdb_places {
	const char *path; /* `--pdb-path DIR`, NULL: none */
	/*
	 * The file has the name of the module's PDB but belongs to another build, or is no
	 * PDB, and there is no right one: the module has none. May be NULL.
	 */
	void (*wrong)(void *context, const char *module, const char *file);
	void *context;
};

/*
 *   cache  where images are kept; may be NULL or disabled. Must outlive the result
 *   pdbs   must outlive the result, too
 * NULL: out of memory. The private directory is made when it is first needed.
 */
struct lldb_images *lldb_images_new(struct image_cache *cache,
				    const struct pdb_places *pdbs);
void lldb_images_free(struct lldb_images *images); /* NULL is allowed */

/*
 * The absolute path of the file of that build, if an earlier session made it and it is
 * whole: no target is asked. Its PDB is looked up anew: the debug directory names
 *   - the PDB of the same GUID and age in DIR, DIR/name.pdb or as a symbol server keeps
 *     it, DIR/name.pdb/GUIDage/name.pdb, by its absolute path; else
 *   - the path that the module itself names, where that is one of this host and has the
 *     PDB of the same GUID and age; else
 *   - the bare name, so that lldb finds a PDB that lies beside the file, or in one of its
 *     target.debug-file-search-paths.
 * What other files are there instead, `pdbs->wrong` is told, the first of them.
 * False: there is none.
 */
bool lldb_image_find(struct lldb_images *images, const struct image_key *key,
		     char path[static LLDB_PATH_MAX]);

/*
 * Writes the file from an image built with IMAGE_FOR_LLDB; its debug directory as above.
 * The key may identify nothing (no timestamp, no checksum): then the file is of this
 * session only. False: it cannot be written.
 */
bool lldb_image_store(struct lldb_images *images, const struct image_key *key,
		      struct served_image *image, char path[static LLDB_PATH_MAX]);

#endif
