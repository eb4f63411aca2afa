/* Connection strings and keys: no key stays readable, whatever else is wrong. */
#include "test/fuzz/fuzz.h"

#include <strings.h>

#include "bridge/cli/connection.h"
#include "kdnet/key.h"

/* What stood behind "key=" in each field. */
static void check_overwritten(const char *before, const char *after)
{
	must(strlen(before) == strlen(after));
	if (strncasecmp(before, "net:", 4) != 0) {
		must(strspn(after, "*") == strlen(after));
		return;
	}
	for (size_t at = 4; before[at]; at++) {
		bool begins = at == 4 || before[at - 1] == ',';
		if (!begins || strncasecmp(before + at, "key=", 4) != 0)
			continue;
		size_t length = strcspn(before + at + 4, ",");
		must(strspn(after + at + 4, "*") >= length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sodium();
	char error[256] = "";
	struct connection c = { 0 };
	char *before = fuzz_text(data, size), *after = fuzz_text(data, size);
	bool good = connection_parse(&c, after, error, sizeof(error));
	must(good ? c.port != 0 : error[0] != '\0' && !c.key);
	check_overwritten(before, after);
	connection_wipe(&c);

	struct connection other = { 0 };
	strcpy(after, before);
	good = connection_key_text(&other, after, error, sizeof(error));
	must(good == (other.key != NULL));
	must(strspn(after, "*") == strlen(after));
	connection_wipe(&other);
	free(before);
	free(after);
	return 0;
}
