/*
 * Which image belongs to which module of the target: a local copy, one that an earlier
 * session kept, or one built from the target's memory. Building asks the target for much,
 * so it goes on only as long as its caller allows, and later from where it was.
 */
#ifndef BRIDGE_GDB_IMAGES_H
#define BRIDGE_GDB_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/image/image_cache.h"
#include "bridge/image/lldb_image.h"
#include "bridge/image/served_image.h"
#include "bridge/target/modules.h"

enum { IMAGES_WAIT_S = 5 };

enum image_state {
	IMAGE_WAITING, /* not built yet */
	IMAGE_READY,
	IMAGE_UNSERVABLE, /* no PE that makes sense */
};

struct image_entry {
	struct module module;
	enum image_state state;
	bool looked_up;		     /* among local copies and kept images */
	bool had_time;		     /* somebody waited for it once */
	struct served_image *image;  /* IMAGE_READY, for gdb */
	char *file;		     /* IMAGE_READY, for lldb: its absolute path */
	struct image_memory *memory; /* what a build that was interrupted has read */
};

struct images {
	struct target *target;
	enum image_client client;  /* whose images the list has */
	struct image_cache *cache; /* NULL: nothing is kept */
	const char *path;	   /* local copies; NULL: none */
	struct pdb_places pdbs;	   /* for lldb. Set before the first use */
	struct lldb_images *lldb;  /* NULL: not needed yet */
	struct image_entry *list;  /* in the order of the target's list */
	size_t count, room;
	uint64_t synced;  /* modules_version of the list that it was taken over from */
	uint64_t version; /* changes when an image becomes ready */
	uint64_t deadline_us;
	bool ahead;   /* of need: nobody waits */
	bool hurried; /* whoever waits would rather not (images_hurry) */
	/* Does something else come first? Asked before each question; may be NULL. */
	bool (*stop)(void *context);
	/* Somebody waits, and has done so for another second. May be NULL. */
	void (*progress)(void *context);
	void *stop_context;   /* of both */
	uint64_t progress_us; /* when it is due */
};

/* Nothing is kept until images_open. */
void images_init(struct images *images, struct target *target);
/*
 * The cache directory (NULL: the usual one, "none": no cache) and the directory of local
 * copies (may be NULL; must outlive `images`). Returns why nothing can be kept, a static
 * text; NULL: all is well.
 */
const char *images_open(struct images *images, const char *cache, const char *path);
void images_wipe(struct images *images);
/* From now on for that client: images of another kind are looked up and built anew. */
void images_serve(struct images *images, enum image_client client);
/* Another client is there: the files for lldb, and their PDBs, are looked up anew. */
void images_look_again(struct images *images);

/* Takes over the target's list of modules; those being unloaded are gone already. */
void images_sync(struct images *images);
/*
 * Finds or builds what is waiting, the kernel and what is on the stack first, for at most
 * that long; what has been waited for in vain already only when `ahead`, which is when
 * nobody waits.
 */
void images_build(struct images *images, uint64_t budget_us, bool ahead);
/* The one that holds the address; NULL: none of those taken over. */
const struct image_entry *images_at(const struct images *images, uint64_t address);
/* Whoever waits for images_build has had enough: it ends, until images_be_patient. */
void images_hurry(struct images *images);
void images_be_patient(struct images *images);
/* The one that is being read, and how much of it has come; NULL: none. */
const struct module *images_reading(const struct images *images, uint64_t *bytes);
/* How many are still waiting. */
size_t images_waiting(const struct images *images);

#endif
