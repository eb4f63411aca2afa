#include "bridge/target/processes.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

enum { LIST_FIRST = 64, OBJECT_MAX = 0x2000, NAME_BYTES = PROCESS_NAME_MAX - 1 };

/* ---- what is where ---- */

/* Offsets within EPROCESS; 0: this kernel does not tell. */
struct layout {
	uint16_t links, name, directory, parent, peb;
	uint16_t first, size; /* what of it to read: from the first of them to the end */
};

static void widen(struct layout *l, uint16_t offset, uint16_t size)
{
	if (offset == 0)
		return;
	if (offset < l->first)
		l->first = offset;
	if (offset + size > l->first + l->size)
		l->size = (uint16_t)(offset + size - l->first);
}

static bool make_layout(struct target *t, const struct kdbg *kdbg, struct layout *l)
{
	const struct processors_state *p = &t->processors;
	uint16_t pointer = (uint16_t)memory_pointer_size(t);
	int32_t name = p->links + p->name;
	if (name <= 0 || name > OBJECT_MAX || p->links < pointer || p->links > OBJECT_MAX)
		return false;
	*l = (struct layout){
		.links = p->links,
		.name = (uint16_t)name,
		.directory = kdbg_offset(kdbg, KDBG_PROCESS_DIRECTORY_TABLE),
		.parent = kdbg_offset(kdbg, KDBG_PROCESS_PARENT),
		.peb = kdbg_offset(kdbg, KDBG_PROCESS_PEB),
		.first = (uint16_t)(p->links - pointer),
	};
	l->first = l->directory && l->directory < l->first ? l->directory : l->first;
	widen(l, l->links, pointer);
	widen(l, l->name, NAME_BYTES);
	widen(l, l->directory, pointer);
	widen(l, l->parent, pointer);
	widen(l, l->peb, pointer);
	return l->size <= OBJECT_MAX;
}

/* Some process of the list tells where the links are. */
static bool learn(struct target *t, uint64_t system)
{
	for (unsigned i = 0; i < processors_count(t); i++) {
		uint64_t process = processors_process(t, i);
		if (process != 0 && processors_learn(t, process))
			return true;
	}
	return system != 0 && processors_learn(t, system);
}

/* ---- one process ---- */

struct object {
	const struct layout *layout;
	unsigned pointer;
	size_t valid;
	uint8_t bytes[OBJECT_MAX];
};

static uint64_t field(const struct object *o, uint16_t offset)
{
	size_t at = (size_t)(offset - o->layout->first);
	if (offset < o->layout->first || at + o->pointer > o->valid)
		return 0;
	return load_le(o->bytes + at, o->pointer);
}

static uint64_t optional_field(const struct object *o, uint16_t offset)
{
	return offset != 0 ? field(o, offset) : 0;
}

static void take_name(const struct object *o, char out[static PROCESS_NAME_MAX])
{
	size_t at = (size_t)(o->layout->name - o->layout->first);
	size_t n = 0;
	for (; n < NAME_BYTES && at + n < o->valid && o->bytes[at + n] != '\0'; n++) {
		char c = (char)o->bytes[at + n];
		out[n] = '?';
		if (c >= ' ' && c <= '~')
			out[n] = c;
	}
	out[n] = '\0';
}

/* False: the entry cannot be read, or is none. */
static bool read_process(struct target *t, const struct layout *l, uint64_t entry,
			 struct process *p, uint64_t *next)
{
	struct object o = { .layout = l, .pointer = memory_pointer_size(t) };
	p->object = entry - l->links;
	if (memory_read(t, p->object + l->first, o.bytes, l->size, &o.valid) != KD_DONE ||
	    o.valid < (size_t)(l->links - l->first) + o.pointer)
		return false;
	*next = memory_address(t, field(&o, l->links));
	p->id = field(&o, (uint16_t)(l->links - o.pointer));
	p->cr3 = optional_field(&o, l->directory);
	p->parent = optional_field(&o, l->parent);
	p->peb = optional_field(&o, l->peb);
	take_name(&o, p->name);
	return true;
}

/* ---- all of them ---- */

static struct process *room_for(struct process **list, size_t count, size_t *room)
{
	if (count == *room) {
		size_t wanted = *room ? *room * 2 : LIST_FIRST;
		struct process *grown = realloc(*list, wanted * sizeof(*grown));
		if (!grown)
			return NULL;
		*list = grown;
		*room = wanted;
	}
	return *list + count;
}

static bool is_known(const struct process *list, size_t count, uint64_t object)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].object == object)
			return true;
	return false;
}

enum kd_result processes_list(struct target *t, uint64_t system, struct process **list,
			      size_t *count)
{
	const struct kdbg *kdbg = target_asks(t) ? target_kdbg(t) : NULL;
	uint64_t head = kdbg ? kdbg_address(kdbg, KDBG_ACTIVE_PROCESS_HEAD) : 0;
	uint64_t entry;
	struct layout layout;
	size_t room = 0;
	*list = NULL;
	*count = 0;
	if (!target_asks(t))
		return KD_GONE;
	if (head == 0 || !learn(t, system) || !make_layout(t, kdbg, &layout))
		return KD_REFUSED;
	enum kd_result result = memory_read_pointer(t, head, &entry);
	while (result == KD_DONE && entry != head && *count < PROCESSES_MAX &&
	       !is_known(*list, *count, entry - layout.links)) {
		struct process *p = room_for(list, *count, &room);
		if (!p || !read_process(t, &layout, entry, p, &entry))
			return target_asks(t) ? KD_DONE : KD_GONE;
		++*count;
	}
	return result;
}
