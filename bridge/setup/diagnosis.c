#include "bridge/setup/diagnosis.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bridge/setup/diagnosis_check.h"

/* ---- words ---- */

void diagnosis_say(struct diagnosis_finding *f, enum diagnosis_weight weight,
		   const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	f->weight = weight;
	vsnprintf(f->text, sizeof(f->text), format, arguments);
	va_end(arguments);
}

void diagnosis_advise(struct diagnosis_finding *f, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(f->advice, sizeof(f->advice), format, arguments);
	va_end(arguments);
}

/* ---- this machine ---- */

static bool check_port_number(struct diagnosis_finding *f,
			      const struct diagnosis_facts *d)
{
	if (!d->port || d->port >= PORTS_FIRST)
		return false;
	diagnosis_say(f, DIAGNOSIS_PROBLEM,
		      "port %u is outside of %d to %d, which is all that "
		      "Windows takes",
		      d->port, PORTS_FIRST, PORTS_LAST);
	diagnosis_advise(
		f,
		"Set another one on the target, best from %d to %d: bcdedit /set "
		"\"{dbgsettings}\" port %d, reboot it, and give that port here.",
		PORTS_RECOMMENDED_FIRST, PORTS_RECOMMENDED_LAST, PORTS_RECOMMENDED_FIRST);
	return true;
}

static bool is_kdbridge(const struct diagnosis_facts *d)
{
	return d->holder.pid && strcmp(d->holder.program, "kdbridge") == 0;
}

static bool check_port_served(struct diagnosis_finding *f,
			      const struct diagnosis_facts *d)
{
	if (!d->port_taken || !is_kdbridge(d))
		return false;
	diagnosis_say(
		f, DIAGNOSIS_GOOD,
		"UDP port %u is served by kdbridge (process %ld): its session is not "
		"disturbed, and nothing more is asked of the target",
		d->port, d->holder.pid);
	diagnosis_advise(f,
			 "Its log says how the target is, and `monitor stats` in gdb how "
			 "the link is. To have the port watched here, end it first.");
	return true;
}

static bool check_port_taken(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	if (!d->port_taken || is_kdbridge(d))
		return false;
	if (d->holder.pid)
		diagnosis_say(f, DIAGNOSIS_PROBLEM,
			      "UDP port %u is taken by %s (process %ld)", d->port,
			      d->holder.program, d->holder.pid);
	else
		diagnosis_say(f, DIAGNOSIS_PROBLEM,
			      "UDP port %u is taken by a program of another user",
			      d->port);
	diagnosis_advise(f,
			 "%sEnd it, or give the target another port (kdbridge bcdedit "
			 "finds a free one).",
			 d->holder.pid ? "" : "As root, doctor says which one. ");
	return true;
}

static bool check_port_failed(struct diagnosis_finding *f,
			      const struct diagnosis_facts *d)
{
	if (d->port_taken || d->port_status == 0)
		return false;
	diagnosis_say(f, DIAGNOSIS_PROBLEM, "UDP port %u cannot be opened: %s", d->port,
		      strerror(-d->port_status));
	diagnosis_advise(f, d->port_status == -EACCES
				    ? "Ports below 1024 need privileges: take one from "
				      "50000 on."
				    : "Give the target another port.");
	return true;
}

static bool check_port_dropped(struct diagnosis_finding *f,
			       const struct diagnosis_facts *d)
{
	if (!d->port_taken || d->holder.socket.dropped == 0)
		return false;
	diagnosis_say(f, DIAGNOSIS_NOTE,
		      "%" PRIu64
		      " datagrams to that port were lost here for want of room "
		      "in its buffer",
		      d->holder.socket.dropped);
	diagnosis_advise(f, "This machine is too busy at times; KD repeats what is lost, "
			    "half a second later.");
	return true;
}

static bool check_port_free(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	if (!d->port || d->port_taken || d->port_status != 0)
		return false;
	diagnosis_say(f, DIAGNOSIS_GOOD, "UDP port %u is free here%s", d->port,
		      d->only_ipv4 ? ", for IPv4: IPv6 is switched off" : "");
	return true;
}

static bool check_addresses(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	size_t used = 0;

	if (d->own_count == 0) {
		diagnosis_say(f, DIAGNOSIS_PROBLEM,
			      "this machine has no address that another one could reach");
		diagnosis_advise(f, "Connect it to the target's network.");
		return true;
	}
	diagnosis_say(f, DIAGNOSIS_GOOD, "this machine is");
	used = strlen(f->text);
	for (size_t i = 0; i < d->own_count && used < sizeof(f->text) - 1; i++) {
		snprintf(f->text + used, sizeof(f->text) - used, "%s %s (%s)",
			 i > 0 ? "," : "", d->own[i].text, d->own[i].interface);
		used = strlen(f->text);
	}
	return true;
}

static bool is_silent(const struct diagnosis_facts *d)
{
	return d->watched && d->watch.datagrams.count == 0;
}

/* What may be dropped matters when nothing comes; what came was not dropped. */
static bool check_firewall(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct firewall_verdict *v = &d->firewall;
	bool proven_wrong = d->watched && !is_silent(d);

	if (v->answer < FIREWALL_MAY_DROP || proven_wrong)
		return false;
	if (v->answer == FIREWALL_MAY_DROP && !is_silent(d))
		return false;
	diagnosis_say(f, v->answer == FIREWALL_DROPS ? DIAGNOSIS_PROBLEM : DIAGNOSIS_NOTE,
		      "the firewall here %s what comes to UDP port %u: %s",
		      v->answer == FIREWALL_DROPS ? "drops" : "may drop",
		      d->port ? d->port : PORTS_RECOMMENDED_FIRST, v->where);
	diagnosis_advise(f, "Let it in, as root: %s", v->advice);
	return true;
}

static bool check_firewall_open(struct diagnosis_finding *f,
				const struct diagnosis_facts *d)
{
	if (d->firewall.answer == FIREWALL_LETS_IN)
		diagnosis_say(f, DIAGNOSIS_GOOD, "the firewall here lets that port in");
	else if (d->firewall.answer == FIREWALL_UNKNOWN && is_silent(d))
		diagnosis_say(f, DIAGNOSIS_NOTE,
			      "no firewall rules could be read here: there are none, or "
			      "only root may see them");
	else
		return false;
	return true;
}

/* A guest that reaches us is not the one, or does not suffer from it. */
static bool check_guest(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	if (!d->has_guest || (d->watched && d->watch.pokes.count > 0) || d->port_taken)
		return false;
	diagnosis_say(
		f, DIAGNOSIS_NOTE,
		"a QEMU guest here (%s, process %ld) has hv-* features: Windows in it "
		"takes its host for Hyper-V, and KDNET does not use its network card",
		d->guest.name[0] ? d->guest.name : "without a name", d->guest.pid);
	diagnosis_advise(f, "If that is the target: give its -cpu hv-vendor-id=KVMKVMKVM "
			    "(libvirt: <vendor_id state='on' value='KVMKVMKVM'/> below "
			    "<hyperv>), switch it off, and start it anew.");
	return true;
}

/* ---- the way to target= ---- */

static bool check_target_name(struct diagnosis_finding *f,
			      const struct diagnosis_facts *d)
{
	if (!d->target || !d->target_unknown)
		return false;
	diagnosis_say(f, DIAGNOSIS_PROBLEM, "target=%s has no address: %s", d->target,
		      d->target_unknown);
	diagnosis_advise(f,
			 "Give the address that the target itself shows, as "
			 "target=ADDRESS. KDNET takes one of its own by DHCP: the pokes "
			 "tell it, Windows' own name may not.");
	return true;
}

static bool has_own(const struct diagnosis_facts *d, bool v6)
{
	for (size_t i = 0; i < d->own_count; i++)
		if (d->own[i].v6 == v6)
			return true;
	return false;
}

static bool check_family(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const char *family = d->target_is_ipv6 ? "IPv6" : "IPv4";

	if (!d->target || d->target_unknown || d->route_status == 0)
		return false;
	if (has_own(d, d->target_is_ipv6) && !(d->target_is_ipv6 && d->only_ipv4))
		return false;
	diagnosis_say(
		f, DIAGNOSIS_PROBLEM,
		"target=%s is an %s address, and this machine has none of that kind",
		d->target, family);
	diagnosis_advise(
		f,
		"Give the target's %s address, and set it up with %s on its side, "
		"too; or give this machine an %s address.",
		d->target_is_ipv6 ? "IPv4" : "IPv6",
		d->target_is_ipv6 ? "hostip:" : "hostipv6:", family);
	return true;
}

static bool check_route(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	struct diagnosis_finding other;

	if (!d->target || d->target_unknown || check_family(&other, d))
		return false;
	if (d->route_status == 0) {
		diagnosis_say(f, DIAGNOSIS_GOOD, "the way to %s leads out of %s",
			      d->target, d->towards.text);
		return true;
	}
	diagnosis_say(f, DIAGNOSIS_PROBLEM, "no route leads to target=%s: %s", d->target,
		      strerror(-d->route_status));
	diagnosis_advise(
		f, "Connect this machine to its network, or add a route (ip route).");
	return true;
}

/* ---- all of them ---- */

static const struct diagnosis_check machine_checks[] = {
	{ "addresses", check_addresses },
	{ "port-number", check_port_number },
	{ "port-served", check_port_served },
	{ "port-taken", check_port_taken },
	{ "port-failed", check_port_failed },
	{ "port-dropped", check_port_dropped },
	{ "port-free", check_port_free },
	{ "firewall", check_firewall },
	{ "firewall-open", check_firewall_open },
	{ "target-name", check_target_name },
	{ "family", check_family },
	{ "route", check_route },
	{ "guest", check_guest },
	{ NULL, NULL },
};

static size_t run(const struct diagnosis_check *checks,
		  struct diagnosis_finding *findings, size_t count,
		  const struct diagnosis_facts *facts)
{
	for (; checks->name && count < DIAGNOSIS_FINDINGS_MAX; checks++) {
		struct diagnosis_finding *f = &findings[count];

		*f = (struct diagnosis_finding){ .name = checks->name };
		if (checks->check(f, facts))
			count++;
	}
	return count;
}

size_t diagnose(struct diagnosis_finding findings[static DIAGNOSIS_FINDINGS_MAX],
		const struct diagnosis_facts *facts)
{
	size_t count = run(machine_checks, findings, 0, facts);

	return facts->watched ? run(diagnosis_wire_checks, findings, count, facts)
			      : count;
}

bool diagnosis_is_bad(const struct diagnosis_finding *findings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (findings[i].weight == DIAGNOSIS_PROBLEM)
			return true;
	return false;
}
