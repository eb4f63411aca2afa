#include "kdnet/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ev.h>

enum {
	BATCH = 16,
	/* One more byte shows that a datagram was too long. */
	RECEIVE_SIZE = KDNET_DATAGRAM_MAX + 1,
	CONTROL_SIZE = CMSG_SPACE(sizeof(struct in6_pktinfo)) +
		       CMSG_SPACE(sizeof(struct in_pktinfo)),
	MAPPED_PREFIX = 12, /* of ::ffff:a.b.c.d */
	/* Batches in one go; then the loop gets to see other things. */
	BATCHES_MAX = 8,
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* One datagram of a batch, in or out. */
struct packet {
	union address address;
	struct iovec part;
	union {
		struct cmsghdr align;
		uint8_t bytes[CONTROL_SIZE];
	} control;
	uint8_t bytes[RECEIVE_SIZE];
};

struct kdnet_udp {
	struct ev_loop *loop;
	struct ev_io readable;
	struct ev_timer timer;
	uint64_t timer_at_us; /* UINT64_MAX: not running */
	struct kdnet *k;
	kdnet_udp_notify *notify;
	void *context;
	struct kdnet_udp_tap tap;
	int socket;
	bool v6; /* both families; else IPv4 alone */
	uint16_t port;
	struct mmsghdr headers[BATCH];
	struct packet packets[BATCH];
};

static const uint8_t mapped_prefix[MAPPED_PREFIX] = { [10] = 0xff, [11] = 0xff };

uint64_t kdnet_udp_now_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- addresses ---- */

static bool is_mapped(const uint8_t address[static 16])
{
	return memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static void map_v4(uint8_t out[static 16], const struct in_addr *v4)
{
	memcpy(out, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out + MAPPED_PREFIX, v4, sizeof(*v4));
}

static bool is_link_local_v6(const uint8_t address[static 16])
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static void read_source(struct kdnet_peer *peer, const union address *address)
{
	if (address->any.sa_family == AF_INET) {
		map_v4(peer->address, &address->v4.sin_addr);
		peer->port = ntohs(address->v4.sin_port);
	} else {
		memcpy(peer->address, &address->v6.sin6_addr, sizeof(peer->address));
		peer->port = ntohs(address->v6.sin6_port);
		peer->interface = address->v6.sin6_scope_id;
	}
}

/*
 * On which of our addresses it came. An IPv4 datagram on the socket of both families
 * carries both kinds; only the IPv4 one gives an address that can be a source when
 * the datagram was a broadcast, as KDNET over USB sends them.
 */
static void read_local(struct kdnet_peer *peer, struct msghdr *header)
{
	bool v4 = is_mapped(peer->address);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (v4 && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			map_v4(peer->local, &info.ipi_spec_dst);
			peer->interface = (uint32_t)info.ipi_ifindex;
		} else if (!v4 && c->cmsg_level == IPPROTO_IPV6 &&
			   c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
				memcpy(peer->local, &info.ipi6_addr, sizeof(peer->local));
			peer->interface = info.ipi6_ifindex;
		}
	}
}

static socklen_t write_destination(const struct kdnet_udp *udp, union address *address,
				   const struct kdnet_peer *peer)
{
	memset(address, 0, sizeof(*address));
	if (!udp->v6) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons(peer->port);
		memcpy(&address->v4.sin_addr, peer->address + MAPPED_PREFIX,
		       sizeof(address->v4.sin_addr));
		return sizeof(address->v4);
	}
	address->v6.sin6_family = AF_INET6;
	address->v6.sin6_port = htons(peer->port);
	memcpy(&address->v6.sin6_addr, peer->address, sizeof(peer->address));
	if (is_link_local_v6(peer->address))
		address->v6.sin6_scope_id = peer->interface;
	return sizeof(address->v6);
}

static void write_control(struct msghdr *header, int level, int type, const void *info,
			  size_t size)
{
	header->msg_controllen = CMSG_SPACE(size);
	struct cmsghdr *c = CMSG_FIRSTHDR(header);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), info, size);
}

/* Leaves by the interface and from the address on which the peer was heard. */
static void write_local(struct msghdr *header, const struct kdnet_peer *peer)
{
	static const uint8_t any[16];
	bool has_local = memcmp(peer->local, any, sizeof(any)) != 0;
	if (!has_local && peer->interface == 0) {
		header->msg_control = NULL;
		header->msg_controllen = 0;
	} else if (is_mapped(peer->address)) {
		struct in_pktinfo info = { .ipi_ifindex = (int)peer->interface };
		if (has_local)
			memcpy(&info.ipi_spec_dst, peer->local + MAPPED_PREFIX,
			       sizeof(info.ipi_spec_dst));
		write_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = { .ipi6_ifindex = peer->interface };
		memcpy(&info.ipi6_addr, peer->local, sizeof(info.ipi6_addr));
		write_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

/* ---- batches ---- */

static void show(const struct kdnet_udp *udp, const struct kdnet_peer *peer,
		 bool to_target, const uint8_t *bytes, size_t length)
{
	if (udp->tap.datagram)
		udp->tap.datagram(udp->tap.context, peer, to_target, bytes, length);
}

static void prepare(struct kdnet_udp *udp, unsigned n, size_t size)
{
	struct packet *packet = &udp->packets[n];
	struct msghdr *header = &udp->headers[n].msg_hdr;
	packet->part = (struct iovec){ packet->bytes, size };
	*header = (struct msghdr){
		.msg_name = &packet->address,
		.msg_namelen = sizeof(packet->address),
		.msg_iov = &packet->part,
		.msg_iovlen = 1,
		.msg_control = &packet->control,
		.msg_controllen = sizeof(packet->control),
	};
}

/*
 * What cannot be sent is as lost as on the wire: KD repeats it. Only an address or an
 * interface that went away meanwhile deserves a try without it.
 */
static void send_batch(struct kdnet_udp *udp, unsigned count)
{
	bool retried = false;
	for (unsigned done = 0; done < count;) {
		int sent = sendmmsg(udp->socket, udp->headers + done, count - done,
				    MSG_DONTWAIT);
		if (sent > 0) {
			done += (unsigned)sent;
			retried = false;
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EINTR) {
			continue;
		} else if (!retried && udp->headers[done].msg_hdr.msg_control) {
			udp->headers[done].msg_hdr.msg_control = NULL;
			udp->headers[done].msg_hdr.msg_controllen = 0;
			retried = true;
		} else {
			done++;
			retried = false;
		}
	}
}

static unsigned fill_batch(struct kdnet_udp *udp, uint64_t now_us)
{
	unsigned count = 0;
	while (count < BATCH) {
		struct packet *packet = &udp->packets[count];
		struct kdnet_peer to = { 0 };
		size_t length = kdnet_transmit(udp->k, &to, packet->bytes,
					       sizeof(packet->bytes), now_us);
		if (length == 0)
			break;
		if (!udp->v6 && !is_mapped(to.address))
			continue; /* no way there without IPv6 */
		prepare(udp, count, length);
		struct msghdr *header = &udp->headers[count].msg_hdr;
		header->msg_namelen = write_destination(udp, &packet->address, &to);
		write_local(header, &to);
		show(udp, &to, true, packet->bytes, length);
		count++;
	}
	return count;
}

static void set_timer(struct kdnet_udp *udp, uint64_t now_us)
{
	uint64_t at_us = kdnet_deadline(udp->k);
	if (at_us == udp->timer_at_us)
		return;
	udp->timer_at_us = at_us;
	ev_timer_stop(udp->loop, &udp->timer);
	if (at_us == UINT64_MAX)
		return;
	uint64_t wait_us = at_us > now_us ? at_us - now_us : 0;
	ev_now_update(udp->loop); /* the loop's own idea of now may be old */
	ev_timer_set(&udp->timer, (double)wait_us / 1e6, 0.);
	ev_timer_start(udp->loop, &udp->timer);
}

void kdnet_udp_flush(struct kdnet_udp *udp)
{
	uint64_t now_us = kdnet_udp_now_us();
	unsigned count;
	do {
		count = fill_batch(udp, now_us);
		if (count > 0)
			send_batch(udp, count);
	} while (count == BATCH);
	set_timer(udp, now_us);
}

static void take(struct kdnet_udp *udp, unsigned n, uint64_t now_us)
{
	struct packet *packet = &udp->packets[n];
	struct kdnet_peer from = { 0 };
	read_source(&from, &packet->address);
	read_local(&from, &udp->headers[n].msg_hdr);
	show(udp, &from, false, packet->bytes, udp->headers[n].msg_len);
	kdnet_receive(udp->k, &from, packet->bytes, udp->headers[n].msg_len, now_us);
}

static int receive_batch(struct kdnet_udp *udp)
{
	for (unsigned n = 0; n < BATCH; n++)
		prepare(udp, n, RECEIVE_SIZE);
	int count = recvmmsg(udp->socket, udp->headers, BATCH, MSG_DONTWAIT, NULL);
	uint64_t now_us = kdnet_udp_now_us();
	for (int n = 0; n < count; n++)
		take(udp, (unsigned)n, now_us);
	return count;
}

/* Acknowledges at once, then lets the owner act; it flushes what it does. */
static void flush_and_notify(struct kdnet_udp *udp)
{
	kdnet_udp_flush(udp);
	udp->notify(udp->context);
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct kdnet_udp *udp = watcher->data;
	int count = BATCH;
	for (int turn = 0; turn < BATCHES_MAX && count == BATCH; turn++) {
		count = receive_batch(udp);
		if (count > 0)
			kdnet_udp_flush(udp);
	}
	flush_and_notify(udp);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct kdnet_udp *udp = watcher->data;
	udp->timer_at_us = UINT64_MAX;
	kdnet_expire(udp->k, kdnet_udp_now_us());
	flush_and_notify(udp);
}

/* ---- opening ---- */

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int bind_socket(int fd, const union address *address, socklen_t length)
{
	return bind(fd, &address->any, length) < 0 ? -errno : 0;
}

/* Returns the socket or -errno. */
static int open_v6(uint16_t port)
{
	union address address = { .v6 = { .sin6_family = AF_INET6,
					  .sin6_port = htons(port),
					  .sin6_addr = IN6ADDR_ANY_INIT } };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (!error)
		error = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (!error)
		error = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (!error)
		error = bind_socket(fd, &address, sizeof(address.v6));
	if (!error)
		return fd;
	(void)close(fd);
	return error;
}

static int open_v4(uint16_t port)
{
	union address address = { .v4 = { .sin_family = AF_INET,
					  .sin_port = htons(port) } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (!error)
		error = bind_socket(fd, &address, sizeof(address.v4));
	if (!error)
		return fd;
	(void)close(fd);
	return error;
}

/* Both families, or IPv4 alone where IPv6 is switched off. */
static int open_socket(struct kdnet_udp *udp, uint16_t port)
{
	udp->socket = open_v6(port);
	udp->v6 = udp->socket >= 0;
	if (!udp->v6 && udp->socket != -EADDRINUSE && udp->socket != -EACCES)
		udp->socket = open_v4(port);
	if (udp->socket < 0)
		return udp->socket;
	union address bound = { 0 };
	socklen_t length = sizeof(bound);
	if (getsockname(udp->socket, &bound.any, &length) < 0)
		return -errno;
	udp->port = ntohs(udp->v6 ? bound.v6.sin6_port : bound.v4.sin_port);
	return 0;
}

int kdnet_udp_open(struct kdnet_udp **out, struct ev_loop *loop, struct kdnet *k,
		   uint16_t port, kdnet_udp_notify *notify, void *context,
		   const struct kdnet_udp_tap *tap)
{
	struct kdnet_udp *udp = calloc(1, sizeof(*udp));
	if (!udp)
		return -ENOMEM;
	udp->loop = loop;
	udp->k = k;
	udp->notify = notify;
	udp->context = context;
	if (tap)
		udp->tap = *tap;
	udp->timer_at_us = UINT64_MAX;
	int error = open_socket(udp, port);
	if (error) {
		if (udp->socket >= 0)
			(void)close(udp->socket);
		free(udp);
		return error;
	}
	ev_io_init(&udp->readable, on_readable, udp->socket, EV_READ);
	ev_timer_init(&udp->timer, on_timer, 0., 0.);
	udp->readable.data = udp;
	udp->timer.data = udp;
	ev_io_start(loop, &udp->readable);
	kdnet_udp_flush(udp);
	*out = udp;
	return 0;
}

void kdnet_udp_close(struct kdnet_udp *udp)
{
	if (!udp)
		return;
	ev_io_stop(udp->loop, &udp->readable);
	ev_timer_stop(udp->loop, &udp->timer);
	(void)close(udp->socket);
	free(udp);
}

uint16_t kdnet_udp_port(const struct kdnet_udp *udp)
{
	return udp->port;
}
