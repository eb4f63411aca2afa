#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/gdb/gdb.h"

/*
 * Binary Ninja, radare2 and IDA look for modules in the file that Linux has for that, with
 * the process or the thread that they think of as number (RSP.md §21).
 */

/* "/proc/NUMBER/maps" */
static bool is_maps(const char *path)
{
	static const char before[] = "/proc/", behind[] = "/maps";
	size_t digits;

	if (strncmp(path, before, strlen(before)) != 0)
		return false;
	path += strlen(before);
	digits = strspn(path, "0123456789");
	return digits > 0 && strcmp(path + digits, behind) == 0;
}

/* One line for each module: what its sections allow, together. */
static void print_module(FILE *out, const struct module *module)
{
	char path[LIBRARY_NAME_MAX], shown[LIBRARY_NAME_MAX];

	gdb_library_path(module, path);
	console_harmless(shown, sizeof(shown), path, strlen(path));
	fprintf(out, "%016" PRIx64 "-%016" PRIx64 " rwxp 00000000 00:00 0 %s\n",
		module->base, module->base + module->size, shown);
}

char *gdb_maps(struct gdb *g, const char *path, size_t *length)
{
	const struct module *modules = NULL;
	char *text = NULL;
	size_t count = 0;
	FILE *out;

	if (!is_maps(path) || !gdb_is_live(g))
		return NULL;
	(void)modules_list(g->target, &modules, &count);
	gdb_charge(g);
	out = open_memstream(&text, length);
	if (!out)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (!modules_is_leaving(g->target, &modules[i]))
			print_module(out, &modules[i]);
	if (fclose(out) == 0 && *length > 0)
		return text;
	free(text);
	return NULL;
}
