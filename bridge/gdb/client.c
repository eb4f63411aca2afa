#include "bridge/gdb/client.h"

#include "bridge/gdb/gdb_stop.h"

const struct client client_gdb = {
	.name = "gdb",
	.step_reason = RSP_STOP_PLAIN,
	.libraries_signal = GDB_SIGTRAP,
	.address_element = "segment",
	.forgets_interrupts = true,
	.images = IMAGE_FOR_GDB,
};

const struct client client_lldb = {
	.name = "lldb",
	.step_reason = RSP_STOP_TRACE,
	.libraries_signal = 0,
	.libraries_in_any_stop = true,
	.opens_images_itself = true,
	.address_element = "section",
	.images = IMAGE_FOR_LLDB,
	.passes_exceptions = true,
	.takes_titles = true,
	.shows_stop_words = true,
};

const struct client *client_kind(const struct rsp *r)
{
	return r && rsp_is_lldb(r) ? &client_lldb : &client_gdb;
}
