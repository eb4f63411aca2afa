#include "bridge/setup/doctor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "bridge/setup/diagnosis.h"
#include "bridge/setup/probe_socket.h"
#include "kdnet/udp.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* ---- this machine ---- */

static void look_at_machine(struct diagnosis_facts *d)
{
	struct firewall_question question = { .port = d->port ? d->port
							      : PORTS_RECOMMENDED_FIRST };
	struct addresses_own v6[ADDRESSES_MAX];
	size_t count = addresses_list(v6, true);

	d->own_count = addresses_list(d->own, false);
	for (size_t i = 0; i < count && d->own_count < ADDRESSES_MAX; i++)
		d->own[d->own_count++] = v6[i];
	question.v6 = d->target && !d->target_unknown && d->target_is_ipv6;
	firewall_ask(&d->firewall, &question);
	d->has_guest = qemu_find(&d->guest);
}

static void look_for_target(struct diagnosis_facts *d, struct kdnet_peer *target)
{
	if (!d->target)
		return;
	d->target_unknown = addresses_resolve(target, d->target, d->port, AF_UNSPEC);
	if (d->target_unknown)
		return;
	d->target_is_ipv6 = addresses_is_v6(target);
	d->route_status = addresses_towards(&d->towards, target);
}

/* ---- the port ---- */

static void send_all(const struct probe_socket *s, struct watch *w)
{
	uint8_t datagram[KDNET_DATAGRAM_MAX];
	struct kdnet_peer to = { .port = 0 };
	size_t length;

	/* What cannot be sent is as lost as on the wire; the findings will tell. */
	while ((length = watch_transmit(w, &to, datagram, sizeof(datagram),
					kdnet_udp_now_us())) > 0) {
		(void)probe_send(s, &to, datagram, length);
		to = (struct kdnet_peer){ .port = 0 };
	}
}

static void watch_until(const struct probe_socket *s, struct watch *w, uint64_t end_us)
{
	/* one more byte shows that a datagram was too long */
	uint8_t datagram[KDNET_DATAGRAM_MAX + 1];

	while (!interrupted && kdnet_udp_now_us() < end_us) {
		struct kdnet_peer from;
		uint64_t due_us;
		size_t length;

		send_all(s, w);
		due_us = watch_deadline(w);
		length = probe_receive(s, &from, datagram, sizeof(datagram),
				       due_us < end_us ? due_us : end_us);
		if (length > 0)
			watch_receive(w, &from, datagram, length, kdnet_udp_now_us());
	}
	send_all(s, w);
}

/* Returns the seconds that it took. */
static unsigned watch_for(const struct probe_socket *s, struct watch *w, unsigned seconds)
{
	uint64_t start_us = kdnet_udp_now_us();
	unsigned took_s;

	watch_until(s, w, start_us + (uint64_t)seconds * 1000000);
	took_s = (unsigned)((kdnet_udp_now_us() - start_us) / 1000000);
	watch_until(s, w, watch_awaits_until(w));
	return took_s;
}

static void watch_port(struct diagnosis_facts *d, const struct options *o,
		       const struct kdnet_peer *target)
{
	struct watch_config config = { .key = o->connection.key };
	struct probe_socket s;
	struct watch *w;

	d->port_status = probe_open(&s, d->port);
	d->port_taken =
		d->port_status == -EADDRINUSE && ports_holder(&d->holder, d->port);
	if (d->port_status != 0)
		return;
	d->only_ipv4 = !s.v6;
	if (d->target && !d->target_unknown) {
		config.has_target = true;
		config.target = *target;
	}
	w = watch_new(&config);
	if (w) {
		d->watched = true;
		d->watched_s = watch_for(&s, w, o->wait_s);
		d->watch = *watch_facts(w);
	} else {
		d->port_status = -ENOMEM;
	}
	watch_free(w);
	probe_close(&s);
}

/* ---- what it says ---- */

/* Wraps at words; `indent` spaces stand before each further line. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
	enum { WIDTH = 88 };
	int column = indent;

	while (*text) {
		int length = (int)strcspn(text, " ");

		if (column + length >= WIDTH && column > indent) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		column +=
			fprintf(out, "%s%.*s", column > indent ? " " : "", length, text);
		text += length;
		text += *text == ' ';
	}
	fputs("\n", out);
}

static void print_findings(const struct diagnosis_finding *findings, size_t count,
			   FILE *out)
{
	static const char *const words[] = {
		[DIAGNOSIS_GOOD] = "ok",
		[DIAGNOSIS_NOTE] = "note",
		[DIAGNOSIS_PROBLEM] = "problem",
	};
	enum { INDENT = 9 };

	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%-*s", INDENT, words[findings[i].weight]);
		print_wrapped(out, findings[i].text, INDENT);
		if (findings[i].advice[0]) {
			fprintf(out, "%*s", INDENT, "");
			print_wrapped(out, findings[i].advice, INDENT);
		}
	}
}

static void print_sum(const struct diagnosis_facts *d, bool bad, FILE *out)
{
	if (bad)
		fputs("Something is wrong: see the problems above.\n", out);
	else if (!d->port)
		fputs("This machine is ready. With a net: string doctor watches its port, "
		      "too.\n",
		      out);
	else
		fputs("All is well.\n", out);
}

int doctor_run(const struct options *o, FILE *out)
{
	struct diagnosis_finding findings[DIAGNOSIS_FINDINGS_MAX];
	struct diagnosis_facts d = { .port = o->connection.port };
	const struct sigaction action = { .sa_handler = on_interrupt };
	struct kdnet_peer target = { .port = 0 };
	size_t count;
	bool bad;

	sigaction(SIGINT, &action, NULL);
	if (o->connection.target[0])
		d.target = o->connection.target;
	look_for_target(&d, &target);
	look_at_machine(&d);
	if (d.port) {
		fprintf(out, "Watching UDP port %u for %u s; Ctrl-C ends it earlier.\n",
			d.port, o->wait_s);
		fflush(out);
		watch_port(&d, o, &target);
	}
	count = diagnose(findings, &d);
	bad = diagnosis_is_bad(findings, count);
	print_findings(findings, count, out);
	print_sum(&d, bad, out);
	return bad ? 1 : 0;
}
