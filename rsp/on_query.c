/* Documents by qXfer, and monitor commands by qRcmd. RSP.md §1, §5. */
#include "rsp/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- qXfer ---- */

/* `annex:offset,length` */
struct window {
	char annex[RSP_ANNEX_MAX];
	uint64_t offset, length;
};

/* A text as a C string; false when it does not fit or has a NUL in it. */
static bool copy_text(char *out, size_t room, const struct rsp_text *text)
{
	if (text->bad || text->left >= room || memchr(text->pos, 0, text->left))
		return false;
	memcpy(out, text->pos, text->left);
	out[text->left] = '\0';
	return true;
}

static bool parse_window(struct window *w, struct rsp_text *t)
{
	struct rsp_text annex = text_until(t, ':');
	w->offset = rsp_text_hex(t);
	rsp_text_expect(t, ',');
	w->length = rsp_text_hex(t);
	return rsp_text_done(t) && copy_text(w->annex, sizeof(w->annex), &annex);
}

typedef enum rsp_result make_document(struct rsp *r, const char *object,
				      const char *annex, char **document, size_t *length);

static bool kept(const struct rsp *r, const char *object, const char *annex)
{
	return r->document && strcmp(r->document_object, object) == 0 &&
	       strcmp(r->document_annex, annex) == 0;
}

/* Made new at offset 0, so that the windows that follow fit to each other. */
static enum rsp_result prepare(struct rsp *r, const char *object, const struct window *w,
			       make_document *make)
{
	if (w->offset > 0 && kept(r, object, w->annex))
		return RSP_OK;
	char *document = NULL;
	size_t length = 0;
	enum rsp_result result = make(r, object, w->annex, &document, &length);
	if (result != RSP_OK)
		return result;
	free(r->document);
	r->document = document;
	r->document_length = document ? length : 0;
	(void)snprintf(r->document_object, sizeof(r->document_object), "%s", object);
	(void)snprintf(r->document_annex, sizeof(r->document_annex), "%s", w->annex);
	return RSP_OK;
}

static void serve_document(struct rsp *r, const char *object, struct rsp_text *t,
			   make_document *make)
{
	struct window w;
	enum rsp_result result = RSP_ERROR;
	if (parse_window(&w, t))
		result = prepare(r, object, &w, make);
	if (result == RSP_OK)
		rsp_reply_window(r, r->document, r->document_length, w.offset, w.length);
	else if (result == RSP_UNSUPPORTED)
		rsp_reply_empty(r);
	else
		rsp_reply_error(r);
}

static enum rsp_result make_features(struct rsp *r, const char *object, const char *annex,
				     char **document, size_t *length)
{
	(void)object;
	if (strcmp(annex, "target.xml") != 0 || !conn_description(r))
		return RSP_ERROR;
	*document = tdesc_build(r->description, length);
	return *document ? RSP_OK : RSP_ERROR;
}

void on_features_read(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	serve_document(r, "features", &t, make_features);
}

static void add_thread(struct rsp *r, struct rsp_xml *x, const struct rsp_thread *thread)
{
	const char *process = rsp_is_multiprocess(r) ? "p1." : "";
	rsp_xml_markup(x, "<thread id=\"%s%x\" core=\"%u\"", process,
		       (unsigned)thread->id, thread->core);
	if (thread->name[0] != '\0')
		rsp_xml_attribute(x, "name", thread->name);
	rsp_xml_markup(x, ">");
	rsp_xml_text(x, thread->extra);
	rsp_xml_markup(x, "</thread>\n");
}

static enum rsp_result make_threads(struct rsp *r, const char *object, const char *annex,
				    char **document, size_t *length)
{
	(void)object;
	(void)annex;
	if (!r->target->threads)
		return RSP_UNSUPPORTED;
	size_t count = 0;
	if (r->state != RSP_VACANT)
		count = r->target->threads(r->context, r->threads, RSP_THREADS_MAX);
	struct rsp_xml x = rsp_xml_init(RSP_DOCUMENT_MAX);
	rsp_xml_markup(&x, "<?xml version=\"1.0\"?>\n<threads>\n");
	for (size_t i = 0; i < count; i++)
		add_thread(r, &x, &r->threads[i]);
	rsp_xml_markup(&x, "</threads>\n");
	if (x.full) {
		free(x.text);
		return RSP_ERROR;
	}
	*document = x.text;
	*length = x.length;
	return RSP_OK;
}

void on_threads_read(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	serve_document(r, "threads", &t, make_threads);
}

static enum rsp_result make_owners(struct rsp *r, const char *object, const char *annex,
				   char **document, size_t *length)
{
	if (!r->attached || !r->target->document)
		return RSP_ERROR;
	return r->target->document(r->context, object, annex, document, length);
}

static bool is_listed(const struct rsp *r, const char *object)
{
	for (const char *const *name = r->target->documents; name && *name; name++) {
		if (strcmp(*name, object) == 0)
			return true;
	}
	return false;
}

/* `object:read:annex:offset,length` of what the owner serves. */
void on_xfer(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_text t = rsp_text_init(arguments, length);
	struct rsp_text name = text_until(&t, ':');
	struct rsp_text verb = text_until(&t, ':');
	char object[RSP_OBJECT_MAX];
	if (!copy_text(object, sizeof(object), &name) || !text_is(&verb, "read") ||
	    !is_listed(r, object)) {
		rsp_reply_empty(r);
		return;
	}
	char kind[sizeof("qXfer:") + RSP_OBJECT_MAX];
	(void)snprintf(kind, sizeof(kind), "qXfer:%s", object);
	packet_count_as(r, kind);
	serve_document(r, object, &t, make_owners);
}

/* ---- qRcmd ---- */

void on_command(struct rsp *r, const uint8_t *arguments, size_t length)
{
	char text[RSP_COMMAND_MAX];
	size_t size = length / 2;
	if (!r->target->command) {
		rsp_reply_empty(r);
		return;
	}
	if (size >= sizeof(text) ||
	    !hex_decode((uint8_t *)text, size, arguments, length) ||
	    memchr(text, 0, size)) {
		rsp_reply_error(r);
		return;
	}
	text[size] = '\0';
	r->in_command = true;
	enum rsp_result result = r->target->command(r->context, text);
	r->in_command = false;
	if (result == RSP_OK)
		rsp_reply_ok(r);
	else if (result == RSP_UNSUPPORTED)
		rsp_reply_empty(r);
	else
		rsp_reply_error(r);
}
