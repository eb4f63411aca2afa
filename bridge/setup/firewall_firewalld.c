/* The text of `firewall-cmd --list-all-zones`. */
#include "bridge/setup/firewall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ZONE_MAX = 64 };

/* What is known of the zone whose lines are being read. */
struct zone {
	char name[ZONE_MAX];
	bool active;
	bool lets_in;
	bool rich; /* rules that are not read here */
};

struct zones {
	unsigned open, closed, unclear;
	char closed_name[ZONE_MAX];
};

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "50000-50039/udp 22/tcp" */
static bool lists_port(const char *list, uint16_t port)
{
	while (*list && *list != '\n') {
		char *end;
		unsigned long low = strtoul(list, &end, 10), high = low;

		if (*end == '-')
			high = strtoul(end + 1, &end, 10);
		if (low <= port && port <= high && starts_with(end, "/udp"))
			return true;
		list += strcspn(list, " \n");
		list += strspn(list, " ");
	}
	return false;
}

/* "protocols: udp" */
static bool lists_udp(const char *line)
{
	const char *udp = strstr(line, "udp");

	return starts_with(line, "protocols: ") && udp &&
	       udp < line + strcspn(line, "\n");
}

static void end_zone(struct zones *zones, const struct zone *zone)
{
	if (!zone->active)
		return;
	if (zone->lets_in) {
		zones->open++;
		return;
	}
	if (zone->rich)
		zones->unclear++;
	else
		zones->closed++;
	snprintf(zones->closed_name, sizeof(zones->closed_name), "%s", zone->name);
}

/* "public (default, active)" begins a zone, "  ports: …" belongs to it. */
static void take_line(struct zones *zones, struct zone *zone, const char *line,
		      uint16_t port)
{
	size_t length = strcspn(line, "\n");

	if (length > 0 && line[0] != ' ' && line[0] != '\t') {
		const char *active = strstr(line, "active");

		end_zone(zones, zone);
		*zone = (struct zone){ .active = active && active < line + length };
		snprintf(zone->name, sizeof(zone->name), "%.*s",
			 (int)strcspn(line, " \n"), line);
		return;
	}
	line += strspn(line, " \t");
	if (starts_with(line, "target: ACCEPT") || lists_udp(line) ||
	    (starts_with(line, "ports: ") && lists_port(line + strlen("ports: "), port)))
		zone->lets_in = true;
	else if (starts_with(line, "rule "))
		zone->rich = true;
}

void firewall_read_firewalld(struct firewall_verdict *v, const char *text,
			     const struct firewall_question *q)
{
	struct zones zones = { .open = 0 };
	struct zone zone = { .active = false };

	for (const char *line = text; *line;) {
		take_line(&zones, &zone, line, q->port);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	end_zone(&zones, &zone);
	*v = (struct firewall_verdict){ .answer = FIREWALL_UNKNOWN };
	if (zones.closed > 0)
		v->answer = zones.open + zones.unclear > 0 ? FIREWALL_MAY_DROP
							   : FIREWALL_DROPS;
	else if (zones.unclear > 0)
		v->answer = FIREWALL_MAY_DROP;
	else if (zones.open > 0)
		v->answer = FIREWALL_LETS_IN;
	if (v->answer < FIREWALL_MAY_DROP)
		return;
	snprintf(v->where, sizeof(v->where), "firewalld's zone %s", zones.closed_name);
	snprintf(v->advice, sizeof(v->advice),
		 "firewall-cmd --zone=%s --add-port=%u/udp (once more with --permanent "
		 "to keep it)",
		 zones.closed_name, q->port);
}
