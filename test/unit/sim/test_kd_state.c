/* State changes against the captures. KD.md §2. */
#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

/* The plaintext of a block of win81-v2.txt, from its KD data on. */
static uint8_t *captured(const char *block, uint8_t **whole)
{
	char name[64];
	size_t length;
	char *text = test_vector_file("win81-v2.txt", NULL);
	(void)snprintf(name, sizeof(name), "name %s\n", block);
	char *at = strstr(text, name);
	assert_non_null(at);
	at = strstr(at, "\nplaintext ");
	assert_non_null(at);
	*whole = test_hex(at + strlen("\nplaintext "), &length);
	free(text);
	return *whole + 8 + LINK_HEADER_SIZE;
}

static struct machine_event event_of(const uint8_t *state_change)
{
	struct machine_event e = { .type = MACHINE_EXCEPTION };
	e.processor = (unsigned)load_le(state_change + 6, 2);
	e.thread = load_le(state_change + 16, 8);
	e.program_counter = load_le(state_change + 24, 8);
	e.u.exception.code = (uint32_t)load_le(state_change + 32, 4);
	e.u.exception.address = load_le(state_change + 48, 8);
	e.u.exception.parameter_count = (uint32_t)load_le(state_change + 56, 4);
	for (unsigned i = 0; i < 15; i++)
		e.u.exception.parameters[i] =
			load_le(state_change + 64 + sizeof(uint64_t) * i, 8);
	e.u.exception.first_chance = state_change[184];
	return e;
}

/* Registers of the processor as the control report has them. */
static void set_registers(const uint8_t *report)
{
	memcpy(fake.special[0] + SPECIAL_DR6, report, 8);
	memcpy(fake.special[0] + SPECIAL_DR7, report + 8, 8);
	memcpy(fake.context[0] + CONTEXT_EFLAGS, report + 16, 4);
	memcpy(fake.context[0] + CONTEXT_CS, report + 40, 8);
}

static void a_captured_break_in_is_encoded_as_windows_did(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t encoded[KD_STATE_CHANGE_SIZE];
	uint8_t *whole;
	(void)state;
	options.machine.cpus = 1;
	host_init(&h, &options);
	uint8_t *windows = captured("state-change", &whole);
	struct machine_event e = event_of(windows);
	set_registers(windows + 192);
	/* Its code, which the stream shows, at an address that the machine has. */
	memcpy(fake.memory + FAKE_CODE, windows + 216, 16);
	e.program_counter = FAKE_BASE + FAKE_CODE;
	store_le(windows + 24, e.program_counter, 8);
	memset(windows + 188, 0, 4); /* undefined there */
	kd_encode_state_change(&h.target->kd, &e, encoded);
	assert_memory_equal(encoded, windows, sizeof(encoded));
	free(whole);
	host_free(&h);
}

static void the_version_block_has_the_layout_of_windows(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t *whole;
	(void)state;
	options.kd.version = 2;
	host_begin(&h, &options);
	const uint8_t *windows = captured("get-version-reply", &whole);
	struct host_reply r = host_call(&h, 0x3146, 0, NULL, NULL, 0);
	assert_int_equal(r.length, 0);
	assert_memory_equal(r.u, windows + 16, 16); /* up to the addresses */
	assert_int_equal(load_le(r.u + 16, 8), FAKE_BASE);
	assert_int_equal(load_le(r.u + 24, 8), FAKE_BASE + FAKE_LIST);
	assert_int_equal(load_le(r.u + 32, 8), FAKE_BASE + FAKE_DATA);
	free(whole);
	host_free(&h);
}

static void a_load_event_tells_path_base_and_size(void **state)
{
	struct host h;
	struct target_options options = host_options();
	struct machine_event load = { .type = MACHINE_LOAD };
	const char path[] = "\\SystemRoot\\system32\\probe.sys";
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	load.program_counter = FAKE_BASE + FAKE_CODE;
	memcpy(load.u.image.path, path, sizeof(path));
	load.u.image.base = UINT64_C(0xfffff80001230000);
	load.u.image.size = 0x6000;
	load.u.image.checksum = 0x1234;
	load.u.image.process = UINT64_MAX;
	const uint8_t *stop = host_stop_at(&h, load);
	assert_int_equal(load_le(stop, 4), 0x3031);
	assert_int_equal(load_le(stop + 32, 4), sizeof(path));
	assert_int_equal(load_le(stop + 40, 8), UINT64_C(0xfffff80001230000));
	assert_int_equal(load_le(stop + 48, 8), UINT64_MAX);
	assert_int_equal(load_le(stop + 56, 4), 0x1234);
	assert_int_equal(load_le(stop + 60, 4), 0x6000);
	assert_int_equal(stop[64], 0);
	assert_memory_equal(stop + 240, path, sizeof(path));
	host_continue(&h, 0, false, 0x400);

	load.type = MACHINE_UNLOAD;
	assert_int_equal(host_stop_at(&h, load)[64], 1);
	host_free(&h);
}

static void a_command_string_lies_behind_the_state_change(void **state)
{
	struct host h;
	struct target_options options = host_options();
	struct machine_event command = { .type = MACHINE_COMMAND };
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	command.u.text.length = 9;
	memcpy(command.u.text.bytes, "nt\0.echo", 9);
	const uint8_t *stop = host_stop_at(&h, command);
	assert_int_equal(load_le(stop, 4), 0x3032);
	assert_memory_equal(stop + 240, "nt\0.echo", 9);
	host_free(&h);
}

static void the_stream_ends_where_memory_does_and_hides_own_breakpoints(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint32_t handle;
	(void)state;
	host_begin(&h, &options);
	assert_int_equal(
		kd_breakpoint_add(&h.target->kd, FAKE_BASE + FAKE_CODE + 5, &handle), 0);
	assert_int_equal(fake.memory[FAKE_CODE + 5], 0xcc);
	host_continue(&h, 0, true, 0x400);
	const uint8_t *stop = host_stop_at(&h, fake_stop(0x80000004));
	assert_int_equal(load_le(stop + 212, 2), 16);
	assert_int_equal(stop[216 + 5], 0x95);
	host_continue(&h, 0, true, 0x400);
	store_le(fake.context[0] + CONTEXT_RIP,
		 FAKE_BASE + (uint64_t)FAKE_PAGES * FAKE_PAGE - 6, 8);
	stop = host_stop_at(&h, fake_stop(0x80000004));
	assert_int_equal(load_le(stop + 212, 2), 6);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_captured_break_in_is_encoded_as_windows_did),
		cmocka_unit_test(the_version_block_has_the_layout_of_windows),
		cmocka_unit_test(a_load_event_tells_path_base_and_size),
		cmocka_unit_test(a_command_string_lies_behind_the_state_change),
		cmocka_unit_test(
			the_stream_ends_where_memory_does_and_hides_own_breakpoints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
