#include "bridge/worker/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bridge/worker/open.h"
#include "bridge/worker/session_internal.h"

#define PROGRESS_SECONDS 30. /* between lines on the console while a target is awaited */
#define RETRY_SECONDS	 2.  /* between attempts to clean up a target that is silent */
#define QUIET_SECONDS	 .1  /* without a packet, and images are built ahead */
/* A kernel that boots reports its first modules sooner: no break-in disturbs that. */
#define LOOK_SECONDS 5.

uint64_t session_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct rsp *client_of(const struct session *s)
{
	return s->listener ? rsp_listen_client(s->listener) : NULL;
}

bool session_waits(const struct session *s)
{
	return s->client == SESSION_RUNNING || s->client == SESSION_AWAITING;
}

void session_become(struct session *s, enum session_client client)
{
	s->client = client;
	if (client == SESSION_NOBODY || client == SESSION_PLACEHOLDER)
		s->stop_owed = s->interrupted = false;
	s->gdb.asked = false;
	if (!session_waits(s)) {
		s->report_due = false;
		s->placeholder_due = 0;
	}
	if (client != SESSION_RUNNING)
		s->passing = false;
	if (client == SESSION_AWAITING)
		ev_timer_again(s->loop, &s->progress);
	else
		ev_timer_stop(s->loop, &s->progress);
}

struct policy_facts session_facts(const struct session *s)
{
	return (struct policy_facts){
		.client = s->client,
		.unattended = (enum options_unattended)s->options->unattended,
		.disconnect = (enum options_disconnect)s->options->disconnect,
		.break_at = (enum options_break)s->options->break_at,
		.libraries = gdb_libraries_due(&s->gdb),
		.break_due = s->break_due,
		.reclaim = s->reclaim,
		.passing = s->passing && !s->interrupted,
	};
}

void session_say_awaited(struct session *s)
{
	if (target_state(s->target) == TARGET_WAITING)
		console_say(&s->gdb.console,
			    "[kdbridge: waiting for the target on UDP port %u]\n",
			    target_port(s->target));
}

static void on_progress(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	session_say_awaited(timer->data);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct session *s = timer->data;

	(void)events;
	ev_timer_stop(loop, timer);
	s->clean_due = true;
}

void session_pass(struct session *s)
{
	ev_timer_stop(s->loop, &s->look);
	s->passing = true;
	target_break_in(s->target);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct session *s = timer->data;

	(void)events;
	ev_timer_stop(loop, timer);
	if (s->client == SESSION_RUNNING && target_state(s->target) == TARGET_RUNNING &&
	    !target_has_prompt(s->target))
		session_pass(s);
}

static void on_wake(struct ev_loop *loop, ev_idle *idle, int events)
{
	(void)events;
	ev_idle_stop(loop, idle);
}

/* ---- work ---- */

static void report(struct session *s)
{
	s->report_due = false;
	if (target_state(s->target) != TARGET_STOPPED || !session_waits(s))
		return;
	session_become(s, SESSION_PROMPT);
	if (gdb_libraries_come_first(&s->gdb) || !s->stop_owed) {
		gdb_report_libraries(&s->gdb);
		return;
	}
	s->stop_owed = false;
	s->crossed = s->interrupted;
	if (target_stopped(s->target)->kind == TARGET_STOP_BREAK_IN)
		s->interrupted = false;
	gdb_report_stop(&s->gdb);
}

static void report_placeholder(struct session *s)
{
	int signal = s->placeholder_due;

	session_become(s, SESSION_PLACEHOLDER);
	s->gdb.asked = target_has_prompt(s->target);
	gdb_report_placeholder(&s->gdb, signal);
}

static void on_quiet(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)events;
	ev_timer_stop(loop, timer);
}

/* Not in the midst of what a client does packet by packet. */
static bool is_quiet(struct session *s)
{
	uint64_t packets = gdb_packets_so_far(&s->gdb);

	if (packets != s->packets)
		ev_timer_again(s->loop, &s->quiet);
	s->packets = packets;
	return !ev_is_active(&s->quiet);
}

/* Packets that come meanwhile end it (session_client.c, on_hurries) and are served then. */
static void build_ahead(struct session *s)
{
	bool more;

	if (s->client != SESSION_PROMPT || s->hurry ||
	    !gdb_has_images_to_build(&s->gdb) || !is_quiet(s))
		return;
	s->busy++;
	more = gdb_builds_ahead(&s->gdb);
	s->busy--;
	if (more)
		ev_idle_start(s->loop, &s->wake);
}

void session_work(struct session *s)
{
	struct rsp *r = client_of(s);

	if (r && rsp_is_busy(r))
		return;
	/* one who came meanwhile is shown that very stop */
	if (s->clean_due && s->client == SESSION_NOBODY && !r)
		(void)leave_as_asked(s);
	if (s->report_due)
		report(s);
	else if (s->placeholder_due && session_waits(s))
		report_placeholder(s);
	if (session_waits(s))
		console_flush(&s->gdb.console, client_of(s));
	rsp_listen_flush(s->listener);
	build_ahead(s);
}

bool session_is_over(const struct session *s)
{
	return s->over;
}

void session_hurry(struct session *s)
{
	s->hurry = true;
	target_cancel(s->target);
}

/* ---- the beginning and the end ---- */

static void say_listening(struct session *s)
{
	log_event(s->log, LOG_INFO, "listening",
		  "gdb endpoint {endpoint}, waiting for the target on UDP port {port}",
		  LOG_TEXT("endpoint", rsp_listen_name(s->listener)),
		  LOG_NUMBER("port", target_port(s->target)));
}

static void check_folder(struct session *s, const char *event, const char *option,
			 const char *path)
{
	if (path && access(path, R_OK | X_OK) != 0)
		log_event(s->log, LOG_WARN, event,
			  "cannot look into --{option} {path}: {why}",
			  LOG_TEXT("option", option), LOG_TEXT("path", path),
			  LOG_TEXT("why", strerror(errno)));
}

/* One line a module and attach, hence no warning, which would be counted instead. */
static void on_wrong_pdb(void *context, const char *module, const char *file)
{
	const struct session *s = context;

	log_event(s->log, LOG_INFO, "wrong-pdb",
		  "{file} is not the PDB of the {module} that is loaded: it is not used",
		  LOG_TEXT("file", file), LOG_TEXT("module", module));
}

/* Without a cache every attach reads anew what it shows: worth a line, no failure. */
static void open_images(struct session *s)
{
	const struct options *o = s->options;
	const char *why = images_open(&s->gdb.images, o->image_cache, o->image_path);

	s->gdb.image_wait_s = o->image_wait_s;
	if (why)
		log_event(s->log, LOG_WARN, "no-image-cache",
			  "images of modules are not kept: {why}", LOG_TEXT("why", why));
	check_folder(s, "no-image-path", "image-path", o->image_path);
	check_folder(s, "no-pdb-path", "pdb-path", o->pdb_path);
	s->gdb.images.pdbs = (struct pdb_places){ .path = o->pdb_path,
						  .wrong = on_wrong_pdb,
						  .context = s };
}

static bool open_all(struct session *s)
{
	struct rsp_listen_options listen = {
		.target = &gdb_table,
		.context = &s->gdb,
		.event = session_on_listen_event,
	};
	struct kdnet_udp_tap tap;
	int status;

	if (!recording_open(&s->recording, s->options, s->log))
		return false;
	tap = recording_tap(&s->recording);
	s->target =
		open_target(s->loop, s->options, &session_target_events, s, &tap, s->log);
	if (!s->target)
		return false;
	gdb_init(&s->gdb, s->target, &session_gdb_owner, s);
	open_images(s);
	s->listener = open_listener(s->loop, s->options, &listen, s->log);
	if (!s->listener)
		return false;
	status = note_init(&s->note, target_port(s->target));
	if (status != 0)
		log_event(s->log, LOG_INFO, "no-notes",
			  "no runtime directory ({why}): after a kill -9 the next start "
			  "may not know that it has to clean up",
			  LOG_TEXT("why", strerror(-status)));
	return true;
}

struct session *session_new(struct ev_loop *loop, const struct options *options,
			    struct log *log)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		log_event(log, LOG_ERROR, "no-memory", "out of memory");
		return NULL;
	}
	s->loop = loop;
	s->options = options;
	s->log = log;
	s->started_ms = session_now_ms();
	ev_timer_init(&s->progress, on_progress, PROGRESS_SECONDS, PROGRESS_SECONDS);
	ev_timer_init(&s->retry, on_retry, 0., RETRY_SECONDS);
	ev_timer_init(&s->look, on_look, 0., LOOK_SECONDS);
	ev_timer_init(&s->quiet, on_quiet, 0., QUIET_SECONDS);
	ev_idle_init(&s->wake, on_wake);
	s->progress.data = s->retry.data = s->look.data = s;
	if (!open_all(s)) {
		session_free(s);
		return NULL;
	}
	say_listening(s);
	return s;
}

bool session_end(struct session *s)
{
	bool left = true;

	/* A client's session ends as by a lost connection, and leaves the target. */
	rsp_listen_close(s->listener);
	s->listener = NULL;
	s->stays = false; /* nobody could let it run any more */
	if (target_has_prompt(s->target))
		target_answer_prompt(s->target, "", 0);
	if (s->noted_open || s->reclaim || target_state(s->target) == TARGET_STOPPED)
		left = leave_as_asked(s);
	return left;
}

void session_free(struct session *s)
{
	ev_timer_stop(s->loop, &s->progress);
	ev_timer_stop(s->loop, &s->retry);
	ev_timer_stop(s->loop, &s->look);
	ev_timer_stop(s->loop, &s->quiet);
	ev_idle_stop(s->loop, &s->wake);
	if (s->listener)
		rsp_listen_close(s->listener);
	gdb_wipe(&s->gdb);
	target_close(s->target);
	recording_close(&s->recording);
	free(s);
}
