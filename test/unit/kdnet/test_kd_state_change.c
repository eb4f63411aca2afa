/* State changes: real ones, from another kernel, and what a target may claim. KD.md §2. */
#include "test/unit/kdnet/kd_vectors.h"

enum { STATE_CHANGE_SIZE = 240 };

static void a_real_break_in_decodes(void **state)
{
	(void)state;
	size_t length;
	uint8_t *data = win81_packet("state-change", &length);
	struct kd_state_change s;
	assert_int_equal(length, STATE_CHANGE_SIZE);
	assert_true(kd_state_change_decode(&s, KD_MACHINE_AMD64, data, length));
	assert_int_equal(s.state, KD_STATE_EXCEPTION);
	assert_int_equal(s.processor_level, 6);
	assert_int_equal(s.processor, 0);
	assert_int_equal(s.processors, 1);
	assert_int_equal(s.thread, 0xfffff8026bf65a00);
	assert_int_equal(s.program_counter, 0xfffff8026bd72b90);
	assert_int_equal(s.u.exception.code, KD_STATUS_BREAKPOINT);
	assert_int_equal(s.u.exception.address, 0xfffff8026bd72b90);
	assert_int_equal(s.u.exception.parameter_count, 1);
	assert_true(s.u.exception.first_chance);
	assert_int_equal(s.report.dr6, 0xffff0ff0);
	assert_int_equal(s.report.dr7, 0x400);
	assert_int_equal(s.report.eflags, 0x202);
	assert_int_equal(s.report.instruction_count, 16);
	assert_int_equal(s.report.flags, 3);
	assert_int_equal(s.report.instructions[0], 0xcc);
	assert_int_equal(s.report.cs, 0x10);
	assert_int_equal(s.report.ds, 0x2b);
	assert_int_equal(s.report.fs, 0x53);
	free(data);
}

struct boot_states {
	unsigned seen;
};

static void check_boot_state(const struct kd_vector *v, void *context)
{
	struct boot_states *states = context;
	struct kd_state_change s;
	if (v->type != KD_PACKET_STATE_CHANGE64)
		return;
	assert_true(kd_state_change_decode(&s, v->machine, v->data, v->length));
	assert_int_equal(s.report.dr7, 0x400);
	assert_int_equal(s.report.cs, 0x10);
	switch (states->seen++) {
	case 0: /* frame 8: winload itself */
		assert_int_equal(s.state, KD_STATE_LOAD_SYMBOLS);
		assert_int_equal(s.u.load.base, 0x96f000);
		assert_int_equal(s.u.load.process, UINT64_MAX);
		assert_int_equal(s.u.load.checksum, 0x149e3f);
		assert_int_equal(s.u.load.image_size, 0x17d000);
		assert_false(s.u.load.unload);
		assert_int_equal(s.u.load.path_length, strlen("winload.efi"));
		assert_memory_equal(s.u.load.path, "winload.efi", s.u.load.path_length);
		break;
	case 1: /* frame 378: the PC behind the int3, the address on it */
		assert_int_equal(s.state, KD_STATE_EXCEPTION);
		assert_int_equal(s.program_counter, 0x9cf07e);
		assert_int_equal(s.u.exception.address, 0x9cf07d);
		assert_int_equal(s.u.exception.code, KD_STATUS_BREAKPOINT);
		break;
	case 2: /* frame 952: the target leaves */
		assert_int_equal(s.state, KD_STATE_LOAD_SYMBOLS);
		assert_true(s.u.load.unload);
		assert_int_equal(s.u.load.base, UINT64_MAX);
		assert_int_equal(s.u.load.process, 0);
		assert_int_equal(s.u.load.path_length, 0);
		assert_true(kd_is_farewell(&s.u.load));
		break;
	default:
		fail_msg("a fourth state change in line %u", v->number);
	}
}

static void state_changes_of_a_boot_debugger_decode(void **state)
{
	(void)state;
	struct boot_states states = { 0 };
	win10_each(check_boot_state, &states);
	assert_int_equal(states.seen, 3);
}

struct clone_states {
	struct kd_state_change last;
	unsigned states;
	unsigned notes;
	unsigned values;
};

static void check_value(struct clone_states *c, const struct kd_vector *v,
			const char *key, int base, uint64_t actual)
{
	uint64_t expected;
	if (!note_number(v->line, key, base, &expected))
		return;
	if (expected != actual)
		fail_msg("line %u: %s is %llx, the note says %llx", v->number, key,
			 (unsigned long long)actual, (unsigned long long)expected);
	c->values++;
}

static void check_stream(struct clone_states *c, const struct kd_vector *v)
{
	const char *at = strstr(v->line, " stream ");
	if (!at)
		return;
	size_t length;
	uint8_t *bytes = test_hex(at + strlen(" stream "), &length);
	assert_true(length > 0 && length <= KD_INSTRUCTION_STREAM);
	assert_memory_equal(bytes, c->last.report.instructions, length);
	free(bytes);
	c->values++;
}

static void check_state_note(struct clone_states *c, const struct kd_vector *v)
{
	const struct kd_state_change *s = &c->last;
	check_value(c, v, "state", 16, s->state);
	check_value(c, v, "cpu", 10, s->processor);
	check_value(c, v, "level", 10, s->processor_level);
	check_value(c, v, "thread", 16, s->thread);
	check_value(c, v, "pc", 16, s->program_counter);
	check_value(c, v, "dr6", 16, s->report.dr6);
	check_value(c, v, "dr7", 16, s->report.dr7);
	check_value(c, v, "efl", 16, s->report.eflags);
	check_value(c, v, "icount", 10, s->report.instruction_count);
	check_value(c, v, "rflags", 16, s->report.flags);
	check_stream(c, v);
	if (s->state == KD_STATE_EXCEPTION) {
		check_value(c, v, "code", 16, s->u.exception.code);
		check_value(c, v, "flags", 16, s->u.exception.flags);
		check_value(c, v, "addr", 16, s->u.exception.address);
		check_value(c, v, "npar", 10, s->u.exception.parameter_count);
		check_value(c, v, "first", 10, s->u.exception.first_chance);
	} else if (s->state == KD_STATE_LOAD_SYMBOLS) {
		check_value(c, v, "base", 16, s->u.load.base);
		check_value(c, v, "pid", 16, s->u.load.process);
		check_value(c, v, "cksum", 16, s->u.load.checksum);
		check_value(c, v, "size", 16, s->u.load.image_size);
	}
}

static void on_clone_state(const struct kd_vector *v, void *context)
{
	struct clone_states *c = context;
	if (!v->note && v->type == KD_PACKET_STATE_CHANGE64) {
		assert_true(
			kd_state_change_decode(&c->last, v->machine, v->data, v->length));
		assert_in_range(c->last.processors, 1, 1);
		c->states++;
	}
	/* the note of all load events together names the first alone */
	if (v->note && strstr(v->line, "<state ") && !strstr(v->line, "symbols [")) {
		check_state_note(c, v);
		c->notes++;
	}
}

static void state_changes_decode_to_what_the_notes_say(void **state)
{
	(void)state;
	struct clone_states c = { 0 };
	nt_clone_each(on_clone_state, &c);
	assert_int_equal(c.states, 95);
	assert_int_equal(c.notes, 44);
	assert_true(c.values > 400);
}

static const char *const clone_paths[] = {
	"program",
	"multi(0)disk(0)cdrom(96)\\reactos\\system32\\ntoskrnl.exe",
	"multi(0)disk(0)cdrom(96)\\reactos\\system32\\halacpi.dll",
	"\\reactos\\System32\\Drivers\\kdcom.dll",
	"\\reactos\\System32\\Drivers\\bootvid.dll",
};

static void on_clone_load(const struct kd_vector *v, void *context)
{
	unsigned *seen = context;
	struct kd_state_change s;
	if (v->note || v->type != KD_PACKET_STATE_CHANGE64)
		return;
	assert_true(kd_state_change_decode(&s, v->machine, v->data, v->length));
	if (s.state != KD_STATE_LOAD_SYMBOLS)
		return;
	if (*seen < sizeof(clone_paths) / sizeof(clone_paths[0])) {
		const char *path = clone_paths[*seen];
		assert_int_equal(s.u.load.path_length, strlen(path));
		assert_memory_equal(s.u.load.path, path, strlen(path));
	}
	assert_int_equal(s.u.load.unload, *seen == 0);
	(*seen)++;
}

static void load_events_carry_their_paths(void **state)
{
	(void)state;
	unsigned seen = 0;
	nt_clone_each(on_clone_load, &seen);
	assert_true(seen > 25);
}

static void on_clone_command(const struct kd_vector *v, void *context)
{
	static const char text[] = "This program cannot be run in DOS mode.\r\r\n$";
	unsigned *seen = context;
	struct kd_state_change s;
	if (v->note || v->type != KD_PACKET_STATE_CHANGE64)
		return;
	assert_true(kd_state_change_decode(&s, v->machine, v->data, v->length));
	if (s.state != KD_STATE_COMMAND_STRING)
		return;
	assert_int_equal(s.u.command.name_length, strlen(text));
	assert_memory_equal(s.u.command.name, text, strlen(text));
	/* the command was the same text, from its second word on */
	const char *command = strchr(text, 'p');
	assert_int_equal(s.u.command.command_length, strlen(command));
	assert_memory_equal(s.u.command.command, command, strlen(command));
	(*seen)++;
}

static void a_command_string_has_name_and_command(void **state)
{
	(void)state;
	unsigned seen = 0;
	nt_clone_each(on_clone_command, &seen);
	assert_int_equal(seen, 1);
}

static void an_arm64_report_has_its_own_layout(void **state)
{
	(void)state;
	uint8_t data[STATE_CHANGE_SIZE] = { 0x30, 0x30 };
	store_le(data + 192, 0x1122334455667788, 8);
	store_le(data + 200, 0x99aabbccddeeff00, 8);
	store_le(data + 208, 16, 4);
	data[212] = 0xd4;
	data[227] = 0x3e;
	struct kd_state_change s;
	assert_true(
		kd_state_change_decode(&s, KD_MACHINE_ARM64, data, STATE_CHANGE_SIZE));
	assert_int_equal(s.report.bvr, 0x1122334455667788);
	assert_int_equal(s.report.wvr, 0x99aabbccddeeff00);
	assert_int_equal(s.report.instruction_count, 16);
	assert_int_equal(s.report.instructions[0], 0xd4);
	assert_int_equal(s.report.instructions[15], 0x3e);
	assert_int_equal(s.report.dr7, 0);
}

static void claims_over_the_packet_are_cut(void **state)
{
	(void)state;
	uint8_t data[STATE_CHANGE_SIZE + 5] = { 0x30, 0x30 };
	struct kd_state_change s;
	store_le(data + 56, UINT32_MAX, 4);  /* parameters */
	store_le(data + 212, UINT16_MAX, 2); /* instructions */
	uint8_t *exact = test_exact_copy(data, sizeof(data));
	assert_true(kd_state_change_decode(&s, KD_MACHINE_AMD64, exact, sizeof(data)));
	assert_int_equal(s.u.exception.parameter_count, KD_EXCEPTION_PARAMETERS);
	assert_int_equal(s.report.instruction_count, KD_INSTRUCTION_STREAM);

	exact[0] = 0x31; /* load symbols: a path of 4 GiB, of which 5 bytes came */
	store_le(exact + 32, UINT32_MAX, 4);
	memcpy(exact + STATE_CHANGE_SIZE, "a.sys", 5);
	assert_true(kd_state_change_decode(&s, KD_MACHINE_AMD64, exact, sizeof(data)));
	assert_int_equal(s.u.load.path_length, 5);

	exact[0] = 0x32; /* a command string without an end */
	assert_true(kd_state_change_decode(&s, KD_MACHINE_AMD64, exact, sizeof(data)));
	assert_int_equal(s.u.command.name_length, 5);
	assert_int_equal(s.u.command.command_length, 0);
	free(exact);
}

static void unknown_states_are_rejected(void **state)
{
	(void)state;
	uint8_t data[STATE_CHANGE_SIZE] = { 0x33, 0x30 };
	struct kd_state_change s;
	assert_false(kd_state_change_decode(&s, KD_MACHINE_AMD64, data, sizeof(data)));
	assert_false(kd_state_change_decode(&s, KD_MACHINE_AMD64, NULL, 0));
}

static void every_truncated_state_change_is_rejected(void **state)
{
	(void)state;
	for (uint8_t kind = 0x30; kind <= 0x32; kind++) {
		uint8_t data[STATE_CHANGE_SIZE + 24] = { kind, 0x30 };
		store_le(data + 32, 24, 4);
		memset(data + STATE_CHANGE_SIZE, 'x', 24);
		for (size_t len = 0; len <= sizeof(data); len++) {
			struct kd_state_change s;
			uint8_t *exact = test_exact_copy(data, len);
			bool ok =
				kd_state_change_decode(&s, KD_MACHINE_AMD64, exact, len);
			assert_int_equal(ok, len >= STATE_CHANGE_SIZE);
			if (ok && kind == 0x31)
				assert_int_equal(s.u.load.path_length,
						 len - STATE_CHANGE_SIZE);
			free(exact);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_break_in_decodes),
		cmocka_unit_test(state_changes_of_a_boot_debugger_decode),
		cmocka_unit_test(state_changes_decode_to_what_the_notes_say),
		cmocka_unit_test(load_events_carry_their_paths),
		cmocka_unit_test(a_command_string_has_name_and_command),
		cmocka_unit_test(an_arm64_report_has_its_own_layout),
		cmocka_unit_test(claims_over_the_packet_are_cut),
		cmocka_unit_test(unknown_states_are_rejected),
		cmocka_unit_test(every_truncated_state_change_is_rejected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
