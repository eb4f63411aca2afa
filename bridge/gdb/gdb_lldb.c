/* What lldb asks and gdb does not: the machine, words for a stop, load addresses. */
#include "bridge/gdb/gdb.h"

#include <stdio.h>
#include <string.h>

#include "bridge/target/arch.h"

/* These and no others are what lldb has modules for: RSP.md §10, §20. */
static const struct triple_row {
	enum kd_machine machine;
	const char *triple;
} triples[] = {
	{ KD_MACHINE_AMD64, "x86_64-pc-windows-msvc" },
	{ KD_MACHINE_I386, "i386-pc-windows-msvc" },
	{ KD_MACHINE_ARM64, "aarch64-pc-windows-msvc" },
};

void gdb_host(void *context, struct rsp_host *out)
{
	struct gdb *g = context;
	const struct arch *arch = target_arch(g->target);

	*out = (struct rsp_host){ .triple = triples[0].triple,
				  .pointer_size = arch->pointer_size };
	for (size_t i = 0; i < sizeof(triples) / sizeof(triples[0]); i++)
		if (triples[i].machine == arch->machine)
			out->triple = triples[i].triple;
}

bool gdb_stop_words(void *context, char *out, size_t size)
{
	struct gdb *g = context;
	const struct target_stop *stop = target_stopped(g->target);

	if (!stop)
		snprintf(out, size, "no target yet");
	else
		snprintf(out, size, "%s", stop->text);
	return out[0] != '\0';
}

bool gdb_libraries_in_stop(void *context)
{
	struct gdb *g = context;

	if (!g->client->libraries_in_any_stop ||
	    (g->libraries.followed && !gdb_libraries_due(g)))
		return false;
	gdb_libraries_told(g);
	return true;
}

bool gdb_registers_known(void *context, int thread)
{
	struct gdb *g = context;

	return gdb_is_live(g) && registers_known(g->target, gdb_processor(g, thread));
}

enum rsp_result gdb_file_address(void *context, const char *path, uint64_t *address)
{
	struct gdb *g = context;
	const struct library *library = gdb_library(g, path);

	if (!library || !g->client->opens_images_itself)
		return RSP_ERROR;
	*address = library->address;
	return RSP_OK;
}

const char *gdb_error_text(void *context)
{
	static const char *const words[] = {
		[KD_REFUSED] = "the target refuses that: not there, or not allowed",
		[KD_TIMED_OUT] = "the target did not answer in time",
		[KD_GONE] = "the target is gone, or it runs",
		[KD_INTERRUPTED] = "interrupted",
	};
	const struct gdb *g = context;

	return g->last < sizeof(words) / sizeof(words[0]) ? words[g->last] : NULL;
}
