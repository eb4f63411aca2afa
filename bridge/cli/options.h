/* The command line: one table of options is the parser and the help. */
#ifndef BRIDGE_CLI_OPTIONS_H
#define BRIDGE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bridge/cli/connection.h"
#include "bridge/cli/log.h"
#include "rsp/listen.h"

/* What a target does while no client is there, and when one leaves. */
enum options_unattended { UNATTENDED_WAIT, UNATTENDED_CONTINUE };
enum options_disconnect { DISCONNECT_RUN, DISCONNECT_STOP };
enum options_break { BREAK_NONE, BREAK_LOAD, BREAK_INIT };

/* Whose options they are: a bit each. */
enum options_command {
	OPTIONS_TARGET = 1,    /* kdbridge net:… */
	OPTIONS_DISSECT = 2,   /* kdbridge dissect FILE */
	OPTIONS_KEYGEN = 4,    /* kdbridge keygen */
	OPTIONS_BCDEDIT = 8,   /* kdbridge bcdedit */
	OPTIONS_DOCTOR = 16,   /* kdbridge doctor [net:…] */
	OPTIONS_STATUS = 64,   /* kdbridge status */
	OPTIONS_SECTION = 128, /* of a target in a configuration file */
};

/* What bcdedit shall print; the key and the port are the connection's. */
struct options_bcdedit {
	const char *host;      /* an address of this machine as text; NULL: find it */
	bool host_is_ipv6;     /* of `host` */
	const char *busparams; /* "B.D.F", checked; NULL: Windows chooses the adapter */
	bool ipv6, hypervisor, boot;
	int format; /* the choice among text|sh|ps1 */
};

struct options {
	struct connection connection;
	const char *file;     /* what dissect reads, what keygen writes (may be NULL) */
	const char *key_file; /* that the key came from, NULL: from elsewhere */
	struct options_bcdedit bcdedit;
	unsigned wait_s; /* how long doctor watches */
	struct rsp_endpoint listen;
	bool stdio;
	const char *config; /* a file with many targets, NULL: one on the command line */
	bool check, watch;
	/* Where images are kept (NULL: the usual place, "none": nowhere), where local copies
	 * of the target's files and their PDBs are (may be NULL), how long a list of modules
	 * may take. */
	const char *image_cache, *image_path, *pdb_path;
	unsigned image_wait_s;
	/* Where the datagrams are recorded (NULL: nowhere), in how many files of which size,
	 * and with the key in them? */
	const char *record;
	unsigned record_size_mib, record_files;
	bool record_key;
	/* enums of the choices, in the order of the words in the table */
	int unattended, disconnect, break_at, level, format, dissect_format,
		status_format;
};

enum options_result { OPTIONS_GOOD, OPTIONS_BAD, OPTIONS_HELP, OPTIONS_VERSION };

/*
 * Parses argv from argv[1] on; keys in it are overwritten. OPTIONS_BAD: `error` holds
 * one sentence that says what to do. Release with options_wipe in each case.
 */
enum options_result options_parse(struct options *o, enum options_command command,
				  int argc, char **argv, char *error, size_t size);
void options_wipe(struct options *o);

/* A setting of a section, by the name of the option: is there one, and take its value,
 * which must outlive `o`. False: `error` holds a sentence. */
bool options_is_setting(const char *name);
bool options_set(struct options *o, const char *name, char *value, char *error,
		 size_t size);

/* The rows of that command, for --help. */
void options_print_help(FILE *out, enum options_command command);

#endif
