#include "test/util.h"

#include "rsp/json.h"

static void make(struct json *j)
{
	json_open(j, NULL, '[');
	json_open(j, NULL, '{');
	json_number(j, "n", UINT64_MAX);
	json_text(j, "t", "a\"b\\c\n\xff");
	json_close(j, '}');
	json_open(j, NULL, '{');
	json_hex(j, "h", "\x01\xab", 2);
	json_open(j, "e", '[');
	json_close(j, ']');
	json_close(j, '}');
	json_close(j, ']');
}

static const char whole[] = "[{\"n\":18446744073709551615,\"t\":\"a\\\"b\\\\c??\"},"
			    "{\"h\":\"01ab\",\"e\":[]}]";

static void members_and_elements_have_their_commas(void **state)
{
	(void)state;
	char room[256];
	struct json j = json_init(room, sizeof(room));
	make(&j);
	assert_false(j.full);
	assert_int_equal(j.length, strlen(whole));
	assert_memory_equal(room, whole, j.length);
}

static void too_small_a_room_is_told_and_never_left(void **state)
{
	(void)state;
	for (size_t size = 0; size < strlen(whole); size++) {
		char *room = malloc(size + 1);
		assert_non_null(room);
		room[size] = '!';
		struct json j = json_init(room, size);
		make(&j);
		assert_true(j.full);
		assert_true(j.length <= size);
		assert_int_equal(room[size], '!');
		free(room);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_elements_have_their_commas),
		cmocka_unit_test(too_small_a_room_is_told_and_never_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
