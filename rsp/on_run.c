/* Resuming: vCont in all its forms, and the older c, C, s, S. RSP.md §4. */
#include "rsp/conn.h"

/* The reply is the stop, later; an error is one at once. */
static void resume(struct rsp *r, const struct rsp_resume *request)
{
	if (!r->target->resume) {
		rsp_reply_error(r);
		return;
	}
	/* First, since the owner may report the stop before it returns. */
	conn_enter(r, RSP_RUNNING);
	if (r->target->resume(r->context, request) != RSP_OK && r->state == RSP_RUNNING) {
		conn_enter(r, RSP_HALTED);
		rsp_reply_error(r);
	}
	r->reply_owed = false;
}

/* ---- vCont ---- */

static const struct action_form {
	char letter;
	enum rsp_resume_kind kind;
	bool has_signal, has_range;
} action_forms[] = {
	{ 'c', RSP_CONTINUE, false, false },  { 'C', RSP_CONTINUE, true, false },
	{ 's', RSP_STEP, false, false },      { 'S', RSP_STEP, true, false },
	{ 'r', RSP_RANGE_STEP, false, true },
};

static const struct action_form *take_form(struct rsp_text *t)
{
	for (size_t i = 0; i < sizeof(action_forms) / sizeof(*action_forms); i++) {
		if (rsp_text_accept(t, action_forms[i].letter))
			return &action_forms[i];
	}
	return NULL;
}

static int take_signal(struct rsp_text *t)
{
	uint64_t signal = rsp_text_hex(t);
	if (signal > 0xff)
		t->bad = true;
	return t->bad ? 0 : (int)signal;
}

static void take_range(struct rsp_text *t, struct rsp_resume_action *action)
{
	action->start = rsp_text_hex(t);
	rsp_text_expect(t, ',');
	action->end = rsp_text_hex(t);
	if (action->start > action->end)
		t->bad = true;
	if (action->start == action->end) /* an empty range is a step */
		action->kind = RSP_STEP;
}

/* `:thread`, or all where it is left out. */
static int take_thread(struct rsp *r, struct rsp_text *t)
{
	if (!rsp_text_accept(t, ':'))
		return RSP_ALL_THREADS;
	int thread = text_thread(t);
	if (thread == RSP_ANY_THREAD)
		thread = thread_current(r);
	if (thread != RSP_ALL_THREADS && !thread_exists(r, thread))
		t->bad = true;
	return thread;
}

static bool parse_action(struct rsp *r, struct rsp_text *t,
			 struct rsp_resume_action *action)
{
	const struct action_form *form = take_form(t);
	if (!form)
		return false;
	*action = (struct rsp_resume_action){ .kind = form->kind };
	if (form->has_signal)
		action->signal = take_signal(t);
	if (form->has_range)
		take_range(t, action);
	action->thread = take_thread(r, t);
	return rsp_text_done(t);
}

/* `t` stops a thread in non-stop mode alone: nothing for it to do here. */
static bool is_stop_action(struct rsp *r, struct rsp_text t)
{
	if (!rsp_text_accept(&t, 't'))
		return false;
	(void)take_thread(r, &t);
	return rsp_text_done(&t);
}

static bool parse_vcont(struct rsp *r, struct rsp_text *t, struct rsp_resume *request)
{
	request->count = 0;
	while (t->left > 0) {
		struct rsp_text part = text_until(t, ';');
		if (is_stop_action(r, part))
			continue;
		if (request->count == RSP_RESUME_ACTIONS ||
		    !parse_action(r, &part, &request->actions[request->count]))
			return false;
		request->count++;
	}
	return request->count > 0;
}

void on_vcont(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct rsp_resume request = { .has_address = false };
	if (parse_vcont(r, &t, &request))
		resume(r, &request);
	else
		rsp_reply_error(r);
}

void on_vcont_query(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	rsp_reply_text(r, "vCont;c;C;s;S;t;r");
}

/* ---- c, C, s, S: the thread is that of Hc ---- */

static void add_action(struct rsp_resume *request, enum rsp_resume_kind kind, int signal,
		       int thread)
{
	request->actions[request->count++] = (struct rsp_resume_action){
		.kind = kind, .signal = signal, .thread = thread
	};
}

/* A step or a signal is one thread's; the others go on unless Hc named that one. */
static void resume_old(struct rsp *r, enum rsp_resume_kind kind, int signal,
		       struct rsp_text *t, bool has_address)
{
	struct rsp_resume request = { .has_address = has_address };
	if (request.has_address)
		request.address = rsp_text_hex(t);
	bool named = r->resume_thread > 0;
	int thread = named ? r->resume_thread : thread_current(r);
	if (!rsp_text_done(t) || !thread_exists(r, thread)) {
		rsp_reply_error(r);
		return;
	}
	if (named || kind != RSP_CONTINUE || signal != 0 || request.has_address)
		add_action(&request, kind, signal, thread);
	if (!named)
		add_action(&request, RSP_CONTINUE, 0, RSP_ALL_THREADS);
	resume(r, &request);
}

static void plain(struct rsp *r, enum rsp_resume_kind kind, const uint8_t *arguments,
		  size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	resume_old(r, kind, 0, &t, length > 0);
}

/* `sig` or `sig;addr` */
static void with_signal(struct rsp *r, enum rsp_resume_kind kind,
			const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	int signal = take_signal(&t);
	bool has_address = rsp_text_accept(&t, ';');
	resume_old(r, kind, signal, &t, has_address);
}

void on_continue(struct rsp *r, const uint8_t *arguments, size_t length)
{
	plain(r, RSP_CONTINUE, arguments, length);
}

void on_continue_signal(struct rsp *r, const uint8_t *arguments, size_t length)
{
	with_signal(r, RSP_CONTINUE, arguments, length);
}

void on_step(struct rsp *r, const uint8_t *arguments, size_t length)
{
	plain(r, RSP_STEP, arguments, length);
}

void on_step_signal(struct rsp *r, const uint8_t *arguments, size_t length)
{
	with_signal(r, RSP_STEP, arguments, length);
}
