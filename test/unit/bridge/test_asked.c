#include "test/unit/bridge/fake_target.h"

static struct {
	enum kd_packet_type type;
	size_t length;
	uint8_t data[512];
} answered;

static void note_answer(struct fake_target *f, enum kd_packet_type type,
			const uint8_t *data, size_t length)
{
	(void)f;
	assert_true(length <= sizeof(answered.data));
	answered.type = type;
	answered.length = length;
	memcpy(answered.data, data, length);
}

static struct fake_target *start(void)
{
	struct fake_target *f = fake_start(1);
	f->on_other = note_answer;
	memset(&answered, 0, sizeof(answered));
	return f;
}

static void prints_are_told_as_they_come(void **state)
{
	(void)state;
	struct fake_target *f = start();
	fake_print(f, KD_PRINT, "one\n");
	fake_print(f, KD_PRINT, "two\n");
	fake_spin_until(f, &f->prints, 2);
	assert_string_equal(f->print_text, "two\n");
	assert_int_equal(answered.length, 0);
	assert_false(f->link.in_flight);
	fake_end(f);
}

static void a_prompt_is_answered_within_its_room(void **state)
{
	(void)state;
	struct fake_target *f = start();
	assert_false(target_answer_prompt(f->t, "x", 1));
	fake_print(f, KD_PROMPT, "Break?");
	fake_spin_until(f, &f->prompts, 1);
	assert_string_equal(f->prompt_text, "Break?");
	assert_true(target_has_prompt(f->t));
	assert_true(target_answer_prompt(f->t, "0123456789", 10));
	assert_false(target_has_prompt(f->t));
	fake_spin(f, 10);
	assert_int_equal(answered.type, KD_PACKET_DEBUG_IO);
	assert_int_equal(load_le(answered.data, 4), KD_PROMPT);
	assert_int_equal(load_le(answered.data + 8, 4), strlen("Break?"));
	size_t length = (size_t)load_le(answered.data + 12, 4);
	assert_true(length <= 8 && length > 0);
	assert_int_equal(answered.length, 16 + length);
	assert_memory_equal(answered.data + 16, "0123456789", length);
	assert_false(target_answer_prompt(f->t, "x", 1));
	fake_end(f);
}

static void a_prompt_that_nobody_hears_is_answered_empty(void **state)
{
	(void)state;
	struct fake_target *f = start();
	static const struct target_events deaf = { .prompt = NULL };
	f->t->events = &deaf;
	fake_print(f, KD_PROMPT, "Break?");
	fake_spin(f, 20);
	assert_int_equal(answered.length, 16);
	assert_int_equal(load_le(answered.data + 12, 4), 0);
	fake_end(f);
}

static void files_are_refused(void **state)
{
	(void)state;
	static const struct {
		uint32_t api, status;
	} cases[] = {
		{ KD_FILE_CREATE, KD_STATUS_NO_SUCH_FILE },
		{ KD_FILE_READ, KD_STATUS_INVALID_HANDLE },
		{ KD_FILE_WRITE, KD_STATUS_ACCESS_DENIED },
		{ KD_FILE_CLOSE, KD_STATUS_INVALID_HANDLE },
	};
	struct fake_target *f = start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t data[64] = { 0 };
		store_le(data, cases[i].api, 4);
		answered.length = 0;
		fake_send(&f->link, KD_PACKET_FILE_IO, data, sizeof(data));
		fake_spin(f, 20);
		assert_int_equal(answered.type, KD_PACKET_FILE_IO);
		assert_int_equal(load_le(answered.data, 4), cases[i].api);
		assert_int_equal(load_le(answered.data + 4, 4), cases[i].status);
	}
	fake_end(f);
}

static void hardware_breakpoints_of_the_targets_own_are_granted(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint8_t data[16] = { 0 };
	store_le(data, KD_REQUEST_BREAKPOINT, 4);
	fake_send(&f->link, KD_PACKET_CONTROL_REQUEST, data, sizeof(data));
	fake_spin(f, 20);
	assert_int_equal(answered.type, KD_PACKET_CONTROL_REQUEST);
	assert_int_equal(load_le(answered.data + 8, 4), 1);
	fake_end(f);
}

static void trace_and_poll_packets_are_ignored(void **state)
{
	(void)state;
	struct fake_target *f = start();
	uint8_t data[16] = { 0 };
	fake_send(&f->link, KD_PACKET_TRACE_IO, data, sizeof(data));
	fake_send(&f->link, KD_PACKET_POLL_BREAK_IN, data, 0);
	fake_send(&f->link, KD_PACKET_DEBUG_IO, data, 3);
	fake_spin(f, 20);
	assert_int_equal(answered.length, 0);
	assert_false(f->link.in_flight);
	fake_end(f);
}

static void a_flood_of_prints_hides_no_stop(void **state)
{
	(void)state;
	struct fake_target *f = start();
	for (int i = 0; i < FAKE_QUEUE - 1; i++)
		fake_print(f, KD_PRINT, "noise");
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	assert_int_equal(f->prints, FAKE_QUEUE - 1);
	fake_end(f);
}

static void a_prompt_dies_with_its_session(void **state)
{
	(void)state;
	struct fake_target *f = start();
	fake_print(f, KD_PROMPT, "Break?");
	fake_spin_until(f, &f->prompts, 1);
	fake_boot(&f->link, 2);
	fake_spin_until(f, &f->reboots, 1);
	assert_false(target_has_prompt(f->t));
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_are_told_as_they_come),
		cmocka_unit_test(a_prompt_is_answered_within_its_room),
		cmocka_unit_test(a_prompt_that_nobody_hears_is_answered_empty),
		cmocka_unit_test(files_are_refused),
		cmocka_unit_test(hardware_breakpoints_of_the_targets_own_are_granted),
		cmocka_unit_test(trace_and_poll_packets_are_ignored),
		cmocka_unit_test(a_flood_of_prints_hides_no_stop),
		cmocka_unit_test(a_prompt_dies_with_its_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
