#include "bridge/target/target.h"

#include <errno.h>

#include "test/unit/bridge/fake_target.h"

static void a_port_in_use_is_an_error(void **state)
{
	(void)state;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct target *first, *second;
	assert_int_equal(target_open(&first, loop, &(struct target_options){ 0 }), 0);
	assert_true(target_port(first) != 0);
	struct target_options same = { .port = target_port(first) };
	assert_int_equal(target_open(&second, loop, &same), -EADDRINUSE);
	target_close(first);
	target_close(NULL);
	ev_loop_destroy(loop);
}

static void life_begins_with_waiting_and_goes_on_as_it_comes(void **state)
{
	(void)state;
	struct fake_target *f = calloc(1, sizeof(*f));
	f->loop = ev_loop_new(EVFLAG_AUTO);
	struct target_options options = { .context = f };
	assert_int_equal(target_open(&f->t, f->loop, &options), 0);
	assert_int_equal(target_state(f->t), TARGET_WAITING);
	assert_null(target_stopped(f->t));
	target_close(f->t);
	ev_loop_destroy(f->loop);
	free(f);

	f = fake_start(1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(target_state(f->t), TARGET_STOPPED);
	assert_ptr_equal(target_stopped(f->t), &f->t->stop.stop);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_end(f);
}

static void a_wait_ends_with_the_stop_or_in_time(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	assert_int_equal(target_wait_stopped(f->t, 20), KD_TIMED_OUT);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	assert_int_equal(target_wait_stopped(f->t, 2000), KD_DONE);
	assert_int_equal(f->stops, 1);
	assert_int_equal(target_wait_stopped(f->t, 0), KD_DONE);
	fake_end(f);
}

/* The front end asks while it is told: a question, then a wait for the next stop. */
static void ask_and_wait(struct fake_target *f)
{
	if (f->stops > 1)
		return;
	uint64_t rax;
	assert_int_equal(registers_get(f->t, 0, 0, &rax), KD_DONE);
	fake_do_resume(f, TARGET_STEP, 0);
	assert_int_equal(target_wait_stopped(f->t, 2000), KD_DONE);
	assert_int_equal(f->stops, 2);
}

static void the_front_end_may_ask_and_wait_where_it_is_told(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	f->on_stopped = ask_and_wait;
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 2);
	assert_int_equal(f->last_stop.kind, TARGET_STOP_STEP);
	fake_end(f);
}

static void events_may_be_missing(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	static const struct target_events none = { .stopped = NULL };
	f->t->events = &none;
	fake_print(f, KD_PRINT, "x");
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	assert_int_equal(target_wait_stopped(f->t, 2000), KD_DONE);
	f->stopped = false;
	fake_boot(&f->link, 3);
	fake_spin(f, 20);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_end(f);
}

static void garbage_is_told_once_and_harms_nobody(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(target_port(f->t)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (int i = 0; i < 5; i++)
		(void)sendto(f->link.socket, "GET / HTTP/1.1", 14, 0,
			     (struct sockaddr *)&to, sizeof(to));
	fake_spin(f, 20);
	assert_int_equal(f->notices, 1);
	assert_non_null(strstr(f->notice_text, "no KDNET"));
	assert_int_equal(target_state(f->t), TARGET_STOPPED);
	fake_end(f);
}

/* Random KD packets of every type: whatever they do, we stay sane. */
static void random_packets_crash_nothing(void **state)
{
	(void)state;
	uint64_t random = 1;
	struct fake_target *f = fake_start(2);
	for (int round = 0; round < 300; round++) {
		uint8_t data[300];
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)test_random(&random);
		size_t length = (size_t)(test_random(&random) % sizeof(data));
		unsigned type = 1 + (unsigned)(test_random(&random) % 11);
		if (type == KD_PACKET_ACKNOWLEDGE || type == KD_PACKET_RESEND ||
		    type == KD_PACKET_RESET || type == KD_PACKET_STATE_CHANGE64)
			continue;
		fake_send(&f->link, (enum kd_packet_type)type, data, length);
		for (int tries = 0; f->link.queued > 0 && tries < 100; tries++)
			fake_spin(f, 1);
	}
	fake_spin(f, 20);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_in_use_is_an_error),
		cmocka_unit_test(life_begins_with_waiting_and_goes_on_as_it_comes),
		cmocka_unit_test(a_wait_ends_with_the_stop_or_in_time),
		cmocka_unit_test(the_front_end_may_ask_and_wait_where_it_is_told),
		cmocka_unit_test(events_may_be_missing),
		cmocka_unit_test(garbage_is_told_once_and_harms_nobody),
		cmocka_unit_test(random_packets_crash_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
