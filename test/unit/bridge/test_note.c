#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/worker/note.h"
#include "test/util.h"

static const uint8_t boot[NOTE_IDENTITY_SIZE] = { 1, 2, 3, 0xff };
static const uint8_t other_boot[NOTE_IDENTITY_SIZE] = { 4 };

static char directory[] = "/tmp/kdbridge-note-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	return mkdtemp(directory) && setenv("XDG_RUNTIME_DIR", directory, 1) == 0 ? 0
										  : -1;
}

static int tear_down(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/kdbridge/target-50000.state", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/kdbridge", directory);
	rmdir(path);
	return rmdir(directory);
}

static void a_boot_without_a_note_is_unknown(void **state)
{
	struct note n;

	(void)state;
	assert_int_equal(note_init(&n, 50000), 0);
	assert_int_equal(note_read(&n, boot), NOTE_UNKNOWN);
}

static void a_note_says_open_or_clean_of_its_boot(void **state)
{
	struct note n;

	(void)state;
	assert_int_equal(note_init(&n, 50000), 0);
	assert_int_equal(note_write(&n, boot, false), 0);
	assert_int_equal(note_read(&n, boot), NOTE_OPEN);
	assert_int_equal(note_read(&n, other_boot), NOTE_UNKNOWN);
	assert_int_equal(note_write(&n, boot, true), 0);
	assert_int_equal(note_read(&n, boot), NOTE_CLEAN);
	assert_int_equal(note_write(&n, other_boot, true), 0);
	assert_int_equal(note_read(&n, boot), NOTE_UNKNOWN);
}

static void a_damaged_note_is_none(void **state)
{
	static const char *const texts[] = { "", "\n", "zz clean\n", "010203 clean\n",
					     "\xff\xff" };
	struct note n;

	(void)state;
	assert_int_equal(note_init(&n, 50000), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *file = fopen(n.path, "w");

		fputs(texts[i], file);
		fclose(file);
		assert_int_equal(note_read(&n, boot), NOTE_UNKNOWN);
	}
}

static void without_a_directory_nothing_is_noted(void **state)
{
	struct note n;

	(void)state;
	setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1);
	assert_int_not_equal(note_init(&n, 50000), 0);
	assert_int_equal(note_write(&n, boot, false), 0);
	assert_int_equal(note_read(&n, boot), NOTE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_boot_without_a_note_is_unknown, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_note_says_open_or_clean_of_its_boot,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_note_is_none, set_up,
						tear_down),
		cmocka_unit_test(without_a_directory_nothing_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
