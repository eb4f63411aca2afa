#include <inttypes.h>
#include <stdio.h>

#include "bridge/target/internal.h"
#include "bridge/target/status.h"

/* One sentence for the user about each stop. */

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

/* Of others what they mean depends on the code: as they are, the first few. */
static void describe_parameters(const struct kd_exception *e, char *out, size_t size)
{
	enum { SHOWN = 4 };
	size_t used = 0;
	describe_access(e, out, size);
	if (out[0] != '\0')
		return;
	for (uint32_t i = 0; i < e->parameter_count && i < SHOWN && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%" PRIx64,
					 i == 0 ? " with " : ", ", e->parameters[i]);
}

static void describe_exception(struct target_stop *stop)
{
	const struct kd_exception *e = &stop->exception;
	const char *name = status_name(e->code);
	char access[96];
	describe_parameters(e, access, sizeof(access));
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
	char what[224];
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
