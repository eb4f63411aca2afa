#include "bridge/worker/open.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/setup/ports.h"

/* ---- the target ---- */

static void random_bytes(void *context, void *out, size_t size)
{
	(void)context;
	randombytes_buf(out, size);
}

static void take_address(struct kdnet_peer *peer, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 six;

		memcpy(&six, address, sizeof(six));
		memcpy(peer->address, &six.sin6_addr, sizeof(peer->address));
		peer->interface = six.sin6_scope_id;
	} else {
		struct sockaddr_in four;

		memcpy(&four, address, sizeof(four));
		peer->address[10] = peer->address[11] = 0xff;
		memcpy(peer->address + 12, &four.sin_addr, sizeof(four.sin_addr));
	}
}

/* target=: a name or an address; the target listens on the port that it pokes. */
static bool resolve(const struct connection *c, struct kdnet_peer *peer, struct log *log)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found = NULL;
	int status = getaddrinfo(c->target, NULL, &hints, &found);

	if (status != 0) {
		log_event(log, LOG_ERROR, "bad-target",
			  "cannot resolve target={target}: {why}; give its address",
			  LOG_TEXT("target", c->target),
			  LOG_TEXT("why", gai_strerror(status)));
		return false;
	}
	memset(peer, 0, sizeof(*peer));
	take_address(peer, found->ai_addr);
	peer->port = c->port;
	freeaddrinfo(found);
	return true;
}

static void explain_port(struct log *log, uint16_t port, int status)
{
	const char *advice = "";
	struct ports_holder holder;
	char taken[128];

	if (status == -EADDRINUSE) {
		bool seen = ports_holder(&holder, port) && holder.pid;

		snprintf(taken, sizeof(taken),
			 ": %s has it; end that, or give the target another port",
			 seen ? holder.program : "another user's program");
		advice = taken;
	} else if (status == -EACCES) {
		advice = ": ports below 1024 need privileges; use one from 49152 on";
	}
	log_event(log, LOG_ERROR, "port-failed",
		  "cannot open UDP port {port}: {why}{advice}", LOG_NUMBER("port", port),
		  LOG_TEXT("why", strerror(-status)), LOG_TEXT("advice", advice));
}

static void warn_of_input(const struct connection *c, struct log *log)
{
	if (c->key_file_exposed)
		log_event(log, LOG_WARN, "key-exposed",
			  "other users can read the key file: chmod 600");
	if (c->port < CONNECTION_PORT_FIRST)
		log_event(log, LOG_WARN, "unusual-port",
			  "Windows takes ports from 49152 to 65535 only, not {port}",
			  LOG_NUMBER("port", c->port));
}

struct target *open_target(struct ev_loop *loop, const struct options *options,
			   const struct target_events *events, void *context,
			   const struct kdnet_udp_tap *tap, struct log *log)
{
	const struct connection *c = &options->connection;
	struct target *target = NULL;
	/* It holds the key. */
	struct target_options *o = sodium_malloc(sizeof(*o));
	int status;

	if (!o) {
		log_event(log, LOG_ERROR, "no-memory",
			  "no locked memory for the key: raise ulimit -l");
		return NULL;
	}
	memset(o, 0, sizeof(*o));
	memcpy(o->kdnet.key, c->key, sizeof(o->kdnet.key));
	o->kdnet.random = random_bytes;
	o->port = c->port;
	o->events = events;
	o->context = context;
	o->tap = *tap;
	o->kdnet.has_target = c->target[0] != '\0';
	if (!o->kdnet.has_target || resolve(c, &o->kdnet.target, log)) {
		status = target_open(&target, loop, o);
		if (status != 0)
			explain_port(log, c->port, status);
	}
	sodium_free(o);
	if (target)
		warn_of_input(c, log);
	return target;
}

/* ---- the client's endpoint ---- */

static void name_endpoint(char *out, size_t size, const struct rsp_endpoint *e)
{
	if (e->is_unix)
		snprintf(out, size, "unix:%s", e->address);
	else if (strchr(e->address, ':'))
		snprintf(out, size, "[%s]:%u", e->address, e->port);
	else
		snprintf(out, size, "%s:%u", e->address, e->port);
}

static void explain_endpoint(struct log *log, const struct rsp_endpoint *e, int status)
{
	const char *advice = "";
	char name[160];

	name_endpoint(name, sizeof(name), e);
	if (status == -EADDRINUSE && e->is_unix)
		advice = ": another program listens there; choose another path with "
			 "--listen";
	else if (status == -EADDRINUSE)
		advice = ": another kdbridge, or QEMU's -s (it takes 1234, too), has it; "
			 "choose another port with --listen";
	else if (status == -EADDRNOTAVAIL)
		advice = ": that is no address of this machine";
	log_event(log, LOG_ERROR, "listen-failed",
		  "cannot listen on {endpoint}: {why}{advice}",
		  LOG_TEXT("endpoint", name), LOG_TEXT("why", strerror(-status)),
		  LOG_TEXT("advice", advice));
}

struct rsp_listener *open_listener(struct ev_loop *loop, const struct options *options,
				   const struct rsp_listen_options *listen,
				   struct log *log)
{
	struct rsp_listener *listener = NULL;
	int status;

	if (options->stdio)
		status = rsp_listen_stdio(&listener, loop, STDIN_FILENO, STDOUT_FILENO,
					  listen);
	else
		status = rsp_listen_open(&listener, loop, &options->listen, listen);
	if (status != 0) {
		explain_endpoint(log, &options->listen, status);
		return NULL;
	}
	if (!options->stdio && !rsp_endpoint_is_local(&options->listen))
		log_event(log, LOG_WARN, "open-endpoint",
			  "{endpoint} can be reached from other machines, and gdb's "
			  "protocol has no password: whoever connects owns the target",
			  LOG_TEXT("endpoint", rsp_listen_name(listener)));
	return listener;
}
