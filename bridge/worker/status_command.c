#include "bridge/worker/status_command.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "bridge/worker/status_format.h"

enum {
	ANSWER_MAX = 16 << 20,
	PATIENCE_S = 5, /* for a process that is busy with its target */
	WATCH_S = 2,
};

enum {
	FORMAT_TEXT,
	FORMAT_JSON,
	FORMAT_METRICS
}; /* in the order of the option's words */

struct answers {
	struct status *targets;
	size_t count, room;
	unsigned processes;
	int error; /* of the last one that could not be asked, 0: none */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* that one's */
};

static bool add(struct answers *a, const struct status *s)
{
	if (a->count == a->room) {
		size_t room = a->room ? 2 * a->room : 16;
		struct status *targets = realloc(a->targets, room * sizeof(*targets));

		if (!targets)
			return false;
		a->targets = targets;
		a->room = room;
	}
	a->targets[a->count++] = *s;
	return true;
}

/* ---- asking ---- */

static int connect_to(const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return fd < 0 ? -errno : -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int status = -errno;

		close(fd);
		return status;
	}
	return fd;
}

/* All that it says; NULL: -errno is in *status. */
static char *read_all(int fd, int *status)
{
	size_t length = 0, room = 64 << 10;
	char *text = malloc(room + 1);
	ssize_t n = 0;

	while (text && (n = read(fd, text + length, room - length)) > 0) {
		length += (size_t)n;
		if (length == room && room < ANSWER_MAX) {
			char *more = realloc(text, 2 * room + 1);

			if (!more)
				break;
			text = more;
			room *= 2;
		}
	}
	*status = !text || length == room ? -ENOMEM : n < 0 ? -errno : 0;
	if (*status != 0) {
		free(text);
		return NULL;
	}
	text[length] = '\0';
	return text;
}

static int ask(struct answers *a, const char *path)
{
	int status = 0, fd = connect_to(path);
	const char *rest;
	struct status s;
	char *text;

	if (fd < 0)
		return fd;
	text = read_all(fd, &status);
	close(fd);
	if (!text)
		return status;
	for (rest = text; status_read(&s, &rest);)
		if (!add(a, &s))
			status = -ENOMEM;
	free(text);
	return status;
}

static void ask_all(struct answers *a, const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int status = ask(a, found.gl_pathv[i]);

		if (status == 0)
			a->processes++;
		/* a socket whose owner died without a word is nobody's */
		else if (status != -ECONNREFUSED && status != -ENOENT) {
			a->error = status;
			snprintf(a->path, sizeof(a->path), "%s", found.gl_pathv[i]);
		}
	}
	globfree(&found);
}

static void gather(struct answers *a)
{
	const char *own = getenv("XDG_RUNTIME_DIR");
	char pattern[4096];

	*a = (struct answers){ 0 };
	if (own && own[0] && strcmp(own, "/run") != 0) {
		snprintf(pattern, sizeof(pattern), "%s/kdbridge/status*.sock", own);
		ask_all(a, pattern);
	}
	ask_all(a, "/run/kdbridge/status*.sock");
}

/* ---- printing ---- */

static unsigned terminal_width(FILE *out)
{
	struct winsize size;

	return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0
		       ? size.ws_col
		       : 0;
}

static void print(const struct answers *a, int format, FILE *out)
{
	if (format == FORMAT_JSON)
		status_print_json(out, a->targets, a->count);
	else if (format == FORMAT_METRICS)
		status_print_metrics(out, a->targets, a->count);
	else
		status_print_table(out, a->targets, a->count, terminal_width(out),
				   (uint64_t)time(NULL));
}

static int print_once(const struct options *o, FILE *out, FILE *err)
{
	struct answers a;

	gather(&a);
	if (a.error)
		fprintf(err, "kdbridge: cannot ask %s: %s%s\n", a.path,
			strerror(-a.error),
			a.error == -EACCES   ? "; it is another user's, try as root"
			: a.error == -EAGAIN ? "; it is busy, try again"
					     : "");
	else if (a.processes == 0)
		fprintf(err, "kdbridge: no kdbridge runs here; start one, see kdbridge "
			     "--help\n");
	if (a.processes > 0)
		print(&a, o->status_format, out);
	free(a.targets);
	return a.processes > 0 && !a.error ? 0 : 1;
}

int status_command_run(const struct options *options, FILE *out, FILE *err)
{
	bool clears = isatty(fileno(out)) && options->status_format == FORMAT_TEXT;
	int status;

	for (;;) {
		if (options->watch && clears)
			fputs("\033[H\033[J", out);
		status = print_once(options, out, err);
		if (!options->watch || fflush(out) != 0)
			return status;
		sleep(WATCH_S);
	}
}
