/* One manipulate request and its reply, and the handlers of all. KD.md §3. */
#ifndef SIM_KD_REQUEST_H
#define SIM_KD_REQUEST_H

#include "kdnet/wire.h"
#include "test/sim/kd.h"

/*
 * A handler changes u and status in place and puts trailing data into reply; what it
 * leaves alone goes back as it came, as a kernel does.
 */
struct kd_request {
	uint32_t api;
	uint16_t level;
	uint16_t processor;
	uint32_t status;
	uint8_t u[KD_UNION_SIZE];
	const uint8_t *data;
	size_t length;
	struct writer reply;
	uint64_t now_us;
};

typedef void kd_handler(struct kd *k, struct kd_request *q);

static inline uint16_t kd_get16(const struct kd_request *q, size_t offset)
{
	return (uint16_t)load_le(q->u + offset, 2);
}
static inline uint32_t kd_get32(const struct kd_request *q, size_t offset)
{
	return (uint32_t)load_le(q->u + offset, 4);
}
static inline uint64_t kd_get64(const struct kd_request *q, size_t offset)
{
	return load_le(q->u + offset, 8);
}
static inline void kd_put32(struct kd_request *q, size_t offset, uint32_t value)
{
	store_le(q->u + offset, value, 4);
}
static inline void kd_put64(struct kd_request *q, size_t offset, uint64_t value)
{
	store_le(q->u + offset, value, 8);
}

/* Serves one request of the host and replies, if its API has a reply. kd_api.c */
void kd_serve(struct kd *k, const uint8_t *data, size_t length, uint64_t now_us);

/* False, and a violation, for an address that would have killed a kernel. kd_api.c */
bool kd_address_fits(struct kd *k, struct kd_request *q, uint64_t address);

/* kd_memory.c */
kd_handler kd_read_virtual, kd_write_virtual, kd_read_physical, kd_write_physical;
kd_handler kd_search_memory, kd_fill_memory, kd_query_memory, kd_check_low_memory;
/* kd_register.c */
kd_handler kd_get_context, kd_set_context, kd_get_context_part, kd_set_context_part;
kd_handler kd_read_control, kd_write_control, kd_read_msr, kd_write_msr;
/* kd_breakpoint.c */
kd_handler kd_write_breakpoint, kd_restore_breakpoint, kd_restore_breakpoints;
kd_handler kd_write_breakpoints;
/* kd_continue.c */
kd_handler kd_continue, kd_continue2, kd_switch_processor, kd_reboot_api, kd_bugcheck;
kd_handler kd_clear_internal;
/* kd_device.c */
kd_handler kd_read_port, kd_write_port, kd_read_port_extended, kd_write_port_extended;
kd_handler kd_get_bus_data, kd_set_bus_data;
/* kd_version.c */
kd_handler kd_get_version;

#endif
