/* kdbridge keygen: a new random key. */
#ifndef BRIDGE_SETUP_KEYGEN_H
#define BRIDGE_SETUP_KEYGEN_H

#include <stdio.h>

#include "kdnet/key.h"

/* 256 random bits as the text that bcdedit takes (KDNET.md §2). Secret. */
void keygen_text(char text[static KDNET_KEY_TEXT_SIZE]);

/*
 * Prints a key to `out`, or, when `path` is given, makes that file with mode 600 and
 * says on `out` what to do with it. A file that exists is never replaced: its key may
 * be in use. Errors are one sentence on `err`. Returns the exit code.
 */
int keygen_run(const char *path, FILE *out, FILE *err);

#endif
