/* The manipulate APIs as rows, and what all of them have in common. KD.md §3. */
#include <assert.h>
#include <string.h>

#include "test/sim/kd_request.h"

/* Trailing data of a request: none, as much as the handler checks, exactly N. */
enum { NO_DATA = 0, ANY_DATA = -1 };

struct kd_api {
	uint32_t number;
	kd_handler *handle;
	bool no_reply;
	int data;
};

static void kd_refused(struct kd *k, struct kd_request *q)
{
	(void)k;
	q->status = STATUS_UNSUCCESSFUL;
}

static const struct kd_api apis[] = {
	{ 0x3130, kd_read_virtual, false, NO_DATA },
	{ 0x3131, kd_write_virtual, false, ANY_DATA },
	{ 0x3132, kd_get_context, false, NO_DATA },
	{ 0x3133, kd_set_context, false, MACHINE_CONTEXT_SIZE },
	{ 0x3134, kd_write_breakpoint, false, NO_DATA },
	{ 0x3135, kd_restore_breakpoint, false, NO_DATA },
	{ 0x3136, kd_continue, true, NO_DATA },
	{ 0x3137, kd_read_control, false, NO_DATA },
	{ 0x3138, kd_write_control, false, ANY_DATA },
	{ 0x3139, kd_read_port, false, NO_DATA },
	{ 0x313a, kd_write_port, false, NO_DATA },
	{ 0x313b, kd_reboot_api, true, NO_DATA },
	{ 0x313c, kd_continue2, true, NO_DATA },
	{ 0x313d, kd_read_physical, false, NO_DATA },
	{ 0x313e, kd_write_physical, false, ANY_DATA },
	{ 0x3144, kd_read_port_extended, false, NO_DATA },
	{ 0x3145, kd_write_port_extended, false, NO_DATA },
	{ 0x3146, kd_get_version, false, NO_DATA },
	{ 0x3147, kd_write_breakpoints, false, ANY_DATA },
	{ 0x3148, kd_restore_breakpoints, false, ANY_DATA },
	{ 0x3149, kd_bugcheck, true, NO_DATA },
	{ 0x3150, kd_switch_processor, true, NO_DATA },
	{ 0x3152, kd_read_msr, false, NO_DATA },
	{ 0x3153, kd_write_msr, false, NO_DATA },
	{ 0x3156, kd_search_memory, false, ANY_DATA },
	{ 0x3157, kd_get_bus_data, false, NO_DATA },
	{ 0x3158, kd_set_bus_data, false, ANY_DATA },
	{ 0x3159, kd_check_low_memory, false, NO_DATA },
	{ 0x315a, kd_clear_internal, true, NO_DATA },
	{ 0x315b, kd_fill_memory, false, ANY_DATA },
	{ 0x315c, kd_query_memory, false, NO_DATA },
	{ 0x315d, kd_refused, false, NO_DATA }, /* one partition only */
	{ 0x315e, kd_refused, false, NO_DATA }, /* custom breakpoints: not on amd64 */
	{ 0x315f, kd_get_context_part, false, NO_DATA },
	{ 0x3160, kd_set_context_part, false, ANY_DATA },
};

static const struct kd_api *find_api(uint32_t number)
{
	for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
		if (apis[i].number == number)
			return &apis[i];
	}
	return NULL;
}

/* Bits 63 to 47 all equal. */
bool kd_address_fits(struct kd *k, struct kd_request *q, uint64_t address)
{
	uint64_t top = address >> 47;
	if (top == 0 || top == 0x1ffff)
		return true;
	stats_violation(k->stats, "API %x with an address that is not canonical", q->api);
	q->status = STATUS_UNSUCCESSFUL;
	return false;
}

static void reply(struct kd *k, const struct kd_request *q, const uint8_t *data)
{
	uint8_t packet[KD_MANIPULATE_SIZE + KD_REPLY_MAX];
	struct writer w = wr_init(packet, sizeof(packet));
	wr_le32(&w, q->api);
	wr_le16(&w, q->level);
	wr_le16(&w, q->processor);
	wr_le32(&w, q->status);
	wr_le32(&w, 0);
	wr_bytes(&w, q->u, sizeof(q->u));
	wr_bytes(&w, data, q->reply.length);
	assert(wr_ok(&w) && wr_ok(&q->reply));
	target_link_send(k->link, LINK_MANIPULATE, packet, w.length, q->now_us);
}

static void check_form(struct kd *k, const struct kd_request *q, const struct kd_api *api)
{
	if (q->status != STATUS_PENDING && q->status != STATUS_SUCCESS)
		stats_violation(k->stats, "API %x with an odd status", q->api);
	if (api->data != ANY_DATA && q->length != (size_t)api->data)
		stats_violation(k->stats, "API %x with %zu bytes of data", q->api,
				q->length);
	if (q->processor >= machine_cpus(k->machine))
		stats_violation(k->stats, "API %x with a processor that is not there",
				q->api);
}

static bool decode(struct kd_request *q, const uint8_t *data, size_t length)
{
	struct reader r = rd_init(data, length);
	q->api = rd_le32(&r);
	q->level = rd_le16(&r);
	q->processor = rd_le16(&r);
	q->status = rd_le32(&r);
	rd_skip(&r, 4);
	rd_copy(&r, q->u, sizeof(q->u));
	q->length = r.left;
	q->data = rd_bytes(&r, r.left);
	return rd_done(&r);
}

void kd_serve(struct kd *k, const uint8_t *data, size_t length, uint64_t now_us)
{
	uint8_t trailing[KD_REPLY_MAX];
	struct kd_request q = { .now_us = now_us };
	static const struct kd_api unknown = { 0, kd_refused, false, ANY_DATA };

	if (!decode(&q, data, length)) {
		stats_violation(k->stats, "manipulate request of fewer than 56 bytes");
		return;
	}
	const struct kd_api *api = find_api(q.api);
	if (!api) {
		stats_violation(k->stats, "unknown API %x", q.api);
		api = &unknown;
	}
	stats_api(k->stats, q.api);
	check_form(k, &q, api);
	q.status = STATUS_SUCCESS;
	q.reply = wr_init(trailing, sizeof(trailing));
	api->handle(k, &q);
	if (!api->no_reply)
		reply(k, &q, trailing);
}
