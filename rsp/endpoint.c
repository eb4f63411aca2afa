#include "rsp/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 8 };

static const char unix_prefix[] = "unix:";

/* ---- text ---- */

static bool parse_port(uint16_t *port, const char *text)
{
	unsigned value = 0;
	if (*text == '\0' || strlen(text) > 5)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

/* An address of numbers, and where it leads. */
static bool resolve(const struct rsp_endpoint *e, struct sockaddr_storage *out,
		    socklen_t *length)
{
	char port[8];
	(void)snprintf(port, sizeof(port), "%u", e->port);
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	if (getaddrinfo(e->address, port, &hints, &found) != 0)
		return false;
	memcpy(out, found->ai_addr, found->ai_addrlen);
	*length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* The part before the port: "", "ADDR:" or "[V6]:". */
static bool parse_address(struct rsp_endpoint *e, const char *text, size_t length)
{
	const char *address = "127.0.0.1";
	bool bracket = length >= 3 && text[0] == '[';
	if (bracket && text[length - 2] != ']')
		return false;
	size_t skip = bracket ? 1 : 0;
	size_t tail = bracket ? 2 : 1;
	bool given = length > 1; /* ":1234" is how gdb writes this machine */
	size_t size = given ? length - skip - tail : strlen(address);
	const char *from = given ? text + skip : address;
	if (size >= sizeof(e->address) || (!bracket && memchr(from, ':', size)))
		return false;
	(void)snprintf(e->address, sizeof(e->address), "%.*s", (int)size, from);
	if (strcmp(e->address, "localhost") == 0)
		(void)snprintf(e->address, sizeof(e->address), "%s", address);
	struct sockaddr_storage ignored;
	socklen_t ignored_length;
	return resolve(e, &ignored, &ignored_length) &&
	       (ignored.ss_family == AF_INET6) == bracket;
}

bool rsp_endpoint_parse(struct rsp_endpoint *e, const char *text)
{
	*e = (struct rsp_endpoint){ 0 };
	size_t prefix = sizeof(unix_prefix) - 1;
	if (strncmp(text, unix_prefix, prefix) == 0) {
		e->is_unix = true;
		size_t length = strlen(text + prefix);
		(void)snprintf(e->address, sizeof(e->address), "%s", text + prefix);
		return length > 0 && length < sizeof(e->address);
	}
	const char *colon = strrchr(text, ':');
	const char *port = colon ? colon + 1 : text;
	return parse_port(&e->port, port) &&
	       parse_address(e, text, (size_t)(port - text));
}

/* IPv4 in its IPv6 form; false: it is neither. */
static bool ip_of(const struct sockaddr_storage *address, struct in6_addr *out)
{
	if (address->ss_family == AF_INET6) {
		*out = ((const struct sockaddr_in6 *)address)->sin6_addr;
		return true;
	}
	*out = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	memcpy(&out->s6_addr[12], &((const struct sockaddr_in *)address)->sin_addr, 4);
	return address->ss_family == AF_INET;
}

static bool is_loopback(const struct in6_addr *ip)
{
	return IN6_IS_ADDR_LOOPBACK(ip) ||
	       (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127);
}

bool rsp_endpoint_is_local(const struct rsp_endpoint *e)
{
	struct sockaddr_storage address;
	struct in6_addr ip;
	socklen_t length;
	if (e->is_unix)
		return true;
	return resolve(e, &address, &length) && ip_of(&address, &ip) && is_loopback(&ip);
}

bool endpoint_is_here(const struct sockaddr_storage *peer,
		      const struct sockaddr_storage *own)
{
	struct in6_addr from, to;
	if (!ip_of(peer, &from) || !ip_of(own, &to))
		return true;
	return is_loopback(&from) || IN6_ARE_ADDR_EQUAL(&from, &to);
}

bool endpoint_peer_is_here(int fd)
{
	struct sockaddr_storage peer = { 0 }, own = { 0 };
	socklen_t peer_length = sizeof(peer), own_length = sizeof(own);
	return getpeername(fd, (struct sockaddr *)&peer, &peer_length) != 0 ||
	       getsockname(fd, (struct sockaddr *)&own, &own_length) != 0 ||
	       endpoint_is_here(&peer, &own);
}

static void name_of(const struct sockaddr_storage *address, socklen_t length,
		    char name[static RSP_NAME_MAX])
{
	char host[96], port[8];
	(void)snprintf(name, RSP_NAME_MAX, "unix");
	if (address->ss_family != AF_INET && address->ss_family != AF_INET6)
		return;
	if (getnameinfo((const struct sockaddr *)address, length, host, sizeof(host),
			port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	if (address->ss_family == AF_INET6)
		(void)snprintf(name, RSP_NAME_MAX, "[%s]:%s", host, port);
	else
		(void)snprintf(name, RSP_NAME_MAX, "%s:%s", host, port);
}

void endpoint_peer(int fd, char name[static RSP_NAME_MAX])
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	if (getpeername(fd, (struct sockaddr *)&address, &length) != 0)
		address.ss_family = AF_UNSPEC;
	name_of(&address, length, name);
}

/* ---- sockets ---- */

static int open_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Does anybody answer there? A refusal means that its owner died without cleaning up. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat status;
	if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
		return false;
	int probe = open_socket(AF_UNIX);
	if (probe < 0)
		return false;
	bool refused =
		connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
		errno == ECONNREFUSED;
	(void)close(probe);
	return refused;
}

static bool bind_unix(int fd, const struct sockaddr_un *address)
{
	/* Linux gives the file the mode that the socket has: there is no moment at which
	 * others may connect. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) != 0)
		return false;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return true;
	if (errno != EADDRINUSE)
		return false;
	if (!is_stale(address)) {
		errno = EADDRINUSE;
		return false;
	}
	return unlink(address->sun_path) == 0 &&
	       bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static int listen_unix(const struct rsp_endpoint *e, char name[static RSP_NAME_MAX])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", e->address);
	int fd = open_socket(AF_UNIX);
	if (fd < 0)
		return -errno;
	if (!bind_unix(fd, &address) || listen(fd, BACKLOG) != 0) {
		int error = -errno;
		(void)close(fd);
		return error;
	}
	(void)snprintf(name, RSP_NAME_MAX, "%s%s", unix_prefix, e->address);
	return fd;
}

static int listen_tcp(const struct rsp_endpoint *e, char name[static RSP_NAME_MAX])
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = 0;
	if (!resolve(e, &address, &length))
		return -EINVAL;
	int fd = open_socket(address.ss_family);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (const struct sockaddr *)&address, length) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		int error = -errno;
		(void)close(fd);
		return error;
	}
	length = sizeof(address);
	(void)getsockname(fd, (struct sockaddr *)&address, &length);
	name_of(&address, length, name);
	return fd;
}

int endpoint_listen(const struct rsp_endpoint *e, char name[static RSP_NAME_MAX])
{
	return e->is_unix ? listen_unix(e, name) : listen_tcp(e, name);
}
