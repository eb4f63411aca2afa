#include "bridge/image/cache_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/image/sparse.h"
#include "kdnet/wire.h"

enum {
	BLOCK = 4096,
	RUN_MAX = 256 * BLOCK, /* blocks of one extent */
	TRAILER_SIZE = 48,
	FORMAT = 2, /* another one makes all older files worthless: raise it when what is
		       built changes */
	DATA_MAX = 256 << 20, /* bytes that are no zeros */
};

static const uint8_t magic[8] = "KDBimage";
static const uint8_t zeros[BLOCK];

struct trailer {
	uint64_t size, hash;
	uint32_t first_section;
};

static void write_trailer(uint8_t out[static TRAILER_SIZE], const struct trailer *t,
			  const struct image_key *key, enum image_client client)
{
	struct writer w = wr_init(out, TRAILER_SIZE);
	wr_bytes(&w, magic, sizeof(magic));
	wr_le32(&w, FORMAT);
	wr_le32(&w, client);
	wr_le32(&w, key->timestamp);
	wr_le32(&w, key->size);
	wr_le32(&w, key->checksum);
	wr_le32(&w, t->first_section);
	wr_le64(&w, t->size);
	wr_le64(&w, t->hash);
}

/* What a file's hash begins with: the numbers that no block holds. */
static uint64_t hash_start(const struct trailer *t)
{
	return t->size << 32 ^ t->first_section;
}

/* Adds a block that is no zeros; not against forgery, only against damage. */
static uint64_t mix(uint64_t hash, uint64_t number, const uint8_t block[static BLOCK])
{
	const uint64_t prime = 0x100000001b3;
	hash = (hash ^ number) * prime;
	for (size_t i = 0; i < BLOCK; i += 8)
		hash = (hash ^ load_le(block + i, 8)) * prime;
	return hash ^ hash >> 29;
}

static bool write_all(int fd, const void *bytes, size_t n, uint64_t offset)
{
	for (size_t at = 0; at < n;) {
		ssize_t done = pwrite(fd, (const uint8_t *)bytes + at, n - at,
				      (off_t)(offset + at));
		if (done <= 0)
			return false;
		at += (size_t)done;
	}
	return true;
}

static bool read_all(int fd, void *out, size_t n, uint64_t offset)
{
	for (size_t at = 0; at < n;) {
		ssize_t done =
			pread(fd, (uint8_t *)out + at, n - at, (off_t)(offset + at));
		if (done <= 0)
			return false;
		at += (size_t)done;
	}
	return true;
}

bool cache_file_write(int fd, const struct image_key *key, enum image_client client,
		      const struct served_image *image)
{
	struct trailer t = { served_image_size(image), 0,
			     served_image_first_section(image) };
	uint8_t bytes[TRAILER_SIZE];
	t.hash = hash_start(&t);
	for (uint64_t at = 0; at < t.size; at += BLOCK) {
		uint8_t block[BLOCK] = { 0 };
		size_t n = served_image_read(image, at, block, BLOCK);
		if (memcmp(block, zeros, BLOCK) == 0)
			continue;
		t.hash = mix(t.hash, at / BLOCK, block);
		if (!write_all(fd, block, n, at))
			return false;
	}
	write_trailer(bytes, &t, key, client);
	return write_all(fd, bytes, sizeof(bytes), t.size);
}

/* ---- reading ---- */

/* The trailer of that build's file; false: it is none. */
static bool read_trailer(int fd, const struct image_key *key, enum image_client client,
			 struct trailer *t, uint8_t bytes[static TRAILER_SIZE])
{
	struct stat status;
	uint8_t expected[TRAILER_SIZE];
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
	    status.st_size < TRAILER_SIZE)
		return false;
	t->size = (uint64_t)status.st_size - TRAILER_SIZE;
	if (t->size > (uint64_t)IMAGE_SIZE_MAX + DATA_MAX ||
	    !read_all(fd, bytes, TRAILER_SIZE, t->size))
		return false;
	t->first_section = (uint32_t)load_le(bytes + 28, 4);
	t->hash = load_le(bytes + 40, 8);
	write_trailer(expected, t, key, client);
	return memcmp(bytes, expected, TRAILER_SIZE) == 0;
}

/* Where data begins at or behind `at`, in whole blocks; the size: nowhere. */
static uint64_t next_data(int fd, uint64_t at, uint64_t size)
{
	off_t data = lseek(fd, (off_t)at, SEEK_DATA);
	if (data < 0) /* zeros up to the end; or a file system without holes */
		return errno == ENXIO ? size : at;
	return (uint64_t)data / BLOCK * BLOCK;
}

struct loader {
	struct served_image *image;
	uint64_t size, hash, held;
	uint8_t *run; /* RUN_MAX bytes: blocks not yet in the image */
	uint64_t run_at;
	size_t run_length;
};

static bool flush_run(struct loader *l)
{
	size_t n = l->run_length;
	l->run_length = 0;
	return n == 0 || sparse_add_copy(l->image, l->run_at, l->run, n);
}

static bool load_block(struct loader *l, int fd, uint64_t at)
{
	uint8_t block[BLOCK] = { 0 };
	size_t n = l->size - at < BLOCK ? (size_t)(l->size - at) : BLOCK;
	if (!read_all(fd, block, n, at))
		return false;
	if (memcmp(block, zeros, BLOCK) == 0)
		return true;
	l->hash = mix(l->hash, at / BLOCK, block);
	l->held += n;
	if (l->run_length == RUN_MAX || l->run_at + l->run_length != at) {
		if (!flush_run(l))
			return false;
		l->run_at = at;
	}
	memcpy(l->run + l->run_length, block, n);
	l->run_length += n;
	return l->held <= DATA_MAX;
}

struct served_image *cache_file_read(int fd, const struct image_key *key,
				     enum image_client client)
{
	struct trailer t;
	uint8_t bytes[TRAILER_SIZE];
	if (!read_trailer(fd, key, client, &t, bytes))
		return NULL;
	struct loader l = { sparse_new(t.size, t.first_section), .size = t.size,
			    .hash = hash_start(&t) };
	l.run = malloc(RUN_MAX);
	bool ok = l.image && l.run;
	for (uint64_t at = next_data(fd, 0, t.size); ok && at < t.size;) {
		ok = load_block(&l, fd, at);
		at = next_data(fd, at + BLOCK, t.size);
	}
	ok = ok && flush_run(&l) && l.hash == t.hash;
	free(l.run);
	if (ok)
		return l.image;
	served_image_free(l.image);
	return NULL;
}
