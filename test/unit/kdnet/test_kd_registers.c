/* Registers by their offsets in CONTEXT and special registers, KD.md §5, against the notes. */
#include "test/unit/kdnet/kd_vectors.h"

enum { U = 16, TRAILING = KD_MANIPULATE_SIZE };

enum block { CONTEXT_BLOCK, SPECIAL_BLOCK, BLOCKS };

struct last_blocks {
	uint8_t bytes[BLOCKS][KD_CONTEXT_MAX];
	size_t length[BLOCKS];
	unsigned values;
};

static const struct register_note {
	enum kd_machine machine;
	const char *key;
	enum block block;
	uint16_t offset;
	uint16_t size;
} register_notes[] = {
	{ KD_MACHINE_AMD64, "rip", CONTEXT_BLOCK, 0xf8, 8 },
	{ KD_MACHINE_AMD64, "rsp", CONTEXT_BLOCK, 0x98, 8 },
	{ KD_MACHINE_AMD64, "rcx", CONTEXT_BLOCK, 0x80, 8 },
	{ KD_MACHINE_AMD64, "rax", CONTEXT_BLOCK, 0x78, 8 },
	{ KD_MACHINE_AMD64, "cs", CONTEXT_BLOCK, 0x38, 2 },
	{ KD_MACHINE_AMD64, "ss", CONTEXT_BLOCK, 0x42, 2 },
	{ KD_MACHINE_AMD64, "efl", CONTEXT_BLOCK, 0x44, 4 },
	{ KD_MACHINE_AMD64, "flags", CONTEXT_BLOCK, 0x30, 4 },
	{ KD_MACHINE_AMD64, "ctx dr0", CONTEXT_BLOCK, 0x48, 8 },
	{ KD_MACHINE_AMD64, "cr0", SPECIAL_BLOCK, 0x00, 8 },
	{ KD_MACHINE_AMD64, "cr2", SPECIAL_BLOCK, 0x08, 8 },
	{ KD_MACHINE_AMD64, "cr3", SPECIAL_BLOCK, 0x10, 8 },
	{ KD_MACHINE_AMD64, "cr4", SPECIAL_BLOCK, 0x18, 8 },
	{ KD_MACHINE_AMD64, "special dr0", SPECIAL_BLOCK, 0x20, 8 },
	{ KD_MACHINE_AMD64, "dr6", SPECIAL_BLOCK, 0x40, 8 },
	{ KD_MACHINE_AMD64, "dr7", SPECIAL_BLOCK, 0x48, 8 },
	{ KD_MACHINE_AMD64, "cr8", SPECIAL_BLOCK, 0xa0, 8 },
	{ KD_MACHINE_AMD64, "gsbase", SPECIAL_BLOCK, 0xa8, 8 },
	{ KD_MACHINE_AMD64, "kgs", SPECIAL_BLOCK, 0xb0, 8 },
	{ KD_MACHINE_I386, "eip", CONTEXT_BLOCK, 0xb8, 4 },
	{ KD_MACHINE_I386, "efl", CONTEXT_BLOCK, 0xc0, 4 },
	{ KD_MACHINE_I386, "flags", CONTEXT_BLOCK, 0x00, 4 },
	{ KD_MACHINE_I386, "cr0", SPECIAL_BLOCK, 0x00, 4 },
	{ KD_MACHINE_I386, "cr2", SPECIAL_BLOCK, 0x04, 4 },
	{ KD_MACHINE_I386, "cr3", SPECIAL_BLOCK, 0x08, 4 },
	{ KD_MACHINE_I386, "cr4", SPECIAL_BLOCK, 0x0c, 4 },
	{ KD_MACHINE_I386, "dr6", SPECIAL_BLOCK, 0x20, 4 },
	{ KD_MACHINE_I386, "dr7", SPECIAL_BLOCK, 0x24, 4 },
	{ KD_MACHINE_I386, "tr", SPECIAL_BLOCK, 0x38, 2 },
	{ KD_MACHINE_I386, "ldtr", SPECIAL_BLOCK, 0x3a, 2 },
};

static void keep_block(struct last_blocks *last, const struct kd_vector *v)
{
	struct kd_reply reply;
	assert_true(kd_reply_decode(&reply, v->machine, v->data, v->length));
	bool special = reply.api == KD_READ_CONTROL_SPACE &&
		       (reply.length == 0xd8 || reply.length == KD_SPECIAL_I386);
	if (!special && reply.api != KD_GET_CONTEXT)
		return;
	enum block block = special ? SPECIAL_BLOCK : CONTEXT_BLOCK;
	memcpy(last->bytes[block], reply.data, reply.length);
	last->length[block] = reply.length;
}

static void check_registers(struct last_blocks *last, const struct kd_vector *v)
{
	for (size_t i = 0; i < sizeof(register_notes) / sizeof(register_notes[0]); i++) {
		const struct register_note *r = &register_notes[i];
		uint64_t expected;
		if (r->machine != v->machine ||
		    !note_number(v->line, r->key, 16, &expected))
			continue;
		assert_true(r->offset + r->size <= last->length[r->block]);
		uint64_t actual = load_le(last->bytes[r->block] + r->offset, r->size);
		if (actual != expected)
			fail_msg("line %u: %s is %llx, the note says %llx", v->number,
				 r->key, (unsigned long long)actual,
				 (unsigned long long)expected);
		last->values++;
	}
}

static void on_registers(const struct kd_vector *v, void *context)
{
	struct last_blocks *last = context;
	if (!v->note && v->type == KD_PACKET_MANIPULATE && !v->to_target)
		keep_block(last, v);
	else if (v->note && !strstr(v->line, "<state "))
		check_registers(last, v);
}

static void contexts_and_special_registers_are_what_the_notes_say(void **state)
{
	(void)state;
	struct last_blocks last = { 0 };
	nt_clone_each(on_registers, &last);
	assert_true(last.values > 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts_and_special_registers_are_what_the_notes_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
