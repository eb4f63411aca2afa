#include "bridge/setup/file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, RUN_TIMEOUT_MS = 5000 };

/* Reads to the end; `timeout_ms` is how long each piece may take, -1: any time. */
static char *read_all(int fd, size_t *length, int timeout_ms)
{
	char *text = NULL;
	size_t used = 0, size = 0;

	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		char *larger = size - used > 1 ? text : realloc(text, size + CHUNK);
		ssize_t got;

		if (!larger)
			break;
		if (size - used <= 1)
			size += CHUNK;
		text = larger;
		if (poll(&wait, 1, timeout_ms) <= 0)
			break;
		got = read(fd, text + used, size - used - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || used > FILE_TEXT_MAX)
			break;
		used += (size_t)got;
		if (got == 0) {
			text[used] = '\0';
			if (length)
				*length = used;
			return text;
		}
	}
	free(text);
	return NULL;
}

char *file_text_read(const char *path, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;

	if (fd >= 0) {
		text = read_all(fd, length, -1);
		close(fd);
	}
	return text;
}

/* The PATH of ordinary users often lacks the places of system programs. */
static bool find_program(char *path, size_t size, const char *name)
{
	static const char extra[] = ":/usr/sbin:/sbin";
	const char *given = getenv("PATH");
	char places[4096];

	snprintf(places, sizeof(places), "%s%s", given ? given : "/usr/bin:/bin", extra);
	for (char *rest = places, *place; (place = strsep(&rest, ":")) != NULL;) {
		int length = snprintf(path, size, "%s/%s", place, name);

		if (place[0] && length > 0 && (size_t)length < size &&
		    access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static pid_t start(const char *path, const char *const *argv, int output)
{
	static char locale[] = "LC_ALL=C",
		    places[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const environment[] = { locale, places, NULL };
	posix_spawn_file_actions_t actions;
	char *const *words;
	pid_t pid = -1;

	/* posix_spawn does not write to them, though its type says it might */
	memcpy(&words, &argv, sizeof(words));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
					 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
					 0);
	if (posix_spawn(&pid, path, &actions, NULL, words, environment) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

char *file_text_run(const char *const *argv)
{
	char path[4096], *text = NULL;
	int ends[2], status = -1;
	pid_t pid;

	if (!find_program(path, sizeof(path), argv[0]) || pipe2(ends, O_CLOEXEC) != 0)
		return NULL;
	pid = start(path, argv, ends[1]);
	close(ends[1]);
	if (pid > 0) {
		text = read_all(ends[0], NULL, RUN_TIMEOUT_MS);
		if (!text)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(ends[0]);
	if (text && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
		free(text);
		text = NULL;
	}
	return text;
}
