/* What nft, iptables-save, firewall-cmd and /proc print, and a command line of QEMU's. */
#include <stdlib.h>
#include <string.h>

#include "bridge/setup/firewall.h"
#include "bridge/setup/ports.h"
#include "bridge/setup/qemu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct firewall_question question = { .port = 50000, .v6 = size % 2 };
	struct firewall_verdict verdict;
	struct ports_socket socket;
	struct qemu_guest guest;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	firewall_read_nft(&verdict, text, &question);
	firewall_read_iptables(&verdict, text, &question);
	firewall_read_firewalld(&verdict, text, &question);
	(void)ports_find(&socket, text, false, question.port);
	(void)qemu_diverts(&guest, text, size);
	free(text);
	return 0;
}
