/* A whole session between a fake target on UDP and clients on TCP, in one loop. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/target/breakpoint.h"
#include "bridge/worker/session_internal.h"
#include "kdnet/key.h"
#include "test/unit/bridge/fake_target.h"
#include "test/unit/rsp/client.h"

enum { PATIENCE = 2000 /* turns of at most 2 ms */ };

struct lab {
	struct fake_target *fake;
	struct options options;
	struct log log;
	struct session *session;
	int client; /* -1: none */
	char runtime[32];
};

static void turn(struct lab *lab)
{
	struct ev_timer timer;
	bool over = false;

	ev_timer_init(&timer, fake_on_time, .002, 0.);
	timer.data = &over;
	ev_now_update(lab->fake->loop);
	ev_timer_start(lab->fake->loop, &timer);
	ev_run(lab->fake->loop, EVRUN_ONCE);
	session_work(lab->session);
	ev_timer_stop(lab->fake->loop, &timer);
}

#define until(lab, condition)                                                            \
	do {                                                                             \
		for (int turns = 0; !(condition) && turns < PATIENCE; turns++)           \
			turn(lab);                                                       \
		assert_true(condition);                                                  \
	} while (0)

static void turns(struct lab *lab, int count)
{
	while (count-- > 0)
		turn(lab);
}

static bool is_running(const struct lab *lab)
{
	return target_state(lab->session->target) == TARGET_RUNNING &&
	       !lab->fake->stopped;
}

/* A target that has connected, and whatever its first stop was for is over. */
static struct lab *start(int unattended)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct fake_target *f = calloc(1, sizeof(*f));

	assert_non_null(lab);
	assert_non_null(f);
	strcpy(lab->runtime, "/tmp/kdbridge-session-XXXXXX");
	assert_non_null(mkdtemp(lab->runtime));
	setenv("XDG_RUNTIME_DIR", lab->runtime, 1);
	lab->client = -1;
	lab->options.unattended = unattended;
	strcpy(lab->options.listen.address, "127.0.0.1");
	lab->options.connection.key = sodium_malloc(KDNET_KEY_SIZE);
	assert_int_equal(kdnet_key_parse(lab->options.connection.key, "1.2.3.4"),
			 KDNET_KEY_OK);
	log_init(&lab->log, open("/dev/null", O_WRONLY), LOG_DEBUG, LOG_AS_TEXT);
	f->loop = ev_loop_new(EVFLAG_AUTO);
	lab->fake = f;
	fake_set_up(f, 2);
	lab->session = session_new(f->loop, &lab->options, &lab->log);
	assert_non_null(lab->session);
	f->t = lab->session->target;
	fake_link_open(&f->link, f->loop, target_port(f->t));
	fake_boot(&f->link, 1);
	until(lab, lab->session->seen);
	turns(lab, 20);
	until(lab, is_running(lab));
	return lab;
}

static void end(struct lab *lab)
{
	char path[128];

	if (lab->client >= 0)
		close(lab->client);
	session_free(lab->session);
	(void)snprintf(path, sizeof(path), "rm -r %s", lab->runtime);
	assert_int_equal(system(path), 0);
	fake_link_close(&lab->fake->link);
	ev_loop_destroy(lab->fake->loop);
	options_wipe(&lab->options);
	close(lab->log.fd);
	free(lab->fake);
	free(lab);
}

static void connect_client(struct lab *lab)
{
	const char *name = rsp_listen_name(lab->session->listener);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	to.sin_port = htons((uint16_t)atoi(strrchr(name, ':') + 1));
	lab->client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(lab->client, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(fcntl(lab->client, F_SETFL, O_NONBLOCK), 0);
}

static void say(struct lab *lab, const char *packet)
{
	uint8_t frame[256];
	size_t length = client_frame(frame, packet, strlen(packet));

	assert_int_equal(write(lab->client, frame, length), length);
}

/* Reads until all of it came; what is expected are a few hundred bytes. */
static void expect_answer(struct lab *lab, const char *part)
{
	static char text[0x10000];
	size_t length = 0;

	text[0] = '\0';
	for (int tries = 0; !strstr(text, part) && tries < PATIENCE; tries++) {
		ssize_t n = read(lab->client, text + length, sizeof(text) - 1 - length);

		if (n > 0)
			text[length += (size_t)n] = '\0';
		else
			turn(lab);
	}
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void ask(struct lab *lab, const char *packet, const char *part)
{
	say(lab, packet);
	expect_answer(lab, part);
}

static void attach(struct lab *lab)
{
	connect_client(lab);
	ask(lab, "QStartNoAckMode", "$OK#");
	ask(lab, "?", "$T02");
	assert_true(lab->fake->stopped);
}

static void prints_without_a_client_are_kept_for_one(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	fake_print(lab->fake, KD_PRINT, "early bird");
	until(lab, lab->session->gdb.console.length > 0);
	assert_true(is_running(lab));
	attach(lab);
	/* "early bird" in hex, before the command's own text */
	ask(lab, "qRcmd,76657273696f6e", "$O6561726c792062697264#");
	end(lab);
}

static struct lab *in_a_look;

/* The first packet of a client, in the midst of a look at the stop. */
static bool say_hello(struct fake_target *f, uint16_t api, uint8_t *data, size_t length)
{
	(void)data;
	(void)length;
	if (api == KD_GET_CONTEXT) {
		f->on_request = NULL;
		say(in_a_look, "QStartNoAckMode");
	}
	return false;
}

static void one_who_comes_during_the_cleaning_gets_that_stop(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);
	unsigned resumes = fake_count(lab->fake, KD_CONTINUE2);

	(void)state;
	connect_client(lab);
	in_a_look = lab;
	lab->fake->on_request = say_hello;
	lab->session->reclaim = true;
	target_break_in(lab->session->target);
	expect_answer(lab, "$OK#");
	ask(lab, "?", "$T02");
	assert_int_equal(fake_count(lab->fake, KD_CONTINUE2), resumes);
	end(lab);
}

static void load_events_without_a_client_go_on(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	for (int i = 0; i < 5; i++) {
		fake_load(lab->fake, "\\SystemRoot\\a.sys", FAKE_BASE + 0x1000, 0x1000,
			  false);
		until(lab, is_running(lab));
	}
	end(lab);
}

static void an_exception_waits_for_a_client(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	fake_exception(lab->fake, 1, 0xc0000005);
	until(lab, target_state(lab->fake->t) == TARGET_STOPPED);
	turns(lab, 50);
	assert_true(lab->fake->stopped);
	connect_client(lab);
	ask(lab, "QStartNoAckMode", "$OK#");
	ask(lab, "?", "$T0b");
	end(lab);
}

static void or_it_is_passed_on_if_so_asked(void **state)
{
	struct lab *lab = start(UNATTENDED_CONTINUE);

	(void)state;
	fake_exception(lab->fake, 1, 0xc0000005);
	until(lab, is_running(lab));
	assert_int_equal(lab->fake->last_status, KD_DBG_NOT_HANDLED);
	end(lab);
}

static void a_detach_leaves_nothing(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	attach(lab);
	ask(lab, "Z0,fffff80000001910,1", "$OK#");
	say(lab, "c");
	until(lab, is_running(lab));
	assert_int_equal(*fake_at(lab->fake, FAKE_CODE + 0x810), 0xcc);
	assert_int_equal(write(lab->client, "\003", 1), 1);
	expect_answer(lab, "$T02");
	ask(lab, "D", "$OK#");
	until(lab, is_running(lab));
	assert_int_equal(*fake_at(lab->fake, FAKE_CODE + 0x810), 0x90);
	end(lab);
}

static void a_client_that_dies_leaves_nothing(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	attach(lab);
	ask(lab, "Z0,fffff80000001910,1", "$OK#");
	say(lab, "c");
	until(lab, is_running(lab));
	close(lab->client);
	lab->client = -1;
	until(lab, lab->session->client == SESSION_NOBODY && is_running(lab) &&
			   *fake_at(lab->fake, FAKE_CODE + 0x810) == 0x90);
	end(lab);
}

static void the_end_of_the_session_is_a_detach(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	attach(lab);
	ask(lab, "Z0,fffff80000001910,1", "$OK#");
	say(lab, "c");
	until(lab, is_running(lab));
	session_hurry(lab->session);
	assert_true(session_end(lab->session));
	assert_int_equal(*fake_at(lab->fake, FAKE_CODE + 0x810), 0x90);
	/* the resume, too, is on its way */
	for (int i = 0; lab->fake->stopped && i < PATIENCE; i++)
		fake_spin(lab->fake, 1);
	assert_false(lab->fake->stopped);
	end(lab);
}

static void what_is_not_rsp_never_stops_the_target(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);
	unsigned break_ins = lab->fake->link.break_ins;

	(void)state;
	connect_client(lab);
	assert_int_equal(write(lab->client, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	turns(lab, 100);
	assert_true(is_running(lab));
	assert_int_equal(lab->fake->link.break_ins, break_ins);
	end(lab);
}

static unsigned answers;

static void count_answer(struct fake_target *f, enum kd_packet_type type,
			 const uint8_t *data, size_t length)
{
	(void)f;
	(void)data;
	(void)length;
	answers += type == KD_PACKET_DEBUG_IO;
}

static void a_prompt_without_a_client_is_answered(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	answers = 0;
	lab->fake->on_other = count_answer;
	fake_print(lab->fake, KD_PROMPT, "Break, ignore?");
	until(lab, answers == 1);
	end(lab);
}

static void a_prompt_for_a_client_is_a_stop(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	answers = 0;
	lab->fake->on_other = count_answer;
	attach(lab);
	say(lab, "c");
	until(lab, is_running(lab));
	fake_print(lab->fake, KD_PROMPT, "Break, ignore?");
	expect_answer(lab, "$T05");
	assert_int_equal(answers, 0);
	ask(lab, "qRcmd,7265706c792062", "$OK#"); /* reply b */
	until(lab, answers == 1);
	end(lab);
}

static void a_reboot_at_the_prompt_is_told_at_the_next_resume(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	attach(lab);
	lab->fake->stopped = false;
	fake_boot(&lab->fake->link, 2);
	until(lab, lab->session->client == SESSION_PLACEHOLDER);
	/* it is stopped for who sits at the prompt */
	until(lab, target_state(lab->fake->t) == TARGET_STOPPED);
	ask(lab, "c", "$T02");
	assert_int_equal(lab->session->client, SESSION_PROMPT);
	end(lab);
}

/* gdb's `next` is many stops, and a Ctrl-C may cross any of them. */
static void an_interrupt_that_an_unseen_stop_crossed_is_answered_later(void **state)
{
	struct lab *lab = start(UNATTENDED_WAIT);

	(void)state;
	attach(lab);
	ask(lab, "qfThreadInfo", "$m");
	ask(lab, "qfThreadInfo", "$m");
	say(lab, "c");
	until(lab, is_running(lab));
	fake_exception(lab->fake, 1, 0xc0000005);
	expect_answer(lab, "$T0b");
	assert_int_equal(write(lab->client, "\x03", 1), 1);
	ask(lab, "vCont;c", "$T02");
	end(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_without_a_client_are_kept_for_one),
		cmocka_unit_test(one_who_comes_during_the_cleaning_gets_that_stop),
		cmocka_unit_test(load_events_without_a_client_go_on),
		cmocka_unit_test(an_exception_waits_for_a_client),
		cmocka_unit_test(or_it_is_passed_on_if_so_asked),
		cmocka_unit_test(a_detach_leaves_nothing),
		cmocka_unit_test(a_client_that_dies_leaves_nothing),
		cmocka_unit_test(the_end_of_the_session_is_a_detach),
		cmocka_unit_test(what_is_not_rsp_never_stops_the_target),
		cmocka_unit_test(a_prompt_without_a_client_is_answered),
		cmocka_unit_test(a_prompt_for_a_client_is_a_stop),
		cmocka_unit_test(a_reboot_at_the_prompt_is_told_at_the_next_resume),
		cmocka_unit_test(
			an_interrupt_that_an_unseen_stop_crossed_is_answered_later),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
