#include "bridge/setup/ports.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/setup/file_text.h"

/* ---- /proc/net/udp ---- */

/* Skips words; NULL when the line ends before. */
static const char *skip_words(const char *at, unsigned words)
{
	for (; words > 0; words--) {
		at += strcspn(at, " \t\n");
		at += strspn(at, " \t");
		if (*at == '\0' || *at == '\n')
			return NULL;
	}
	return at;
}

/* One line: "sl address:port …", the inode 9th and the drops 12th behind the address. */
static bool parse_line(struct ports_socket *socket, const char *line, uint16_t port)
{
	enum { INODE = 8, DROPS = 3 };
	char address[33];
	unsigned found;
	const char *at = skip_words(line, 1);

	if (!at || sscanf(at, "%32[0-9A-Fa-f]:%4x", address, &found) != 2 ||
	    found != port)
		return false;
	socket->any_address = strspn(address, "0") == strlen(address);
	at = skip_words(at, INODE);
	if (!at)
		return false;
	socket->inode = strtoull(at, NULL, 10);
	at = skip_words(at, DROPS);
	socket->dropped = at ? strtoull(at, NULL, 10) : 0;
	return true;
}

bool ports_find(struct ports_socket *socket, const char *text, bool v6, uint16_t port)
{
	while (*text) {
		const char *line = text + strspn(text, " \t");

		*socket = (struct ports_socket){ .v6 = v6 };
		if (isdigit((unsigned char)*line) && parse_line(socket, line, port))
			return true;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return false;
}

/* ---- who has a socket ---- */

static bool has_socket(const char *pid, const char *wanted)
{
	char path[64];
	bool found = false;
	DIR *directory;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	directory = opendir(path);
	if (!directory)
		return false; /* another user's, or gone meanwhile */
	while (!found && (entry = readdir(directory)) != NULL) {
		char link[64];
		ssize_t length = readlinkat(dirfd(directory), entry->d_name, link,
					    sizeof(link) - 1);

		link[length > 0 ? length : 0] = '\0';
		found = strcmp(link, wanted) == 0;
	}
	closedir(directory);
	return found;
}

static void name_program(struct ports_holder *holder, const char *pid)
{
	char path[64], *text;

	holder->pid = strtol(pid, NULL, 10);
	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	text = file_text_read(path, NULL);
	snprintf(holder->program, sizeof(holder->program), "%.*s",
		 text ? (int)strcspn(text, "\n") : 0, text ? text : "");
	free(text);
}

static void find_program(struct ports_holder *holder)
{
	char wanted[64];
	DIR *directory = opendir("/proc");
	struct dirent *entry;

	snprintf(wanted, sizeof(wanted), "socket:[%llu]",
		 (unsigned long long)holder->socket.inode);
	while (directory && !holder->pid && (entry = readdir(directory)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    has_socket(entry->d_name, wanted))
			name_program(holder, entry->d_name);
	if (directory)
		closedir(directory);
}

bool ports_holder(struct ports_holder *holder, uint16_t port)
{
	bool found = false;

	*holder = (struct ports_holder){ .pid = 0 };
	for (int v6 = 1; v6 >= 0 && !found; v6--) {
		char *text =
			file_text_read(v6 ? "/proc/net/udp6" : "/proc/net/udp", NULL);

		found = text && ports_find(&holder->socket, text, v6, port);
		free(text);
	}
	if (found)
		find_program(holder);
	return found;
}

/* ---- free ones ---- */

static int try_bind(int family, const struct sockaddr *address, socklen_t size)
{
	int status = 0;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, address, size) != 0)
		status = -errno;
	close(fd);
	return status;
}

int ports_try(uint16_t port)
{
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_port = htons(port) };
	const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int status =
		try_bind(AF_INET, (const struct sockaddr *)(const void *)&v4, sizeof(v4));

	if (status == 0)
		status = try_bind(AF_INET6, (const struct sockaddr *)(const void *)&v6,
				  sizeof(v6));
	/* IPv6 may be switched off. */
	return status == -EAFNOSUPPORT || status == -EADDRNOTAVAIL ? 0 : status;
}

static bool are_free(unsigned port, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ports_try((uint16_t)(port + i)) != 0)
			return false;
	return true;
}

uint16_t ports_choose(unsigned count)
{
	enum { SPAN = PORTS_LAST + 1 - PORTS_FIRST };
	uint32_t start = randombytes_uniform(SPAN);

	for (unsigned port = PORTS_RECOMMENDED_FIRST;
	     port + count - 1 <= PORTS_RECOMMENDED_LAST; port++)
		if (are_free(port, count))
			return (uint16_t)port;
	/* From anywhere on, so that two who choose at once choose apart. */
	for (unsigned i = 0; i < SPAN; i++) {
		unsigned port = PORTS_FIRST + (start + i) % SPAN;

		if (port + count - 1 <= PORTS_LAST && are_free(port, count))
			return (uint16_t)port;
	}
	return 0;
}
