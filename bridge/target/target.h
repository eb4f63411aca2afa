/*
 * The machine being debugged, as a debugger's front end sees it: it waits, runs or
 * is stopped; while it is stopped one can read, write, plant and resume. Nothing here
 * knows gdb. Functions that ask the target run the event loop until the answer is
 * there, so that callers read top to bottom (design: one session, one process).
 *
 * The states, and who changes them (target.c, one function):
 *
 *   TARGET_WAITING   nobody answers yet, or pokes stopped     ─ connected ─▶ RUNNING
 *   TARGET_RUNNING   connected; prints and load events come   ─ state change ▶ STOPPED
 *   TARGET_STOPPED   a state change was reported              ─ resume ─▶ RUNNING
 *   any              lost, or a reboot                        ─▶ WAITING or RUNNING
 */
#ifndef BRIDGE_TARGET_TARGET_H
#define BRIDGE_TARGET_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/kd.h"
#include "kdnet/kdnet.h"
#include "kdnet/udp.h"

struct ev_loop;
struct target;
struct arch;

/* What became of a question to the target. Counts come in out-parameters. */
enum kd_result {
	KD_DONE,
	KD_REFUSED,	/* the target said no, or a guard did: nothing was harmed */
	KD_TIMED_OUT,	/* no answer in time, though it lives */
	KD_GONE,	/* lost, rebooted, or not stopped */
	KD_INTERRUPTED, /* the front end gave up meanwhile (target_cancel) */
};

enum target_state { TARGET_WAITING, TARGET_RUNNING, TARGET_STOPPED };

enum target_stop_kind {
	TARGET_STOP_EXCEPTION,	     /* an exception, first or second chance */
	TARGET_STOP_BREAKPOINT,	     /* one that breakpoint_insert planted, PC on it */
	TARGET_STOP_HARD_BREAKPOINT, /* an int3 in the code itself, PC on it */
	TARGET_STOP_BREAK_IN,	     /* we asked: target_break_in */
	TARGET_STOP_STEP,	     /* a step, or a range, ended */
	TARGET_STOP_BUGCHECK,	     /* BreakpointWithStatus for a bugcheck */
	TARGET_STOP_LOAD,	     /* an image was loaded or unloaded */
	TARGET_STOP_COMMAND,	     /* a command string */
	TARGET_STOP_HARDWARE_BREAKPOINT, /* watchpoint_insert's, PC on it */
	TARGET_STOP_WATCHPOINT,		 /* watchpoint_insert's, PC behind the access */
};

/* Why the target stands still. */
struct target_stop {
	enum target_stop_kind kind;
	unsigned processor;
	uint64_t pc;		       /* the instruction's own address, from CONTEXT */
	struct kd_exception exception; /* when the state change was one */
	struct {
		uint64_t base;
		uint32_t size;
		bool unload;
		char path[512]; /* printable, terminated */
	} image;		/* TARGET_STOP_LOAD */
	struct {
		uint64_t address; /* within what is watched */
		bool access;	  /* one for reads and writes */
	} watch;		  /* TARGET_STOP_WATCHPOINT */
	char text[256];		  /* one plain sentence for the user */
};

/*
 * What happens by itself. Called from the loop, also in the midst of another question
 * to the target: note it, act later. All may be NULL.
 */
struct target_events {
	void (*connected)(void *context, bool reboot);
	void (*lost)(void *context);
	/*
	 * A new stop, already looked at (struct target_stop is complete). Never for the
	 * repetition of one, for those inside a step over or a range, nor for stale
	 * break-ins. Load events and, when unattended, others may be answered by
	 * target_resume from here.
	 */
	void (*stopped)(void *context, const struct target_stop *stop);
	/*
	 * A breakpoint of the front end's was hit, software or hardware. True: it does not
	 * want to stop there this time, and the target goes on without another word; false,
	 * too, for what it does not know: then `stopped` follows. Registers and memory may be
	 * read in here, of the processor that hit it; nothing else.
	 */
	bool (*missed)(void *context, const struct target_stop *stop);
	/* DbgPrint: any bytes. Acknowledged already. */
	void (*print)(void *context, unsigned processor, const char *text, size_t length);
	/* DbgPrompt: the target waits for target_answer_prompt. */
	void (*prompt)(void *context, const char *text, size_t length);
	/* Has whoever reads memory now, or the list of modules, given up? Asked after each
	 * exchange of what takes several. */
	bool (*given_up)(void *context);
	/* A sentence for the log about the link or the target; `notice` may be KDNET_NOTICES. */
	void (*notice)(void *context, enum kdnet_notice notice, const char *text);
};

struct target_options {
	struct kdnet_config kdnet;
	uint16_t port; /* UDP */
	const struct target_events *events;
	void *context;
	struct kdnet_udp_tap tap; /* sees the datagrams; zeros: nobody does */
};

/* Opens the UDP port and waits. Returns 0 or -errno (-EADDRINUSE). */
int target_open(struct target **out, struct ev_loop *loop,
		const struct target_options *options);
/* Closes the port; does not touch the target: call target_leave first. */
void target_close(struct target *t);

enum target_state target_state(const struct target *t);
/* Is an exchange of its own under way, to look at a stop? What is asked meanwhile, from
 * inside the loop, is refused. */
bool target_busy(const struct target *t);
/* The present stop; NULL unless TARGET_STOPPED. */
const struct target_stop *target_stopped(const struct target *t);
/* KD exchanges so far: requests that the target answered or, where the API has no
 * reply, acknowledged. */
uint64_t target_exchanges(const struct target *t);
uint16_t target_port(const struct target *t);
/* Did the first poke of this session name a host that it was bound to before: has
 * somebody debugged this boot already, perhaps we, in an earlier life? */
bool target_bound_elsewhere(const struct target *t);
/* Counters and round trip for `monitor stats`. */
const struct kdnet *target_kdnet(const struct target *t);

/*
 * Whoever debugged this boot before is known to have left nothing in it: breakpoints of an
 * earlier host need not be released at the first stop. From `connected`; holds until the
 * next one, or until the target forgets us.
 */
void target_trust(struct target *t);

/* Version block; NULL until the first stop of this boot was looked at. */
const struct kd_version *target_version(const struct target *t);
/* KDBG; NULL when the target has none that can be read. */
const struct kdbg *target_kdbg(struct target *t);
/* The register map; amd64 until a version block says otherwise. */
const struct arch *target_arch(const struct target *t);

/*
 * Asks a running target to stop, and repeats that (byte, RESET) until it does; the stop
 * comes as an event. Nothing when it is stopped. KDNET.md §5 "Attaching".
 */
void target_break_in(struct target *t);
/* Runs the loop until the target is stopped, or `timeout_ms` passed. */
enum kd_result target_wait_stopped(struct target *t, unsigned timeout_ms);

enum target_resume_kind { TARGET_CONTINUE, TARGET_STEP, TARGET_RANGE_STEP };

struct target_resume {
	enum target_resume_kind kind;
	unsigned processor; /* which one steps */
	bool not_handled;   /* pass the exception on to Windows */
	/*
	 * TARGET_STEP: only that processor is to report. KD cannot hold the others back,
	 * but their hits of our breakpoints are put off until the step ended.
	 */
	bool alone;
	uint64_t start, end; /* TARGET_RANGE_STEP: while start <= PC < end */
};

/*
 * Plants the wanted breakpoints (only what differs), writes changed registers back,
 * gets past a hard-coded breakpoint instruction whose PC was not changed and past one of
 * our own on the PC, and resumes. Costs: one exchange when nothing else is to do. The
 * stop comes as an event. KD.md §3 "Continue", "Breakpoint instructions".
 */
enum kd_result target_resume(struct target *t, const struct target_resume *resume);

/*
 * Leaves nothing behind: removes every breakpoint, restores debug registers, and, if
 * `run`, resumes. A running target is stopped for it first, when there is something to
 * remove. The bridge stays on the port and acknowledges what comes (KD.md trap 11).
 */
enum kd_result target_leave(struct target *t, bool run);

/* 313B; no answer. The stop is over, the target reboots by itself. */
enum kd_result target_reboot(struct target *t);

/*
 * 3149; no answer. The target runs into a bugcheck, MANUALLY_INITIATED_CRASH, whose stop
 * comes as an event; what was planted stays.
 */
enum kd_result target_crash(struct target *t);

/* The last bugcheck that was seen of this target. */
struct target_bugcheck {
	bool known;
	bool earlier_boot; /* the target has rebooted since */
	uint32_t code;
	uint64_t parameters[4];
	char driver[48]; /* at fault, as the kernel printed it; "": it named none */
};
/*
 * Kept when its stop is over and beyond a reboot. A stopped target that has one nobody saw
 * is asked. False: there was none.
 */
bool target_last_bugcheck(struct target *t, struct target_bugcheck *out);
/* The same without asking the target; NULL: none was seen. */
const struct target_bugcheck *target_seen_bugcheck(const struct target *t);
/* "IRQL_NOT_LESS_OR_EQUAL"; NULL: not documented. */
const char *bugcheck_name(uint32_t code);

/* Answers the waiting prompt; false when there is none. Cut to its room. */
bool target_answer_prompt(struct target *t, const char *answer, size_t length);
bool target_has_prompt(const struct target *t);

/*
 * The front end gave up (its client's socket closed, an interrupt while a long read
 * runs): the question being waited for ends with KD_INTERRUPTED as soon as the wire
 * allows. From inside the loop.
 */
void target_cancel(struct target *t);

#endif
