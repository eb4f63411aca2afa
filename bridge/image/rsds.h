/*
 * The debug directory's record that names a PDB (CodeView 7, "RSDS"): as a module has it,
 * and as the served image for lldb does. There it lies in the header page, behind the
 * headers, as a section of its own, so that the name of a PDB of this host has room.
 */
#ifndef BRIDGE_IMAGE_RSDS_H
#define BRIDGE_IMAGE_RSDS_H

#include "bridge/image/pe.h"

enum {
	RSDS_PATH_MAX = 1024, /* with the NUL; a longer one is no name that we use */
	RSDS_GUID_SIZE = 16,
	RSDS_DIRECTORY_SIZE = 28, /* one entry */
};

struct rsds {
	uint8_t guid[RSDS_GUID_SIZE];
	uint32_t age;
	char path[RSDS_PATH_MAX]; /* as the module has it: "" where there is no record */
};

/* False: interrupted, or no memory. A record that makes no sense is none. */
bool rsds_read(struct image_memory *memory, const struct pe *pe, struct rsds *out);
/* The last part of the path, whatever slashes it has. */
const char *rsds_file_name(const struct rsds *rsds);

/*
 * The section: the directory's entry, the record with the path `shown`, and the module's
 * own path. Fills `size` bytes; false: they are not enough.
 *   rva  where the section lies
 */
bool rsds_section_write(const struct rsds *rsds, const char *shown, uint32_t rva,
			uint8_t *out, size_t size);
/* The reverse; `shown` is a part of `bytes`. False: that was not written by us. */
bool rsds_section_read(const uint8_t *bytes, size_t size, struct rsds *rsds,
		       const char **shown);

#endif
