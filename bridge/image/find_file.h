/* Files whose names a target chose, in directories that the user chose. */
#ifndef BRIDGE_IMAGE_FIND_FILE_H
#define BRIDGE_IMAGE_FIND_FILE_H

#include <limits.h>
#include <stdbool.h>

/*
 * The entry of the directory with that name in any case, as a path. False: none, or the
 * name is no plain one (empty, hidden, with a slash, too long).
 */
bool find_file(const char *directory, const char *name, char out[static PATH_MAX]);

#endif
