/* Local copies of binaries: only of exactly that build, and read as the loader maps it. */
#include "test/unit/bridge/image_fixture.h"

#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/image/image_path.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/kdbridge-path-XXXXXX");
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

static const char *guest_folder(void)
{
	const char *given = getenv("KDSIM_GUEST");
	return given ? given : GUEST_IMAGES;
}

static struct image_key key_of(const char *name)
{
	struct module_memory m = map_guest(name);
	struct pe pe = headers_of(&m);
	free(m.bytes);
	return (struct image_key){ name, pe.timestamp, pe.image_size, pe.checksum };
}

static void copy_guest(const char *name, const char *to)
{
	char path[PATH_MAX];
	size_t size;
	snprintf(path, sizeof(path), "%s/%s", guest_folder(), name);
	uint8_t *bytes = file_bytes(path, &size);
	assert_non_null(bytes);
	snprintf(path, sizeof(path), "%s/%s", folder, to);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, size, f), size);
	fclose(f);
	free(bytes);
}

static void it_reads_as_the_loader_maps_it(void **state)
{
	(void)state;
	struct image_key key = key_of("ntoskrnl.exe");
	struct local_image *local = local_image_open(guest_folder(), &key);
	assert_non_null(local);
	struct image_source source = local_image_source(local);
	struct module_memory m = map_guest("ntoskrnl.exe");
	struct image_memory *memory = image_memory_new(&source);
	uint8_t *bytes = malloc(m.size);
	assert_true(image_memory_read(memory, 0, bytes, m.size));
	assert_memory_equal(bytes, m.bytes, m.size);
	free(bytes);
	free(m.bytes);
	image_memory_free(memory);
	local_image_close(local);
}

static void the_image_built_from_it_is_that_of_the_target(void **state)
{
	(void)state;
	struct image_key key = key_of("probe.sys");
	struct local_image *local = local_image_open(guest_folder(), &key);
	struct image_source source = local_image_source(local);
	struct module_memory m = map_guest("probe.sys");
	struct image_memory *memories[2] = { image_memory_new(&source),
					     module_source(&m) };
	struct image_request request = { .name = "probe.sys", .code_max = SIZE_MAX };
	uint8_t *bytes[2];
	size_t sizes[2];
	for (unsigned i = 0; i < 2; i++) {
		struct served_image *image;
		assert_int_equal(served_image_build(memories[i], &request, &image, NULL),
				 IMAGE_OK);
		bytes[i] = whole_image(image, &sizes[i]);
		served_image_free(image);
		image_memory_free(memories[i]);
	}
	assert_int_equal(sizes[0], sizes[1]);
	assert_memory_equal(bytes[0], bytes[1], sizes[0]);
	free(bytes[0]);
	free(bytes[1]);
	free(m.bytes);
	local_image_close(local);
}

static void another_build_is_not_taken(void **state)
{
	(void)state;
	struct image_key key = key_of("probe.sys");
	copy_guest("probe.sys", "probe.sys");
	key.timestamp++;
	assert_null(local_image_open(folder, &key));
	key.timestamp--;
	key.size += 0x1000;
	assert_null(local_image_open(folder, &key));
}

static void names_match_in_any_case(void **state)
{
	(void)state;
	struct image_key key = key_of("probe.sys");
	copy_guest("probe.sys", "PROBE.Sys");
	struct local_image *local = local_image_open(folder, &key);
	assert_non_null(local);
	local_image_close(local);
}

static void a_symbol_servers_folders_are_searched(void **state)
{
	(void)state;
	struct image_key key = key_of("probe.sys");
	char path[PATH_MAX];
	assert_null(local_image_open(folder, &key));
	snprintf(path, sizeof(path), "%s/probe.sys", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_null(local_image_open(folder, &key));
	snprintf(path, sizeof(path), "%s/probe.sys/%08X%x", folder, key.timestamp,
		 key.size);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "probe.sys/%08X%x/probe.sys", key.timestamp,
		 key.size);
	copy_guest("probe.sys", path);
	struct local_image *local = local_image_open(folder, &key);
	assert_non_null(local);
	local_image_close(local);
}

static void hostile_names_open_nothing(void **state)
{
	(void)state;
	static const char *const names[] = {
		"", ".", "..", "../probe.sys", "/etc/passwd", "x/probe.sys"
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct image_key key = key_of("probe.sys");
		key.name = names[i];
		assert_null(local_image_open(folder, &key));
	}
}

static void files_that_are_no_images_open_nothing(void **state)
{
	(void)state;
	struct image_key key = key_of("probe.sys");
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/probe.sys", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(local_image_open(folder, &key));
	unlink(path);
	FILE *f = fopen(path, "wb");
	fputs("MZ", f);
	fclose(f);
	assert_null(local_image_open(folder, &key));
	copy_guest("probe.sys", "probe.sys");
	assert_int_equal(truncate(path, 0x200), 0); /* headers, nothing behind */
	struct local_image *local = local_image_open(folder, &key);
	assert_non_null(local);
	struct image_source source = local_image_source(local);
	uint8_t bytes[64];
	size_t done;
	assert_true(source.read(source.context, 0x1000, bytes, sizeof(bytes), &done));
	assert_int_equal(bytes[0], 0);
	local_image_close(local);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_reads_as_the_loader_maps_it),
		cmocka_unit_test(the_image_built_from_it_is_that_of_the_target),
		ON_DISK(another_build_is_not_taken),
		ON_DISK(names_match_in_any_case),
		ON_DISK(a_symbol_servers_folders_are_searched),
		ON_DISK(hostile_names_open_nothing),
		ON_DISK(files_that_are_no_images_open_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
