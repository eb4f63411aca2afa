#include "bridge/worker/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ev.h>
#include <sodium.h>

#include "bridge/cli/config_file.h"
#include "bridge/worker/backoff.h"
#include "bridge/worker/status_server.h"
#include "bridge/worker/worker.h"
#include "kdnet/key.h"

enum {
	EXIT_AS_ASKED = 0,
	EXIT_RUNTIME = 1,
	EXIT_USAGE = 2,
	SLOT_SIZE = 4096, /* a page: a worker sees its own board, no other */
	FIRST_SOCKET = 3, /* sd_listen_fds(3) */
};

/* A target and its worker. */
struct child {
	struct supervisor *supervisor;
	const struct config_target *target; /* NULL: its section is gone */
	char name[CONFIG_NAME_MAX];
	pid_t pid;    /* 0: no process */
	bool leaving; /* it was told to */
	/* What the process has in use. */
	uint16_t port;
	struct rsp_endpoint listen;
	unsigned slot; /* of its board */
	unsigned failures, restarts;
	double started;
	uint64_t down_since; /* 1970 */
	char down_reason[128];
	ev_child ended;
	ev_timer restart;
};

struct supervisor {
	struct ev_loop *loop;
	struct log *log;
	const struct options *options;
	struct config config;
	struct child **children;
	size_t count;
	void *boards; /* shared memory, a slot each */
	bool slots[CONFIG_TARGETS_MAX];
	struct status_server *status;
	unsigned signals; /* to end */
	bool unclean;
	ev_signal terminate, interrupt, reload;
};

static struct status_board *board_of(const struct supervisor *s, unsigned slot)
{
	return (struct status_board *)(void *)((char *)s->boards +
					       (size_t)slot * SLOT_SIZE);
}

/* Lines about one target: its name is part of them, and its trouble counted by itself. */
static struct log log_of(const struct child *c)
{
	struct log log = *c->supervisor->log;

	log.target = c->name;
	memset(log.repeats, 0, sizeof(log.repeats));
	return log;
}

/* ---- in the worker ---- */

/* Of all keys only its own. */
static bool take_key(struct supervisor *s, struct options *options)
{
	uint8_t *key = sodium_malloc(KDNET_KEY_SIZE);

	if (key)
		memcpy(key, options->connection.key, KDNET_KEY_SIZE);
	options->connection.key = key;
	sodium_free(s->config.keys);
	return key != NULL;
}

static void keep_own_board(const struct supervisor *s, unsigned slot)
{
	char *boards = s->boards;
	size_t before = (size_t)slot * SLOT_SIZE, own = SLOT_SIZE;

	if (before)
		munmap(boards, before);
	if (slot + 1 < CONFIG_TARGETS_MAX)
		munmap(boards + before + own,
		       (CONFIG_TARGETS_MAX - slot - 1) * (size_t)SLOT_SIZE);
}

/* Nothing of the supervisor's goes on in here. */
static void leave_supervisor(struct supervisor *s)
{
	ev_signal_stop(s->loop, &s->terminate);
	ev_signal_stop(s->loop, &s->interrupt);
	ev_signal_stop(s->loop, &s->reload);
	ev_loop_destroy(s->loop);
	status_server_abandon(s->status);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

__attribute__((noreturn)) static void be_worker(struct child *c, pid_t parent,
						const sigset_t *signals)
{
	struct supervisor *s = c->supervisor;
	struct options options = c->target->options;
	struct log log = log_of(c);
	int status = EXIT_RUNTIME;

	leave_supervisor(s);
	sigprocmask(SIG_SETMASK, signals, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_RUNTIME);
	prctl(PR_SET_NAME, c->name);
	log.level = (enum log_level)options.level;
	keep_own_board(s, c->slot);
	if (take_key(s, &options))
		status = worker_run(&options, &log, board_of(s, c->slot));
	_exit(status);
}

/* ---- starting ---- */

/* Is the target's port or endpoint still in use by one that is leaving? */
static bool is_held(const struct child *c)
{
	const struct supervisor *s = c->supervisor;
	const struct options *o = &c->target->options;

	for (size_t i = 0; i < s->count; i++) {
		const struct child *other = s->children[i];

		if (other != c && other->pid && other->leaving &&
		    (other->port == o->connection.port ||
		     ((o->listen.is_unix || o->listen.port) &&
		      !memcmp(&other->listen, &o->listen, sizeof(o->listen)))))
			return true;
	}
	return false;
}

static void start(struct child *c)
{
	struct supervisor *s = c->supervisor;
	struct status_board *board = board_of(s, c->slot);
	const struct options *o = &c->target->options;
	sigset_t all, before;
	pid_t parent = getpid();

	memset(board, 0, sizeof(*board));
	c->port = o->connection.port;
	c->listen = o->listen;
	/* no handler of ours runs in the child */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	c->pid = fork();
	if (c->pid == 0)
		be_worker(c, parent, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (c->pid < 0) {
		c->pid = 0;
		log_event(s->log, LOG_WARN, "fork-failed", "cannot start a worker: {why}",
			  LOG_TEXT("why", strerror(errno)));
		c->failures = backoff_count(c->failures, 0);
		ev_timer_set(&c->restart, backoff_delay(c->failures), 0.);
		ev_timer_start(s->loop, &c->restart);
		return;
	}
	c->started = ev_now(s->loop);
	c->leaving = false;
	ev_child_set(&c->ended, c->pid, 0);
	ev_child_start(s->loop, &c->ended);
}

static void start_due(struct supervisor *s)
{
	for (size_t i = 0; i < s->count && !s->signals; i++) {
		struct child *c = s->children[i];

		if (c->target && !c->pid && !ev_is_active(&c->restart) && !is_held(c))
			start(c);
	}
}

static void on_restart(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct child *c = timer->data;

	(void)loop;
	(void)events;
	c->restarts++;
	start_due(c->supervisor);
}

/* ---- ending ---- */

static void forget(struct child *c)
{
	struct supervisor *s = c->supervisor;

	for (size_t i = 0; i < s->count; i++)
		if (s->children[i] == c)
			s->children[i] = s->children[--s->count];
	ev_timer_stop(s->loop, &c->restart);
	s->slots[c->slot] = false;
	free(c);
}

static bool is_said(unsigned times)
{
	while (times >= 10 && times % 10 == 0)
		times /= 10;
	return times == 1;
}

static void say_died(const struct child *c, double delay)
{
	struct log log = log_of(c);

	if (!is_said(c->failures))
		return;
	log_event(&log, LOG_WARN, "worker-died",
		  c->failures == 1
			  ? "its process {how}; it is started again in {delay} ms"
			  : "its process {how}, {times} times in a row; it is started "
			    "again in {delay} ms",
		  LOG_TEXT("how", c->down_reason), LOG_NUMBER("times", c->failures),
		  LOG_NUMBER("delay", (uint64_t)(delay * 1000)));
}

static void restart_later(struct child *c, int status)
{
	double delay;

	if (WIFSIGNALED(status))
		snprintf(c->down_reason, sizeof(c->down_reason), "died of signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(c->down_reason, sizeof(c->down_reason), "ended with code %d",
			 WEXITSTATUS(status));
	c->down_since = (uint64_t)time(NULL);
	c->failures =
		backoff_count(c->failures, ev_now(c->supervisor->loop) - c->started);
	delay = backoff_delay(c->failures);
	say_died(c, delay);
	ev_timer_set(&c->restart, delay, 0.);
	ev_timer_start(c->supervisor->loop, &c->restart);
}

static void on_ended(struct ev_loop *loop, ev_child *watcher, int events)
{
	struct child *c = watcher->data;
	struct supervisor *s = c->supervisor;

	(void)events;
	ev_child_stop(loop, watcher);
	c->pid = 0;
	if (s->signals) {
		s->unclean = s->unclean || watcher->rstatus != 0;
		forget(c);
	} else if (!c->target) {
		forget(c);
	} else if (!c->leaving) {
		restart_later(c, watcher->rstatus);
	}
	start_due(s);
	if (s->signals && s->count == 0)
		ev_break(loop, EVBREAK_ALL);
}

static void tell_to_leave(struct child *c)
{
	c->leaving = true;
	if (c->pid)
		kill(c->pid, SIGTERM);
}

static void end_all(struct supervisor *s)
{
	for (size_t i = s->count; i-- > 0;) {
		struct child *c = s->children[i];

		if (!c->pid)
			forget(c);
		else if (s->signals > 1)
			kill(c->pid, SIGKILL);
		else
			tell_to_leave(c);
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

static unsigned take_slot(struct supervisor *s)
{
	unsigned slot = 0;

	while (s->slots[slot])
		slot++;
	s->slots[slot] = true;
	return slot;
}

static struct child *find(const struct supervisor *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->children[i]->name, name))
			return s->children[i];
	return NULL;
}

/* More than the boards hold: those that leave still have theirs. */
static bool is_full(const struct supervisor *s)
{
	return s->count >= CONFIG_TARGETS_MAX;
}

static struct child *add(struct supervisor *s, const struct config_target *target)
{
	struct child *c = is_full(s) ? NULL : calloc(1, sizeof(*c));

	if (!c) {
		log_event(s->log, LOG_ERROR, "no-memory", "no room for {name}",
			  LOG_TEXT("name", target->name));
		return NULL;
	}
	c->supervisor = s;
	c->slot = take_slot(s);
	snprintf(c->name, sizeof(c->name), "%s", target->name);
	ev_child_init(&c->ended, on_ended, 0, 0);
	ev_timer_init(&c->restart, on_restart, 0., 0.);
	c->ended.data = c->restart.data = c;
	s->children[s->count++] = c;
	return c;
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
			tell_to_leave(c);
		} else if (c->target && !target) {
			counts[1]++;
			tell_to_leave(c);
		}
		c->target = target;
		if (!target && !c->pid)
			forget(c);
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
		c = add(s, &next->targets[i]);
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
	start_due(s);
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

		status_look(board_of(s, c->slot), &status);
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
	size_t boards = (size_t)CONFIG_TARGETS_MAX * SLOT_SIZE;
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
