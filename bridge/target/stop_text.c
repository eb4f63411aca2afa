#include <inttypes.h>
#include <stdio.h>

#include "bridge/target/internal.h"

/* One sentence for the user about each stop. */

static const struct {
	uint32_t code;
	const char *name;
} statuses[] = {
	{ 0x40010005, "DBG_CONTROL_C" },
	{ 0x40010006, "DBG_PRINTEXCEPTION_C" },
	{ 0x4000001f, "STATUS_WX86_BREAKPOINT" },
	{ 0x80000001, "STATUS_GUARD_PAGE_VIOLATION" },
	{ 0x80000002, "STATUS_DATATYPE_MISALIGNMENT" },
	{ 0x80000003, "STATUS_BREAKPOINT" },
	{ 0x80000004, "STATUS_SINGLE_STEP" },
	{ 0x80000007, "STATUS_WAKE_SYSTEM_DEBUGGER" },
	{ 0xc0000005, "STATUS_ACCESS_VIOLATION" },
	{ 0xc0000006, "STATUS_IN_PAGE_ERROR" },
	{ 0xc0000008, "STATUS_INVALID_HANDLE" },
	{ 0xc000001d, "STATUS_ILLEGAL_INSTRUCTION" },
	{ 0xc0000025, "STATUS_NONCONTINUABLE_EXCEPTION" },
	{ 0xc0000026, "STATUS_INVALID_DISPOSITION" },
	{ 0xc000008c, "STATUS_ARRAY_BOUNDS_EXCEEDED" },
	{ 0xc000008d, "STATUS_FLOAT_DENORMAL_OPERAND" },
	{ 0xc000008e, "STATUS_FLOAT_DIVIDE_BY_ZERO" },
	{ 0xc000008f, "STATUS_FLOAT_INEXACT_RESULT" },
	{ 0xc0000090, "STATUS_FLOAT_INVALID_OPERATION" },
	{ 0xc0000091, "STATUS_FLOAT_OVERFLOW" },
	{ 0xc0000092, "STATUS_FLOAT_STACK_CHECK" },
	{ 0xc0000093, "STATUS_FLOAT_UNDERFLOW" },
	{ 0xc0000094, "STATUS_INTEGER_DIVIDE_BY_ZERO" },
	{ 0xc0000095, "STATUS_INTEGER_OVERFLOW" },
	{ 0xc0000096, "STATUS_PRIVILEGED_INSTRUCTION" },
	{ 0xc00000fd, "STATUS_STACK_OVERFLOW" },
	{ 0xc0000194, "STATUS_POSSIBLE_DEADLOCK" },
	{ 0xc00002b4, "STATUS_FLOAT_MULTIPLE_FAULTS" },
	{ 0xc00002b5, "STATUS_FLOAT_MULTIPLE_TRAPS" },
	{ 0xc0000374, "STATUS_HEAP_CORRUPTION" },
	{ 0xc0000409, "STATUS_STACK_BUFFER_OVERRUN" },
	{ 0xc0000420, "STATUS_ASSERTION_FAILURE" },
	{ 0xe06d7363, "a C++ exception" },
};

const char *stop_status_name(uint32_t status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].code == status)
			return statuses[i].name;
	}
	return NULL;
}

/* What an access violation tried, from its first two parameters. */
static void describe_access(const struct kd_exception *e, char *out, size_t size)
{
	enum { READ = 0, WRITE = 1, EXECUTE = 8 };
	const uint32_t access_violation = 0xc0000005;
	const uint32_t in_page_error = 0xc0000006;
	out[0] = '\0';
	if ((e->code != access_violation && e->code != in_page_error) ||
	    e->parameter_count < 2)
		return;
	const char *tried = e->parameters[0] == WRITE	  ? "writing"
			    : e->parameters[0] == EXECUTE ? "executing"
			    : e->parameters[0] == READ	  ? "reading"
							  : "accessing";
	(void)snprintf(out, size, " %s %016" PRIx64, tried, e->parameters[1]);
}

static void describe_exception(struct target_stop *stop)
{
	const struct kd_exception *e = &stop->exception;
	const char *name = stop_status_name(e->code);
	char access[64];
	describe_access(e, access, sizeof(access));
	(void)snprintf(stop->text, sizeof(stop->text),
		       "Exception %08" PRIx32 "%s%s at %016" PRIx64
		       "%s, %s chance, on processor %u",
		       e->code, name ? " " : "", name ? name : "", stop->pc, access,
		       e->first_chance ? "first" : "second", stop->processor);
}

static void describe_watchpoint(struct target_stop *stop)
{
	(void)snprintf(stop->text, sizeof(stop->text),
		       "%s %016" PRIx64 " before %016" PRIx64 " on processor %u",
		       stop->watch.access ? "Access to" : "Write to", stop->watch.address,
		       stop->pc, stop->processor);
}

static void describe_bugcheck(struct target *t, struct target_stop *stop)
{
	char what[160];
	bugcheck_describe(t, what, sizeof(what));
	(void)snprintf(stop->text, sizeof(stop->text), "Bugcheck %s on processor %u",
		       what[0] ? what : "(code not known)", stop->processor);
}

static void describe_image(const struct target *t, struct target_stop *stop)
{
	if (kd_is_farewell(&t->stop.change.u.load))
		(void)snprintf(stop->text, sizeof(stop->text),
			       "The target is about to reboot or to leave");
	else
		(void)snprintf(stop->text, sizeof(stop->text),
			       "%s %.160s at %016" PRIx64 ", size %" PRIx32,
			       stop->image.unload ? "Unloads" : "Loaded",
			       stop->image.path, stop->image.base, stop->image.size);
}

void stop_describe(struct target *t, struct target_stop *stop)
{
	static const char *const sentences[] = {
		[TARGET_STOP_BREAKPOINT] = "Breakpoint",
		[TARGET_STOP_HARD_BREAKPOINT] = "Breakpoint instruction in the code",
		[TARGET_STOP_BREAK_IN] = "Break-in",
		[TARGET_STOP_STEP] = "Step",
		[TARGET_STOP_COMMAND] = "Command from the target",
		[TARGET_STOP_HARDWARE_BREAKPOINT] = "Hardware breakpoint",
	};
	switch (stop->kind) {
	case TARGET_STOP_WATCHPOINT:
		describe_watchpoint(stop);
		break;
	case TARGET_STOP_EXCEPTION:
		describe_exception(stop);
		break;
	case TARGET_STOP_BUGCHECK:
		describe_bugcheck(t, stop);
		break;
	case TARGET_STOP_LOAD:
		describe_image(t, stop);
		break;
	default:
		(void)snprintf(stop->text, sizeof(stop->text),
			       "%s at %016" PRIx64 " on processor %u",
			       sentences[stop->kind], stop->pc, stop->processor);
	}
}
