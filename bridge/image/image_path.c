#include "bridge/image/image_path.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/image/find_file.h"
#include "bridge/image/pe.h"

struct local_image {
	int fd;
	struct pe pe;
};

/* ---- the file as the loader maps it ---- */

/* As much of the file as there is at `offset`, zeros behind. */
static bool read_file(int fd, uint64_t offset, void *out, size_t length)
{
	size_t at = 0;
	memset(out, 0, length);
	while (at < length) {
		ssize_t n =
			pread(fd, (uint8_t *)out + at, length - at, (off_t)(offset + at));
		if (n < 0)
			return false;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return true;
}

static bool read_headers(void *context, uint64_t rva, void *out, size_t length,
			 size_t *done)
{
	const int *fd = context;
	*done = length;
	return read_file(*fd, rva, out, length);
}

/* What of [rva, rva + length) one section maps from the file. */
static bool read_section(const struct local_image *local, const struct pe_section *s,
			 uint64_t rva, uint8_t *out, size_t length)
{
	uint32_t size = s->raw_size < s->size ? s->raw_size : s->size;
	uint64_t from = rva > s->rva ? rva : s->rva, end = (uint64_t)s->rva + size;
	end = end < rva + length ? end : rva + length;
	if (from >= end)
		return true;
	return read_file(local->fd, s->raw_offset + (from - s->rva), out + (from - rva),
			 (size_t)(end - from));
}

static bool read_local(void *context, uint64_t rva, void *out, size_t length,
		       size_t *done)
{
	const struct local_image *local = context;
	const struct pe *pe = &local->pe;
	memset(out, 0, length);
	*done = length;
	if (rva < pe->headers_size) {
		uint64_t n = pe->headers_size - rva;
		if (!read_file(local->fd, rva, out, n < length ? (size_t)n : length))
			*done = 0;
	}
	for (uint32_t i = 0; i < pe->section_count; i++)
		if (!read_section(local, &pe->sections[i], rva, out, length))
			*done = 0;
	return true; /* a file that fails costs its bytes, not the build */
}

static bool is_build(const struct pe *pe, const struct image_key *key)
{
	return pe->timestamp == key->timestamp && pe->image_size == key->size;
}

static struct local_image *open_file(const char *path, const struct image_key *key)
{
	struct stat status;
	struct local_image *local = calloc(1, sizeof(*local));
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct image_source source = { &fd, read_headers };
	struct image_memory *headers = image_memory_new(&source);
	bool ok = local && fd >= 0 && headers && fstat(fd, &status) == 0 &&
		  S_ISREG(status.st_mode) && pe_read(headers, &local->pe) == PE_OK &&
		  is_build(&local->pe, key);
	image_memory_free(headers);
	if (ok) {
		local->fd = fd;
		return local;
	}
	if (fd >= 0)
		close(fd);
	free(local);
	return NULL;
}

/* ---- where it is ---- */

struct local_image *local_image_open(const char *directory, const struct image_key *key)
{
	char path[PATH_MAX], build[PATH_MAX];
	struct stat status;
	if (!find_file(directory, key->name, path))
		return NULL;
	if (stat(path, &status) != 0)
		return NULL;
	if (!S_ISDIR(status.st_mode))
		return open_file(path, key);
	int n = snprintf(build, sizeof(build), "%s/%08X%x", path, key->timestamp,
			 key->size);
	if (n < 0 || n >= (int)sizeof(build) || !find_file(build, key->name, path))
		return NULL;
	return open_file(path, key);
}

void local_image_close(struct local_image *local)
{
	if (!local)
		return;
	close(local->fd);
	free(local);
}

struct image_source local_image_source(struct local_image *local)
{
	return (struct image_source){ local, read_local };
}
