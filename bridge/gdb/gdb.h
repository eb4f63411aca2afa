/*
 * The target in RSP's terms: the functions of struct rsp_target over target/. What
 * depends on the session's state (who may stop or resume the target, and what a client
 * sees while there is no target) is asked of the owner, the session.
 */
#ifndef BRIDGE_GDB_GDB_H
#define BRIDGE_GDB_GDB_H

#include "bridge/gdb/client.h"
#include "bridge/gdb/console.h"
#include "bridge/gdb/gdb_conditions.h"
#include "bridge/gdb/gdb_libraries.h"
#include "bridge/gdb/images.h"
#include "bridge/target/registers.h"
#include "bridge/target/target.h"
#include "rsp/rsp.h"

enum {
	GDB_REGISTERS_MAX = 256,
	/* So often gdb asks for the threads before its user has asked for anything. */
	GDB_LISTS_AT_CONNECT = 2,
	GDB_LISTS_AT_STOP = 1,
};

/*
 * What runs on each processor, for clients that want it with the stop. Looking takes
 * reads: not after a step, and no longer than TITLES_US in a stop; what was told last
 * serves for the others.
 */
enum { GDB_TITLE_MAX = 64, TITLES_US = 250000 };
struct gdb_titles {
	struct gdb_title {
		char text[GDB_TITLE_MAX]; /* "explorer.exe pid 1234" */
		bool fresh;		  /* of this stop */
	} * list;
	size_t count;
	uint64_t deadline_us; /* 0: nothing was looked up in this stop */
};

/* What the session decides. All are there. */
struct gdb_owner {
	/* Is an exchange under way that no packet asked for? Packets wait meanwhile. */
	bool (*busy)(void *context);
	void (*attached)(void *context);
	void (*detached)(void *context, bool gone);
	/* Before it, from a client that wants the target to stay as it stands. May be NULL. */
	void (*stays_stopped)(void *context);
	/*
	 * Waits for a stop to show to the client; `attach`: as long as it takes. False:
	 * there is none, and a placeholder is shown (RSP.md §7).
	 */
	bool (*await_stop)(void *context, bool attach);
	/* RSP_ERROR when the target could not be started. */
	enum rsp_result (*resume)(void *context, const struct target_resume *resume);
	void (*interrupt)(void *context);
	/* 313B. */
	enum kd_result (*reboot)(void *context);
	/* 3149; waits a while for the stop. */
	enum kd_result (*crash)(void *context);
	/* The connected client; NULL: none. */
	struct rsp *(*client)(void *context);
	/* The client waits for images of its modules, so many of them are there. May be
	 * NULL. */
	void (*progress)(void *context, size_t ready, size_t count);
	/* Is the client on this host? May be NULL: it is. */
	bool (*client_is_here)(void *context);
	/* It is not, so it is told of no modules, whose files it could not open. May be
	 * NULL. */
	void (*files_withheld)(void *context);
	/* Does something else come before what is done ahead of need? May be NULL. */
	bool (*hurries)(void *context);
};

struct gdb {
	struct target *target;
	const struct gdb_owner *owner;
	void *owner_context;

	const struct client *client;
	struct console console;
	struct console log; /* what the target printed, kept for `monitor log` */
	uint64_t listed_to; /* where `monitor u` goes on; 0: at the PC */

	struct rsp_description description;
	struct rsp_register registers[GDB_REGISTERS_MAX];

	struct images images;
	unsigned image_wait_s; /* so long a list of modules may take for them */
	struct gdb_libraries libraries;
	struct gdb_files files;
	struct conditions conditions;

	struct gdb_titles titles;

	/* The placeholder is a question of the target's (DbgPrompt), which the user has
	 * read: it goes on when it has its answer, with the breakpoints that are set now. */
	bool asked;
	int alone;		/* the thread that gdb lets run alone, 0: all run */
	enum kd_result last;	/* of what was asked of the target, for its words */
	uint64_t charged;	/* exchanges that were counted for a packet already */
	unsigned bare_lists;	/* of threads, that gdb is still to ask for by itself */
	bool locking_explained; /* that other processors cannot be held back */
};

/* `target` and the owner must outlive it. */
void gdb_init(struct gdb *g, struct target *target, const struct gdb_owner *owner,
	      void *owner_context);

void gdb_wipe(struct gdb *g);

/* A client is there: nothing of an earlier one is left. */
void gdb_client_begins(struct gdb *g);

/*
 * The functions for rsp_listen; their context is struct gdb. Wired in gdb_table.c by
 * subject.
 */
extern const struct rsp_target gdb_table;

/* Tells the client that the target stands at its present stop: text, then one T packet. */
void gdb_report_stop(struct gdb *g);
/* Tells it to read the list of modules; it resumes by itself (RSP.md §4). */
void gdb_report_libraries(struct gdb *g);
/*
 * Has the user seen the stop that was told last? gdb then asks for the threads, but not at
 * one within a command of its own, `next` for one (RSP.md §4).
 */
bool gdb_user_saw_stop(const struct gdb *g);
/* The stop that is shown when there is none: no target, or one that cannot be read. */
void gdb_report_placeholder(struct gdb *g, int signal);

/* Is the target there to be asked? Otherwise clients see the placeholder. */
static inline bool gdb_is_live(const struct gdb *g)
{
	return target_state(g->target) == TARGET_STOPPED;
}

/* A thread of RSP's as a processor; any and all mean the one that stopped. */
unsigned gdb_processor(const struct gdb *g, int thread);

/* Counts the exchanges since the last call for the packet that is being served. */
void gdb_charge(struct gdb *g);
/* The result for RSP; KD_DONE is RSP_OK. Charges, too: the way out of a function. */
enum rsp_result gdb_result(struct gdb *g, enum kd_result result);

/* ---- by subject ---- */

/* gdb_registers.c */
void gdb_registers_init(struct gdb *g);
/* A machine without a register map: of its registers only the stopped one's PC is told. */
bool gdb_registers_foreign(const struct gdb *g);
const struct rsp_description *gdb_description(void *context);
enum rsp_result gdb_read_register(void *context, int thread, unsigned number,
				  uint8_t *out, bool *valid);
enum rsp_result gdb_write_register(void *context, int thread, unsigned number,
				   const uint8_t *bytes);

/* gdb_memory.c */
enum rsp_result gdb_read_memory(void *context, uint64_t address, uint8_t *out,
				size_t length, size_t *done);
enum rsp_result gdb_write_memory(void *context, uint64_t address, const uint8_t *bytes,
				 size_t length, size_t *done);

/* gdb_breakpoints.c */
enum rsp_result gdb_insert(void *context, enum rsp_breakpoint_type type, uint64_t address,
			   uint64_t kind, const struct rsp_conditions *conditions);
enum rsp_result gdb_remove(void *context, enum rsp_breakpoint_type type, uint64_t address,
			   uint64_t kind);

/* gdb_threads.c */
size_t gdb_threads(void *context, struct rsp_thread *out, size_t max);
bool gdb_thread_alive(void *context, int thread);

/* gdb_lldb.c */
void gdb_host(void *context, struct rsp_host *out);
bool gdb_stop_words(void *context, char *out, size_t size);
bool gdb_libraries_in_stop(void *context);
bool gdb_registers_known(void *context, int thread);
enum rsp_result gdb_file_address(void *context, const char *path, uint64_t *address);
const char *gdb_error_text(void *context);

/* gdb_titles.c */
void gdb_thread_title(void *context, int thread, char *out, size_t size);
/* Those of the next stop are looked up anew. */
void gdb_titles_expire(struct gdb *g);
void gdb_titles_wipe(struct gdb *g);

/* gdb_regions.c */
enum rsp_result gdb_region(void *context, uint64_t address, struct rsp_region *out);

/* gdb_run.c */
enum rsp_result gdb_stop_reason(void *context, struct rsp_stop *stop);
enum rsp_result gdb_attach(void *context, int process, struct rsp_stop *stop);
enum rsp_result gdb_resume(void *context, const struct rsp_resume *resume);

/* gdb_libraries.c */
extern const char *const gdb_documents[];
enum rsp_result gdb_document(void *context, const char *object, const char *annex,
			     char **document, size_t *length);
/* Does the client follow the list of modules, and has not heard of a change? */
bool gdb_libraries_due(const struct gdb *g);
/* The same, and it must hear of that in a stop of its own. */
bool gdb_libraries_come_first(const struct gdb *g);
/* It is told now that there is one. */
void gdb_libraries_told(struct gdb *g);
void gdb_libraries_forget(struct gdb *g);
/*
 * Is there something to build ahead of need, and how many packets has the client sent so
 * far, but for its user's own commands? As long as that number grows it is in the midst of
 * something, and each of its packets would wait for the exchange under way.
 */
bool gdb_has_images_to_build(const struct gdb *g);
uint64_t gdb_packets_so_far(const struct gdb *g);
/*
 * While the client sits at its prompt: builds what its list of modules could not wait for,
 * a second at most and only until something else comes. False: there is nothing to do.
 */
bool gdb_builds_ahead(struct gdb *g);
/* The module of that name in the list that the client has; NULL: none. */
const struct library *gdb_library(const struct gdb *g, const char *name);
/* "/SystemRoot/system32/hal.dll": absolute, slashes forward; a name of the target's. */
void gdb_library_path(const struct module *module, char out[static LIBRARY_NAME_MAX]);
/* The exec file of that path, the caller's; NULL: it is none, or no memory. */
struct served_image *gdb_exec_file(const char *path);

/* gdb_files.c */
extern const struct rsp_packet gdb_packets[];
void gdb_files_forget(struct gdb *g);

/* gdb_maps.c */
/*
 * The modules in the form of Linux' /proc/NUMBER/maps, malloc'ed; the path is that of the
 * file. NULL: it is another one, or nothing is known.
 */
char *gdb_maps(struct gdb *g, const char *path, size_t *length);

/* monitor.c */
enum rsp_result gdb_command(void *context, const char *text);

#endif
