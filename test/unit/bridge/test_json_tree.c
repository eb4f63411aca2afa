#include "bridge/setup/json_tree.h"
#include "test/util.h"

static bool parses(const char *text)
{
	/* exactly as long, for ASan: the reader must not look behind */
	size_t length = strlen(text);
	uint8_t *copy = test_exact_copy(text, length);
	struct json_tree j;
	bool good = json_tree_parse(&j, (const char *)copy, length);

	json_tree_free(&j);
	free(copy);
	return good;
}

static void values_are_found_by_name(void **state)
{
	static const char text[] =
		" { \"a\" : [1, 2.5, \"x\\\"y\", {}, []], \"b\": {\"c\": null, \"d\": 65535}}\n";
	struct json_tree j;
	uint64_t number;
	int list, item;

	(void)state;
	assert_true(json_tree_parse(&j, text, strlen(text)));
	list = json_tree_member(&j, 0, "a");
	item = json_tree_first(&j, list);
	assert_true(json_tree_number(&j, item, &number));
	assert_int_equal(number, 1);
	item = json_tree_next(&j, list, item);
	assert_false(json_tree_number(&j, item, &number));
	item = json_tree_next(&j, list, item);
	assert_true(json_tree_is_text(&j, item, "x\\\"y"));
	item = json_tree_next(&j, list, item);
	assert_true(json_tree_is_type(&j, item, JSON_OBJECT));
	assert_int_equal(json_tree_first(&j, item), JSON_NONE);
	item = json_tree_next(&j, list, item);
	assert_int_equal(json_tree_first(&j, item), JSON_NONE);
	assert_int_equal(json_tree_next(&j, list, item), JSON_NONE);
	item = json_tree_member(&j, json_tree_member(&j, 0, "b"), "d");
	assert_true(json_tree_number(&j, item, &number));
	assert_int_equal(number, 65535);
	assert_int_equal(json_tree_member(&j, list, "a"), JSON_NONE);
	assert_int_equal(json_tree_member(&j, JSON_NONE, "a"), JSON_NONE);
	assert_int_equal(json_tree_next(&j, JSON_NONE, 0), JSON_NONE);
	assert_false(json_tree_number(&j, JSON_NONE, &number));
	json_tree_free(&j);
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const bad[] = { "",		"{",	    "[1",    "[1,]",
					   "{\"a\"}",	"{\"a\":}", "{a:1}", "\"abc",
					   "\"\\",	"1 2",	    "]",     "[1 2]",
					   "{\"a\":1,}" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parses(bad[i]))
			fail_msg("%s was taken", bad[i]);
}

static void depth_is_bounded(void **state)
{
	char deep[2 * JSON_DEPTH_MAX + 3];

	(void)state;
	memset(deep, '[', JSON_DEPTH_MAX + 1);
	memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	deep[2 * JSON_DEPTH_MAX + 2] = '\0';
	assert_false(parses(deep));
	deep[2 * JSON_DEPTH_MAX + 1] = '\0';
	assert_true(parses(deep + 1));
}

static void every_truncation_is_refused(void **state)
{
	static const char text[] = "{\"nftables\": [{\"rule\": {\"expr\": [true, -1]}}]}";

	(void)state;
	assert_true(parses(text));
	for (size_t length = 0; length < strlen(text); length++) {
		char *cut = strndup(text, length);

		assert_false(parses(cut));
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_by_name),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(every_truncation_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
