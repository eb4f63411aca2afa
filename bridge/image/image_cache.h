/*
 * Served images on disk: a module that was built once costs no target read again. A
 * file is a served image as it is, with a trailer that tells what it is and whether it is
 * whole; written aside and renamed, so that several workers can share the directory.
 */
#ifndef BRIDGE_IMAGE_IMAGE_CACHE_H
#define BRIDGE_IMAGE_IMAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/image/served_image.h"

/* Identifies a build of a module (KD.md §7); the module list tells all of it. */
struct image_key {
	const char *name; /* "ntoskrnl.exe"; hostile names are made safe */
	uint32_t timestamp;
	uint32_t size;	   /* SizeOfImage */
	uint32_t checksum; /* of the optional header */
};

struct image_cache;

enum { IMAGE_CACHE_LIMIT_MIB = 2048 }; /* on disk; the oldest used go first */

/*
 * Opens the cache, making the directory (mode 0700) when it is missing.
 *   directory  NULL: $XDG_CACHE_HOME/kdbridge, else ~/.cache/kdbridge; "none": no cache
 *   limit      bytes on disk, 0: IMAGE_CACHE_LIMIT_MIB
 * Without a usable directory the cache is disabled: nothing is found or kept. `*error`
 * then says why (a static text), NULL for "none". NULL: out of memory.
 */
struct image_cache *image_cache_open(const char *directory, uint64_t limit,
				     const char **error);
void image_cache_close(struct image_cache *cache);
/* Removes all images. What else lies in their directories, PDBs maybe, stays. */
void image_cache_clear(struct image_cache *cache);
/* The directory in use; NULL: disabled. */
const char *image_cache_directory(const struct image_cache *cache);

/*
 * The image of that build for that client, NULL: not there, or damaged (then removed). A key
 * without timestamp and checksum identifies nothing and is never found.
 */
struct served_image *image_cache_load(struct image_cache *cache,
				      const struct image_key *key,
				      enum image_client client);
/* Keeps it; false: not possible. Old images make room. */
bool image_cache_store(struct image_cache *cache, const struct image_key *key,
		       enum image_client client, const struct served_image *image);
/* The file's name, for a client that opens it itself; false: too long, or no cache. */
bool image_cache_file(const struct image_cache *cache, const struct image_key *key,
		      enum image_client client, char *out, size_t size);

#endif
