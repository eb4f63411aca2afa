#include "test/util.h"

#include "rsp/conn.h"
#include "test/unit/rsp/talk.h"

#define REGISTERS "06:0000000000000000;07:0020000000000000;10:1010000000000000;"

/* What gdb announces decides what it is told. */
static struct talk *running(const char *features)
{
	struct talk *t = talk_new();
	talk_send(t, features, strlen(features));
	talk_serve(t);
	assert_true(talk_read(t));
	tell(t, "vCont;c");
	return t;
}

static void expect_stop(struct talk *t, const struct rsp_stop *stop, const char *packet)
{
	rsp_stop(t->rsp, stop);
	expect_reply(t, packet);
	expect_silence(t);
	tell(t, "vCont;c");
}

static void every_reason_has_its_key(void **state)
{
	(void)state;
	static const struct {
		struct rsp_stop stop;
		const char *packet;
	} cases[] = {
		{ { RSP_STOP_PLAIN, 2, 1, 0 }, "T02" REGISTERS "thread:p1.1;" },
		{ { RSP_STOP_SWBREAK, 5, 1, 0 },
		  "T05" REGISTERS "thread:p1.1;swbreak:;" },
		{ { RSP_STOP_HWBREAK, 5, 1, 0 },
		  "T05" REGISTERS "thread:p1.1;hwbreak:;" },
		{ { RSP_STOP_WATCH, 5, 1, 0xfffff80000001234 },
		  "T05" REGISTERS "thread:p1.1;watch:fffff80000001234;" },
		{ { RSP_STOP_RWATCH, 5, 1, 0x10 },
		  "T05" REGISTERS "thread:p1.1;rwatch:10;" },
		{ { RSP_STOP_AWATCH, 5, 1, 0 }, "T05" REGISTERS "thread:p1.1;awatch:0;" },
		{ { RSP_STOP_LIBRARY, 5, 1, 0 },
		  "T05" REGISTERS "thread:p1.1;library:;" },
		{ { RSP_STOP_LIBRARY, 0, 1, 0 },
		  "T00" REGISTERS "thread:p1.1;library:;" },
		{ { RSP_STOP_TRACE, 5, 1, 0 }, "T05" REGISTERS "thread:p1.1;" },
		{ { RSP_STOP_PLAIN, 11, 1, 0 }, "T0b" REGISTERS "thread:p1.1;" },
	};
	struct talk *t = running(GDB_FEATURES);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_stop(t, &cases[i].stop, cases[i].packet);
	talk_free(t);
}

static void breakpoint_reasons_only_for_who_knows_them(void **state)
{
	(void)state;
	struct talk *t = running("qSupported");
	expect_stop(t, &(struct rsp_stop){ RSP_STOP_SWBREAK, 5, 1, 0 },
		    "T05" REGISTERS "thread:1;");
	expect_stop(t, &(struct rsp_stop){ RSP_STOP_HWBREAK, 5, 1, 0 },
		    "T05" REGISTERS "thread:1;");
	talk_free(t);
}

static void a_register_without_a_value_is_left_for_the_client_to_ask(void **state)
{
	(void)state;
	struct talk *t = running(GDB_FEATURES);
	t->fake->no_pc = true;
	expect_stop(t, &(struct rsp_stop){ RSP_STOP_PLAIN, 5, 1, 0 },
		    "T0506:0000000000000000;07:0020000000000000;thread:p1.1;");
	talk_free(t);
}

static void the_thread_that_stopped_is_the_current_one(void **state)
{
	(void)state;
	struct talk *t = running(GDB_FEATURES);
	rsp_stop(t->rsp, &(struct rsp_stop){ RSP_STOP_PLAIN, 5, 2, 0 });
	expect_reply(t, "T0506:0000000000000000;07:0000000000000000;10:2010000000000000;"
			"thread:p1.2;");
	ask(t, "qC", "QCp1.2");
	ask(t, "p10", "2010000000000000");
	talk_free(t);
}

static void a_target_without_a_description_still_stops(void **state)
{
	(void)state;
	static const struct rsp_target bare = { .resume = fake_resume };
	struct talk *t = talk_new_with(&bare);
	talk_send(t, "vCont;c", 7);
	talk_serve(t);
	rsp_stop(t->rsp, &(struct rsp_stop){ RSP_STOP_PLAIN, 5, 1, 0 });
	expect_reply(t, "T05thread:1;");
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_its_key),
		cmocka_unit_test(breakpoint_reasons_only_for_who_knows_them),
		cmocka_unit_test(
			a_register_without_a_value_is_left_for_the_client_to_ask),
		cmocka_unit_test(the_thread_that_stopped_is_the_current_one),
		cmocka_unit_test(a_target_without_a_description_still_stops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
