/* Threads as lldb asks for them: qThreadStopInfo, jThreadsInfo. RSP.md §10, §11. */
#include "rsp/conn.h"
#include "rsp/json.h"

#include <stdio.h>
#include <string.h>

void on_thread_stop(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	int thread = text_thread(&t);
	if (!rsp_text_done(&t) || !thread_exists(r, thread)) {
		rsp_reply_error(r);
		return;
	}
	if (thread == r->stop.thread)
		stop_build(r, &r->stop);
	else
		stop_build_other(r, thread);
	reply_answer(r);
}

static void add_registers(struct rsp *r, struct json *j, int thread)
{
	const struct rsp_description *d = conn_description(r);
	json_open(j, "registers", '{');
	for (unsigned i = 0; d && i < d->count; i++) {
		uint8_t value[RSP_REGISTER_MAX];
		char number[12];
		if (!register_is_told(r, &d->registers[i]) ||
		    !register_value(r, thread, i, value))
			continue;
		(void)snprintf(number, sizeof(number), "%u", i);
		json_hex(j, number, value, register_size(&d->registers[i]));
	}
	json_close(j, '}');
}

static void add_stack(struct rsp *r, struct json *j, int thread)
{
	uint64_t address;
	uint8_t line[LLDB_LINE];
	size_t done = lldb_stack_line(r, thread, &address, line);
	if (done != LLDB_LINE)
		return;
	json_open(j, "memory", '[');
	json_open(j, NULL, '{');
	json_number(j, "address", address);
	json_hex(j, "bytes", line, done);
	json_close(j, '}');
	json_close(j, ']');
}

static void add_reason(struct rsp *r, struct json *j)
{
	char words[LLDB_TEXT_MAX];
	lldb_words(r, &r->stop, words);
	const char *reason = lldb_reason(&r->stop, words[0] != '\0');
	if (!reason)
		return;
	json_text(j, "reason", reason);
	json_number(j, "signal", (uint64_t)r->stop.signal);
	if (words[0] != '\0')
		json_text(j, "description", words);
}

/* What is known of a thread: nobody is asked for the registers of the others. */
static void add_thread(struct rsp *r, struct json *j, int thread)
{
	bool own = thread == r->stop.thread;
	char title[LLDB_TEXT_MAX] = "";
	json_open(j, NULL, '{');
	json_number(j, "tid", (uint64_t)thread);
	if (r->target->thread_title) {
		r->target->thread_title(r->context, thread, title, sizeof(title));
		json_text(j, "name", title);
	}
	if (own)
		add_reason(r, j);
	if (own || (r->target->registers_known &&
		    r->target->registers_known(r->context, thread)))
		add_registers(r, j, thread);
	if (own)
		add_stack(r, j, thread);
	json_close(j, '}');
}

void on_threads_json(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	size_t count;
	struct json j = json_init((char *)r->scratch, sizeof(r->scratch));
	if (!r->target->threads) {
		rsp_reply_empty(r);
		return;
	}
	count = r->target->threads(r->context, r->threads, RSP_THREADS_MAX);
	json_open(&j, NULL, '[');
	for (size_t i = 0; i < count; i++)
		add_thread(r, &j, r->threads[i].id);
	json_close(&j, ']');
	if (j.full)
		rsp_reply_empty(r); /* too many threads for one packet: qThreadStopInfo */
	else
		rsp_reply_binary(r, "", j.text, j.length);
}
