/* What lldb says and asks before its first `?`, and gdb never. RSP.md §10. */
#include "rsp/conn.h"

#include <stdio.h>
#include <string.h>

static void accept(struct rsp *r, bool *flag)
{
	*flag = true;
	rsp_reply_ok(r);
}

void on_thread_suffix(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	accept(r, &r->lldb.thread_suffix);
}

void on_threads_in_stop(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	accept(r, &r->lldb.threads_in_stop);
}

void on_error_strings(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	accept(r, &r->lldb.error_strings);
}

/* Before `process detach --keep-stopped true`, which is then `D1`. RSP.md §16. */
void on_stay_stopped(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	if (r->target->stays_stopped)
		rsp_reply_ok(r);
	else
		rsp_reply_empty(r);
}

static void add_host(struct rsp *r, const struct rsp_host *host)
{
	reply_string(r, "triple:");
	reply_bytes_hex(r, host->triple, strlen(host->triple));
	reply_string(r, ";ptrsize:");
	reply_number(r, host->pointer_size, 1);
	reply_string(r, ";endian:little;");
}

void on_host(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_host host;
	(void)arguments;
	(void)length;
	r->lldb.host_asked = true;
	if (!r->target->host) {
		rsp_reply_empty(r);
		return;
	}
	r->target->host(r->context, &host);
	reply_begin(r);
	add_host(r, &host);
	reply_answer(r);
}

void on_process(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct rsp_host host;
	(void)arguments;
	(void)length;
	if (!r->target->host) {
		rsp_reply_empty(r);
		return;
	}
	r->target->host(r->context, &host);
	reply_begin(r);
	reply_string(r, "pid:1;");
	add_host(r, &host);
	if (host.name && host.name[0] != '\0') {
		reply_string(r, "name:");
		reply_bytes_hex(r, host.name, strlen(host.name));
		reply_char(r, ';');
	}
	reply_answer(r);
}

/* qFileLoadAddress:HEXPATH → the base in hex, without 0x. */
void on_file_address(struct rsp *r, const uint8_t *arguments, size_t length)
{
	char path[RSP_PATH_MAX];
	size_t size = length / 2;
	uint64_t address;
	if (!r->target->file_address) {
		rsp_reply_empty(r);
		return;
	}
	if (size >= sizeof(path) ||
	    !hex_decode((uint8_t *)path, size, arguments, length) ||
	    memchr(path, 0, size)) {
		rsp_reply_error(r);
		return;
	}
	path[size] = '\0';
	if (r->target->file_address(r->context, path, &address) != RSP_OK) {
		rsp_reply_error(r);
		return;
	}
	reply_begin(r);
	reply_number(r, address, 1);
	reply_answer(r);
}
