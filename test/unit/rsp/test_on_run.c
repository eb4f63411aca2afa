/* vCont in all its forms, hostile ones, and c, C, s, S. */
#include "test/util.h"

#include "rsp/conn.h"
#include "test/unit/rsp/talk.h"

static void stop_again(struct talk *t)
{
	rsp_stop(t->rsp, &t->fake->stop);
	assert_true(talk_read(t));
}

static void expect_actions(struct talk *t, const char *request,
			   const struct rsp_resume_action *actions, size_t count)
{
	tell(t, request);
	assert_true(rsp_is_running(t->rsp));
	assert_int_equal(t->fake->resume.count, count);
	for (size_t i = 0; i < count; i++) {
		const struct rsp_resume_action *got = &t->fake->resume.actions[i];
		assert_int_equal(got->kind, actions[i].kind);
		assert_int_equal(got->signal, actions[i].signal);
		assert_int_equal(got->thread, actions[i].thread);
		assert_int_equal(got->start, actions[i].start);
		assert_int_equal(got->end, actions[i].end);
	}
	stop_again(t);
}

static void every_form_of_vcont_is_understood(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		size_t count;
		struct rsp_resume_action actions[3];
	} cases[] = {
		{ "vCont;c", 1, { { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "vCont;s:p1.1;c",
		  2,
		  { { RSP_STEP, 0, 1, 0, 0 }, { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "vCont;s:2", 1, { { RSP_STEP, 0, 2, 0, 0 } } },
		{ "vCont;s:p1.1;c:p1.-1",
		  2,
		  { { RSP_STEP, 0, 1, 0, 0 }, { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "vCont;C0b:1;c",
		  2,
		  { { RSP_CONTINUE, 11, 1, 0, 0 }, { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "vCont;S04:p1.2", 1, { { RSP_STEP, 4, 2, 0, 0 } } },
		{ "vCont;r1000,1010:p1.1;c",
		  2,
		  { { RSP_RANGE_STEP, 0, 1, 0x1000, 0x1010 },
		    { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "vCont;r1000,1000:1", 1, { { RSP_STEP, 0, 1, 0x1000, 0x1000 } } },
		{ "vCont;rffffffff00000000,ffffffffffffffff:1",
		  1,
		  { { RSP_RANGE_STEP, 0, 1, 0xffffffff00000000, UINT64_MAX } } },
		{ "vCont;t:1;c", 1, { { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "vCont;c:0", 1, { { RSP_CONTINUE, 0, 1, 0, 0 } } },
		{ "vCont;c:p1", 1, { { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "vCont;c:p-1.-1", 1, { { RSP_CONTINUE, 0, -1, 0, 0 } } },
	};
	struct talk *t = talk_new();
	talk_connect(t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_actions(t, cases[i].request, cases[i].actions, cases[i].count);
	talk_free(t);
}

static void a_vcont_that_makes_no_sense_resumes_nothing(void **state)
{
	(void)state;
	static const char *const hostile[] = {
		"vCont;",
		"vCont;;",
		"vCont;;c",
		"vCont;x",
		"vCont;cc",
		"vCont;c:",
		"vCont;c:3",
		"vCont;c:p2.1",
		"vCont;c:-2",
		"vCont;C",
		"vCont;C:1",
		"vCont;C100",
		"vCont;C0b;S",
		"vCont;s:1:2",
		"vCont;r",
		"vCont;r1000",
		"vCont;r1000,",
		"vCont;r,1000",
		"vCont;r2000,1000",
		"vCont;r1000,1010,1",
		"vCont;t",
		"vCont;t:1",
		"vCont;tt;c",
		"vCont;c:ffffffff",
		"vCont;s:p1.",
		"vCont;c 1",
		"vCont;r10000000000000000,1",
	};
	struct talk *t = talk_new();
	talk_connect(t);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++)
		ask(t, hostile[i], "E01");
	assert_int_equal(t->fake->resumes, 0);
	talk_free(t);
}

static void as_many_actions_as_there_is_room_and_no_more(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	char request[8 + 4 * (RSP_RESUME_ACTIONS + 1)] = "vCont";
	for (size_t i = 0; i < RSP_RESUME_ACTIONS; i++)
		(void)strcat(request, ";c:1");
	tell(t, request);
	assert_int_equal(t->fake->resume.count, RSP_RESUME_ACTIONS);
	stop_again(t);
	(void)strcat(request, ";c");
	ask(t, request, "E01");
	talk_free(t);
}

static void the_old_packets_become_actions(void **state)
{
	(void)state;
	static const struct {
		const char *thread, *request;
		size_t count;
		struct rsp_resume_action actions[2];
	} cases[] = {
		{ "Hc-1", "c", 1, { { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "Hc0",
		  "s",
		  2,
		  { { RSP_STEP, 0, 1, 0, 0 }, { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "Hc2", "s", 1, { { RSP_STEP, 0, 2, 0, 0 } } },
		{ "Hcp1.2", "c", 1, { { RSP_CONTINUE, 0, 2, 0, 0 } } },
		{ "Hc-1",
		  "C0b",
		  2,
		  { { RSP_CONTINUE, 11, 1, 0, 0 }, { RSP_CONTINUE, 0, -1, 0, 0 } } },
		{ "Hc1", "S04;1040", 1, { { RSP_STEP, 4, 1, 0, 0 } } },
		{ "Hc-1",
		  "c1050",
		  2,
		  { { RSP_CONTINUE, 0, 1, 0, 0 }, { RSP_CONTINUE, 0, -1, 0, 0 } } },
	};
	struct talk *t = talk_new();
	talk_connect(t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ask(t, cases[i].thread, "OK");
		expect_actions(t, cases[i].request, cases[i].actions, cases[i].count);
	}
	assert_true(t->fake->resume.has_address);
	assert_int_equal(t->fake->resume.address, 0x1050);
	static const char *const hostile[] = { "cx",   "s 1",	   "C", "C100",
					       "C0b;", "C0b1050x", "S", "Cg" };
	unsigned before = t->fake->resumes;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++)
		ask(t, hostile[i], "E01");
	assert_int_equal(t->fake->resumes, before);
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_vcont_is_understood),
		cmocka_unit_test(a_vcont_that_makes_no_sense_resumes_nothing),
		cmocka_unit_test(as_many_actions_as_there_is_room_and_no_more),
		cmocka_unit_test(the_old_packets_become_actions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
