#include "bridge/image/pdb.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/image/find_file.h"
#include "kdnet/wire.h"

/* ---- streams: lists of blocks, listed in a directory that is such a list itself ---- */

enum {
	MAGIC_SIZE = 32,
	SUPERBLOCK_SIZE = 56,
	STREAM_INFO = 1, /* version, signature, age, GUID */
	STREAM_DBI = 3,	 /* signature, version, age: the one that a linker raises */
	HEAD_SIZE = 28,
};

static const uint8_t magic[MAGIC_SIZE] = "Microsoft C/C++ MSF 7.00\r\n\x1a"
					 "DS\0\0";

struct msf {
	int fd;
	uint32_t block_size, directory_map; /* the block with the directory's blocks */
};

static bool read_at(const struct msf *msf, uint64_t offset, void *out, size_t n)
{
	return offset <= INT64_MAX && pread(msf->fd, out, n, (off_t)offset) == (ssize_t)n;
}

static bool open_msf(int fd, struct msf *msf)
{
	uint8_t bytes[SUPERBLOCK_SIZE];
	msf->fd = fd;
	if (!read_at(msf, 0, bytes, sizeof(bytes)) ||
	    memcmp(bytes, magic, sizeof(magic)) != 0)
		return false;
	msf->block_size = (uint32_t)load_le(bytes + 32, 4);
	msf->directory_map = (uint32_t)load_le(bytes + 52, 4);
	return msf->block_size >= 512 && msf->block_size <= 65536 &&
	       (msf->block_size & (msf->block_size - 1)) == 0;
}

/* One number of the directory, by its place among them. */
static bool directory_word(const struct msf *msf, uint64_t number, uint32_t *out)
{
	uint64_t offset = number * 4, size = msf->block_size;
	uint8_t word[4];
	if (!read_at(msf, msf->directory_map * size + offset / size * 4, word, 4) ||
	    !read_at(msf, load_le(word, 4) * size + offset % size, word, 4))
		return false;
	*out = (uint32_t)load_le(word, 4);
	return true;
}

/* The first bytes of a stream; false: it is shorter, or not there. */
static bool read_head(const struct msf *msf, uint32_t stream, void *out, size_t n)
{
	uint32_t streams, size = 0, block;
	if (!directory_word(msf, 0, &streams) || stream >= streams)
		return false;
	uint64_t at = 1 + (uint64_t)streams;
	for (uint32_t i = 0; i <= stream; i++) {
		if (i > 0)
			at += ((uint64_t)size + msf->block_size - 1) / msf->block_size;
		if (!directory_word(msf, 1 + (uint64_t)i, &size))
			return false;
		size = size == UINT32_MAX ? 0 : size; /* deleted */
	}
	return size >= n && n <= msf->block_size && directory_word(msf, at, &block) &&
	       read_at(msf, (uint64_t)block * msf->block_size, out, n);
}

/* ---- builds ---- */

static bool matches(int fd, const struct rsds *rsds)
{
	struct msf msf;
	uint8_t info[HEAD_SIZE], dbi[12];
	if (!open_msf(fd, &msf) || !read_head(&msf, STREAM_INFO, info, sizeof(info)) ||
	    memcmp(info + 12, rsds->guid, sizeof(rsds->guid)) != 0)
		return false;
	if (read_head(&msf, STREAM_DBI, dbi, sizeof(dbi)) &&
	    load_le(dbi + 8, 4) == rsds->age)
		return true;
	return load_le(info + 8, 4) == rsds->age;
}

enum pdb_found pdb_check(const char *path, const struct rsds *rsds)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return PDB_MISSING;
	enum pdb_found found = PDB_MISSING;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		found = matches(fd, rsds) ? PDB_FOUND : PDB_OTHER;
	close(fd);
	return found;
}

/* As symbol servers write it: the GUID's numbers, then the age, in capitals. */
static void build_name(const struct rsds *rsds, char out[static 48])
{
	const uint8_t *g = rsds->guid;
	int n = snprintf(out, 48, "%08X%04X%04X", (unsigned)load_le(g, 4),
			 (unsigned)load_le(g + 4, 2), (unsigned)load_le(g + 6, 2));
	for (size_t i = 8; i < 16; i++)
		n += snprintf(out + n, 48 - (size_t)n, "%02X", g[i]);
	snprintf(out + n, 48 - (size_t)n, "%X", rsds->age);
}

enum pdb_found pdb_find(const char *directory, const struct rsds *rsds,
			char path[static PATH_MAX])
{
	char folder[PATH_MAX], build[48];
	const char *name = rsds_file_name(rsds);
	struct stat status;
	if (!find_file(directory, name, path) || stat(path, &status) != 0)
		return PDB_MISSING;
	if (S_ISDIR(status.st_mode)) {
		build_name(rsds, build);
		if (!find_file(path, build, folder) || !find_file(folder, name, path))
			return PDB_MISSING;
	}
	return pdb_check(path, rsds);
}
