#include "test/sim/kd.h"

#include <string.h>

#include "kdnet/wire.h"
#include "test/sim/kd_request.h"

/* Debug I/O, KD.md §6. */
enum { DEBUG_PRINT = 0x3230, DEBUG_PROMPT = 0x3231, DEBUG_HEADER_SIZE = 16 };

void kd_init(struct kd *k, struct machine *machine, struct target_link *link,
	     struct stats *stats, const struct kd_options *options)
{
	memset(k, 0, sizeof(*k));
	k->machine = machine;
	k->link = link;
	k->stats = stats;
	k->options = *options;
}

void kd_connected(struct kd *k)
{
	k->present = true;
}

void kd_resume(struct kd *k, bool handled, const char *answer, size_t length)
{
	k->state = KD_RUNNING;
	target_link_resume(k->link);
	machine_resume(k->machine, handled, answer, length);
}

/* The longest text is a print's, with room in an Ethernet frame. */
static size_t encode_debug_io(const struct machine_event *event, uint32_t api,
			      uint8_t *out, size_t size)
{
	struct writer w = wr_init(out, size);
	wr_le32(&w, api);
	wr_le16(&w, KD_PROCESSOR_LEVEL);
	wr_le16(&w, (uint16_t)event->processor);
	wr_le32(&w, event->u.text.length);
	wr_le32(&w, api == DEBUG_PROMPT ? event->u.text.room : 0);
	wr_bytes(&w, event->u.text.bytes, event->u.text.length);
	return w.length;
}

static void on_print(struct kd *k, uint64_t now_us)
{
	uint8_t packet[DEBUG_HEADER_SIZE + MACHINE_TEXT_MAX];
	size_t length = encode_debug_io(&k->event, DEBUG_PRINT, packet, sizeof(packet));
	stats_count(k->stats, STATS_PRINTS);
	k->state = KD_PRINTING;
	target_link_send(k->link, LINK_DEBUG_IO, packet, length, now_us);
}

static void on_prompt(struct kd *k, uint64_t now_us)
{
	uint8_t packet[DEBUG_HEADER_SIZE + MACHINE_TEXT_MAX];
	size_t length = encode_debug_io(&k->event, DEBUG_PROMPT, packet, sizeof(packet));
	stats_count(k->stats, STATS_PROMPTS);
	k->state = KD_PROMPTING;
	target_link_report(k->link, LINK_DEBUG_IO, LINK_DEBUG_IO, packet, length, now_us);
}

/* Nobody ever connected: KD is not there for all that asks no question. */
static bool is_skipped(const struct kd *k, const struct machine_event *event)
{
	return !k->present && event->type != MACHINE_EXCEPTION &&
	       event->type != MACHINE_REBOOT;
}

void kd_event(struct kd *k, const struct machine_event *event, uint64_t now_us)
{
	k->event = *event;
	k->owner = event->processor;
	if (is_skipped(k, event)) {
		machine_resume(k->machine, true, NULL, 0);
		return;
	}
	switch (event->type) {
	case MACHINE_NONE:
		break;
	case MACHINE_PRINT:
		on_print(k, now_us);
		break;
	case MACHINE_PROMPT:
		on_prompt(k, now_us);
		break;
	case MACHINE_REBOOT:
		k->reboot = true;
		break;
	case MACHINE_EXCEPTION:
	case MACHINE_LOAD:
	case MACHINE_UNLOAD:
	case MACHINE_COMMAND:
		kd_report(k, event, now_us);
		break;
	}
}

void kd_announce_reboot(struct kd *k, uint64_t now_us)
{
	k->event = (struct machine_event){ .type = MACHINE_UNLOAD };
	k->event.program_counter = 0;
	k->event.thread = machine_kthread(k->machine, 0);
	k->event.u.image.base = KD_FAREWELL_BASE; /* of process 0; KD.md §2 */
	k->owner = 0;
	kd_report(k, &k->event, now_us);
}

void kd_acknowledged(struct kd *k, uint64_t now_us)
{
	(void)now_us;
	if (k->state == KD_PRINTING)
		kd_resume(k, true, NULL, 0);
}

static void on_answer(struct kd *k, const uint8_t *data, size_t length)
{
	struct reader r = rd_init(data, length);
	uint32_t api = rd_le32(&r);
	rd_skip(&r, 4); /* processor level and number */
	uint32_t prompt_length = rd_le32(&r);
	uint32_t answer_length = rd_le32(&r);
	const uint8_t *answer = rd_bytes(&r, answer_length);

	if (!rd_done(&r) || api != DEBUG_PROMPT ||
	    prompt_length != k->event.u.text.length)
		stats_violation(k->stats, "answer to a prompt that does not fit it");
	if (!answer)
		answer_length = 0;
	if (answer_length > k->event.u.text.room) {
		stats_violation(k->stats, "answer longer than the prompt's room");
		answer_length = k->event.u.text.room;
	}
	kd_resume(k, true, (const char *)answer, answer_length);
}

void kd_packet(struct kd *k, enum target_link_type type, const uint8_t *data,
	       size_t length, uint64_t now_us)
{
	if (type == LINK_MANIPULATE && k->state == KD_STOPPED)
		kd_serve(k, data, length, now_us);
	else if (type == LINK_DEBUG_IO && k->state == KD_PROMPTING)
		on_answer(k, data, length);
	else if (type == LINK_FILE_IO && k->state == KD_FILING)
		kd_file_answer(k, data, length, now_us);
}

void kd_tick(struct kd *k)
{
	if (k->present && target_link_take_break_in(k->link))
		machine_break_in(k->machine);
	kd_breakpoint_page_in(k);
}

void kd_boot(struct kd *k, uint64_t now_us)
{
	if (k->options.file_io && k->present)
		kd_file_start(k, now_us);
}
