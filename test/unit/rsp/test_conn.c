/* One client's conversation: connecting, states, leaving, acks, keep-alive, console. */
#include "test/util.h"

#include "rsp/conn.h"
#include "test/unit/rsp/talk.h"

#define OFFERS                                                                           \
	"swbreak+;hwbreak+;vContSupported+;ConditionalBreakpoints+;"                     \
	"qXfer:features:read+;qXfer:threads:read+;"                                      \
	"qXfer:libraries:read+"

/* ---- connecting, RSP.md §1 ---- */

static void gdb_connects_with_multiprocess(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	ask(t, GDB_FEATURES, "PacketSize=20000;QStartNoAckMode+;multiprocess+;" OFFERS);
	ask(t, "vMustReplyEmpty", "");
	ask(t, "QStartNoAckMode", "OK");
	assert_int_equal(t->pluses, 3); /* that packet is still acknowledged */
	ask(t, "Hgp0.0", "OK");
	ask(t, "qTStatus", "");
	ask(t, "?",
	    "T0506:0000000000000000;07:0020000000000000;10:1010000000000000;"
	    "thread:p1.1;");
	ask(t, "qAttached:1", "1");
	ask(t, "Hcp1.-1", "OK");
	ask(t, "qOffsets", "");
	ask(t, "qSymbol::", "OK");
	ask(t, "qC", "QCp1.1");
	ask(t, "qfThreadInfo", "mp1.1,p1.2");
	ask(t, "qsThreadInfo", "l");
	ask(t, "Tp1.2", "OK");
	ask(t, "Tp1.3", "E01");
	ask(t, "Hgp1.2", "OK");
	ask(t, "qC", "QCp1.2");
	ask(t, "p10", "2010000000000000");
	ask(t, "vCont?", "vCont;c;C;s;S;t;r");
	assert_int_equal(t->pluses, 3);
	assert_int_equal(t->fake->attached, 1);
	assert_int_equal(t->fake->descriptions, 1);
	talk_free(t);
}

static void lldb_says_multiprocess_and_does_not_get_it(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	ask(t, "QStartNoAckMode", "OK");
	ask(t, "qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+;fork-events+",
	    "PacketSize=20000;QStartNoAckMode+;" OFFERS);
	ask(t, "?",
	    "T0506:0000000000000000;07:0020000000000000;10:1010000000000000;thread:1;");
	ask(t, "qC", "QC1");
	ask(t, "qfThreadInfo", "m1,2");
	talk_free(t);
}

static void what_the_target_does_not_have_is_not_offered(void **state)
{
	(void)state;
	static const struct rsp_target bare = { .documents = NULL };
	struct talk *t = talk_new_with(&bare);
	ask(t, "qSupported",
	    "PacketSize=20000;QStartNoAckMode+;swbreak+;hwbreak+;vContSupported+");
	ask(t, "qXfer:libraries:read::0,1000", "");
	ask(t, "qXfer:threads:read::0,1000", "");
	ask(t, "?", "W00");
	ask(t, "vAttach;1", "");
	ask(t, "qRcmd,61", "");
	ask(t, "g", "E01");
	ask(t, "qC", "E01");
	tell(t, "k");
	assert_false(t->open);
	talk_free(t);
}

static void the_first_valid_packet_makes_a_client(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_bytes(t, "+\x03-$?#3e$?", 10);
	assert_true(t->open);
	assert_false(rsp_is_client(t->rsp));
	talk_serve(t);
	assert_int_equal(t->fake->attached, 0);
	talk_bytes(t, "#3f", 3);
	assert_true(rsp_is_client(t->rsp));
	assert_int_equal(t->fake->attached, 0); /* not before it is served */
	assert_true(rsp_has_work(t->rsp));
	talk_serve(t);
	assert_int_equal(t->fake->attached, 1);
	assert_int_equal(t->fake->interrupts, 0);
	talk_free(t);
}

static void what_cannot_be_rsp_is_not_taken(void **state)
{
	(void)state;
	static const char *const others[] = {
		"GET / HTTP/1.1\r\n", "\x16\x03\x01", "\n", "SSH-2.0-x", "#00", "%Stop:"
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct talk *t = talk_new();
		talk_bytes(t, others[i], strlen(others[i]));
		assert_false(t->open);
		assert_false(rsp_is_client(t->rsp));
		talk_free(t);
	}
}

static void a_client_may_be_followed_by_noise(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	talk_bytes(t, "noise\n", 6);
	assert_true(t->open);
	ask(t, "qAttached", "1");
	talk_free(t);
}

static void an_oversize_packet_closes(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	char *large = malloc(RSP_PACKET_MAX + 2);
	assert_non_null(large);
	memset(large, 'x', RSP_PACKET_MAX + 2);
	large[0] = '$';
	talk_bytes(t, large, RSP_PACKET_MAX + 1);
	assert_true(t->open);
	talk_bytes(t, large + 1, 1);
	assert_false(t->open);
	free(large);
	talk_free(t);
}

/* ---- acks ---- */

static void a_wrong_checksum_is_asked_for_again(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_bytes(t, "$?#00", 5);
	talk_serve(t);
	expect_silence(t);
	assert_int_equal(t->minuses, 1);
	assert_int_equal(t->pluses, 0);
	talk_free(t);
}

static void a_reply_is_sent_again_until_it_is_acknowledged(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	ask(t, "qAttached", "1");
	for (int i = 0; i < RSP_RESENDS_MAX; i++) {
		talk_bytes(t, "-", 1);
		expect_reply(t, "1");
	}
	talk_bytes(t, "-", 1); /* enough of it */
	expect_silence(t);
	ask(t, "qAttached", "1");
	talk_bytes(t, "+-", 2);
	expect_silence(t);
	talk_free(t);
}

/* gdb says it after each timeout; RSP.md §6. */
static void minus_is_ignored_without_acks(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	ask(t, "QStartNoAckMode", "OK");
	talk_bytes(t, "-", 1);
	expect_silence(t);
	ask(t, "qAttached", "1");
	talk_bytes(t, "---", 3);
	expect_silence(t);
	talk_free(t);
}

/* ---- serving ---- */

static void packets_are_answered_in_order(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	talk_send(t, "qC", 2);
	talk_send(t, "qAttached", 9);
	talk_send(t, "", 0);
	talk_serve(t);
	expect_reply(t, "QCp1.1");
	expect_reply(t, "1");
	expect_reply(t, "");
	expect_silence(t);
	talk_free(t);
}

static void receive_inside(struct fake *f)
{
	static const char more[] = "$qC#b4\x03";
	assert_true(rsp_is_busy(f->rsp));
	assert_true(rsp_receive(f->rsp, (const uint8_t *)more, sizeof(more) - 1, 0));
	assert_int_equal(f->interrupts, 1); /* noticed at once */
	assert_false(rsp_has_work(f->rsp));
	assert_true(rsp_serve(f->rsp, 0)); /* does nothing */
	assert_false(rsp_console(f->rsp, "x", 1));
	f->inside = NULL;
}

static void what_comes_inside_a_target_function_waits(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	t->fake->inside = receive_inside;
	talk_send(t, "m1000,2", 7);
	talk_serve(t);
	expect_reply(t, "9090");
	expect_reply(t, "QCp1.1");
	expect_silence(t);
	talk_free(t);
}

static void nothing_is_asked_while_the_owner_is_busy(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	t->fake->is_busy = true;
	talk_send(t, "?", 1);
	assert_false(rsp_has_work(t->rsp));
	talk_serve(t);
	expect_silence(t);
	assert_int_equal(t->fake->attached, 0);
	t->fake->is_busy = false;
	talk_serve(t);
	assert_true(talk_read(t));
	talk_free(t);
}

static void a_client_that_does_not_read_is_not_served_further(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	uint64_t seed = 1; /* so that no run shortens it */
	for (size_t i = 0; i < FAKE_MEMORY_SIZE; i++)
		t->fake->memory[i] = (uint8_t)test_random(&seed);
	for (size_t i = 0; i < 100; i++)
		talk_send(t, "m1000,10000", 11);
	talk_serve(t);
	size_t waiting;
	(void)rsp_output(t->rsp, &waiting);
	assert_true(waiting <= FRAME_OUTPUT_SIZE);
	assert_true(t->fake->reads < 10);
	assert_false(rsp_has_work(t->rsp));
	for (size_t i = 0; i < 100; i++) {
		assert_true(talk_read(t));
		assert_int_equal(t->reply_length, 0x20000);
		talk_serve(t);
	}
	assert_int_equal(t->fake->reads, 100);
	talk_free(t);
}

/* ---- the keep-alive, RSP.md §6 ---- */

static void plus_inside(struct fake *f)
{
	size_t length;
	uint64_t first = rsp_deadline(f->rsp);
	assert_int_equal(first, 5000000 + RSP_KEEPALIVE_US);
	rsp_expire(f->rsp, first - 1);
	(void)rsp_output(f->rsp, &length);
	assert_int_equal(length, 0);
	rsp_expire(f->rsp, first);
	rsp_expire(f->rsp, first + 10);
	(void)rsp_output(f->rsp, &length);
	assert_int_equal(length, 1);
	assert_int_equal(rsp_deadline(f->rsp), first + RSP_KEEPALIVE_US);
	rsp_expire(f->rsp, first + RSP_KEEPALIVE_US);
	(void)rsp_output(f->rsp, &length);
	assert_int_equal(length, 2);
}

static void a_plus_goes_out_each_second_while_a_packet_is_served(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	t->now_us = 5000000;
	assert_int_equal(rsp_deadline(t->rsp), UINT64_MAX);
	t->fake->inside = plus_inside;
	t->pluses = 0;
	ask(t, "m1000,1", "90");
	assert_int_equal(t->pluses, 2);
	t->fake->inside = NULL;
	assert_int_equal(rsp_deadline(t->rsp), UINT64_MAX);
	talk_send(t, "?", 1); /* also while one waits for the owner */
	assert_int_equal(rsp_deadline(t->rsp), t->now_us + RSP_KEEPALIVE_US);
	talk_serve(t);
	assert_true(talk_read(t));
	tell(t, "vCont;c");
	assert_int_equal(rsp_deadline(t->rsp), UINT64_MAX); /* gdb waits for ever */
	talk_free(t);
}

/* ---- running ---- */

static void packets_wait_for_the_stop(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	tell(t, "vCont;c");
	assert_true(rsp_is_running(t->rsp));
	tell(t, "g");
	tell(t, "qC");
	assert_false(rsp_has_work(t->rsp));
	rsp_stop(t->rsp, &(struct rsp_stop){ .signal = 5, .thread = 2 });
	assert_false(rsp_is_running(t->rsp));
	talk_serve(t);
	assert_true(talk_read(t));
	assert_non_null(strstr(t->reply, "thread:p1.2;"));
	assert_true(talk_read(t)); /* the registers of the thread that stopped */
	assert_non_null(strstr(t->reply, "2010000000000000"));
	expect_reply(t, "QCp1.2");
	expect_silence(t);
	talk_free(t);
}

static void a_second_stop_is_not_told(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	rsp_stop(t->rsp, &t->fake->stop);
	rsp_exited(t->rsp);
	expect_silence(t);
	ask(t, "qC", "QCp1.1");
	talk_free(t);
}

static void a_stop_inside_resume_is_the_reply(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	t->fake->stop_at_once = true;
	t->fake->refuse_resume = true; /* what it says afterwards comes too late */
	talk_send(t, "vCont;s:p1.1", 12);
	talk_serve(t);
	assert_true(talk_read(t));
	assert_memory_equal(t->reply, "T05", 3);
	expect_silence(t);
	assert_false(rsp_is_running(t->rsp));
	talk_free(t);
}

static void a_refused_resume_is_an_error_and_nothing_runs(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	t->fake->refuse_resume = true;
	ask(t, "vCont;c", "E01");
	assert_false(rsp_is_running(t->rsp));
	ask(t, "qC", "QCp1.1");
	talk_free(t);
}

static void the_interrupt_byte_reaches_the_target_at_once(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	talk_bytes(t, "\x03", 1); /* stopped: the owner ignores it */
	assert_int_equal(t->fake->interrupts, 1);
	tell(t, "vCont;c");
	assert_int_equal(t->fake->interrupts, 1); /* and it is not kept */
	talk_bytes(t, "\x03", 1);
	assert_int_equal(t->fake->interrupts, 2);
	talk_free(t);
}

static void an_interrupt_behind_a_queued_resume_is_told_again(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	talk_send(t, "vCont;c", 7);
	talk_bytes(t, "\x03", 1);
	assert_int_equal(t->fake->interrupts, 1); /* nothing ran yet */
	talk_serve(t);
	assert_int_equal(t->fake->interrupts, 2);
	talk_free(t);
}

static void a_target_that_is_gone_is_an_exit(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	ask(t, "!", "OK");
	ask(t, "?",
	    "T0506:0000000000000000;07:0020000000000000;10:1010000000000000;thread:1;");
	tell(t, "vCont;c");
	rsp_exited(t->rsp);
	expect_reply(t, "W00"); /* with a process gdb would crash here */
	ask(t, "qfThreadInfo", "l");
	ask(t, "g", "E01");
	ask(t, "m1000,4", "E01");
	ask(t, "vCont;c", "E01");
	ask(t, "T1", "E01");
	assert_int_equal(t->fake->detached, 0);
	talk_free(t);

	t = talk_new();
	talk_connect(t);
	tell(t, "vCont;c");
	rsp_exited(t->rsp);
	expect_reply(t, "W00;process:1");
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gdb_connects_with_multiprocess),
		cmocka_unit_test(lldb_says_multiprocess_and_does_not_get_it),
		cmocka_unit_test(what_the_target_does_not_have_is_not_offered),
		cmocka_unit_test(the_first_valid_packet_makes_a_client),
		cmocka_unit_test(what_cannot_be_rsp_is_not_taken),
		cmocka_unit_test(a_client_may_be_followed_by_noise),
		cmocka_unit_test(an_oversize_packet_closes),
		cmocka_unit_test(a_wrong_checksum_is_asked_for_again),
		cmocka_unit_test(a_reply_is_sent_again_until_it_is_acknowledged),
		cmocka_unit_test(minus_is_ignored_without_acks),
		cmocka_unit_test(packets_are_answered_in_order),
		cmocka_unit_test(what_comes_inside_a_target_function_waits),
		cmocka_unit_test(nothing_is_asked_while_the_owner_is_busy),
		cmocka_unit_test(a_client_that_does_not_read_is_not_served_further),
		cmocka_unit_test(a_plus_goes_out_each_second_while_a_packet_is_served),
		cmocka_unit_test(packets_wait_for_the_stop),
		cmocka_unit_test(a_second_stop_is_not_told),
		cmocka_unit_test(a_stop_inside_resume_is_the_reply),
		cmocka_unit_test(a_refused_resume_is_an_error_and_nothing_runs),
		cmocka_unit_test(the_interrupt_byte_reaches_the_target_at_once),
		cmocka_unit_test(an_interrupt_behind_a_queued_resume_is_told_again),
		cmocka_unit_test(a_target_that_is_gone_is_an_exit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
