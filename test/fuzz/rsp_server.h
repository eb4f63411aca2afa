/*
 * A server of RSP for fuzzers: a target that has all that a target can have and says
 * plausible things, and that checks what it is asked.
 */
#ifndef TEST_FUZZ_RSP_SERVER_H
#define TEST_FUZZ_RSP_SERVER_H

#include "test/fuzz/rsp_output.h"

static const struct rsp_register registers[] = {
	{ "rax", "uint64", "general", "core", 64, true, false },
	{ "rip", "code_ptr", "general", "core", 64, true, true },
	{ "tr", "uint16", "system", "system", 16, false, false },
};
static const struct rsp_description table = {
	.architecture = "i386:x86-64", .registers = registers, .count = 3, .pc = 1
};

static const struct rsp_description *description(void *context)
{
	(void)context;
	return &table;
}

static enum rsp_result stop_reason(void *context, struct rsp_stop *stop)
{
	(void)context;
	*stop = (struct rsp_stop){ .signal = 5, .thread = 1 };
	return RSP_OK;
}

static enum rsp_result attach(void *context, int process, struct rsp_stop *stop)
{
	must(process >= 0);
	return stop_reason(context, stop);
}

static size_t threads(void *context, struct rsp_thread *out, size_t max)
{
	(void)context;
	must(max > 0);
	out[0] = (struct rsp_thread){ .id = 1, .name = "CPU 0", .extra = "\xff<*" };
	return 1;
}

static bool thread_alive(void *context, int thread)
{
	(void)context;
	must(thread > 0);
	return thread == 1;
}

static enum rsp_result read_register(void *context, int thread, unsigned number,
				     uint8_t *out, bool *valid)
{
	(void)context;
	must(thread == 1 && number < table.count);
	memset(out, '*', 8);
	*valid = number != 0;
	return RSP_OK;
}

static enum rsp_result write_register(void *context, int thread, unsigned number,
				      const uint8_t *bytes)
{
	(void)context;
	must(thread == 1 && number < table.count);
	return bytes[0] == 0 ? RSP_ERROR : RSP_OK;
}

static enum rsp_result read_memory(void *context, uint64_t address, uint8_t *out,
				   size_t length, size_t *done)
{
	(void)context;
	must(length > 0 && length - 1 <= UINT64_MAX - address);
	memset(out, (int)(address & 0xff), length);
	*done = length;
	return RSP_OK;
}

static enum rsp_result write_memory(void *context, uint64_t address, const uint8_t *bytes,
				    size_t length, size_t *done)
{
	(void)context;
	must(length > 0 && length - 1 <= UINT64_MAX - address);
	*done = length;
	return bytes[length - 1] == 0 ? RSP_ERROR : RSP_OK;
}

static enum rsp_result insert(void *context, enum rsp_breakpoint_type type,
			      uint64_t address, uint64_t kind,
			      const struct rsp_conditions *conditions)
{
	(void)context;
	(void)address;
	(void)kind;
	must(type <= RSP_ACCESS_WATCHPOINT);
	must(conditions->count <= RSP_CONDITIONS_MAX);
	size_t sum = 0;
	for (size_t i = 0; i < conditions->count; i++) {
		must(conditions->list[i].length > 0);
		for (size_t n = 0; n < conditions->list[i].length; n++)
			sum += conditions->list[i].code[n];
	}
	return sum % 2 == 0 ? RSP_OK : RSP_ERROR;
}

static enum rsp_result change(void *context, enum rsp_breakpoint_type type,
			      uint64_t address, uint64_t kind)
{
	(void)context;
	(void)address;
	(void)kind;
	must(type <= RSP_ACCESS_WATCHPOINT);
	return RSP_OK;
}

static enum rsp_result resume(void *context, const struct rsp_resume *request)
{
	(void)context;
	must(request->count > 0 && request->count <= RSP_RESUME_ACTIONS);
	for (size_t i = 0; i < request->count; i++) {
		const struct rsp_resume_action *action = &request->actions[i];
		must(action->thread == RSP_ALL_THREADS || action->thread > 0);
		must(action->kind != RSP_RANGE_STEP || action->start < action->end);
	}
	return RSP_OK;
}

static enum rsp_result command(void *context, const char *text)
{
	struct rsp *r = *(struct rsp **)context;
	(void)rsp_console(r, text, strlen(text));
	return RSP_OK;
}

static enum rsp_result document(void *context, const char *object, const char *annex,
				char **out, size_t *length)
{
	(void)context;
	must(strcmp(object, "libraries") == 0);
	*out = strdup(annex);
	*length = strlen(annex);
	return RSP_OK;
}

static const char *const documents[] = { "libraries", NULL };

/* ---- what lldb wants to know ---- */

static void host(void *context, struct rsp_host *out)
{
	(void)context;
	*out = (struct rsp_host){ "x86_64-pc-windows-msvc", 8, "kernel;*}" };
}

static bool stop_words(void *context, char *out, size_t size)
{
	(void)context;
	must(size > 4);
	memcpy(out, "#}$", 4);
	return true;
}

static bool libraries_due(void *context)
{
	(void)context;
	return true;
}

static void thread_title(void *context, int thread, char *out, size_t size)
{
	(void)context;
	must(size > 4 && thread > 0);
	memcpy(out, "a;b", 4);
}

static bool registers_known(void *context, int thread)
{
	(void)context;
	return thread == 1;
}

static enum rsp_result region(void *context, uint64_t address, struct rsp_region *out)
{
	(void)context;
	*out = (struct rsp_region){ .start = address & ~UINT64_C(0xfff),
				    .size = 0x1000,
				    .mapped = address >> 63,
				    .readable = true,
				    .name = "a;b#" };
	return address & 1 ? RSP_ERROR : RSP_OK;
}

static enum rsp_result file_address(void *context, const char *path, uint64_t *address)
{
	(void)context;
	*address = strlen(path);
	return RSP_OK;
}

static const char *error_text(void *context)
{
	(void)context;
	return "no; such #thing";
}

static const struct rsp_target target = {
	.stop_reason = stop_reason,
	.attach = attach,
	.description = description,
	.threads = threads,
	.thread_alive = thread_alive,
	.read_register = read_register,
	.write_register = write_register,
	.read_memory = read_memory,
	.write_memory = write_memory,
	.insert = insert,
	.remove = change,
	.resume = resume,
	.command = command,
	.document = document,
	.documents = documents,
	.host = host,
	.stop_words = stop_words,
	.libraries_due = libraries_due,
	.thread_title = thread_title,
	.registers_known = registers_known,
	.region = region,
	.file_address = file_address,
	.error_text = error_text,
};

#endif
