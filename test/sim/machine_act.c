#include "test/sim/machine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"

/*
 * Hands the guest's worker what it is to do, one thing at a time, by a mailbox in
 * its memory: the boot's images first, then what tests ask for.
 */
enum { /* enum sim_action of guest/ntp.h */
       SIM_PRINT = 1,
       SIM_PROMPT,
       SIM_BREAK,
       SIM_ASSERT,
       SIM_FAULT,
       SIM_DIVIDE,
       SIM_LOAD,
       SIM_UNLOAD,
       SIM_BUGCHECK,
       SIM_COMMAND,
       SIM_REBOOT,
       SIM_TOUCH,
       SIM_IMAGE,
       SIM_START,
};

/* Offsets in struct sim_mailbox. */
enum {
	BOX_ACTION = 0,
	BOX_LENGTH = 4,
	BOX_PARAMETER = 8,
	BOX_TEXT = 40,
	BOX_TEXT_SIZE = 512
};

enum argument { NOTHING, TEXT, NUMBER, MODULE_NEW, MODULE_LOADED, PAGE_OUT };

struct verb {
	const char *name;
	uint32_t code;
	enum argument argument;
	uint64_t number; /* when none is given */
};

static const struct verb verbs[] = {
	{ "print", SIM_PRINT, TEXT, 0 },
	{ "prompt", SIM_PROMPT, TEXT, 0 },
	{ "break", SIM_BREAK, NOTHING, 0 },
	{ "assert", SIM_ASSERT, NOTHING, 0 },
	{ "fault", SIM_FAULT, NUMBER, 0x10 },
	{ "divide", SIM_DIVIDE, NUMBER, 0 },
	{ "load", SIM_LOAD, MODULE_NEW, 0 },
	{ "unload", SIM_UNLOAD, MODULE_LOADED, 0 },
	{ "bugcheck", SIM_BUGCHECK, NUMBER, 0xe2 },
	{ "command", SIM_COMMAND, TEXT, 0 },
	{ "reboot", SIM_REBOOT, NOTHING, 0 },
	{ "touch", SIM_TOUCH, NUMBER, 1 },
	{ "trim", 0, PAGE_OUT, 0 },
};

static void for_image(struct action *a, uint32_t code, struct image *image)
{
	a->code = code;
	a->image = image;
	a->parameter[0] = image->list_entry;
	a->parameter[1] = image->path_string;
}

/* A module to load: a file of the image folder, or synthN. */
static struct image *new_module(struct machine *m, const char *name)
{
	const char *error;
	unsigned number;
	char rest;
	if (image_find(m, name))
		return NULL;
	if (sscanf(name, "synth%u%c", &number, &rest) >= 1)
		return guest_load_synthetic(m, number, &error);
	return guest_load_driver(m, name, &error);
}

static bool is_driver(const struct machine *m, const struct image *image)
{
	return image && image != &m->images[0] && image != &m->images[1] &&
	       !image->unloading;
}

static bool fill(struct machine *m, struct action *a, const struct verb *verb,
		 const char *rest)
{
	struct image *image;
	char *end;
	a->code = verb->code;
	switch (verb->argument) {
	case NOTHING:
		return true;
	case TEXT:
		a->length = (uint32_t)snprintf(a->text, BOX_TEXT_SIZE, "%s", rest);
		return a->length < BOX_TEXT_SIZE;
	case NUMBER:
		a->parameter[0] = *rest ? strtoull(rest, &end, 0) : verb->number;
		return !*rest || *end == 0;
	case MODULE_NEW:
		image = new_module(m, rest);
		if (image)
			for_image(a, SIM_LOAD, image);
		return image != NULL;
	case MODULE_LOADED:
		image = image_find(m, rest);
		if (!is_driver(m, image))
			return false;
		image->unloading = true;
		for_image(a, SIM_UNLOAD, image);
		return true;
	case PAGE_OUT:
		image_page_out(m);
		return true;
	}
	return false;
}

bool machine_act(struct machine *m, const char *action)
{
	size_t length = strcspn(action, " ");
	const char *rest = action + length + (action[length] != 0);
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strlen(verbs[i].name) != length ||
		    strncmp(verbs[i].name, action, length) != 0)
			continue;
		struct action a = { 0 };
		if (m->action_count == ACTIONS_MAX || !fill(m, &a, &verbs[i], rest))
			return false;
		unsigned slot = (m->action_first + m->action_count) % ACTIONS_MAX;
		if (a.code) {
			m->actions[slot] = a;
			m->action_count++;
		}
		return true;
	}
	return false;
}

/* ---- towards the guest ---- */

/* The boot reports the kernel and the HAL, then loads the modules, probe.sys last. */
static bool boot_step(struct machine *m, struct action *a)
{
	const char *error;
	struct image *image;
	if (m->boot_next == m->boot_end)
		return false;
	unsigned step = m->boot_next++;
	if (step < 2) {
		for_image(a, SIM_IMAGE, &m->images[step]);
		return true;
	}
	image = step - 2 < m->options.modules ? guest_load_synthetic(m, step - 2, &error)
					      : guest_load_driver(m, "probe", &error);
	if (!image)
		return false;
	for_image(a, SIM_LOAD, image);
	return true;
}

/* Drivers that were there before the debugger: their entry runs without an event. */
static bool start_step(struct machine *m, struct action *a)
{
	if (m->options.boot || m->started)
		return false;
	m->started = true;
	struct image *image = image_find(m, "probe");
	if (image)
		for_image(a, SIM_START, image);
	return image != NULL;
}

static bool next_action(struct machine *m, struct action *a)
{
	*a = (struct action){ 0 };
	if (boot_step(m, a) || start_step(m, a))
		return true;
	if (m->action_count == 0)
		return false;
	*a = m->actions[m->action_first];
	m->action_first = (m->action_first + 1) % ACTIONS_MAX;
	m->action_count--;
	return true;
}

/* The guest is done with it. */
static void finish(struct machine *m, const struct action *a)
{
	if (a->code == SIM_LOAD || a->code == SIM_START)
		image_discard(m, a->image);
	else if (a->code == SIM_UNLOAD)
		image_remove(m, a->image);
}

static void post(struct machine *m, const struct action *a)
{
	for (unsigned i = 0; i < 4; i++)
		memory_put(m, m->mailbox + BOX_PARAMETER + 8 * i, a->parameter[i], 8);
	memory_put(m, m->mailbox + BOX_LENGTH, a->length, 4);
	memory_put_bytes(m, m->mailbox + BOX_TEXT, a->text, BOX_TEXT_SIZE);
	memory_put(m, m->mailbox + BOX_ACTION, a->code, 4);
}

void act_post(struct machine *m)
{
	if (memory_get(m, m->mailbox + BOX_ACTION, 4) != 0)
		return;
	if (m->acting)
		finish(m, &m->current);
	m->acting = next_action(m, &m->current);
	if (m->acting)
		post(m, &m->current);
}
