#include "kdnet/kd_api.h"

#include "test/unit/kdnet/kd_vectors.h"

enum { U = 16, TRAILING = KD_MANIPULATE_SIZE };

/* Nothing is refused for the processor or the context: those are the guards' tests. */
static struct kd_guard open_guard(enum kd_machine machine)
{
	return (struct kd_guard){ .machine = machine,
				  .processors = 0x10000,
				  .contexts_fetched = UINT64_MAX,
				  .all_contexts_fetched = true };
}

/* ---- rows ---- */

static void rows_have_no_gaps_and_no_duplicates(void **state)
{
	(void)state;
	static const struct {
		unsigned first, last;
	} ranges[] = { { 0x3130, 0x313e }, { 0x3144, 0x3146 }, { 0x3148, 0x3149 },
		       { 0x3150, 0x3150 }, { 0x3152, 0x3153 }, { 0x3156, 0x3160 } };
	size_t count = 0;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		for (unsigned api = ranges[i].first; api <= ranges[i].last; api++) {
			const struct kd_api_row *row = kd_api_row(api);
			assert_non_null(row);
			assert_int_equal(row->api, api);
			assert_string_equal(kd_api_name(api), row->name);
			count++;
		}
	}
	assert_non_null(kd_api_row_at(count - 1));
	assert_null(kd_api_row_at(count));
	for (size_t i = 1; i < count; i++) {
		const struct kd_api_row *row = kd_api_row_at(i);
		assert_true(row->api > kd_api_row_at(i - 1)->api);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(row->name, kd_api_row_at(j)->name);
	}
}

static void check_fields(const struct kd_field *fields, enum kd_direction in)
{
	bool taken[40] = { false };
	for (const struct kd_field *f = fields; f && f->size > 0; f++) {
		assert_true(f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8);
		assert_true(f->width >= f->size || f->flag);
		assert_true(f->at + f->size <= 40);
		assert_true(f->place + f->width <= sizeof(union kd_arguments));
		for (size_t i = 0; i < f->size && (f->in & in); i++) {
			assert_false(taken[f->at + i]);
			taken[f->at + i] = true;
		}
	}
}

static void no_two_fields_of_a_row_overlap(void **state)
{
	(void)state;
	for (size_t i = 0; kd_api_row_at(i); i++) {
		const struct kd_api_row *row = kd_api_row_at(i);
		check_fields(row->fields, KD_IN_REQUEST);
		check_fields(row->fields, KD_IN_REPLY);
		if (row->first_repeated)
			assert_int_equal(row->fields[0].in, KD_IN_BOTH);
	}
}

static void what_has_no_reply_is_known(void **state)
{
	(void)state;
	static const unsigned silent[] = {
		0x3136, 0x313b, 0x313c, 0x3149, 0x3150, 0x315a
	};
	for (unsigned api = 0x3130; api <= 0x3160; api++) {
		bool expected = kd_api_name(api) != NULL;
		for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
			expected = expected && api != silent[i];
		assert_int_equal(kd_api_has_reply((enum kd_api)api), expected);
	}
	assert_null(kd_api_name(0x3147));
	assert_null(kd_api_name(0));
}

/* ---- captures ---- */

static void the_version_of_windows_8_1_decodes(void **state)
{
	(void)state;
	size_t length;
	uint8_t *data = win81_packet("get-version-reply", &length);
	struct kd_reply reply;
	assert_true(kd_reply_decode(&reply, KD_MACHINE_UNKNOWN, data, length));
	assert_int_equal(reply.api, KD_GET_VERSION);
	assert_int_equal(reply.status, KD_STATUS_SUCCESS);
	const struct kd_version *v = &reply.u.version;
	assert_int_equal(v->major, 15);
	assert_int_equal(v->build, 9600);
	assert_int_equal(v->protocol, 6);
	assert_int_equal(v->context_revision, 2);
	assert_int_equal(v->flags, 7);
	assert_int_equal(v->machine, KD_MACHINE_AMD64);
	assert_int_equal(v->highest_packet_type, 12);
	assert_int_equal(v->highest_state_change, 3);
	assert_int_equal(v->highest_manipulate, 0x31);
	assert_int_equal(v->simulation, 0);
	assert_int_equal(v->kernel_base, 0xfffff8026bc18000);
	assert_int_equal(v->loaded_module_list, 0xfffff8026bee22d0);
	assert_int_equal(v->debugger_data_list, 0xfffff8026bef91f0);
	free(data);
}

static void the_build_string_of_windows_8_1_is_read(void **state)
{
	(void)state;
	static const char text[] = "9600.17085.amd64fre.winblue_gdr.140330-1035";
	size_t length;
	struct kd_request request;
	struct kd_reply reply;
	uint8_t *asked = win81_packet("read-virtual-request", &length);
	assert_true(kd_request_decode(&request, KD_MACHINE_AMD64, asked, length));
	uint8_t *data = win81_packet("read-virtual-reply", &length);
	assert_true(kd_reply_decode(&reply, KD_MACHINE_AMD64, data, length));
	assert_int_equal(request.u.memory.address, 0xfffff8026bc19c10);
	assert_int_equal(reply.u.memory.address, 0xfffff8026bc19c10);
	assert_int_equal(reply.u.memory.count, 261);
	assert_int_equal(reply.u.memory.actual, 261);
	assert_int_equal(reply.length, 261);
	assert_memory_equal(reply.data, text, sizeof(text));
	/* WinDbg leaves rubbish in the level of a read, and the target repeats it */
	assert_true(kd_reply_answers(&reply, &request));
	free(asked);
	free(data);
}

static void the_context_of_windows_8_1_is_whole(void **state)
{
	(void)state;
	size_t length;
	struct kd_reply reply;
	uint8_t *data = win81_packet("get-context-ex-reply", &length);
	assert_true(kd_reply_decode(&reply, KD_MACHINE_AMD64, data, length));
	assert_int_equal(reply.api, KD_GET_CONTEXT_PART);
	assert_int_equal(reply.u.context_part.count, KD_CONTEXT_AMD64);
	assert_int_equal(reply.u.context_part.copied, KD_CONTEXT_AMD64);
	assert_int_equal(reply.length, KD_CONTEXT_AMD64);
	assert_int_equal(load_le(reply.data + 0x30, 4), 0x10001f);
	assert_int_equal(load_le(reply.data + 0x38, 2), 0x10);
	assert_int_equal(load_le(reply.data + 0xf8, 8), 0xfffff8026bd72b90);
	free(data);
}

/* Both sides of a conversation, as far as KD.md §3 goes. */
struct conversation {
	struct kd_request request;
	unsigned requests;
	unsigned answered;
	unsigned encoded;
};

/* Bytes of a request that its row defines; the rest is whatever WinDbg had there. */
static void check_defined_bytes(const struct kd_vector *v, const uint8_t *encoded)
{
	const struct kd_api_row *row = kd_api_row((uint32_t)load_le(v->data, 4));
	assert_memory_equal(encoded, v->data, 4); /* API */
	for (const struct kd_field *f = row->fields; f && f->size > 0; f++) {
		if (f->in & KD_IN_REQUEST)
			assert_memory_equal(encoded + U + f->at, v->data + U + f->at,
					    f->size);
	}
	assert_memory_equal(encoded + TRAILING, v->data + TRAILING, v->length - TRAILING);
}

/* False when a guard refuses it. */
static bool check_encoding(const struct kd_vector *v, const struct kd_request *request)
{
	uint8_t out[KD_REQUEST_MAX];
	enum kd_refusal refusal;
	const struct kd_guard guard = open_guard(v->machine);
	size_t length = kd_request_encode(out, request, &guard, &refusal);
	if (refusal != KD_ALLOWED)
		return false;
	assert_int_equal(length, v->length);
	assert_int_equal(load_le(out + 4, 2), request->processor_level);
	assert_int_equal(load_le(out + 6, 2), request->processor);
	assert_int_equal(load_le(out + 8, 4), KD_STATUS_PENDING);
	check_defined_bytes(v, out);
	return true;
}

static void on_request(struct conversation *c, const struct kd_vector *v)
{
	assert_true(kd_request_decode(&c->request, v->machine, v->data, v->length));
	assert_int_equal(c->request.length, v->length - TRAILING);
	c->requests++;
	c->encoded += check_encoding(v, &c->request);
}

static void check_trailing(const struct kd_vector *v, const struct kd_reply *reply)
{
	switch (reply->api) {
	case KD_GET_CONTEXT:
		assert_int_equal(reply->length, v->machine == KD_MACHINE_I386
							? KD_CONTEXT_I386
							: KD_CONTEXT_AMD64);
		break;
	case KD_WRITE_CONTROL_SPACE: /* may repeat what was written */
		assert_int_equal(reply->length, 0);
		break;
	default:
		assert_int_equal(reply->length, v->length - TRAILING);
	}
}

static void on_conversation(const struct kd_vector *v, void *context)
{
	struct conversation *c = context;
	struct kd_reply reply;
	if (v->note || v->type != KD_PACKET_MANIPULATE)
		return;
	if (v->to_target) {
		on_request(c, v);
		return;
	}
	assert_true(kd_reply_decode(&reply, v->machine, v->data, v->length));
	check_trailing(v, &reply);
	c->answered += kd_reply_answers(&reply, &c->request);
}

static void a_boot_debugger_session_decodes_and_encodes(void **state)
{
	(void)state;
	struct conversation c = { 0 };
	win10_each(on_conversation, &c);
	assert_int_equal(c.requests, 95);
	assert_int_equal(c.encoded, c.requests);
	/* three have no reply; one was asked and answered twice (frames 194 to 204) */
	assert_int_equal(c.answered, 92);
}

static void a_session_with_a_clone_decodes_and_encodes(void **state)
{
	(void)state;
	struct conversation c = { 0 };
	nt_clone_each(on_conversation, &c);
	assert_int_equal(c.requests, 289);
	/* The guards refuse what its experiments went too far with: part of the special
	 * registers, i386 control space at 800 and 5000 and of 4000 bytes, an i386 list
	 * pointer taken for one of 64 bits. */
	assert_int_equal(c.encoded, c.requests - 5);
	/* Of 120 replies the first is a late one, a context after get version. */
	assert_int_equal(c.answered, 119);
}

/* ---- versions ---- */

static void on_clone_version(const struct kd_vector *v, void *context)
{
	unsigned *seen = context;
	struct kd_reply reply;
	if (v->note || v->type != KD_PACKET_MANIPULATE || v->to_target)
		return;
	assert_true(kd_reply_decode(&reply, v->machine, v->data, v->length));
	if (reply.api != KD_GET_VERSION)
		return;
	bool wide = v->machine == KD_MACHINE_AMD64;
	assert_int_equal(reply.u.version.major, 12);
	assert_int_equal(reply.u.version.build, 3790);
	assert_int_equal(reply.u.version.machine, v->machine);
	assert_int_equal(reply.u.version.flags, wide ? 6 : 2);
	assert_int_equal(reply.u.version.kernel_base,
			 wide ? 0xfffff80000400000 : 0xffffffff80400000);
	assert_int_equal(reply.u.version.loaded_module_list,
			 wide ? 0xfffff8000062cc80 : 0xffffffff806410a4);
	assert_int_equal(reply.u.version.debugger_data_list,
			 wide ? 0xfffff8000061ab30 : 0xffffffff80631ec4);
	(*seen)++;
}

static void versions_of_a_clone_are_what_the_notes_say(void **state)
{
	(void)state;
	unsigned seen = 0;
	nt_clone_each(on_clone_version, &seen);
	assert_true(seen >= 3);
}

/* ---- layouts that no capture has ---- */

static const uint8_t *encode(uint8_t out[static KD_REQUEST_MAX],
			     const struct kd_request *request, enum kd_machine machine)
{
	enum kd_refusal refusal;
	const struct kd_guard guard = open_guard(machine);
	size_t length = kd_request_encode(out, request, &guard, &refusal);
	assert_int_equal(refusal, KD_ALLOWED);
	struct kd_request again;
	assert_true(kd_request_decode(&again, machine, out, length));
	assert_int_equal(again.length, request->length);
	return out + U;
}

static void continue2_differs_by_machine(void **state)
{
	(void)state;
	uint8_t out[KD_REQUEST_MAX];
	const struct kd_request request = { .api = KD_CONTINUE2,
					    .u.resume = { .status = KD_DBG_CONTINUE,
							  .trace = true,
							  .dr7 = 0x401,
							  .symbol_start = 0x1111,
							  .symbol_end = 0x2222 } };
	const uint8_t *u = encode(out, &request, KD_MACHINE_AMD64);
	assert_int_equal(load_le(u, 4), KD_DBG_CONTINUE);
	assert_int_equal(load_le(u + 4, 4), 1);
	assert_int_equal(load_le(u + 8, 8), 0x401);
	assert_int_equal(load_le(u + 16, 8), 0x1111);
	assert_int_equal(load_le(u + 24, 8), 0x2222);
	u = encode(out, &request, KD_MACHINE_I386);
	assert_int_equal(load_le(u + 4, 4), 1);
	assert_int_equal(load_le(u + 8, 4), 0x401);
	assert_int_equal(load_le(u + 12, 4), 0x1111);
	assert_int_equal(load_le(u + 16, 4), 0x2222);
	u = encode(out, &request, KD_MACHINE_ARM64);
	assert_int_equal(load_le(u + 4, 4), 1);
	assert_int_equal(load_le(u + 8, 8), 0x1111);
	assert_int_equal(load_le(u + 16, 8), 0x2222);
	assert_int_equal(load_le(u + 24, 8), 0);
}

static void any_trace_number_but_0_means_trace(void **state)
{
	(void)state;
	uint8_t data[KD_MANIPULATE_SIZE] = { 0x3c, 0x31 };
	struct kd_request request;
	store_le(data + U + 4, 0x100, 4);
	assert_true(kd_request_decode(&request, KD_MACHINE_AMD64, data, sizeof(data)));
	assert_true(request.u.resume.trace);
}

static void numbers_lie_where_the_specification_says(void **state)
{
	(void)state;
	uint8_t out[KD_REQUEST_MAX];
	static const uint8_t pattern[4] = { 1, 2, 3, 4 };
	const uint8_t *u = encode(
		out,
		&(struct kd_request){ .api = KD_WRITE_MSR,
				      .u.msr = { 0xc0000080, 0x1122334455667788 } },
		KD_MACHINE_AMD64);
	assert_int_equal(load_le(u, 4), 0xc0000080);
	assert_int_equal(load_le(u + 4, 4), 0x55667788);
	assert_int_equal(load_le(u + 8, 4), 0x11223344);

	u = encode(
		out,
		&(struct kd_request){ .api = KD_WRITE_IO,
				      .u.io = { .port = 0x3f8, .size = 2, .value = 7 } },
		KD_MACHINE_AMD64);
	assert_int_equal(load_le(u, 8), 0x3f8);
	assert_int_equal(load_le(u + 8, 4), 2);
	assert_int_equal(load_le(u + 12, 4), 7);

	u = encode(out,
		   &(struct kd_request){ .api = KD_WRITE_IO_EXTENDED,
					 .u.io = { 0x3f8, 2, 7, 5, 3, 1 } },
		   KD_MACHINE_AMD64);
	static const uint32_t words[] = { 2, 5, 3, 1, 0x3f8, 0, 7 };
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(load_le(u + 4 * i, 4), words[i]);

	u = encode(out,
		   &(struct kd_request){ .api = KD_READ_PHYSICAL,
					 .u.memory = { .address = 0x1000,
						       .count = 16,
						       .caching = KD_CACHING_UNCACHED } },
		   KD_MACHINE_UNKNOWN);
	assert_int_equal(load_le(u, 8), 0x1000);
	assert_int_equal(load_le(u + 8, 4), 16);
	assert_int_equal(load_le(u + 12, 4), 2);

	u = encode(out,
		   &(struct kd_request){ .api = KD_FILL_MEMORY,
					 .u.fill = { 0x1000, 64, 1, 4 },
					 .data = pattern,
					 .length = 4 },
		   KD_MACHINE_AMD64);
	assert_int_equal(load_le(u + 8, 4), 64);
	assert_int_equal(load_le(u + 12, 2), 1);
	assert_int_equal(load_le(u + 14, 2), 4);
	assert_memory_equal(u + 40, pattern, 4);

	u = encode(out,
		   &(struct kd_request){ .api = KD_SET_CONTEXT_PART,
					 .u.context_part = { 8, 4, 0, 1232 },
					 .data = pattern,
					 .length = 4 },
		   KD_MACHINE_AMD64);
	assert_int_equal(load_le(u, 4), 8);
	assert_int_equal(load_le(u + 4, 4), 4);
	assert_int_equal(load_le(u + 8, 4), 1232);
}

/* ---- hostile replies ---- */

static size_t reply_bytes(uint8_t *data, unsigned api, size_t trailing)
{
	memset(data, 0xee, KD_MANIPULATE_SIZE + trailing);
	store_le(data, api, 4);
	return KD_MANIPULATE_SIZE + trailing;
}

static void a_count_over_the_packet_is_cut_to_it(void **state)
{
	(void)state;
	uint8_t data[KD_MANIPULATE_SIZE + 8];
	struct kd_reply reply;
	size_t length = reply_bytes(data, KD_READ_VIRTUAL, 8);
	store_le(data + U + 12, UINT32_MAX, 4);
	assert_true(kd_reply_decode(&reply, KD_MACHINE_AMD64, data, length));
	assert_int_equal(reply.length, 8);
	assert_int_equal(reply.u.memory.actual, 8);
	store_le(data + U + 12, 5, 4); /* and what it does not claim is not there */
	assert_true(kd_reply_decode(&reply, KD_MACHINE_AMD64, data, length));
	assert_int_equal(reply.length, 5);

	length = reply_bytes(data, KD_RESTORE_BREAKPOINTS, 7);
	store_le(data + U, UINT32_MAX, 4);
	struct kd_request request;
	assert_true(kd_request_decode(&request, KD_MACHINE_AMD64, data, length));
	assert_int_equal(request.u.breakpoints.count, 1); /* whole handles */
	assert_int_equal(request.length, 4);
}

static void what_a_request_leaves_undefined_is_not_decoded(void **state)
{
	(void)state;
	uint8_t data[KD_MANIPULATE_SIZE];
	struct kd_request request;
	size_t length = reply_bytes(data, KD_READ_VIRTUAL, 0);
	assert_true(kd_request_decode(&request, KD_MACHINE_AMD64, data, length));
	assert_int_equal(request.u.memory.actual, 0);
	length = reply_bytes(data, KD_GET_VERSION, 0);
	assert_true(kd_request_decode(&request, KD_MACHINE_AMD64, data, length));
	assert_int_equal(request.u.version.build, 0);
}

static void every_truncation_is_rejected_or_cut(void **state)
{
	(void)state;
	for (size_t i = 0; kd_api_row_at(i); i++) {
		uint8_t data[KD_MANIPULATE_SIZE + 8];
		(void)reply_bytes(data, kd_api_row_at(i)->api, 8);
		for (size_t len = 0; len <= sizeof(data); len++) {
			struct kd_reply reply;
			struct kd_request request;
			uint8_t *exact = test_exact_copy(data, len);
			bool whole = len >= KD_MANIPULATE_SIZE;
			size_t left = whole ? len - KD_MANIPULATE_SIZE : 0;
			assert_int_equal(
				kd_reply_decode(&reply, KD_MACHINE_AMD64, exact, len),
				whole);
			assert_int_equal(
				kd_request_decode(&request, KD_MACHINE_AMD64, exact, len),
				whole);
			if (whole) {
				assert_true(reply.length <= left);
				assert_true(request.length <= left);
			}
			free(exact);
		}
	}
}

static void unknown_apis_are_rejected(void **state)
{
	(void)state;
	uint8_t data[KD_MANIPULATE_SIZE];
	struct kd_reply reply;
	static const unsigned unknown[] = {
		0, 0x312f, 0x313f, 0x3147, 0x3161, 0x10003130
	};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		size_t length = reply_bytes(data, unknown[i], 0);
		assert_false(kd_reply_decode(&reply, KD_MACHINE_AMD64, data, length));
	}
}

static void a_late_reply_to_something_else_answers_nothing(void **state)
{
	(void)state;
	const struct kd_request request = { .api = KD_WRITE_BREAKPOINT,
					    .processor = 1,
					    .u.breakpoint.address = 0xfffff80000497568 };
	struct kd_reply reply = { .api = KD_WRITE_BREAKPOINT,
				  .processor = 1,
				  .u.breakpoint = { 0xfffff80000497568, 1 } };
	assert_true(kd_reply_answers(&reply, &request));
	reply.u.breakpoint.address++;
	assert_false(kd_reply_answers(&reply, &request));
	reply.u.breakpoint.address--;
	reply.processor = 0;
	assert_false(kd_reply_answers(&reply, &request));
	reply.processor = 1;
	reply.api = KD_READ_VIRTUAL;
	assert_false(kd_reply_answers(&reply, &request));
	/* a found address replaces the one asked for */
	const struct kd_request search = { .api = KD_SEARCH_MEMORY,
					   .u.search = { 0x1000, 64, 2 } };
	const struct kd_reply found = { .api = KD_SEARCH_MEMORY,
					.u.search = { 0x1010, 64, 2 } };
	assert_true(kd_reply_answers(&found, &search));
	const struct kd_request resume = { .api = KD_CONTINUE };
	const struct kd_reply none = { .api = KD_CONTINUE };
	assert_false(kd_reply_answers(&none, &resume));
}

static void garbage_never_leads_outside_of_the_packet(void **state)
{
	(void)state;
	static const enum kd_machine machines[] = { KD_MACHINE_AMD64, KD_MACHINE_I386,
						    KD_MACHINE_ARM64,
						    KD_MACHINE_UNKNOWN };
	uint64_t seed = 0x6b645f617069;
	print_message("seed %#llx\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 30000; round++) {
		uint8_t data[128];
		size_t length = test_random(&seed) % sizeof(data);
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(test_random(&seed) >> (round % 3 * 8));
		store_le(data, 0x3130 + test_random(&seed) % 0x31, 4);
		uint8_t *exact = test_exact_copy(data, length);
		struct kd_reply reply;
		struct kd_request request;
		if (kd_reply_decode(&reply, machines[round % 4], exact, length)) {
			assert_true(reply.length == 0 ||
				    reply.data + reply.length <= exact + length);
			(void)kd_request_decode(&request, machines[round % 4], exact,
						length);
			(void)kd_reply_answers(&reply, &request);
			assert_true(request.length == 0 ||
				    request.data + request.length <= exact + length);
		}
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_have_no_gaps_and_no_duplicates),
		cmocka_unit_test(no_two_fields_of_a_row_overlap),
		cmocka_unit_test(what_has_no_reply_is_known),
		cmocka_unit_test(the_version_of_windows_8_1_decodes),
		cmocka_unit_test(the_build_string_of_windows_8_1_is_read),
		cmocka_unit_test(the_context_of_windows_8_1_is_whole),
		cmocka_unit_test(a_boot_debugger_session_decodes_and_encodes),
		cmocka_unit_test(a_session_with_a_clone_decodes_and_encodes),
		cmocka_unit_test(versions_of_a_clone_are_what_the_notes_say),
		cmocka_unit_test(continue2_differs_by_machine),
		cmocka_unit_test(any_trace_number_but_0_means_trace),
		cmocka_unit_test(numbers_lie_where_the_specification_says),
		cmocka_unit_test(a_count_over_the_packet_is_cut_to_it),
		cmocka_unit_test(what_a_request_leaves_undefined_is_not_decoded),
		cmocka_unit_test(every_truncation_is_rejected_or_cut),
		cmocka_unit_test(unknown_apis_are_rejected),
		cmocka_unit_test(a_late_reply_to_something_else_answers_nothing),
		cmocka_unit_test(garbage_never_leads_outside_of_the_packet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
