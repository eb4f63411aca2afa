#include "test/util.h"

#include "test/unit/rsp/lldb_talk.h"

static void registers_are_of_the_thread_in_the_suffix(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	ask(t, "p10;thread:0001;", "1010000000000000");
	ask(t, "p10;thread:0002;", "2010000000000000");
	ask(t, "p10", "1010000000000000");
	ask(t, "P10=3010000000000000;thread:2;", "OK");
	ask(t, "p10;thread:2;", "3010000000000000");
	ask(t, "p10;thread:3;", "E01");
	ask(t, "p10;thread:2", "E01");
	ask(t, "p10;", "E01");
	ask(t, "P10=3010;thread:2;", "E01");
	(void)lldb_ask(t, "g;thread:2;");
	assert_int_not_equal(t->reply[0], 'E');
	talk_free(t);
}

static void without_the_flag_a_suffix_is_an_error(void **state)
{
	(void)state;
	struct talk *t = lldb_talk();
	ask(t, "qHostInfo",
	    "triple:7838365f36342d70632d77696e646f77732d6d737663;ptrsize:8;endian:little;");
	(void)lldb_ask(t, "?");
	ask(t, "p10;thread:2;", "E01");
	talk_free(t);
}

static void all_threads_come_as_json_with_the_registers_that_are_known(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	(void)lldb_ask(t, "jThreadsInfo");
	t->reply[client_unescape((uint8_t *)t->reply, t->reply_length)] = '\0';
	expect_in(t->reply,
		  "[{\"tid\":1,\"name\":\"CPU 0: \\\"x;y\\\" pid 4\","
		  "\"reason\":\"exception\",\"signal\":5,"
		  "\"description\":\"Break-in; at {10}\",\"registers\":{\"0\":");
	expect_in(t->reply, "\"16\":\"1010000000000000\"");
	expect_in(t->reply, "\"memory\":[{\"address\":8192,\"bytes\":\"9090");
	expect_in(t->reply, "},{\"tid\":2,\"name\":\"CPU 1: \\\"x;y\\\" pid 4\"}]");
	lldb_others_known = true;
	(void)lldb_ask(t, "jThreadsInfo");
	expect_in(t->reply, "\"16\":\"2010000000000000\"");
	talk_free(t);
}

static void each_thread_has_a_stop_of_its_own(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	ask(t, "qThreadStopInfo2", "T00thread:2;name:CPU 1: \"x?y\" pid 4;");
	expect_in(lldb_ask(t, "qThreadStopInfo1"), "reason:exception;");
	ask(t, "qThreadStopInfo3", "E01");
	ask(t, "qThreadStopInfo", "E01");
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_are_of_the_thread_in_the_suffix),
		cmocka_unit_test(without_the_flag_a_suffix_is_an_error),
		cmocka_unit_test(
			all_threads_come_as_json_with_the_registers_that_are_known),
		cmocka_unit_test(each_thread_has_a_stop_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
