#include "bridge/setup/bcdedit.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <sodium.h>

#include "bridge/setup/keygen.h"
#include "bridge/setup/ports.h"

/* Of the three formats: what a command and a remark look like. */
static const struct look {
	const char *command; /* before each command */
	const char *remark;
} looks[] = {
	[BCDEDIT_TEXT] = { "    bcdedit ", "  " },
	[BCDEDIT_SH] = { "bcdedit.exe ", "# " },
	[BCDEDIT_PS1] = { "bcdedit ", "# " },
};

static const struct look *look_of(const struct bcdedit_plan *plan)
{
	return &looks[plan->wanted->format];
}

/* The text is the same for cmd.exe, PowerShell and sh: braces stand in quotes. */
__attribute__((format(printf, 3, 4))) static void
command(const struct bcdedit_plan *plan, FILE *out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs(look_of(plan)->command, out);
	vfprintf(out, format, arguments);
	fputs("\n", out);
	va_end(arguments);
}

static void remark(const struct bcdedit_plan *plan, FILE *out, const char *text)
{
	const char *before = look_of(plan)->remark;

	if (text[0])
		fprintf(out, "%s%s\n", before, text);
	else
		fprintf(out, "%.*s\n", (int)strcspn(before, " "), before);
}

static const char *host_option(const struct bcdedit_plan *plan)
{
	return plan->hosts[0].v6 ? "hostipv6" : "hostip";
}

/* ---- the commands, in the order in which they are typed ---- */

static void print_settings(const struct bcdedit_plan *plan, FILE *out)
{
	const struct options_bcdedit *w = plan->wanted;

	command(plan, out, "/dbgsettings net %s:%s port:%u key:%s", host_option(plan),
		plan->hosts[0].text, plan->port, plan->key);
	if (w->busparams)
		command(plan, out, "/set \"{dbgsettings}\" busparams %s", w->busparams);
	command(plan, out, "/debug on");
	if (w->boot) {
		command(plan, out, "/bootdebug \"{bootmgr}\" on");
		command(plan, out, "/bootdebug on");
	}
}

static void print_hypervisor(const struct bcdedit_plan *plan, FILE *out)
{
	const struct options_bcdedit *w = plan->wanted;

	if (!w->hypervisor)
		return;
	command(plan, out, "/hypervisorsettings net hostip:%s port:%u",
		plan->hosts[0].text, plan->port + 1);
	command(plan, out, "/set \"{hypervisorsettings}\" hypervisorusekey %s",
		plan->hypervisor_key);
	if (w->busparams)
		command(plan, out, "/set \"{hypervisorsettings}\" hypervisorbusparams %s",
			w->busparams);
	command(plan, out, "/set hypervisordebug on");
	command(plan, out, "/set hypervisorlaunchtype auto");
}

static void print_hosts(const struct bcdedit_plan *plan, FILE *out)
{
	char line[INET6_ADDRSTRLEN + IF_NAMESIZE + 32];

	if (plan->host_count < 2)
		return;
	remark(plan, out, "");
	remark(plan, out,
	       "This machine has several addresses. The target must reach the one in the");
	remark(plan, out, "command; if it does not, take another, or give --target:");
	for (size_t i = 0; i < plan->host_count; i++) {
		snprintf(line, sizeof(line), "  %s:%s (%s)", host_option(plan),
			 plan->hosts[i].text, plan->hosts[i].interface);
		remark(plan, out, line);
	}
}

/* ---- this side ---- */

static void print_this_side(const struct bcdedit_plan *plan, FILE *out)
{
	char line[256];

	if (plan->key_file)
		snprintf(line, sizeof(line), "  kdbridge --key-file %s net:port=%u",
			 plan->key_file, plan->port);
	else
		snprintf(line, sizeof(line), "  kdbridge net:port=%u,key=%s", plan->port,
			 plan->key);
	remark(plan, out, line);
	if (!plan->wanted->hypervisor)
		return;
	snprintf(line, sizeof(line), "  kdbridge --listen 1235 net:port=%u,key=%s",
		 plan->port + 1u, plan->hypervisor_key);
	remark(plan, out, line);
}

/* ---- the notes ---- */

static bool always(const struct options_bcdedit *w)
{
	(void)w;
	return true;
}

static bool without_busparams(const struct options_bcdedit *w)
{
	return !w->busparams;
}

static bool with_ipv6(const struct options_bcdedit *w)
{
	return w->ipv6;
}

static bool with_hypervisor(const struct options_bcdedit *w)
{
	return w->hypervisor;
}

static bool with_boot(const struct options_bcdedit *w)
{
	return w->boot;
}

static const struct note {
	bool (*matters)(const struct options_bcdedit *w);
	const char *lines[4]; /* NULL: no more */
} notes[] = {
	{ always,
	  { "Reboot the target afterwards: the settings count from the next boot on.",
	    "`kdbridge doctor` with the same net: string then says whether it works." } },
	{ always,
	  { "Secure Boot refuses these commands: switch it off in the firmware first, and",
	    "suspend BitLocker (manage-bde -protectors -disable C:), or it asks for its",
	    "recovery key at the next boot." } },
	{ always,
	  { "The adapter must be one that KDNET supports: a wired one, of most makers; no",
	    "Wi-Fi, few USB ones. kdnet.exe, run without arguments on the target, lists",
	    "those that will do." } },
	{ without_busparams,
	  { "With several adapters Windows takes the first that is supported: choose with",
	    "--busparams=B.D.F, as kdnet.exe or the device manager (Location) shows it." } },
	{ always,
	  { "A laptop in a docking station: take the adapter in the machine itself, as the",
	    "one in the station is often on USB, and not there early enough." } },
	{ always,
	  { "The target gets its debugging address by DHCP, whatever address Windows itself",
	    "has; a static one is not taken over. Without DHCP it takes one of 169.254.*,",
	    "which no router passes on. This machine's address should not change: make it",
	    "a static or reserved one." } },
	{ always,
	  { "Hyper-V: in a guest, switch Secure Boot off in the machine's settings. On a",
	    "machine that runs Hyper-V itself, the virtual switch loses the adapter to the",
	    "debugger: Windows then uses it through the Kernel Debug Network Adapter." } },
	{ always,
	  { "QEMU/KVM: a guest with hv-* features takes its host for Hyper-V and does not",
	    "use its network card: add hv-vendor-id=KVMKVMKVM (libvirt: <vendor_id",
	    "state='on' value='KVMKVMKVM'/>), use an e1000e card, and start it anew." } },
	{ always, { "A firewall here must let UDP in on that port, from the target." } },
	{ with_ipv6, { "IPv6 needs Windows 10 1809 or newer on the target." } },
	{ with_hypervisor,
	  { "The hypervisor is a target of its own, with its own port and key: it needs its",
	    "own kdbridge." } },
	{ with_boot,
	  { "The boot manager, the loader and the kernel come one after the other on the",
	    "same port; kdbridge follows them. Debugging them makes each boot slower." } },
};

static void print_notes(const struct bcdedit_plan *plan, FILE *out)
{
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		if (!notes[i].matters(plan->wanted))
			continue;
		for (size_t line = 0; line < 4 && notes[i].lines[line]; line++) {
			char text[128];

			snprintf(text, sizeof(text), "%s%s", line == 0 ? "- " : "  ",
				 notes[i].lines[line]);
			remark(plan, out, text);
		}
	}
}

/* ---- all of it ---- */

static void print_head(const struct bcdedit_plan *plan, FILE *out)
{
	switch ((enum bcdedit_format)plan->wanted->format) {
	case BCDEDIT_TEXT:
		fputs("On the target, in an administrator's command prompt or PowerShell, "
		      "in this order:\n\n",
		      out);
		break;
	case BCDEDIT_SH:
		fputs("#!/bin/sh\n# For the target, as administrator (Git Bash, Cygwin, "
		      "WSL).\nset -e\n",
		      out);
		break;
	case BCDEDIT_PS1:
		fputs("#Requires -RunAsAdministrator\n# For the target.\n"
		      "$ErrorActionPreference = 'Stop'\n",
		      out);
		break;
	}
}

void bcdedit_print(const struct bcdedit_plan *plan, FILE *out)
{
	print_head(plan, out);
	print_settings(plan, out);
	print_hypervisor(plan, out);
	print_hosts(plan, out);
	remark(plan, out, "");
	remark(plan, out, "Then reboot the target, and here:");
	remark(plan, out, "");
	print_this_side(plan, out);
	remark(plan, out, "");
	remark(plan, out, "What matters:");
	remark(plan, out, "");
	print_notes(plan, out);
}

/* ---- what the options leave open ---- */

static bool find_towards(struct bcdedit_plan *plan, const char *target, bool v6,
			 FILE *err)
{
	struct kdnet_peer peer;
	const char *why = addresses_resolve(&peer, target, 0, v6 ? AF_INET6 : AF_INET);
	int status;

	if (why) {
		fprintf(err,
			"kdbridge: cannot find an %s address of %s: %s; give its address\n",
			v6 ? "IPv6" : "IPv4", target, why);
		return false;
	}
	status = addresses_towards(&plan->hosts[0], &peer);
	if (status != 0) {
		fprintf(err,
			"kdbridge: no way to %s: %s; connect this machine to its "
			"network, or give --host\n",
			target, strerror(-status));
		return false;
	}
	plan->host_count = 1;
	return true;
}

static bool find_hosts(struct bcdedit_plan *plan, const struct options *o, FILE *err)
{
	const struct options_bcdedit *w = &o->bcdedit;

	if (w->host) {
		plan->host_count = 1;
		plan->hosts[0].v6 = w->host_is_ipv6;
		snprintf(plan->hosts[0].text, sizeof(plan->hosts[0].text), "%s", w->host);
		return true;
	}
	if (o->connection.target[0])
		return find_towards(plan, o->connection.target, w->ipv6, err);
	plan->host_count = addresses_list(plan->hosts, w->ipv6);
	if (plan->host_count > 0)
		return true;
	fprintf(err,
		"kdbridge: this machine has no %s address that another one could reach: "
		"connect it to the target's network, or give --host\n",
		w->ipv6 ? "IPv6" : "IPv4");
	return false;
}

static bool find_port(struct bcdedit_plan *plan, const struct options *o, FILE *err)
{
	plan->port = o->connection.port;
	if (!plan->port)
		plan->port = ports_choose(o->bcdedit.hypervisor ? 2 : 1);
	if (!plan->port)
		fprintf(err, "kdbridge: no UDP port from %d to %d is free: give --port\n",
			PORTS_FIRST, PORTS_LAST);
	return plan->port != 0;
}

/* A port outside is no error: targets other than Windows take it. */
static void warn_of_port(const struct bcdedit_plan *plan, bool given, FILE *err)
{
	struct ports_holder holder;

	if (plan->port < PORTS_FIRST)
		fprintf(err,
			"kdbridge: warning: Windows takes ports from %d to %d only, not "
			"%u\n",
			PORTS_FIRST, PORTS_LAST, plan->port);
	if (given && ports_holder(&holder, plan->port))
		fprintf(err,
			"kdbridge: warning: UDP port %u is in use here, by %s: see "
			"kdbridge doctor\n",
			plan->port,
			holder.pid ? holder.program : "another user's program");
}

static void find_keys(struct bcdedit_plan *plan, const struct options *o)
{
	if (o->connection.key)
		kdnet_key_format(plan->key, o->connection.key);
	else
		keygen_text(plan->key);
	plan->key_file = o->connection.key ? o->key_file : NULL;
	keygen_text(plan->hypervisor_key);
}

int bcdedit_run(const struct options *o, FILE *out, FILE *err)
{
	struct bcdedit_plan plan = { .wanted = &o->bcdedit };
	bool good = find_hosts(&plan, o, err) && find_port(&plan, o, err);

	if (good) {
		find_keys(&plan, o);
		warn_of_port(&plan, o->connection.port != 0, err);
		bcdedit_print(&plan, out);
	}
	sodium_memzero(&plan, sizeof(plan));
	return good ? 0 : 1;
}
