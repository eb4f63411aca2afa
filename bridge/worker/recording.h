/* --record: what goes over the wire goes to a file, too, until that cannot be written. */
#ifndef BRIDGE_WORKER_RECORDING_H
#define BRIDGE_WORKER_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/capture/record.h"
#include "bridge/cli/log.h"
#include "bridge/cli/options.h"
#include "kdnet/udp.h"

struct recording {
	struct record *record; /* NULL: none was asked for */
	struct log *log;
	uint16_t port;
};

/* False: it was asked for and cannot begin, and the log says why and what to do. */
bool recording_open(struct recording *r, const struct options *options, struct log *log);
void recording_close(struct recording *r);

/* For the socket; r must outlive that. */
struct kdnet_udp_tap recording_tap(struct recording *r);

#endif
