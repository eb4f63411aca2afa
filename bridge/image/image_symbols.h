/*
 * The symbols of a served image, for whoever shows addresses as names: read from the COFF
 * table that clients get, whether it was built now or kept on disk. Nothing is copied but
 * what is asked for.
 */
#ifndef BRIDGE_IMAGE_IMAGE_SYMBOLS_H
#define BRIDGE_IMAGE_IMAGE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/image/served_image.h"

/* "nt!KeBugCheckEx"; longer ones are cut. */
enum { IMAGE_SYMBOL_MAX = 256 };

/*
 * The last symbol at or below the address, within its section, with the module's prefix;
 * *distance is how far above it the address lies. False: there is none.
 */
bool image_symbol_near(const struct served_image *image, uint32_t rva,
		       char out[static IMAGE_SYMBOL_MAX], uint32_t *distance);
/* The address of a name, with its prefix or without, in that case first, then in any. */
bool image_symbol_find(const struct served_image *image, const char *name, uint32_t *rva);

#endif
