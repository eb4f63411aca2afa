/*
 * Images of another toolchain, by the hundred: the PE files of Debian's package libwine.
 * Every function converts, and the witness finds no instruction that unwinds wrongly.
 * Skipped where the package is not there.
 */
#include "test/unit/bridge/debug_frame_fixture.h"

#include <dirent.h>

static const char folder[] = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows";

enum {
	BASE = 0x140000000,
	SHARE = 16, /* 1 of so many files goes to the witness, unless LIBWINE_ALL is set */
};

struct totals {
	size_t files, functions, refused, instructions, wrong, untold;
};

static void convert_file(const char *name, bool witness, struct totals *t)
{
	char path[1024];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	struct module_memory m = map_file(path);
	struct converted c = convert(&m, name, BASE, SIZE_MAX);
	t->files++;
	t->functions += c.summary.functions;
	t->refused += c.summary.refused;
	if (witness) {
		struct symbolic_walk w;
		witness_module(&w, &m, &c, BASE);
		t->instructions += w.instructions;
		t->wrong += w.wrong;
		t->untold += w.untold;
		if (w.wrong)
			print_message("%s+%x: %s (%zu wrong of %zu)\n", name,
				      w.first_wrong, w.why, w.wrong, w.instructions);
	}
	converted_wipe(&c);
	free(m.bytes);
}

/* Its assembler switches stacks, and tells so in no way that the witness could check. */
static bool is_beyond_the_witness(const char *name)
{
	return strcmp(name, "ntdll.dll") == 0;
}

static void every_function_of_libwine_converts(void **state)
{
	(void)state;
	struct totals t = { 0 };
	DIR *d = opendir(folder);
	if (!d) {
		print_message("no package libwine\n");
		skip();
	}
	const struct dirent *entry;
	bool all = getenv("LIBWINE_ALL") != NULL;
	for (unsigned n = 0; (entry = readdir(d)) != NULL;)
		if (entry->d_name[0] != '.')
			convert_file(entry->d_name,
				     (all || n++ % SHARE == 0) &&
					     !is_beyond_the_witness(entry->d_name),
				     &t);
	closedir(d);
	print_message(
		"%zu files, %zu functions, %zu refused; %zu instructions, %zu wrong, "
		"%zu without data\n",
		t.files, t.functions, t.refused, t.instructions, t.wrong, t.untold);
	assert_int_equal(t.refused, 0);
	assert_int_equal(t.wrong, 0);
	assert_true(t.untold <= t.instructions / 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_of_libwine_converts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
