/* kdbridge: one table of subcommands is dispatch and help. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/capture/dissect.h"
#include "bridge/cli/log.h"
#include "bridge/cli/options.h"
#include "bridge/setup/bcdedit.h"
#include "bridge/setup/doctor.h"
#include "bridge/setup/keygen.h"
#include "bridge/worker/status_command.h"
#include "bridge/worker/supervisor.h"
#include "bridge/worker/worker.h"

enum { EXIT_GOOD = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

static int run_target(struct options *o)
{
	struct log log;

	log_init(&log, STDERR_FILENO, (enum log_level)o->level,
		 (enum log_format)o->format);
	if (o->check)
		return supervisor_check(o, stdout, stderr);
	return o->config ? supervisor_run(o, &log) : worker_run(o, &log, NULL);
}

static int run_status(struct options *o)
{
	return status_command_run(o, stdout, stderr);
}

static int run_dissect(struct options *o)
{
	return dissect_run(o->file, o->connection.key,
			   (enum dissect_format)o->dissect_format, stdout, stderr);
}

static int run_keygen(struct options *o)
{
	return keygen_run(o->file, stdout, stderr);
}

static int run_bcdedit(struct options *o)
{
	return bcdedit_run(o, stdout, stderr);
}

static int run_doctor(struct options *o)
{
	return doctor_run(o, stdout);
}

static const struct subcommand {
	const char *name; /* NULL: what has no name */
	const char *usage;
	const char *help; /* a sentence or two */
	enum options_command options;
	int (*run)(struct options *o);
} subcommands[] = {
	{ NULL, "[OPTIONS] net:port=PORT,key=KEY[,target=HOST]",
	  "Lets gdb and lldb debug a live Windows kernel over KDNET.", OPTIONS_TARGET,
	  run_target },
	{ "keygen", "keygen [--file=FILE]", "Makes a new random key.", OPTIONS_KEYGEN,
	  run_keygen },
	{ "bcdedit", "bcdedit [OPTIONS]",
	  "Prints what to type on the target to set it up, and here to debug it.",
	  OPTIONS_BCDEDIT, run_bcdedit },
	{ "doctor", "doctor [net:port=PORT,key=KEY[,target=HOST]] [OPTIONS]",
	  "Watches the port and says what is wrong, and what to do.", OPTIONS_DOCTOR,
	  run_doctor },
	{ "status", "status [OPTIONS]",
	  "Tells what the targets of this machine do, and who debugs them.",
	  OPTIONS_STATUS, run_status },
	{ "dissect", "dissect FILE --key=KEY [OPTIONS]",
	  "Prints a recording of KDNET traffic in the clear.", OPTIONS_DISSECT,
	  run_dissect },
};
enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]) };

static void print_overview(void)
{
	printf("\nSubcommands; each has a --help of its own:\n");
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		if (subcommands[i].name)
			printf("  %-10s%s\n", subcommands[i].name, subcommands[i].help);
	printf("\nTo begin: `kdbridge bcdedit` says what to type on the target. Then, here "
	       "and in gdb:\n"
	       "  kdbridge net:port=50000,key=1.2.3.4\n"
	       "  target remote :1234\n"
	       "or, in lldb:\n"
	       "  gdb-remote 1234\n"
	       "The man page kdbridge(1) tells more.\n");
}

static void print_help(const struct subcommand *s)
{
	printf("usage: kdbridge %s\n", s->usage);
	if (!s->name)
		printf("       kdbridge [OPTIONS] -c FILE\n");
	for (size_t i = 0; !s->name && i < SUBCOMMANDS; i++)
		if (subcommands[i].name)
			printf("       kdbridge %s\n", subcommands[i].usage);
	printf("\n%s\n\nOptions:\n", s->help);
	options_print_help(stdout, s->options);
	if (!s->name)
		print_overview();
}

static const struct subcommand *find(const char *name)
{
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		if (name && subcommands[i].name && !strcmp(subcommands[i].name, name))
			return &subcommands[i];
	return NULL;
}

static int run(const struct subcommand *s, int argc, char **argv)
{
	struct options options;
	char error[512];
	int status = EXIT_GOOD;

	switch (options_parse(&options, s->options, argc, argv, error, sizeof(error))) {
	case OPTIONS_GOOD:
		status = s->run(&options);
		break;
	case OPTIONS_HELP:
		print_help(s);
		break;
	case OPTIONS_VERSION:
		printf("kdbridge %s\n", KDBRIDGE_VERSION);
		break;
	case OPTIONS_BAD:
		fprintf(stderr, "kdbridge: %s\n", error);
		status = EXIT_USAGE;
		break;
	}
	options_wipe(&options);
	/* Output that did not arrive, on a full disk, is no success. */
	if (fflush(stdout) == 0)
		return status;
	fprintf(stderr, "kdbridge: cannot write the output: %s\n", strerror(errno));
	return status == EXIT_GOOD ? EXIT_RUNTIME : status;
}

/* A core file would hold the key. */
static void no_core_files(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
}

int main(int argc, char **argv)
{
	const struct subcommand *named = argc > 1 ? find(argv[1]) : NULL;

	no_core_files();
	if (sodium_init() < 0) {
		fprintf(stderr, "kdbridge: libsodium does not start\n");
		return EXIT_RUNTIME;
	}
	if (named)
		return run(named, argc - 1, argv + 1);
	return run(&subcommands[0], argc, argv);
}
