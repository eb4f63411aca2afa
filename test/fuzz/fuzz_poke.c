/* Pokes with any content and at any time, and the book that judges them. */
#include "test/fuzz/fuzz.h"

#include "kdnet/handshake.h"

enum { POKES_MAX = 64 };

static void check_judged(struct kdnet_poke_book *book, const struct kdnet_poke *poke,
			 const uint8_t *live, uint64_t now_us)
{
	struct kdnet_known *known = NULL;
	enum kdnet_poke_verdict verdict =
		kdnet_poke_judge(book, poke, live, now_us, &known);
	must(known != NULL && known == kdnet_poke_find(book, poke->identity));
	must(verdict <= KDNET_POKE_REPLAYED);
	must(verdict == KDNET_POKE_REPLAYED || known->counter == poke->counter);
	must(!live || verdict != KDNET_POKE_HEARTBEAT ||
	     kdnet_same_identity(live, poke->identity));
	known->answered = verdict == KDNET_POKE_ANSWER;
	known->answered_us = now_us;
	/* the same one again is never answered */
	must(kdnet_poke_judge(book, poke, live, now_us, &known) != KDNET_POKE_ANSWER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kdnet_poke_book book = { 0 };
	struct kdnet_poke poke;
	uint8_t live[KDNET_IDENTITY_SIZE];
	uint64_t now_us = 1000000;
	if (kdnet_poke_decode(&poke, data, size)) {
		must(size >= 34);
		check_judged(&book, &poke, NULL, now_us);
	}
	memset(live, 1, sizeof(live));
	/* a crowd of targets: identity, counter, and how long since the last one */
	for (unsigned n = 0; size >= 4 && n < POKES_MAX; n++) {
		uint8_t payload[344] = { 1, 1, data[0], data[1] };
		memset(payload + 4, data[2] & 15, KDNET_IDENTITY_SIZE);
		now_us += (uint64_t)data[3] * 50000;
		must(kdnet_poke_decode(&poke, payload, sizeof(payload)));
		check_judged(&book, &poke, data[2] & 16 ? live : NULL, now_us);
		data += 4;
		size -= 4;
	}
	return 0;
}
