/* Ports and bus data. KD.md §3. */
#include <string.h>

#include "test/sim/kd_request.h"

enum {
	PCI_CONFIGURATION = 4,
	PCI_SPACE_SIZE = 256,
	SPACE_IO = 1,
	PORT_MAX = 0xffff,
};

/* The only device on the bus, a host bridge: vendor, device, class. */
static const uint8_t host_bridge[16] = { 0x86, 0x80, 0x37, 0x12, 0x07, 0x01, 0x00, 0x00,
					 0x02, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00 };

static bool port_fits(struct kd *k, struct kd_request *q, uint64_t port, uint32_t size)
{
	if (port <= PORT_MAX && (size == 1 || size == 2 || size == 4))
		return true;
	stats_violation(k->stats, "API %x with a port or size that is none", q->api);
	q->status = STATUS_INVALID_PARAMETER;
	return false;
}

void kd_read_port(struct kd *k, struct kd_request *q)
{
	uint64_t port = kd_get64(q, 0);
	uint32_t size = kd_get32(q, 8);
	if (port_fits(k, q, port, size))
		kd_put32(q, 12, machine_port_read(k->machine, (uint16_t)port, size));
}

void kd_write_port(struct kd *k, struct kd_request *q)
{
	uint64_t port = kd_get64(q, 0);
	uint32_t size = kd_get32(q, 8);
	if (port_fits(k, q, port, size))
		machine_port_write(k->machine, (uint16_t)port, size, kd_get32(q, 12));
}

void kd_read_port_extended(struct kd *k, struct kd_request *q)
{
	uint64_t port = kd_get64(q, 16);
	uint32_t size = kd_get32(q, 0);
	if (kd_get32(q, 12) != SPACE_IO)
		q->status = STATUS_INVALID_PARAMETER;
	else if (port_fits(k, q, port, size))
		kd_put32(q, 24, machine_port_read(k->machine, (uint16_t)port, size));
}

void kd_write_port_extended(struct kd *k, struct kd_request *q)
{
	uint64_t port = kd_get64(q, 16);
	uint32_t size = kd_get32(q, 0);
	if (kd_get32(q, 12) != SPACE_IO)
		q->status = STATUS_INVALID_PARAMETER;
	else if (port_fits(k, q, port, size))
		machine_port_write(k->machine, (uint16_t)port, size, kd_get32(q, 24));
}

/* Vendor ffff where no device is, as a host bridge answers. */
void kd_get_bus_data(struct kd *k, struct kd_request *q)
{
	uint8_t space[PCI_SPACE_SIZE] = { 0 };
	uint32_t offset = kd_get32(q, 12);
	uint32_t length = kd_get32(q, 16);
	bool there = kd_get32(q, 4) == 0 && kd_get32(q, 8) == 0;

	kd_put32(q, 16, 0);
	if (kd_get32(q, 0) != PCI_CONFIGURATION || offset >= PCI_SPACE_SIZE) {
		q->status = STATUS_UNSUCCESSFUL;
		return;
	}
	if (there)
		memcpy(space, host_bridge, sizeof(host_bridge));
	else
		memset(space, 0xff, sizeof(space));
	if (length > PCI_SPACE_SIZE - offset)
		length = PCI_SPACE_SIZE - offset;
	if (length > k->options.max_data)
		length = k->options.max_data;
	wr_bytes(&q->reply, space + offset, length);
	kd_put32(q, 16, length);
}

/* Nothing in the host bridge can be set. */
void kd_set_bus_data(struct kd *k, struct kd_request *q)
{
	(void)k;
	kd_put32(q, 16, 0);
	q->status = STATUS_UNSUCCESSFUL;
}
