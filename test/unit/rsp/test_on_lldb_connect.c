#include "test/util.h"

#include "test/unit/rsp/lldb_talk.h"

#define TRIPLE                                                                           \
	"triple:7838365f36342d70632d77696e646f77732d6d737663;ptrsize:8;endian:little;"

static void each_of_its_first_packets_tells_that_it_is_lldb(void **state)
{
	(void)state;
	static const char *const words[] = { "QThreadSuffixSupported",
					     "QListThreadsInStopReply" };
	for (size_t i = 0; i < 2; i++) {
		struct talk *t = lldb_talk();
		assert_false(rsp_is_lldb(t->rsp));
		ask(t, words[i], "OK");
		assert_true(rsp_is_lldb(t->rsp));
		talk_free(t);
	}
	struct talk *t = lldb_talk();
	ask(t, "qHostInfo", TRIPLE);
	assert_true(rsp_is_lldb(t->rsp));
	talk_free(t);
}

static void the_process_is_the_one_that_there_is(void **state)
{
	(void)state;
	struct talk *t = lldb_talk();
	ask(t, "qProcessInfo", "pid:1;" TRIPLE "name:6b65726e656c;");
	talk_free(t);
}

static void a_target_that_says_nothing_of_it_supports_none_of_it(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	ask(t, "qHostInfo", "");
	ask(t, "qProcessInfo", "");
	ask(t, "qFileLoadAddress:2f78", "");
	ask(t, "qMemoryRegionInfo:0", "");
	talk_free(t);
}

static void a_file_has_its_load_address(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	ask(t, "qFileLoadAddress:2f782f6e742e657865", "fffff80000400000");
	ask(t, "qFileLoadAddress:2f782f", "E01");
	ask(t, "qFileLoadAddress:2f7", "E01");
	ask(t, "qFileLoadAddress:2f00", "E01");
	ask(t, "qFileLoadAddress:zz", "E01");
	talk_free(t);
}

static void errors_have_words_once_it_asked_for_them(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	ask(t, "m0,8", "E01");
	ask(t, "QEnableErrorStrings", "OK");
	ask(t, "m0,8", "E01;6e6f74207468657265");
	talk_free(t);
}

static void a_kill_is_answered_and_leaves(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	talk_send(t, "k", 1);
	talk_serve(t);
	expect_reply(t, "X09");
	assert_false(t->open);
	assert_int_equal(t->fake->detached, 1);
	talk_free(t);
}

static void a_detach_may_leave_the_target_as_it_stands(void **state)
{
	(void)state;
	static const char *const packets[] = { "D1", "D1;1", "D" };
	for (unsigned i = 0; i < 3; i++) {
		struct talk *t = lldb_connected();
		ask(t, "qSupportsDetachAndStayStopped:", "OK");
		ask(t, "D1;2", "E01");
		ask(t, "D2", "E01");
		assert_int_equal(lldb_stays, 0);
		ask(t, packets[i], "OK");
		assert_int_equal(lldb_stays, packets[i][1] == '1');
		assert_int_equal(t->fake->detached, 1);
		talk_free(t);
	}
	struct talk *t = talk_new();
	talk_connect(t);
	ask(t, "qSupportsDetachAndStayStopped:", "");
	ask(t, "D1", "E01"); /* not offered, and no lldb */
	assert_int_equal(t->fake->detached, 0);
	talk_free(t);
}

static void expire_inside(struct fake *f)
{
	rsp_expire(f->rsp, rsp_deadline(f->rsp));
}

static void a_slow_command_is_kept_alive_by_output_and_nothing_else_is(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	t->fake->inside = expire_inside;
	talk_send(t, "qRcmd,78", 8);
	talk_serve(t);
	expect_reply(t, "O");
	expect_reply(t, "OK");
	t->pluses = 0;
	(void)lldb_ask(t, "m1000,1");
	assert_int_equal(t->pluses, 0); /* it would take a '+' for the reply */
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_of_its_first_packets_tells_that_it_is_lldb),
		cmocka_unit_test(the_process_is_the_one_that_there_is),
		cmocka_unit_test(a_target_that_says_nothing_of_it_supports_none_of_it),
		cmocka_unit_test(a_file_has_its_load_address),
		cmocka_unit_test(errors_have_words_once_it_asked_for_them),
		cmocka_unit_test(a_kill_is_answered_and_leaves),
		cmocka_unit_test(a_detach_may_leave_the_target_as_it_stands),
		cmocka_unit_test(
			a_slow_command_is_kept_alive_by_output_and_nothing_else_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
