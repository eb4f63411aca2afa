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

/* monitor_exception.c */
void monitor_exception(struct gdb *g, const char *arguments);

/* monitor_machine.c: what lies beside memory and registers */
void monitor_in(struct gdb *g, const char *arguments);
void monitor_out(struct gdb *g, const char *arguments);
void monitor_phys(struct gdb *g, const char *arguments);
void monitor_pte(struct gdb *g, const char *arguments);
void monitor_rdmsr(struct gdb *g, const char *arguments);
void monitor_wrmsr(struct gdb *g, const char *arguments);

/* Text for the user, at once. */
void monitor_print(struct gdb *g, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
