/* State changes: what the host is told when the machine stops. KD.md §2. */
#include <string.h>

#include "kdnet/wire.h"
#include "test/sim/kd.h"
#include "test/sim/kd_register.h"

enum {
	NEW_STATE_EXCEPTION = 0x3030,
	NEW_STATE_SYMBOLS = 0x3031,
	NEW_STATE_COMMAND = 0x3032,
	UNION_OFFSET = 32,
	REPORT_OFFSET = 192,
	STREAM_SIZE = 16,
	EXCEPTION_PARAMETERS = 15,
	REPORT_SEGMENTS = 1,
	REPORT_STANDARD_CS = 2,
	KERNEL_CS = 0x10,
};

static void write_exception(struct writer *w, const struct machine_event *event)
{
	wr_le32(w, event->u.exception.code);
	wr_le32(w, event->u.exception.flags);
	wr_le64(w, 0); /* no nested record */
	wr_le64(w, event->u.exception.address);
	wr_le32(w, event->u.exception.parameter_count);
	wr_le32(w, 0);
	for (unsigned i = 0; i < EXCEPTION_PARAMETERS; i++)
		wr_le64(w, event->u.exception.parameters[i]);
	wr_le32(w, event->u.exception.first_chance);
}

/* With the NUL that closes the path; no path, no NUL. */
static size_t path_length(const struct machine_event *event)
{
	size_t length = strnlen(event->u.image.path, MACHINE_TEXT_MAX - 1);
	return length > 0 ? length + 1 : 0;
}

static void write_symbols(struct writer *w, const struct machine_event *event)
{
	wr_le32(w, (uint32_t)path_length(event));
	wr_le32(w, 0);
	wr_le64(w, event->u.image.base);
	wr_le64(w, event->u.image.process);
	wr_le32(w, event->u.image.checksum);
	wr_le32(w, event->u.image.size);
	wr_8(w, event->type == MACHINE_UNLOAD);
}

/* The breakpoints at the PC are out already, so the stream shows none of them. */
static void write_control_report(struct kd *k, struct writer *w,
				 const struct machine_event *event)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	uint8_t special[MACHINE_SPECIAL_SIZE];
	uint8_t stream[STREAM_SIZE] = { 0 };
	machine_get_context(k->machine, event->processor, context);
	machine_get_special(k->machine, event->processor, special);
	size_t count = machine_read(k->machine, event->processor, event->program_counter,
				    stream, sizeof(stream));
	bool standard = load_le(context + CONTEXT_CS, 2) == KERNEL_CS;

	wr_bytes(w, special + SPECIAL_DR6, 8);
	wr_bytes(w, special + SPECIAL_DR7, 8);
	wr_bytes(w, context + CONTEXT_EFLAGS, 4);
	wr_le16(w, (uint16_t)count);
	wr_le16(w, REPORT_SEGMENTS | (standard ? REPORT_STANDARD_CS : 0));
	wr_bytes(w, stream, sizeof(stream));
	wr_bytes(w, context + CONTEXT_CS, CONTEXT_SEGMENTS_SIZE);
}

static uint32_t new_state(const struct machine_event *event)
{
	switch (event->type) {
	case MACHINE_LOAD:
	case MACHINE_UNLOAD:
		return NEW_STATE_SYMBOLS;
	case MACHINE_COMMAND:
		return NEW_STATE_COMMAND;
	default:
		return NEW_STATE_EXCEPTION;
	}
}

void kd_encode_state_change(struct kd *k, const struct machine_event *event,
			    uint8_t out[static KD_STATE_CHANGE_SIZE])
{
	struct writer w = wr_init(out, KD_STATE_CHANGE_SIZE);
	wr_le32(&w, new_state(event));
	wr_le16(&w, KD_PROCESSOR_LEVEL);
	wr_le16(&w, (uint16_t)event->processor);
	wr_le32(&w, machine_cpus(k->machine));
	wr_le32(&w, 0);
	wr_le64(&w, event->thread);
	wr_le64(&w, event->program_counter);
	if (event->type == MACHINE_EXCEPTION)
		write_exception(&w, event);
	else if (event->type != MACHINE_COMMAND)
		write_symbols(&w, event);
	wr_zeros_to(&w, REPORT_OFFSET);
	write_control_report(k, &w, event);
}

static size_t trailing_data(const struct machine_event *event, uint8_t *out)
{
	if (event->type == MACHINE_COMMAND) {
		memcpy(out, event->u.text.bytes, event->u.text.length);
		return event->u.text.length;
	}
	if (event->type != MACHINE_LOAD && event->type != MACHINE_UNLOAD)
		return 0;
	size_t length = path_length(event);
	memcpy(out, event->u.image.path, length);
	return length;
}

static void count_stop(struct kd *k, const struct machine_event *event)
{
	stats_count(k->stats, STATS_STOPS);
	if (event->type == MACHINE_LOAD)
		stats_count(k->stats, STATS_LOADS);
	if (event->type == MACHINE_UNLOAD)
		stats_count(k->stats, STATS_UNLOADS);
}

void kd_report(struct kd *k, const struct machine_event *event, uint64_t now_us)
{
	uint8_t packet[KD_STATE_CHANGE_SIZE + MACHINE_TEXT_MAX];

	k->reported = *event;
	k->current = event->processor;
	k->state = KD_STOPPED;
	k->context_sent = false;
	memset(k->context_read, 0, sizeof(k->context_read));
	memset(k->special_read, 0, sizeof(k->special_read));
	count_stop(k, event);
	kd_breakpoint_vanish(k, event->program_counter);
	kd_encode_state_change(k, &k->reported, packet);
	size_t length = trailing_data(&k->reported, packet + KD_STATE_CHANGE_SIZE);
	target_link_report(k->link, LINK_STATE_CHANGE, LINK_MANIPULATE, packet,
			   KD_STATE_CHANGE_SIZE + length, now_us);
}

void kd_report_owner(struct kd *k, uint64_t now_us)
{
	uint8_t context[MACHINE_CONTEXT_SIZE];
	machine_get_context(k->machine, k->owner, context);
	k->event.program_counter = load_le(context + CONTEXT_RIP, 8);
	kd_report(k, &k->event, now_us);
}
