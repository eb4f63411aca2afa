/* Detach, kill, a lost connection, and what follows in extended mode. RSP.md §7. */
#include "test/util.h"

#include "rsp/conn.h"
#include "test/unit/rsp/talk.h"

static void detach_and_kill_end_a_plain_session(void **state)
{
	(void)state;
	static const struct {
		const char *request, *reply;
	} cases[] = { { "D", "OK" },
		      { "D;1", "OK" },
		      { "vKill;a410", "OK" },
		      { "vKill;1", "OK" },
		      { "k", NULL } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int running = 0; running < 2; running++) {
			struct talk *t = talk_new();
			talk_connect(t);
			if (running)
				tell(t, "vCont;c");
			if (cases[i].reply)
				ask(t, cases[i].request, cases[i].reply);
			else
				tell(t, cases[i].request);
			assert_false(t->open);
			assert_int_equal(t->fake->detached, 1);
			assert_int_equal(t->fake->gone, 0);
			rsp_stop(t->rsp, &t->fake->stop); /* too late */
			expect_silence(t);
			rsp_closed(t->rsp);
			assert_int_equal(t->fake->detached, 1);
			talk_free(t);
		}
	}
}

static void another_process_is_not_detached(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	ask(t, "D;2", "E01");
	ask(t, "D1", "E01"); /* lldb's "stay stopped" */
	ask(t, "D;", "E01");
	assert_true(t->open);
	assert_int_equal(t->fake->detached, 0);
	talk_free(t);
}

static void extended_mode_stays_after_detach_and_attaches_again(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	ask(t, "!", "OK");
	talk_connect(t);
	assert_true(rsp_is_extended(t->rsp));
	ask(t, "D;1", "OK");
	assert_true(t->open);
	assert_int_equal(t->fake->detached, 1);
	ask(t, "qfThreadInfo", "l");
	ask(t, "qXfer:threads:read::0,1000",
	    "l<?xml version=\"1.0\"?>\n<threads>\n</threads>\n");
	ask(t, "qXfer:libraries:read::0,1000", "E01");
	ask(t, "m1000,4", "E01");
	ask(t, "Z0,1000,1", "E01");
	ask(t, "?", "W00");
	ask(t, "vRun;", "E01");
	ask(t, "vAttach;x", "E01");
	talk_send(t, "vAttach;1", 9);
	talk_serve(t);
	assert_true(talk_read(t));
	assert_memory_equal(t->reply, "T05", 3);
	assert_int_equal(t->fake->attach_process, 1);
	ask(t, "qfThreadInfo", "mp1.1,p1.2");
	ask(t, "vKill;1", "OK");
	assert_true(t->open);
	assert_int_equal(t->fake->detached, 2);
	rsp_closed(t->rsp);
	assert_int_equal(t->fake->detached, 2);
	assert_int_equal(t->fake->attached, 1);
	talk_free(t);
}

static void no_process_is_w00_and_no_threads(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	t->fake->no_process = true;
	ask(t, "!", "OK");
	ask(t, "?", "W00");
	ask(t, "qfThreadInfo", "l");
	ask(t, "vAttach;1", "E01");
	t->fake->no_process = false; /* it has come meanwhile */
	talk_send(t, "?", 1);
	talk_serve(t);
	assert_true(talk_read(t));
	assert_memory_equal(t->reply, "T05", 3);
	rsp_closed(t->rsp);
	assert_int_equal(t->fake->detached, 1);
	assert_int_equal(t->fake->gone, 1);
	talk_free(t);
}

static void a_lost_connection_is_a_detach(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	tell(t, "vCont;c");
	rsp_closed(t->rsp);
	rsp_closed(t->rsp);
	assert_int_equal(t->fake->detached, 1);
	assert_int_equal(t->fake->gone, 1);
	assert_false(rsp_is_running(t->rsp));
	talk_free(t);

	t = talk_new(); /* one that never was a client */
	rsp_closed(t->rsp);
	assert_int_equal(t->fake->detached, 0);
	talk_free(t);
}

static void a_restart_is_refused(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	ask(t, "R00", "E01");
	ask(t, "vRun;2f62", "E01");
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detach_and_kill_end_a_plain_session),
		cmocka_unit_test(another_process_is_not_detached),
		cmocka_unit_test(extended_mode_stays_after_detach_and_attaches_again),
		cmocka_unit_test(no_process_is_w00_and_no_threads),
		cmocka_unit_test(a_lost_connection_is_a_detach),
		cmocka_unit_test(a_restart_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
