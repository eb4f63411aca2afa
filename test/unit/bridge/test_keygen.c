#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/setup/keygen.h"
#include "test/util.h"

enum { TEXT_MAX = 1024 };

static void a_key_is_random_and_parses(void **state)
{
	char first[KDNET_KEY_TEXT_SIZE], second[KDNET_KEY_TEXT_SIZE];
	uint8_t key[KDNET_KEY_SIZE];

	(void)state;
	keygen_text(first);
	keygen_text(second);
	assert_int_equal(kdnet_key_parse(key, first), KDNET_KEY_OK);
	assert_string_not_equal(first, second);
}

static int run(const char *path, char out[TEXT_MAX], char err[TEXT_MAX])
{
	FILE *o = fmemopen(out, TEXT_MAX, "w"), *e = fmemopen(err, TEXT_MAX, "w");
	int status = keygen_run(path, o, e);

	fclose(o);
	fclose(e);
	return status;
}

static void without_a_file_it_is_printed(void **state)
{
	char out[TEXT_MAX] = "", err[TEXT_MAX] = "";
	uint8_t key[KDNET_KEY_SIZE];

	(void)state;
	assert_int_equal(run(NULL, out, err), 0);
	assert_int_equal(out[strlen(out) - 1], '\n');
	out[strlen(out) - 1] = '\0';
	assert_int_equal(kdnet_key_parse(key, out), KDNET_KEY_OK);
	assert_string_equal(err, "");
}

static void a_file_is_its_owners_alone_and_never_replaced(void **state)
{
	char folder[] = "/tmp/kdbridge-keygen-XXXXXX", path[64], text[128] = "";
	char out[TEXT_MAX] = "", err[TEXT_MAX] = "";
	uint8_t key[KDNET_KEY_SIZE];
	struct stat status;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
	umask(0);
	assert_int_equal(run(path, out, err), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	file = fopen(path, "r");
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	assert_int_equal(kdnet_key_parse(key, text), KDNET_KEY_OK);
	assert_null(strstr(out, text));
	assert_non_null(strstr(out, path));

	assert_int_equal(run(path, out, err), 1);
	assert_non_null(strstr(err, "choose another name"));
	unlink(path);
	rmdir(folder);
	assert_int_equal(run("/nowhere/at/all", out, err), 1);
	assert_non_null(strstr(err, "/nowhere/at/all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_random_and_parses),
		cmocka_unit_test(without_a_file_it_is_printed),
		cmocka_unit_test(a_file_is_its_owners_alone_and_never_replaced),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
