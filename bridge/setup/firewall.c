#include "bridge/setup/firewall.h"

#include <stdlib.h>

#include "bridge/setup/file_text.h"

/* firewalld's own rules are nftables', too; its name for them makes better advice. */
static const struct tool {
	const char *argv[4];
	const char *argv6[4]; /* for IPv6, when that is another program */
	void (*read)(struct firewall_verdict *verdict, const char *text,
		     const struct firewall_question *question);
} tools[] = {
	{ { "firewall-cmd", "--list-all-zones" }, { NULL }, firewall_read_firewalld },
	{ { "nft", "-j", "list", "ruleset" }, { NULL }, firewall_read_nft },
	{ { "iptables-save" }, { "ip6tables-save" }, firewall_read_iptables },
};

void firewall_ask(struct firewall_verdict *verdict, const struct firewall_question *q)
{
	*verdict = (struct firewall_verdict){ .answer = FIREWALL_UNKNOWN };
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		const struct tool *tool = &tools[i];
		bool other = q->v6 && tool->argv6[0];
		struct firewall_verdict one;
		/* four words, and the end that argv wants */
		const char *argv[5] = { NULL };
		char *text;

		for (size_t word = 0; word < 4; word++)
			argv[word] = other ? tool->argv6[word] : tool->argv[word];
		text = file_text_run(argv);
		if (!text)
			continue;
		tool->read(&one, text, q);
		free(text);
		if (one.answer > verdict->answer)
			*verdict = one;
	}
}
