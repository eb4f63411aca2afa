#include "kdnet/kd_api.h"

#include "kdnet/kd_guard.h"
#include "kdnet/wire.h"

enum { U_OFFSET = 16, U_SIZE = KD_MANIPULATE_SIZE - U_OFFSET };

#define PLACE(member) offsetof(union kd_arguments, member)
#define WIDTH(member) sizeof(((union kd_arguments *)0)->member)

#define FIELD(offset, bytes, in, member)                                                 \
	{                                                                                \
		offset, bytes, KD_IN_##in, PLACE(member), WIDTH(member), false           \
	}
#define FLAG(offset, bytes, in, member)                                                  \
	{                                                                                \
		offset, bytes, KD_IN_##in, PLACE(member), WIDTH(member), true            \
	}
#define END                                                                              \
	{                                                                                \
		0                                                                        \
	}

#define NONE                                                                             \
	{                                                                                \
		KD_TRAILING_NONE, 0, 0, 0                                                \
	}
#define ALL                                                                              \
	{                                                                                \
		KD_TRAILING_ALL, 0, 0, 0                                                 \
	}
#define COUNTED(member)                                                                  \
	{                                                                                \
		KD_TRAILING_COUNTED, PLACE(member), WIDTH(member), 1                     \
	}
#define HANDLES(member)                                                                  \
	{                                                                                \
		KD_TRAILING_COUNTED, PLACE(member), WIDTH(member), 4                     \
	}

/* What a request leaves undefined is named in replies alone: never read it there. */

static const struct kd_field memory_fields[] = {
	FIELD(0, 8, BOTH, memory.address),
	FIELD(8, 4, BOTH, memory.count),
	FIELD(12, 4, REPLY, memory.actual),
	END,
};
static const struct kd_field physical_fields[] = {
	FIELD(0, 8, BOTH, memory.address),
	FIELD(8, 4, BOTH, memory.count),
	FIELD(12, 4, REQUEST, memory.caching),
	FIELD(12, 4, REPLY, memory.actual),
	END,
};
static const struct kd_field context_fields[] = {
	FIELD(0, 4, BOTH, context_flags),
	END,
};
static const struct kd_field breakpoint_fields[] = {
	FIELD(0, 8, BOTH, breakpoint.address),
	FIELD(8, 4, REPLY, breakpoint.handle),
	END,
};
static const struct kd_field handle_fields[] = {
	FIELD(0, 4, BOTH, breakpoint.handle),
	END,
};
static const struct kd_field continue_fields[] = {
	FIELD(0, 4, BOTH, resume.status),
	END,
};
static const struct kd_field continue2_amd64_fields[] = {
	FIELD(0, 4, BOTH, resume.status),      FLAG(4, 4, BOTH, resume.trace),
	FIELD(8, 8, BOTH, resume.dr7),	       FIELD(16, 8, BOTH, resume.symbol_start),
	FIELD(24, 8, BOTH, resume.symbol_end), END,
};
static const struct kd_field continue2_i386_fields[] = {
	FIELD(0, 4, BOTH, resume.status),      FLAG(4, 4, BOTH, resume.trace),
	FIELD(8, 4, BOTH, resume.dr7),	       FIELD(12, 4, BOTH, resume.symbol_start),
	FIELD(16, 4, BOTH, resume.symbol_end), END,
};
static const struct kd_field continue2_arm64_fields[] = {
	FIELD(0, 4, BOTH, resume.status),
	FLAG(4, 4, BOTH, resume.trace),
	FIELD(8, 8, BOTH, resume.symbol_start),
	FIELD(16, 8, BOTH, resume.symbol_end),
	END,
};
static const struct kd_field read_io_fields[] = {
	FIELD(0, 8, BOTH, io.port),
	FIELD(8, 4, BOTH, io.size),
	FIELD(12, 4, REPLY, io.value),
	END,
};
static const struct kd_field write_io_fields[] = {
	FIELD(0, 8, BOTH, io.port),
	FIELD(8, 4, BOTH, io.size),
	FIELD(12, 4, BOTH, io.value),
	END,
};
static const struct kd_field read_io_extended_fields[] = {
	FIELD(0, 4, BOTH, io.size),
	FIELD(4, 4, BOTH, io.interface_type),
	FIELD(8, 4, BOTH, io.bus),
	FIELD(12, 4, BOTH, io.space),
	FIELD(16, 8, BOTH, io.port),
	FIELD(24, 4, REPLY, io.value),
	END,
};
static const struct kd_field write_io_extended_fields[] = {
	FIELD(0, 4, BOTH, io.size),
	FIELD(4, 4, BOTH, io.interface_type),
	FIELD(8, 4, BOTH, io.bus),
	FIELD(12, 4, BOTH, io.space),
	FIELD(16, 8, BOTH, io.port),
	FIELD(24, 4, BOTH, io.value),
	END,
};
static const struct kd_field version_fields[] = {
	/* KD.md §4 */
	FIELD(0, 2, REPLY, version.major),
	FIELD(2, 2, REPLY, version.build),
	FIELD(4, 1, REPLY, version.protocol),
	FIELD(5, 1, REPLY, version.context_revision),
	FIELD(6, 2, REPLY, version.flags),
	FIELD(8, 2, REPLY, version.machine),
	FIELD(10, 1, REPLY, version.highest_packet_type),
	FIELD(11, 1, REPLY, version.highest_state_change),
	FIELD(12, 1, REPLY, version.highest_manipulate),
	FIELD(13, 1, REPLY, version.simulation),
	FIELD(16, 8, REPLY, version.kernel_base),
	FIELD(24, 8, REPLY, version.loaded_module_list),
	FIELD(32, 8, REPLY, version.debugger_data_list),
	END,
};
static const struct kd_field bugcheck_fields[] = {
	FIELD(0, 4, BOTH, bugcheck_code),
	END,
};
static const struct kd_field read_msr_fields[] = {
	FIELD(0, 4, BOTH, msr.number),
	FIELD(4, 8, REPLY, msr.value), /* low half, then high half */
	END,
};
static const struct kd_field write_msr_fields[] = {
	FIELD(0, 4, BOTH, msr.number),
	FIELD(4, 8, BOTH, msr.value),
	END,
};
static const struct kd_field search_fields[] = {
	FIELD(0, 8, BOTH, search.address),
	FIELD(8, 8, BOTH, search.length),
	FIELD(16, 4, BOTH, search.pattern_length),
	END,
};
static const struct kd_field bus_data_fields[] = {
	FIELD(0, 4, BOTH, bus_data.type),    FIELD(4, 4, BOTH, bus_data.bus),
	FIELD(8, 4, BOTH, bus_data.slot),    FIELD(12, 4, BOTH, bus_data.offset),
	FIELD(16, 4, BOTH, bus_data.length), END,
};
static const struct kd_field fill_fields[] = {
	FIELD(0, 8, BOTH, fill.address),
	FIELD(8, 4, BOTH, fill.length),
	FIELD(12, 2, BOTH, fill.flags),
	FIELD(14, 2, BOTH, fill.pattern_length),
	END,
};
static const struct kd_field query_fields[] = {
	FIELD(0, 8, BOTH, query.address),
	FIELD(16, 4, BOTH, query.space),
	FIELD(20, 4, REPLY, query.flags),
	END,
};
static const struct kd_field partition_fields[] = {
	FIELD(0, 4, BOTH, partition),
	END,
};
static const struct kd_field custom_breakpoint_fields[] = {
	FIELD(0, 8, BOTH, custom_breakpoint.address),
	FIELD(8, 8, BOTH, custom_breakpoint.instruction),
	FIELD(16, 4, REPLY, custom_breakpoint.handle),
	FIELD(20, 1, BOTH, custom_breakpoint.size),
	FIELD(21, 1, BOTH, custom_breakpoint.alignment),
	END,
};
static const struct kd_field get_context_part_fields[] = {
	FIELD(0, 4, BOTH, context_part.offset),
	FIELD(4, 4, BOTH, context_part.count),
	FIELD(8, 4, REPLY, context_part.copied),
	END,
};
static const struct kd_field set_context_part_fields[] = {
	FIELD(0, 4, BOTH, context_part.offset),
	FIELD(4, 4, BOTH, context_part.count),
	FIELD(8, 4, REQUEST, context_part.total),
	FIELD(8, 4, REPLY, context_part.copied),
	END,
};
static const struct kd_field breakpoints_fields[] = {
	FIELD(0, 4, BOTH, breakpoints.count),
	END,
};

static const struct kd_api_row rows[] = {
	{ KD_READ_VIRTUAL, "read virtual", memory_fields, NONE, COUNTED(memory.actual),
	  KD_ON_ANY, kd_guard_read_virtual, false, true },
	{ KD_WRITE_VIRTUAL, "write virtual", memory_fields, COUNTED(memory.count), NONE,
	  KD_ON_ANY, kd_guard_write_virtual, false, true },
	{ KD_GET_CONTEXT, "get context", NULL, NONE, ALL, KD_ON_FULL, NULL, false,
	  false },
	{ KD_SET_CONTEXT, "set context", context_fields, ALL, NONE, KD_ON_FULL,
	  kd_guard_set_context, false, false },
	{ KD_WRITE_BREAKPOINT, "write breakpoint", breakpoint_fields, NONE, NONE,
	  KD_ON_FULL, kd_guard_write_breakpoint, false, true },
	{ KD_RESTORE_BREAKPOINT, "restore breakpoint", handle_fields, NONE, NONE,
	  KD_ON_FULL, kd_guard_restore_breakpoint, false, true },
	/* always possible: a target must never hang because it is not known yet */
	{ KD_CONTINUE, "continue", continue_fields, NONE, NONE, KD_ON_ANY, NULL, true,
	  false },
	{ KD_READ_CONTROL_SPACE, "read control space", memory_fields, NONE,
	  COUNTED(memory.actual), KD_ON_FULL, kd_guard_read_control, false, true },
	{ KD_WRITE_CONTROL_SPACE, "write control space", memory_fields,
	  COUNTED(memory.count), NONE, KD_ON_FULL, kd_guard_write_control, false, true },
	{ KD_READ_IO, "read port", read_io_fields, NONE, NONE, KD_ON_PORTS, kd_guard_port,
	  false, true },
	{ KD_WRITE_IO, "write port", write_io_fields, NONE, NONE, KD_ON_PORTS,
	  kd_guard_port, false, true },
	{ KD_REBOOT, "reboot", NULL, NONE, NONE, KD_ON_FULL, NULL, true, false },
	{ KD_CONTINUE2, "continue2", continue2_amd64_fields, NONE, NONE, KD_ON_FULL, NULL,
	  true, false },
	{ KD_READ_PHYSICAL, "read physical", physical_fields, NONE,
	  COUNTED(memory.actual), KD_ON_ANY, kd_guard_read_physical, false, true },
	{ KD_WRITE_PHYSICAL, "write physical", physical_fields, COUNTED(memory.count),
	  NONE, KD_ON_ANY, kd_guard_write_physical, false, true },
	{ KD_READ_IO_EXTENDED, "read port extended", read_io_extended_fields, NONE, NONE,
	  KD_ON_PORTS, kd_guard_port_extended, false, true },
	{ KD_WRITE_IO_EXTENDED, "write port extended", write_io_extended_fields, NONE,
	  NONE, KD_ON_PORTS, kd_guard_port_extended, false, true },
	{ KD_GET_VERSION, "get version", version_fields, NONE, NONE, KD_ON_ANY, NULL,
	  false, false },
	{ KD_RESTORE_BREAKPOINTS, "restore breakpoints", breakpoints_fields,
	  HANDLES(breakpoints.count), NONE, KD_ON_FULL, kd_guard_restore_breakpoints,
	  false, true },
	{ KD_CAUSE_BUGCHECK, "cause bugcheck", bugcheck_fields, NONE, NONE, KD_ON_FULL,
	  NULL, true, false },
	{ KD_SWITCH_PROCESSOR, "switch processor", NULL, NONE, NONE, KD_ON_FULL, NULL,
	  true, false },
	{ KD_READ_MSR, "read msr", read_msr_fields, NONE, NONE, KD_ON_FULL, NULL, false,
	  true },
	{ KD_WRITE_MSR, "write msr", write_msr_fields, NONE, NONE, KD_ON_FULL, NULL,
	  false, true },
	{ KD_SEARCH_MEMORY, "search memory", search_fields,
	  COUNTED(search.pattern_length), NONE, KD_ON_FULL, kd_guard_search, false,
	  false },
	{ KD_GET_BUS_DATA, "get bus data", bus_data_fields, NONE,
	  COUNTED(bus_data.length), KD_ON_FULL, kd_guard_bus_data, false, true },
	{ KD_SET_BUS_DATA, "set bus data", bus_data_fields, COUNTED(bus_data.length),
	  NONE, KD_ON_FULL, kd_guard_bus_data, false, true },
	{ KD_CHECK_LOW_MEMORY, "check low memory", NULL, NONE, NONE, KD_ON_FULL, NULL,
	  false, false },
	{ KD_CLEAR_INTERNAL_BREAKPOINTS, "clear internal breakpoints", NULL, NONE, NONE,
	  KD_ON_FULL, NULL, true, false },
	{ KD_FILL_MEMORY, "fill memory", fill_fields, COUNTED(fill.pattern_length), NONE,
	  KD_ON_FULL, kd_guard_fill, false, true },
	{ KD_QUERY_MEMORY, "query memory", query_fields, NONE, NONE, KD_ON_FULL,
	  kd_guard_query, false, true },
	{ KD_SWITCH_PARTITION, "switch partition", partition_fields, NONE, NONE,
	  KD_ON_FULL, NULL, false, false },
	{ KD_WRITE_CUSTOM_BREAKPOINT, "write custom breakpoint", custom_breakpoint_fields,
	  NONE, NONE, KD_ON_FULL, kd_guard_custom_breakpoint, false, true },
	{ KD_GET_CONTEXT_PART, "get context part", get_context_part_fields, NONE,
	  COUNTED(context_part.copied), KD_ON_FULL, kd_guard_get_context_part, false,
	  true },
	{ KD_SET_CONTEXT_PART, "set context part", set_context_part_fields,
	  COUNTED(context_part.count), NONE, KD_ON_FULL, kd_guard_set_context_part, false,
	  true },
};

const struct kd_api_row *kd_api_row_at(size_t n)
{
	return n < sizeof(rows) / sizeof(rows[0]) ? &rows[n] : NULL;
}

const struct kd_api_row *kd_api_row(uint32_t api)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((uint32_t)rows[i].api == api)
			return &rows[i];
	}
	return NULL;
}

const char *kd_api_name(uint32_t api)
{
	const struct kd_api_row *row = kd_api_row(api);
	return row ? row->name : NULL;
}

bool kd_api_has_reply(enum kd_api api)
{
	const struct kd_api_row *row = kd_api_row(api);
	return row && !row->no_reply;
}

/* The only API whose u depends on the machine. */
static const struct kd_field *fields_of(const struct kd_api_row *row,
					enum kd_machine machine)
{
	if (row->api == KD_CONTINUE2 && machine == KD_MACHINE_I386)
		return continue2_i386_fields;
	if (row->api == KD_CONTINUE2 && machine == KD_MACHINE_ARM64)
		return continue2_arm64_fields;
	return row->fields;
}

static uint64_t member_get(const union kd_arguments *u, size_t place, size_t width)
{
	const uint8_t *from = (const uint8_t *)u + place;
	uint16_t half;
	uint32_t word;
	uint64_t wide;
	switch (width) {
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

static void member_set(union kd_arguments *u, size_t place, size_t width, uint64_t value)
{
	uint8_t *to = (uint8_t *)u + place;
	uint16_t half = (uint16_t)value;
	uint32_t word = (uint32_t)value;
	switch (width) {
	case sizeof(half):
		memcpy(to, &half, sizeof(half));
		break;
	case sizeof(word):
		memcpy(to, &word, sizeof(word));
		break;
	case sizeof(value):
		memcpy(to, &value, sizeof(value));
		break;
	default:
		*to = (uint8_t)value;
	}
}

static void decode_fields(union kd_arguments *u, const struct kd_field *fields,
			  enum kd_direction in, const uint8_t wire[static U_SIZE])
{
	memset(u, 0, sizeof(*u));
	for (const struct kd_field *f = fields; f && f->size > 0; f++) {
		uint64_t value = load_le(wire + f->at, f->size);
		if (f->in & in)
			member_set(u, f->place, f->width, f->flag ? value != 0 : value);
	}
}

static void encode_fields(uint8_t wire[static U_SIZE], const struct kd_field *fields,
			  const union kd_arguments *u)
{
	memset(wire, 0, U_SIZE);
	for (const struct kd_field *f = fields; f && f->size > 0; f++) {
		if (f->in & KD_IN_REQUEST)
			store_le(wire + f->at, member_get(u, f->place, f->width),
				 f->size);
	}
}

bool kd_trailing_fits(const struct kd_trailing *t, const union kd_arguments *u,
		      size_t length)
{
	if (t->rule == KD_TRAILING_NONE)
		return length == 0;
	if (t->rule == KD_TRAILING_ALL)
		return true;
	return length == member_get(u, t->place, t->width) * t->unit;
}

/* How much of the `left` bytes counts; a number that claims more is cut to it. */
static size_t trailing_cut(const struct kd_trailing *t, union kd_arguments *u,
			   size_t left)
{
	if (t->rule == KD_TRAILING_NONE)
		return 0;
	if (t->rule == KD_TRAILING_ALL)
		return left;
	size_t units = left / t->unit;
	if (member_get(u, t->place, t->width) > units)
		member_set(u, t->place, t->width, units);
	return (size_t)member_get(u, t->place, t->width) * t->unit;
}

size_t kd_request_encode(uint8_t out[static KD_REQUEST_MAX],
			 const struct kd_request *request, const struct kd_guard *guard,
			 enum kd_refusal *refusal)
{
	const struct kd_api_row *row = kd_api_row(request->api);
	*refusal = kd_guard_request(row, request, guard);
	if (*refusal != KD_ALLOWED)
		return 0;

	uint8_t u[U_SIZE];
	encode_fields(u, fields_of(row, guard->machine), &request->u);
	struct writer w = wr_init(out, KD_REQUEST_MAX);
	wr_le32(&w, request->api);
	wr_le16(&w, request->processor_level);
	wr_le16(&w, request->processor);
	wr_le32(&w, KD_STATUS_PENDING);
	wr_zeros_to(&w, U_OFFSET);
	wr_bytes(&w, u, sizeof(u));
	wr_bytes(&w, request->data, request->length);
	return wr_ok(&w) ? w.length : 0;
}

/* Requests and replies share their layout: the 56 bytes in front, by name. */
struct manipulate {
	const struct kd_api_row *row;
	uint16_t level;
	uint16_t processor;
	uint32_t status;
	const uint8_t *u;
};

static bool manipulate_decode(struct manipulate *m, struct reader *r)
{
	m->row = kd_api_row(rd_le32(r));
	m->level = rd_le16(r);
	m->processor = rd_le16(r);
	m->status = rd_le32(r);
	rd_skip(r, 4);
	m->u = rd_bytes(r, U_SIZE);
	return rd_ok(r) && m->row;
}

bool kd_reply_decode(struct kd_reply *reply, enum kd_machine machine, const uint8_t *data,
		     size_t length)
{
	struct reader r = rd_init(data, length);
	struct manipulate m;
	memset(reply, 0, sizeof(*reply));
	if (!manipulate_decode(&m, &r))
		return false;
	reply->api = m.row->api;
	reply->processor = m.processor;
	reply->status = m.status;
	decode_fields(&reply->u, fields_of(m.row, machine), KD_IN_REPLY, m.u);
	reply->length = trailing_cut(&m.row->reply, &reply->u, r.left);
	reply->data = rd_bytes(&r, reply->length);
	return rd_ok(&r);
}

bool kd_request_decode(struct kd_request *request, enum kd_machine machine,
		       const uint8_t *data, size_t length)
{
	struct reader r = rd_init(data, length);
	struct manipulate m;
	memset(request, 0, sizeof(*request));
	if (!manipulate_decode(&m, &r))
		return false;
	request->api = m.row->api;
	request->processor_level = m.level;
	request->processor = m.processor;
	decode_fields(&request->u, fields_of(m.row, machine), KD_IN_REQUEST, m.u);
	request->length = trailing_cut(&m.row->request, &request->u, r.left);
	request->data = rd_bytes(&r, request->length);
	return rd_ok(&r);
}

bool kd_reply_answers(const struct kd_reply *reply, const struct kd_request *request)
{
	const struct kd_api_row *row = kd_api_row(request->api);
	if (!row || row->no_reply || reply->api != request->api ||
	    reply->processor != request->processor)
		return false;
	const struct kd_field *first = row->fields;
	return !row->first_repeated ||
	       member_get(&reply->u, first->place, first->width) ==
		       member_get(&request->u, first->place, first->width);
}
