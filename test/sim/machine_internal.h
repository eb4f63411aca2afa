/*
 * Inside the simulated computer alone (machine*.c). One Unicorn engine executes all
 * processors in turn; what each of them holds lies in a saved context meanwhile.
 * The engine's own paging is off: memory_* keep real page tables in RAM and map in
 * the engine what these tables say, on demand, as a TLB would.
 */
#ifndef SIM_MACHINE_INTERNAL_H
#define SIM_MACHINE_INTERNAL_H

#include "test/sim/machine.h"

#include <unicorn/unicorn.h>

enum {
	PAGE_SIZE = 4096,
	LARGE_PAGE_SIZE = 2 << 20,
	RAM_SIZE = 512 << 20, /* reserved, not touched until used */
	ENGINE_REGIONS_MAX = 4096,
	IMAGES_MAX = 4200,
	ACTIONS_MAX = 32,
	PROCESSES = 3,	      /* System and two of users */
	CLOCK_PERIOD = 10000, /* instructions between two ticks of a processor */
};

#define RANGE_END 0xffffffffffffffffull

/* Where things are in the kernel's half, at every start. */
#define SHARED_DATA_ADDRESS 0xfffff78000000000ull
#define PCR_ADDRESS	    0xffffd00010000000ull
#define STACK_ADDRESS	    0xffffd00020000000ull
#define DEVICE_ADDRESS	    0xffffd00030000000ull
#define POOL_ADDRESS	    0xffffe00000000000ull
#define IMAGE_ADDRESS	    0xfffff80000000000ull
#define USER_ADDRESS	    0x00007ff700000000ull
#define USER_SHARED_ADDRESS 0x000000007ffe0000ull
#define DEVICE_PHYSICAL	    0xfed00000ull

/* Bits of a page table entry. */
#define PTE_PRESENT    0x001ull
#define PTE_WRITE      0x002ull
#define PTE_USER       0x004ull
#define PTE_UNCACHED   0x010ull
#define PTE_ACCESSED   0x020ull
#define PTE_DIRTY      0x040ull
#define PTE_LARGE      0x080ull
#define PTE_GLOBAL     0x100ull
#define PTE_NO_EXECUTE 0x8000000000000000ull
#define PTE_FRAME      0x000ffffffffff000ull

/* Bits of EFLAGS. */
enum { FLAG_TRAP = 0x100, FLAG_INTERRUPT = 0x200, FLAG_RESUME = 0x10000 };

/* What an access violation was about: its first parameter. */
enum { FAULT_READ = 0, FAULT_WRITE = 1, FAULT_EXECUTE = 8 };

/* Windows' selectors. */
enum {
	SELECTOR_CODE = 0x10,
	SELECTOR_STACK = 0x18,
	SELECTOR_DATA = 0x2b,
	SELECTOR_FS = 0x53,
	SELECTOR_TSS = 0x40
};

#define CODE_BREAKPOINT	      0x80000003u
#define CODE_SINGLE_STEP      0x80000004u
#define CODE_WAKE_DEBUGGER    0x80000007u
#define CODE_ACCESS_VIOLATION 0xc0000005u
#define CODE_ILLEGAL	      0xc000001du
#define CODE_FLOAT	      0xc0000090u
#define CODE_DIVIDE	      0xc0000094u
#define CODE_PRIVILEGED	      0xc0000096u
#define CODE_ASSERTION	      0xc0000420u

/* A run of pages that the engine has mapped. */
struct region {
	uint64_t address;
	uint64_t physical;
	uint32_t pages;
	bool user; /* of the process whose CR3 was loaded then */
};

/* One loaded PE image; pages lie at consecutive physical addresses. */
struct image {
	char name[64];	/* base name */
	char path[128]; /* as the load event tells it */
	uint64_t base;	/* 0: not loaded */
	uint64_t physical;
	uint32_t size;
	uint32_t entry; /* relative address, 0: none */
	uint32_t checksum;
	uint32_t timestamp;
	uint32_t exception_table; /* .pdata, relative address and size */
	uint32_t exception_size;
	uint64_t list_entry;  /* KLDR_DATA_TABLE_ENTRY in pool */
	uint64_t pristine;    /* copy of the paged section */
	uint64_t path_string; /* STRING in pool for the event */
	bool unloading;
};

/* What stopped the engine within a slice. */
enum stop {
	STOP_NONE,
	STOP_SLICE,	/* all of its instructions were executed */
	STOP_INTERRUPT, /* an exception or a software interrupt; its number is kept */
	STOP_EXECUTE,	/* a debug register's instruction breakpoint */
	STOP_WATCH,	/* a data or I/O breakpoint hit in the last instruction */
	STOP_HALT,
	STOP_MAP,   /* the page tables have the page, the engine has not */
	STOP_FAULT, /* they have not, or forbid it */
	STOP_REBOOT,
};

struct cpu {
	unsigned number;
	uc_context *registers; /* valid while the engine does not run this processor */
	uint8_t special[MACHINE_SPECIAL_SIZE];
	uint64_t kpcr, kprcb, kthread;
	uint64_t instructions;
	uint64_t time; /* instructions, and those that could have been while it halted */
	uint64_t next_tick;
	bool halted;
	bool passed_execute; /* RF: the next instruction breaks on no debug register */
};

/* What a machine_act or the boot asks of the guest's worker. */
struct action {
	uint32_t code; /* enum sim_action of guest/ntp.h */
	uint64_t parameter[4];
	char text[MACHINE_TEXT_MAX];
	uint32_t length;
	struct image *image;
};

struct process {
	uint64_t eprocess;
	uint64_t cr3;
	uint64_t id;
	const char *name;
};

struct machine {
	struct machine_options options;
	uint64_t random; /* state of the generator */

	/* memory */
	uint8_t *ram;
	uint64_t next_page; /* physical; grows */
	uint64_t kernel_cr3;
	uint64_t pool_next, pool_end;
	struct region *regions;
	unsigned region_count;
	uint64_t user_cr3; /* whose user pages the engine has */
	uint64_t device_reads;
	uint8_t ports[65536];

	/* processors */
	uc_engine *uc;
	struct cpu *cpus;
	unsigned online; /* of options.cpus */
	unsigned turn;

	/* the slice that runs */
	struct cpu *running;
	uint64_t left;
	enum stop stop;
	uint32_t interrupt;
	uint32_t hits; /* debug registers of data that hit in this instruction */
	uint64_t fault_address;
	uint32_t fault_access; /* FAULT_… */
	bool reset_line;

	/* the event that was reported, and what resume needs of it */
	struct machine_event event;
	bool stopped;
	bool second_chance; /* to be reported at once */

	/* the guest */
	struct process processes[PROCESSES];
	struct image *images;
	unsigned image_count;
	uint64_t next_driver; /* base for the next image */
	uint64_t mailbox, break_in, global_flag;
	uint64_t clock_handler, dispatch_handler;
	struct action actions[ACTIONS_MAX];
	unsigned action_first, action_count;
	struct action current;
	bool acting;
	bool started;		      /* without a boot: probe.sys was given its start */
	unsigned boot_next, boot_end; /* images still to be reported or loaded */
};

/* A small deterministic generator (splitmix64). */
uint64_t machine_random(struct machine *m);

/* ---- machine_memory.c: RAM, page tables ---- */

bool memory_init(struct machine *m);
void memory_free(struct machine *m);
/* Physical pages, zeroed; dies with an assertion when RAM is used up. */
uint64_t memory_allocate(struct machine *m, uint32_t pages);
/* A top-level table; with share it has the kernel's half of kernel_cr3. */
uint64_t memory_new_root(struct machine *m, bool share);
void memory_map(struct machine *m, uint64_t root, uint64_t address, uint64_t physical,
		uint32_t pages, uint64_t flags);
void memory_map_large(struct machine *m, uint64_t address, uint64_t physical,
		      uint64_t flags);
/* Takes the pages away, the engine's too. The frame stays in the entry. */
void memory_unmap(struct machine *m, uint64_t root, uint64_t address, uint32_t pages);
/* The entry that maps an address, present or not; false: no table leads there. */
bool memory_walk(struct machine *m, uint64_t root, uint64_t address, uint64_t *entry,
		 bool *large, uint64_t *entry_physical);
/* Physical address; false: not mapped. */
bool memory_translate(struct machine *m, uint64_t root, uint64_t address,
		      uint64_t *physical);
void memory_set_entry(struct machine *m, uint64_t entry_physical, uint64_t entry);
/* Room in non-paged pool, zeroed, on 16 bytes. */
uint64_t memory_pool(struct machine *m, uint64_t size);

/* Words of the kernel's memory. */
uint64_t memory_get(struct machine *m, uint64_t address, unsigned size);
void memory_put(struct machine *m, uint64_t address, uint64_t value, unsigned size);
void memory_put_bytes(struct machine *m, uint64_t address, const void *bytes, size_t n);

/* ---- machine_engine.c: the engine's view of memory, one slice ---- */

bool engine_init(struct machine *m);
void engine_free(struct machine *m);
/* Maps what the tables say around an address; false: nothing there. */
bool engine_map(struct machine *m, uint64_t root, uint64_t address);
void engine_unmap(struct machine *m, uint64_t address, uint32_t pages);
/* RAM changed from outside: code that was translated from it is stale. */
void engine_written(struct machine *m, uint64_t physical, size_t length);
/* Executes at most `instructions` on a processor; how many it did is added to it. */
enum stop engine_run(struct machine *m, struct cpu *c, uint64_t instructions);

/* ---- machine_cpu.c: registers ---- */

uint64_t cpu_get(const struct cpu *c, int uc_register);
void cpu_set(struct cpu *c, int uc_register, uint64_t value);
void cpu_move_rip(struct cpu *c, int by);
uint64_t cpu_special(const struct cpu *c, unsigned offset);
void cpu_set_special(struct cpu *c, unsigned offset, uint64_t value);
bool cpu_init(struct machine *m, struct cpu *c, unsigned number);
/* Pushes a machine frame and enters a handler there; false: the stack is not mapped. */
bool cpu_interrupt(struct machine *m, struct cpu *c, uint64_t handler, bool error_code);

/* Offsets in KSPECIAL_REGISTERS; KD.md §5. */
enum special {
	SPECIAL_CR0 = 0x00,
	SPECIAL_CR2 = 0x08,
	SPECIAL_CR3 = 0x10,
	SPECIAL_CR4 = 0x18,
	SPECIAL_DR0 = 0x20,
	SPECIAL_DR6 = 0x40,
	SPECIAL_DR7 = 0x48,
	SPECIAL_GDTR = 0x50,
	SPECIAL_IDTR = 0x60,
	SPECIAL_TR = 0x70,
	SPECIAL_MXCSR = 0x74,
	SPECIAL_CR8 = 0xa0,
	SPECIAL_GS_BASE = 0xa8,
	SPECIAL_KERNEL_GS_BASE = 0xb0,
	SPECIAL_STAR = 0xb8,
	SPECIAL_LSTAR = 0xc0,
	SPECIAL_CSTAR = 0xc8,
	SPECIAL_SFMASK = 0xd0,
	SPECIAL_XCR0 = 0xd8,
};

/* ---- machine_debug.c: debug registers ---- */

/* Which of them hit an access; 0 execute, 1 write, 2 I/O, 3 read; a set of bits. */
uint32_t debug_hits(const struct cpu *c, unsigned kind, uint64_t address, unsigned size);

/* ---- machine_trap.c: stops of the engine become events ---- */

/* Begins an event where the processor stands; the machine is stopped from then on. */
struct machine_event *trap_event(struct machine *m, struct cpu *c,
				 enum machine_event_type type);
void trap_debug(struct machine *m, struct cpu *c, uint32_t dr6_bits);
void trap_fault(struct machine *m, struct cpu *c);     /* m->fault_… */
void trap_interrupt(struct machine *m, struct cpu *c); /* m->interrupt */

/* ---- machine_image.c: PE files ---- */

/* Loads a file of the image folder; binds imports later. NULL: *error says why. */
struct image *image_load(struct machine *m, const char *file, const char *name,
			 const char *path, uint64_t base, const char **error);
bool image_bind(struct machine *m, struct image *image, const char **error);
/* Enters the pages in the page tables, by section. */
void image_map(struct machine *m, struct image *image);
void image_discard(struct machine *m, struct image *image); /* INIT, .reloc */
void image_remove(struct machine *m, struct image *image);
/* Address of an export, or of a row of the kernel's .simtab; 0: none. */
uint64_t image_symbol(const struct machine *m, const struct image *image,
		      const char *name);
struct image *image_find(const struct machine *m, const char *name);
const struct image *image_at(const struct machine *m, uint64_t address);
/* n bytes of the image at a relative address; NULL: outside. */
const uint8_t *image_bytes(const struct machine *m, const struct image *image,
			   uint64_t rva, size_t n);
/* Brings in a page of paged code; false: the address lies in none that is out. */
bool image_page_in(struct machine *m, uint64_t address);
void image_page_out(struct machine *m);

/* ---- machine_guest.c: the kernel's data ---- */

bool guest_init(struct machine *m, const char **error);
void guest_list_entry(struct machine *m, struct image *image);
/* Address of a name that the guest must have. */
uint64_t guest_symbol(struct machine *m, const char *name);
/* LIST_ENTRYs */
void guest_init_list(struct machine *m, uint64_t head);
void guest_link_tail(struct machine *m, uint64_t head, uint64_t entry);
struct image *guest_load_synthetic(struct machine *m, unsigned number,
				   const char **error);
struct image *guest_load_driver(struct machine *m, const char *name, const char **error);

/* ---- machine_processor.c ---- */

void guest_make_processes(struct machine *m);
bool guest_make_processors(struct machine *m);
/* Tells the guest how many take part. */
void guest_count_processors(struct machine *m);

/* ---- machine_act.c ---- */

/* Gives the guest what waits for it, when it is ready; before each run. */
void act_post(struct machine *m);

/* ---- machine_unwind.c ---- */

struct unwind {
	uint64_t rip;
	uint64_t reg
		[16]; /* in the order of the instruction encoding: RAX RCX RDX RBX RSP … */
};

/* One frame up by the images' .pdata; false: no way. */
bool unwind_step(struct machine *m, unsigned cpu, struct unwind *u);

#endif
