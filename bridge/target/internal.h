/*
 * What the rooms of target/ share: struct target with the parts of each in it, and the
 * calls between them. Private to bridge/target/.
 *
 * Who runs when: kdnet's notification only notes what came and answers what can be
 * answered at once. A new stop is looked at in on_work (target.c), from a clean turn of
 * the loop and never inside an exchange.
 */
#ifndef BRIDGE_TARGET_INTERNAL_H
#define BRIDGE_TARGET_INTERNAL_H

#include <ev.h>

#include "bridge/target/arch.h"
#include "bridge/target/breakpoint.h"
#include "bridge/target/exception.h"
#include "bridge/target/exchange.h"
#include "bridge/target/memory.h"
#include "bridge/target/memory_cache.h"
#include "bridge/target/modules.h"
#include "bridge/target/processors.h"
#include "bridge/target/registers.h"
#include "bridge/target/target.h"
#include "bridge/target/watchpoint.h"
#include "kdnet/udp.h"

enum {
	/* What a state change can claim; KD's own masks end far below. */
	PROCESSORS_MAX = 2048,
	STATE_CHANGE_MAX = KDNET_KD_DATA_MAX,
	/* Of each report's PC on, KD deletes its own breakpoints (KD.md trap 1). */
	KD_VANISH = 16,
};

#define KD_STATUS_ASSERTION UINT32_C(0xc0000420)

/* Every CONTEXT that a register map may describe fits this. */
#define CONTEXT_MAX KD_CONTEXT_AMD64
#define SPECIAL_MAX KD_SPECIAL_AMD64

/*
 * The life of a target; target_become alone changes it.
 *
 *   WAITING   nobody answers                  ─ connected ─▶ RUNNING
 *   RUNNING   connected, runs                 ─ on_work finds a state change ▶ LOOKING
 *   LOOKING   stopped; on_work finds out why  ─ reported ─▶ STOPPED
 *                                             ─ none of the user's business ▶ RUNNING
 *   STOPPED   stopped, and the front end told ─ resume ─▶ RUNNING
 *   any       lost ─▶ WAITING, connected anew ─▶ RUNNING
 */
enum life { LIFE_WAITING, LIFE_RUNNING, LIFE_LOOKING, LIFE_STOPPED };

/* ---- exchange.c ---- */

enum exchange_wait {
	WAIT_NOTHING,
	WAIT_ROOM,     /* for what kdnet still has in flight */
	WAIT_REPLY,    /* to exchange_state.request */
	WAIT_DELIVERY, /* of a request that has no reply */
	WAIT_REPORT,   /* of a processor switch: another state change */
};

struct exchange_state {
	enum exchange_wait wait;
	bool busy;
	enum kd_result result;
	bool posted; /* a request without a reply is on its way */
	bool cancel; /* of what is asked now */
	unsigned resends;
	const struct kd_request *request;
	struct kd_reply reply;
	uint64_t deadline_us;
	uint64_t last_deadline_us; /* progress moves the deadline, but no further */
	struct ev_timer timer;
	uint64_t count;
	size_t read_limit;
	size_t write_limit;
	struct kd_guard guard;
	uint8_t bytes[KDNET_KD_DATA_MAX]; /* the reply's */
};

void exchange_init(struct target *t);
void exchange_stop(struct target *t);
/* A new session: limits and guards are learnt anew. */
void exchange_restart(struct target *t);
bool exchange_busy(const struct target *t);
/* Sends a request that has no reply and does not wait: the next event tells. */
enum kd_result exchange_post(struct target *t, const struct kd_request *request);
/*
 * RESET of a stopped target: our ids begin anew, and its repetition of the present
 * report is waited for and taken as what it is.
 */
enum kd_result exchange_reset(struct target *t);
/* Waits for the next state change of a target that is stopped. */
enum kd_result exchange_wait_report(struct target *t);

/* What the link says meanwhile. */
void exchange_on_reply(struct target *t, const uint8_t *data, size_t length);
void exchange_on_delivered(struct target *t);
/* Something came that only a target which got our last packet sends. */
void exchange_on_proof(struct target *t);
void exchange_on_report(struct target *t);
void exchange_on_progress(struct target *t);
void exchange_on_reset(struct target *t);
void exchange_on_gone(struct target *t);

/* ---- memory.c ---- */

/* Code around a PC, as it was in an earlier stop. */
enum { MEMORY_CARRIED = 8, MEMORY_CARRIED_SIZE = 1024 };
struct memory_carried {
	uint64_t address;
	size_t length;	/* 0: nothing */
	unsigned steps; /* since it was read */
	uint8_t bytes[MEMORY_CARRIED_SIZE];
};

struct memory_state {
	struct memory_cache cache;
	struct memory_cache tables; /* page tables, by physical address */
	struct memory_carried carried[MEMORY_CARRIED];
	bool off;
	uint64_t hits, misses;
	uint64_t fetched_to; /* where the last fetch ended: sequential reads are seen */
	enum kd_caching caching; /* that physical reads worked with */
};

/* As it is in the target, planted breakpoints and all, and not from the cache. */
enum kd_result memory_read_raw(struct target *t, uint64_t address, void *out,
			       size_t length);
/* Writes what is to be in the target, the cache does not learn of it. */
enum kd_result memory_write_raw(struct target *t, uint64_t address, const void *in,
				size_t length);
/* The target runs: nothing is known any longer. */
void memory_on_resume(struct target *t);
/* What a state change told for free. */
void memory_learn(struct target *t, uint64_t address, const void *bytes, size_t length);

/* ---- memory_carry.c: code around the PC, carried over single steps ---- */

/*
 * While one processor makes a step the others run, too, so nothing is known of memory
 * afterwards; but the report brings 16 bytes of code at the PC. Front ends read the 64
 * bytes around it to show one instruction: where those 16 are what they were, the rest
 * of that line is taken to be, too, for a while. Nothing else is answered from it, and
 * nothing of it gets into the cache.
 */
bool memory_carry_get(const struct target *t, uint64_t address, void *out, size_t length);
/* Before the cache is forgotten. */
void memory_carry_on_resume(struct target *t);
void memory_carry_forget(struct target *t);

/* ---- address_space.c: user memory of another process ---- */

struct address_space_state {
	uint64_t cr3; /* 0: the stopped processor's own */
	struct memory_cache pages;
};

/* Is that address read and written in another process now? */
bool address_space_covers(const struct target *t, uint64_t address);
/* As memory_read and memory_write. */
enum kd_result address_space_read(struct target *t, uint64_t address, void *out,
				  size_t length, size_t *done);
enum kd_result address_space_write(struct target *t, uint64_t address, const void *in,
				   size_t length, size_t *done);
/* What was read of it, and of page tables, may not be true any longer. */
void address_space_forget(struct target *t);
/* Back to the stopped processor's own: before a resume. */
void address_space_drop(struct target *t);

/* ---- registers.c ---- */

struct processor_registers {
	bool context_known;
	bool special_known;
	bool write_context; /* though it looks unchanged */
	size_t special_length;
	uint8_t context[CONTEXT_MAX];
	uint8_t original[CONTEXT_MAX];
	uint8_t special[SPECIAL_MAX];
	uint8_t special_original[SPECIAL_MAX];
};

struct registers_state {
	struct processor_registers **processors;
	unsigned count; /* of the array */
};

void registers_drop(struct target *t);
void registers_free(struct target *t);
/* Writes back what was changed. */
enum kd_result registers_write_back(struct target *t);
/* The trap flag of a step that never ended: clears it before the resume. */
enum kd_result registers_clear_trap_flag(struct target *t, unsigned processor);
/* Shows this PC in place of CONTEXT's. */
enum kd_result registers_show_pc(struct target *t, unsigned processor, uint64_t pc);
/* What 313C must carry: the last report's DR7, or what the user wrote. */
uint64_t registers_dr7(struct target *t);
/* Writes this processor's special registers back at once, if they were changed. */
enum kd_result registers_write_special(struct target *t, unsigned processor);
/* Is there a register map for this machine? */
bool registers_known_machine(const struct target *t);

/* ---- breakpoint.c ---- */

enum breakpoint_planted { NOT_PLANTED, PLANTED_KD, PLANTED_OPCODE };

struct breakpoint {
	uint64_t address;
	bool wanted;
	enum breakpoint_planted planted;
	bool saved_known;
	uint32_t handle;
	uint8_t saved[4]; /* what lies beneath */
};

enum { BREAKPOINT_REMOVED = 8 };
struct breakpoint_state {
	struct breakpoint *list; /* by address; those no longer wanted stay a while */
	size_t count;
	size_t room;
	/* Taken out lately: a stop there may still be on its way. */
	uint64_t removed[BREAKPOINT_REMOVED];
	unsigned removed_next;
	unsigned removed_count;
};

enum { BREAKPOINT_SKIPS = 2 };
struct breakpoint_skip {
	uint64_t address[BREAKPOINT_SKIPS];
	size_t count;
	unsigned slots; /* of debug registers, see watchpoint_arm */
};

/* Plants and removes what differs; those skipped are not planted now. */
enum kd_result breakpoint_sync(struct target *t, const struct breakpoint_skip *skip);
/* Plants what vanished, but for what would vanish again at the next report from here. */
enum kd_result breakpoint_sync_away_from(struct target *t, uint64_t pc);
/* A report came: KD deleted its own ones near this PC. */
void breakpoint_on_report(struct target *t, uint64_t pc);
/* Out of the target's memory until the next sync. */
enum kd_result breakpoint_lift(struct target *t, uint64_t address);
bool breakpoint_is_planted(const struct target *t, uint64_t address);
bool breakpoint_was_removed(const struct target *t, uint64_t address);
/* Puts the bytes beneath planted ones into the cache, after a read of that range. */
void breakpoint_hide(struct target *t, uint64_t address, size_t length);
/* Before a write to that range: takes planted ones out; the resume plants them anew. */
enum kd_result breakpoint_make_way(struct target *t, uint64_t address, size_t length);
/* What lies beneath is not what was remembered. */
void breakpoint_distrust(struct target *t, uint64_t address, uint64_t length);
void breakpoint_want_none(struct target *t);
/* Another session of the same boot: KD's own ones are released by their numbers. */
void breakpoint_on_reconnect(struct target *t);
/* Another boot: none exists, none is wanted. */
void breakpoint_clear(struct target *t);
void breakpoint_free(struct target *t);

/* ---- watchpoint.c ---- */

enum { WATCHPOINT_REGIONS = 8 };

/* What the front end wants. */
struct watchpoint_region {
	uint64_t address;
	uint64_t length;
	enum watchpoint_kind kind;
};

/* A debug register. */
struct watchpoint_slot {
	uint64_t address;
	uint8_t length; /* 1, 2, 4, 8; 0: it never had anything */
	enum watchpoint_kind kind;
	bool used;
};

/* DR0 to DR3 of a processor. */
struct watchpoint_processor {
	bool known;
	bool original_known;
	uint64_t address[WATCHPOINT_SLOTS];  /* as written */
	uint64_t original[WATCHPOINT_SLOTS]; /* before us */
};

struct watchpoint_state {
	struct watchpoint_region regions[WATCHPOINT_REGIONS];
	size_t count;
	/* Of the slots, bit for bit. */
	unsigned owned;	  /* the fields of the stop's DR7 that are ours */
	unsigned armed;	  /* on, as of the last resume */
	unsigned retired; /* switched off lately: a hit may still be on its way */
	uint64_t retired_until_us;
	bool broken; /* a processor that came later refused: all are off */
	struct watchpoint_slot slots[WATCHPOINT_SLOTS];
	struct watchpoint_processor *processors;
	unsigned processors_count;
};

/* Before a resume: processors that appeared later get the addresses, too. */
enum kd_result watchpoint_sync(struct target *t);
/* The DR7 to resume with, all that is wanted but those skipped; notes it as armed. */
uint64_t watchpoint_arm(struct target *t, unsigned skipped);
/* The target runs with what was armed. */
void watchpoint_on_resume(struct target *t);
/* Before a resume that passes an exception on, which leaves DR7 alone. */
enum kd_result watchpoint_pass_on(struct target *t, uint64_t dr7);
/* The first report of a session: what is on was left by a debugger before us. */
void watchpoint_adopt(struct target *t);
bool watchpoint_is_armed(const struct target *t);
/* Has a processor that came later refused, so that all are off? */
bool watchpoint_is_broken(const struct target *t);
void watchpoint_want_none(struct target *t);
/* DR0 to DR3 as they were, DR7 off, on every processor; nothing if they are. */
enum kd_result watchpoint_restore(struct target *t);
/* Another session of the same boot: what is in the processors is not known. */
void watchpoint_on_reconnect(struct target *t);
/* Another boot: none exists, none is wanted. */
void watchpoint_clear(struct target *t);
/* Slots that are wanted; those that a DR7 has switched on. */
unsigned watchpoint_used(const struct target *t);
unsigned watchpoint_enabled_in(uint64_t dr7);
void watchpoint_free(struct target *t);

/* ---- watchpoint_hit.c ---- */

/* Slots that break on the instruction at that address. */
unsigned watchpoint_at_pc(const struct target *t, uint64_t pc);
/* Slots that the present report says were hit, by whomever they were set. */
unsigned watchpoint_dr6(const struct target *t);
/* Is it an instruction breakpoint of ours, which hits again when resumed as it is? */
bool watchpoint_hit_execute(const struct target *t);
/* Fills in kind and watch; false: it is none of ours. */
bool watchpoint_find_hit(struct target *t, struct target_stop *stop);
/* A hit of one that was switched off while it was on its way? */
bool watchpoint_is_stale(const struct target *t);

/* ---- attach.c: what a session's first stop needs ---- */

struct attach_state {
	bool fresh;   /* nothing was asked in this session yet */
	bool trusted; /* nobody before us left anything */
	bool kdbg_asked;
	bool version_known;
	struct kd_version version;
	struct kdbg kdbg;
};

/*
 * Version, machine, stale breakpoints; false when the stop is over meanwhile. KDBG is
 * read when it is first needed (target_kdbg).
 */
bool attach_first_stop(struct target *t);

/* ---- break_in.c ---- */

enum { BREAK_IN_ADDRESSES = 4 };
struct break_in_state {
	bool wanted; /* the user asked, and no stop answered yet */
	bool reset_next;
	unsigned unanswered;	/* bytes sent that no stop answered */
	uint64_t not_before_us; /* a bugcheck writes its dump */
	struct ev_timer timer;
	uint64_t addresses[BREAK_IN_ADDRESSES]; /* where break-ins stop */
	unsigned addresses_count;
	/* Stale ones that may still follow, and until when. */
	unsigned stale_left;
	uint64_t stale_until_us;
	uint64_t stale_quiet_us;
	uint64_t left_pc;
};

void break_in_init(struct target *t);
void break_in_stop_timer(struct target *t);
/* A stop is reported: it answers the question, or leaves a byte on its way. */
void break_in_on_stop(struct target *t);
/* A resume that the front end asked for. */
void break_in_on_resume(struct target *t);
/* A bugcheck was asked for: as after one, a break-in would be in its way. */
void break_in_on_crash(struct target *t);
void break_in_forget(struct target *t);
void break_in_learn(struct target *t, uint64_t pc);
/*
 * Is a breakpoint stop at this PC one that nobody asked for (KD.md trap 7)? True takes
 * it: the caller resumes.
 *   has_instruction  a breakpoint instruction lies there
 */
bool break_in_take_stale(struct target *t, uint64_t pc, bool has_instruction);

/* ---- stop.c ---- */

struct stop_state {
	bool step_made; /* by us, and still to be told */
	/* The newest state change, as it came. */
	bool pending;
	size_t length;
	uint8_t bytes[STATE_CHANGE_MAX];
	/* The stop that is being looked at, or the present one; points into bytes. */
	struct kd_state_change change;
	struct target_stop stop;
	bool report_expected; /* of a processor switch: not the same stop again */
	bool hit_planted;     /* it came at a breakpoint of ours that was planted */
	bool quiet;	      /* the front end is not told */
	bool delivering;
	/* From "*** Fatal System Error", in pieces, to the driver at fault */
	char fatal[384];
	size_t fatal_length;
};

/* Notes a state change; false when it is the present stop once more. */
bool stop_note(struct target *t, const uint8_t *data, size_t length);
/* Looks at the one noted, from a clean turn of the loop. */
void stop_look(struct target *t);
/* Takes the one noted as the present report, without a look; false: there is none. */
bool stop_take_report(struct target *t);
/* Is the one noted only the present report of that processor once more? */
bool stop_pending_is_repetition(const struct target *t, unsigned processor);
/* A step was made by moving PC alone: tells of it as of one that the target made. */
void stop_step_made(struct target *t);
/* Reads the present report again, once the machine is known. */
void stop_decode_again(struct target *t);
void stop_on_print(struct target *t, const char *text, size_t length);
/* Bytes of the breakpoint instruction in the code itself at the stop's PC; 0: none. */
size_t stop_hard_breakpoint(struct target *t);
/* Is the report a single step of that processor, and nothing else? */
bool stop_is_step_of(const struct target *t, unsigned processor);

/* One sentence. */
void stop_describe(struct target *t, struct target_stop *stop);

/* ---- bugcheck.c ---- */

/*
 * "0000001e KMODE_EXCEPTION_NOT_HANDLED (…, …, …, …)" of the bugcheck at hand, and the
 * driver at fault where the kernel printed one. From here on it is the last one.
 */
void bugcheck_describe(struct target *t, char *out, size_t size);
/* The session is over: one that was only printed is remembered, too. */
void bugcheck_on_session_end(struct target *t, bool reboot);

/* ---- step.c ---- */

enum plan_kind {
	PLAN_CONTINUE,
	PLAN_STEP,
	PLAN_RANGE,
	PLAN_OFF, /* step off our own breakpoint, plant it, continue */
};

/* What the target runs for. */
struct plan {
	enum plan_kind kind;
	unsigned processor;
	uint64_t start, end;
	bool alone;
	unsigned put_off; /* hits of others that wait for the step's end */
	struct breakpoint_skip skip;
	/* A step that another event cut short may have left TF there. */
	bool trap_flag_left;
	unsigned trap_flag_processor;
};

/* Is the stop that is being looked at a step that was cut short, told after the resume
 * that gave it up? True takes it: the caller resumes. */
bool step_take_late(struct target *t);
/* A new report: true when it is a step within the plan, and the target runs again. */
bool step_goes_on(struct target *t);
/* A stop is reported: the plan is over. */
void step_on_stop(struct target *t);
/* Clears what would trap for ever; *passed: PC was moved behind a breakpoint instruction. */
enum kd_result step_prepare(struct target *t, bool not_handled, bool *passed);
/* Resumes from the present report, and waits until the target has that. */
enum kd_result step_resume(struct target *t, bool trace, uint32_t status, uint64_t dr7);
/* From a report to the next without waiting for the acknowledgement. */
enum kd_result step_resume_at_once(struct target *t, bool trace);
/* Over a stop that is nobody's business: resumes as it was, the plan stays. */
void step_swallow(struct target *t);

/* Over an exception that is Windows' own; false: it could not be resumed. */
bool step_pass_on(struct target *t);

/* ---- miss.c ---- */

/* A hit that the front end does not want to see: true, and the target runs again. */
bool miss_goes_on(struct target *t);

/* ---- exception.c ---- */

struct exception_state {
	struct exception_policy policies[EXCEPTION_POLICIES];
	size_t count;
	enum exception_action others;
	uint64_t flag_address; /* NtGlobalFlag */
	bool flag_is_ours;     /* its bit was not set before */
};

/* Is the stop that is being looked at one that the user does not want to see? */
bool exception_is_passed_on(struct target *t);
bool exception_flag_is_ours(const struct target *t);
/* Leaving: NtGlobalFlag as it was. */
enum kd_result exception_restore(struct target *t);
/* Another boot. */
void exception_forget_flag(struct target *t);

/* ---- asked.c: what the target asks of us ---- */

struct asked_state {
	bool prompt;
	struct kd_debug_io prompt_io;
	size_t answer_length; /* waits until kdnet takes it; 0: none */
	enum kd_packet_type answer_type;
	uint8_t answer[KDNET_KD_DATA_MAX];
};

void asked_on_debug_io(struct target *t, const uint8_t *data, size_t length);
void asked_on_file_io(struct target *t, const uint8_t *data, size_t length);
void asked_on_control_request(struct target *t, const uint8_t *data, size_t length);
void asked_flush(struct target *t);
void asked_forget(struct target *t);

/* ---- modules.c, processors.c ---- */

struct modules_state {
	struct module *list;
	size_t count;
	size_t room;
	bool walked;
	bool refused;	  /* in this stop */
	uint64_t leaving; /* unloaded: base, goes at the next resume; 0: none */
	uint64_t version;
	uint64_t last_serial;
};

void modules_on_load(struct target *t, const struct target_stop *stop);
void modules_on_resume(struct target *t);
void modules_clear(struct target *t);
void modules_free(struct target *t);

struct processors_state {
	bool searched;	/* for the offsets below, in this boot */
	uint16_t links; /* EPROCESS.ActiveProcessLinks, 0: not known */
	int32_t name;	/* image name, from ActiveProcessLinks on */
};

void processors_clear(struct target *t);
/* Finds both offsets by a process that is in the list; false: they are not known. */
bool processors_learn(struct target *t, uint64_t process);
/* What runs on a processor: an EPROCESS, the idle one perhaps; 0: not known. */
uint64_t processors_process(struct target *t, unsigned processor);

/* ---- all of it ---- */

struct target {
	struct ev_loop *loop;
	const struct target_events *events;
	void *context;
	struct kdnet *kdnet;
	struct kdnet_udp *udp;
	enum life life;
	struct ev_async work; /* fed by hand; never started */
	bool working;
	bool waiting; /* target_wait_stopped */
	bool bound_elsewhere;
	const struct arch *arch;

	struct exchange_state exchange;
	struct memory_state memory;
	struct registers_state registers;
	struct breakpoint_state breakpoints;
	struct watchpoint_state watchpoints;
	struct attach_state attach;
	struct break_in_state break_in;
	struct stop_state stop;
	struct plan plan;
	/* By processor: until when one that was cut short may be told late; 0: there is none,
	 * UINT64_MAX: when an interrupt is over. */
	uint64_t late_steps[PROCESSORS_MAX];
	struct exception_state exceptions;
	struct asked_state asked;
	struct modules_state modules;
	struct processors_state processors;
	struct address_space_state address_space;
	struct target_bugcheck bugcheck;
};

void target_become(struct target *t, enum life life);
/* Can it be asked? */
bool target_asks(const struct target *t);
/* Has on_work run in a clean turn. */
void target_feed_work(struct target *t);
/* Sends what kdnet has. */
void target_flush(struct target *t);
void target_notice(struct target *t, enum kdnet_notice notice, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
