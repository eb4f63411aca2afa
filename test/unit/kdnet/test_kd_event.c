#include "test/unit/kdnet/kd_vectors.h"

#include <ctype.h>

enum { STATE_CHANGE_SIZE = 240 };

/* ---- debug I/O ---- */

/* As Python shows bytes, which is how the vectors show text: b'a\n'. */
static void python_text(char *out, size_t size, const char *text, size_t length)
{
	static const char plain[] = "\n\r\t\\";
	static const char escapes[] = "nrt\\";
	size_t used = 0;
	for (size_t i = 0; i < length && used + 3 < size; i++) {
		const char *escape = text[i] ? strchr(plain, text[i]) : NULL;
		if (escape)
			out[used++] = '\\';
		out[used++] = escape ? escapes[escape - plain] : text[i];
	}
	out[used] = '\0';
}

static void check_clone_text(const struct kd_vector *v, const struct kd_debug_io *io)
{
	char shown[512];
	const char *text = strstr(v->line, " b");
	assert_non_null(text);
	char quote = text[2];
	text += 3;
	/* long texts were cut, and the rest of the line, its hex, follows a blank */
	const char *end = strchr(text, quote);
	size_t length = (size_t)((end ? end : strrchr(v->line, ' ')) - text);
	python_text(shown, sizeof(shown), io->text, io->length);
	assert_true(strlen(shown) >= length);
	assert_memory_equal(shown, text, length);
}

static void on_clone_debug_io(const struct kd_vector *v, void *context)
{
	unsigned *seen = context;
	struct kd_debug_io io;
	if (v->note || v->type != KD_PACKET_DEBUG_IO || v->to_target)
		return;
	assert_true(kd_debug_io_decode(&io, v->data, v->length));
	assert_int_equal(io.processor, 0);
	assert_int_equal(io.length, v->length - 16);
	assert_int_equal(io.api, strstr(v->line, " Prompt ") ? KD_PROMPT : KD_PRINT);
	check_clone_text(v, &io);
	(*seen)++;
}

static void prints_decode_to_the_text_in_the_vectors(void **state)
{
	(void)state;
	unsigned seen = 0;
	nt_clone_each(on_clone_debug_io, &seen);
	assert_int_equal(seen, 103);
}

struct prompt_exchange {
	uint8_t answer[64];
	size_t length;
	unsigned checked;
};

static void on_clone_prompt(const struct kd_vector *v, void *context)
{
	static const char text[] = "Break repeatedly, break Once, Ignore, terminate "
				   "Process or terminate Thread (boipt)? ";
	struct prompt_exchange *x = context;
	if (v->note || v->type != KD_PACKET_DEBUG_IO)
		return;
	struct kd_debug_io io;
	if (v->to_target) {
		assert_int_equal(v->length, x->length);
		assert_memory_equal(v->data, x->answer, x->length);
		x->checked++;
	} else if (kd_debug_io_decode(&io, v->data, v->length) && io.api == KD_PROMPT) {
		assert_int_equal(io.processor_level, 15);
		assert_int_equal(io.room, 2);
		assert_int_equal(io.length, strlen(text));
		assert_memory_equal(io.text, text, io.length);
		x->length = kd_prompt_answer_encode(x->answer, sizeof(x->answer), &io,
						    "i", 1);
	}
}

static void a_prompt_and_its_answer_are_those_of_the_vector(void **state)
{
	(void)state;
	struct prompt_exchange x = { 0 };
	nt_clone_each(on_clone_prompt, &x);
	assert_int_equal(x.checked, 1);
}

static void an_answer_is_cut_to_the_room(void **state)
{
	(void)state;
	struct kd_debug_io prompt = { .api = KD_PROMPT, .room = 3, .length = 9 };
	uint8_t out[32];
	assert_int_equal(kd_prompt_answer_encode(out, sizeof(out), &prompt, "yes!", 4),
			 16 + 3);
	assert_int_equal(load_le(out + 12, 4), 3);
	assert_memory_equal(out + 16, "yes", 3);
	assert_int_equal(kd_prompt_answer_encode(out, 18, &prompt, "yes", 3), 0);
	assert_int_equal(kd_prompt_answer_encode(out, sizeof(out), &prompt, NULL, 0), 16);
}

static void every_truncated_print_is_rejected_or_cut(void **state)
{
	(void)state;
	uint8_t data[16 + 6] = { 0x30, 0x32 };
	store_le(data + 8, 6, 4);
	memcpy(data + 16, "abcdef", 6);
	for (size_t len = 0; len <= sizeof(data); len++) {
		struct kd_debug_io io;
		uint8_t *exact = test_exact_copy(data, len);
		assert_int_equal(kd_debug_io_decode(&io, exact, len), len >= 16);
		if (len >= 16)
			assert_int_equal(io.length, len - 16);
		free(exact);
	}
	struct kd_debug_io io;
	store_le(data + 8, 2, 4); /* less than there is: what is claimed */
	assert_true(kd_debug_io_decode(&io, data, sizeof(data)));
	assert_int_equal(io.length, 2);
	data[0] = 0x32; /* 3232 does not exist */
	assert_false(kd_debug_io_decode(&io, data, sizeof(data)));
}

/* ---- file I/O ---- */

struct file_io_exchange {
	struct kd_file_io request;
	unsigned requests;
	unsigned answers;
};

/* A path in UTF-16, without its NUL. */
static void check_path(const struct kd_file_io *io)
{
	char path[128];
	assert_true(io->length % 2 == 0 && io->length / 2 < sizeof(path));
	for (size_t i = 0; i < io->length / 2; i++) {
		path[i] = (char)tolower(io->data[2 * i]);
		assert_true(isgraph(io->data[2 * i]));
		assert_int_equal(io->data[2 * i + 1], 0);
	}
	path[io->length / 2] = '\0';
	assert_non_null(strstr(path, "system32\\"));
}

/* What WinDbg left undefined in its answers is not compared. */
static void check_file_answer(const struct kd_vector *v, const struct kd_file_io *request)
{
	uint8_t out[64];
	assert_int_equal(kd_file_io_answer_encode(out, sizeof(out), request,
						  KD_STATUS_NO_SUCH_FILE, 0, 0, NULL, 0),
			 v->length);
	assert_memory_equal(out, v->data, 12);		/* API, status, access */
	assert_memory_equal(out + 20, v->data + 20, 4); /* disposition */
	assert_memory_equal(out + 32, v->data + 32, 8); /* handle */
}

static void on_boot_file_io(const struct kd_vector *v, void *context)
{
	struct file_io_exchange *x = context;
	if (v->type != KD_PACKET_FILE_IO)
		return;
	if (v->to_target) {
		check_file_answer(v, &x->request);
		x->answers++;
		return;
	}
	assert_true(kd_file_io_decode(&x->request, v->data, v->length));
	assert_int_equal(x->request.api, KD_FILE_CREATE);
	assert_int_equal(x->request.access, 0x120089); /* generic read */
	assert_int_equal(x->request.disposition, 1);   /* open */
	check_path(&x->request);
	x->requests++;
}

static void boot_loader_requests_decode_and_answers_encode(void **state)
{
	(void)state;
	struct file_io_exchange x = { 0 };
	win10_each(on_boot_file_io, &x);
	assert_int_equal(x.requests, 33);
	assert_int_equal(x.answers, 33);
}

static void file_answers_carry_handle_length_and_bytes(void **state)
{
	(void)state;
	uint8_t out[80];
	struct kd_file_io io = { .api = KD_FILE_CREATE };
	assert_int_equal(
		kd_file_io_answer_encode(out, sizeof(out), &io, 0, 0x77, 0x1234, NULL, 0),
		64);
	assert_int_equal(load_le(out + 32, 8), 0x77);
	assert_int_equal(load_le(out + 40, 8), 0x1234);

	io = (struct kd_file_io){ .api = KD_FILE_READ, .handle = 0x77, .offset = 0x400 };
	assert_int_equal(kd_file_io_answer_encode(out, sizeof(out), &io, 0, 0, 0,
						  (const uint8_t *)"MZ\x90", 3),
			 64 + 3);
	assert_int_equal(load_le(out + 8, 8), 0x77);
	assert_int_equal(load_le(out + 16, 8), 0x400);
	assert_int_equal(load_le(out + 24, 4), 3);
	assert_memory_equal(out + 64, "MZ\x90", 3);
	assert_int_equal(kd_file_io_answer_encode(out, 66, &io, 0, 0, 0,
						  (const uint8_t *)"MZ\x90", 3),
			 0);
}

static void file_reads_and_writes_decode(void **state)
{
	(void)state;
	uint8_t data[64 + 4] = { 0x32, 0x34 };
	store_le(data + 8, 0x77, 8);
	store_le(data + 16, 0x400, 8);
	store_le(data + 24, 3, 4);
	memcpy(data + 64, "abcd", 4);
	struct kd_file_io io;
	assert_true(kd_file_io_decode(&io, data, sizeof(data)));
	assert_int_equal(io.api, KD_FILE_WRITE);
	assert_int_equal(io.handle, 0x77);
	assert_int_equal(io.offset, 0x400);
	assert_int_equal(io.count, 3);
	assert_int_equal(io.length, 3);
	store_le(data + 24, 1088, 4);
	assert_true(kd_file_io_decode(&io, data, sizeof(data)));
	assert_int_equal(io.length, 4); /* the claim is cut, what was asked is not */
	assert_int_equal(io.count, 1088);
}

static void every_truncated_file_request_is_rejected(void **state)
{
	(void)state;
	for (uint8_t kind = 0x30; kind <= 0x34; kind++) {
		uint8_t data[64 + 8] = { kind, 0x34 };
		store_le(data + 24, 8, 4);
		for (size_t len = 0; len <= sizeof(data); len++) {
			struct kd_file_io io;
			uint8_t *exact = test_exact_copy(data, len);
			bool ok = kd_file_io_decode(&io, exact, len);
			assert_int_equal(ok, len >= 64 && kind < 0x34);
			if (ok)
				assert_true(io.length <= len - 64);
			free(exact);
		}
	}
}

/* ---- control requests ---- */

static void a_hardware_breakpoint_is_granted(void **state)
{
	(void)state;
	static const uint8_t data[12] = { 0x00, 0x43, 0, 0, 2 };
	static const uint8_t answer[12] = { 0x00, 0x43, 0, 0, 2, 0, 0, 0, 1 };
	struct kd_control_request c;
	uint8_t out[12];
	for (size_t len = 0; len <= sizeof(data); len++) {
		uint8_t *exact = test_exact_copy(data, len);
		assert_int_equal(kd_control_request_decode(&c, exact, len), len >= 8);
		free(exact);
	}
	assert_int_equal(c.api, KD_REQUEST_BREAKPOINT);
	assert_int_equal(c.number, 2);
	assert_int_equal(kd_control_answer_encode(out, sizeof(out), &c), sizeof(answer));
	assert_memory_equal(out, answer, sizeof(answer));
	assert_int_equal(kd_control_answer_encode(out, 11, &c), 0);
	static const uint8_t other[8] = { 0x02, 0x43 };
	assert_false(kd_control_request_decode(&c, other, sizeof(other)));
}

/* ---- garbage ---- */

static bool is_inside(const void *part, size_t part_length, const uint8_t *whole,
		      size_t length)
{
	const uint8_t *p = part;
	return part_length == 0 || (p >= whole && p + part_length <= whole + length);
}

static void check_garbage(const uint8_t *data, size_t length, enum kd_machine machine)
{
	struct kd_state_change s;
	struct kd_debug_io io;
	struct kd_file_io file;
	if (kd_state_change_decode(&s, machine, data, length)) {
		assert_true(s.report.instruction_count <= KD_INSTRUCTION_STREAM);
		if (s.state == KD_STATE_LOAD_SYMBOLS)
			assert_true(is_inside(s.u.load.path, s.u.load.path_length, data,
					      length));
		if (s.state == KD_STATE_COMMAND_STRING) {
			assert_true(is_inside(s.u.command.name, s.u.command.name_length,
					      data, length));
			assert_true(is_inside(s.u.command.command,
					      s.u.command.command_length, data, length));
		}
	}
	if (kd_debug_io_decode(&io, data, length))
		assert_true(is_inside(io.text, io.length, data, length));
	if (kd_file_io_decode(&file, data, length))
		assert_true(is_inside(file.data, file.length, data, length));
}

static void garbage_never_leads_outside_of_the_packet(void **state)
{
	(void)state;
	static const enum kd_machine machines[] = { KD_MACHINE_AMD64, KD_MACHINE_I386,
						    KD_MACHINE_ARM64, KD_MACHINE_ARM };
	static const uint16_t apis[] = { 0x3030, 0x3031, 0x3032, 0x3230, 0x3231,
					 0x3430, 0x3431, 0x3432, 0x3433 };
	uint64_t seed = 0x6b64657665;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t data[320];
		size_t length = test_random(&seed) % sizeof(data);
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(test_random(&seed) >> (round % 3 * 8));
		store_le(data, apis[test_random(&seed) % 9], 4);
		uint8_t *exact = test_exact_copy(data, length);
		check_garbage(exact, length, machines[round % 4]);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_decode_to_the_text_in_the_vectors),
		cmocka_unit_test(a_prompt_and_its_answer_are_those_of_the_vector),
		cmocka_unit_test(an_answer_is_cut_to_the_room),
		cmocka_unit_test(every_truncated_print_is_rejected_or_cut),
		cmocka_unit_test(boot_loader_requests_decode_and_answers_encode),
		cmocka_unit_test(file_answers_carry_handle_length_and_bytes),
		cmocka_unit_test(file_reads_and_writes_decode),
		cmocka_unit_test(every_truncated_file_request_is_rejected),
		cmocka_unit_test(a_hardware_breakpoint_is_granted),
		cmocka_unit_test(garbage_never_leads_outside_of_the_packet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
