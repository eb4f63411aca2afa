/* State changes, debug I/O, file I/O and control requests: what a target sends. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "kdnet/kd.h"
#include "kdnet/kdnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Reads all bytes of a part: outside of the input the sanitizer says so. */
static unsigned touch(const void *part, size_t length)
{
	const uint8_t *p = part;
	unsigned sum = 0;
	for (size_t i = 0; i < length; i++)
		sum += p[i];
	return sum;
}

static unsigned touch_state(const struct kd_state_change *s)
{
	if (s->report.instruction_count > KD_INSTRUCTION_STREAM)
		abort();
	switch (s->state) {
	case KD_STATE_EXCEPTION:
		if (s->u.exception.parameter_count > KD_EXCEPTION_PARAMETERS)
			abort();
		return 0;
	case KD_STATE_LOAD_SYMBOLS:
		return touch(s->u.load.path, s->u.load.path_length);
	default:
		return touch(s->u.command.name, s->u.command.name_length) +
		       touch(s->u.command.command, s->u.command.command_length);
	}
}

/* What is decoded must also be answerable. */
static unsigned answer(const struct kd_debug_io *io, const struct kd_file_io *file)
{
	uint8_t out[KDNET_KD_DATA_MAX];
	size_t length = 0;
	if (io)
		length += kd_prompt_answer_encode(out, sizeof(out), io, "yes", 3);
	if (file)
		length += kd_file_io_answer_encode(out, sizeof(out), file,
						   KD_STATUS_NO_SUCH_FILE, 0, 0, NULL, 0);
	return touch(out, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const enum kd_machine machines[] = { KD_MACHINE_UNKNOWN, KD_MACHINE_AMD64,
						    KD_MACHINE_I386, KD_MACHINE_ARM,
						    KD_MACHINE_ARM64 };
	volatile unsigned sum = 0;
	struct kd_state_change s;
	struct kd_debug_io io;
	struct kd_file_io file;
	struct kd_control_request control;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (kd_state_change_decode(&s, machines[i], bytes, size))
			sum += touch_state(&s);
	}
	if (kd_debug_io_decode(&io, bytes, size))
		sum += touch(io.text, io.length) + answer(&io, NULL);
	if (kd_file_io_decode(&file, bytes, size))
		sum += touch(file.data, file.length) + answer(NULL, &file);
	if (kd_control_request_decode(&control, bytes, size))
		sum += control.number;
	(void)sum;
	return 0;
}
