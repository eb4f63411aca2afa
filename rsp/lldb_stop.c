/* The keys of a stop reply that lldb reads beside gdb's. RSP.md §11. */
#include "rsp/conn.h"
#include "rsp/json.h"

#include <string.h>

void lldb_words(struct rsp *r, const struct rsp_stop *stop,
		char words[static LLDB_TEXT_MAX])
{
	words[0] = '\0';
	if (stop->reason != RSP_STOP_PLAIN || !r->target->stop_words ||
	    !r->target->stop_words(r->context, words, LLDB_TEXT_MAX))
		words[0] = '\0';
}

const char *lldb_reason(const struct rsp_stop *stop, bool has_words)
{
	switch (stop->reason) {
	case RSP_STOP_SWBREAK:
	case RSP_STOP_HWBREAK:
		return "breakpoint";
	case RSP_STOP_WATCH:
	case RSP_STOP_RWATCH:
	case RSP_STOP_AWATCH:
		return "watchpoint";
	case RSP_STOP_TRACE:
		return "trace";
	case RSP_STOP_LIBRARY:
		return NULL;
	case RSP_STOP_PLAIN:
		break;
	}
	return has_words ? "exception" : "signal";
}

/* Plain text: a `;` would end it. */
void lldb_add_thread(struct rsp *r, int thread)
{
	char title[LLDB_TEXT_MAX] = "";
	if (!r->target->thread_title)
		return;
	r->target->thread_title(r->context, thread, title, sizeof(title));
	for (char *c = title; *c; c++) {
		if (*c == ';' || *c < ' ' || *c > '~')
			*c = '?';
	}
	reply_string(r, "name:");
	reply_string(r, title);
	reply_char(r, ';');
}

/* Reasons of all at once, or lldb asks for each. */
static void add_stop_infos(struct rsp *r, const struct rsp_stop *stop, size_t count)
{
	struct json j = json_init((char *)r->scratch, RSP_PACKET_MAX / 2);
	char words[LLDB_TEXT_MAX];
	lldb_words(r, stop, words);
	json_open(&j, NULL, '[');
	for (size_t i = 0; i < count; i++) {
		bool own = r->threads[i].id == stop->thread;
		const char *reason = own ? lldb_reason(stop, words[0] != '\0') : NULL;
		json_open(&j, NULL, '{');
		json_number(&j, "tid", (uint64_t)r->threads[i].id);
		json_text(&j, "reason", reason ? reason : "none");
		if (own && reason)
			json_number(&j, "signal", (uint64_t)stop->signal);
		if (own && words[0] != '\0')
			json_text(&j, "description", words);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	if (j.full)
		return;
	reply_string(r, "jstopinfo:");
	reply_bytes_hex(r, j.text, j.length);
	reply_char(r, ';');
}

static bool number_of(struct rsp *r, int thread, unsigned number, uint64_t *out)
{
	size_t size = register_size(&r->description->registers[number]);
	uint8_t value[RSP_REGISTER_MAX];
	if (!register_value(r, thread, number, value))
		return false;
	*out = 0;
	for (size_t i = 0; i < size && i < sizeof(*out); i++)
		*out |= (uint64_t)value[i] << 8 * i;
	return true;
}

/* With breakpoints lldb asks for each that is not told; all or none are taken. */
static void add_pcs(struct rsp *r, size_t count)
{
	const struct rsp_description *d = conn_description(r);
	size_t before = r->reply_length;
	reply_string(r, "thread-pcs:");
	for (size_t i = 0; i < count; i++) {
		uint64_t pc;
		if (!d || !number_of(r, r->threads[i].id, d->pc, &pc)) {
			r->reply_length = before;
			return;
		}
		if (i > 0)
			reply_char(r, ',');
		reply_number(r, pc, 1);
	}
	reply_char(r, ';');
}

void lldb_add_threads(struct rsp *r, const struct rsp_stop *stop)
{
	size_t count;
	if (!r->lldb.threads_in_stop || !r->target->threads)
		return;
	count = r->target->threads(r->context, r->threads, RSP_THREADS_MAX);
	reply_string(r, "threads:");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			reply_char(r, ',');
		reply_number(r, (uint64_t)r->threads[i].id, 1);
	}
	reply_char(r, ';');
	if (r->lldb.plants && stop->reason != RSP_STOP_LIBRARY)
		add_pcs(r, count);
	add_stop_infos(r, stop, count);
}

void lldb_add_reason(struct rsp *r, const struct rsp_stop *stop)
{
	char words[LLDB_TEXT_MAX];
	lldb_words(r, stop, words);
	const char *reason = lldb_reason(stop, words[0] != '\0');
	if (reason) {
		reply_string(r, "reason:");
		reply_string(r, reason);
		reply_char(r, ';');
	}
	if (words[0] != '\0') {
		reply_string(r, "description:");
		reply_bytes_hex(r, words, strlen(words));
		reply_char(r, ';');
	}
	if (stop->reason != RSP_STOP_LIBRARY && r->target->libraries_due &&
	    r->target->libraries_due(r->context))
		reply_string(r, "library:;");
}

size_t lldb_stack_line(struct rsp *r, int thread, uint64_t *address,
		       uint8_t line[static LLDB_LINE])
{
	const struct rsp_description *d = conn_description(r);
	size_t done = 0;
	if (!d || !r->target->read_memory || !number_of(r, thread, d->sp, address))
		return 0;
	*address &= ~(uint64_t)(LLDB_LINE - 1);
	if (r->target->read_memory(r->context, *address, line, LLDB_LINE, &done) !=
		    RSP_OK ||
	    done > LLDB_LINE)
		return 0;
	return done;
}

void lldb_add_stack(struct rsp *r, int thread)
{
	uint64_t address;
	uint8_t line[LLDB_LINE];
	size_t done = lldb_stack_line(r, thread, &address, line);
	if (done != LLDB_LINE) /* lldb keeps whole lines only */
		return;
	reply_string(r, "memory:0x");
	reply_number(r, address, 1);
	reply_char(r, '=');
	reply_bytes_hex(r, line, done);
	reply_char(r, ';');
}
