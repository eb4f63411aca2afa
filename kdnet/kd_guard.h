/*
 * The guards of KD.md §3: requests that killed kernels never leave. Internal to
 * kdnet/: kd_api.c names one of these in the row of each API that needs it.
 */
#ifndef KDNET_KD_GUARD_H
#define KDNET_KD_GUARD_H

#include "kdnet/kd_api.h"

/* What holds for all: the API is ours, machine, processor, sizes, then the row's own. */
enum kd_refusal kd_guard_request(const struct kd_api_row *row,
				 const struct kd_request *request,
				 const struct kd_guard *guard);

kd_guard_check kd_guard_read_virtual;
kd_guard_check kd_guard_write_virtual;
kd_guard_check kd_guard_read_physical;
kd_guard_check kd_guard_write_physical;
kd_guard_check kd_guard_read_control;
kd_guard_check kd_guard_write_control;
kd_guard_check kd_guard_set_context;
kd_guard_check kd_guard_get_context_part;
kd_guard_check kd_guard_set_context_part;
kd_guard_check kd_guard_write_breakpoint;
kd_guard_check kd_guard_custom_breakpoint;
kd_guard_check kd_guard_restore_breakpoint;
kd_guard_check kd_guard_restore_breakpoints;
kd_guard_check kd_guard_port;
kd_guard_check kd_guard_port_extended;
kd_guard_check kd_guard_search;
kd_guard_check kd_guard_fill;
kd_guard_check kd_guard_query;
kd_guard_check kd_guard_bus_data;

#endif
