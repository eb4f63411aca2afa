#include "test/util.h"

#include "rsp/rsp.h"

static void expect_text(const char *text, const char *xml)
{
	char *exact = (char *)test_exact_copy(text, strlen(text) + 1);
	struct rsp_xml x = rsp_xml_init(1000);
	rsp_xml_text(&x, exact);
	assert_false(x.full);
	assert_string_equal(x.text, xml);
	assert_int_equal(x.length, strlen(xml));
	free(exact);
	free(x.text);
}

static void markup_in_text_is_escaped(void **state)
{
	(void)state;
	expect_text("a<b>&\"c'd", "a&lt;b&gt;&amp;&quot;c&apos;d");
}

static void characters_of_one_to_four_bytes_pass(void **state)
{
	(void)state;
	expect_text("a\tb\n", "a\tb\n");
	expect_text("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		    "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void what_xml_cannot_hold_becomes_a_question_mark(void **state)
{
	(void)state;
	expect_text("\x01x\x7f", "?x?");
	expect_text("\xff\xfe", "??");
	expect_text("a\xc3", "a?"); /* cut off */
	expect_text("\xe2\x82", "??");
	expect_text("\xf0\x9f\x98", "???");
	expect_text("\xc0\x80", "??");		 /* overlong */
	expect_text("\xed\xa0\x80", "???");	 /* a surrogate */
	expect_text("\xef\xbf\xbf", "???");	 /* U+FFFF */
	expect_text("\xf4\x90\x80\x80", "????"); /* above U+10FFFF */
}

static void attributes_are_quoted(void **state)
{
	(void)state;
	struct rsp_xml x = rsp_xml_init(100);
	rsp_xml_markup(&x, "<a n=\"%d\"", 5);
	rsp_xml_attribute(&x, "b", "\"<");
	rsp_xml_markup(&x, "/>");
	assert_string_equal(x.text, "<a n=\"5\" b=\"&quot;&lt;\"/>");
	free(x.text);
}

static void the_limit_is_kept_and_fullness_is_sticky(void **state)
{
	(void)state;
	struct rsp_xml x = rsp_xml_init(10);
	rsp_xml_markup(&x, "1234567890");
	assert_false(x.full);
	rsp_xml_text(&x, "&");
	assert_true(x.full);
	rsp_xml_markup(&x, "%s", "");
	assert_true(x.full);
	assert_string_equal(x.text, "1234567890");
	free(x.text);
}

static void it_grows_up_to_a_large_limit(void **state)
{
	(void)state;
	struct rsp_xml x = rsp_xml_init(100000);
	for (size_t i = 0; i < 100000; i++)
		rsp_xml_text(&x, "x");
	assert_false(x.full);
	assert_int_equal(strlen(x.text), 100000);
	free(x.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_in_text_is_escaped),
		cmocka_unit_test(characters_of_one_to_four_bytes_pass),
		cmocka_unit_test(what_xml_cannot_hold_becomes_a_question_mark),
		cmocka_unit_test(attributes_are_quoted),
		cmocka_unit_test(the_limit_is_kept_and_fullness_is_sticky),
		cmocka_unit_test(it_grows_up_to_a_large_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
