#include "bridge/cli/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

enum { FILE_MAX = 1 << 20, DIRECTORY_SIZE = 4096 };

/* In locked memory, as keys may be part of it; NULL: errno says why. */
static char *read_file(const char *path, bool *exposed)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd >= 0 ? sodium_malloc(FILE_MAX + 1) : NULL;
	size_t length = 0;
	struct stat status;
	ssize_t n = -1;

	while (text && length < FILE_MAX &&
	       (n = read(fd, text + length, FILE_MAX - length)) > 0)
		length += (size_t)n;
	if (text && (n < 0 || length == FILE_MAX || fstat(fd, &status) != 0)) {
		int error = n < 0 ? errno : EFBIG;

		sodium_free(text);
		text = NULL;
		errno = error;
	}
	if (text) {
		text[length] = '\0';
		*exposed = (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
	}
	if (fd >= 0) {
		int error = errno;

		close(fd);
		errno = error;
	}
	return text;
}

bool config_load(struct config *c, const struct options *options, bool *exposed,
		 char *error, size_t size)
{
	const char *file = options->config, *slash = strrchr(file, '/');
	char *text = read_file(file, exposed);
	char directory[DIRECTORY_SIZE];
	bool good;

	*c = (struct config){ 0 };
	if (!text) {
		snprintf(error, size, "cannot read %s: %s", file, strerror(errno));
		return false;
	}
	snprintf(directory, sizeof(directory), "%.*s",
		 slash ? (int)(slash - file + 1) : 1, slash ? file : ".");
	good = config_parse(c, file, text, options, error, size) &&
	       config_read_keys(c, file, directory, error, size);
	*exposed = *exposed && c->holds_key;
	sodium_free(text); /* wipes */
	return good;
}
