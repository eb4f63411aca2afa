#include "bridge/capture/text_kd.h"

#include <inttypes.h>

#include "kdnet/wire.h"

/* ---- manipulate: which numbers of u a line shows ---- */

struct label {
	const char *name; /* "" when the number speaks for itself; NULL ends a list */
	uint8_t place;	  /* in union kd_arguments */
	uint8_t width;
	bool decimal;
};

#define PLACE(member) offsetof(union kd_arguments, member)
#define WIDTH(member) sizeof(((union kd_arguments *)0)->member)
#define HEX(name, member)                                                                \
	{                                                                                \
		name, PLACE(member), WIDTH(member), false                                \
	}
#define DECIMAL(name, member)                                                            \
	{                                                                                \
		name, PLACE(member), WIDTH(member), true                                 \
	}
#define END                                                                              \
	{                                                                                \
		NULL, 0, 0, false                                                        \
	}

static const struct label memory[] = {
	HEX("", memory.address),
	DECIMAL("", memory.count),
	END,
};
static const struct label physical[] = {
	HEX("", memory.address),
	DECIMAL("", memory.count),
	DECIMAL("caching", memory.caching),
	END,
};
static const struct label actual[] = { DECIMAL("bytes", memory.actual), END };
static const struct label breakpoint[] = { HEX("", breakpoint.address), END };
static const struct label handle[] = { DECIMAL("handle", breakpoint.handle), END };
static const struct label resume[] = { HEX("status", resume.status), END };
static const struct label resume2[] = {
	HEX("status", resume.status),
	DECIMAL("trace", resume.trace),
	HEX("dr7", resume.dr7),
	END,
};
static const struct label port[] = {
	HEX("", io.port),
	DECIMAL("size", io.size),
	HEX("value", io.value),
	END,
};
static const struct label version[] = {
	HEX("major", version.major),
	DECIMAL("build", version.build),
	DECIMAL("protocol", version.protocol),
	HEX("machine", version.machine),
	HEX("flags", version.flags),
	HEX("kernel", version.kernel_base),
	HEX("modules", version.loaded_module_list),
	HEX("data", version.debugger_data_list),
	END,
};
static const struct label handles[] = { DECIMAL("", breakpoints.count), END };
static const struct label bugcheck[] = { HEX("code", bugcheck_code), END };
static const struct label msr[] = { HEX("", msr.number), HEX("value", msr.value), END };
static const struct label search[] = {
	HEX("", search.address),
	DECIMAL("", search.length),
	END,
};
static const struct label bus_data[] = {
	DECIMAL("type", bus_data.type), DECIMAL("bus", bus_data.bus),
	HEX("slot", bus_data.slot),	HEX("offset", bus_data.offset),
	DECIMAL("", bus_data.length),	END,
};
static const struct label fill[] = {
	HEX("", fill.address),
	DECIMAL("", fill.length),
	HEX("flags", fill.flags),
	END,
};
static const struct label query[] = {
	HEX("", query.address),
	DECIMAL("space", query.space),
	HEX("flags", query.flags),
	END,
};
static const struct label partition[] = { DECIMAL("", partition), END };
static const struct label custom[] = {
	HEX("", custom_breakpoint.address),
	HEX("instruction", custom_breakpoint.instruction),
	DECIMAL("size", custom_breakpoint.size),
	END,
};
static const struct label custom_handle[] = {
	DECIMAL("handle", custom_breakpoint.handle),
	END,
};
static const struct label part[] = {
	HEX("offset", context_part.offset),
	DECIMAL("count", context_part.count),
	END,
};
static const struct label copied[] = { DECIMAL("copied", context_part.copied), END };

static const struct manipulate_row {
	enum kd_api api;
	const struct label *both;
	const struct label *reply; /* what the target filled in */
} manipulate_rows[] = {
	{ KD_READ_VIRTUAL, memory, NULL },
	{ KD_WRITE_VIRTUAL, memory, actual },
	{ KD_WRITE_BREAKPOINT, breakpoint, handle },
	{ KD_RESTORE_BREAKPOINT, handle, NULL },
	{ KD_CONTINUE, resume, NULL },
	{ KD_READ_CONTROL_SPACE, memory, NULL },
	{ KD_WRITE_CONTROL_SPACE, memory, actual },
	{ KD_READ_IO, port, NULL },
	{ KD_WRITE_IO, port, NULL },
	{ KD_CONTINUE2, resume2, NULL },
	{ KD_READ_PHYSICAL, physical, NULL },
	{ KD_WRITE_PHYSICAL, physical, actual },
	{ KD_READ_IO_EXTENDED, port, NULL },
	{ KD_WRITE_IO_EXTENDED, port, NULL },
	{ KD_GET_VERSION, NULL, version },
	{ KD_RESTORE_BREAKPOINTS, handles, NULL },
	{ KD_CAUSE_BUGCHECK, bugcheck, NULL },
	{ KD_READ_MSR, msr, NULL },
	{ KD_WRITE_MSR, msr, NULL },
	{ KD_SEARCH_MEMORY, search, NULL },
	{ KD_GET_BUS_DATA, bus_data, NULL },
	{ KD_SET_BUS_DATA, bus_data, NULL },
	{ KD_FILL_MEMORY, fill, NULL },
	{ KD_QUERY_MEMORY, query, NULL },
	{ KD_SWITCH_PARTITION, partition, NULL },
	{ KD_WRITE_CUSTOM_BREAKPOINT, custom, custom_handle },
	{ KD_GET_CONTEXT_PART, part, NULL },
	{ KD_SET_CONTEXT_PART, part, copied },
};

/* A member of the union in the machine's own byte order. */
static uint64_t member(const union kd_arguments *u, const struct label *label)
{
	const uint8_t *from = (const uint8_t *)u + label->place;
	uint16_t half;
	uint32_t word;
	uint64_t wide;
	switch (label->width) {
	case sizeof(half):
		memcpy(&half, from, sizeof(half));
		return half;
	case sizeof(word):
		memcpy(&word, from, sizeof(word));
		return word;
	case sizeof(wide):
		memcpy(&wide, from, sizeof(wide));
		return wide;
	default:
		return *from;
	}
}

static void put_labels(FILE *out, const struct label *labels, const union kd_arguments *u)
{
	for (const struct label *l = labels; l && l->name; l++) {
		(void)fprintf(out, l->name[0] ? " %s " : " %s", l->name);
		(void)fprintf(out, l->decimal ? "%" PRIu64 : "%" PRIx64, member(u, l));
	}
}

static const struct manipulate_row *manipulate_row(enum kd_api api)
{
	static const struct manipulate_row nothing;
	size_t count = sizeof(manipulate_rows) / sizeof(manipulate_rows[0]);
	for (size_t i = 0; i < count; i++) {
		if (manipulate_rows[i].api == api)
			return &manipulate_rows[i];
	}
	return &nothing;
}

static bool is_context(enum kd_api api)
{
	return api == KD_GET_CONTEXT || api == KD_SET_CONTEXT;
}

/* Elsewhere the processor is whatever the host had there (KD.md §3). */
static void put_processor(FILE *out, uint16_t processor, enum kd_api api)
{
	if (is_context(api) || api == KD_SWITCH_PROCESSOR || api == KD_GET_CONTEXT_PART ||
	    api == KD_SET_CONTEXT_PART || api == KD_READ_CONTROL_SPACE ||
	    api == KD_WRITE_CONTROL_SPACE)
		(void)fprintf(out, " cpu %u", processor);
}

/* Where a CONTEXT has what one looks for first, KD.md §5. */
static const struct context_row {
	enum kd_machine machine;
	uint16_t size;
	uint16_t pc, sp, flags;
	uint8_t width;
} context_rows[] = {
	{ KD_MACHINE_AMD64, KD_CONTEXT_AMD64, 0xf8, 0x98, 0x44, 8 },
	{ KD_MACHINE_I386, KD_CONTEXT_I386, 0xb8, 0xc4, 0xc0, 4 },
	{ KD_MACHINE_ARM64, KD_CONTEXT_ARM64, 0x108, 0x100, 0x04, 8 },
};

static bool put_context(FILE *out, enum kd_machine machine, const uint8_t *bytes,
			size_t length)
{
	for (size_t i = 0; i < sizeof(context_rows) / sizeof(context_rows[0]); i++) {
		const struct context_row *row = &context_rows[i];
		/* a recording that began later does not say the machine; the size does */
		if (machine == KD_MACHINE_UNKNOWN
			    ? length != row->size
			    : row->machine != machine || length < row->size)
			continue;
		(void)fprintf(out, " pc %" PRIx64 " sp %" PRIx64 " flags %" PRIx64,
			      load_le(bytes + row->pc, row->width),
			      load_le(bytes + row->sp, row->width),
			      load_le(bytes + row->flags, sizeof(uint32_t)));
		return true;
	}
	return false;
}

static void put_trailing(FILE *out, enum kd_machine machine, enum kd_api api,
			 const uint8_t *bytes, size_t length)
{
	if (!is_context(api) || !put_context(out, machine, bytes, length))
		text_data(out, bytes, length);
}

static bool put_request(FILE *out, enum kd_machine machine, const struct kd_packet *p)
{
	struct kd_request r;
	if (!kd_request_decode(&r, machine, p->data, p->length))
		return false;
	(void)fputs(kd_api_name(r.api), out);
	put_labels(out, manipulate_row(r.api)->both, &r.u);
	put_processor(out, r.processor, r.api);
	put_trailing(out, machine, r.api, r.data, r.length);
	return true;
}

static bool put_reply(FILE *out, enum kd_machine machine, const struct kd_packet *p)
{
	struct kd_reply r;
	if (!kd_reply_decode(&r, machine, p->data, p->length))
		return false;
	const struct manipulate_row *row = manipulate_row(r.api);
	(void)fprintf(out, "%s", kd_api_name(r.api));
	put_labels(out, row->both, &r.u);
	put_processor(out, r.processor, r.api);
	(void)fprintf(out, r.status == KD_STATUS_SUCCESS ? ": ok" : ": failed %08" PRIx32,
		      r.status);
	put_labels(out, row->reply, &r.u);
	if (r.length > 0)
		(void)fprintf(out, " %zu bytes", r.length);
	put_trailing(out, machine, r.api, r.data, r.length);
	return true;
}

static bool put_manipulate(FILE *out, enum kd_machine machine, const struct kd_packet *p,
			   bool to_target)
{
	return to_target ? put_request(out, machine, p) : put_reply(out, machine, p);
}

/* ---- state changes ---- */

static void put_exception(FILE *out, const struct kd_state_change *s)
{
	const struct kd_exception *e = &s->u.exception;
	(void)fprintf(out, "state change exception %08" PRIx32 " cpu %u pc %" PRIx64,
		      e->code, s->processor, s->program_counter);
	(void)fprintf(out, " address %" PRIx64 " %s chance", e->address,
		      e->first_chance ? "first" : "second");
	for (uint32_t i = 0; i < e->parameter_count; i++)
		(void)fprintf(out, "%s%" PRIx64, i == 0 ? " parameters " : ",",
			      e->parameters[i]);
}

static void put_load(FILE *out, const struct kd_state_change *s)
{
	const struct kd_load_symbols *l = &s->u.load;
	if (kd_is_farewell(l)) {
		(void)fputs("state change unload: the target leaves", out);
		return;
	}
	(void)fprintf(out, "state change %s ", l->unload ? "unload" : "load");
	text_quoted(out, l->path, l->path_length);
	(void)fprintf(out, " base %" PRIx64 " size %" PRIx32 " checksum %" PRIx32,
		      l->base, l->image_size, l->checksum);
	(void)fprintf(out, " cpu %u pc %" PRIx64, s->processor, s->program_counter);
}

static void put_command(FILE *out, const struct kd_state_change *s)
{
	(void)fputs("state change command ", out);
	text_quoted(out, s->u.command.name, s->u.command.name_length);
	(void)fputc(' ', out);
	text_quoted(out, s->u.command.command, s->u.command.command_length);
	(void)fprintf(out, " cpu %u pc %" PRIx64, s->processor, s->program_counter);
}

static bool put_state(FILE *out, enum kd_machine machine, const struct kd_packet *p,
		      bool to_target)
{
	struct kd_state_change s;
	if (to_target || !kd_state_change_decode(&s, machine, p->data, p->length))
		return false;
	if (s.state == KD_STATE_EXCEPTION)
		put_exception(out, &s);
	else if (s.state == KD_STATE_LOAD_SYMBOLS)
		put_load(out, &s);
	else
		put_command(out, &s);
	return true;
}

/* ---- the others, KD.md §6 ---- */

/* The answer to a prompt: the prompt's length at 8, its own at 12, the text at 16. */
static bool put_prompt_answer(FILE *out, const struct kd_packet *p)
{
	struct reader r = rd_init(p->data, p->length);
	rd_skip(&r, 12);
	size_t length = rd_le32(&r);
	const uint8_t *text = rd_bytes(&r, length);
	if (!rd_ok(&r))
		return false;
	(void)fputs("prompt answer ", out);
	text_quoted(out, (const char *)text, length);
	return true;
}

static bool put_debug_io(FILE *out, enum kd_machine machine, const struct kd_packet *p,
			 bool to_target)
{
	struct kd_debug_io io;
	(void)machine;
	if (to_target)
		return put_prompt_answer(out, p);
	if (!kd_debug_io_decode(&io, p->data, p->length))
		return false;
	(void)fprintf(out, "%s cpu %u ", io.api == KD_PRINT ? "print" : "prompt",
		      io.processor);
	text_quoted(out, io.text, io.length);
	if (io.api == KD_PROMPT)
		(void)fprintf(out, " room %" PRIu32, io.room);
	return true;
}

static void put_file_request(FILE *out, const struct kd_file_io *io)
{
	if (io->api == KD_FILE_CREATE) {
		(void)fputc(' ', out);
		text_quoted_wide(out, io->data, io->length);
		(void)fprintf(out, " access %" PRIx32 " disposition %" PRIu32, io->access,
			      io->disposition);
		return;
	}
	(void)fprintf(out, " handle %" PRIx64, io->handle);
	if (io->api == KD_FILE_CLOSE)
		return;
	(void)fprintf(out, " offset %" PRIx64 " %" PRIu32, io->offset, io->count);
	text_data(out, io->data, io->length);
}

static void put_file_answer(FILE *out, const struct kd_file_io *io)
{
	(void)fprintf(out,
		      io->status == KD_STATUS_SUCCESS ? ": ok" : ": failed %08" PRIx32,
		      io->status);
	if (io->status == KD_STATUS_SUCCESS && io->api != KD_FILE_CLOSE)
		(void)fprintf(out, " handle %" PRIx64, io->handle);
	if (io->api == KD_FILE_READ || io->api == KD_FILE_WRITE)
		(void)fprintf(out, " %" PRIu32 " bytes", io->count);
	if (io->api == KD_FILE_READ)
		text_data(out, io->data, io->length);
}

static bool put_file_io(FILE *out, enum kd_machine machine, const struct kd_packet *p,
			bool to_target)
{
	static const char *const names[] = { "create file", "read file", "write file",
					     "close file" };
	struct kd_file_io io;
	(void)machine;
	if (!kd_file_io_decode(&io, p->data, p->length))
		return false;
	(void)fputs(names[io.api - KD_FILE_CREATE], out);
	if (to_target)
		put_file_answer(out, &io);
	else
		put_file_request(out, &io);
	return true;
}

static bool put_control_request(FILE *out, enum kd_machine machine,
				const struct kd_packet *p, bool to_target)
{
	struct kd_control_request c;
	(void)machine;
	if (!kd_control_request_decode(&c, p->data, p->length))
		return false;
	(void)fprintf(out, "%s hardware breakpoint %" PRIu32 "%s",
		      c.api == KD_REQUEST_BREAKPOINT ? "request" : "release", c.number,
		      to_target ? ": answer" : "");
	return true;
}

static const struct packet_row {
	enum kd_packet_type type;
	const char *name;
	/* False: it does not decode. NULL: the name is all that is known. */
	bool (*put)(FILE *out, enum kd_machine machine, const struct kd_packet *p,
		    bool to_target);
} packet_rows[] = {
	{ KD_PACKET_STATE_CHANGE32, "state change of 32 bits", NULL },
	{ KD_PACKET_MANIPULATE, "manipulate", put_manipulate },
	{ KD_PACKET_DEBUG_IO, "debug I/O", put_debug_io },
	{ KD_PACKET_STATE_CHANGE64, "state change", put_state },
	{ KD_PACKET_POLL_BREAK_IN, "poll break-in", NULL },
	{ KD_PACKET_TRACE_IO, "trace I/O", NULL },
	{ KD_PACKET_CONTROL_REQUEST, "control request", put_control_request },
	{ KD_PACKET_FILE_IO, "file I/O", put_file_io },
};

void text_kd(FILE *out, enum kd_machine machine, const struct kd_packet *packet,
	     bool to_target)
{
	const char *name = "packet of unknown type";
	for (size_t i = 0; i < sizeof(packet_rows) / sizeof(packet_rows[0]); i++) {
		const struct packet_row *row = &packet_rows[i];
		if ((uint16_t)row->type != packet->type)
			continue;
		name = row->name;
		if (row->put && row->put(out, machine, packet, to_target))
			return;
	}
	(void)fprintf(out, "%s, type %u, %zu bytes", name, packet->type, packet->length);
	text_data(out, packet->data, packet->length);
}
