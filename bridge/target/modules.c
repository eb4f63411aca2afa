#include "bridge/target/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

/* KLDR_DATA_TABLE_ENTRY, KD.md §7. */
struct entry_layout {
	unsigned pointer_size;
	unsigned base, size, full_name, checksum, timestamp;
	unsigned timestamp_end; /* bytes to read */
};

static const struct entry_layout layouts[] = {
	{ 8, 0x30, 0x40, 0x48, 0x78, 0x9c, 0xa0 },
	/* no timestamp at a place that all 32-bit systems share */
	{ 4, 0x18, 0x20, 0x24, 0, 0, 0x2c },
};

enum { ENTRY_MAX = 0xa0, NAME_BYTES_MAX = 1024, LIST_FIRST = 64 };

static const struct entry_layout *layout_of(const struct target *t)
{
	return memory_pointer_size(t) == 4 ? &layouts[1] : &layouts[0];
}

/* ---- the list ---- */

static struct module *find_base(const struct modules_state *m, uint64_t base)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->list[i].base == base)
			return &m->list[i];
	}
	return NULL;
}

/* The one at that base, or a new one; NULL: no room. */
static struct module *find_or_add(struct modules_state *m, uint64_t base)
{
	struct module *module = find_base(m, base);
	if (module)
		return module;
	if (m->count == MODULES_MAX)
		return NULL;
	if (m->count == m->room) {
		size_t room = m->room > 0 ? m->room * 2 : LIST_FIRST;
		struct module *list = realloc(m->list, room * sizeof(*list));
		if (!list)
			return NULL;
		m->list = list;
		m->room = room;
	}
	module = &m->list[m->count++];
	*module = (struct module){ .base = base };
	return module;
}

static void remove_base(struct modules_state *m, uint64_t base)
{
	struct module *module = find_base(m, base);
	if (!module)
		return;
	size_t behind = m->count - (size_t)(module - m->list) - 1;
	memmove(module, module + 1, behind * sizeof(*module));
	m->count--;
}

/* ---- names ---- */

/* A boot loader's `\multi(0)disk(0)…\system32\x` is what the kernel calls SystemRoot. */
static void set_path(struct module *module, const char *path)
{
	static const char system32[] = "\\system32\\";
	const char *from = path[0] == '\\' ? path + 1 : path;
	const char *inner =
		strncasecmp(from, "multi(", 6) == 0 ? strcasestr(path, system32) : NULL;
	(void)snprintf(module->path, sizeof(module->path), "%s%s",
		       inner ? "\\SystemRoot" : "", inner ? inner : path);
	const char *name = module->path;
	for (const char *c = module->path; *c; c++) {
		if (*c == '\\' || *c == '/')
			name = c + 1;
	}
	(void)snprintf(module->name, sizeof(module->name), "%.*s",
		       (int)sizeof(module->name) - 1, name);
}

/* One character; 0: no room for all of it. */
static size_t put_utf8(char *out, size_t room, uint32_t c)
{
	if (c < ' ' || c == 0x7f)
		c = '?';
	if (c < 0x80 && room >= 1) {
		out[0] = (char)c;
		return 1;
	}
	if (c >= 0x80 && c < 0x800 && room >= 2) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c >= 0x800 && c < 0x10000 && room >= 3) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	return 0;
}

static void utf16_to_utf8(char *out, size_t size, const uint8_t *text, size_t length)
{
	size_t used = 0;
	for (size_t i = 0; i + 1 < length; i += 2) {
		uint32_t c = (uint32_t)load_le(text + i, 2);
		/* file names have no use for characters beyond 16 bits */
		bool surrogate = c >= 0xd800 && c < 0xe000;
		if (c == 0)
			break;
		size_t n = put_utf8(out + used, size - 1 - used, surrogate ? '?' : c);
		if (n == 0)
			break;
		used += n;
	}
	out[used] = '\0';
}

/* UNICODE_STRING: length 2, maximum 2, padding, buffer. */
static enum kd_result read_name(struct target *t, const uint8_t *string,
				struct module *module)
{
	unsigned pointer = memory_pointer_size(t);
	size_t length = (size_t)load_le(string, 2);
	uint64_t buffer = memory_address(t, load_le(string + pointer, pointer));
	uint8_t text[NAME_BYTES_MAX];
	char path[MODULE_PATH_MAX] = "";
	if (length > sizeof(text))
		length = sizeof(text);
	size_t done = 0;
	enum kd_result result = memory_read(t, buffer, text, length, &done);
	utf16_to_utf8(path, sizeof(path), text, done);
	if (path[0] == '\0')
		(void)snprintf(path, sizeof(path), "unknown_%llx",
			       (unsigned long long)module->base);
	set_path(module, path);
	return result == KD_REFUSED ? KD_DONE : result;
}

/* ---- the walk ---- */

/* What an event told of already is the same load of it. */
static uint64_t serial_for(struct modules_state *m, const struct module *known,
			   const struct module *found)
{
	bool same = known->serial != 0 && known->size == found->size &&
		    strcasecmp(known->name, found->name) == 0;
	return same ? known->serial : ++m->last_serial;
}

static enum kd_result take_entry(struct target *t, const struct entry_layout *l,
				 const uint8_t *entry)
{
	struct module found = {
		.base = memory_address(t, load_le(entry + l->base, l->pointer_size)),
		.size = (uint32_t)load_le(entry + l->size, 4),
	};
	if (found.base == 0)
		return KD_DONE;
	if (l->timestamp > 0) {
		found.checksum = (uint32_t)load_le(entry + l->checksum, 4);
		found.timestamp = (uint32_t)load_le(entry + l->timestamp, 4);
	}
	enum kd_result result = read_name(t, entry + l->full_name, &found);
	if (result != KD_DONE)
		return result;
	struct module *module = find_or_add(&t->modules, found.base);
	if (module) {
		found.serial = serial_for(&t->modules, module, &found);
		*module = found;
	}
	return KD_DONE;
}

static bool was_seen(const uint64_t *seen, size_t count, uint64_t address)
{
	for (size_t i = 0; i < count; i++) {
		if (seen[i] == address)
			return true;
	}
	return false;
}

/* Ends at the head, at an entry seen before, at one that cannot be read. */
static enum kd_result walk(struct target *t, uint64_t head, uint64_t *seen)
{
	const struct entry_layout *l = layout_of(t);
	uint64_t address;
	enum kd_result result = memory_read_pointer(t, head, &address);
	if (result == KD_DONE && address == 0)
		return KD_REFUSED; /* not set up yet */
	size_t count = 0;
	while (result == KD_DONE && address != head && count < MODULES_MAX &&
	       !was_seen(seen, count, address)) {
		uint8_t entry[ENTRY_MAX] = { 0 };
		size_t done;
		seen[count++] = address;
		result = memory_read(t, address, entry, l->timestamp_end, &done);
		if (result != KD_DONE || done < l->full_name + 2u * l->pointer_size)
			break;
		result = take_entry(t, l, entry);
		address = memory_address(t, load_le(entry, l->pointer_size));
	}
	/* what was found before a broken link is good */
	return result == KD_REFUSED && count > 0 ? KD_DONE : result;
}

static uint64_t head_of(struct target *t)
{
	const struct kd_version *version = target_version(t);
	if (version && version->loaded_module_list != 0)
		return memory_address(t, version->loaded_module_list);
	const struct kdbg *kdbg = target_kdbg(t);
	return kdbg ? memory_address(t, kdbg_address(kdbg, KDBG_LOADED_MODULE_LIST)) : 0;
}

static enum kd_result find_all(struct target *t)
{
	uint64_t head = head_of(t);
	if (head == 0)
		return KD_REFUSED;
	uint64_t *seen = malloc(MODULES_MAX * sizeof(*seen));
	if (!seen)
		return KD_REFUSED;
	enum kd_result result = walk(t, head, seen);
	free(seen);
	return result;
}

/*
 * Every load and every unload is reported, so one walk is enough for a session; it is
 * tried again in the next stop as long as there is no list.
 */
enum kd_result modules_list(struct target *t, const struct module **modules,
			    size_t *count)
{
	struct modules_state *m = &t->modules;
	enum kd_result result = m->refused ? KD_REFUSED : KD_DONE;
	if (!m->walked && !m->refused) {
		result = target_asks(t) ? find_all(t) : KD_GONE;
		m->walked = result == KD_DONE;
		m->refused = result == KD_REFUSED;
	}
	*modules = m->list;
	*count = m->count;
	return result;
}

uint64_t modules_version(const struct target *t)
{
	return t->modules.version;
}

bool modules_is_leaving(const struct target *t, const struct module *module)
{
	return t->modules.leaving != 0 && module->base == t->modules.leaving;
}

const struct module *modules_find(struct target *t, uint64_t address)
{
	for (size_t i = 0; i < t->modules.count; i++) {
		const struct module *module = &t->modules.list[i];
		if (address >= module->base && address - module->base < module->size)
			return module;
	}
	return NULL;
}

/* ---- events ---- */

/* An image of one process alone is no module of the kernel's. */
static bool is_user_image(const struct target *t, const struct kd_load_symbols *load)
{
	return memory_address(t, load->process) != UINT64_MAX &&
	       memory_address(t, load->base) >> 63 == 0;
}

void modules_on_load(struct target *t, const struct target_stop *stop)
{
	const struct kd_load_symbols *load = &t->stop.change.u.load;
	uint64_t base = stop->image.base;
	if (base == 0 || kd_is_farewell(load) || is_user_image(t, load))
		return;
	breakpoint_distrust(t, base, load->image_size);
	t->modules.version++;
	if (load->unload) {
		t->modules.leaving = base; /* the list still has it in this stop */
		return;
	}
	struct module *module = find_or_add(&t->modules, base);
	if (!module)
		return;
	struct module found = { .base = base,
				.size = load->image_size,
				.checksum = load->checksum };
	set_path(&found, stop->image.path);
	found.serial = serial_for(&t->modules, module, &found);
	if (found.serial == module->serial)
		found.timestamp = module->timestamp;
	*module = found;
}

void modules_on_resume(struct target *t)
{
	struct modules_state *m = &t->modules;
	m->refused = false;
	if (m->leaving != 0)
		remove_base(m, m->leaving);
	m->leaving = 0;
}

/* The list's memory stays: this may come in the midst of a walk. */
void modules_clear(struct target *t)
{
	t->modules.count = 0;
	t->modules.walked = false;
	t->modules.refused = false;
	t->modules.leaving = 0;
	t->modules.version++;
}

void modules_free(struct target *t)
{
	free(t->modules.list);
	t->modules = (struct modules_state){ 0 };
}
