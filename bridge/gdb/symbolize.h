/*
 * Addresses as names and names as addresses, as far as the images of modules have them:
 * exports, and made-up names of what only unwind data knows. The target is asked for its
 * module list at most, once in a stop.
 */
#ifndef BRIDGE_GDB_SYMBOLIZE_H
#define BRIDGE_GDB_SYMBOLIZE_H

#include "bridge/gdb/gdb.h"

enum { SYMBOLIZED_MAX = 320 };

/*
 * "nt!KeBugCheckEx+0x12"; "probe+0x1234" where no name is known; "" outside of every
 * module. Printable.
 */
void symbolize(struct gdb *g, uint64_t address, char out[static SYMBOLIZED_MAX]);

/* Of `module!Name`, or of a Name in the first module that has it. False: none. */
bool symbol_address(struct gdb *g, const char *name, uint64_t *address);

#endif
