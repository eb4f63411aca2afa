/* Get version: which Windows this is. KD.md §4. */
#include "test/sim/kd_request.h"

enum {
	MACHINE_AMD64 = 0x8664,
	PROTOCOL = 6,
	CONTEXT_REVISION = 2,
	FLAG_MULTIPROCESSOR = 1,
	FLAG_DATA = 2,
	FLAG_POINTER64 = 4,
	PACKET_TYPES = 12,
	STATE_CHANGES = 3,
	MANIPULATES = 0x31,
	MAJOR_FREE = 0x0f,
};

/* The Windows of each KDNET version; newer ones are the last row's. */
static const struct {
	uint8_t kdnet;
	uint16_t build;
} windows[] = { { 2, 9600 }, { 4, 10586 }, { 5, 19041 } };

static uint16_t build_of(uint8_t kdnet)
{
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		if (kdnet <= windows[i].kdnet)
			return windows[i].build;
	}
	return windows[sizeof(windows) / sizeof(windows[0]) - 1].build;
}

void kd_get_version(struct kd *k, struct kd_request *q)
{
	unsigned flags = FLAG_DATA | FLAG_POINTER64;
	struct writer w = wr_init(q->u, sizeof(q->u));
	if (machine_cpus(k->machine) > 1)
		flags |= FLAG_MULTIPROCESSOR;
	wr_le16(&w, MAJOR_FREE);
	wr_le16(&w, build_of(k->options.version));
	wr_8(&w, PROTOCOL);
	wr_8(&w, CONTEXT_REVISION);
	wr_le16(&w, (uint16_t)flags);
	wr_le16(&w, MACHINE_AMD64);
	wr_8(&w, PACKET_TYPES);
	wr_8(&w, STATE_CHANGES);
	wr_8(&w, MANIPULATES);
	wr_zeros_to(&w, 16);
	wr_le64(&w, machine_kernel_base(k->machine));
	wr_le64(&w, machine_module_list(k->machine));
	wr_le64(&w, machine_debugger_data(k->machine));
}
