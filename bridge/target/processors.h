/* The processors, as a front end's threads: number 0 and up, and what runs on each. */
#ifndef BRIDGE_TARGET_PROCESSORS_H
#define BRIDGE_TARGET_PROCESSORS_H

#include "bridge/target/target.h"

unsigned processors_count(const struct target *t);

/*
 * "idle", "explorer.exe pid 1234" or what else is known; costs reads the first time in a
 * stop, nothing for names that cannot be had. Always terminated.
 */
void processors_describe(struct target *t, unsigned processor, char *out, size_t size);

#endif
