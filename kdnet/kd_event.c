#include "kdnet/kd.h"

#include "kdnet/wire.h"

/* ---- state changes, KD.md §2 ---- */

enum {
	STATE_UNION_OFFSET = 32,
	STATE_UNION_SIZE = 160,
	STATE_REPORT_SIZE = 48,
	STATE_SIZE = STATE_UNION_OFFSET + STATE_UNION_SIZE + STATE_REPORT_SIZE,
	DEBUG_IO_SIZE = 16,
	FILE_IO_SIZE = 64,
};

/* Text up to its NUL, or all of it. */
static size_t text_length(const uint8_t *text, size_t length)
{
	const uint8_t *end = length > 0 ? memchr(text, '\0', length) : NULL;
	return end ? (size_t)(end - text) : length;
}

static void exception_decode(struct kd_state_change *s, struct reader *r,
			     struct reader *trailing)
{
	struct kd_exception *e = &s->u.exception;
	(void)trailing;
	e->code = rd_le32(r);
	e->flags = rd_le32(r);
	rd_skip(r, 8); /* a nested record */
	e->address = rd_le64(r);
	uint32_t count = rd_le32(r);
	e->parameter_count =
		count < KD_EXCEPTION_PARAMETERS ? count : KD_EXCEPTION_PARAMETERS;
	rd_skip(r, 4);
	for (size_t i = 0; i < KD_EXCEPTION_PARAMETERS; i++) {
		uint64_t parameter = rd_le64(r);
		/* what lies behind the count is what was there before */
		e->parameters[i] = i < e->parameter_count ? parameter : 0;
	}
	e->first_chance = rd_le32(r) != 0;
}

static void load_symbols_decode(struct kd_state_change *s, struct reader *r,
				struct reader *trailing)
{
	struct kd_load_symbols *l = &s->u.load;
	size_t claimed = rd_le32(r);
	rd_skip(r, 4);
	l->base = rd_le64(r);
	l->process = rd_le64(r);
	l->checksum = rd_le32(r);
	l->image_size = rd_le32(r);
	l->unload = rd_8(r) != 0;
	size_t length = claimed < trailing->left ? claimed : trailing->left;
	const uint8_t *path = rd_bytes(trailing, length);
	l->path = (const char *)path;
	l->path_length = text_length(path, length);
}

static void command_string_decode(struct kd_state_change *s, struct reader *r,
				  struct reader *trailing)
{
	struct kd_command_string *c = &s->u.command;
	(void)r; /* flags, of which none is known */
	c->name = (const char *)trailing->pos;
	c->name_length = text_length(trailing->pos, trailing->left);
	size_t skip =
		c->name_length < trailing->left ? c->name_length + 1 : c->name_length;
	rd_skip(trailing, skip);
	c->command = (const char *)trailing->pos;
	c->command_length = text_length(trailing->pos, trailing->left);
}

static const struct state_row {
	enum kd_state state;
	void (*decode)(struct kd_state_change *s, struct reader *u,
		       struct reader *trailing);
} states[] = {
	{ KD_STATE_EXCEPTION, exception_decode },
	{ KD_STATE_LOAD_SYMBOLS, load_symbols_decode },
	{ KD_STATE_COMMAND_STRING, command_string_decode },
};

static void segments_decode(struct kd_control_report *c, struct reader *r)
{
	c->cs = rd_le16(r);
	c->ds = rd_le16(r);
	c->es = rd_le16(r);
	c->fs = rd_le16(r);
}

static void report_amd64_decode(struct kd_control_report *c, struct reader *r)
{
	c->dr6 = rd_le64(r);
	c->dr7 = rd_le64(r);
	c->eflags = rd_le32(r);
	c->instruction_count = rd_le16(r);
	c->flags = rd_le16(r);
	rd_copy(r, c->instructions, sizeof(c->instructions));
	segments_decode(c, r);
}

static void report_i386_decode(struct kd_control_report *c, struct reader *r)
{
	c->dr6 = rd_le32(r);
	c->dr7 = rd_le32(r);
	c->instruction_count = rd_le16(r);
	c->flags = rd_le16(r);
	rd_copy(r, c->instructions, sizeof(c->instructions));
	segments_decode(c, r);
	c->eflags = rd_le32(r);
}

static void report_arm64_decode(struct kd_control_report *c, struct reader *r)
{
	c->bvr = rd_le64(r);
	c->wvr = rd_le64(r);
	uint32_t count = rd_le32(r);
	c->instruction_count = count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
	rd_copy(r, c->instructions, sizeof(c->instructions));
}

static void report_decode(struct kd_control_report *c, enum kd_machine machine,
			  struct reader *r)
{
	switch (machine) {
	case KD_MACHINE_I386:
		report_i386_decode(c, r);
		break;
	case KD_MACHINE_ARM64:
		report_arm64_decode(c, r);
		break;
	case KD_MACHINE_ARM: /* a layout that nobody saw: nothing is better than wrong */
		break;
	default:
		report_amd64_decode(c, r);
	}
	if (c->instruction_count > KD_INSTRUCTION_STREAM)
		c->instruction_count = KD_INSTRUCTION_STREAM;
}

static const struct state_row *state_row(uint32_t state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if ((uint32_t)states[i].state == state)
			return &states[i];
	}
	return NULL;
}

bool kd_state_change_decode(struct kd_state_change *s, enum kd_machine machine,
			    const uint8_t *data, size_t length)
{
	struct reader r = rd_init(data, length);
	memset(s, 0, sizeof(*s));
	const struct state_row *row = state_row(rd_le32(&r));
	s->processor_level = rd_le16(&r);
	s->processor = rd_le16(&r);
	s->processors = rd_le32(&r);
	rd_skip(&r, 4);
	s->thread = rd_le64(&r);
	s->program_counter = rd_le64(&r);
	struct reader u = rd_sub(&r, STATE_UNION_SIZE);
	struct reader report = rd_sub(&r, STATE_REPORT_SIZE);
	if (!rd_ok(&r) || !row)
		return false;
	s->state = row->state;
	row->decode(s, &u, &r);
	report_decode(&s->report, machine, &report);
	return rd_ok(&r) && rd_ok(&u) && rd_ok(&report);
}

bool kd_is_farewell(const struct kd_load_symbols *load)
{
	return load->unload && load->base == UINT64_MAX && load->process == 0;
}

/* ---- debug I/O, KD.md §6 ---- */

bool kd_debug_io_decode(struct kd_debug_io *io, const uint8_t *data, size_t length)
{
	struct reader r = rd_init(data, length);
	memset(io, 0, sizeof(*io));
	uint32_t api = rd_le32(&r);
	io->processor_level = rd_le16(&r);
	io->processor = rd_le16(&r);
	size_t claimed = rd_le32(&r);
	uint32_t room = rd_le32(&r);
	if (!rd_ok(&r) || (api != KD_PRINT && api != KD_PROMPT))
		return false;
	io->api = api == KD_PRINT ? KD_PRINT : KD_PROMPT;
	io->room = api == KD_PROMPT ? room : 0; /* undefined in a print */
	io->length = claimed < r.left ? claimed : r.left;
	io->text = (const char *)rd_bytes(&r, io->length);
	return rd_ok(&r);
}

size_t kd_prompt_answer_encode(uint8_t *out, size_t size,
			       const struct kd_debug_io *prompt, const char *answer,
			       size_t length)
{
	struct writer w = wr_init(out, size);
	size_t cut = length < prompt->room ? length : prompt->room;
	wr_le32(&w, prompt->api);
	wr_le16(&w, prompt->processor_level);
	wr_le16(&w, prompt->processor);
	wr_le32(&w, (uint32_t)prompt->length);
	wr_le32(&w, (uint32_t)cut);
	wr_bytes(&w, answer, cut);
	return wr_ok(&w) ? w.length : 0;
}

/* ---- file I/O, KD.md §6 ---- */

static bool is_file_io(uint32_t api)
{
	return api >= KD_FILE_CREATE && api <= KD_FILE_CLOSE;
}

/* u of a create, after the eight bytes in front: the path is all that trails. */
static void file_create_decode(struct kd_file_io *io, struct reader *u,
			       struct reader *trailing)
{
	io->access = rd_le32(u);
	rd_skip(u, 8); /* attributes, share mode */
	io->disposition = rd_le32(u);
	rd_skip(u, 8); /* options */
	io->handle = rd_le64(u);
	size_t left = trailing->left;
	io->data = rd_bytes(trailing, left);
	io->length = left - left % 2;
	while (io->length > 0 && load_le(io->data + io->length - 2, 2) == 0)
		io->length -= 2;
}

static void file_transfer_decode(struct kd_file_io *io, struct reader *u,
				 struct reader *trailing)
{
	io->handle = rd_le64(u);
	io->offset = rd_le64(u);
	io->count = rd_le32(u);
	io->length = io->count < trailing->left ? io->count : trailing->left;
	io->data = rd_bytes(trailing, io->length);
}

bool kd_file_io_decode(struct kd_file_io *io, const uint8_t *data, size_t length)
{
	struct reader r = rd_init(data, length);
	memset(io, 0, sizeof(*io));
	uint32_t api = rd_le32(&r);
	io->status = rd_le32(&r);
	struct reader u = rd_sub(&r, FILE_IO_SIZE - 8);
	if (!rd_ok(&r) || !is_file_io(api))
		return false;
	io->api = (enum kd_file_io_api)api;
	if (io->api == KD_FILE_CREATE)
		file_create_decode(io, &u, &r);
	else if (io->api == KD_FILE_CLOSE)
		io->handle = rd_le64(&u);
	else
		file_transfer_decode(io, &u, &r);
	return rd_ok(&u) && rd_ok(&r);
}

size_t kd_file_io_answer_encode(uint8_t *out, size_t size,
				const struct kd_file_io *request, uint32_t status,
				uint64_t handle, uint64_t file_length,
				const uint8_t *bytes, size_t length)
{
	struct writer w = wr_init(out, size);
	size_t data = request->api == KD_FILE_READ ? length : 0;
	wr_le32(&w, request->api);
	wr_le32(&w, status);
	if (request->api == KD_FILE_CREATE) {
		wr_le32(&w, request->access);
		wr_zeros(&w, 8);
		wr_le32(&w, request->disposition);
		wr_zeros(&w, 8);
		wr_le64(&w, handle);
		wr_le64(&w, file_length);
	} else {
		wr_le64(&w, request->handle);
		wr_le64(&w, request->offset);
		wr_le32(&w, (uint32_t)data);
	}
	wr_zeros_to(&w, FILE_IO_SIZE);
	wr_bytes(&w, bytes, data);
	return wr_ok(&w) ? w.length : 0;
}

/* ---- control requests, KD.md §6 ---- */

bool kd_control_request_decode(struct kd_control_request *c, const uint8_t *data,
			       size_t length)
{
	struct reader r = rd_init(data, length);
	uint32_t api = rd_le32(&r);
	c->api = api == KD_REQUEST_BREAKPOINT ? KD_REQUEST_BREAKPOINT
					      : KD_RELEASE_BREAKPOINT;
	c->number = rd_le32(&r);
	return rd_ok(&r) && (uint32_t)c->api == api;
}

size_t kd_control_answer_encode(uint8_t *out, size_t size,
				const struct kd_control_request *c)
{
	const uint32_t granted = 1;
	struct writer w = wr_init(out, size);
	wr_le32(&w, c->api);
	wr_le32(&w, c->number);
	wr_le32(&w, granted);
	return wr_ok(&w) ? w.length : 0;
}
