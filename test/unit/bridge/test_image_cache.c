/* Images on disk: found again, never believed when damaged, removed when too many. */
#include "test/unit/bridge/image_fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/image/image_cache.h"
#include "bridge/image/sparse.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/kdbridge-cache-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int flag,
		      struct FTW *where)
{
	(void)status;
	(void)flag;
	(void)where;
	return remove(path);
}

static int remove_folder(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct image_cache *open_cache(uint64_t limit)
{
	const char *error;
	struct image_cache *cache = image_cache_open(folder, limit, &error);
	assert_null(error);
	assert_string_equal(image_cache_directory(cache), folder);
	return cache;
}

/* Holes of all kinds: at the start, between, at the end, and across blocks. */
static struct served_image *some_image(void)
{
	static uint8_t bytes[10000];
	struct served_image *image = sparse_new(3000000, 0x1000);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	assert_true(sparse_add_copy(image, 5, bytes, 1000));
	assert_true(sparse_add_copy(image, 100000, bytes, sizeof(bytes)));
	assert_true(sparse_add_copy(image, 2000000, bytes, 1));
	assert_true(sparse_add_copy(image, 2990000, bytes, sizeof(bytes)));
	return image;
}

static void assert_same(const struct served_image *a, const struct served_image *b)
{
	size_t size, other;
	uint8_t *x = whole_image(a, &size), *y = whole_image(b, &other);
	assert_int_equal(size, other);
	assert_memory_equal(x, y, size);
	assert_int_equal(served_image_first_section(a), served_image_first_section(b));
	free(x);
	free(y);
}

static const struct image_key key = { "ntoskrnl.exe", 0x5a000001, 0x400000, 0x1234 };

static void what_was_stored_is_found_again(void **state)
{
	(void)state;
	struct image_cache *cache = open_cache(0);
	struct served_image *image = some_image();
	assert_null(image_cache_load(cache, &key, IMAGE_FOR_GDB));
	assert_true(image_cache_store(cache, &key, IMAGE_FOR_GDB, image));
	struct served_image *found = image_cache_load(cache, &key, IMAGE_FOR_GDB);
	assert_non_null(found);
	assert_same(image, found);
	served_image_free(found);
	served_image_free(image);
	image_cache_close(cache);
}

/* Who has the old file open keeps it whole: the new one is another, put in its place. */
static void a_file_is_written_aside_and_renamed(void **state)
{
	(void)state;
	struct image_cache *cache = open_cache(0);
	struct served_image *image = some_image();
	struct stat before, after;
	char path[PATH_MAX], line[PATH_MAX + 32];
	assert_true(image_cache_store(cache, &key, IMAGE_FOR_GDB, image));
	assert_true(image_cache_file(cache, &key, IMAGE_FOR_GDB, path, sizeof(path)));
	int old = open(path, O_RDONLY);
	assert_int_equal(fstat(old, &before), 0);
	assert_true(image_cache_store(cache, &key, IMAGE_FOR_GDB, image));
	assert_int_equal(stat(path, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(fstat(old, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	snprintf(line, sizeof(line), "! ls -A %s | grep -q '^[.]new-'", folder);
	assert_int_equal(system(line), 0);
	close(old);
	served_image_free(image);
	image_cache_close(cache);
}

static void the_file_is_the_image_with_holes(void **state)
{
	(void)state;
	struct image_cache *cache = open_cache(0);
	struct served_image *image = some_image();
	char path[PATH_MAX];
	struct stat status;
	assert_true(image_cache_store(cache, &key, IMAGE_FOR_LLDB, image));
	assert_true(image_cache_file(cache, &key, IMAGE_FOR_LLDB, path, sizeof(path)));
	assert_string_equal(strrchr(path, '/'), "/ntoskrnl.exe"); /* lldb shows it */
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_blocks * 512 < 200000);
	assert_int_equal(status.st_mode & 0777, 0600);
	size_t size, length;
	uint8_t *file = file_bytes(path, &size), *bytes = whole_image(image, &length);
	assert_true(size > length);
	assert_memory_equal(file, bytes, length);
	free(file);
	free(bytes);
	served_image_free(image);
	image_cache_close(cache);
}

static void another_build_is_another_image(void **state)
{
	(void)state;
	static const struct image_key others[] = {
		{ "ntoskrnl.exe", 0x5a000002, 0x400000, 0x1234 },
		{ "ntoskrnl.exe", 0x5a000001, 0x400010, 0x1234 },
		{ "ntoskrnl.exe", 0x5a000001, 0x400000, 0x1235 },
		{ "ntkrnlmp.exe", 0x5a000001, 0x400000, 0x1234 },
	};
	struct image_cache *cache = open_cache(0);
	struct served_image *image = some_image();
	assert_true(image_cache_store(cache, &key, IMAGE_FOR_GDB, image));
	for (unsigned i = 0; i < 4; i++)
		assert_null(image_cache_load(cache, &others[i], IMAGE_FOR_GDB));
	assert_null(image_cache_load(cache, &key, IMAGE_FOR_LLDB));
	served_image_free(image);
	image_cache_close(cache);
}

static void a_module_that_nothing_identifies_is_not_kept(void **state)
{
	(void)state;
	static const struct image_key unknown = { "x.sys", 0, 0x1000, 0 };
	struct image_cache *cache = open_cache(0);
	struct served_image *image = some_image();
	assert_false(image_cache_store(cache, &unknown, IMAGE_FOR_GDB, image));
	assert_null(image_cache_load(cache, &unknown, IMAGE_FOR_GDB));
	served_image_free(image);
	image_cache_close(cache);
}

/* A byte anywhere, the end missing, the wrong place: removed, and built anew. */
static void damaged_files_are_not_believed(void **state)
{
	(void)state;
	static const off_t places[] = { 6,	 100500,  2000000, 2999999,
					3000001, 3000030, 3000047 };
	struct image_cache *cache = open_cache(0);
	struct served_image *image = some_image();
	char path[PATH_MAX];
	assert_true(image_cache_file(cache, &key, IMAGE_FOR_GDB, path, sizeof(path)));
	for (unsigned i = 0; i < 2 + sizeof(places) / sizeof(places[0]); i++) {
		assert_true(image_cache_store(cache, &key, IMAGE_FOR_GDB, image));
		if (i < 2) {
			assert_int_equal(truncate(path, i ? 2999000 : 20), 0);
		} else {
			uint8_t byte;
			int fd = open(path, O_RDWR);
			assert_int_equal(pread(fd, &byte, 1, places[i - 2]), 1);
			byte ^= 0x40;
			assert_int_equal(pwrite(fd, &byte, 1, places[i - 2]), 1);
			close(fd);
		}
		assert_null(image_cache_load(cache, &key, IMAGE_FOR_GDB));
		assert_int_equal(access(path, F_OK), -1);
	}
	served_image_free(image);
	image_cache_close(cache);
}

static void a_link_or_a_directory_in_its_place_is_no_image(void **state)
{
	(void)state;
	struct image_cache *cache = open_cache(0);
	struct served_image *image = some_image();
	char path[PATH_MAX], moved[PATH_MAX + 2];
	assert_true(image_cache_file(cache, &key, IMAGE_FOR_GDB, path, sizeof(path)));
	assert_true(image_cache_store(cache, &key, IMAGE_FOR_GDB, image));
	snprintf(moved, sizeof(moved), "%s/moved", folder);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(symlink(moved, path), 0);
	assert_null(image_cache_load(cache, &key, IMAGE_FOR_GDB));
	served_image_free(image);
	image_cache_close(cache);
}

static void hostile_names_stay_in_the_directory(void **state)
{
	(void)state;
	static const char *const names[] = {
		"../../etc/passwd", "..",	    ".",       "", "/", "a/b.sys",
		"new\nline",	    "\xff\xfe.sys", ".new-1-1"
	};
	struct image_cache *cache = open_cache(0);
	struct served_image *image = some_image();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct image_key hostile = { names[i], 1, 2, 3 };
		char path[PATH_MAX];
		assert_true(image_cache_file(cache, &hostile, IMAGE_FOR_GDB, path,
					     sizeof(path)));
		assert_int_equal(strncmp(path, folder, strlen(folder)), 0);
		assert_null(strstr(path + strlen(folder), "/."));
		assert_true(image_cache_store(cache, &hostile, IMAGE_FOR_GDB, image));
		struct served_image *found =
			image_cache_load(cache, &hostile, IMAGE_FOR_GDB);
		assert_non_null(found);
		served_image_free(found);
	}
	char longest[3000];
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	struct image_key hostile = { longest, 1, 2, 3 };
	assert_true(image_cache_store(cache, &hostile, IMAGE_FOR_GDB, image));
	served_image_free(image);
	image_cache_close(cache);
}

static void the_oldest_used_make_room(void **state)
{
	(void)state;
	enum { COUNT = 100 };
	struct image_cache *cache = open_cache(1 << 20);
	struct served_image *image = some_image();
	unsigned found = 0;
	for (uint32_t i = 0; i < COUNT; i++) {
		struct image_key one = { "one.sys", 1 + i, 2, 3 };
		char path[PATH_MAX];
		assert_true(image_cache_store(cache, &one, IMAGE_FOR_GDB, image));
		assert_true(
			image_cache_file(cache, &one, IMAGE_FOR_GDB, path, sizeof(path)));
		struct timespec times[2] = { { 1000 + i, 0 }, { 1000 + i, 0 } };
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		struct image_key one = { "one.sys", 1 + i, 2, 3 };
		struct served_image *kept = image_cache_load(cache, &one, IMAGE_FOR_GDB);
		if (i == 0)
			assert_null(kept);
		if (i == COUNT - 1)
			assert_non_null(kept);
		found += kept != NULL;
		served_image_free(kept);
	}
	assert_in_range(found, 10, 70);
	served_image_free(image);
	image_cache_close(cache);
}

static void none_is_no_cache(void **state)
{
	(void)state;
	const char *error;
	struct image_cache *cache = image_cache_open("none", 0, &error);
	struct served_image *image = some_image();
	char path[PATH_MAX];
	assert_null(error);
	assert_null(image_cache_directory(cache));
	assert_false(image_cache_store(cache, &key, IMAGE_FOR_GDB, image));
	assert_null(image_cache_load(cache, &key, IMAGE_FOR_GDB));
	assert_false(image_cache_file(cache, &key, IMAGE_FOR_GDB, path, sizeof(path)));
	served_image_free(image);
	image_cache_close(cache);
}

static void a_directory_that_cannot_be_is_said(void **state)
{
	(void)state;
	const char *error;
	struct image_cache *cache = image_cache_open("/proc/kdbridge/images", 0, &error);
	assert_non_null(error);
	assert_null(image_cache_directory(cache));
	image_cache_close(cache);
}

static void the_usual_directory_is_made(void **state)
{
	(void)state;
	const char *error;
	char expected[PATH_MAX];
	setenv("XDG_CACHE_HOME", folder, 1);
	snprintf(expected, sizeof(expected), "%s/kdbridge", folder);
	struct image_cache *cache = image_cache_open(NULL, 0, &error);
	assert_string_equal(image_cache_directory(cache), expected);
	image_cache_close(cache);
	unsetenv("XDG_CACHE_HOME");
	setenv("HOME", folder, 1);
	snprintf(expected, sizeof(expected), "%s/.cache/kdbridge", folder);
	cache = image_cache_open(NULL, 0, &error);
	assert_string_equal(image_cache_directory(cache), expected);
	assert_int_equal(access(expected, W_OK), 0);
	image_cache_close(cache);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_DISK(what_was_stored_is_found_again),
		ON_DISK(a_file_is_written_aside_and_renamed),
		ON_DISK(the_file_is_the_image_with_holes),
		ON_DISK(another_build_is_another_image),
		ON_DISK(a_module_that_nothing_identifies_is_not_kept),
		ON_DISK(damaged_files_are_not_believed),
		ON_DISK(a_link_or_a_directory_in_its_place_is_no_image),
		ON_DISK(hostile_names_stay_in_the_directory),
		ON_DISK(the_oldest_used_make_room),
		ON_DISK(none_is_no_cache),
		ON_DISK(a_directory_that_cannot_be_is_said),
		ON_DISK(the_usual_directory_is_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
