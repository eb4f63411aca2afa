/* Names that a module exports, as mapped (Microsoft's PE format, export directory). */
#ifndef BRIDGE_IMAGE_EXPORTS_H
#define BRIDGE_IMAGE_EXPORTS_H

#include "bridge/image/pe.h"

enum {
	EXPORTS_MAX = 65536,	    /* ordinals have 16 bits */
	EXPORT_NAME_MAX = 1024,	    /* longer ones are left out */
	EXPORTS_BYTES_MAX = 8 << 20 /* of the directory with all its names */
};

struct export_name {
	uint32_t rva;
	const char *name; /* printable, without blanks */
};

struct exports {
	struct export_name *names; /* as the directory has them: sorted by name */
	size_t count;
	char *text; /* what the names point into */
};

/*
 * Reads the directory in one piece. Forwarders are left out, so are names and addresses
 * that make no sense. False: interrupted, or no memory; an absent or damaged directory
 * is one without names. exports_wipe in any case.
 */
bool exports_read(struct image_memory *memory, const struct pe *pe, struct exports *out);
void exports_wipe(struct exports *exports);

#endif
