#include "bridge/worker/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <ev.h>
#include <sodium.h>

#include "bridge/worker/session.h"

enum { EXIT_AS_ASKED = 0, EXIT_RUNTIME = 1 };

struct worker {
	struct log *log;
	struct session *session;
	bool ending;
	ev_signal terminate, interrupt;
};

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	struct worker *w = watcher->data;

	(void)loop;
	(void)events;
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
	/* below gdb on one terminal, Ctrl-C is meant for gdb */
	if (stdio)
		signal(SIGINT, SIG_IGN);
	else
		ev_signal_start(loop, &w->interrupt);
	signal(SIGPIPE, SIG_IGN);
	/* a file at its limit is an error of that write, no more */
	signal(SIGXFSZ, SIG_IGN);
}

int worker_run(struct options *options, struct log *log)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct worker w = { .log = log };
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
	while (!w.ending && !session_is_over(w.session)) {
		ev_run(loop, EVRUN_ONCE);
		session_work(w.session);
	}
	left = session_end(w.session);
	log_event(log, LOG_INFO, "ended",
		  left ? "ended, the target is left alone"
		       : "ended, but the target did not answer");
	session_free(w.session);
	ev_signal_stop(loop, &w.terminate);
	ev_signal_stop(loop, &w.interrupt);
	ev_loop_destroy(loop);
	return left ? EXIT_AS_ASKED : EXIT_RUNTIME;
}
