#include "bridge/image/lldb_image.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/image/find_file.h"
#include "bridge/image/pdb.h"
#include "bridge/image/pe.h"
#include "bridge/image/sparse.h"

_Static_assert((int)LLDB_PATH_MAX >= (int)PATH_MAX, "realpath writes so much");

enum { SECTION_MAX = 4096 }; /* of the one that names the PDB */

struct lldb_images {
	struct image_cache *kept;    /* the user's; may be disabled or NULL */
	struct image_cache *private; /* of this session; NULL: not made yet */
	char directory[PATH_MAX];    /* the private one */
	const struct pdb_places *pdbs;
	uint32_t nameless; /* modules so far that nothing identifies */
};

struct lldb_images *lldb_images_new(struct image_cache *cache,
				    const struct pdb_places *pdbs)
{
	struct lldb_images *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->kept = cache && image_cache_directory(cache) ? cache : NULL;
	l->pdbs = pdbs;
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

/* Where a PDB may be, the first place first. */
enum place { IN_PDB_PATH, AT_ITS_PATH, BESIDE_THE_FILE, PLACES };

static enum pdb_found look_in(const struct lldb_images *l, enum place place,
			      const char *file, const struct rsds *rsds,
			      char out[static PATH_MAX])
{
	char folder[PATH_MAX];
	switch (place) {
	case IN_PDB_PATH:
		return l->pdbs->path ? pdb_find(l->pdbs->path, rsds, out) : PDB_MISSING;
	case AT_ITS_PATH:
		snprintf(out, PATH_MAX, "%s", rsds->path);
		return out[0] == '/' ? pdb_check(out, rsds) : PDB_MISSING;
	default:
		snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(file, '/') - file),
			 file);
		return find_file(folder, rsds_file_name(rsds), out) ? pdb_check(out, rsds)
								    : PDB_MISSING;
	}
}

/*
 * What the debug directory of the module's file is to name: lldb_image.h has the order.
 * `wrong`: the first file of another build, where no place has a right one; else empty.
 */
static void choose(const struct lldb_images *l, const char *file, const struct rsds *rsds,
		   char out[static PATH_MAX], char wrong[static PATH_MAX])
{
	char found[PATH_MAX];
	wrong[0] = 0;
	snprintf(out, PATH_MAX, "%s", rsds_file_name(rsds));
	for (enum place place = 0; place < PLACES; place++)
		switch (look_in(l, place, file, rsds, found)) {
		case PDB_FOUND:
			wrong[0] = 0;
			if (place != BESIDE_THE_FILE && !realpath(found, out))
				continue;
			return;
		case PDB_OTHER:
			if (!wrong[0])
				snprintf(wrong, PATH_MAX, "%s", found);
			break;
		case PDB_MISSING:
			break;
		}
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
 * The image with the PDB that is there now; `file` is where it is kept. NULL: the image
 * is as it should be, or nothing can be done.
 */
static struct served_image *renamed(const struct lldb_images *l,
				    const struct image_key *key, const char *file,
				    struct served_image *image)
{
	struct pdb_section section;
	char wanted[PATH_MAX], wrong[PATH_MAX];
	struct rsds rsds;
	const char *shown;
	find_section(image, &section);
	if (section.size == 0 ||
	    !rsds_section_read(section.bytes, section.size, &rsds, &shown))
		return NULL;
	choose(l, file, &rsds, wanted, wrong);
	if (wrong[0] && l->pdbs->wrong)
		l->pdbs->wrong(l->pdbs->context, key->name, wrong);
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

/* Keeps it, with the PDB that is there now; `fresh`: it is not kept yet. */
static bool keep(const struct lldb_images *l, struct image_cache *cache,
		 const struct image_key *key, struct served_image *image, bool fresh,
		 char path[static LLDB_PATH_MAX])
{
	char file[PATH_MAX];
	if (!cache || !image_cache_file(cache, key, IMAGE_FOR_LLDB, file, sizeof(file)))
		return false;
	struct served_image *better = renamed(l, key, file, image);
	bool ok = (!better && !fresh) ||
		  image_cache_store(cache, key, IMAGE_FOR_LLDB, better ? better : image);
	served_image_free(better);
	return ok && path_of(cache, key, path);
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
	bool ok = keep(l, cache, key, image, false, path);
	served_image_free(image);
	return ok;
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
	bool identified = is_identified(key);
	if (!identified)
		own.checksum = ++l->nameless;
	return (identified && keep(l, l->kept, &own, image, true, path)) ||
	       keep(l, private_cache(l), &own, image, true, path);
}
