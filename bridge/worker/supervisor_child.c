#include "bridge/worker/supervisor_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/worker/backoff.h"
#include "bridge/worker/worker.h"
#include "kdnet/key.h"

enum { EXIT_RUNTIME = 1 };

struct status_board *child_board(const struct child *c)
{
	return (struct status_board *)(void *)((char *)c->supervisor->boards +
					       (size_t)c->slot * SUPERVISOR_SLOT);
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
	size_t before = (size_t)slot * SUPERVISOR_SLOT, own = SUPERVISOR_SLOT;

	if (before)
		munmap(boards, before);
	if (slot + 1 < CONFIG_TARGETS_MAX)
		munmap(boards + before + own,
		       (CONFIG_TARGETS_MAX - slot - 1) * (size_t)SUPERVISOR_SLOT);
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
		status = worker_run(&options, &log, child_board(c));
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
		     config_same_endpoint(&other->listen, &o->listen)))
			return true;
	}
	return false;
}

static void start(struct child *c)
{
	struct supervisor *s = c->supervisor;
	struct status_board *board = child_board(c);
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

void child_start_due(struct supervisor *s)
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
	child_start_due(c->supervisor);
}

/* ---- ending ---- */

void child_forget(struct child *c)
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
		child_forget(c);
	} else if (!c->target) {
		child_forget(c);
	} else if (!c->leaving) {
		restart_later(c, watcher->rstatus);
	}
	child_start_due(s);
	if (s->signals && s->count == 0)
		ev_break(loop, EVBREAK_ALL);
}

void child_tell_to_leave(struct child *c)
{
	c->leaving = true;
	if (c->pid)
		kill(c->pid, SIGTERM);
}

/* ---- new ones ---- */

static unsigned take_slot(struct supervisor *s)
{
	unsigned slot = 0;

	while (s->slots[slot])
		slot++;
	s->slots[slot] = true;
	return slot;
}

/* More than the boards hold: those that leave still have theirs. */
static bool is_full(const struct supervisor *s)
{
	return s->count >= CONFIG_TARGETS_MAX;
}

struct child *child_add(struct supervisor *s, const struct config_target *target)
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
