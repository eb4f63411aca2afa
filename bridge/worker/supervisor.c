#include "bridge/worker/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bridge/cli/config_file.h"
#include "bridge/worker/supervisor_internal.h"

enum {
	EXIT_AS_ASKED = 0,
	EXIT_RUNTIME = 1,
	EXIT_USAGE = 2,
	FIRST_SOCKET = 3, /* sd_listen_fds(3) */
};

static void end_all(struct supervisor *s)
{
	for (size_t i = s->count; i-- > 0;) {
		struct child *c = s->children[i];

		if (!c->pid)
			child_forget(c);
		else if (s->signals > 1)
			kill(c->pid, SIGKILL);
		else
			child_tell_to_leave(c);
	}
	if (s->count == 0)
		ev_break(s->loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	struct supervisor *s = watcher->data;

	(void)loop;
	(void)events;
	s->signals++;
	if (s->signals == 2)
		log_event(s->log, LOG_ERROR, "killed",
			  "ended at once: targets may be left with breakpoints in them");
	end_all(s);
}

/* ---- the configuration ---- */

static struct child *find(const struct supervisor *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->children[i]->name, name))
			return s->children[i];
	return NULL;
}

/* What is not in the new configuration leaves, what changed leaves and comes back. */
static void let_go(struct supervisor *s, const struct config *next, unsigned counts[3])
{
	for (size_t i = s->count; i-- > 0;) {
		struct child *c = s->children[i];
		const struct config_target *target = config_find(next, c->name);

		if (c->target && target && !config_same(c->target, target)) {
			counts[2]++;
			ev_timer_stop(s->loop, &c->restart);
			c->failures = 0;
			child_tell_to_leave(c);
		} else if (c->target && !target) {
			counts[1]++;
			child_tell_to_leave(c);
		}
		c->target = target;
		if (!target && !c->pid)
			child_forget(c);
	}
}

/* As in the file; those whose section is gone come last. */
static int by_section(const void *a, const void *b)
{
	const struct config_target *one = (*(struct child *const *)a)->target;
	const struct config_target *other = (*(struct child *const *)b)->target;

	if (!one || !other)
		return !one - !other;
	return (one > other) - (one < other);
}

static void take_config(struct supervisor *s, struct config *next)
{
	unsigned counts[3] = { 0 };

	let_go(s, next, counts);
	for (size_t i = 0; i < next->count; i++) {
		struct child *c = find(s, next->targets[i].name);

		if (c)
			continue;
		c = child_add(s, &next->targets[i]);
		counts[0] += c != NULL;
		if (c)
			c->target = &next->targets[i];
	}
	qsort(s->children, s->count, sizeof(struct child *), by_section);
	config_free(&s->config);
	s->config = *next;
	log_event(
		s->log, LOG_INFO, "configured",
		"{file}: {count} targets, {started} to start, {ended} to end, {changed} "
		"changed",
		LOG_TEXT("file", s->options->config), LOG_NUMBER("count", next->count),
		LOG_NUMBER("started", counts[0]), LOG_NUMBER("ended", counts[1]),
		LOG_NUMBER("changed", counts[2]));
	child_start_due(s);
}

static bool load(struct supervisor *s)
{
	struct config next;
	bool exposed = false;
	char error[512];

	if (!config_load(&next, s->options, &exposed, error, sizeof(error))) {
		log_event(s->log, LOG_ERROR, "bad-config", "{why}",
			  LOG_TEXT("why", error));
		config_free(&next);
		return false;
	}
	if (exposed)
		log_event(s->log, LOG_WARN, "config-exposed",
			  "other users can read the keys in {file}: chmod 600, or "
			  "key-file",
			  LOG_TEXT("file", s->options->config));
	take_config(s, &next);
	return true;
}

static void on_reload(struct ev_loop *loop, ev_signal *watcher, int events)
{
	struct supervisor *s = watcher->data;

	(void)loop;
	(void)events;
	if (!s->signals && !load(s))
		log_event(s->log, LOG_INFO, "config-kept",
			  "the configuration stays as it was");
}

/* ---- status ---- */

static void tell(void *context, FILE *out)
{
	struct supervisor *s = context;

	for (size_t i = 0; i < s->count; i++) {
		const struct child *c = s->children[i];
		struct status status;

		status_look(child_board(c), &status);
		if (!c->pid) {
			memset(&status, 0, sizeof(status));
			status.since = c->down_since;
			snprintf(status.reason, sizeof(status.reason), "its process %s",
				 c->down_reason[0] ? c->down_reason : "is to start");
		}
		snprintf(status.target, sizeof(status.target), "%s", c->name);
		snprintf(status.label, sizeof(status.label), "%s",
			 c->target ? c->target->label : "");
		status.port = c->port;
		status.pid = (uint64_t)c->pid;
		status.restarts = c->restarts;
		status_write(out, &status);
	}
}

/* What a socket unit of systemd's has opened; -1: nothing. */
static int given_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	bool ours = pid && count && strtol(pid, NULL, 10) == getpid() &&
		    strtol(count, NULL, 10) > 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	return ours ? FIRST_SOCKET : -1;
}

static void open_status(struct supervisor *s)
{
	int given = given_socket(), status;
	char name[48];

	if (given >= 0) {
		status = status_server_adopt(&s->status, s->loop, given, tell, s);
	} else {
		status = status_server_open(&s->status, s->loop, "status.sock", tell, s);
		/* another supervisor has that one */
		snprintf(name, sizeof(name), "status-supervisor-%ld.sock",
			 (long)getpid());
		if (status == -EADDRINUSE)
			status = status_server_open(&s->status, s->loop, name, tell, s);
	}
	if (status == 0)
		log_event(s->log, LOG_INFO, "status-socket", "status is told on {path}",
			  LOG_TEXT("path", status_server_path(s->status)));
	else
		log_event(s->log, LOG_WARN, "no-status",
			  "kdbridge status cannot ask this process: {why}",
			  LOG_TEXT("why", strerror(-status)));
}

/* ---- the beginning and the end ---- */

static void watch_signals(struct supervisor *s)
{
	ev_signal_init(&s->terminate, on_signal, SIGTERM);
	ev_signal_init(&s->interrupt, on_signal, SIGINT);
	ev_signal_init(&s->reload, on_reload, SIGHUP);
	s->terminate.data = s->interrupt.data = s->reload.data = s;
	ev_signal_start(s->loop, &s->terminate);
	ev_signal_start(s->loop, &s->interrupt);
	ev_signal_start(s->loop, &s->reload);
	signal(SIGPIPE, SIG_IGN);
}

static int supervise(struct supervisor *s)
{
	watch_signals(s);
	open_status(s);
	if (!load(s)) {
		status_server_close(s->status);
		return EXIT_USAGE;
	}
	ev_run(s->loop, 0);
	status_server_close(s->status);
	log_event(s->log, LOG_INFO, "ended",
		  s->unclean ? "ended, but a target could not be left in good order"
			     : "ended, all targets are left alone");
	return s->unclean ? EXIT_RUNTIME : EXIT_AS_ASKED;
}

int supervisor_run(const struct options *options, struct log *log)
{
	struct supervisor s = { .log = log, .options = options };
	size_t boards = (size_t)CONFIG_TARGETS_MAX * SUPERVISOR_SLOT;
	int code = EXIT_RUNTIME;

	s.loop = ev_default_loop(0);
	s.children = calloc(CONFIG_TARGETS_MAX, sizeof(struct child *));
	s.boards = mmap(NULL, boards, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (s.loop && s.children && s.boards != MAP_FAILED)
		code = supervise(&s);
	else
		log_event(log, LOG_ERROR, "no-memory", "out of memory");
	config_free(&s.config);
	free(s.children);
	if (s.boards != MAP_FAILED)
		munmap(s.boards, boards);
	if (s.loop)
		ev_loop_destroy(s.loop);
	return code;
}

int supervisor_check(const struct options *options, FILE *out, FILE *err)
{
	struct config config;
	bool exposed = false;
	char error[512];
	bool good = config_load(&config, options, &exposed, error, sizeof(error));

	if (good)
		fprintf(out, "%s: good, %zu target%s\n", options->config, config.count,
			config.count == 1 ? "" : "s");
	else
		fprintf(err, "kdbridge: %s\n", error);
	if (good && exposed)
		fprintf(err,
			"kdbridge: warning: other users can read the keys in %s: chmod "
			"600, or key-file\n",
			options->config);
	config_free(&config);
	return good ? EXIT_AS_ASKED : EXIT_USAGE;
}
