#include "test/util.h"

#include "test/unit/rsp/lldb_talk.h"

static void a_binary_read_has_no_prefix_and_escapes(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	memcpy(t->fake->memory, "ab}#", 4);
	ask(t, "x0,0", "OK");
	ask(t, "x1000,4", "ab}]}\x03");
	ask(t, "x0,10", "E01");
	ask(t, "x1000", "E01");
	ask(t, "x1000,0", "OK");
	talk_free(t);
}

static void a_short_read_gives_the_prefix(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	(void)lldb_ask(t, "x20ffe,200");
	assert_int_equal(t->reply_length, 2);
	talk_free(t);
}

static void gdb_is_told_that_there_is_no_such_packet(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	ask(t, "x1000,4", "");
	ask(t, "x0,0", "");
	talk_free(t);
}

static void regions_have_rights_and_gaps_have_none(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	ask(t, "qMemoryRegionInfo:0", "start:0;size:1000;");
	ask(t, "qMemoryRegionInfo:1234",
	    "start:1000;size:20000;permissions:rx;name:6e74;");
	ask(t, "qMemoryRegionInfo:1", "E01");
	ask(t, "qMemoryRegionInfo:", "E01");
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_binary_read_has_no_prefix_and_escapes),
		cmocka_unit_test(a_short_read_gives_the_prefix),
		cmocka_unit_test(gdb_is_told_that_there_is_no_such_packet),
		cmocka_unit_test(regions_have_rights_and_gaps_have_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
