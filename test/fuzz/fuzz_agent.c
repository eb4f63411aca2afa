/*
 * Agent expressions from anybody: they end, ask within their limits, and mean the same
 * twice, also when a part of the code is all there is.
 */
#include <stdint.h>
#include <stdlib.h>

#include "rsp/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static bool read_register(void *context, unsigned number, uint64_t *value)
{
	(*(unsigned *)context)++;
	must(number <= UINT16_MAX);
	*value = number * UINT64_C(0x9e3779b97f4a7c15);
	return number < 61;
}

static bool read_memory(void *context, uint64_t address, size_t length, uint64_t *value)
{
	(*(unsigned *)context)++;
	must(length == 1 || length == 2 || length == 4 || length == 8);
	*value = (address ^ address >> 7) & (UINT64_MAX >> (64 - 8 * length));
	return address % 16 != 15;
}

static enum rsp_agent_error evaluate(const uint8_t *code, size_t length, uint64_t *value)
{
	unsigned reads = 0;
	const struct rsp_agent_source source = { .context = &reads,
						 .read_register = read_register,
						 .read_memory = read_memory };
	enum rsp_agent_error error = rsp_agent_evaluate(code, length, &source, value);
	must(reads <= RSP_AGENT_READS_MAX);
	must(error < RSP_AGENT_ERRORS && rsp_agent_error_text(error)[0] != '\0');
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint64_t value = 1, again = 1;
	enum rsp_agent_error error = evaluate(bytes, size, &value);
	must(evaluate(bytes, size, &again) == error && value == again);
	must(error == RSP_AGENT_DONE || value == 1);
	(void)evaluate(bytes, size / 2, &again);
	return 0;
}
