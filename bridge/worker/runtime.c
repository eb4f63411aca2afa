#include "bridge/worker/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int runtime_directory(char *out, size_t size)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	int length = snprintf(out, size, "%s/kdbridge", base && base[0] ? base : "/run");

	if (length < 0 || (size_t)length >= size)
		return -ENAMETOOLONG;
	if (mkdir(out, S_IRWXU) != 0 && errno != EEXIST)
		return -errno;
	return access(out, W_OK) == 0 ? 0 : -errno;
}
