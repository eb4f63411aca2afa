/* A command line, one argument a line, of each subcommand in turn. */
#include "test/fuzz/fuzz.h"

#include "bridge/cli/options.h"

enum { ARGUMENTS_MAX = 16 };

/* Options that name a file would read it; nothing outside of the test is touched. */
static bool is_harmless(const char *argument)
{
	return !strstr(argument, "key-f") && !strstr(argument, "-c");
}

static void parse(enum options_command command, const char *text)
{
	char program[] = "kdbridge", error[512] = "";
	char *argv[ARGUMENTS_MAX + 2] = { program }, *rest;
	char *copy = fuzz_text((const uint8_t *)text, strlen(text));
	int argc = 1;
	for (char *word = strtok_r(copy, "\n", &rest); word && argc <= ARGUMENTS_MAX;
	     word = strtok_r(NULL, "\n", &rest)) {
		if (is_harmless(word))
			argv[argc++] = word;
	}
	struct options o;
	enum options_result result =
		options_parse(&o, command, argc, argv, error, sizeof(error));
	must((result == OPTIONS_BAD) == (error[0] != '\0'));
	options_wipe(&o);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sodium();
	char *text = fuzz_text(data, size);
	static const enum options_command commands[] = { OPTIONS_TARGET, OPTIONS_DISSECT,
							 OPTIONS_KEYGEN, OPTIONS_BCDEDIT,
							 OPTIONS_DOCTOR };
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		parse(commands[i], text);
	free(text);
	return 0;
}
