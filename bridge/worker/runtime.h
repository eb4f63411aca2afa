/* Where the files of running processes are: $XDG_RUNTIME_DIR/kdbridge, else /run/kdbridge. */
#ifndef BRIDGE_WORKER_RUNTIME_H
#define BRIDGE_WORKER_RUNTIME_H

#include <stddef.h>

enum { RUNTIME_PATH_MAX = 4096 };

/* Its name; the directory is made, for its owner alone. Returns 0 or -errno: then there is
 * none that can be written. */
int runtime_directory(char *out, size_t size);

#endif
