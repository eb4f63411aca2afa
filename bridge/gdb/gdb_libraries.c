#include "bridge/gdb/gdb_libraries.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/gdb/gdb.h"

enum {
	DOCUMENT_MAX = 8 << 20,
	COUNTS_MAX = 128,
	SECOND = 1000000,	/* microseconds */
	FIRST_SECTION = 0x1000, /* of a module that is not served: it shows nothing */
};

static const char exec_prefix[] = "/kdbridge/";

/* ---- the exec file, without which gdb loads no library ---- */

static const struct exec_row {
	uint16_t machine;
	const char *name;
} exec_rows[] = {
	{ KD_MACHINE_AMD64, "amd64" },
	{ KD_MACHINE_I386, "i386" },
	{ KD_MACHINE_ARM64, "arm64" },
};

struct served_image *gdb_exec_file(const char *path)
{
	size_t prefix = strlen(exec_prefix);

	if (strncmp(path, exec_prefix, prefix) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(exec_rows) / sizeof(exec_rows[0]); i++)
		if (!strcmp(path + prefix, exec_rows[i].name))
			return served_image_empty(exec_rows[i].machine);
	return NULL;
}

static const char *exec_name(const struct gdb *g)
{
	const struct arch *arch = target_arch(g->target);

	for (size_t i = 0; i < sizeof(exec_rows) / sizeof(exec_rows[0]); i++)
		if (exec_rows[i].machine == arch->machine)
			return exec_rows[i].name;
	return exec_rows[0].name;
}

static enum rsp_result make_exec_file(struct gdb *g, struct rsp_xml *x)
{
	rsp_xml_text(x, exec_prefix);
	rsp_xml_text(x, exec_name(g));
	return RSP_OK;
}

/* ---- names ---- */

static uint32_t hash_of(const char *name)
{
	uint32_t hash = UINT32_C(2166136261);

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT32_C(16777619);
	return hash;
}

static const struct library *find(const struct library *list, size_t count,
				  const char *name, uint32_t hash)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].hash == hash && !strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

/* As gdb on Linux opens them (RSP.md §2). */
void gdb_library_path(const struct module *module, char out[static LIBRARY_NAME_MAX])
{
	const char *path = module->path;

	snprintf(out, LIBRARY_NAME_MAX, "%s%s",
		 path[0] == '\\' || path[0] == '/' ? "" : "/", path);
	for (char *c = out; *c; c++)
		if (*c == '\\')
			*c = '/';
}

static void name_library(struct library *library, const struct module *module)
{
	gdb_library_path(module, library->name);
	library->hash = hash_of(library->name);
}

static void make_unique(struct library *library, const struct library *list, size_t count)
{
	size_t length = strlen(library->name);

	if (!find(list, count, library->name, library->hash))
		return;
	snprintf(library->name + length, sizeof(library->name) - length, "@%" PRIx64,
		 library->address);
	library->hash = hash_of(library->name);
}

/* ---- the list ---- */

static void free_list(struct library *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		served_image_free(list[i].image);
	free(list);
}

static struct library library_of(const struct image_entry *entry)
{
	struct library library = { .serial = entry->module.serial };
	uint32_t first = 0;

	if (entry->image) {
		library.image = entry->image;
		first = served_image_first_section(entry->image);
	}
	library.address = entry->module.base + (first ? first : FIRST_SECTION);
	name_library(&library, &entry->module);
	return library;
}

/* What gdb knows by that name and would take it for, wrongly; NULL: all is well. */
static const struct library *conflicting(const struct gdb_libraries *l,
					 const struct library *library)
{
	const struct library *known =
		find(l->list, l->count, library->name, library->hash);

	if (known &&
	    (known->serial != library->serial || known->address != library->address ||
	     !known->image != !library->image))
		return known;
	return NULL;
}

/*
 * As gdb is told. False: it must wait for the next list. A user who looks at the list sees
 * nothing vanish from it: a module whose image is ready now stays what it was until the
 * next resume.
 */
static bool list_served(const struct gdb_libraries *l, const struct image_entry *entry,
			struct library *list, size_t *count)
{
	struct library *library = &list[*count];
	const struct library *known;

	*library = library_of(entry);
	make_unique(library, list, *count);
	known = conflicting(l, library);
	if (known && !l->announced && known->serial == library->serial)
		*library = *known;
	else if (known)
		return false;
	if (library->image)
		served_image_keep(library->image);
	(*count)++;
	return !known;
}

/* As a client is told that opens files itself: those that are there, each once. */
static void list_file(const struct image_entry *entry, struct library *list,
		      size_t *count)
{
	struct library *library = &list[*count];

	if (!entry->file || strlen(entry->file) >= sizeof(library->name))
		return;
	*library = (struct library){ .serial = entry->module.serial,
				     .address = entry->module.base,
				     .hash = hash_of(entry->file) };
	strcpy(library->name, entry->file);
	if (!find(list, *count, library->name, library->hash))
		(*count)++;
}

/* Is it on another host, where the files that it would open are not? */
static bool cannot_open(const struct gdb *g)
{
	return g->client->opens_images_itself && g->owner->client_is_here &&
	       !g->owner->client_is_here(g->owner_context);
}

/* Once in a session. */
static void say_what_to_do(struct gdb *g)
{
	if (g->libraries.withheld || !cannot_open(g))
		return;
	g->libraries.withheld = true;
	console_say(&g->console,
		    "[kdbridge: this %s is on another host, where the files of "
		    "modules are not: \"kd-connect HOST:PORT\" of kdbridge.py "
		    "fetches them]\n",
		    g->client->name);
	if (g->owner->files_withheld)
		g->owner->files_withheld(g->owner_context);
}

/* What is to be told now; *left_out: something must wait for the next list. */
static struct library *make_list(struct gdb *g, size_t *count, bool *left_out)
{
	const struct images *images = &g->images;
	struct library *list = calloc(images->count + 1, sizeof(*list));
	size_t listed = cannot_open(g) ? 0 : images->count;

	*count = 0;
	*left_out = false;
	for (size_t i = 0; list && i < listed; i++) {
		const struct image_entry *entry = &images->list[i];

		if (g->client->opens_images_itself)
			list_file(entry, list, count);
		else if (!list_served(&g->libraries, entry, list, count))
			*left_out = true;
	}
	return list;
}

static uint64_t version_of(const struct gdb *g)
{
	return modules_version(g->target) + g->images.version;
}

/* Its user reads it as soon as there is a way to say it. */
static void say_what_is_missing(struct gdb *g)
{
	size_t waiting = images_waiting(&g->images);

	if (waiting > 0)
		console_say(&g->console,
			    "[kdbridge: %zu of %zu modules have their names; the others "
			    "are read while you are at the prompt, see \"monitor "
			    "images\"]\n",
			    g->images.count - waiting, g->images.count);
	g->libraries.missing = waiting > 0;
}

static void say_all_is_there(struct gdb *g)
{
	if (!g->libraries.missing || images_waiting(&g->images) > 0)
		return;
	g->libraries.missing = false;
	console_say(&g->console, "[kdbridge: all modules have their names]\n");
}

static enum rsp_result make_libraries(struct gdb *g, struct rsp_xml *x)
{
	struct gdb_libraries *l = &g->libraries;
	struct library *list;
	size_t count;
	bool left_out;

	images_serve(&g->images, g->client->images);
	images_be_patient(&g->images);
	images_sync(&g->images);
	images_build(&g->images, (uint64_t)g->image_wait_s * SECOND, false);
	say_what_is_missing(g);
	say_what_to_do(g);
	list = make_list(g, &count, &left_out);
	if (!list)
		return RSP_ERROR;
	free_list(l->list, l->count);
	l->list = list;
	l->count = count;
	l->followed = true;
	l->announced = false;
	l->again = left_out || !gdb_is_live(g);
	l->told = version_of(g);
	rsp_xml_markup(x, "<library-list version=\"1.0\">\n");
	for (size_t i = 0; i < count; i++) {
		rsp_xml_markup(x, "<library");
		rsp_xml_attribute(x, "name", list[i].name);
		rsp_xml_markup(x, "><%s address=\"%#" PRIx64 "\"/></library>\n",
			       g->client->address_element, list[i].address);
	}
	rsp_xml_markup(x, "</library-list>\n");
	gdb_charge(g);
	return RSP_OK;
}

const struct library *gdb_library(const struct gdb *g, const char *name)
{
	return find(g->libraries.list, g->libraries.count, name, hash_of(name));
}

bool gdb_libraries_due(const struct gdb *g)
{
	const struct gdb_libraries *l = &g->libraries;

	return l->followed && gdb_is_live(g) && (l->again || l->told != version_of(g));
}

bool gdb_libraries_come_first(const struct gdb *g)
{
	return !g->client->libraries_in_any_stop && gdb_libraries_due(g);
}

bool gdb_has_images_to_build(const struct gdb *g)
{
	return g->libraries.followed && gdb_is_live(g) && images_waiting(&g->images) > 0;
}

uint64_t gdb_packets_so_far(const struct gdb *g)
{
	struct rsp_count counts[COUNTS_MAX];
	const struct rsp *r = g->owner->client(g->owner_context);
	size_t n = r ? rsp_counts(r, counts, COUNTS_MAX) : 0;
	uint64_t packets = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(counts[i].kind, "qRcmd,") != 0)
			packets += counts[i].packets;
	return packets;
}

bool gdb_builds_ahead(struct gdb *g)
{
	if (!gdb_has_images_to_build(g))
		return false;
	images_build(&g->images, SECOND, true);
	say_all_is_there(g);
	gdb_charge(g);
	return true;
}

void gdb_libraries_told(struct gdb *g)
{
	g->libraries.again = false;
	g->libraries.announced = true;
	g->libraries.told = version_of(g);
}

void gdb_libraries_forget(struct gdb *g)
{
	free_list(g->libraries.list, g->libraries.count);
	g->libraries = (struct gdb_libraries){ .list = NULL };
}

/* ---- the documents ---- */

static const struct document_row {
	const char *name;
	enum rsp_result (*make)(struct gdb *g, struct rsp_xml *x);
} document_rows[] = {
	{ "exec-file", make_exec_file },
	{ "libraries", make_libraries },
};

const char *const gdb_documents[] = { "exec-file", "libraries", NULL };

enum rsp_result gdb_document(void *context, const char *object, const char *annex,
			     char **document, size_t *length)
{
	struct gdb *g = context;
	struct rsp_xml x = rsp_xml_init(DOCUMENT_MAX);
	enum rsp_result result = RSP_UNSUPPORTED;

	(void)annex; /* a process number, or nothing */
	for (size_t i = 0; i < sizeof(document_rows) / sizeof(document_rows[0]); i++)
		if (!strcmp(document_rows[i].name, object))
			result = document_rows[i].make(g, &x);
	if (result == RSP_OK && x.full)
		result = RSP_ERROR;
	if (result != RSP_OK) {
		free(x.text);
		return result;
	}
	*document = x.text;
	*length = x.length;
	return RSP_OK;
}
