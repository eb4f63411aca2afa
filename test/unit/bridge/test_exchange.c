#include "bridge/target/exchange.h"

#include "test/unit/bridge/fake_target.h"

static struct kd_request read_request(uint64_t address, uint32_t count)
{
	return (struct kd_request){ .api = KD_READ_VIRTUAL,
				    .u.memory = { .address = address, .count = count } };
}

static void an_answer_comes_back_and_is_counted(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	uint64_t before = target_exchanges(f->t);
	assert_int_equal(exchange(f->t, &request, &reply), KD_DONE);
	assert_int_equal(reply.length, 4);
	assert_int_equal(reply.data[0], 0x90);
	assert_int_equal(target_exchanges(f->t), before + 1);
	fake_end(f);
}

static void a_refusal_of_the_target_says_why(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	struct kd_request request = read_request(0x1000, 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_REFUSED);
	assert_int_equal(reply.status, KD_STATUS_UNSUCCESSFUL);
	fake_end(f);
}

static void a_guard_refuses_before_anything_is_sent(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	struct kd_request request = read_request(UINT64_C(0x1234567812345678), 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_REFUSED);
	assert_int_equal(reply.status, KD_STATUS_UNSUCCESSFUL);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 0);
	fake_end(f);
}

static void a_running_target_is_not_asked(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_GONE);
	fake_end(f);
}

/* Answers a question that was asked some time before, then the present one. */
static bool answer_late(struct fake_target *f, uint16_t api, uint8_t *data, size_t length)
{
	(void)length;
	if (api != KD_READ_VIRTUAL)
		return false;
	uint8_t old[KD_MANIPULATE_SIZE];
	memcpy(old, data, sizeof(old));
	store_le(old, KD_WRITE_BREAKPOINT, 4);
	fake_reply(f, old, KD_STATUS_SUCCESS, NULL, 0);
	memcpy(old, data, sizeof(old));
	store_le(old + 16, FAKE_BASE + 0x800, 8);
	store_le(old + 28, 4, 4);
	fake_reply(f, old, KD_STATUS_SUCCESS, "late", 4);
	return false;
}

static void late_answers_to_other_questions_are_dropped(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = answer_late;
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_DONE);
	assert_int_equal(reply.data[0], 0x90);
	fake_end(f);
}

static bool print_first(struct fake_target *f, uint16_t api, uint8_t *data, size_t length)
{
	(void)data;
	(void)length;
	if (api == KD_READ_VIRTUAL) {
		fake_print(f, KD_PRINT, "one");
		fake_print(f, KD_PRINT, "two");
	}
	return false;
}

static void prints_in_between_are_delivered(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = print_first;
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_DONE);
	assert_int_equal(f->prints, 2);
	assert_string_equal(f->print_text, "two");
	fake_end(f);
}

/* Says that it forgot us, once; the question, acknowledged before, is lost with that. */
static bool forget_first(struct fake_target *f, uint16_t api, uint8_t *data,
			 size_t length)
{
	(void)data;
	(void)length;
	if (api != KD_READ_VIRTUAL || fake_count(f, KD_READ_VIRTUAL) > 1)
		return false;
	f->link.host_seen = false;
	fake_control(&f->link, KD_PACKET_RESET, f->link.next_id);
	fake_repeat_state(f);
	return true;
}

static void a_question_that_the_target_forgot_is_asked_again(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = forget_first;
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_DONE);
	assert_int_equal(fake_count(f, KD_READ_VIRTUAL), 2);
	fake_spin(f, 20);
	assert_int_equal(f->stops, 1);
	fake_end(f);
}

static bool reboot_instead(struct fake_target *f, uint16_t api, uint8_t *data,
			   size_t length)
{
	(void)data;
	(void)length;
	if (api != KD_READ_VIRTUAL)
		return false;
	f->stopped = false;
	fake_boot(&f->link, 2);
	return true;
}

static void a_reboot_ends_the_question(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = reboot_instead;
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_GONE);
	assert_int_equal(f->reboots, 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	assert_null(target_version(f->t));
	fake_end(f);
}

static bool ask_from_inside(struct fake_target *f, uint16_t api, uint8_t *data,
			    size_t length)
{
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	(void)data;
	(void)length;
	if (api == KD_READ_VIRTUAL)
		assert_int_equal(exchange(f->t, &request, &reply), KD_REFUSED);
	return false;
}

static void no_question_runs_inside_another(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = ask_from_inside;
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_DONE);
	fake_end(f);
}

static void what_has_no_answer_is_not_waited_for(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	struct kd_request request = { .api = KD_REBOOT };
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_REFUSED);
	uint64_t before = target_exchanges(f->t);
	assert_int_equal(exchange_send(f->t, &request), KD_DONE);
	assert_int_equal(target_exchanges(f->t), before + 1);
	assert_int_equal(target_state(f->t), TARGET_RUNNING);
	fake_end(f);
}

static void limits_are_learnt_from_success_with_fewer_bytes(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	assert_int_equal(exchange_read_limit(f->t), KD_TRANSFER_FIRST);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	struct kd_request request = read_request(FAKE_BASE, KD_TRANSFER_FIRST);
	struct kd_reply reply;
	/* a hole is no limit */
	request.u.memory.address = FAKE_BASE + FAKE_RAM - 8;
	assert_int_equal(exchange(f->t, &request, &reply), KD_REFUSED);
	assert_int_equal(reply.length, 8);
	assert_int_equal(exchange_read_limit(f->t), KD_TRANSFER_FIRST);
	request.u.memory.address = FAKE_BASE;
	assert_int_equal(exchange(f->t, &request, &reply), KD_DONE);
	assert_int_equal(reply.length, FAKE_REPLY_MAX);
	assert_int_equal(exchange_read_limit(f->t), FAKE_REPLY_MAX);
	fake_end(f);
}

static bool swallow_reads(struct fake_target *f, uint16_t api, uint8_t *data,
			  size_t length)
{
	(void)data;
	(void)length;
	if (api == KD_READ_VIRTUAL)
		target_cancel(f->t);
	return api == KD_READ_VIRTUAL;
}

static void a_read_that_nobody_wants_any_more_ends_soon(void **state)
{
	(void)state;
	struct fake_target *f = fake_start_stopped(1);
	f->on_request = swallow_reads;
	struct kd_request request = read_request(FAKE_BASE, 4);
	struct kd_reply reply;
	assert_int_equal(exchange(f->t, &request, &reply), KD_INTERRUPTED);
	f->on_request = NULL;
	assert_int_equal(exchange(f->t, &request, &reply), KD_DONE);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_comes_back_and_is_counted),
		cmocka_unit_test(a_refusal_of_the_target_says_why),
		cmocka_unit_test(a_guard_refuses_before_anything_is_sent),
		cmocka_unit_test(a_running_target_is_not_asked),
		cmocka_unit_test(late_answers_to_other_questions_are_dropped),
		cmocka_unit_test(prints_in_between_are_delivered),
		cmocka_unit_test(a_question_that_the_target_forgot_is_asked_again),
		cmocka_unit_test(a_reboot_ends_the_question),
		cmocka_unit_test(no_question_runs_inside_another),
		cmocka_unit_test(what_has_no_answer_is_not_waited_for),
		cmocka_unit_test(limits_are_learnt_from_success_with_fewer_bytes),
		cmocka_unit_test(a_read_that_nobody_wants_any_more_ends_soon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
