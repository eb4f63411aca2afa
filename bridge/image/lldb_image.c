#include "bridge/image/lldb_image.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/image/pdb.h"
#include "bridge/image/pe.h"
#include "bridge/image/sparse.h"

_Static_assert((int)LLDB_PATH_MAX >= (int)PATH_MAX, "realpath writes so much");

enum { SECTION_MAX = 4096 }; /* of the one that names the PDB */

struct lldb_images {
	struct image_cache *kept;    /* the user's; may be disabled or NULL */
	struct image_cache *private; /* of this session; NULL: not made yet */
	char directory[PATH_MAX];    /* the private one */
	const char *pdb_path;
	uint32_t nameless; /* modules so far that nothing identifies */
};

struct lldb_images *lldb_images_new(struct image_cache *cache, const char *pdb_path)
{
	struct lldb_images *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->kept = cache && image_cache_directory(cache) ? cache : NULL;
	l->pdb_path = pdb_path;
	return l;
}

void lldb_images_free(struct lldb_images *l)
{
	if (!l)
		return;
	if (l->private) {
		image_cache_clear(l->private);
		image_cache_close(l->private);
		rmdir(l->directory);
	}
	free(l);
}

static struct image_cache *private_cache(struct lldb_images *l)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *error = NULL;
	if (l->private)
		return l->private;
	snprintf(l->directory, sizeof(l->directory), "%s/kdbridge-images-XXXXXX",
		 runtime && runtime[0] == '/' ? runtime : "/tmp");
	if (mkdtemp(l->directory))
		l->private = image_cache_open(l->directory, 0, &error);
	return l->private;
}

/* ---- which PDB the file names ---- */

static bool read_image(void *context, uint64_t rva, void *out, size_t length,
		       size_t *done)
{
	*done = served_image_read(context, rva, out, length);
	return true;
}

/* Where the image has the section that names it, and its bytes; size 0: it has none. */
struct pdb_section {
	uint32_t rva;
	size_t size;
	uint8_t bytes[SECTION_MAX];
};

static void find_section(struct served_image *image, struct pdb_section *out)
{
	struct pe pe;
	struct image_source source = { image, read_image };
	struct image_memory *memory = image_memory_new(&source);
	out->size = 0;
	if (memory && pe_read(memory, &pe) == PE_OK) {
		out->rva = pe.directories[PE_DIRECTORY_DEBUG].rva;
		const struct pe_section *s = pe_section_of(&pe, out->rva);
		if (s && s->rva == out->rva && s->size <= SECTION_MAX)
			out->size = served_image_read(image, s->rva, out->bytes, s->size);
	}
	image_memory_free(memory);
}

/* What the debug directory is to name: lldb_image.h has the order. */
static void choose(const struct lldb_images *l, const struct rsds *rsds,
		   char out[static PATH_MAX])
{
	char found[PATH_MAX];
	if (l->pdb_path && pdb_find(l->pdb_path, rsds, found) && realpath(found, out))
		return;
	bool here = rsds->path[0] == '/' && pdb_matches(rsds->path, rsds);
	snprintf(out, PATH_MAX, "%s", here ? rsds->path : rsds_file_name(rsds));
}

static void put_section(const struct pdb_section *section, uint64_t offset,
			uint8_t *bytes, size_t length)
{
	uint64_t from = offset > section->rva ? offset : section->rva;
	uint64_t end = section->rva + section->size;
	end = end < offset + length ? end : offset + length;
	if (from < end)
		memcpy(bytes + (from - offset), section->bytes + (from - section->rva),
		       (size_t)(end - from));
}

/* The same image with that section in place of its own. NULL: no memory. */
static struct served_image *with_section(const struct served_image *image,
					 const struct pdb_section *section)
{
	const struct sparse_extent *e;
	struct served_image *copy =
		sparse_new(served_image_size(image), served_image_first_section(image));
	for (size_t i = 0; copy && (e = sparse_extent(image, i)) != NULL; i++) {
		uint8_t *bytes = malloc(e->length);
		if (bytes) {
			memcpy(bytes, e->bytes, e->length);
			put_section(section, e->offset, bytes, e->length);
		}
		if (!sparse_add(copy, e->offset, bytes, e->length)) {
			served_image_free(copy);
			copy = NULL;
		}
	}
	return copy;
}

/*
 * The image with the PDB that is there now. NULL: the image is as it should be, or
 * nothing can be done.
 */
static struct served_image *renamed(const struct lldb_images *l,
				    struct served_image *image)
{
	struct pdb_section section;
	char wanted[PATH_MAX];
	struct rsds rsds;
	const char *shown;
	find_section(image, &section);
	if (section.size == 0 ||
	    !rsds_section_read(section.bytes, section.size, &rsds, &shown))
		return NULL;
	choose(l, &rsds, wanted);
	if (strcmp(wanted, shown) == 0)
		return NULL;
	if (!rsds_section_write(&rsds, wanted, section.rva, section.bytes,
				section.size) &&
	    !rsds_section_write(&rsds, rsds_file_name(&rsds), section.rva, section.bytes,
				section.size))
		return NULL;
	return with_section(image, &section);
}

/* ---- files ---- */

static bool path_of(const struct image_cache *cache, const struct image_key *key,
		    char path[static LLDB_PATH_MAX])
{
	char file[PATH_MAX];
	return image_cache_file(cache, key, IMAGE_FOR_LLDB, file, sizeof(file)) &&
	       realpath(file, path) != NULL;
}

static bool is_identified(const struct image_key *key)
{
	return key->timestamp != 0 || key->checksum != 0;
}

static bool find_in(struct lldb_images *l, struct image_cache *cache,
		    const struct image_key *key, char path[static LLDB_PATH_MAX])
{
	struct served_image *image =
		cache ? image_cache_load(cache, key, IMAGE_FOR_LLDB) : NULL;
	if (!image)
		return false;
	struct served_image *better = renamed(l, image);
	bool ok = !better || image_cache_store(cache, key, IMAGE_FOR_LLDB, better);
	served_image_free(better);
	served_image_free(image);
	return ok && path_of(cache, key, path);
}

bool lldb_image_find(struct lldb_images *l, const struct image_key *key,
		     char path[static LLDB_PATH_MAX])
{
	return find_in(l, l->kept, key, path) || find_in(l, l->private, key, path);
}

bool lldb_image_store(struct lldb_images *l, const struct image_key *key,
		      struct served_image *image, char path[static LLDB_PATH_MAX])
{
	struct image_key own = *key;
	struct image_cache *cache = l->kept;
	if (!is_identified(key)) {
		own.checksum = ++l->nameless;
		cache = NULL;
	}
	struct served_image *better = renamed(l, image);
	const struct served_image *best = better ? better : image;
	bool ok = cache && image_cache_store(cache, &own, IMAGE_FOR_LLDB, best);
	if (!ok) {
		cache = private_cache(l);
		ok = cache && image_cache_store(cache, &own, IMAGE_FOR_LLDB, best);
	}
	served_image_free(better);
	return ok && path_of(cache, &own, path);
}
