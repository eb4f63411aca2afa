/* The replay window of one session's data channel. Wire: KDNET.md §6. */
#ifndef KDNET_WINDOW_H
#define KDNET_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { KDNET_WINDOW_SIZE = 64 }; /* numbers behind the highest one */

/* All zeros is a window that saw nothing yet. */
struct kdnet_window {
	bool started;
	uint64_t highest;
	uint64_t seen; /* bit n: highest - 1 - n came */
};

enum kdnet_order {
	KDNET_REPLAYED, /* seen before, or older than the window: drop it */
	KDNET_NEWEST,	/* above all before it */
	KDNET_BEHIND,	/* new, but overtaken on the way */
};

/* Judges the number of an authentic datagram and remembers it. */
enum kdnet_order kdnet_window_accept(struct kdnet_window *w, uint64_t sequence);

#endif
