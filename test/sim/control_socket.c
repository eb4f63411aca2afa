#include "test/sim/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct control_client {
	struct control *control;
	ev_io readable;
	int fd; /* -1: a free place */
	char line[CONTROL_LINE_SIZE];
	size_t length;
};

struct control {
	struct ev_loop *loop;
	struct target *target;
	control_done *done;
	void *context;
	ev_io acceptable;
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct control_client clients[CONTROL_CLIENTS_MAX];
};

static uint64_t now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void hang_up(struct control_client *client)
{
	ev_io_stop(client->control->loop, &client->readable);
	(void)close(client->fd);
	client->fd = -1;
}

/* Answers are small and tests read them, so a client that does not is left. */
static bool send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		bytes += sent;
		length -= (size_t)sent;
	}
	return true;
}

static void answer(struct control_client *client, const char *line)
{
	struct control *c = client->control;
	char *text = NULL;
	size_t length = 0;
	bool quit = false;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		return;
	control_execute(c->target, line, out, now(), &quit);
	(void)fputs(".\n", out);
	bool sent = fclose(out) == 0 && send_all(client->fd, text, length);
	free(text);
	if (!sent)
		hang_up(client);
	c->done(c->context, quit);
}

static void answer_lines(struct control_client *client)
{
	char *end;
	while (client->fd >= 0 &&
	       (end = memchr(client->line, '\n', client->length)) != NULL) {
		size_t taken = (size_t)(end - client->line) + 1;
		char line[CONTROL_LINE_SIZE];
		*end = '\0';
		memcpy(line, client->line, taken);
		client->length -= taken;
		memmove(client->line, end + 1, client->length);
		answer(client, line);
	}
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct control_client *client = watcher->data;
	(void)loop;
	(void)events;
	ssize_t count = recv(client->fd, client->line + client->length,
			     sizeof(client->line) - client->length, 0);
	if (count <= 0) {
		hang_up(client);
		return;
	}
	client->length += (size_t)count;
	answer_lines(client);
	if (client->fd >= 0 && client->length == sizeof(client->line))
		hang_up(client);
}

static struct control_client *free_client(struct control *c)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i].fd < 0)
			return &c->clients[i];
	}
	return NULL;
}

static void on_acceptable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct control *c = watcher->data;
	(void)events;
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
	struct control_client *client = free_client(c);
	if (fd < 0)
		return;
	if (!client) {
		(void)close(fd);
		return;
	}
	client->fd = fd;
	client->length = 0;
	ev_io_init(&client->readable, on_readable, fd, EV_READ);
	client->readable.data = client;
	ev_io_start(loop, &client->readable);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, CONTROL_CLIENTS_MAX) == 0)
		return fd;
	int error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

struct control *control_open(struct ev_loop *loop, const char *path, struct target *t,
			     control_done *done, void *context)
{
	struct control *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->fd = listen_on(path);
	if (c->fd < 0) {
		free(c);
		return NULL;
	}
	c->loop = loop;
	c->target = t;
	c->done = done;
	c->context = context;
	memcpy(c->path, path, strlen(path) + 1);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		c->clients[i].control = c;
		c->clients[i].fd = -1;
	}
	ev_io_init(&c->acceptable, on_acceptable, c->fd, EV_READ);
	c->acceptable.data = c;
	ev_io_start(loop, &c->acceptable);
	return c;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i].fd >= 0)
			hang_up(&c->clients[i]);
	}
	ev_io_stop(c->loop, &c->acceptable);
	(void)close(c->fd);
	(void)unlink(c->path);
	free(c);
}
