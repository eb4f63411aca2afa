/* How served images are made: extents of bytes in a file of zeros. */
#ifndef BRIDGE_IMAGE_SPARSE_H
#define BRIDGE_IMAGE_SPARSE_H

#include "bridge/image/served_image.h"

/* An image of zeros; one reference, the caller's. NULL: no memory. */
struct served_image *sparse_new(uint64_t size, uint32_t first_section);
/*
 * Adds bytes (malloc'ed, taken over in any case), in ascending order, without overlap
 * and within the size. False: no memory, or it is not so.
 */
bool sparse_add(struct served_image *image, uint64_t offset, uint8_t *bytes,
		size_t length);
bool sparse_add_copy(struct served_image *image, uint64_t offset, const void *bytes,
		     size_t length);

struct sparse_extent {
	uint64_t offset;
	size_t length;
	uint8_t *bytes;
};
/* Extent `number`; NULL: there are fewer. */
const struct sparse_extent *sparse_extent(const struct served_image *image,
					  size_t number);

#endif
