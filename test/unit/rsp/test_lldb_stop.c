#include "test/util.h"

#include "test/unit/rsp/lldb_talk.h"

static const char *stop(struct talk *t, enum rsp_stop_reason reason, int signal)
{
	struct rsp_stop s = {
		.reason = reason, .signal = signal, .thread = 1, .address = 0x1234
	};
	tell(t, "c");
	rsp_stop(t->rsp, &s);
	assert_true(talk_read(t));
	return t->reply;
}

static void a_stop_tells_all_that_lldb_would_ask_for(void **state)
{
	(void)state;
	lldb_libraries_due = true;
	struct talk *t = lldb_connected();
	expect_in(t->reply, "T0500:0000000000000000;");
	expect_in(t->reply, "10:1010000000000000;11:00000000;");
	expect_in(t->reply,
		  "thread:1;name:CPU 0: \"x?y\" pid 4;threads:1,2;jstopinfo:5b7b");
	expect_in(t->reply, "reason:exception;description:427265616b2d696e3b206174");
	expect_in(t->reply, "memory:0x2000=9090");
	expect_not_in(t->reply, "thread-pcs");
	talk_free(t);
}

static void reasons_are_lldbs_words(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	ask(t, "qSupported:xmlRegisters=i386;swbreak+;hwbreak+",
	    "PacketSize=20000;QStartNoAckMode+;swbreak+;hwbreak+;vContSupported+;"
	    "ConditionalBreakpoints+;qXfer:features:read+;qXfer:threads:read+;"
	    "qXfer:libraries:read+");
	expect_in(stop(t, RSP_STOP_SWBREAK, 5), "swbreak:;reason:breakpoint;");
	expect_in(stop(t, RSP_STOP_HWBREAK, 5), "hwbreak:;reason:breakpoint;");
	expect_in(stop(t, RSP_STOP_WATCH, 5), "watch:1234;reason:watchpoint;");
	expect_in(stop(t, RSP_STOP_TRACE, 5), "reason:trace;");
	expect_not_in(t->reply, "description");
	lldb_words_text = NULL;
	expect_in(stop(t, RSP_STOP_PLAIN, 2), "reason:signal;");
	talk_free(t);
}

static void news_of_modules_have_no_reason_and_cost_nothing(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	unsigned reads = t->fake->reads;
	expect_in(stop(t, RSP_STOP_LIBRARY, 0), "T00");
	expect_in(t->reply, "library:;");
	expect_not_in(t->reply, "reason:");
	expect_not_in(t->reply, "name:");
	assert_int_equal(t->fake->reads, reads);
	lldb_libraries_due = true;
	expect_in(stop(t, RSP_STOP_SWBREAK, 5), "reason:breakpoint;library:;");
	talk_free(t);
}

static void pcs_come_once_there_was_a_breakpoint(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	expect_not_in(stop(t, RSP_STOP_TRACE, 5), "thread-pcs");
	ask(t, "Z0,1010,1", "OK");
	ask(t, "z0,1010,1", "OK");
	expect_in(stop(t, RSP_STOP_TRACE, 5), "threads:1,2;thread-pcs:1010,1020;");
	talk_free(t);
}

static size_t many_threads(void *context, struct rsp_thread *out, size_t max)
{
	(void)context;
	for (size_t i = 0; i < max; i++)
		out[i] = (struct rsp_thread){ .id = (int)i + 1, .core = (unsigned)i };
	return max;
}

/* What tells of each thread is left out whole when it does not fit: lldb asks for it. */
static void with_as_many_threads_as_there_can_be_all_packets_are_whole(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	lldb_target.threads = many_threads;
	ask(t, "Z0,1010,1", "OK");
	stop(t, RSP_STOP_TRACE, 5);
	expect_in(t->reply, "threads:1,2,");
	expect_in(t->reply, ",fff,1000;");
	expect_not_in(t->reply, "jstopinfo");
	expect_in(t->reply, "reason:trace;");
	assert_string_equal(lldb_ask(t, "jThreadsInfo"), "");
	talk_free(t);
}

static enum rsp_result nothing_read(void *context, uint64_t address, uint8_t *out,
				    size_t length, size_t *done)
{
	(void)context;
	(void)address;
	(void)out;
	(void)length;
	*done = 0;
	return RSP_ERROR;
}

static enum rsp_result no_register(void *context, int thread, unsigned number,
				   uint8_t *out, bool *valid)
{
	(void)context;
	(void)thread;
	(void)number;
	(void)out;
	*valid = false;
	return RSP_ERROR;
}

static void what_cannot_be_read_is_not_told(void **state)
{
	(void)state;
	struct talk *t = lldb_connected();
	ask(t, "Z0,1010,1", "OK");
	lldb_target.read_memory = nothing_read;
	lldb_target.thread_title = NULL;
	expect_in(stop(t, RSP_STOP_TRACE, 5), "thread-pcs:");
	expect_not_in(t->reply, "memory:");
	expect_not_in(t->reply, "name:");
	lldb_target.read_register = no_register;
	expect_in(stop(t, RSP_STOP_TRACE, 5), "threads:1,2;jstopinfo:");
	expect_not_in(t->reply, "thread-pcs");
	expect_in(lldb_ask(t, "jThreadsInfo"), "\"tid\":2");
	expect_not_in(t->reply, "memory");
	lldb_target.threads = NULL;
	expect_not_in(stop(t, RSP_STOP_TRACE, 5), "threads:");
	assert_string_equal(lldb_ask(t, "jThreadsInfo"), "");
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_tells_all_that_lldb_would_ask_for),
		cmocka_unit_test(reasons_are_lldbs_words),
		cmocka_unit_test(news_of_modules_have_no_reason_and_cost_nothing),
		cmocka_unit_test(pcs_come_once_there_was_a_breakpoint),
		cmocka_unit_test(
			with_as_many_threads_as_there_can_be_all_packets_are_whole),
		cmocka_unit_test(what_cannot_be_read_is_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
