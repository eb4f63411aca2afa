#include <stdio.h>
#include <unistd.h>

#include "bridge/setup/file_text.h"
#include "test/util.h"

static void a_file_is_read_whole_with_its_zeros(void **state)
{
	enum { SIZE = 200001 };
	char path[] = "/tmp/kdbridge-file-XXXXXX", *bytes = calloc(1, SIZE), *text;
	int fd = mkstemp(path);
	size_t length = 0;

	(void)state;
	bytes[0] = 'a';
	bytes[SIZE - 1] = 'z';
	assert_int_equal(write(fd, bytes, SIZE), SIZE);
	close(fd);
	text = file_text_read(path, &length);
	unlink(path);
	assert_int_equal(length, SIZE);
	assert_memory_equal(text, bytes, SIZE);
	assert_int_equal(text[SIZE], '\0');
	free(text);
	free(bytes);
	assert_null(file_text_read(path, &length));
	assert_null(file_text_read("/tmp", NULL));
}

static void what_a_program_prints_is_taken_when_it_is_content(void **state)
{
	static const char *const prints[] = { "sh", "-c", "echo hello; echo no >&2",
					      NULL };
	static const char *const fails[] = { "sh", "-c", "echo hello; exit 3", NULL };
	static const char *const is_none[] = { "no-such-program-at-all", NULL };
	static const char *const says_nothing[] = { "true", NULL };
	char *text = file_text_run(prints);

	(void)state;
	assert_string_equal(text, "hello\n");
	free(text);
	assert_null(file_text_run(fails));
	assert_null(file_text_run(is_none));
	text = file_text_run(says_nothing);
	assert_string_equal(text, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_whole_with_its_zeros),
		cmocka_unit_test(what_a_program_prints_is_taken_when_it_is_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
