/* Debian's gdb against the server on a Unix socket; skipped where there is no gdb. */
#include "test/util.h"

#include <ev.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rsp/listen.h"
#include "test/unit/rsp/fake_target.h"

struct session {
	struct ev_loop *loop;
	struct rsp_listener *listener;
	struct fake *fake;
	char folder[32], path[64], output[64];
	ev_child child;
	ev_timer limit, work;
	bool timed_out;
};

static void on_child(struct ev_loop *loop, ev_child *child, int events)
{
	(void)child;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)events;
	((struct session *)timer->data)->timed_out = true;
	ev_break(loop, EVBREAK_ALL);
}

/* The target "runs" for 20 ms and stops where its stop says; a step moves on by one. */
static void on_work(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct session *s = timer->data;
	struct rsp *r = rsp_listen_client(s->listener);
	if (!r || !rsp_is_running(r))
		return;
	struct rsp_stop stop = { .signal = 5, .thread = 1 };
	(void)rsp_console(r, "printed\n", 8);
	if (s->fake->resume.actions[0].kind == RSP_CONTINUE) {
		if (s->fake->interrupts == 0 && s->fake->inserted == 0)
			return;
		stop.signal = s->fake->interrupts > 0 ? 2 : 5;
		stop.reason = s->fake->interrupts > 0 ? RSP_STOP_PLAIN : RSP_STOP_SWBREAK;
		if (s->fake->interrupts == 0)
			s->fake->registers[0][FAKE_RIP] = s->fake->address;
	} else {
		s->fake->registers[0][FAKE_RIP]++;
	}
	rsp_stop(r, &stop);
	rsp_listen_flush(s->listener);
}

static void session_open(struct session *s)
{
	memset(s, 0, sizeof(*s));
	s->loop = ev_default_loop(0);
	s->fake = fake_new();
	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/rsp-gdb-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	(void)snprintf(s->path, sizeof(s->path), "%s/socket", s->folder);
	(void)snprintf(s->output, sizeof(s->output), "%s/output", s->folder);
	struct rsp_endpoint endpoint = { .is_unix = true };
	(void)snprintf(endpoint.address, sizeof(endpoint.address), "%s", s->path);
	struct rsp_listen_options options = { .target = &fake_target,
					      .context = s->fake };
	assert_int_equal(rsp_listen_open(&s->listener, s->loop, &endpoint, &options), 0);
}

static void session_close(struct session *s)
{
	rsp_listen_close(s->listener);
	(void)unlink(s->output);
	(void)rmdir(s->folder);
	free(s->fake);
}

static pid_t spawn_gdb(const struct session *s, const char *const *commands)
{
	char connect[128];
	char *arguments[64] = { strdup("gdb"), strdup("-nx"), strdup("-batch") };
	size_t count = 3;
	(void)snprintf(connect, sizeof(connect), "target %s %s", commands[0], s->path);
	for (size_t i = 0; commands[i]; i++) {
		arguments[count++] = strdup("-ex");
		arguments[count++] = strdup(i == 0 ? connect : commands[i]);
	}
	posix_spawn_file_actions_t files;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, s->output, O_WRONLY | O_CREAT, 0600);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	pid_t pid = -1;
	assert_int_equal(posix_spawnp(&pid, "gdb", &files, NULL, arguments, environ), 0);
	posix_spawn_file_actions_destroy(&files);
	for (size_t i = 0; i < count; i++)
		free(arguments[i]);
	return pid;
}

static void serve_until_exit(struct session *s, pid_t pid)
{
	ev_child_init(&s->child, on_child, pid, 0);
	ev_timer_init(&s->limit, on_limit, 60., 0.);
	ev_timer_init(&s->work, on_work, 0.02, 0.02);
	s->limit.data = s->work.data = s;
	ev_child_start(s->loop, &s->child);
	ev_timer_start(s->loop, &s->limit);
	ev_timer_start(s->loop, &s->work);
	ev_run(s->loop, 0);
	ev_timer_stop(s->loop, &s->limit);
	ev_timer_stop(s->loop, &s->work);
	ev_child_stop(s->loop, &s->child);
	if (s->timed_out) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
}

/* Runs gdb with these commands and gives what it printed; free() it. */
static char *run_gdb(struct session *s, const char *const *commands)
{
	serve_until_exit(s, spawn_gdb(s, commands));
	FILE *file = fopen(s->output, "rb");
	assert_non_null(file);
	char *text = calloc(1, 0x10000);
	assert_non_null(text);
	(void)fread(text, 1, 0xffff, file);
	(void)fclose(file);
	if (s->timed_out)
		fail_msg("gdb took too long and said: %s", text);
	return text;
}

static void expect(const char *output, const char *part)
{
	if (!strstr(output, part))
		fail_msg("expected \"%s\" in:\n%s", part, output);
}

static void need_gdb(void)
{
	if (system("gdb --version >/dev/null 2>&1") != 0) {
		print_message("skipped: there is no gdb here\n");
		skip();
	}
}

static void gdb_shows_registers_memory_and_threads(void **state)
{
	(void)state;
	need_gdb();
	struct session s;
	session_open(&s);
	const char *commands[] = { "remote",
				   "p/x $rip",
				   "p/x $cr3",
				   "p $eflags",
				   "x/2xb $pc",
				   "p $xmm0",
				   "info threads",
				   "thread 2",
				   "p/x $rip",
				   "set var $rax=0x1234",
				   "p/x $rax",
				   "set var *(char*)0x1100=7",
				   "x/1xb 0x1100",
				   "x/1xb 0",
				   "x/2xb 0x20fff",
				   "monitor hello",
				   NULL };
	char *output = run_gdb(&s, commands);
	expect(output, "= 0x1010");
	expect(output, "= 0x1ad000");
	expect(output, "= [ ]");
	expect(output, "v4_float");
	expect(output, "0x90\t0x90");
	expect(output, "\"CPU 0\" (<idle & co>)");
	expect(output, "= 0x1020");
	expect(output, "= 0x1234");
	expect(output, "0x07");
	expect(output, "Cannot access memory at address 0x0");
	assert_string_equal(s.fake->command, "hello");
	assert_null(strstr(output, "warning: Remote"));
	assert_int_equal(s.fake->detached, 1);
	assert_int_equal(s.fake->registers[1][0], 0x1234);
	free(output);
	session_close(&s);
}

static void gdb_steps_and_stops_at_breakpoints(void **state)
{
	(void)state;
	need_gdb();
	struct session s;
	session_open(&s);
	const char *commands[] = { "remote",   "stepi",	   "p/x $rip", "break *0x1050",
				   "continue", "p/x $rip", "detach",   NULL };
	char *output = run_gdb(&s, commands);
	expect(output, "= 0x1011");
	expect(output, "printed");
	expect(output, "Breakpoint 1, 0x");
	expect(output, "= 0x1050");
	expect(output, "detached");
	assert_int_equal(s.fake->detached, 1);
	assert_int_equal(s.fake->inserted, s.fake->removed);
	free(output);
	session_close(&s);
}

static void gdb_attaches_detaches_and_kills_in_extended_mode(void **state)
{
	(void)state;
	need_gdb();
	struct session s;
	session_open(&s);
	const char *commands[] = { "extended-remote",
				   "p/x $rip",
				   "detach",
				   "info threads",
				   "attach 1",
				   "p/x $cr3",
				   "kill",
				   "info threads",
				   NULL };
	char *output = run_gdb(&s, commands);
	expect(output, "= 0x1010");
	expect(output, "detached");
	expect(output, "No threads.");
	expect(output, "= 0x1ad000");
	expect(output, "killed");
	assert_int_equal(s.fake->attach_process, 1);
	assert_int_equal(s.fake->attached, 1);
	assert_int_equal(s.fake->detached, 2);
	free(output);
	session_close(&s);
}

static void gdb_takes_a_target_without_a_process(void **state)
{
	(void)state;
	need_gdb();
	struct session s;
	session_open(&s);
	s.fake->no_process = true;
	const char *commands[] = { "extended-remote", "info threads", "attach 1", NULL };
	char *output = run_gdb(&s, commands);
	expect(output, "No threads.");
	expect(output, "failed");
	free(output);
	session_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gdb_shows_registers_memory_and_threads),
		cmocka_unit_test(gdb_steps_and_stops_at_breakpoints),
		cmocka_unit_test(gdb_attaches_detaches_and_kills_in_extended_mode),
		cmocka_unit_test(gdb_takes_a_target_without_a_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
