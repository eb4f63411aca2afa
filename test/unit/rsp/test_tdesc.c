#include "test/util.h"

#include "rsp/conn.h"
#include "test/unit/rsp/fake_target.h"

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;
	for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
		count++;
	return count;
}

/* Every element is closed by its own name, in order. */
static void expect_well_formed(const char *xml)
{
	char open[16][32];
	size_t depth = 0;
	const char *at = strstr(xml, "?>");
	assert_non_null(at);
	while ((at = strchr(at, '<')) != NULL) {
		const char *end = strchr(at, '>');
		assert_non_null(end);
		size_t name = strcspn(at + 1, " />");
		if (at[1] == '/') {
			assert_true(depth > 0);
			name = strcspn(at + 2, ">");
			assert_int_equal(strlen(open[depth - 1]), name);
			assert_memory_equal(open[--depth], at + 2, name);
		} else if (end[-1] != '/') {
			assert_true(depth < 16 && name < 32);
			(void)snprintf(open[depth++], 32, "%.*s", (int)name, at + 1);
		}
		at = end;
	}
	assert_int_equal(depth, 0);
}

static void an_amd64_table_becomes_target_xml(void **state)
{
	(void)state;
	size_t length;
	char *xml = tdesc_build(&fake_table, &length);
	assert_non_null(xml);
	assert_int_equal(strlen(xml), length);
	expect_well_formed(xml);
	assert_non_null(strstr(xml, "<architecture>i386:x86-64</architecture>"));
	assert_int_equal(count_of(xml, "<reg "), FAKE_REGISTERS);
	assert_int_equal(count_of(xml, "<feature "), 3);
	assert_non_null(
		strstr(xml, "<reg name=\"rip\" bitsize=\"64\" type=\"code_ptr\"/>"));
	assert_non_null(strstr(
		xml,
		"<reg name=\"st0\" bitsize=\"80\" type=\"i387_ext\" group=\"float\"/>"));
	assert_null(strstr(xml, "osabi"));
	free(xml);
}

static void types_come_before_their_registers_and_once(void **state)
{
	(void)state;
	size_t length;
	char *xml = tdesc_build(&fake_table, &length);
	const char *flags = strstr(xml, "<flags id=\"i386_eflags\" size=\"4\">");
	assert_non_null(flags);
	assert_true(flags < strstr(xml, "name=\"rax\""));
	assert_non_null(strstr(flags, "<field name=\"ZF\" start=\"6\" end=\"6\"/>"));
	assert_int_equal(count_of(xml, "<union id=\"vec128\">"), 1);
	assert_true(strstr(xml, "<union id=") < strstr(xml, "name=\"xmm0\""));
	assert_true(strstr(xml, "<union id=") > strstr(xml, "i386.sse"));
	free(xml);
}

static void names_are_escaped(void **state)
{
	(void)state;
	static const struct rsp_register odd[] = {
		{ "a<\"b", "uint32", NULL, "f&", 32, true, false },
	};
	struct rsp_description d = { .architecture = "x>y",
				     .registers = odd,
				     .count = 1 };
	size_t length;
	char *xml = tdesc_build(&d, &length);
	assert_non_null(strstr(xml, "<reg name=\"a&lt;&quot;b\" bitsize=\"32\""));
	assert_non_null(strstr(xml, "<feature name=\"f&amp;\">"));
	expect_well_formed(xml);
	free(xml);
}

static void a_table_without_rows_is_still_xml(void **state)
{
	(void)state;
	struct rsp_description d = { .architecture = "i386" };
	size_t length;
	char *xml = tdesc_build(&d, &length);
	expect_well_formed(xml);
	free(xml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_amd64_table_becomes_target_xml),
		cmocka_unit_test(types_come_before_their_registers_and_once),
		cmocka_unit_test(names_are_escaped),
		cmocka_unit_test(a_table_without_rows_is_still_xml),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
