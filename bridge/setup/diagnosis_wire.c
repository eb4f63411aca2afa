/* Checks of what came in on the port. */
#include "bridge/setup/diagnosis_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ADDRESS_MAX = INET6_ADDRSTRLEN };

static const char *name_of(char text[static ADDRESS_MAX],
			   const uint8_t address[static 16])
{
	addresses_format(text, address);
	return text;
}

static bool check_nothing(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	if (d->watch.datagrams.count > 0)
		return false;
	diagnosis_say(f, DIAGNOSIS_PROBLEM,
		      "nothing arrived in %u s, though a target pokes every 3 s",
		      d->watched_s);
	diagnosis_advise(
		f,
		"On the target, bcdedit /dbgsettings must show net, port %u and an "
		"address of this machine; bcdedit must show debug Yes; and it must "
		"have been rebooted since. Its adapter must be one that KDNET "
		"supports (kdnet.exe tells; busparams chooses). Firewalls and NAT "
		"in between must let UDP through.%s",
		d->port, d->target ? "" : " target=ADDRESS here asks it for a poke.");
	return true;
}

static bool check_not_kdnet(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct watch_facts *w = &d->watch;
	bool alone = w->not_kdnet.count == w->datagrams.count;
	char from[ADDRESS_MAX];

	if (w->not_kdnet.count == 0)
		return false;
	diagnosis_say(f, alone ? DIAGNOSIS_PROBLEM : DIAGNOSIS_NOTE,
		      "%" PRIu64 " datagrams from %s port %u are no KDNET",
		      w->not_kdnet.count, name_of(from, w->not_kdnet.from.address),
		      w->not_kdnet.from.port);
	diagnosis_advise(
		f, alone ? "Another program sends to this port: end it, or take "
			   "another port. The target itself was not heard: see its "
			   "bcdedit /dbgsettings."
			 : "Another program sends to this port, too. It does no harm "
			   "but to the log.");
	return true;
}

static bool check_sealed(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	char from[ADDRESS_MAX];

	if (d->watch.sealed.count == 0)
		return false;
	diagnosis_say(f, DIAGNOSIS_PROBLEM,
		      "a target pokes from %s; no key was given to open "
		      "what it says",
		      name_of(from, d->watch.sealed.from.address));
	diagnosis_advise(f,
			 "Give key= in the connection string, --key-file or KDBRIDGE_KEY "
			 "to have the rest checked.");
	return true;
}

static bool check_key(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct watch_facts *w = &d->watch;
	char from[ADDRESS_MAX];

	if (w->wrong_key.count == 0)
		return false;
	name_of(from, w->wrong_key.from.address);
	if (w->pokes.count > 0) {
		diagnosis_say(f, DIAGNOSIS_NOTE,
			      "%" PRIu64
			      " pokes from %s do not open with this key, others "
			      "do: another machine uses this port, or something damages "
			      "datagrams",
			      w->wrong_key.count, from);
		diagnosis_advise(f, "Give each target a port of its own.");
		return true;
	}
	diagnosis_say(f, DIAGNOSIS_PROBLEM,
		      "a target pokes from %s, but not with this key", from);
	diagnosis_advise(
		f, "Compare with what bcdedit /dbgsettings shows there (for Hyper-V's "
		   "own debugger, bcdedit /hypervisorsettings). A key counts from "
		   "the next boot on.");
	return true;
}

static bool check_unopened(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	char from[ADDRESS_MAX];

	if (d->watch.unopened.count == 0 || d->watch.pokes.count > 0)
		return false;
	diagnosis_say(f, DIAGNOSIS_PROBLEM,
		      "%s still talks to a debugger that was here before",
		      name_of(from, d->watch.unopened.from.address));
	diagnosis_advise(f, "Its next poke ends that: watch a little longer (--wait).");
	return true;
}

static bool check_pokes(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct watch_facts *w = &d->watch;
	char from[ADDRESS_MAX];

	if (w->pokes.count == 0)
		return false;
	diagnosis_say(
		f, DIAGNOSIS_GOOD,
		"the target pokes from %s port %u with this key, in version %u of the "
		"protocol",
		name_of(from, w->pokes.from.address), w->pokes.from.port, w->version);
	return true;
}

static bool check_version(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct watch_facts *w = &d->watch;
	bool known = w->version == 2 || w->version == 4 || w->version == 5;

	if (w->pokes.count == 0 || known)
		return false;
	diagnosis_say(f, DIAGNOSIS_NOTE,
		      "version %u of the protocol was never seen before: it may work",
		      w->version);
	diagnosis_advise(f, "If the session then does not, report it with a recording "
			    "(tcpdump -w) and the build of Windows.");
	return true;
}

static bool check_link_local(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	char from[ADDRESS_MAX];

	if (d->watch.link_local.count == 0)
		return false;
	diagnosis_say(
		f, DIAGNOSIS_NOTE,
		"the target's address is the link-local %s: it got none by DHCP, and no "
		"router passes our answers on",
		name_of(from, d->watch.link_local.from.address));
	diagnosis_advise(f,
			 "Let a DHCP server answer the adapter that debugs, or keep both "
			 "machines on one link, with an address of 169.254.0.0/16 here: "
			 "ip address add 169.254.1.1/16 dev INTERFACE.");
	return true;
}

static bool check_clone(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct watch_facts *w = &d->watch;
	char first[ADDRESS_MAX], second[ADDRESS_MAX];

	if (w->source_count < 2)
		return false;
	diagnosis_say(f, DIAGNOSIS_PROBLEM,
		      "%s machines poke this port with the same key: %s and %s",
		      w->source_count > 2 ? "several" : "two",
		      name_of(first, w->sources[0].address),
		      name_of(second, w->sources[1].address));
	diagnosis_advise(
		f, "One is a clone of the other: give it a key and a port of its own "
		   "(kdbridge bcdedit), and reboot it.");
	return true;
}

static bool check_elsewhere(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct watch_facts *w = &d->watch;
	char host[ADDRESS_MAX];

	if (!w->bound_elsewhere)
		return false;
	diagnosis_say(f, DIAGNOSIS_PROBLEM,
		      "the target serves another host, %s: it was left alone",
		      name_of(host, w->bound_host));
	diagnosis_advise(f,
			 "End the debugger there, or set hostip on the target to this "
			 "machine's address. kdbridge with target=%s in its connection "
			 "string takes the target over.",
			 d->target ? d->target : "ADDRESS");
	return true;
}

static bool check_answers(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct watch_facts *w = &d->watch;

	if (w->answers == 0)
		return false;
	if (w->proofs > 0) {
		diagnosis_say(f, DIAGNOSIS_GOOD,
			      "our answers reach it: %" PRIu64 " of %" PRIu64
			      ", round trip %" PRIu64 ".%03" PRIu64 " ms",
			      w->proofs, w->answers, w->round_trip_us / 1000,
			      w->round_trip_us % 1000);
		return true;
	}
	diagnosis_say(f, DIAGNOSIS_PROBLEM,
		      "the target pokes, but our %" PRIu64 " answers do not reach it",
		      w->answers);
	diagnosis_advise(
		f,
		"A firewall that lets UDP out only to some ports, a NAT in between "
		"that forgot the way back, or a route that does not lead back. "
		"Put both on one network, or let UDP port %u through both ways.",
		d->port);
	return true;
}

static bool check_loss(struct diagnosis_finding *f, const struct diagnosis_facts *d)
{
	const struct watch_facts *w = &d->watch;
	/* An answer to the last poke may still be on its way. */
	uint64_t unproven =
		w->proofs > 0 && w->answers > w->proofs + 1 ? w->answers - w->proofs : 0;
	uint64_t sent = w->pokes.count + w->pokes_lost + w->answers;

	if (w->pokes_lost + unproven == 0)
		return false;
	diagnosis_say(f, DIAGNOSIS_NOTE,
		      "%" PRIu64 " of %" PRIu64 " datagrams were lost on the way",
		      w->pokes_lost + unproven, sent);
	diagnosis_advise(
		f, "The session works, slowly: each loss costs up to half a second. "
		   "See the cable, the switch, Wi-Fi in between; --wait=60 gives a "
		   "better number.");
	return true;
}

const struct diagnosis_check diagnosis_wire_checks[] = {
	{ "nothing-arrives", check_nothing },
	{ "not-kdnet", check_not_kdnet },
	{ "no-key", check_sealed },
	{ "wrong-key", check_key },
	{ "old-session", check_unopened },
	{ "pokes", check_pokes },
	{ "new-version", check_version },
	{ "link-local", check_link_local },
	{ "clone", check_clone },
	{ "other-host", check_elsewhere },
	{ "answers", check_answers },
	{ "loss", check_loss },
	{ NULL, NULL },
};
