/* Opens a session's two sides, or says in the log why not and what to do. */
#ifndef BRIDGE_WORKER_OPEN_H
#define BRIDGE_WORKER_OPEN_H

#include "bridge/cli/log.h"
#include "bridge/cli/options.h"
#include "bridge/target/target.h"
#include "rsp/listen.h"

struct ev_loop;

/* The UDP port; warns of one that Windows would not take. NULL: said why. */
struct target *open_target(struct ev_loop *loop, const struct options *options,
			   const struct target_events *events, void *context,
			   const struct kdnet_udp_tap *tap, struct log *log);

/* The endpoint for clients; warns of one that others can reach. NULL: said why. */
struct rsp_listener *open_listener(struct ev_loop *loop, const struct options *options,
				   const struct rsp_listen_options *listen,
				   struct log *log);

#endif
