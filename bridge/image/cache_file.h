/*
 * A served image as a file: its bytes with holes for zeros, then a trailer that tells
 * which build it is of and whether it is whole. Clients that open it ignore the trailer.
 */
#ifndef BRIDGE_IMAGE_CACHE_FILE_H
#define BRIDGE_IMAGE_CACHE_FILE_H

#include "bridge/image/image_cache.h"

/* Writes to an open, empty file. */
bool cache_file_write(int fd, const struct image_key *key, enum image_client client,
		      const struct served_image *image);
/* NULL: not whole, of another build, or no memory. */
struct served_image *cache_file_read(int fd, const struct image_key *key,
				     enum image_client client);

#endif
