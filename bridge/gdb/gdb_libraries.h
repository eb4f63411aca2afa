/*
 * The list of modules as gdb is told it, and the files that it opens by the names in it.
 * gdb knows a library by its name alone: one that is to be read anew must be missing in
 * one list before it is there in the next (RSP.md §2), so a change of that kind takes two.
 */
#ifndef BRIDGE_GDB_GDB_LIBRARIES_H
#define BRIDGE_GDB_GDB_LIBRARIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/image/served_image.h"
#include "bridge/target/modules.h"

/* Room for "@address" behind a name that another module has, too. */
enum { LIBRARY_NAME_MAX = MODULE_PATH_MAX + 24 };

struct library {
	/* "/SystemRoot/system32/hal.dll", or this host's own file */
	char name[LIBRARY_NAME_MAX];
	uint32_t hash;		    /* of the name */
	uint64_t serial;	    /* of the module */
	uint64_t address;	    /* of the first section, or the base: client.h */
	struct served_image *image; /* NULL: served as the empty one */
};

struct gdb_libraries {
	struct library *list; /* as told last */
	size_t count;
	bool followed;	/* the client has asked for it in this session */
	bool announced; /* it was just told to read the list */
	bool missing;	/* its user was told that some are still without their names */
	bool withheld;	/* its user was told how to get what it cannot open */
	bool again;	/* something was left out of it, or there was no target yet */
	uint64_t told;	/* the version that it knows */
};

struct open_file {
	struct served_image *image; /* NULL: it is a text, or closed */
	char *text;		    /* malloc'ed; NULL: it is an image, or closed */
	size_t length;		    /* of the text */
	uint64_t number;	    /* tells files of one name apart */
};

struct gdb_files {
	struct open_file *list;
	size_t count;
};

#endif
