#include "bridge/image/image_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bridge/image/cache_file.h"

/*
 * Each image has a directory of its own, NAME-TIMESTAMP-SIZE-CHECKSUM-CLIENT, so that the
 * file in it can have the module's name: lldb shows it.
 */
enum {
	NAME_LENGTH = 64, /* of a module's name, made safe */
	ENTRY_LENGTH = NAME_LENGTH + 48,
	ENTRIES_MAX = 8192,
	STORES_PER_LOOK = 32,	  /* the directory is looked through at each of these */
	ABANDONED_SECONDS = 3600, /* a file written aside that is older has no writer */
};

static const char aside[] = ".new-";

struct image_cache {
	char directory[PATH_MAX]; /* empty: disabled */
	uint64_t limit;
	unsigned written; /* so far */
};

/* ---- names ---- */

static void safe_name(const char *name, char out[static NAME_LENGTH + 1])
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._-";
	size_t n = 0;
	for (; n < NAME_LENGTH && name[n]; n++)
		out[n] = strchr(fine, name[n]) ? name[n] : '_';
	out[n] = 0;
	if (n == 0)
		strcpy(out, "_");
	if (out[0] == '.')
		out[0] = '_';
}

/* A path below the cache's directory; false: too long. */
static bool path_of(const struct image_cache *cache, char out[static PATH_MAX],
		    const char *first, const char *second)
{
	int n = snprintf(out, PATH_MAX, "%s/%s%s%s", cache->directory, first,
			 second ? "/" : "", second ? second : "");
	return n > 0 && n < PATH_MAX;
}

static bool file_of(const struct image_cache *cache, const struct image_key *key,
		    enum image_client client, char out[static PATH_MAX])
{
	char name[NAME_LENGTH + 1], entry[ENTRY_LENGTH];
	bool identified = key->timestamp != 0 || key->checksum != 0;
	if (cache->directory[0] == 0 || !identified)
		return false;
	safe_name(key->name, name);
	snprintf(entry, sizeof(entry), "%s-%08x-%x-%x-%s", name, key->timestamp,
		 key->size, key->checksum, client == IMAGE_FOR_LLDB ? "lldb" : "gdb");
	return path_of(cache, out, entry, name);
}

/* ---- opening ---- */

static bool default_directory(char out[static PATH_MAX])
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n = -1;
	if (cache && cache[0] == '/')
		n = snprintf(out, PATH_MAX, "%s/kdbridge", cache);
	else if (home && home[0] == '/')
		n = snprintf(out, PATH_MAX, "%s/.cache/kdbridge", home);
	return n > 0 && n < PATH_MAX;
}

static bool make_directories(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return false;
	}
	return access(path, R_OK | W_OK | X_OK) == 0;
}

struct image_cache *image_cache_open(const char *directory, uint64_t limit,
				     const char **error)
{
	struct image_cache *cache = calloc(1, sizeof(*cache));
	*error = NULL;
	if (!cache)
		return NULL;
	cache->limit = limit ? limit : (uint64_t)IMAGE_CACHE_LIMIT_MIB << 20;
	if (directory && strcmp(directory, "none") == 0)
		return cache;
	if (directory && strlen(directory) < PATH_MAX)
		strcpy(cache->directory, directory);
	else if (directory || !default_directory(cache->directory))
		*error = "no directory to keep images in";
	if (!*error && !make_directories(cache->directory))
		*error = "the directory for images cannot be made or written";
	if (*error)
		cache->directory[0] = 0;
	return cache;
}

void image_cache_close(struct image_cache *cache)
{
	free(cache);
}

const char *image_cache_directory(const struct image_cache *cache)
{
	return cache->directory[0] ? cache->directory : NULL;
}

bool image_cache_file(const struct image_cache *cache, const struct image_key *key,
		      enum image_client client, char *out, size_t size)
{
	char path[PATH_MAX];
	if (!file_of(cache, key, client, path) || strlen(path) >= size)
		return false;
	strcpy(out, path);
	return true;
}

/* ---- loading ---- */

/* The file and its directory. */
static void remove_file(char *path)
{
	unlink(path);
	char *slash = strrchr(path, '/');
	if (slash) {
		*slash = 0;
		rmdir(path);
	}
}

struct served_image *image_cache_load(struct image_cache *cache,
				      const struct image_key *key,
				      enum image_client client)
{
	char path[PATH_MAX];
	if (!file_of(cache, key, client, path))
		return NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	struct served_image *image = cache_file_read(fd, key, client);
	if (image)
		futimens(fd, NULL); /* used now: not the oldest any more */
	close(fd);
	if (!image)
		remove_file(path);
	return image;
}

/* ---- making room ---- */

struct entry {
	char name[ENTRY_LENGTH + NAME_LENGTH + 2]; /* "directory/file" */
	uint64_t bytes;
	int64_t used; /* seconds */
};

static int by_use(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return (x->used > y->used) - (x->used < y->used);
}

/* NAME of NAME-TIMESTAMP-SIZE-CHECKSUM-CLIENT; false: no directory of ours. */
static bool file_name(const char *directory, char out[static NAME_LENGTH + 1])
{
	enum { PARTS = 4 };
	size_t n = strlen(directory);
	for (unsigned i = 0; i < PARTS; i++) {
		while (n > 0 && directory[n - 1] != '-')
			n--;
		if (n == 0)
			return false;
		n--;
	}
	if (n == 0 || n > NAME_LENGTH)
		return false;
	memcpy(out, directory, n);
	out[n] = 0;
	return true;
}

/* The image in a directory of the cache, where a user may keep its PDB, too. */
static bool examine(const struct image_cache *cache, const char *directory,
		    struct entry *e)
{
	char path[PATH_MAX], name[NAME_LENGTH + 1];
	struct stat status;
	if (!file_name(directory, name))
		return false;
	int n = snprintf(e->name, sizeof(e->name), "%s/%s", directory, name);
	if (n < 0 || n >= (int)sizeof(e->name) || !path_of(cache, path, e->name, NULL) ||
	    lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
		return false;
	e->bytes = (uint64_t)status.st_blocks * 512;
	e->used = status.st_mtime;
	return true;
}

static void remove_abandoned(const struct image_cache *cache, const char *name)
{
	char path[PATH_MAX];
	struct stat status;
	if (path_of(cache, path, name, NULL) && lstat(path, &status) == 0 &&
	    time(NULL) - status.st_mtime > ABANDONED_SECONDS)
		unlink(path);
}

static size_t list_entries(const struct image_cache *cache, struct entry *entries,
			   uint64_t *bytes)
{
	DIR *d = opendir(cache->directory);
	const struct dirent *file;
	size_t count = 0;
	while (d && count < ENTRIES_MAX && (file = readdir(d)) != NULL) {
		if (strncmp(file->d_name, aside, sizeof(aside) - 1) == 0)
			remove_abandoned(cache, file->d_name);
		else if (file->d_name[0] != '.' &&
			 examine(cache, file->d_name, &entries[count]))
			*bytes += entries[count++].bytes;
	}
	if (d)
		closedir(d);
	return count;
}

/* The oldest used go until the rest keeps the limit; what was just stored stays. */
static void make_room(const struct image_cache *cache)
{
	struct entry *entries = calloc(ENTRIES_MAX, sizeof(*entries));
	char path[PATH_MAX];
	uint64_t bytes = 0;
	size_t count = entries ? list_entries(cache, entries, &bytes) : 0;
	if (bytes > cache->limit)
		qsort(entries, count, sizeof(*entries), by_use);
	for (size_t i = 0; i + 1 < count && bytes > cache->limit; i++)
		if (path_of(cache, path, entries[i].name, NULL)) {
			remove_file(path);
			bytes -= entries[i].bytes;
		}
	free(entries);
}

void image_cache_clear(struct image_cache *cache)
{
	struct entry *entries = calloc(ENTRIES_MAX, sizeof(*entries));
	char path[PATH_MAX];
	uint64_t bytes = 0;
	size_t count = entries ? list_entries(cache, entries, &bytes) : 0;
	for (size_t i = 0; i < count; i++)
		if (path_of(cache, path, entries[i].name, NULL))
			remove_file(path);
	free(entries);
}

/* ---- storing ---- */

static bool write_aside(const char *path, const struct image_key *key,
			enum image_client client, const struct served_image *image)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	bool ok = cache_file_write(fd, key, client, image);
	return close(fd) == 0 && ok;
}

static bool move_into_place(const char *from, char *to)
{
	char *slash = strrchr(to, '/');
	*slash = 0;
	bool made = mkdir(to, 0700) == 0 || errno == EEXIST;
	*slash = '/';
	return made && rename(from, to) == 0;
}

bool image_cache_store(struct image_cache *cache, const struct image_key *key,
		       enum image_client client, const struct served_image *image)
{
	char path[PATH_MAX], temporary[PATH_MAX], name[64];
	snprintf(name, sizeof(name), "%s%ld-%u", aside, (long)getpid(), cache->written++);
	if (!file_of(cache, key, client, path) || !path_of(cache, temporary, name, NULL))
		return false;
	unlink(temporary); /* of a process that had our number */
	if (!write_aside(temporary, key, client, image) ||
	    !move_into_place(temporary, path)) {
		unlink(temporary);
		return false;
	}
	if (cache->written % STORES_PER_LOOK == 1)
		make_room(cache);
	return true;
}
