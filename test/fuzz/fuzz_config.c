/* A configuration file, and then a worker's settings from it. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "bridge/cli/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options base = { 0 };
	struct config c;
	char error[512];
	char *text = malloc(size + 1);

	if (!text || sodium_init() < 0)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (config_parse(&c, "f", text, &base, error, sizeof(error)) == (error[0] != 0))
		abort();
	config_free(&c);
	free(text);
	return 0;
}
