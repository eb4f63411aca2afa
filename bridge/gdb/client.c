#include "bridge/gdb/client.h"

const struct client client_gdb = {
	.name = "gdb",
	.step_reason = RSP_STOP_PLAIN,
};
