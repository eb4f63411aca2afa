/* Threads: H, T, qC, lists, what runs there. The document is in on_query.c. */
#include "rsp/conn.h"

#include <string.h>

bool thread_exists(struct rsp *r, int thread)
{
	if (thread <= 0 || r->state == RSP_VACANT)
		return false;
	return !r->target->thread_alive || r->target->thread_alive(r->context, thread);
}

int thread_current(struct rsp *r)
{
	if (r->general_thread > 0)
		return r->general_thread;
	struct rsp_thread first;
	if (r->state == RSP_VACANT || !r->target->threads ||
	    r->target->threads(r->context, &first, 1) == 0)
		return RSP_ANY_THREAD;
	return first.id;
}

int thread_named(struct rsp *r, struct rsp_text *t)
{
	static const char suffix[] = ";thread:";
	int thread;
	if (!r->lldb.thread_suffix || !rsp_text_accept(t, suffix[0]))
		return thread_current(r);
	for (const char *c = suffix + 1; *c; c++)
		rsp_text_expect(t, *c);
	thread = text_thread(t);
	rsp_text_expect(t, ';');
	if (thread <= 0 || !thread_exists(r, thread))
		t->bad = true;
	return t->bad ? RSP_ANY_THREAD : thread;
}

void on_set_thread(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	bool general = rsp_text_accept(&t, 'g');
	if (!general)
		rsp_text_expect(&t, 'c');
	int thread = text_thread(&t);
	if (!rsp_text_done(&t) || (thread > 0 && !thread_exists(r, thread))) {
		rsp_reply_error(r);
		return;
	}
	if (general)
		r->general_thread = thread > 0 ? thread : RSP_ANY_THREAD;
	else
		r->resume_thread = thread;
	rsp_reply_ok(r);
}

void on_thread_alive(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	int thread = text_thread(&t);
	if (rsp_text_done(&t) && thread_exists(r, thread))
		rsp_reply_ok(r);
	else
		rsp_reply_error(r);
}

void on_current_thread(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	int thread = r->state == RSP_VACANT ? RSP_ANY_THREAD : thread_current(r);
	if (thread == RSP_ANY_THREAD) {
		rsp_reply_error(r);
		return;
	}
	reply_begin(r);
	reply_string(r, "QC");
	reply_thread(r, thread);
	reply_answer(r);
}

void on_thread_list(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	size_t count = 0;
	if (r->state != RSP_VACANT && r->target->threads)
		count = r->target->threads(r->context, r->threads, RSP_THREADS_MAX);
	reply_begin(r);
	reply_char(r, count > 0 ? 'm' : 'l');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			reply_char(r, ',');
		reply_thread(r, r->threads[i].id);
	}
	reply_answer(r);
}

void on_thread_list_more(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	rsp_reply_text(r, "l"); /* the first answer holds all of them */
}

void on_thread_extra(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	int thread = text_thread(&t);
	size_t count = 0;
	if (rsp_text_done(&t) && r->target->threads)
		count = r->target->threads(r->context, r->threads, RSP_THREADS_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct rsp_thread *found = &r->threads[i];
		if (found->id != thread)
			continue;
		bool both = found->name[0] != '\0' && found->extra[0] != '\0';
		reply_begin(r);
		reply_bytes_hex(r, found->name, strlen(found->name));
		reply_bytes_hex(r, ": ", both ? 2 : 0);
		reply_bytes_hex(r, found->extra, strlen(found->extra));
		reply_answer(r);
		return;
	}
	rsp_reply_error(r);
}
