/*
 * The simulated computer: RAM, page tables, processors that execute real x86-64
 * (Unicorn), and a small NT-like kernel of real PE images that runs on them. It
 * knows nothing of KDNET or of KD packets: what would enter the kernel debugger
 * comes out as a machine_event, and the debugger side (kd.c) reads and writes
 * memory, contexts and special registers through the functions below.
 */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;

enum {
	MACHINE_CONTEXT_SIZE = 1232, /* CONTEXT of amd64, KD.md §5 */
	MACHINE_SPECIAL_SIZE = 0xe0, /* KSPECIAL_REGISTERS of amd64, KD.md §5 */
	MACHINE_TEXT_MAX = 512,	     /* one print, prompt or path */
	MACHINE_CPUS_MAX = 256,
	MACHINE_FILES_MAX = 16,
};

struct machine_options {
	const char *images; /* folder of the guest's PE files */
	unsigned cpus;	    /* 1 to MACHINE_CPUS_MAX */
	unsigned late_cpus; /* the last ones of them, that join later: machine_add_cpu */
	unsigned modules;   /* synthetic modules beside the real ones */
	/* PE files that are loaded, too, but not bound nor started: "FILE" or "FILE=NAME" */
	const char *files[MACHINE_FILES_MAX];
	unsigned file_count;
	uint64_t seed;	      /* randomises load addresses a little */
	bool boot;	      /* start before the drivers are loaded: load events come */
	unsigned boot_number; /* 0 at the first start, +1 per reboot: addresses differ */
};

/* Loads the images, builds page tables and the kernel's data. NULL: *error says why. */
struct machine *machine_new(const struct machine_options *options, const char **error);
void machine_free(struct machine *m);

enum machine_event_type {
	MACHINE_NONE,	   /* the time slice ended */
	MACHINE_EXCEPTION, /* breakpoint, step, fault: the debugger may want it */
	MACHINE_PRINT,	   /* DbgPrint: int 2d service 1 */
	MACHINE_PROMPT,	   /* DbgPrompt: int 2d service 2 */
	MACHINE_LOAD,	/* int 2d service 3: an image was loaded, its entry has not run */
	MACHINE_UNLOAD, /* int 2d service 4 */
	MACHINE_COMMAND, /* int 2d service 5: a command string */
	MACHINE_REBOOT,	 /* the guest asked for it, or a triple fault */
};

struct machine_event {
	enum machine_event_type type;
	unsigned processor;
	uint64_t program_counter; /* as CONTEXT will tell it */
	uint64_t thread;	  /* KTHREAD of that processor */
	union {
		struct {
			uint32_t code; /* NTSTATUS */
			uint32_t flags;
			uint64_t address;
			uint32_t parameter_count;
			uint64_t parameters[15];
			bool first_chance;
		} exception;
		struct { /* print, prompt, command (name NUL command) */
			uint32_t length;
			uint32_t room; /* for a prompt's answer */
			char bytes[MACHINE_TEXT_MAX];
		} text;
		struct {
			char path[MACHINE_TEXT_MAX];
			uint64_t base;
			uint64_t process; /* all ones: the kernel */
			uint32_t size;
			uint32_t checksum;
		} image;
	} u;
};

/*
 * Runs every processor in turn for at most `instructions` each, or until one
 * raises something for the debugger; the others then stand still between two
 * instructions. Returns the event's type. After an event the machine must not run
 * again before machine_resume. About 10 million instructions take a second; idle
 * processors wait for their next tick (every 10000 instructions) and cost nothing.
 * While a processor is traced (TF) the others run at most 16 instructions.
 * Paged code that comes in ends the round at once, before its first instruction
 * runs: MACHINE_NONE is the moment to plant what was deferred.
 */
enum machine_event_type machine_run(struct machine *m, unsigned instructions,
				    struct machine_event *event);

/*
 * Goes on after an event, as KD returns to the guest:
 *   handled   false (DBG_EXCEPTION_NOT_HANDLED): the kernel's own dispatching takes
 *             over: a second chance event, then a bugcheck
 *   answer    the answer to a prompt, else NULL
 * A load, unload or command stop moves PC behind the int3 that follows int 2d by
 * itself; a print or prompt, too. A breakpoint exception does not move PC. TF and
 * the debug registers act as the contexts and special registers say.
 */
void machine_resume(struct machine *m, bool handled, const char *answer, size_t length);

/*
 * Before machine_resume: the stopped processor goes on in KeBugCheckEx, as if it had been
 * called where it stands, with that code and zeros. A triple fault where it has no stack.
 */
void machine_bugcheck(struct machine *m, uint32_t code);

/* One more processor takes part; false: none is left, or the machine is stopped. */
bool machine_add_cpu(struct machine *m);

/* The clock interrupt of processor 0 finds a break-in at its next tick. */
void machine_break_in(struct machine *m);
/* An exception 80000007 reported from another processor (KD's processor switch). */
void machine_switch_event(struct machine *m, unsigned processor,
			  struct machine_event *event);

/* ---- state, for a stopped machine ---- */

/* Those that take part by now. */
unsigned machine_cpus(const struct machine *m);
void machine_get_context(struct machine *m, unsigned cpu,
			 uint8_t out[static MACHINE_CONTEXT_SIZE]);
/* Obeys ContextFlags as NT does: only the groups named there are taken. */
void machine_set_context(struct machine *m, unsigned cpu,
			 const uint8_t in[static MACHINE_CONTEXT_SIZE]);
void machine_get_special(struct machine *m, unsigned cpu,
			 uint8_t out[static MACHINE_SPECIAL_SIZE]);
void machine_set_special(struct machine *m, unsigned cpu,
			 const uint8_t in[static MACHINE_SPECIAL_SIZE]);

/*
 * Memory; addresses as the given processor's CR3 maps them. Returns the bytes done,
 * which end at the first page that is not there. A read of the device page counts.
 * Writes are KD's: through page protection, never copied on write.
 */
size_t machine_read(struct machine *m, unsigned cpu, uint64_t address, void *out,
		    size_t length);
size_t machine_write(struct machine *m, unsigned cpu, uint64_t address, const void *in,
		     size_t length);
size_t machine_read_physical(struct machine *m, uint64_t address, void *out,
			     size_t length);
size_t machine_write_physical(struct machine *m, uint64_t address, const void *in,
			      size_t length);
/* Is the page resident? A breakpoint on one that is not is deferred. */
bool machine_is_resident(struct machine *m, unsigned cpu, uint64_t address);

uint64_t machine_msr(struct machine *m, unsigned cpu, uint32_t number, bool *known);
bool machine_set_msr(struct machine *m, unsigned cpu, uint32_t number, uint64_t value);
uint32_t machine_port_read(struct machine *m, uint16_t port, unsigned size);
void machine_port_write(struct machine *m, uint16_t port, unsigned size, uint32_t value);

/* ---- where things are ---- */

uint64_t machine_kernel_base(const struct machine *m);
uint64_t machine_module_list(const struct machine *m);	 /* PsLoadedModuleList */
uint64_t machine_debugger_data(const struct machine *m); /* LIST_ENTRY of KDBG blocks */
uint64_t machine_kpcr(const struct machine *m, unsigned cpu);
uint64_t machine_kprcb(const struct machine *m, unsigned cpu);
uint64_t machine_kthread(const struct machine *m, unsigned cpu);
/*
 * Address of an export of a loaded module, 0 when there is none: "ntoskrnl", "Name".
 * Of the kernel also many names that it does not export (guest/ntp.h, SIM_SYMBOL).
 */
uint64_t machine_symbol(const struct machine *m, const char *module, const char *name);

/* ---- for tests: the truth, and things that make the guest act ---- */

/* Return addresses of the processor's true call chain, innermost first, PC first of all. */
size_t machine_call_chain(struct machine *m, unsigned cpu, uint64_t *out, size_t max);
uint64_t machine_instructions(const struct machine *m,
			      unsigned cpu); /* executed so far, exact */
uint64_t machine_device_reads(const struct machine *m);

/*
 * Makes the guest do something at its next chance, as if a driver had asked for it:
 *   print TEXT, prompt TEXT, break (hard-coded int3), assert, fault (access
 *   violation that nobody handles), divide, load NAME, unload NAME, bugcheck CODE,
 *   command TEXT, reboot, touch (calls NtPagedRoutine, whose page then comes in),
 *   trim (paged code goes out again, at once)
 * NAME is a .sys file of the image folder or synthN; fault and divide take a number.
 * False: no such action, no such module, or too many wait already.
 */
bool machine_act(struct machine *m, const char *action);

#endif
