/* Text for the client's console, and monitor commands. RSP.md §5. */
#include "test/util.h"

#include "rsp/conn.h"
#include "test/unit/rsp/talk.h"

static void text_goes_out_only_while_the_client_waits(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	assert_false(rsp_console(t->rsp, "no", 2));
	expect_silence(t);
	tell(t, "vCont;c");
	assert_true(rsp_console(t->rsp, "hi$#\n", 5));
	expect_reply(t, "O686924230a");
	assert_true(rsp_console(t->rsp, "", 0));
	expect_silence(t);
	rsp_stop(t->rsp, &t->fake->stop);
	assert_true(talk_read(t));
	assert_false(rsp_console(t->rsp, "no", 2));
	expect_silence(t);
	talk_free(t);
}

static void long_text_is_cut_into_packets(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	tell(t, "vCont;c");
	char *text = malloc(50000);
	assert_non_null(text);
	memset(text, 'x', 50000);
	assert_true(rsp_console(t->rsp, text, 50000));
	size_t characters = 0;
	while (talk_read(t)) {
		assert_int_equal(t->reply[0], 'O');
		assert_true(t->reply_length <= 63000);
		characters += t->reply_length / 2;
	}
	assert_int_equal(characters, 50000);
	free(text);
	talk_free(t);
}

static void text_for_a_client_that_does_not_read_is_dropped_but_not_the_stop(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	tell(t, "vCont;c");
	size_t taken = 0;
	while (rsp_console(t->rsp, "0123456789abcdefghi", 19))
		taken++;
	assert_true(taken > 10000);
	assert_true(frame_room(&t->rsp->frame) >= FRAME_RESERVE);
	rsp_stop(t->rsp, &t->fake->stop);
	bool stopped = false;
	while (talk_read(t))
		stopped = t->reply[0] == 'T';
	assert_true(stopped);
	talk_free(t);
}

static void print_inside(struct fake *f)
{
	assert_true(rsp_console(f->rsp, "a\n", 2));
	assert_true(rsp_console(f->rsp, "b\n", 2));
}

static void a_command_prints_and_then_says_ok(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	t->fake->inside = print_inside;
	talk_send(t, "qRcmd,68656c70", 14);
	talk_serve(t);
	expect_reply(t, "O610a");
	expect_reply(t, "O620a");
	expect_reply(t, "OK");
	expect_silence(t);
	assert_string_equal(t->fake->command, "help");
	talk_free(t);
}

static void a_command_that_is_no_text_is_refused(void **state)
{
	(void)state;
	struct talk *t = talk_new();
	talk_connect(t);
	ask(t, "qRcmd,6", "E01");
	ask(t, "qRcmd,xx", "E01");
	ask(t, "qRcmd,610062", "E01");
	ask(t, "qRcmd,", "OK"); /* an empty one is the owner's to judge */
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_goes_out_only_while_the_client_waits),
		cmocka_unit_test(long_text_is_cut_into_packets),
		cmocka_unit_test(
			text_for_a_client_that_does_not_read_is_dropped_but_not_the_stop),
		cmocka_unit_test(a_command_prints_and_then_says_ok),
		cmocka_unit_test(a_command_that_is_no_text_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
