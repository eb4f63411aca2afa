/*
 * KD, the kernel debugger protocol, as C structs: requests to the target, its
 * replies, and the events that it sends by itself. Encoding and decoding only; one
 * row per API in kd_api.c says what is where. Wire: KD.md §2–§6.
 */
#ifndef KDNET_KD_H
#define KDNET_KD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/kdnet.h"

/* As in PE headers, KD.md §4. */
enum kd_machine {
	KD_MACHINE_UNKNOWN = 0,
	KD_MACHINE_I386 = 0x14c,
	KD_MACHINE_ARM = 0x1c4,
	KD_MACHINE_AMD64 = 0x8664,
	KD_MACHINE_ARM64 = 0xaa64,
};

/* The few NTSTATUS values that KD itself speaks in; macros, as an enum is signed. */
#define KD_STATUS_SUCCESS UINT32_C(0)
#define KD_STATUS_PENDING UINT32_C(0x103)
#define KD_DBG_CONTINUE	  UINT32_C(0x00010002)
/* Passes an exception on to the system. */
#define KD_DBG_NOT_HANDLED	 UINT32_C(0x80010001)
#define KD_STATUS_GUARD_PAGE	 UINT32_C(0x80000001)
#define KD_STATUS_BREAKPOINT	 UINT32_C(0x80000003)
#define KD_STATUS_SINGLE_STEP	 UINT32_C(0x80000004)
#define KD_STATUS_WAKE_DEBUGGER	 UINT32_C(0x80000007)
#define KD_STATUS_UNSUCCESSFUL	 UINT32_C(0xc0000001)
#define KD_STATUS_NO_SUCH_FILE	 UINT32_C(0xc000000f)
#define KD_STATUS_INVALID_HANDLE UINT32_C(0xc0000008)
#define KD_STATUS_ACCESS_DENIED	 UINT32_C(0xc0000022)

/* ---- state changes: the target stopped, KD.md §2 ---- */

enum kd_state {
	KD_STATE_EXCEPTION = 0x3030,
	KD_STATE_LOAD_SYMBOLS = 0x3031,
	KD_STATE_COMMAND_STRING = 0x3032,
};

enum { KD_EXCEPTION_PARAMETERS = 15, KD_INSTRUCTION_STREAM = 16 };

struct kd_exception {
	uint32_t code;
	uint32_t flags;
	uint64_t address;
	uint32_t parameter_count; /* at most KD_EXCEPTION_PARAMETERS */
	uint64_t parameters[KD_EXCEPTION_PARAMETERS];
	bool first_chance;
};

struct kd_load_symbols {
	uint64_t base;
	uint64_t process; /* all ones: the kernel */
	uint32_t checksum;
	uint32_t image_size;
	bool unload;
	const char *path; /* ASCII, not terminated, into the packet */
	size_t path_length;
};

struct kd_command_string {
	const char *name; /* not terminated, into the packet */
	size_t name_length;
	const char *command;
	size_t command_length;
};

/* The control report: what every stop tells for free. */
struct kd_control_report {
	uint64_t dr6;
	uint64_t dr7;
	uint32_t eflags;
	uint16_t instruction_count; /* bytes valid in the stream */
	uint16_t flags;
	uint8_t instructions[KD_INSTRUCTION_STREAM];
	uint16_t cs, ds, es, fs;
	uint64_t bvr, wvr; /* arm64, in place of DR6, DR7 and what follows */
};

struct kd_state_change {
	enum kd_state state;
	uint16_t processor_level;
	uint16_t processor;
	uint32_t processors; /* 0 occurs: the caller keeps the highest it saw */
	uint64_t thread;
	uint64_t program_counter; /* a hint: CONTEXT decides (KD.md §2) */
	struct kd_control_report report;
	union {
		struct kd_exception exception;
		struct kd_load_symbols load;
		struct kd_command_string command;
	} u;
};

/*
 * `machine` chooses the control report's layout; UNKNOWN reads it as amd64. What
 * claims more than there is (path length, parameters, instructions) is cut to it, as
 * a target waits for the answer to each of these; false: shorter than its fixed
 * part, or no such state.
 */
bool kd_state_change_decode(struct kd_state_change *s, enum kd_machine machine,
			    const uint8_t *data, size_t length);

/* The unload event that says: the target is about to reboot or leave (KD.md §2). */
bool kd_is_farewell(const struct kd_load_symbols *load);

/* ---- manipulate requests and replies, KD.md §3 ---- */

enum kd_api {
	KD_READ_VIRTUAL = 0x3130,
	KD_WRITE_VIRTUAL = 0x3131,
	KD_GET_CONTEXT = 0x3132,
	KD_SET_CONTEXT = 0x3133,
	KD_WRITE_BREAKPOINT = 0x3134,
	KD_RESTORE_BREAKPOINT = 0x3135,
	KD_CONTINUE = 0x3136,
	KD_READ_CONTROL_SPACE = 0x3137,
	KD_WRITE_CONTROL_SPACE = 0x3138,
	KD_READ_IO = 0x3139,
	KD_WRITE_IO = 0x313a,
	KD_REBOOT = 0x313b,
	KD_CONTINUE2 = 0x313c,
	KD_READ_PHYSICAL = 0x313d,
	KD_WRITE_PHYSICAL = 0x313e,
	KD_READ_IO_EXTENDED = 0x3144,
	KD_WRITE_IO_EXTENDED = 0x3145,
	KD_GET_VERSION = 0x3146,
	KD_RESTORE_BREAKPOINTS = 0x3148, /* 3147 is not here: a kernel ran away on it */
	KD_CAUSE_BUGCHECK = 0x3149,
	KD_SWITCH_PROCESSOR = 0x3150,
	KD_READ_MSR = 0x3152,
	KD_WRITE_MSR = 0x3153,
	KD_SEARCH_MEMORY = 0x3156,
	KD_GET_BUS_DATA = 0x3157,
	KD_SET_BUS_DATA = 0x3158,
	KD_CHECK_LOW_MEMORY = 0x3159,
	KD_CLEAR_INTERNAL_BREAKPOINTS = 0x315a,
	KD_FILL_MEMORY = 0x315b,
	KD_QUERY_MEMORY = 0x315c,
	KD_SWITCH_PARTITION = 0x315d,
	KD_WRITE_CUSTOM_BREAKPOINT = 0x315e,
	KD_GET_CONTEXT_PART = 0x315f,
	KD_SET_CONTEXT_PART = 0x3160,
};

enum kd_caching {
	KD_CACHING_DEFAULT,
	KD_CACHING_CACHED,
	KD_CACHING_UNCACHED,
	KD_CACHING_WRITE_COMBINED
};

enum {
	KD_CONTEXT_MAX = 3000,
	KD_CONTEXT_AMD64 = 1232,
	KD_CONTEXT_I386 = 716,
	KD_CONTEXT_ARM64 = 912,
	KD_SPECIAL_AMD64 = 0xe0,
	KD_SPECIAL_I386 = 84,
	KD_SPECIAL_ARM64 = 0xa0,
	KD_BREAKPOINTS = 32,	  /* handles 1 to 32 */
	KD_TRANSFER_FIRST = 1400, /* asked for until the target shows its limit */
	KD_MANIPULATE_SIZE = 56,
	KD_REQUEST_MAX = KDNET_KD_DATA_MAX,
};

/* Control space of amd64 and arm64: what to read of the processor in the header. */
enum kd_control_space {
	KD_CONTROL_KPCR,
	KD_CONTROL_KPRCB,
	KD_CONTROL_SPECIAL,
	KD_CONTROL_KTHREAD
};

/* KD.md §4. Addresses are as the target sent them. */
struct kd_version {
	uint16_t major;
	uint16_t build;
	uint8_t protocol;
	uint8_t context_revision;
	uint16_t flags;
	uint16_t machine;
	uint8_t highest_packet_type;
	uint8_t highest_state_change;
	uint8_t highest_manipulate;
	uint8_t simulation;
	uint64_t kernel_base;
	uint64_t loaded_module_list;
	uint64_t debugger_data_list;
};

/*
 * What u holds in requests, and in replies once the target changed it. Which member
 * belongs to which API is said at each; an API without one has nothing in u.
 */
union kd_arguments {
	/* 3130 3131 3137 3138 313D 313E; `actual` in replies, `caching` for physical ones */
	struct {
		uint64_t address;
		uint32_t count;
		uint32_t actual;
		enum kd_caching caching;
	} memory;
	uint32_t context_flags; /* 3133 */
	struct {		/* 3134; 3135 uses the handle alone */
		uint64_t address;
		uint32_t handle;
	} breakpoint;
	struct { /* 3136 uses the status alone; 313C per machine (KD.md §3) */
		uint32_t status;
		bool trace;
		uint64_t dr7;
		uint64_t symbol_start;
		uint64_t symbol_end;
	} resume;
	struct { /* 3139 313A 3144 3145 */
		uint64_t port;
		uint32_t size;
		uint32_t value;
		uint32_t interface_type;
		uint32_t bus;
		uint32_t space;
	} io;
	struct kd_version version; /* 3146, reply */
	uint32_t bugcheck_code;	   /* 3149 */
	struct {		   /* 3152 3153 */
		uint32_t number;
		uint64_t value;
	} msr;
	struct { /* 3156: address of the hit in the reply */
		uint64_t address;
		uint64_t length;
		uint32_t pattern_length;
	} search;
	struct { /* 3157 3158 */
		uint32_t type;
		uint32_t bus;
		uint32_t slot;
		uint32_t offset;
		uint32_t length;
	} bus_data;
	struct { /* 315B */
		uint64_t address;
		uint32_t length;
		uint16_t flags;
		uint16_t pattern_length;
	} fill;
	struct { /* 315C */
		uint64_t address;
		uint32_t space;
		uint32_t flags;
	} query;
	struct { /* 315E */
		uint64_t address;
		uint64_t instruction;
		uint32_t handle;
		uint8_t size;
		uint8_t alignment;
	} custom_breakpoint;
	struct { /* 315F 3160; copied in replies, total size staged in a set */
		uint32_t offset;
		uint32_t count;
		uint32_t copied;
		uint32_t total;
	} context_part;
	struct { /* 3148 */
		uint32_t count;
	} breakpoints;
	uint32_t partition; /* 315D */
};

struct kd_request {
	enum kd_api api;
	uint16_t processor_level;
	uint16_t processor; /* for 3150: the wanted one */
	union kd_arguments u;
	const uint8_t *data; /* trailing bytes of the request */
	size_t length;
};

struct kd_reply {
	enum kd_api api;
	uint16_t processor;
	uint32_t status;
	union kd_arguments u;
	/* Trailing bytes, into the packet; never more than the packet holds, nor than
	 * the reply's own count claims, which is cut to them. */
	const uint8_t *data;
	size_t length;
};

/*
 * What must be known of the target so that no request can kill it; the guards of
 * KD.md §3. The caller keeps it true.
 */
struct kd_guard {
	/* UNKNOWN, ARM: only version, memory and continue requests pass */
	enum kd_machine machine;
	bool wide_addresses; /* CR4.LA57: 57-bit virtual addresses are canonical */
	uint32_t processors; /* count, from state changes; 0: not known, only 0 passes */
	/* bit n: the context of processor n (< 64) was fetched in this stop */
	uint64_t contexts_fetched;
	bool all_contexts_fetched; /* for the processors above */
};

/* Why a request was not encoded. */
enum kd_refusal {
	KD_ALLOWED,
	KD_REFUSED_API,	      /* not an API of ours */
	KD_REFUSED_ADDRESS,   /* not canonical, or it wraps around */
	KD_REFUSED_PROCESSOR, /* at or above the count */
	KD_REFUSED_CONTROL,   /* control-space address out of range, or not writable */
	KD_REFUSED_CONTEXT,   /* set without get in this stop, or of a wrong size */
	KD_REFUSED_HANDLE,    /* not 1 to 32 */
	KD_REFUSED_SIZE,      /* does not fit a datagram, or counts that disagree */
	KD_REFUSED_MACHINE,   /* not on this machine */
	KD_REFUSALS,
};
const char *kd_refusal_text(enum kd_refusal refusal);

/*
 * Encodes a request as the data of a manipulate packet into out[KD_REQUEST_MAX].
 * Returns its length; 0, and why in *refusal, when a guard says no.
 */
size_t kd_request_encode(uint8_t out[static KD_REQUEST_MAX],
			 const struct kd_request *request, const struct kd_guard *guard,
			 enum kd_refusal *refusal);

bool kd_reply_decode(struct kd_reply *reply, enum kd_machine machine, const uint8_t *data,
		     size_t length);
/* The other directions, for transcripts of both sides. */
bool kd_request_decode(struct kd_request *request, enum kd_machine machine,
		       const uint8_t *data, size_t length);

/* Does the reply answer that request? Late answers to other ones exist (KD.md §3). */
bool kd_reply_answers(const struct kd_reply *reply, const struct kd_request *request);

/* "read virtual"; NULL for an unknown number. */
const char *kd_api_name(uint32_t api);
/* False for continue, reboot, bugcheck, switch processor, 315A: waiting would hang. */
bool kd_api_has_reply(enum kd_api api);

/* ---- what the target sends while it runs, KD.md §6 ---- */

enum kd_debug_io_api { KD_PRINT = 0x3230, KD_PROMPT = 0x3231 };

struct kd_debug_io {
	enum kd_debug_io_api api;
	uint16_t processor_level;
	uint16_t processor;
	uint32_t room;	  /* prompt: for the answer */
	const char *text; /* not terminated, into the packet; any bytes */
	size_t length;
};
/* A text length over the packet is cut to it. False: no header, or another API. */
bool kd_debug_io_decode(struct kd_debug_io *io, const uint8_t *data, size_t length);
/* The answer to a prompt, cut to its room. Returns the length, 0 if it does not fit. */
size_t kd_prompt_answer_encode(uint8_t *out, size_t size,
			       const struct kd_debug_io *prompt, const char *answer,
			       size_t length);

enum kd_file_io_api {
	KD_FILE_CREATE = 0x3430,
	KD_FILE_READ = 0x3431,
	KD_FILE_WRITE = 0x3432,
	KD_FILE_CLOSE = 0x3433,
};

struct kd_file_io {
	enum kd_file_io_api api;
	uint32_t status;
	uint64_t handle;
	uint64_t offset;
	uint32_t count;	 /* read and write: bytes wanted */
	uint32_t access; /* create */
	uint32_t disposition;
	/* create: UTF-16 path without its NUL; write: the bytes; into the packet */
	const uint8_t *data;
	size_t length;
};
bool kd_file_io_decode(struct kd_file_io *io, const uint8_t *data, size_t length);
/*
 * The answer to one: `status`, and for a create handle and file length, for a read
 * the bytes. Returns the length of the packet's data, 0 if it does not fit.
 */
size_t kd_file_io_answer_encode(uint8_t *out, size_t size,
				const struct kd_file_io *request, uint32_t status,
				uint64_t handle, uint64_t file_length,
				const uint8_t *bytes, size_t length);

enum kd_control_request_api {
	KD_REQUEST_BREAKPOINT = 0x4300,
	KD_RELEASE_BREAKPOINT = 0x4301
};
struct kd_control_request {
	enum kd_control_request_api api;
	uint32_t number;
};
bool kd_control_request_decode(struct kd_control_request *c, const uint8_t *data,
			       size_t length);
/* The answer that grants it. */
size_t kd_control_answer_encode(uint8_t *out, size_t size,
				const struct kd_control_request *c);

/* ---- debugger data, KD.md §4 ---- */

/* Offsets from the start of a KDDEBUGGER_DATA64 block, of 64-bit fields. */
enum kdbg_field {
	KDBG_KERNEL_BASE = 0x18,
	KDBG_BREAKPOINT_WITH_STATUS = 0x20,
	KDBG_LOADED_MODULE_LIST = 0x48,
	KDBG_ACTIVE_PROCESS_HEAD = 0x50,
	KDBG_CID_TABLE = 0x58,
	KDBG_BUGCHECK_DATA = 0x88,
	KDBG_PFN_DATABASE = 0xc0,
	KDBG_HIGHEST_PHYSICAL_PAGE = 0xf0,
	KDBG_PHYSICAL_PAGES = 0xf8,
	KDBG_PAGE_SIZE = 0x138, /* the value itself */
	KDBG_HIGHEST_USER_ADDRESS = 0x1c8,
	KDBG_SYSTEM_RANGE_START = 0x1d0,
	KDBG_PRINT_BUFFER = 0x1e0,
	KDBG_PRINT_BUFFER_END = 0x1e8,
	KDBG_PRINT_WRITE_POINTER = 0x1f0,
	KDBG_PRINT_ROLLOVER_COUNT = 0x1f8,
	KDBG_BUILD_LAB = 0x208,
	KDBG_PROCESSOR_BLOCK = 0x218,
	KDBG_UNLOADED_DRIVERS = 0x220,
	KDBG_LAST_UNLOADED_DRIVER = 0x228,
	KDBG_CSD_VERSION = 0x268,
	KDBG_PHYSICAL_MEMORY_BLOCK = 0x270,
};

/* Offsets of 16-bit fields: structure offsets and sizes of this kernel's build. */
enum kdbg_offset {
	KDBG_THREAD_NEXT_PROCESSOR = 0x298,
	KDBG_THREAD_TEB = 0x29a,
	KDBG_THREAD_KERNEL_STACK = 0x29c,
	KDBG_THREAD_INITIAL_STACK = 0x29e,
	KDBG_THREAD_PROCESS = 0x2a0,
	KDBG_THREAD_STATE = 0x2a2,
	KDBG_PROCESS_SIZE = 0x2a8,
	KDBG_PROCESS_PEB = 0x2aa,
	KDBG_PROCESS_PARENT = 0x2ac,
	KDBG_PROCESS_DIRECTORY_TABLE = 0x2ae,
	KDBG_PRCB_SIZE = 0x2b0,
	KDBG_PRCB_DPC_ACTIVE = 0x2b2,
	KDBG_PRCB_CURRENT_THREAD = 0x2b4,
	KDBG_PRCB_MHZ = 0x2b6,
	KDBG_PRCB_CPU_TYPE = 0x2b8,
	KDBG_PRCB_VENDOR = 0x2ba,
	KDBG_PRCB_CONTEXT = 0x2bc,
	KDBG_PRCB_NUMBER = 0x2be,
	KDBG_ETHREAD_SIZE = 0x2c0,
	KDBG_PCR_SIZE = 0x2e0,
	KDBG_PCR_SELF = 0x2e2,
	KDBG_PCR_CURRENT_PRCB = 0x2e4,
	KDBG_PCR_PRCB = 0x2e6,
};

enum { KDBG_SIZE_MAX = 4096, KDBG_HEADER_SIZE = 0x18 };

/* A block as read from the target, decoded; fields beyond its size read as 0. */
struct kdbg {
	uint64_t next; /* the list's forward link; i386: its low 32 bits */
	bool tagged;   /* the tag is "KDBG": else encoded, live without */
	uint32_t size; /* as the block claims, at most KDBG_SIZE_MAX */
	uint8_t bytes[KDBG_SIZE_MAX];
	size_t length; /* bytes that are valid */
};
/*
 * `block` begins with the LIST_ENTRY; false when there are fewer bytes than
 * KDBG_HEADER_SIZE, or it claims to be smaller than that.
 */
bool kdbg_decode(struct kdbg *kdbg, const uint8_t *block, size_t length);
uint64_t kdbg_address(const struct kdbg *kdbg, enum kdbg_field field);
uint16_t kdbg_offset(const struct kdbg *kdbg, enum kdbg_offset field);

#endif
