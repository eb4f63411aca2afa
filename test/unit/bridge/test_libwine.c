/*
 * Images of a real toolchain, by the hundred: the PE files of Debian's package libwine.
 * Every function converts, the witness finds no instruction that unwinds wrongly, and
 * LLVM's decoder and gdb take what was made without a word. Skipped where the package is
 * not there.
 */
#include "test/unit/bridge/debug_frame_fixture.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char folder[] = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows";

enum {
	BASE = 0x140000000,
	FILES_MAX = 4096,
	WORKERS = 2, /* what the smallest machine has */
	BLOCK = 4096,
	GDB_SHARE = 32, /* 1 of so many files goes to gdb, and these: */
};

/* The kernel, the largest one, and one of much assembler. */
static const char *const for_gdb[] = { "ntoskrnl.exe", "mshtml.dll", "ntdll.dll" };

struct totals {
	size_t files, functions, refused, instructions, wrong, untold;
	size_t decoded; /* FDEs that llvm-dwarfdump shows */
	size_t not_decoded, opened, not_opened;
};

static size_t list_files(char *names[static FILES_MAX])
{
	size_t count = 0;
	DIR *d = opendir(folder);
	const struct dirent *entry;
	while (d && count < FILES_MAX && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			names[count++] = strdup(entry->d_name);
	if (d)
		closedir(d);
	return count;
}

/* ---- other decoders ---- */

static void write_with_holes(int fd, const uint8_t *bytes, size_t size)
{
	static const uint8_t zeros[BLOCK];
	for (size_t at = 0; at < size; at += BLOCK) {
		size_t n = size - at < BLOCK ? size - at : BLOCK;
		if (memcmp(bytes + at, zeros, n) != 0)
			assert_int_equal(pwrite(fd, bytes + at, n, (off_t)at), n);
	}
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
}

/* What a command says of the served file, %s in it, and the number in its first line. */
static char *say(const char *command, const struct converted *c, size_t *number)
{
	char path[] = "/tmp/kdbridge-libwine-XXXXXX", line[1024];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	write_with_holes(fd, c->image, c->size);
	close(fd);
	snprintf(line, sizeof(line), "F=%s; %s", path, command);
	FILE *f = popen(line, "r");
	assert_non_null(f);
	char *text = calloc(1, 1 << 18);
	size_t n = fread(text, 1, (1 << 18) - 1, f);
	pclose(f);
	unlink(path);
	*number = n > 0 ? strtoull(text, NULL, 10) : 0;
	return text;
}

/* Its every FDE, and not a word of complaint. */
static void decode(const char *name, const struct converted *c, struct totals *t)
{
	size_t shown;
	char *text =
		say("llvm-dwarfdump --debug-frame $F 2>&1 | "
		    "awk '/ FDE cie=/ { n++ } /error|warning|invalid/ { bad = bad $0 }"
		    " END { print n + 0 \" \" bad }'",
		    c, &shown);
	if (shown != c->cfi.count || strlen(text) > 20) {
		print_message("%s: %zu FDEs, llvm-dwarfdump: %s\n", name, c->cfi.count,
			      text);
		t->not_decoded++;
	}
	t->decoded += shown;
	free(text);
}

/* As many symbols as there are in it, and no complaint. */
static void open_in_gdb(const char *name, const struct converted *c, struct totals *t)
{
	size_t symbols;
	char *text = say(
		"gdb -nx -batch -iex 'set complaints 1000' -iex 'set debuginfod enabled off'"
		" -ex 'maint print statistics' -ex 'maint info sections' $F 2>&1 |"
		" awk '/\"minimal\" symbols read/ { n = $NF } /debug_frame/ { found = 1 }"
		" /arning|omplaint|rror|During/ { bad = bad $0 }"
		" END { print n + 0 \" \" bad (found ? \"\" : \" no .debug_frame\") }'",
		c, &symbols);
	if (symbols != c->summary.symbols || strlen(text) > 20) {
		print_message("%s: %zu symbols, gdb: %s\n", name, c->summary.symbols,
			      text);
		t->not_opened++;
	}
	t->opened++;
	free(text);
}

static bool is_for_gdb(const char *name)
{
	for (size_t i = 0; i < sizeof(for_gdb) / sizeof(for_gdb[0]); i++)
		if (strcmp(name, for_gdb[i]) == 0)
			return true;
	return false;
}

/* ---- one file ---- */

/* Its assembler switches stacks, and tells so in no way that the witness could check. */
static bool is_beyond_the_witness(const char *name)
{
	return strcmp(name, "ntdll.dll") == 0;
}

static void ask_the_witness(const char *name, struct module_memory *m,
			    struct converted *c, struct totals *t)
{
	struct symbolic_walk w;
	witness_module(&w, m, c, BASE);
	t->instructions += w.instructions;
	t->wrong += w.wrong;
	t->untold += w.untold;
	if (w.wrong)
		print_message("%s+%x: %s (%zu wrong of %zu)\n", name, w.first_wrong,
			      w.why, w.wrong, w.instructions);
}

struct tools {
	bool dwarfdump, gdb;
};

static void convert_file(const char *name, bool share, struct tools tools,
			 struct totals *t)
{
	char path[1024];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	struct module_memory m = map_file(path);
	struct converted c = convert(&m, name, BASE, SIZE_MAX);
	t->files++;
	t->functions += c.summary.functions;
	t->refused += c.summary.refused;
	assert_true(c.cfi.count >= c.summary.functions);
	if (!is_beyond_the_witness(name))
		ask_the_witness(name, &m, &c, t);
	if (tools.dwarfdump && c.summary.functions > 0)
		decode(name, &c, t);
	if (tools.gdb && c.summary.functions > 0 && (share || is_for_gdb(name)))
		open_in_gdb(name, &c, t);
	converted_wipe(&c);
	free(m.bytes);
}

/* ---- all of them ---- */

static struct totals *all_files(char *names[], size_t count)
{
	struct totals *t = mmap(NULL, WORKERS * sizeof(*t), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct tools tools = { system("command -v llvm-dwarfdump >/dev/null") == 0,
			       system("command -v gdb >/dev/null") == 0 };
	assert_true(t != MAP_FAILED);
	for (size_t k = 0; k < WORKERS; k++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child > 0)
			continue;
		for (size_t i = k; i < count; i += WORKERS)
			convert_file(names[i], i % GDB_SHARE == k, tools, &t[k]);
		_exit(0);
	}
	for (size_t k = 0; k < WORKERS; k++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	for (size_t k = 1; k < WORKERS; k++)
		for (size_t i = 0; i < sizeof(*t) / sizeof(size_t); i++)
			((size_t *)t)[i] += ((size_t *)&t[k])[i];
	return t;
}

static void every_function_of_libwine_converts(void **state)
{
	(void)state;
	char *names[FILES_MAX];
	size_t count = list_files(names);
	if (count == 0) {
		print_message("no package libwine\n");
		skip();
	}
	struct totals *t = all_files(names, count);
	print_message(
		"%zu files, %zu functions, %zu refused; %zu instructions, %zu wrong, "
		"%zu without data; %zu FDEs decoded by LLVM, %zu files opened by gdb\n",
		t->files, t->functions, t->refused, t->instructions, t->wrong, t->untold,
		t->decoded, t->opened);
	assert_int_equal(t->files, count);
	assert_int_equal(t->refused, 0);
	assert_int_equal(t->wrong, 0);
	assert_true(t->untold <= t->instructions / 200);
	assert_int_equal(t->not_decoded, 0);
	assert_int_equal(t->not_opened, 0);
	munmap(t, WORKERS * sizeof(*t));
	for (size_t i = 0; i < count; i++)
		free(names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_of_libwine_converts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
