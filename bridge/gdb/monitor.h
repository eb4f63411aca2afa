/* `monitor`: one table of commands is dispatch and help. */
#ifndef BRIDGE_GDB_MONITOR_H
#define BRIDGE_GDB_MONITOR_H

#include "bridge/gdb/gdb.h"

struct monitor_command {
	const char *name;
	const char *arguments; /* "" when it takes none */
	const char *help;
	/* `arguments` without blanks around it. Errors are text for the user, too. */
	void (*handler)(struct gdb *g, const char *arguments);
};

/* Ends with a NULL name; sorted by name. */
extern const struct monitor_command monitor_commands[];

/* The command that `text` names; *arguments is what follows. NULL: none. */
const struct monitor_command *monitor_find(const char *text, const char **arguments);

/* ---- by subject ---- */

/* monitor_bridge.c: the bridge itself */
void monitor_cache(struct gdb *g, const char *arguments);
void monitor_stats(struct gdb *g, const char *arguments);
void monitor_version(struct gdb *g, const char *arguments);

/* monitor_code.c */
void monitor_u(struct gdb *g, const char *arguments);

/* monitor_descriptors.c */
void monitor_gdt(struct gdb *g, const char *arguments);
void monitor_idt(struct gdb *g, const char *arguments);

/* monitor_exception.c */
void monitor_exception(struct gdb *g, const char *arguments);

/* monitor_image.c */
void monitor_image(struct gdb *g, const char *arguments);

/* monitor_machine.c: what lies beside memory and registers */
void monitor_in(struct gdb *g, const char *arguments);
void monitor_out(struct gdb *g, const char *arguments);
void monitor_phys(struct gdb *g, const char *arguments);
void monitor_pte(struct gdb *g, const char *arguments);
void monitor_rdmsr(struct gdb *g, const char *arguments);
void monitor_wrmsr(struct gdb *g, const char *arguments);

/* monitor_modules.c */
void monitor_images(struct gdb *g, const char *arguments);
void monitor_modules(struct gdb *g, const char *arguments);

/* monitor_process.c */
void monitor_process(struct gdb *g, const char *arguments);
void monitor_ps(struct gdb *g, const char *arguments);

/* monitor_target.c: what it says and does by itself */
void monitor_bugcheck(struct gdb *g, const char *arguments);
void monitor_crash(struct gdb *g, const char *arguments);
void monitor_log(struct gdb *g, const char *arguments);
void monitor_reboot(struct gdb *g, const char *arguments);
void monitor_reply(struct gdb *g, const char *arguments);

/* ---- monitor_arguments.c: what they share ---- */

/* The next number (0x… or decimal), not above `most`; *text moves behind it and blanks. */
bool monitor_take_number(const char **text, uint64_t most, uint64_t *value);
/* The next word; false: there is none, or it is too long. *text moves as above. */
bool monitor_take_word(const char **text, char *word, size_t size);
/*
 * The next address: a number, a register ($pc, rip), `module!Name` or Name, each with
 * +OFFSET or -OFFSET behind it. False: none, and the user was told why. The target is
 * stopped.
 */
bool monitor_take_address(struct gdb *g, const char **text, uint64_t *address);
/*
 * "cpu N" at the end of the arguments of command `name`, cut off there; without one it is
 * the processor of the stop, or 0. False: that is no processor, and the user was told.
 */
bool monitor_take_processor(struct gdb *g, const char *name, char *text,
			    unsigned *processor);
void monitor_usage(struct gdb *g, const char *name);
/* False, and the user is told: there is no target, or it runs. */
bool monitor_is_stopped(struct gdb *g);
void monitor_say_failed(struct gdb *g, enum kd_result result);

/* Text for the user, at once. */
void monitor_print(struct gdb *g, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
