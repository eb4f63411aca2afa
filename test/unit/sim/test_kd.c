/* Prompts, and the boot loader's file requests. KD.md §6. */
#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

static void prompt(struct host *h)
{
	host_connect(h);
	fake.next.type = MACHINE_PROMPT;
	fake.next.u.text.length = 9;
	fake.next.u.text.room = 4;
	memcpy(fake.next.u.text.bytes, "continue?", 9);
	(void)target_run(h->target, h->now_us);
	const uint8_t *packet = host_packet(h, 3, NULL);
	assert_int_equal(load_le(packet, 4), 0x3231);
	assert_int_equal(load_le(packet + 8, 4), 9);
	assert_int_equal(load_le(packet + 12, 4), 4);
}

static void answer(struct host *h, const char *text, uint32_t prompt_length)
{
	uint8_t packet[64] = { 0x31, 0x32 };
	size_t length = strlen(text);
	store_le(packet + 8, prompt_length, 4);
	store_le(packet + 12, length, 4);
	for (size_t i = 0; i < length; i++)
		packet[16 + i] = (uint8_t)text[i];
	host_data(h, 3, h->id, packet, 16 + length);
	host_expect_control(h, 4, h->id);
	h->id += 2;
}

static void a_prompt_waits_for_its_answer(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	prompt(&h);
	host_acknowledge(&h);
	assert_int_equal(fake.resumes, 0);
	assert_string_equal(target_state(h.target), "frozen");
	host_control(&h, 5, 0); /* asked again, it is repeated */
	(void)host_packet(&h, 3, NULL);
	host_acknowledge(&h);
	answer(&h, "yes", 9);
	assert_int_equal(fake.resumes, 1);
	assert_int_equal(fake.answer_length, 3);
	assert_memory_equal(fake.answer, "yes", 3);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void an_answer_that_does_not_fit_is_a_violation(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	prompt(&h);
	host_acknowledge(&h);
	answer(&h, "too long", 8);
	assert_int_equal(host_violations(&h), 2); /* its length, and the prompt's */
	assert_int_equal(fake.answer_length, 4);
	host_free(&h);
}

/* The loader's question at the start: 64 bytes and a UTF-16 path. */
static void ask_for_a_file(struct host *h, const struct target_options *options)
{
	size_t length;
	host_init(h, options);
	host_connect(h);
	assert_string_equal(target_state(h->target), "frozen");
	const uint8_t *packet = host_packet(h, 11, &length);
	assert_int_equal(load_le(packet, 4), 0x3430);
	assert_int_equal(load_le(packet + 8, 4), 0x00120089);
	assert_int_equal(load_le(packet + length - 2, 2), 0);
	assert_int_equal(load_le(packet + 64, 2), '\\');
	host_acknowledge(h);
}

static void file_answer(struct host *h, uint32_t api, uint32_t status, uint64_t handle,
			uint64_t size, const uint8_t *data, uint32_t count)
{
	uint8_t packet[64 + 1200] = { 0 };
	store_le(packet, api, 4);
	store_le(packet + 4, status, 4);
	if (api == 0x3430) {
		store_le(packet + 32, handle, 8);
		store_le(packet + 40, size, 8);
	} else {
		store_le(packet + 8, handle, 8);
		store_le(packet + 24, count, 4);
	}
	if (count > 0)
		memcpy(packet + 64, data, count);
	host_data(h, 11, h->id, packet, 64 + count);
	host_expect_control(h, 4, h->id);
	h->id += 2;
}

static void a_refused_file_lets_the_boot_go_on(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	options.kd.file_io = true;
	options.machine.boot = true;
	ask_for_a_file(&h, &options);
	file_answer(&h, 0x3430, 0xc000000f, 0, 0, NULL, 0);
	assert_true(target_is_running(h.target));
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

static void a_file_is_read_in_pieces_and_closed(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t piece[1088] = { 1 };
	(void)state;
	options.kd.file_io = true;
	options.machine.boot = true;
	ask_for_a_file(&h, &options);
	file_answer(&h, 0x3430, 0, 77, 2000, NULL, 0);
	for (uint64_t offset = 0; offset < 2000; offset += 1088) {
		const uint8_t *packet = host_packet(&h, 11, NULL);
		uint32_t count = offset == 0 ? 1088 : 2000 - 1088;
		assert_int_equal(load_le(packet, 4), 0x3431);
		assert_int_equal(load_le(packet + 8, 8), 77);
		assert_int_equal(load_le(packet + 16, 8), offset);
		assert_int_equal(load_le(packet + 24, 4), count);
		host_acknowledge(&h);
		file_answer(&h, 0x3431, 0, 77, 0, piece, count);
	}
	assert_int_equal(load_le(host_packet(&h, 11, NULL), 4), 0x3433);
	host_acknowledge(&h);
	file_answer(&h, 0x3433, 0, 77, 0, NULL, 0);
	assert_true(target_is_running(h.target));
	assert_int_equal(h.target->stats.counters[STATS_FILE_BYTES], 2000);
	assert_int_equal(host_violations(&h), 0);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_waits_for_its_answer),
		cmocka_unit_test(an_answer_that_does_not_fit_is_a_violation),
		cmocka_unit_test(a_refused_file_lets_the_boot_go_on),
		cmocka_unit_test(a_file_is_read_in_pieces_and_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
