#include "bridge/gdb/gdb.h"

#include <string.h>

#include "bridge/target/address_space.h"

static bool hurries(void *context)
{
	const struct gdb *g = context;

	return g->owner->hurries && g->owner->hurries(g->owner_context);
}

static void progress(void *context)
{
	const struct gdb *g = context;
	size_t count = g->images.count;

	if (g->owner->progress)
		g->owner->progress(g->owner_context, count - images_waiting(&g->images),
				   count);
}

void gdb_init(struct gdb *g, struct target *target, const struct gdb_owner *owner,
	      void *owner_context)
{
	memset(g, 0, sizeof(*g));
	g->target = target;
	g->owner = owner;
	g->owner_context = owner_context;
	g->client = &client_gdb;
	g->image_wait_s = IMAGES_WAIT_S;
	images_init(&g->images, target);
	g->images.stop = hurries;
	g->images.progress = progress;
	g->images.stop_context = g;
}

/* What only one client's session holds, but for its files. */
static void forget_session(struct gdb *g)
{
	gdb_libraries_forget(g);
	gdb_conditions_forget(g);
}

void gdb_wipe(struct gdb *g)
{
	forget_session(g);
	gdb_files_forget(g);
	gdb_titles_wipe(g);
	images_wipe(&g->images);
}

void gdb_client_begins(struct gdb *g)
{
	g->client = &client_gdb;
	g->bare_lists = GDB_LISTS_AT_CONNECT;
	g->locking_explained = false;
	g->listed_to = 0;
	(void)address_space_select(g->target, 0);
	forget_session(g);
	gdb_files_forget(g);
	gdb_registers_init(g);
	images_look_again(&g->images);
}

unsigned gdb_processor(const struct gdb *g, int thread)
{
	const struct target_stop *stop = target_stopped(g->target);

	if (thread > 0)
		return (unsigned)thread - 1;
	return stop ? stop->processor : 0;
}

void gdb_charge(struct gdb *g)
{
	struct rsp *r = g->owner->client(g->owner_context);
	uint64_t now = target_exchanges(g->target);

	if (r && now > g->charged)
		rsp_cost(r, now - g->charged);
	g->charged = now;
}

enum rsp_result gdb_result(struct gdb *g, enum kd_result result)
{
	gdb_charge(g);
	g->last = result;
	return result == KD_DONE ? RSP_OK : RSP_ERROR;
}

static bool on_busy(void *context)
{
	struct gdb *g = context;

	return g->owner->busy(g->owner_context);
}

static void on_attached(void *context)
{
	struct gdb *g = context;

	gdb_client_begins(g);
	g->owner->attached(g->owner_context);
}

static void on_detached(void *context, bool gone)
{
	struct gdb *g = context;

	forget_session(g);
	/* gdb reads on in what it has open when it attaches again after a kill */
	if (gone)
		gdb_files_forget(g);
	g->owner->detached(g->owner_context, gone);
	gdb_charge(g);
}

static void on_stays_stopped(void *context)
{
	struct gdb *g = context;

	if (g->owner->stays_stopped)
		g->owner->stays_stopped(g->owner_context);
}

static void on_interrupt(void *context)
{
	struct gdb *g = context;

	images_hurry(&g->images);
	g->owner->interrupt(g->owner_context);
}

const struct rsp_target gdb_table = {
	.busy = on_busy,
	.attached = on_attached,
	.detached = on_detached,
	.stays_stopped = on_stays_stopped,
	.stop_reason = gdb_stop_reason,
	.attach = gdb_attach,
	.description = gdb_description,
	.threads = gdb_threads,
	.thread_alive = gdb_thread_alive,
	.read_register = gdb_read_register,
	.write_register = gdb_write_register,
	.read_memory = gdb_read_memory,
	.write_memory = gdb_write_memory,
	.insert = gdb_insert,
	.remove = gdb_remove,
	.resume = gdb_resume,
	.interrupt = on_interrupt,
	.command = gdb_command,
	.document = gdb_document,
	.documents = gdb_documents,
	.host = gdb_host,
	.stop_words = gdb_stop_words,
	.libraries_due = gdb_libraries_in_stop,
	.thread_title = gdb_thread_title,
	.registers_known = gdb_registers_known,
	.region = gdb_region,
	.file_address = gdb_file_address,
	.error_text = gdb_error_text,
	.packets = gdb_packets,
};
