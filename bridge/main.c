/* kdbridge: one table of subcommands is dispatch and help. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/capture/dissect.h"
#include "bridge/cli/log.h"
#include "bridge/cli/options.h"
#include "bridge/worker/worker.h"

enum { EXIT_GOOD = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

static int run_target(struct options *o)
{
	struct log log;

	log_init(&log, STDERR_FILENO, (enum log_level)o->level,
		 (enum log_format)o->format);
	return worker_run(o, &log);
}

static int run_dissect(struct options *o)
{
	int status = dissect_run(o->file, o->connection.key,
				 (enum dissect_format)o->dissect_format, stdout, stderr);

	if (fflush(stdout) != 0 && status == EXIT_GOOD)
		status = EXIT_RUNTIME;
	return status;
}

static const struct subcommand {
	const char *name; /* NULL: what has no name */
	const char *usage;
	enum options_command options;
	int (*run)(struct options *o);
} subcommands[] = {
	{ NULL, "[OPTIONS] net:port=PORT,key=KEY[,target=HOST]", OPTIONS_TARGET,
	  run_target },
	{ "dissect", "dissect FILE --key=KEY [OPTIONS]", OPTIONS_DISSECT, run_dissect },
};
enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]) };

static void print_help(void)
{
	printf("kdbridge lets gdb debug a live Windows kernel over KDNET.\n\n");
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		printf("%s kdbridge %s\n", i == 0 ? "usage:" : "      ",
		       subcommands[i].usage);
	for (size_t i = 0; i < SUBCOMMANDS; i++) {
		printf("\nOptions%s%s:\n", subcommands[i].name ? " of " : "",
		       subcommands[i].name ? subcommands[i].name : "");
		options_print_help(stdout, subcommands[i].options);
	}
	printf("\nOn the target, as administrator:\n"
	       "  bcdedit /debug on\n"
	       "  bcdedit /dbgsettings net hostip:ADDRESS port:50000 key:1.2.3.4\n"
	       "Here, then in gdb:\n"
	       "  kdbridge net:port=50000,key=1.2.3.4\n"
	       "  target remote :1234\n"
	       "The man page kdbridge(1) tells more.\n");
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
		print_help();
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
	return status;
}

int main(int argc, char **argv)
{
	const struct subcommand *named = argc > 1 ? find(argv[1]) : NULL;

	if (sodium_init() < 0) {
		fprintf(stderr, "kdbridge: libsodium does not start\n");
		return EXIT_RUNTIME;
	}
	if (named)
		return run(named, argc - 1, argv + 1);
	return run(&subcommands[0], argc, argv);
}
