/*
 * User memory of another process: below the kernel's half, reads and writes go through the
 * page tables that a CR3 names, page by page, by physical memory. The kernel's half is the
 * same for all. It holds while the target is stopped.
 */
#ifndef BRIDGE_TARGET_ADDRESS_SPACE_H
#define BRIDGE_TARGET_ADDRESS_SPACE_H

#include "bridge/target/target.h"

/*
 * 0: the stopped processor's own again. KD_REFUSED: there are no page tables that have the
 * kernel in them, or the target is not amd64; what was chosen before stays.
 */
enum kd_result address_space_select(struct target *t, uint64_t cr3);
/* The CR3 in force; 0: the stopped processor's own. */
uint64_t address_space_selected(const struct target *t);

#endif
