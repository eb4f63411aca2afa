/* The loaded modules: PsLoadedModuleList, kept true by load and unload events. */
#ifndef BRIDGE_TARGET_MODULES_H
#define BRIDGE_TARGET_MODULES_H

#include "bridge/target/target.h"

enum { MODULES_MAX = 4096, MODULE_PATH_MAX = 512 };

struct module {
	uint64_t base;
	uint64_t serial; /* this load of it: no other one ever has that number */
	uint32_t size;
	uint32_t timestamp; /* 0: not known */
	uint32_t checksum;
	char path[MODULE_PATH_MAX]; /* as the target says it, UTF-8 */
	char name[64];		    /* "ntoskrnl.exe": behind the last backslash */
};

/*
 * The list, walked when it is asked for the first time in a stop: bounded, and ended by a
 * loop or an entry that cannot be read. KD_REFUSED: there is none yet (early boot); the
 * modules that load events named are there all the same. Valid until the next resume.
 */
enum kd_result modules_list(struct target *t, const struct module **modules,
			    size_t *count);
/* Changes whenever the list may have: with each load and unload, with each session. */
uint64_t modules_version(const struct target *t);
/* Is that one being unloaded in this stop? The list has it still. */
bool modules_is_leaving(const struct target *t, const struct module *module);
/* The module that holds the address among those known; NULL: none. */
const struct module *modules_find(struct target *t, uint64_t address);

#endif
