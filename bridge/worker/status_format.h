/* The three forms of `kdbridge status`: a table, JSON, OpenMetrics. */
#ifndef BRIDGE_WORKER_STATUS_FORMAT_H
#define BRIDGE_WORKER_STATUS_FORMAT_H

#include <stdio.h>

#include "bridge/worker/status.h"

/*
 * A line a target. Columns that hold nothing are left out; `width` (0: no limit) takes
 * away those of least interest, then the end of the last one.
 *   now  seconds since 1970
 */
void status_print_table(FILE *out, const struct status *targets, size_t count,
			unsigned width, uint64_t now);
/* An array of objects, whose members are the fields of status.h. */
void status_print_json(FILE *out, const struct status *targets, size_t count);
/* OpenMetrics 1.0, as Prometheus reads it. */
void status_print_metrics(FILE *out, const struct status *targets, size_t count);

#endif
