/*
 * Would this machine's firewall let a target's pokes in? Pure functions over what nft,
 * iptables-save and firewall-cmd print; firewall_ask runs those.
 *
 * The rules are read for one question: a UDP datagram that comes from another machine,
 * belongs to no known connection, and goes to that port. What depends on more than that
 * (its source, its interface, a rate) may match or not.
 */
#ifndef BRIDGE_SETUP_FIREWALL_H
#define BRIDGE_SETUP_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct firewall_question {
	uint16_t port;
	bool v6;
};

enum firewall_answer {
	FIREWALL_UNKNOWN, /* there is none, or it cannot be asked */
	FIREWALL_LETS_IN,
	FIREWALL_MAY_DROP, /* it depends on more than the question says */
	FIREWALL_DROPS,
};

struct firewall_verdict {
	enum firewall_answer answer;
	char where[192];  /* what drops it: the rule, or the chain whose policy it is */
	char advice[192]; /* a command that lets it in */
};

/* The text of `nft -j list ruleset`. Tables of iptables' own kind are left to the next. */
void firewall_read_nft(struct firewall_verdict *verdict, const char *text,
		       const struct firewall_question *question);
/* The text of `iptables-save`, or for IPv6 of `ip6tables-save`. */
void firewall_read_iptables(struct firewall_verdict *verdict, const char *text,
			    const struct firewall_question *question);
/* The text of `firewall-cmd --list-all-zones`. */
void firewall_read_firewalld(struct firewall_verdict *verdict, const char *text,
			     const struct firewall_question *question);

/* Asks those that are installed and may be run; the worst answer counts. */
void firewall_ask(struct firewall_verdict *verdict,
		  const struct firewall_question *question);

#endif
