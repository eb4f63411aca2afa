/*
 * How much one miss asks for. It asks nobody: what is known of the target comes in.
 * Private to target/.
 */
#ifndef BRIDGE_TARGET_MEMORY_WINDOW_H
#define BRIDGE_TARGET_MEMORY_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_window {
	uint64_t address; /* not behind the byte that is missing */
	size_t count;	  /* 1 to the limit */
};

struct memory_miss {
	uint64_t address; /* of the first byte that is missing */
	size_t wanted;	  /* from there on, 1 at least; does not wrap around */
	size_t limit;	  /* what one reply carries */
	/*
	 * It goes on where the last one ended, or is on the stack: what follows will be
	 * wanted, too, over the border of a page.
	 */
	bool goes_on;
	bool exact; /* nothing but the wanted bytes */
};

/*
 * One reply's worth around what is missing. A page is mapped as a whole, so what lies
 * around it in its page costs nothing and harms nobody: blocks that divide a page are
 * asked for, so that reading downwards hits as well as upwards. Another page is entered
 * only where the wanted bytes lead into it, or when `goes_on`: it may be a device's and
 * feel the read, or be missing. What devices are known to be at is never read ahead.
 */
struct memory_window memory_window(const struct memory_miss *miss);
/* The wanted bytes alone, and of their first page alone: where the other was refused. */
struct memory_window memory_window_narrow(const struct memory_miss *miss);
/*
 * Does the kernel map interrupt controllers, timers and other devices there? A read may
 * have effects, and its result does not last.
 */
bool memory_is_device(uint64_t address);

#endif
