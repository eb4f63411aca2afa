/* Names of NTSTATUS values that come as exceptions, or as the reason of one. */
#ifndef BRIDGE_TARGET_STATUS_H
#define BRIDGE_TARGET_STATUS_H

#include <stdbool.h>
#include <stdint.h>

/* "STATUS_ACCESS_VIOLATION"; NULL: not known. */
const char *status_name(uint32_t status);
/* The other way, in any case and also without "STATUS_"; false: not known. */
bool status_of(const char *name, uint32_t *status);

#endif
