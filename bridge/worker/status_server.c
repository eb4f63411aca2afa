#include "bridge/worker/status_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ev.h>

#include "bridge/worker/runtime.h"

enum { READERS_MAX = 4, BACKLOG = 16 };

/* Who is being told: the text was made when it came. */
struct reader {
	struct status_server *server;
	ev_io writable;
	int fd;
	char *text;
	size_t length, sent;
	unsigned long age;
};

struct status_server {
	struct ev_loop *loop;
	status_tell *tell;
	void *context;
	ev_io accepting;
	int fd;
	struct reader *readers[READERS_MAX];
	unsigned long arrivals;
	struct sockaddr_un address;
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 16];
	bool owns_file;
};

/* ---- readers ---- */

static void drop(struct reader *r)
{
	struct status_server *s = r->server;

	for (size_t i = 0; i < READERS_MAX; i++)
		if (s->readers[i] == r)
			s->readers[i] = NULL;
	ev_io_stop(s->loop, &r->writable);
	close(r->fd);
	free(r->text);
	free(r);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	struct reader *r = io->data;
	ssize_t sent = send(r->fd, r->text + r->sent, r->length - r->sent, MSG_NOSIGNAL);

	(void)loop;
	(void)events;
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent > 0)
		r->sent += (size_t)sent;
	if (sent < 0 || r->sent == r->length)
		drop(r);
}

/* The oldest makes way: one that does not read keeps nobody out. */
static struct reader **place(struct status_server *s)
{
	struct reader **oldest = &s->readers[0];

	for (size_t i = 0; i < READERS_MAX; i++) {
		if (!s->readers[i])
			return &s->readers[i];
		if (s->readers[i]->age < (*oldest)->age)
			oldest = &s->readers[i];
	}
	drop(*oldest);
	return oldest;
}

static bool make_text(struct status_server *s, struct reader *r)
{
	FILE *out = open_memstream(&r->text, &r->length);

	if (!out)
		return false;
	s->tell(s->context, out);
	return fclose(out) == 0;
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
	struct status_server *s = io->data;
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct reader *r;

	(void)events;
	if (fd < 0)
		return;
	r = calloc(1, sizeof(*r));
	if (!r || !make_text(s, r)) {
		if (r)
			free(r->text);
		free(r);
		close(fd);
		return;
	}
	r->server = s;
	r->fd = fd;
	r->age = s->arrivals++;
	*place(s) = r;
	ev_io_init(&r->writable, on_writable, fd, EV_WRITE);
	r->writable.data = r;
	ev_io_start(loop, &r->writable);
}

/* ---- the socket ---- */

static struct status_server *server_new(struct ev_loop *loop, status_tell *tell,
					void *context)
{
	struct status_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->tell = tell;
	s->context = context;
	s->fd = -1;
	s->address.sun_family = AF_UNIX;
	ev_io_init(&s->accepting, on_accept, -1, EV_READ);
	s->accepting.data = s;
	return s;
}

static void begin(struct status_server *s)
{
	snprintf(s->name, sizeof(s->name), "%.*s", (int)sizeof(s->address.sun_path),
		 s->address.sun_path);
	ev_io_set(&s->accepting, s->fd, EV_READ);
	ev_io_start(s->loop, &s->accepting);
}

static int name_socket(struct status_server *s, const char *name)
{
	char directory[sizeof(s->address.sun_path)];
	int length, status = runtime_directory(directory, sizeof(directory));

	if (status != 0)
		return status;
	length = snprintf(s->address.sun_path, sizeof(s->address.sun_path), "%s/%s",
			  directory, name);
	return length >= 0 && (size_t)length < sizeof(s->address.sun_path)
		       ? 0
		       : -ENAMETOOLONG;
}

static bool is_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool refused;

	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
		  errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int listen_there(struct status_server *s)
{
	const struct sockaddr *address = (const struct sockaddr *)&s->address;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* Linux gives the file the mode of the socket: never open to others. */
	if (s->fd < 0 || fchmod(s->fd, S_IRUSR | S_IWUSR) != 0)
		return -errno;
	if (bind(s->fd, address, sizeof(s->address)) != 0) {
		if (errno != EADDRINUSE || !is_stale(&s->address))
			return -errno;
		unlink(s->address.sun_path);
		if (bind(s->fd, address, sizeof(s->address)) != 0)
			return -errno;
	}
	s->owns_file = true;
	return listen(s->fd, BACKLOG) == 0 ? 0 : -errno;
}

int status_server_open(struct status_server **out, struct ev_loop *loop, const char *name,
		       status_tell *tell, void *context)
{
	struct status_server *s = server_new(loop, tell, context);
	int status;

	if (!s)
		return -ENOMEM;
	status = name_socket(s, name);
	if (status == 0)
		status = listen_there(s);
	if (status != 0) {
		status_server_close(s);
		return status;
	}
	begin(s);
	*out = s;
	return 0;
}

int status_server_adopt(struct status_server **out, struct ev_loop *loop, int fd,
			status_tell *tell, void *context)
{
	struct status_server *s = server_new(loop, tell, context);
	socklen_t length = sizeof(s->address);

	if (!s)
		return -ENOMEM;
	s->fd = fd;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (getsockname(fd, (struct sockaddr *)&s->address, &length) != 0 ||
	    s->address.sun_family != AF_UNIX) {
		status_server_close(s);
		return -EINVAL;
	}
	begin(s);
	*out = s;
	return 0;
}

const char *status_server_path(const struct status_server *s)
{
	return s->name;
}

void status_server_close(struct status_server *s)
{
	if (!s)
		return;
	ev_io_stop(s->loop, &s->accepting);
	for (size_t i = 0; i < READERS_MAX; i++)
		if (s->readers[i])
			drop(s->readers[i]);
	if (s->fd >= 0)
		close(s->fd);
	if (s->owns_file)
		unlink(s->address.sun_path);
	free(s);
}

void status_server_abandon(struct status_server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < READERS_MAX; i++)
		if (s->readers[i])
			close(s->readers[i]->fd);
	close(s->fd);
}
