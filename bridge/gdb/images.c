#include "bridge/gdb/images.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/image/image_path.h"
#include "bridge/image/pe.h"
#include "bridge/target/arch.h"
#include "bridge/target/memory.h"
#include "bridge/target/registers.h"
#include "kdnet/wire.h"

enum {
	LIST_FIRST = 64,
	/* One question to the target at a time, so that building can stop between them. */
	QUESTION = 1024,
	/* Code that is read for the epilogues of one module. */
	CODE_MAX = 1 << 20,
	STACK_LOOKED_AT = 2048,
	PROGRESS_US = 1000000,
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void images_init(struct images *images, struct target *target)
{
	memset(images, 0, sizeof(*images));
	images->target = target;
}

const char *images_open(struct images *images, const char *cache, const char *path)
{
	const char *error = NULL;

	images->path = path;
	images->cache = image_cache_open(cache, 0, &error);
	return images->cache ? error : "out of memory";
}

static void wipe_entry(struct image_entry *entry)
{
	served_image_free(entry->image);
	free(entry->file);
	image_memory_free(entry->memory);
}

static void forget_served(struct image_entry *entry)
{
	served_image_free(entry->image);
	free(entry->file);
	entry->image = NULL;
	entry->file = NULL;
	entry->looked_up = entry->had_time = false;
	if (entry->state == IMAGE_READY)
		entry->state = IMAGE_WAITING;
}

void images_look_again(struct images *images)
{
	for (size_t i = 0; i < images->count; i++) {
		struct image_entry *entry = &images->list[i];

		/* what nothing identifies is not found again: it would be read again */
		if (entry->file && entry->module.timestamp != 0)
			forget_served(entry);
	}
}

void images_serve(struct images *images, enum image_client client)
{
	if (images->client == client)
		return;
	images->client = client;
	images->version++;
	for (size_t i = 0; i < images->count; i++)
		forget_served(&images->list[i]);
}

void images_wipe(struct images *images)
{
	for (size_t i = 0; i < images->count; i++)
		wipe_entry(&images->list[i]);
	free(images->list);
	lldb_images_free(images->lldb);
	if (images->cache)
		image_cache_close(images->cache);
	memset(images, 0, sizeof(*images));
}

/* ---- the list ---- */

/* Mostly at the same place as before. */
static struct image_entry *find(struct image_entry *list, size_t count, size_t guess,
				uint64_t serial)
{
	if (guess < count && list[guess].module.serial == serial)
		return &list[guess];
	for (size_t i = 0; i < count; i++)
		if (list[i].module.serial == serial)
			return &list[i];
	return NULL;
}

static void take_module(struct image_entry *to, struct image_entry *known,
			const struct module *module)
{
	memset(to, 0, sizeof(*to));
	if (known) {
		*to = *known;
		/* what it holds has moved */
		known->image = NULL;
		known->file = NULL;
		known->memory = NULL;
		known->module.serial = 0;
		/* a header told more than an event does */
		if (module->timestamp == 0 && known->module.timestamp != 0)
			return;
	}
	to->module = *module;
}

void images_sync(struct images *images)
{
	const struct module *modules = NULL;
	struct image_entry *list;
	size_t count = 0, n = 0;

	if (target_state(images->target) == TARGET_STOPPED)
		(void)modules_list(images->target, &modules, &count);
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return;
	for (size_t i = 0; i < count; i++)
		if (!modules_is_leaving(images->target, &modules[i])) {
			take_module(
				&list[n],
				find(images->list, images->count, i, modules[i].serial),
				&modules[i]);
			n++;
		}
	for (size_t i = 0; i < images->count; i++)
		wipe_entry(&images->list[i]);
	free(images->list);
	images->synced = modules_version(images->target);
	images->list = list;
	images->count = n;
}

size_t images_waiting(const struct images *images)
{
	size_t n = 0;

	for (size_t i = 0; i < images->count; i++)
		n += images->list[i].state == IMAGE_WAITING;
	return n;
}

void images_hurry(struct images *images)
{
	images->hurried = true;
}

void images_be_patient(struct images *images)
{
	images->hurried = false;
}

const struct module *images_reading(const struct images *images, uint64_t *bytes)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct image_entry *entry = &images->list[i];

		if (entry->state != IMAGE_WAITING || !entry->memory)
			continue;
		*bytes = image_memory_bytes_read(entry->memory);
		return &entry->module;
	}
	return NULL;
}

/* ---- the target's memory as a source ---- */

struct source_context {
	struct images *images;
	uint64_t base;
};

static bool must_stop(const struct images *images)
{
	return now_us() >= images->deadline_us || (images->hurried && !images->ahead) ||
	       (images->stop && images->stop(images->stop_context));
}

static void tell_progress(struct images *images)
{
	uint64_t now = now_us();

	if (images->ahead || !images->progress || now < images->progress_us)
		return;
	images->progress_us = now + PROGRESS_US;
	images->progress(images->stop_context);
}

static bool read_target(void *context, uint64_t rva, void *out, size_t length,
			size_t *done)
{
	const struct source_context *c = context;

	for (*done = 0; *done < length;) {
		size_t left = length - *done, piece = left < QUESTION ? left : QUESTION;
		size_t got = 0;
		enum kd_result result;

		tell_progress(c->images);
		if (must_stop(c->images))
			return false;
		result = memory_read(c->images->target, c->base + rva + *done,
				     (uint8_t *)out + *done, piece, &got);
		*done += got;
		if (result == KD_REFUSED || (result == KD_DONE && got < piece))
			return true;
		if (result != KD_DONE)
			return false;
	}
	return true;
}

static struct image_memory *memory_of(struct image_entry *entry,
				      const struct image_source *source)
{
	if (!entry->memory) {
		entry->memory = image_memory_new(source);
	} else {
		image_memory_set_inner(entry->memory, source);
		image_memory_resume(entry->memory);
	}
	return entry->memory;
}

/* ---- one image ---- */

static struct image_key key_of(const struct image_entry *entry)
{
	return (struct image_key){
		.name = entry->module.name,
		.timestamp = entry->module.timestamp,
		.size = entry->module.size,
		.checksum = entry->module.checksum,
	};
}

static void become_ready(struct images *images, struct image_entry *entry)
{
	entry->state = IMAGE_READY;
	image_memory_free(entry->memory);
	entry->memory = NULL;
	images->version++;
}

static struct lldb_images *for_lldb(struct images *images)
{
	if (!images->lldb)
		images->lldb = lldb_images_new(images->cache, &images->pdbs);
	return images->lldb;
}

/* lldb opens the file itself: it is made of `image`, or NULL: was made before. */
static bool take_file(struct images *images, struct image_entry *entry,
		      struct served_image *image)
{
	const struct image_key key = key_of(entry);
	char path[LLDB_PATH_MAX];

	if (!for_lldb(images) ||
	    !(image ? lldb_image_store(images->lldb, &key, image, path)
		    : lldb_image_find(images->lldb, &key, path)))
		return false;
	entry->file = strdup(path);
	if (!entry->file)
		return false;
	become_ready(images, entry);
	return true;
}

/* Takes over the image that was just built; `fresh`: it is worth keeping. */
static void take_built(struct images *images, struct image_entry *entry,
		       struct served_image *image, bool fresh)
{
	const struct image_key key = key_of(entry);

	if (images->client == IMAGE_FOR_LLDB) {
		if (!take_file(images, entry, image))
			entry->state = IMAGE_UNSERVABLE;
		served_image_free(image);
		return;
	}
	if (fresh && images->cache)
		(void)image_cache_store(images->cache, &key, images->client, image);
	entry->image = image;
	become_ready(images, entry);
}

static struct image_request request_of(const struct images *images,
				       const struct image_entry *entry, size_t code_max)
{
	return (struct image_request){
		.name = entry->module.name,
		.base = entry->module.base,
		.client = images->client,
		.code_max = code_max,
	};
}

static bool take_kept(struct images *images, struct image_entry *entry,
		      const struct image_key *key)
{
	struct served_image *image;

	if (images->client == IMAGE_FOR_LLDB)
		return take_file(images, entry, NULL);
	image = images->cache ? image_cache_load(images->cache, key, images->client)
			      : NULL;
	if (!image)
		return false;
	entry->image = image;
	become_ready(images, entry);
	return true;
}

static bool take_local(struct images *images, struct image_entry *entry,
		       const struct image_key *key)
{
	const struct image_request request = request_of(images, entry, SIZE_MAX);
	struct local_image *local =
		images->path ? local_image_open(images->path, key) : NULL;
	struct served_image *image = NULL;

	if (local) {
		struct image_source source = local_image_source(local);
		struct image_memory *memory = image_memory_new(&source);

		if (memory)
			(void)served_image_build(memory, &request, &image, NULL);
		image_memory_free(memory);
		local_image_close(local);
	}
	if (image)
		take_built(images, entry, image, false);
	return image != NULL;
}

/* Without a word to the target; true: it is there. */
static bool look_up(struct images *images, struct image_entry *entry)
{
	const struct image_key key = key_of(entry);

	if (entry->looked_up || key.timestamp == 0)
		return false;
	entry->looked_up = true;
	return take_local(images, entry, &key) || take_kept(images, entry, &key);
}

/* A load event, and 32-bit systems, tell no timestamp: the header does. */
static bool identify(struct image_entry *entry, struct image_memory *memory)
{
	struct pe pe;

	if (entry->module.timestamp != 0 || entry->looked_up)
		return true;
	switch (pe_read(memory, &pe)) {
	case PE_INTERRUPTED:
		return false;
	case PE_OK:
		entry->module.timestamp = pe.timestamp;
		entry->module.checksum = pe.checksum;
		break;
	case PE_BAD:
		break;
	}
	return true;
}

static void build(struct images *images, struct image_entry *entry)
{
	struct source_context context = { images, entry->module.base };
	const struct image_source source = { &context, read_target };
	const struct image_request request = request_of(images, entry, CODE_MAX);
	struct image_memory *memory = memory_of(entry, &source);
	struct served_image *image = NULL;

	if (!memory || !identify(entry, memory) || look_up(images, entry))
		return;
	switch (served_image_build(memory, &request, &image, NULL)) {
	case IMAGE_OK:
		take_built(images, entry, image, true);
		break;
	case IMAGE_BAD:
	case IMAGE_NO_MEMORY:
		image_memory_free(entry->memory);
		entry->memory = NULL;
		entry->state = IMAGE_UNSERVABLE;
		break;
	case IMAGE_INTERRUPTED:
		break;
	}
}

/* ---- all of them ---- */

static struct image_entry *at_address(const struct images *images, uint64_t address)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct module *m = &images->list[i].module;

		if (address >= m->base && address - m->base < m->size)
			return &images->list[i];
	}
	return NULL;
}

const struct image_entry *images_at(const struct images *images, uint64_t address)
{
	return at_address(images, address);
}

static void build_in_time(struct images *images, struct image_entry *entry)
{
	if (entry->state == IMAGE_WAITING && (images->ahead || !entry->had_time) &&
	    !must_stop(images))
		build(images, entry);
}

static void build_at(struct images *images, uint64_t address)
{
	struct image_entry *entry = at_address(images, address);

	if (entry)
		build_in_time(images, entry);
}

/* Whatever could be a return address. */
static void build_on_stack(struct images *images)
{
	const struct target_stop *stop = target_stopped(images->target);
	const struct arch *arch = target_arch(images->target);
	uint8_t stack[STACK_LOOKED_AT];
	uint64_t sp = 0;
	size_t done = 0;

	if (!stop)
		return;
	build_at(images, stop->pc);
	if (must_stop(images) ||
	    registers_get(images->target, stop->processor, arch->sp, &sp) != KD_DONE)
		return;
	(void)memory_read(images->target, sp, stack, sizeof(stack), &done);
	for (size_t i = 0; i + arch->pointer_size <= done; i += arch->pointer_size)
		build_at(images, load_le(stack + i, arch->pointer_size));
}

/* Is there one that may be built now? */
static bool has_work(const struct images *images)
{
	for (size_t i = 0; i < images->count; i++)
		if (images->list[i].state == IMAGE_WAITING &&
		    (images->ahead || !images->list[i].had_time))
			return true;
	return false;
}

void images_build(struct images *images, uint64_t budget_us, bool ahead)
{
	const struct kd_version *version = target_version(images->target);

	images->ahead = ahead;
	images->deadline_us = now_us() + budget_us;
	images->progress_us = now_us() + PROGRESS_US;
	for (size_t i = 0; i < images->count; i++)
		if (images->list[i].state == IMAGE_WAITING)
			(void)look_up(images, &images->list[i]);
	if (has_work(images)) {
		if (version)
			build_at(images, version->kernel_base);
		build_on_stack(images);
	}
	for (size_t i = 0; i < images->count; i++) {
		build_in_time(images, &images->list[i]);
		images->list[i].had_time = true;
	}
}
