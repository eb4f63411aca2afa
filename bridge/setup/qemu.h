/*
 * QEMU guests of this machine whose hypervisor identity diverts KDNET: with hv-*
 * features the guest takes its host for Hyper-V, and kdnet.dll uses that one's debug
 * device in place of the network card.
 */
#ifndef BRIDGE_SETUP_QEMU_H
#define BRIDGE_SETUP_QEMU_H

#include <stdbool.h>
#include <stddef.h>

enum { QEMU_NAME_MAX = 64 };

struct qemu_guest {
	long pid;
	char name[QEMU_NAME_MAX]; /* from -name; "" when it has none */
};

/*
 * Looks at one command line as /proc/PID/cmdline holds it: words that end with zeros.
 * True: it is such a guest, and the name is filled in.
 */
bool qemu_diverts(struct qemu_guest *guest, const char *words, size_t length);

/* Looks for one among the processes of this machine. */
bool qemu_find(struct qemu_guest *guest);

#endif
