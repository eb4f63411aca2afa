/* Texts that only have to be read: files of /proc, and what other programs print. */
#ifndef BRIDGE_SETUP_FILE_TEXT_H
#define BRIDGE_SETUP_FILE_TEXT_H

#include <stddef.h>

enum { FILE_TEXT_MAX = 16 << 20 };

/*
 * The whole text, terminated, at most FILE_TEXT_MAX bytes of it; free() it. Its length
 * goes to *length unless that is NULL: it may hold zeros. NULL: it cannot be read.
 */
char *file_text_read(const char *path, size_t *length);

/*
 * What the program prints on standard output, found in the usual places of system
 * programs; its errors are not shown. NULL: it is not installed, failed, or took longer
 * than a few seconds.
 */
char *file_text_run(const char *const *argv);

#endif
