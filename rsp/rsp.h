/*
 * GDB's remote serial protocol, the server's side, sans-I/O: bytes and time in,
 * bytes out, and questions through a table of functions. It knows packets, not what
 * they are for: nothing of Windows, KD or KDNET is in here.
 *
 *     rsp_receive ──▶ ┌─────┐ ──▶ struct rsp_target   (asks what a packet wants)
 *     rsp_stop    ──▶ │ rsp │
 *     rsp_console ──▶ └─────┘ ──▶ rsp_output          (bytes for the client)
 *
 * One packet is served at a time, by rsp_serve. While a target function runs (it may
 * run a loop of its own to get an answer) rsp_receive only queues, but notices an
 * interrupt byte at once. listen.h is the thin real side. Protocol: RSP.md.
 */
#ifndef RSP_RSP_H
#define RSP_RSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rsp;

enum {
	/* PacketSize that is offered; longer packets are refused, never buffered. */
	RSP_PACKET_MAX = 0x20000,
	RSP_REGISTER_MAX = 64, /* bytes of one register */
	RSP_THREADS_MAX = 4096,
	RSP_RESUME_ACTIONS = 64,
	RSP_CONDITIONS_MAX = 64, /* of one breakpoint */
	RSP_ALL_THREADS = -1,
	RSP_ANY_THREAD = 0,
	/* While one packet is being served a '+' goes out this often, RSP.md §6. */
	RSP_KEEPALIVE_US = 1000000,
};

enum rsp_result {
	RSP_OK,
	RSP_ERROR,	 /* E01: unreadable, refused, out of range */
	RSP_UNSUPPORTED, /* the empty answer */
};

/* One row of the register map; numbers ascend without gaps from 0. */
struct rsp_register {
	const char *name;
	/* One that gdb has ("uint64", "code_ptr", "i387_ext"), "vec128", or a flags type. */
	const char *type;
	const char *group;   /* "general", "float", "vector", "system" */
	const char *feature; /* "org.gnu.gdb.i386.core": rows of one are neighbours */
	uint16_t bits;
	bool in_g;	/* part of `g`: rows of it come first, RSP.md §2 */
	bool expedited; /* sent with each stop reply */
};

/* A type that a register row names and gdb does not know by itself. */
struct rsp_flags_type {
	const char *name; /* "i386_eflags" */
	const char *feature;
	unsigned bytes;
	const struct rsp_flag {
		const char *name; /* "" ends the list */
		unsigned bit;
	} * flags;
};

struct rsp_description {
	const char *architecture; /* "i386:x86-64" */
	const struct rsp_register *registers;
	size_t count;
	const struct rsp_flags_type *flags_types; /* may be NULL */
	size_t flags_count;
	uint16_t pc, sp, fp; /* register numbers */
};

enum rsp_breakpoint_type { /* the digit behind Z and z */
			   RSP_SOFTWARE_BREAKPOINT,
			   RSP_HARDWARE_BREAKPOINT,
			   RSP_WRITE_WATCHPOINT,
			   RSP_READ_WATCHPOINT,
			   RSP_ACCESS_WATCHPOINT,
};

/*
 * Agent expressions (agent.h), any of which being true lets the breakpoint stop; none: it
 * always does. They are valid while the function that gets them runs.
 */
struct rsp_conditions {
	size_t count;
	struct rsp_condition {
		const uint8_t *code;
		size_t length;
	} list[RSP_CONDITIONS_MAX];
};

enum rsp_resume_kind { RSP_CONTINUE, RSP_STEP, RSP_RANGE_STEP };

struct rsp_resume_action {
	enum rsp_resume_kind kind;
	int signal;	     /* 0: none */
	int thread;	     /* 1 …, or RSP_ALL_THREADS */
	uint64_t start, end; /* RSP_RANGE_STEP: until the PC leaves [start, end) */
};

/* What `c`, `s` or `vCont` asked for: the leftmost action that fits a thread is its own. */
struct rsp_resume {
	struct rsp_resume_action actions[RSP_RESUME_ACTIONS];
	size_t count;
	bool has_address; /* c ADDR, s ADDR */
	uint64_t address;
};

enum rsp_stop_reason {
	RSP_STOP_PLAIN,
	RSP_STOP_SWBREAK,
	RSP_STOP_HWBREAK,
	RSP_STOP_WATCH, /* `address` tells where */
	RSP_STOP_RWATCH,
	RSP_STOP_AWATCH,
	RSP_STOP_LIBRARY,
	RSP_STOP_TRACE, /* a step that ended, where the client wants to know */
};

struct rsp_stop {
	enum rsp_stop_reason reason;
	int signal; /* gdb's number: 2 SIGINT, 4 ILL, 5 TRAP, 6 ABRT, 8 FPE, 11 SEGV */
	int thread;
	uint64_t address;
};

struct rsp_thread {
	int id;
	unsigned core;
	char name[64];	 /* "CPU 0" */
	char extra[128]; /* what runs there */
};

/* The machine and the one process, as lldb sees them: qHostInfo, qProcessInfo. RSP.md §10. */
struct rsp_host {
	const char *triple; /* "x86_64-pc-windows-msvc"; valid as long as the context */
	unsigned pointer_size; /* bytes */
	const char *name;      /* of the process; "" or NULL: none */
};

/* A piece of the address space, or a gap in it, qMemoryRegionInfo. RSP.md §15. */
struct rsp_region {
	uint64_t start, size; /* start + size may be 2^64, size never 0 */
	bool mapped;	      /* false: a gap */
	bool readable, writable, executable;
	char name[64]; /* "" none */
};

/*
 * How the server asks. All functions get `context`; NULL functions answer as not
 * supported. "Stopped" in a comment: called only while the target is stopped.
 */
struct rsp_target {
	/*
	 * True: the owner is inside an exchange of its own. Then nothing else of this table
	 * is called but interrupt; packets wait until rsp_serve is called again. May be NULL.
	 */
	bool (*busy)(void *context);

	/* The first valid packet, called before it is served: this is a client now. */
	void (*attached)(void *context);
	/*
	 * The session ends: detach, kill, or the connection closed (`gone`). Once for each
	 * `attached`; in extended mode `attach` may follow, and then another `detached`.
	 */
	void (*detached)(void *context, bool gone);
	/*
	 * Comes before `detached` when lldb's user wants the target to stay as it stands
	 * (RSP.md §16). NULL: lldb is told that it cannot be had.
	 */
	void (*stays_stopped)(void *context);

	/*
	 * `?`: fill in the stop, waiting for it as long as is right. RSP_ERROR: there is
	 * no process (W00); RSP_OK fills *stop.
	 */
	enum rsp_result (*stop_reason)(void *context, struct rsp_stop *stop);
	/* vAttach in extended mode: as stop_reason, but waits for a target. */
	enum rsp_result (*attach)(void *context, int process, struct rsp_stop *stop);
	/* A description that stays as it is until the next connection. */
	const struct rsp_description *(*description)(void *context);

	/* Threads, ascending; returns how many, at most `max`. */
	size_t (*threads)(void *context, struct rsp_thread *out, size_t max);
	bool (*thread_alive)(void *context, int thread);

	/*
	 * One register's bytes in target order. *valid false: not available (x digits).
	 * `out` has room for RSP_REGISTER_MAX.
	 */
	enum rsp_result (*read_register)(void *context, int thread, unsigned number,
					 uint8_t *out, bool *valid);
	enum rsp_result (*write_register)(void *context, int thread, unsigned number,
					  const uint8_t *bytes);

	/* *done bytes from the start were read or written; RSP_ERROR when that is 0. */
	enum rsp_result (*read_memory)(void *context, uint64_t address, uint8_t *out,
				       size_t length, size_t *done);
	enum rsp_result (*write_memory)(void *context, uint64_t address,
					const uint8_t *bytes, size_t length,
					size_t *done);

	/*
	 * Z and z. `kind` is the length of a watchpoint. Never RSP_UNSUPPORTED for
	 * software breakpoints, or gdb writes opcodes itself (RSP.md §4). Conditions are
	 * of breakpoints alone; inserted again, the new ones replace the old.
	 */
	enum rsp_result (*insert)(void *context, enum rsp_breakpoint_type type,
				  uint64_t address, uint64_t kind,
				  const struct rsp_conditions *conditions);
	enum rsp_result (*remove)(void *context, enum rsp_breakpoint_type type,
				  uint64_t address, uint64_t kind);

	/* Starts the target; the stop comes later through rsp_stop. Stopped. */
	enum rsp_result (*resume)(void *context, const struct rsp_resume *resume);
	/* The interrupt byte. May come inside another function of this table. */
	void (*interrupt)(void *context);

	/* `qRcmd`: text by rsp_console while it runs, then its result (RSP.md §5: errors
	 * are text and RSP_OK). */
	enum rsp_result (*command)(void *context, const char *text);

	/*
	 * A qXfer object other than features and threads ("libraries", "exec-file" …).
	 * Called once for offset 0, the document is kept by the server until the next such
	 * call. *document is malloc'ed, ownership passes.
	 */
	enum rsp_result (*document)(void *context, const char *object, const char *annex,
				    char **document, size_t *length);
	/* Names for qSupported of what `document` serves, NULL-terminated. */
	const char *const *documents;

	/* ---- what lldb alone wants to know, RSP.md §10 to §17 ---- */

	void (*host)(void *context, struct rsp_host *out);
	/*
	 * Why the target stands still, in words, for a stop that is plain otherwise: false:
	 * there are none. Asked while a stop is told.
	 */
	bool (*stop_words)(void *context, char *out, size_t size);
	/* Has the list of modules changed? True: the stop that is told says so. */
	bool (*libraries_due)(void *context);
	/* One line for a thread: its name and what runs there. `out` is terminated. */
	void (*thread_title)(void *context, int thread, char *out, size_t size);
	/* Can this thread's registers be told without asking anybody? */
	bool (*registers_known)(void *context, int thread);
	/* The region that holds the address. Stopped. */
	enum rsp_result (*region)(void *context, uint64_t address,
				  struct rsp_region *out);
	/* Where the module is loaded whose file has that name, qFileLoadAddress. */
	enum rsp_result (*file_address)(void *context, const char *path,
					uint64_t *address);
	/* A sentence about the last RSP_ERROR, NULL: none. */
	const char *(*error_text)(void *context);

	/*
	 * Packets of the owner's own, asked before the built-in rows: longest name first.
	 * Handlers answer with rsp_reply_*. Ends with a NULL name.
	 */
	const struct rsp_packet *packets;
};

/* Which packets a row takes. */
enum rsp_match {
	RSP_EXACT,  /* the whole packet is the name */
	RSP_PREFIX, /* arguments follow the name */
};
/*
 * When a row's packet is served. While the target runs, packets wait for its stop, so
 * that replies keep the order of the requests: one that came before the stop reply
 * would be taken for it. Only those that leave are served at once.
 */
enum rsp_when {
	RSP_ALWAYS,
	RSP_STOPPED,	   /* E01 where there is no process (detached, W00) */
	RSP_WHILE_RUNNING, /* at once: k, D */
};

struct rsp_packet {
	const char *name;
	enum rsp_match match;
	enum rsp_when when;
	/* `arguments` behind the name: not terminated by NUL, binary is unescaped. */
	void (*handler)(struct rsp *r, const uint8_t *arguments, size_t length);
};

/* Owner's packets and documents are found here again. */
void *rsp_context(struct rsp *r);

/*
 * `target` and `context` must outlive it. `now_us` monotonic microseconds. NULL: out of
 * memory.
 */
struct rsp *rsp_new(const struct rsp_target *target, void *context);
void rsp_free(struct rsp *r);

/*
 * Bytes from the client. False: this is no RSP (HTTP, TLS, endless or oversize
 * packets): close the connection. Serves nothing; call rsp_serve afterwards.
 */
bool rsp_receive(struct rsp *r, const uint8_t *bytes, size_t length, uint64_t now_us);

/*
 * Serves queued packets until there is none, the target runs, or the client does not
 * read what it is sent. Does nothing when called inside a target function, or while
 * the owner is busy. False: the session ended (detach of a plain
 * remote, kill, vKill): flush the output, then close.
 */
bool rsp_serve(struct rsp *r, uint64_t now_us);

/* Is a packet waiting that rsp_serve would serve? */
bool rsp_has_work(const struct rsp *r);

/* Bytes to write to the client; tell with rsp_sent how many went out. */
const uint8_t *rsp_output(const struct rsp *r, size_t *length);
void rsp_sent(struct rsp *r, size_t length);

/* When rsp_expire wants to be called; UINT64_MAX: never. Keep-alives, RSP.md §6. */
uint64_t rsp_deadline(const struct rsp *r);
void rsp_expire(struct rsp *r, uint64_t now_us);

/* The connection closed: `detached` is called if it was a client. Not while busy. */
void rsp_closed(struct rsp *r);
/* Is a function of the table under way, or the owner busy? */
bool rsp_is_busy(const struct rsp *r);

/* Did it send a valid packet? */
bool rsp_is_client(const struct rsp *r);
/* Is a stop reply owed (the client waits after c, s, vCont)? */
bool rsp_is_running(const struct rsp *r);
/* Does the client speak multiprocess (process 1), extended mode, no-ack mode? */
bool rsp_is_multiprocess(const struct rsp *r);
bool rsp_is_extended(const struct rsp *r);
/* Has it sent what lldb says before `?` and gdb never (RSP.md §20)? */
bool rsp_is_lldb(const struct rsp *r);

/* The target stopped: one T packet. Only while rsp_is_running; may be inside `resume`. */
void rsp_stop(struct rsp *r, const struct rsp_stop *stop);
/* The target is gone while running: W00. */
void rsp_exited(struct rsp *r);

/*
 * Text for the client's console as O packets. Only while the client waits for a stop
 * or inside `command`: false otherwise, and nothing is sent (RSP.md §5). False, too,
 * when the client does not read and too much waits for it already. Any bytes.
 */
bool rsp_console(struct rsp *r, const char *text, size_t length);

/* ---- for handlers of the owner's packets: exactly one reply each ---- */

void rsp_reply_ok(struct rsp *r);
void rsp_reply_error(struct rsp *r);
void rsp_reply_empty(struct rsp *r);
void rsp_reply_text(struct rsp *r, const char *text);
void rsp_reply_hex(struct rsp *r, const void *bytes, size_t length);
/* A prefix in text, then bytes with binary escapes: at most RSP_PACKET_MAX of them. */
void rsp_reply_binary(struct rsp *r, const char *prefix, const void *bytes,
		      size_t length);
/* A window of a document as `m` or `l` with binary escapes, RSP.md §1. */
void rsp_reply_window(struct rsp *r, const void *document, size_t size, uint64_t offset,
		      uint64_t length);

/* A text cursor over a packet's arguments: sticky failure, like the byte cursors. */
struct rsp_text {
	const uint8_t *pos;
	size_t left;
	bool bad;
};
struct rsp_text rsp_text_init(const uint8_t *bytes, size_t length);
/* A hex number of 1 to 16 digits up to another character. */
uint64_t rsp_text_hex(struct rsp_text *t);
/* Takes the character, fails when another is next. */
void rsp_text_expect(struct rsp_text *t, char c);
/* Takes it when it is next. */
bool rsp_text_accept(struct rsp_text *t, char c);
/* True when all was taken and nothing failed. */
bool rsp_text_done(const struct rsp_text *t);

/* ---- XML: escaped, well-formed UTF-8 whatever comes in, bounded ---- */

struct rsp_xml {
	char *text; /* malloc'ed; the caller frees it */
	size_t length, room, limit;
	bool full; /* sticky: beyond the limit, or out of memory */
};
struct rsp_xml rsp_xml_init(size_t limit);
/* Markup as it is, printf-like. For numbers and constants only. */
void rsp_xml_markup(struct rsp_xml *x, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Text of any origin: escaped, what XML cannot hold becomes '?'. */
void rsp_xml_text(struct rsp_xml *x, const char *text);
/* name="value", with a blank before it. */
void rsp_xml_attribute(struct rsp_xml *x, const char *name, const char *value);

/* ---- counts for statistics: packets by kind, in the order first seen ---- */

struct rsp_count {
	char kind[32]; /* the row's name; "" ends */
	uint64_t packets;
	uint64_t cost; /* what rsp_cost added while it was served */
};
/* At most `max`; returns how many. */
size_t rsp_counts(const struct rsp *r, struct rsp_count *out, size_t max);
/* Adds to the kind of packet that is being served (the owner's unit: KD exchanges). */
void rsp_cost(struct rsp *r, uint64_t cost);

#endif
