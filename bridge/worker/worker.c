#include "bridge/worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>
#include <sodium.h>

#include "bridge/worker/session.h"
#include "bridge/worker/status_server.h"

enum { EXIT_AS_ASKED = 0, EXIT_RUNTIME = 1 };

struct worker {
	struct log *log;
	struct session *session;
	struct status_board *board;   /* NULL: there is no supervisor */
	struct status_server *status; /* then this one, if there is a place for it */
	struct status shown;
	bool ending;
	ev_signal terminate, interrupt;
	ev_prepare before_wait;
};

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	struct worker *w = watcher->data;

	(void)loop;
	(void)events;
	if (w->ending && w->board)
		return;
	if (w->ending) {
		log_event(w->log, LOG_ERROR, "killed",
			  "ended at once: the target may be left with breakpoints in it");
		_exit(EXIT_RUNTIME);
	}
	w->ending = true;
	session_hurry(w->session);
}

static void watch_signals(struct worker *w, struct ev_loop *loop, bool stdio)
{
	ev_signal_init(&w->terminate, on_signal, SIGTERM);
	ev_signal_init(&w->interrupt, on_signal, SIGINT);
	w->terminate.data = w->interrupt.data = w;
	ev_signal_start(loop, &w->terminate);
	/* below gdb on one terminal, Ctrl-C is meant for gdb; or for the supervisor */
	if (stdio || w->board)
		signal(SIGINT, SIG_IGN);
	else
		ev_signal_start(loop, &w->interrupt);
	signal(SIGPIPE, SIG_IGN);
	/* a file at its limit is an error of that write, no more */
	signal(SIGXFSZ, SIG_IGN);
}

/* ---- status ---- */

static void tell(void *context, FILE *out)
{
	struct worker *w = context;

	session_status(w->session, &w->shown);
	status_write(out, &w->shown);
}

static void on_before_wait(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	struct worker *w = prepare->data;

	(void)loop;
	(void)events;
	/* each time: it notes since when a state lasts */
	session_status(w->session, &w->shown);
	if (w->board)
		status_post(w->board, &w->shown);
}

/* A supervisor reads the board; alone, a socket of its own for each port. */
static void open_status(struct worker *w, struct ev_loop *loop, const struct options *o)
{
	char name[32];
	int status;

	ev_prepare_init(&w->before_wait, on_before_wait);
	w->before_wait.data = w;
	ev_prepare_start(loop, &w->before_wait);
	w->shown.pid = (uint64_t)getpid();
	if (w->board)
		return;
	snprintf(w->shown.target, sizeof(w->shown.target), "port-%u", o->connection.port);
	snprintf(name, sizeof(name), "status-%u.sock", o->connection.port);
	status = status_server_open(&w->status, loop, name, tell, w);
	if (status != 0)
		log_event(w->log, LOG_INFO, "no-status",
			  "kdbridge status cannot ask this process: {why}",
			  LOG_TEXT("why", strerror(-status)));
}

int worker_run(struct options *options, struct log *log, struct status_board *board)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct worker w = { .log = log, .board = board };
	bool left;

	if (!loop) {
		log_event(log, LOG_ERROR, "no-loop", "cannot make an event loop");
		return EXIT_RUNTIME;
	}
	w.session = session_new(loop, options, log);
	connection_wipe(&options->connection);
	if (!w.session)
		return EXIT_RUNTIME;
	watch_signals(&w, loop, options->stdio);
	open_status(&w, loop, options);
	while (!w.ending && !session_is_over(w.session)) {
		ev_run(loop, EVRUN_ONCE);
		session_work(w.session);
	}
	status_server_close(w.status);
	left = session_end(w.session);
	log_event(log, LOG_INFO, "ended",
		  left ? "ended, the target is left alone"
		       : "ended, but the target did not answer");
	ev_prepare_stop(loop, &w.before_wait);
	session_free(w.session);
	ev_signal_stop(loop, &w.terminate);
	ev_signal_stop(loop, &w.interrupt);
	ev_loop_destroy(loop);
	return left ? EXIT_AS_ASKED : EXIT_RUNTIME;
}
