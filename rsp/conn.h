/*
 * One client's connection and what the files of rsp/ share about it; private to rsp/.
 *
 * States of a connection, changed only in conn.c (conn_enter):
 *
 *     CANDIDATE ─valid packet─▶ ARRIVED ─first packet served: `attached`─▶ HALTED
 *     HALTED ─c s vCont─▶ RUNNING ─rsp_stop─▶ HALTED        RUNNING ─rsp_exited─▶ VACANT
 *     HALTED ─`?` or vAttach without a process, D or vKill in extended mode─▶ VACANT
 *     VACANT ─`?` or vAttach with a stop─▶ HALTED
 *     any ─D, k, vKill of a plain remote, rsp_closed─▶ OVER
 *
 * The only timer is the keep-alive: it runs while a client waits for a reply that is
 * not a stop reply to a resume.
 */
#ifndef RSP_CONN_H
#define RSP_CONN_H

#include "rsp/frame.h"
#include "rsp/hex.h"
#include "rsp/rsp.h"

enum rsp_state {
	RSP_CANDIDATE,
	RSP_ARRIVED,
	RSP_HALTED,
	RSP_RUNNING,
	RSP_VACANT, /* a client without a process */
	RSP_OVER,
};

enum {
	RSP_KINDS_MAX = 192,	/* kinds of packets that are counted */
	RSP_RESENDS_MAX = 3,	/* gdb asks three times */
	RSP_OBJECT_MAX = 32,	/* name of a qXfer object, with its NUL */
	RSP_PATH_MAX = 4096,	/* a path of the client's, with its NUL */
	RSP_ANNEX_MAX = 1024,	/* and of its annex */
	RSP_COMMAND_MAX = 4096, /* text of a monitor command, with its NUL */
	RSP_DOCUMENT_MAX = 4 << 20,
};

/* What the client said in qSupported. */
struct rsp_features {
	bool multiprocess, thread_events, swbreak, hwbreak;
};

/* What lldb asked for, one packet each; RSP.md §10. */
struct rsp_lldb {
	bool thread_suffix;   /* g, G, p and P name their thread */
	bool threads_in_stop; /* stop replies list all threads */
	bool error_strings;   /* E01 is followed by a sentence */
	bool host_asked;
	bool plants; /* it had breakpoints: from now on it wants all PCs at each stop */
};

struct rsp {
	const struct rsp_target *target;
	void *context;
	enum rsp_state state;
	bool attached; /* the owner was told, and is owed a `detached` */
	bool serving;  /* inside rsp_serve */
	bool stopping; /* inside rsp_stop: registers are being read */
	bool in_command;
	bool extended;
	struct rsp_features client;
	struct rsp_lldb lldb;
	struct rsp_stop stop; /* the one told last */

	int general_thread; /* Hg: of g, p, m …; RSP_ANY_THREAD: the first */
	int resume_thread;  /* Hc: of c and s */
	const struct rsp_description *description;

	uint64_t alive_us; /* the client heard from us, or we from it */
	/* Packets to be served that came before an interrupt byte: should one of them
	 * resume the target, the interrupt is told again. */
	size_t interrupt_behind;

	/* The packet that is being built, or was sent last; escaped already. */
	size_t reply_length;
	bool reply_owed;
	bool unacked; /* '-' may ask for it again */
	unsigned resends;

	/* The document that qXfer windows are cut from. */
	char *document;
	size_t document_length;
	char document_object[RSP_OBJECT_MAX];
	char document_annex[RSP_ANNEX_MAX];

	struct rsp_count counts[RSP_KINDS_MAX];
	size_t kinds;
	struct rsp_count *kind; /* of the packet being served */

	uint8_t packet[RSP_PACKET_MAX]; /* being served, unescaped */
	uint8_t scratch[RSP_PACKET_MAX];
	uint8_t reply[FRAME_PAYLOAD_MAX];
	struct rsp_thread threads[RSP_THREADS_MAX];
	struct frame frame;
};

/* ---- conn.c ---- */

void conn_enter(struct rsp *r, enum rsp_state state);
/* Tells the owner that the session ends, once. */
void conn_leave(struct rsp *r, bool gone);
/* Asks once and keeps the answer; NULL when there is none yet. */
const struct rsp_description *conn_description(struct rsp *r);

/* ---- packet.c ---- */

/* The row for a packet, the longest name first; NULL when there is none. */
const struct rsp_packet *packet_find(const struct rsp_target *target,
				     const uint8_t *payload, size_t length);
/* Finds the row, counts, and calls the handler if the state allows it. */
void packet_serve(struct rsp *r, const uint8_t *payload, size_t length);
/* Counts the packet that is being served under another name. */
void packet_count_as(struct rsp *r, const char *kind);
/* Built-in rows, for the test that looks for duplicates; ends with a NULL name. */
const struct rsp_packet *packet_table(void);

/* ---- reply.c: parts of a packet, then one call that sends it ---- */

void reply_begin(struct rsp *r);
void reply_char(struct rsp *r, char c);
/* Text as it is; bytes that would break a packet become '?'. */
void reply_string(struct rsp *r, const char *text);
/* Lower-case hex with at least that many digits. */
void reply_number(struct rsp *r, uint64_t value, size_t digits);
void reply_bytes_hex(struct rsp *r, const void *bytes, size_t length);
void reply_bytes_escaped(struct rsp *r, const uint8_t *bytes, size_t length);
/* `2`, or `p1.2`. */
void reply_thread(struct rsp *r, int thread);
/* The answer to the packet being served; a second one is dropped. */
void reply_answer(struct rsp *r);
/* A packet that answers nothing in particular: a stop, console text. */
void reply_send(struct rsp *r);

/* ---- stop.c ---- */

/* Builds a T packet in the reply; the caller sends it. */
void stop_build(struct rsp *r, const struct rsp_stop *stop);
/* The same for a thread that has no reason of its own. */
void stop_build_other(struct rsp *r, int thread);
/* As many bytes as a register has. */
size_t register_size(const struct rsp_register *reg);
/* Is it part of each stop reply? */
bool register_is_told(const struct rsp *r, const struct rsp_register *reg);
/* Its value in target order; false: there is none, or RSP_ERROR. */
bool register_value(struct rsp *r, int thread, unsigned number,
		    uint8_t value[static RSP_REGISTER_MAX]);
/* Adds a register's digits, or `x` for each where it has no value. False: RSP_ERROR. */
bool reply_register(struct rsp *r, int thread, unsigned number);

/* ---- lldb_stop.c: what a stop tells lldb beyond gdb's keys, RSP.md §11 ---- */

enum {
	LLDB_LINE = 512, /* lldb reads memory in lines of this size */
	LLDB_TEXT_MAX = 256,
};

/* Why the last stop was; NULL: there is no reason to give. */
const char *lldb_reason(const struct rsp_stop *stop, bool has_words);
/* The owner's words for a stop, "" when there are none. */
void lldb_words(struct rsp *r, const struct rsp_stop *stop,
		char words[static LLDB_TEXT_MAX]);
void lldb_add_thread(struct rsp *r, int thread);
void lldb_add_threads(struct rsp *r, const struct rsp_stop *stop);
void lldb_add_reason(struct rsp *r, const struct rsp_stop *stop);
/* The stack's top in a line that lldb keeps, so that it does not ask. */
void lldb_add_stack(struct rsp *r, int thread);
/* That line; its length, 0: it cannot be read. */
size_t lldb_stack_line(struct rsp *r, int thread, uint64_t *address,
		       uint8_t line[static LLDB_LINE]);

/* ---- tdesc.c ---- */

/* target.xml, malloc'ed; NULL when out of memory. */
char *tdesc_build(const struct rsp_description *d, size_t *length);

/* ---- on_threads.c ---- */

/* The thread that g, p, m and qC mean; RSP_ANY_THREAD when there is none. */
int thread_current(struct rsp *r);
/* The same, or the one that `;thread:ID;` at the cursor names: lldb's suffix. */
int thread_named(struct rsp *r, struct rsp_text *t);
bool thread_exists(struct rsp *r, int thread);

/* ---- on_memory.c ---- */

/* `addr,length` */
struct rsp_span {
	uint64_t address, length;
};
struct rsp_span text_span(struct rsp_text *t);
/* Reads at most `limit` bytes of it into `scratch`; false: E01 is right. */
bool memory_read_span(struct rsp *r, const struct rsp_text *t,
		      const struct rsp_span *span, size_t limit, size_t *done);

/* ---- handlers, one for each row of packet.c ---- */

typedef void rsp_handler(struct rsp *r, const uint8_t *arguments, size_t length);

rsp_handler on_supported, on_no_ack_mode, on_extended, on_stop_reason, on_attach,
	on_restart, on_detach, on_vkill, on_kill, on_attached,
	on_symbol; /* on_connect.c */
rsp_handler on_set_thread, on_thread_alive, on_current_thread, on_thread_list,
	on_thread_list_more, on_thread_extra;			  /* on_threads.c */
rsp_handler on_read_all, on_write_all, on_read_one, on_write_one; /* on_registers.c */
rsp_handler on_memory_read, on_memory_write_hex, on_memory_write; /* on_memory.c */
rsp_handler on_insert, on_remove;				  /* on_breakpoints.c */
rsp_handler on_continue, on_continue_signal, on_step, on_step_signal, on_vcont,
	on_vcont_query;						    /* on_run.c */
rsp_handler on_features_read, on_threads_read, on_xfer, on_command; /* on_query.c */
rsp_handler on_thread_suffix, on_threads_in_stop, on_error_strings, on_host, on_process,
	on_file_address, on_stay_stopped;	     /* on_lldb_connect.c */
rsp_handler on_thread_stop, on_threads_json;	     /* on_lldb_threads.c */
rsp_handler on_memory_read_binary, on_memory_region; /* on_lldb_memory.c */

#endif
