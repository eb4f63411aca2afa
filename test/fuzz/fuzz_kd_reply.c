/* Manipulate packets in both directions, and the debugger data block. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kdnet/kd.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned touch(const uint8_t *part, size_t length)
{
	unsigned sum = 0;
	for (size_t i = 0; i < length; i++)
		sum += part[i];
	return sum;
}

/* A request that the guards let pass decodes to itself. */
static void check_request(const struct kd_request *request, enum kd_machine machine)
{
	const struct kd_guard guard = { .machine = machine,
					.processors = 8,
					.contexts_fetched = UINT64_MAX };
	uint8_t out[KD_REQUEST_MAX];
	enum kd_refusal refusal;
	struct kd_request again;
	size_t length = kd_request_encode(out, request, &guard, &refusal);
	if ((length > 0) != (refusal == KD_ALLOWED) || !kd_refusal_text(refusal))
		abort();
	if (length == 0)
		return;
	uint8_t once_more[KD_REQUEST_MAX];
	if (!kd_request_decode(&again, machine, out, length) ||
	    kd_request_encode(once_more, &again, &guard, &refusal) != length ||
	    memcmp(out, once_more, length) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const enum kd_machine machines[] = { KD_MACHINE_UNKNOWN, KD_MACHINE_AMD64,
						    KD_MACHINE_I386, KD_MACHINE_ARM64 };
	volatile unsigned sum = 0;
	struct kd_reply reply;
	struct kd_request request;
	static struct kdbg kdbg;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (kd_request_decode(&request, machines[i], bytes, size)) {
			sum += touch(request.data, request.length);
			check_request(&request, machines[i]);
		}
		if (kd_reply_decode(&reply, machines[i], bytes, size)) {
			sum += touch(reply.data, reply.length);
			sum += kd_reply_answers(&reply, &request);
		}
	}
	if (kdbg_decode(&kdbg, bytes, size)) {
		for (unsigned offset = 0; offset <= KDBG_SIZE_MAX; offset++)
			sum += (unsigned)kdbg_address(&kdbg, (enum kdbg_field)offset) +
			       kdbg_offset(&kdbg, (enum kdbg_offset)offset);
	}
	(void)sum;
	return 0;
}
