/*
 * Local copies of a target's binaries (`--image-path DIR`), read in place of the target.
 */
#ifndef BRIDGE_IMAGE_IMAGE_PATH_H
#define BRIDGE_IMAGE_IMAGE_PATH_H

#include "bridge/image/image_cache.h"
#include "bridge/image/image_source.h"

struct local_image;

/*
 * The copy of exactly that build: a PE with the key's timestamp and SizeOfImage, in DIR
 * itself (any case), or as a symbol server keeps it, DIR/name/TIMESTAMPsize/name. NULL:
 * there is none. Its source serves the file as the loader would map it, not relocated.
 */
struct local_image *local_image_open(const char *directory, const struct image_key *key);
void local_image_close(struct local_image *local);
struct image_source local_image_source(struct local_image *local);

#endif
