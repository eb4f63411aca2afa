#include "bridge/setup/probe_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kdnet/udp.h"

enum {
	MAPPED_PREFIX = 12, /* of ::ffff:a.b.c.d */
	CONTROL_SIZE = CMSG_SPACE(sizeof(struct in6_pktinfo)) +
		       CMSG_SPACE(sizeof(struct in_pktinfo)),
};

union control {
	struct cmsghdr align;
	uint8_t bytes[CONTROL_SIZE];
};

static const uint8_t mapped_prefix[MAPPED_PREFIX] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped(const uint8_t address[static 16])
{
	return memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static void map_v4(uint8_t out[static 16], const struct in_addr *v4)
{
	memcpy(out, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out + MAPPED_PREFIX, v4, sizeof(*v4));
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* Bound with the addresses of what arrives to be told; the socket, or -errno. */
static int open_bound(int family, const void *address, socklen_t size)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int status;

	if (fd < 0)
		return -errno;
	status = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (status == 0 && family == AF_INET6)
		status = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (status == 0 && family == AF_INET6)
		status = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (status == 0 && bind(fd, address, size) != 0)
		status = -errno;
	if (status != 0)
		close(fd);
	return status == 0 ? fd : status;
}

int probe_open(struct probe_socket *s, uint16_t port)
{
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_port = htons(port) };
	const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };

	s->fd = open_bound(AF_INET6, &v6, sizeof(v6));
	s->v6 = s->fd >= 0;
	if (!s->v6 && s->fd != -EADDRINUSE && s->fd != -EACCES)
		s->fd = open_bound(AF_INET, &v4, sizeof(v4));
	return s->fd < 0 ? s->fd : 0;
}

void probe_close(struct probe_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void read_source(struct kdnet_peer *from, const struct sockaddr_storage *source)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (source->ss_family == AF_INET) {
		memcpy(&v4, source, sizeof(v4));
		map_v4(from->address, &v4.sin_addr);
		from->port = ntohs(v4.sin_port);
		return;
	}
	memcpy(&v6, source, sizeof(v6));
	memcpy(from->address, &v6.sin6_addr, sizeof(from->address));
	from->port = ntohs(v6.sin6_port);
	from->interface = v6.sin6_scope_id;
}

static void read_local(struct kdnet_peer *from, struct msghdr *header)
{
	bool v4 = is_mapped(from->address);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		struct in_pktinfo four;
		struct in6_pktinfo six;

		if (v4 && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&four, CMSG_DATA(c), sizeof(four));
			map_v4(from->local, &four.ipi_spec_dst);
			from->interface = (uint32_t)four.ipi_ifindex;
		} else if (!v4 && c->cmsg_level == IPPROTO_IPV6 &&
			   c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&six, CMSG_DATA(c), sizeof(six));
			memcpy(from->local, &six.ipi6_addr, sizeof(from->local));
			from->interface = six.ipi6_ifindex;
		}
	}
}

size_t probe_receive(const struct probe_socket *s, struct kdnet_peer *from, void *out,
		     size_t size, uint64_t deadline_us)
{
	uint64_t now_us = kdnet_udp_now_us();
	uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
	const struct timespec left = { .tv_sec = (time_t)(left_us / 1000000),
				       .tv_nsec = (long)(left_us % 1000000) * 1000 };
	struct pollfd wait = { .fd = s->fd, .events = POLLIN };
	struct sockaddr_storage source = { 0 };
	union control control;
	struct iovec part = { out, size };
	struct msghdr header = { .msg_name = &source,
				 .msg_namelen = sizeof(source),
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	ssize_t length;

	if (ppoll(&wait, 1, &left, NULL) <= 0)
		return 0;
	length = recvmsg(s->fd, &header, MSG_DONTWAIT);
	if (length <= 0)
		return 0;
	*from = (struct kdnet_peer){ .port = 0 };
	read_source(from, &source);
	read_local(from, &header);
	return (size_t)length;
}

/* Out of the address on which the peer knows us. */
static void write_local(struct msghdr *header, union control *control,
			const struct kdnet_peer *to, bool v4)
{
	struct in_pktinfo four = { .ipi_ifindex = (int)to->interface };
	struct in6_pktinfo six = { .ipi6_ifindex = to->interface };
	size_t size = v4 ? sizeof(four) : sizeof(six);
	struct cmsghdr *c;

	memcpy(&four.ipi_spec_dst, to->local + MAPPED_PREFIX, sizeof(four.ipi_spec_dst));
	memcpy(&six.ipi6_addr, to->local, sizeof(six.ipi6_addr));
	header->msg_control = control;
	header->msg_controllen = CMSG_SPACE(size);
	c = CMSG_FIRSTHDR(header);
	c->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), v4 ? (const void *)&four : (const void *)&six, size);
}

int probe_send(const struct probe_socket *s, const struct kdnet_peer *to,
	       const uint8_t *bytes, size_t length)
{
	static const uint8_t nowhere[16];
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(to->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(to->port) };
	union control control = { .bytes = { 0 } };
	struct iovec part = { .iov_len = length };
	struct msghdr header = { .msg_name = s->v6 ? (void *)&v6 : (void *)&v4,
				 .msg_namelen = s->v6 ? sizeof(v6) : sizeof(v4),
				 .msg_iov = &part,
				 .msg_iovlen = 1 };
	bool mapped = is_mapped(to->address);

	if (!s->v6 && !mapped)
		return -EAFNOSUPPORT;
	/* sendmsg does not write there, though the type says it might */
	memcpy(&part.iov_base, &bytes, sizeof(bytes));
	memcpy(&v6.sin6_addr, to->address, sizeof(v6.sin6_addr));
	memcpy(&v4.sin_addr, to->address + MAPPED_PREFIX, sizeof(v4.sin_addr));
	if (!mapped)
		v6.sin6_scope_id = to->interface;
	if (memcmp(to->local, nowhere, sizeof(nowhere)) != 0)
		write_local(&header, &control, to, mapped);
	return sendmsg(s->fd, &header, MSG_DONTWAIT) < 0 ? -errno : 0;
}
