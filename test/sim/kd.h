/*
 * The kernel's debugger side (KD): what the machine raises becomes packets to the
 * host, what the host asks for is done to the machine. Sans-I/O; it stands on
 * target_link.h and machine.h alone. Wire: KD.md §2, §3, §6.
 *
 * States and what ends them:
 *   KD_RUNNING    the machine runs; a machine_event ends it
 *   KD_PRINTING   a print waits, frozen, for its acknowledgement
 *   KD_PROMPTING  a prompt waits for its answer
 *   KD_FILING     the boot loader waits for an answer to a file request
 *   KD_STOPPED    a state change is out; manipulate requests are served until one
 *                 of them continues
 */
#ifndef SIM_KD_H
#define SIM_KD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "test/sim/machine.h"
#include "test/sim/stats.h"
#include "test/sim/target_link.h"

enum kd_state { KD_RUNNING, KD_PRINTING, KD_PROMPTING, KD_FILING, KD_STOPPED };

enum {
	KD_MANIPULATE_SIZE = 56,
	KD_UNION_SIZE = 40,
	KD_STATE_CHANGE_SIZE = 240,
	KD_STAGED_MAX = 3000, /* a context that is set in parts */
	KD_BREAKPOINTS = 32,
	KD_VANISH_BYTES = 16, /* a report deletes breakpoints from the PC on */
	KD_OPCODES_MAX = 256,
	KD_REPLY_MAX = LINK_DATA_MAX - KD_MANIPULATE_SIZE,
	KD_PROCESSOR_LEVEL = 6,
	KD_MAX_DATA_DEFAULT = 1096,
	KD_ANY_CACHING = -1,
};

enum {
	STATUS_SUCCESS = 0,
	STATUS_PENDING = 0x103,
};
#define STATUS_UNSUCCESSFUL	 UINT32_C(0xc0000001)
#define STATUS_INVALID_PARAMETER UINT32_C(0xc000000d)
#define STATUS_NOT_FOUND	 UINT32_C(0xc0000225)
#define STATUS_BREAKPOINT	 UINT32_C(0x80000003)
#define STATUS_WAKE_DEBUGGER	 UINT32_C(0x80000007)
#define KD_FAREWELL_BASE	 UINT64_MAX

struct kd_options {
	uint8_t version;       /* of KDNET: decides which Windows get version tells */
	uint32_t max_data;     /* bytes of memory in one reply */
	bool no_context_parts; /* 315F and 3160 are refused, as the boot debugger does */
	bool file_io;	       /* ask the host for a driver file at the start */
	int physical_caching;  /* the only caching that works, or KD_ANY_CACHING */
};

struct kd_breakpoint {
	enum {
		KD_BREAKPOINT_FREE,
		KD_BREAKPOINT_PLANTED,
		KD_BREAKPOINT_DEFERRED, /* planted when its page comes in */
		KD_BREAKPOINT_OWED,	/* removed, but its page is gone */
	} state;
	uint64_t address;
	uint8_t original;
};

/* A CC that the debugger wrote into module code by a memory write. */
struct kd_opcode {
	uint64_t address;
	uint8_t original;
};

/* The file that is read from the host, if the host has it: the boot loader's way. */
struct kd_file {
	enum { KD_FILE_CLOSED, KD_FILE_CREATING, KD_FILE_READING, KD_FILE_CLOSING } step;
	uint64_t handle;
	uint64_t length;
	uint64_t offset;
};

struct kd {
	struct machine *machine;
	struct target_link *link;
	struct stats *stats;
	struct kd_options options;

	enum kd_state state;
	bool present;		    /* a debugger connected once since the boot */
	bool reboot;		    /* the machine is to start again: the owner does it */
	struct machine_event event; /* what stopped the machine */
	struct machine_event
		reported; /* what the host was told: after a switch another */
	unsigned owner;	  /* the processor that entered the debugger */
	unsigned current; /* the one that reported last and serves requests */

	/* Since the last report: */
	bool context_sent; /* KD takes a context only after it has given one */
	bool context_read[MACHINE_CPUS_MAX];
	bool special_read[MACHINE_CPUS_MAX];
	uint8_t staged[KD_STAGED_MAX];

	struct kd_breakpoint breakpoints[KD_BREAKPOINTS];
	struct kd_opcode opcodes[KD_OPCODES_MAX];
	unsigned opcode_count;
	struct kd_file file;
};

/* The machine and the link stay the caller's. Also for a start after a reboot. */
void kd_init(struct kd *k, struct machine *machine, struct target_link *link,
	     struct stats *stats, const struct kd_options *options);

/* The three ways in: the host connected; packets; what machine_run raised. */
void kd_connected(struct kd *k);
void kd_acknowledged(struct kd *k, uint64_t now_us);
void kd_packet(struct kd *k, enum target_link_type type, const uint8_t *data,
	       size_t length, uint64_t now_us);
void kd_event(struct kd *k, const struct machine_event *event, uint64_t now_us);

/* Before a slice of the running machine: a break-in, pages that came in. */
void kd_tick(struct kd *k);

/* The boot loader's file request, when options.file_io and a host ask for it. */
void kd_boot(struct kd *k, uint64_t now_us);

/* Announces that the target leaves (KD.md §2, "about to reboot"): a stop, then k->reboot. */
void kd_announce_reboot(struct kd *k, uint64_t now_us);

/* ---- between the kd_*.c files ---- */

/* kd_state.c: sends the state change of an event and waits for requests. */
void kd_report(struct kd *k, const struct machine_event *event, uint64_t now_us);
/* The report of the stop's owner once more, from where its PC is now. */
void kd_report_owner(struct kd *k, uint64_t now_us);
/* The 240 bytes without trailing data. */
void kd_encode_state_change(struct kd *k, const struct machine_event *event,
			    uint8_t out[static KD_STATE_CHANGE_SIZE]);

/* kd.c: the machine goes on. */
void kd_resume(struct kd *k, bool handled, const char *answer, size_t length);

/* kd_breakpoint.c */
uint32_t kd_breakpoint_add(struct kd *k, uint64_t address, uint32_t *handle);
uint32_t kd_breakpoint_remove(struct kd *k, uint32_t handle);
void kd_breakpoint_vanish(struct kd *k, uint64_t program_counter);
void kd_breakpoint_page_in(struct kd *k);	  /* plants what was deferred */
unsigned kd_breakpoint_count(const struct kd *k); /* planted in memory */
void kd_breakpoint_check_write(struct kd *k, uint64_t address, const uint8_t *bytes,
			       size_t length);

/* kd_opcode.c: before a write, and the count of what is still there */
void kd_opcode_note_write(struct kd *k, uint64_t address, const uint8_t *bytes,
			  size_t length);
unsigned kd_opcode_count(struct kd *k);

/* kd_continue.c: processors whose DR7 enables something */
unsigned kd_debug_registers_active(struct kd *k);

/* kd_file.c */
void kd_file_start(struct kd *k, uint64_t now_us);
void kd_file_answer(struct kd *k, const uint8_t *data, size_t length, uint64_t now_us);

#endif
