/* Who is connected: where the needs of clients differ, a row decides. */
#ifndef BRIDGE_GDB_CLIENT_H
#define BRIDGE_GDB_CLIENT_H

#include "bridge/image/served_image.h"
#include "rsp/rsp.h"

struct client {
	const char *name; /* for the log */
	/* What the end of a step is reported as: gdb takes a plain stop. */
	enum rsp_stop_reason step_reason;
	/* Signal of the stop that tells of nothing but modules, from which it resumes. */
	int libraries_signal;
	/* Such news may come with any stop, the first one included. */
	bool libraries_in_any_stop;
	/* It opens images on its own host: modules without a file are not listed, and none
	 * to a client on another host (RSP.md §13). */
	bool opens_images_itself;
	/* What the list of modules says of each: `segment`, the first section's address, or
	 * `section`, the base (RSP.md §2, §13). */
	const char *address_element;
	enum image_client images;
	/* Its continue from an exception means that Windows is to have it: it knows no other
	 * word for that. gdb says it by a signal. */
	bool passes_exceptions;
	/* It resumes by itself from stops in the midst of a command, and forgets an interrupt
	 * that such a stop crossed: it has to be answered later. */
	bool forgets_interrupts;
	/* It is told what runs on each processor with a stop: lists are bare. */
	bool takes_titles;
	/* A line of its own says why it stopped; it has no console for that. */
	bool shows_stop_words;
};

extern const struct client client_gdb, client_lldb;

/* By what it has said before its first `?`; NULL: gdb. */
const struct client *client_kind(const struct rsp *r);

#endif
