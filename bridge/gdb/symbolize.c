#include "bridge/gdb/symbolize.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bridge/image/image_symbols.h"
#include "bridge/target/modules.h"

/* NULL: its names are not there yet, or it has none. */
static struct served_image *image_of(struct gdb *g, const struct module *m)
{
	const struct image_entry *entry = images_at(&g->images, m->base);

	if (!entry || entry->module.serial != m->serial || entry->state != IMAGE_READY)
		return NULL;
	return entry->image;
}

/* Walks the list, if nobody has in this stop. */
static size_t list_modules(struct gdb *g, const struct module **modules)
{
	size_t count = 0;

	*modules = NULL;
	(void)modules_list(g->target, modules, &count);
	if (g->images.synced != modules_version(g->target) || g->images.count == 0)
		images_sync(&g->images);
	return count;
}

static void print_name(const struct module *m, struct served_image *image, uint32_t rva,
		       char out[static SYMBOLIZED_MAX])
{
	char name[IMAGE_SYMBOL_MAX], prefix[IMAGE_PREFIX_MAX];
	uint32_t distance;

	if (image && image_symbol_near(image, rva, name, &distance)) {
		if (distance > 0)
			(void)snprintf(out, SYMBOLIZED_MAX, "%s+%#" PRIx32, name,
				       distance);
		else
			(void)snprintf(out, SYMBOLIZED_MAX, "%s", name);
		return;
	}
	image_prefix(m->name, prefix);
	(void)snprintf(out, SYMBOLIZED_MAX, "%s+%#" PRIx32, prefix, rva);
}

void symbolize(struct gdb *g, uint64_t address, char out[static SYMBOLIZED_MAX])
{
	const struct module *modules;
	size_t count = list_modules(g, &modules);

	out[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const struct module *m = &modules[i];

		if (address < m->base || address - m->base >= m->size)
			continue;
		print_name(m, image_of(g, m), (uint32_t)(address - m->base), out);
		return;
	}
}

static bool is_in(const struct module *m, const char *name, const char *mark)
{
	char prefix[IMAGE_PREFIX_MAX];
	size_t length = mark ? (size_t)(mark - name) : 0;

	if (!mark)
		return true;
	image_prefix(m->name, prefix);
	return strlen(prefix) == length && !strncasecmp(prefix, name, length);
}

bool symbol_address(struct gdb *g, const char *name, uint64_t *address)
{
	const char *mark = strchr(name, '!');
	const struct module *modules;
	size_t count = list_modules(g, &modules);

	for (size_t i = 0; i < count; i++) {
		struct served_image *image = image_of(g, &modules[i]);
		uint32_t rva;

		if (!image || !is_in(&modules[i], name, mark) ||
		    !image_symbol_find(image, name, &rva))
			continue;
		*address = modules[i].base + rva;
		return true;
	}
	return false;
}
