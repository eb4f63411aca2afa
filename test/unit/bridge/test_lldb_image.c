/*
 * Files for lldb: written, found again, naming the PDB that is there; and Debian's lldb
 * takes them. The guest's images and PDBs are clang's and lld-link's.
 */
#include "test/unit/bridge/image_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/image/lldb_image.h"
#include "bridge/image/pdb.h"

static const struct image_key key = { "probe.sys", 0x53001234, 0x6000, 0x777 };

static const struct pdb_places nowhere;

struct place {
	char directory[64];
	char cache_directory[80], pdb_directory[80];
	struct image_cache *cache;
	struct served_image *image;
	struct rsds rsds;
};

enum { FREE_IN_HEADERS = 0xa00 }; /* of the guest's */

/* Puts a record with that path in place of the module's own. */
static void name_pdb(struct module_memory *m, const char *path)
{
	const struct pe pe = headers_of(m);
	uint8_t *entry = m->bytes + pe.directories[PE_DIRECTORY_DEBUG].rva;
	uint8_t *record = m->bytes + FREE_IN_HEADERS;
	memcpy(record, m->bytes + load_le(entry + 20, 4), 24);
	strcpy((char *)record + 24, path);
	store_le(entry + 16, 24 + strlen(path) + 1, 4);
	store_le(entry + 20, FREE_IN_HEADERS, 4);
}

/* `pdb`: the path that the module names, NULL: as it is. */
static struct served_image *build(const char *name, const char *pdb, struct rsds *rsds)
{
	struct module_memory m = map_guest(name);
	if (pdb)
		name_pdb(&m, pdb);
	struct image_memory *memory = module_source(&m);
	struct image_request request = { .name = name,
					 .base = 0xfffff80001200000,
					 .client = IMAGE_FOR_LLDB,
					 .code_max = SIZE_MAX };
	struct served_image *image;
	struct pe pe;
	assert_int_equal(served_image_build(memory, &request, &image, NULL), IMAGE_OK);
	assert_int_equal(pe_read(memory, &pe), PE_OK);
	assert_true(rsds_read(memory, &pe, rsds));
	image_memory_free(memory);
	free(m.bytes);
	return image;
}

static struct place new_place(void)
{
	struct place p = { .directory = "/tmp/kdbridge-lldb-XXXXXX" };
	const char *error;
	assert_non_null(mkdtemp(p.directory));
	snprintf(p.cache_directory, sizeof(p.cache_directory), "%s/cache", p.directory);
	snprintf(p.pdb_directory, sizeof(p.pdb_directory), "%s/pdb", p.directory);
	assert_int_equal(mkdir(p.pdb_directory, 0700), 0);
	p.cache = image_cache_open(p.cache_directory, 0, &error);
	assert_null(error);
	p.image = build("probe.sys", NULL, &p.rsds);
	return p;
}

static void remove_place(struct place *p)
{
	char line[128];
	image_cache_close(p->cache);
	served_image_free(p->image);
	snprintf(line, sizeof(line), "rm -r %s", p->directory);
	assert_int_equal(system(line), 0);
}

/* A copy of the guest's PDB at DIRECTORY/name. */
static void put_pdb(const char *directory, const char *name)
{
	char line[PATH_MAX * 2];
	const char *guest = getenv("KDSIM_GUEST");
	snprintf(line, sizeof(line), "mkdir -p %s && cp %s/probe.pdb %s/%s", directory,
		 guest ? guest : GUEST_IMAGES, directory, name);
	assert_int_equal(system(line), 0);
}

/* The path that the file's debug directory names now. */
static void assert_names(const char *file, const char *pdb)
{
	struct module_memory m = { 0 };
	struct pe pe;
	struct rsds rsds;
	m.bytes = file_bytes(file, &m.size);
	assert_non_null(m.bytes);
	struct image_memory *memory = module_source(&m);
	assert_int_equal(pe_read(memory, &pe), PE_OK);
	assert_true(pe.characteristics & PE_FILE_DLL);
	assert_true(rsds_read(memory, &pe, &rsds));
	assert_string_equal(rsds.path, pdb);
	image_memory_free(memory);
	free(m.bytes);
}

/* ---- builds of PDBs ---- */

static void the_guests_pdb_is_that_of_its_image(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[PATH_MAX];
	struct rsds other = p.rsds;
	put_pdb(p.pdb_directory, "Probe.PDB");
	assert_string_equal(rsds_file_name(&p.rsds), "probe.pdb");
	assert_int_equal(pdb_find(p.pdb_directory, &p.rsds, path), PDB_FOUND);
	assert_int_equal(pdb_check(path, &p.rsds), PDB_FOUND);
	other.guid[15] ^= 1;
	assert_int_equal(pdb_find(p.pdb_directory, &other, path), PDB_OTHER);
	other = p.rsds;
	other.age++;
	assert_int_equal(pdb_find(p.pdb_directory, &other, path), PDB_OTHER);
	remove_place(&p);
}

static void every_damaged_number_of_a_pdb_is_survived(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[PATH_MAX];
	put_pdb(p.pdb_directory, "probe.pdb");
	assert_int_equal(pdb_find(p.pdb_directory, &p.rsds, path), PDB_FOUND);
	int file = open(path, O_RDWR);
	assert_true(file >= 0);
	for (off_t at = 0; at < 56; at += 4)
		for (unsigned bit = 0; bit < 32; bit += 3) {
			uint8_t was[4], damaged[4];
			assert_int_equal(pread(file, was, 4, at), 4);
			store_le(damaged, load_le(was, 4) ^ 1u << bit, 4);
			assert_int_equal(pwrite(file, damaged, 4, at), 4);
			(void)pdb_check(path, &p.rsds);
			assert_int_equal(pwrite(file, was, 4, at), 4);
		}
	for (off_t length = 0; length < 4096; length += 97) {
		assert_int_equal(ftruncate(file, length), 0);
		assert_int_equal(pdb_check(path, &p.rsds), PDB_OTHER);
	}
	close(file);
	remove_place(&p);
}

/* ---- files ---- */

static void a_file_is_found_again_until_it_is_gone(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[LLDB_PATH_MAX], again[LLDB_PATH_MAX];
	struct lldb_images *l = lldb_images_new(p.cache, &nowhere);
	assert_false(lldb_image_find(l, &key, path));
	assert_true(lldb_image_store(l, &key, p.image, path));
	assert_non_null(
		strstr(path, "/cache/probe.sys-53001234-6000-777-lldb/probe.sys"));
	assert_names(path, "probe.pdb");
	lldb_images_free(l);
	l = lldb_images_new(p.cache, &nowhere);
	assert_true(lldb_image_find(l, &key, again));
	assert_string_equal(path, again);
	assert_int_equal(truncate(path, 4096), 0);
	assert_false(lldb_image_find(l, &key, again));
	lldb_images_free(l);
	remove_place(&p);
}

static void a_pdb_in_the_users_directory_is_named(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[LLDB_PATH_MAX], wanted[PATH_MAX];
	const struct pdb_places there = { .path = p.pdb_directory };
	struct lldb_images *l = lldb_images_new(p.cache, &there);
	assert_true(lldb_image_store(l, &key, p.image, path));
	assert_names(path, "probe.pdb");
	put_pdb(p.pdb_directory, "probe.pdb");
	assert_true(lldb_image_find(l, &key, path));
	snprintf(wanted, sizeof(wanted), "%s/probe.pdb", p.pdb_directory);
	assert_names(path, wanted);
	/* and forgotten when it is gone, also by who has no such directory */
	lldb_images_free(l);
	l = lldb_images_new(p.cache, &nowhere);
	assert_true(lldb_image_find(l, &key, path));
	assert_names(path, "probe.pdb");
	lldb_images_free(l);
	remove_place(&p);
}

static void a_symbol_servers_folders_are_searched(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[LLDB_PATH_MAX], folder[512], wanted[1024];
	const uint8_t *g = p.rsds.guid;
	int n = snprintf(folder, sizeof(folder), "%s/probe.pdb/%08X%04X%04X",
			 p.pdb_directory, (unsigned)load_le(g, 4),
			 (unsigned)load_le(g + 4, 2), (unsigned)load_le(g + 6, 2));
	for (unsigned i = 8; i < 16; i++)
		n += snprintf(folder + n, sizeof(folder) - (size_t)n, "%02X", g[i]);
	snprintf(folder + n, sizeof(folder) - (size_t)n, "%X", p.rsds.age);
	put_pdb(folder, "probe.pdb");
	const struct pdb_places there = { .path = p.pdb_directory };
	struct lldb_images *l = lldb_images_new(p.cache, &there);
	assert_true(lldb_image_store(l, &key, p.image, path));
	snprintf(wanted, sizeof(wanted), "%s/probe.pdb", folder);
	assert_names(path, wanted);
	lldb_images_free(l);
	remove_place(&p);
}

static void note_wrong(void *context, const char *module, const char *file)
{
	assert_string_equal(module, "probe.sys");
	snprintf(context, PATH_MAX, "%s", file);
}

static void a_pdb_of_another_build_is_told_and_not_named(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[LLDB_PATH_MAX], line[PATH_MAX], told[PATH_MAX] = "";
	const struct pdb_places there = { p.pdb_directory, note_wrong, told };
	struct lldb_images *l = lldb_images_new(p.cache, &there);
	assert_true(lldb_image_store(l, &key, p.image, path));
	assert_string_equal(told, ""); /* none is no wrong one */
	snprintf(line, sizeof(line), "echo text >%s/probe.pdb", p.pdb_directory);
	assert_int_equal(system(line), 0);
	assert_true(lldb_image_find(l, &key, path));
	assert_names(path, "probe.pdb");
	assert_true(strncmp(told, p.pdb_directory, strlen(p.pdb_directory)) == 0);
	/* a right one at another place is enough */
	told[0] = 0;
	path[strlen(path) - strlen("/probe.sys")] = 0;
	put_pdb(path, "probe.pdb");
	assert_true(lldb_image_find(l, &key, path));
	assert_names(path, "probe.pdb");
	assert_string_equal(told, "");
	lldb_images_free(l);
	remove_place(&p);
}

static void a_pdb_at_the_modules_own_path_is_named(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[LLDB_PATH_MAX], pdb[128], line[256], told[PATH_MAX] = "";
	const struct pdb_places places = { NULL, note_wrong, told };
	put_pdb(p.pdb_directory, "probe.pdb");
	snprintf(pdb, sizeof(pdb), "%s/probe.pdb", p.pdb_directory);
	served_image_free(p.image);
	p.image = build("probe.sys", pdb, &p.rsds);
	struct lldb_images *l = lldb_images_new(p.cache, &places);
	assert_true(lldb_image_store(l, &key, p.image, path));
	assert_names(path, pdb);
	assert_string_equal(told, "");
	snprintf(line, sizeof(line), "echo text >%s", pdb);
	assert_int_equal(system(line), 0);
	assert_true(lldb_image_find(l, &key, path));
	assert_names(path, "probe.pdb");
	assert_string_equal(told, pdb);
	lldb_images_free(l);
	remove_place(&p);
}

static void what_nothing_keeps_goes_away_with_the_session(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[LLDB_PATH_MAX], other[LLDB_PATH_MAX];
	const char *error;
	const struct image_key nameless = { "probe.sys", 0, 0x6000, 0 };
	struct image_cache *none = image_cache_open("none", 0, &error);
	struct lldb_images *l = lldb_images_new(none, &nowhere);
	assert_true(lldb_image_store(l, &key, p.image, path));
	assert_true(lldb_image_find(l, &key, other));
	assert_string_equal(path, other);
	assert_true(lldb_image_store(l, &nameless, p.image, path));
	assert_true(lldb_image_store(l, &nameless, p.image, other));
	assert_string_not_equal(path, other);
	assert_int_equal(access(other, R_OK), 0);
	lldb_images_free(l);
	assert_int_not_equal(access(other, F_OK), 0);
	image_cache_close(none);
	remove_place(&p);
}

static void a_pdb_beside_the_file_outlives_the_image(void **state)
{
	(void)state;
	struct place p = new_place();
	char path[LLDB_PATH_MAX], pdb[LLDB_PATH_MAX];
	struct lldb_images *l = lldb_images_new(p.cache, &nowhere);
	assert_true(lldb_image_store(l, &key, p.image, path));
	char *slash = strrchr(path, '/');
	*slash = 0;
	put_pdb(path, "probe.pdb");
	snprintf(pdb, sizeof(pdb), "%.4000s/probe.pdb", path);
	*slash = '/';
	image_cache_clear(p.cache);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(access(pdb, F_OK), 0);
	lldb_images_free(l);
	remove_place(&p);
}

/* ---- lldb ---- */

static char *ask_lldb(const char *file, const char *commands)
{
	char line[LLDB_PATH_MAX + 1024];
	snprintf(line, sizeof(line), "lldb -x -b -o 'target create %s' %s 2>&1", file,
		 commands);
	FILE *f = popen(line, "r");
	char *text = calloc(1, 1 << 18);
	size_t n = fread(text, 1, (1 << 18) - 1, f);
	assert_true(n > 0);
	pclose(f);
	return text;
}

static void lldb_knows_names_and_lines_of_it(void **state)
{
	(void)state;
	if (system("command -v lldb >/dev/null") != 0)
		skip();
	struct place p = new_place();
	char path[LLDB_PATH_MAX];
	put_pdb(p.pdb_directory, "probe.pdb");
	const struct pdb_places there = { .path = p.pdb_directory };
	struct lldb_images *l = lldb_images_new(p.cache, &there);
	assert_true(lldb_image_store(l, &key, p.image, path));
	char *text = ask_lldb(path, "-o 'image dump sections' -o 'image dump symtab' "
				    "-o 'image lookup -v -n DriverEntry'");
	if (!strstr(text, "probe.c:") || !strstr(text, "DriverEntry") ||
	    !strstr(text, ".text") || strstr(text, "error:"))
		fail_msg("%s", text);
	free(text);
	lldb_images_free(l);
	remove_place(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guests_pdb_is_that_of_its_image),
		cmocka_unit_test(every_damaged_number_of_a_pdb_is_survived),
		cmocka_unit_test(a_file_is_found_again_until_it_is_gone),
		cmocka_unit_test(a_pdb_in_the_users_directory_is_named),
		cmocka_unit_test(a_symbol_servers_folders_are_searched),
		cmocka_unit_test(a_pdb_of_another_build_is_told_and_not_named),
		cmocka_unit_test(a_pdb_at_the_modules_own_path_is_named),
		cmocka_unit_test(what_nothing_keeps_goes_away_with_the_session),
		cmocka_unit_test(a_pdb_beside_the_file_outlives_the_image),
		cmocka_unit_test(lldb_knows_names_and_lines_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
