#include <string.h>

#include "bridge/target/internal.h"

/*
 * What the target asks of us while it runs; it waits, frozen, until it is answered.
 * KD.md §6.
 */

/* kdnet carries one packet at a time: the answer may have to wait for its turn. */
void asked_flush(struct target *t)
{
	struct asked_state *a = &t->asked;
	if (a->answer_length == 0 || !kdnet_send(t->kdnet, a->answer_type, a->answer,
						 a->answer_length, kdnet_udp_now_us()))
		return;
	a->answer_length = 0;
	target_flush(t);
}

static void answer(struct target *t, enum kd_packet_type type, size_t length)
{
	t->asked.answer_type = type;
	t->asked.answer_length = length;
	asked_flush(t);
}

void asked_forget(struct target *t)
{
	t->asked.prompt = false;
	t->asked.answer_length = 0;
}

/* ---- prints and prompts ---- */

bool target_has_prompt(const struct target *t)
{
	return t->asked.prompt;
}

bool target_answer_prompt(struct target *t, const char *text, size_t length)
{
	struct asked_state *a = &t->asked;
	if (!a->prompt)
		return false;
	a->prompt = false;
	answer(t, KD_PACKET_DEBUG_IO,
	       kd_prompt_answer_encode(a->answer, sizeof(a->answer), &a->prompt_io, text,
				       length));
	return true;
}

static void on_prompt(struct target *t, const struct kd_debug_io *io)
{
	char text[KDNET_KD_DATA_MAX]; /* the packet is gone with the next call of kdnet */
	size_t length = io->length < sizeof(text) ? io->length : sizeof(text);
	if (length > 0)
		memcpy(text, io->text, length);
	exchange_on_proof(t);
	t->asked.prompt = true;
	t->asked.prompt_io = *io;
	t->asked.prompt_io.text = NULL; /* its length is part of the answer */
	if (t->events->prompt)
		t->events->prompt(t->context, text, length);
	else
		(void)target_answer_prompt(t, "", 0);
}

void asked_on_debug_io(struct target *t, const uint8_t *data, size_t length)
{
	struct kd_debug_io io;
	if (!kd_debug_io_decode(&io, data, length))
		return;
	if (io.api == KD_PROMPT) {
		on_prompt(t, &io);
		return;
	}
	stop_on_print(t, io.text, io.length);
	if (t->events->print)
		t->events->print(t->context, io.processor, io.text, io.length);
}

/* ---- files ---- */

void asked_on_file_io(struct target *t, const uint8_t *data, size_t length)
{
	/* No file of ours: the target uses its own. */
	static const struct {
		enum kd_file_io_api api;
		uint32_t status;
	} refusals[] = {
		{ KD_FILE_CREATE, KD_STATUS_NO_SUCH_FILE },
		{ KD_FILE_READ, KD_STATUS_INVALID_HANDLE },
		{ KD_FILE_WRITE, KD_STATUS_ACCESS_DENIED },
		{ KD_FILE_CLOSE, KD_STATUS_INVALID_HANDLE },
	};
	struct asked_state *a = &t->asked;
	struct kd_file_io io;
	if (!kd_file_io_decode(&io, data, length))
		return;
	exchange_on_proof(t);
	uint32_t status = KD_STATUS_UNSUCCESSFUL;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (refusals[i].api == io.api)
			status = refusals[i].status;
	}
	answer(t, KD_PACKET_FILE_IO,
	       kd_file_io_answer_encode(a->answer, sizeof(a->answer), &io, status, 0, 0,
					NULL, 0));
}

/* ---- hardware breakpoints of the target's own ---- */

void asked_on_control_request(struct target *t, const uint8_t *data, size_t length)
{
	struct asked_state *a = &t->asked;
	struct kd_control_request request;
	if (!kd_control_request_decode(&request, data, length))
		return;
	exchange_on_proof(t);
	answer(t, KD_PACKET_CONTROL_REQUEST,
	       kd_control_answer_encode(a->answer, sizeof(a->answer), &request));
}
