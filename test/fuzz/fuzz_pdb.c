/* Which build a file claims to be the PDB of. */
#include "test/fuzz/fuzz.h"

#include <stdio.h>

#include "bridge/image/pdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rsds rsds = { .age = 1, .path = "x.pdb" };
	char path[64];
	int fd = fuzz_file(data, size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)pdb_check(path, &rsds);
	close(fd);
	return 0;
}
