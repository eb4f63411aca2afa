#include "bridge/worker/note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/worker/runtime.h"

enum { HEX_SIZE = 2 * NOTE_IDENTITY_SIZE + 1, TEXT_MAX = HEX_SIZE + 16 };

static const char word_clean[] = "clean", word_open[] = "open";

int note_init(struct note *n, uint16_t port)
{
	char directory[NOTE_PATH_MAX - 64];
	int status = runtime_directory(directory, sizeof(directory));

	n->path[0] = '\0';
	if (status != 0)
		return status;
	snprintf(n->path, sizeof(n->path), "%s/target-%u.state", directory, port);
	return 0;
}

static void to_hex(char out[static HEX_SIZE], const uint8_t *bytes)
{
	for (size_t i = 0; i < NOTE_IDENTITY_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

enum note_past note_read(const struct note *n,
			 const uint8_t identity[static NOTE_IDENTITY_SIZE])
{
	char hex[HEX_SIZE], known[HEX_SIZE], word[8];
	enum note_past past = NOTE_UNKNOWN;
	FILE *file = n->path[0] ? fopen(n->path, "re") : NULL;

	if (!file)
		return NOTE_UNKNOWN;
	to_hex(hex, identity);
	if (fscanf(file, "%60s %7s", known, word) == 2 && !strcmp(known, hex))
		past = strcmp(word, word_clean) == 0 ? NOTE_CLEAN : NOTE_OPEN;
	fclose(file);
	return past;
}

int note_write(const struct note *n, const uint8_t identity[static NOTE_IDENTITY_SIZE],
	       bool clean)
{
	char aside[NOTE_PATH_MAX + 8], hex[HEX_SIZE], text[TEXT_MAX];
	int fd, length, status = 0;

	if (!n->path[0])
		return 0;
	to_hex(hex, identity);
	length = snprintf(text, sizeof(text), "%s %s\n", hex,
			  clean ? word_clean : word_open);
	snprintf(aside, sizeof(aside), "%s.new", n->path);
	fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  S_IRUSR | S_IWUSR);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)length) != length)
		status = errno ? -errno : -EIO;
	if (close(fd) != 0 && status == 0)
		status = -errno;
	if (status == 0 && rename(aside, n->path) != 0)
		status = -errno;
	return status;
}
