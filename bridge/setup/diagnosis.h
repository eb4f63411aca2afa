/*
 * What is wrong, and what to do: facts in, findings out. A pure function over a table of
 * checks; doctor.c gathers the facts and prints the findings.
 */
#ifndef BRIDGE_SETUP_DIAGNOSIS_H
#define BRIDGE_SETUP_DIAGNOSIS_H

#include "bridge/setup/addresses.h"
#include "bridge/setup/firewall.h"
#include "bridge/setup/ports.h"
#include "bridge/setup/qemu.h"
#include "bridge/setup/watch.h"

struct diagnosis_facts {
	uint16_t port;	    /* 0: no connection string was given */
	const char *target; /* target=; NULL: none */

	/* This machine. */
	struct addresses_own own[ADDRESSES_MAX]; /* IPv4 ones, then IPv6 ones */
	size_t own_count;
	struct firewall_verdict firewall;
	bool has_guest;
	struct qemu_guest guest; /* a guest here that KDNET is diverted in */

	/* The port. */
	int port_status; /* 0, or -errno of binding it */
	bool port_taken;
	struct ports_holder holder; /* when it is taken */
	bool only_ipv4;		    /* IPv6 is switched off here */

	/* The way to target=. */
	const char *target_unknown; /* why it has no address; NULL: it has one */
	int route_status;	    /* 0, or -errno */
	bool target_is_ipv6;
	struct addresses_own towards; /* our address on the way there */

	/* What came in; only when `watched`. */
	bool watched;
	unsigned watched_s;
	struct watch_facts watch;
};

enum diagnosis_weight {
	DIAGNOSIS_GOOD,
	DIAGNOSIS_NOTE,	   /* worth knowing; by itself no trouble */
	DIAGNOSIS_PROBLEM, /* the exit code tells */
};

enum { DIAGNOSIS_TEXT_MAX = 400, DIAGNOSIS_FINDINGS_MAX = 32 };

struct diagnosis_finding {
	enum diagnosis_weight weight;
	const char *name; /* stable: "port-taken" */
	char text[DIAGNOSIS_TEXT_MAX];
	char advice[DIAGNOSIS_TEXT_MAX]; /* what to do; "" when nothing is */
};

/* Runs all checks, in the order in which one would look. Returns how many spoke. */
size_t diagnose(struct diagnosis_finding findings[static DIAGNOSIS_FINDINGS_MAX],
		const struct diagnosis_facts *facts);

/* Is any of them a problem? */
bool diagnosis_is_bad(const struct diagnosis_finding *findings, size_t count);

#endif
