#include "bridge/setup/keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

void keygen_text(char text[static KDNET_KEY_TEXT_SIZE])
{
	uint8_t key[KDNET_KEY_SIZE];

	randombytes_buf(key, sizeof(key));
	kdnet_key_format(text, key);
	sodium_memzero(key, sizeof(key));
}

/* Returns 0 or -errno; a file that could not be filled is removed. */
static int write_file(const char *path, const char *line)
{
	size_t length = strlen(line);
	ssize_t written;
	int status = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

	if (fd < 0)
		return -errno;
	/* The umask can only take bits away; its owner must be able to read it. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) != 0)
		status = -errno;
	written = write(fd, line, length);
	if (status == 0 && written != (ssize_t)length)
		status = written < 0 ? -errno : -ENOSPC;
	if (close(fd) != 0 && status == 0)
		status = -errno;
	if (status != 0)
		unlink(path);
	return status;
}

static int make_file(const char *path, const char *line, FILE *out, FILE *err)
{
	int status = write_file(path, line);

	if (status == 0) {
		fprintf(out,
			"A new key is in %s. Use it with:\n"
			"  kdbridge bcdedit --key-file %s\n"
			"  kdbridge --key-file %s net:port=50000\n",
			path, path, path);
		return 0;
	}
	fprintf(err, "kdbridge: cannot make the key file %s: %s%s\n", path,
		strerror(-status),
		status == -EEXIST ? "; its key may be in use, so choose another name or "
				    "remove it first"
				  : "");
	return 1;
}

int keygen_run(const char *path, FILE *out, FILE *err)
{
	char line[KDNET_KEY_TEXT_SIZE + 1];
	int status = 0;

	keygen_text(line);
	strcat(line, "\n");
	if (path)
		status = make_file(path, line, out, err);
	else
		fputs(line, out);
	sodium_memzero(line, sizeof(line));
	return status;
}
