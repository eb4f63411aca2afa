#include "kdnet/handshake.h"

#include <nettle/sha2.h>
#include <sodium.h>

#include "kdnet/wire.h"

enum {
	POKE_MIN = 34, /* other implementations send no more than that */
	BOUND_PORT_OFFSET = 86,
	ANSWER_INTERVAL_US = 1000000,
};

/*
 * The counter has 16 bits: 27 hours of pokes are half of them, and by then "behind"
 * means nothing. After this long without a poke any counter counts as progress.
 */
static const uint64_t counter_expires_us = UINT64_C(6) * 3600 * 1000000;

static const uint8_t poke_mark[2] = { 0x01, 0x01 };
static const uint8_t response_mark[2] = { 0x01, 0x02 };

bool kdnet_poke_decode(struct kdnet_poke *poke, const uint8_t *payload, size_t length)
{
	struct reader r = rd_init(payload, length);
	const uint8_t *mark = rd_bytes(&r, sizeof(poke_mark));
	struct reader nonce = rd_sub(&r, KDNET_NONCE_SIZE);
	if (!rd_ok(&r) || memcmp(mark, poke_mark, sizeof(poke_mark)) != 0)
		return false;
	memcpy(poke->nonce, nonce.pos, KDNET_NONCE_SIZE);
	poke->counter = rd_le16(&nonce);
	rd_copy(&nonce, poke->identity, KDNET_IDENTITY_SIZE);

	rd_skip(&r, BOUND_PORT_OFFSET - POKE_MIN);
	poke->bound_port = rd_be16(&r);
	poke->has_bound = rd_ok(&r);
	return true;
}

void kdnet_response_encode(uint8_t out[static KDNET_RESPONSE_SIZE],
			   const uint8_t client_nonce[static KDNET_NONCE_SIZE],
			   const uint8_t host_nonce[static KDNET_NONCE_SIZE])
{
	struct writer w = wr_init(out, KDNET_RESPONSE_SIZE);
	wr_bytes(&w, response_mark, sizeof(response_mark));
	wr_bytes(&w, client_nonce, KDNET_NONCE_SIZE);
	wr_bytes(&w, host_nonce, KDNET_NONCE_SIZE);
	wr_zeros_to(&w, KDNET_RESPONSE_SIZE);
}

bool kdnet_is_response(const uint8_t *payload, size_t length)
{
	return length == KDNET_RESPONSE_SIZE &&
	       memcmp(payload, response_mark, sizeof(response_mark)) == 0;
}

void kdnet_data_key(uint8_t key[static KDNET_KEY_SIZE],
		    const uint8_t control[static KDNET_KEY_SIZE],
		    const uint8_t response[static KDNET_RESPONSE_SIZE])
{
	struct sha256_ctx ctx;
	sha256_init(&ctx);
	sha256_update(&ctx, KDNET_KEY_SIZE, control);
	sha256_update(&ctx, KDNET_RESPONSE_SIZE, response);
	sha256_digest(&ctx, KDNET_KEY_SIZE, key);
	sodium_memzero(&ctx, sizeof(ctx)); /* the key lies in its block buffer */
}

bool kdnet_same_identity(const uint8_t a[static KDNET_IDENTITY_SIZE],
			 const uint8_t b[static KDNET_IDENTITY_SIZE])
{
	return memcmp(a, b, KDNET_IDENTITY_SIZE) == 0;
}

struct kdnet_known *kdnet_poke_find(struct kdnet_poke_book *book,
				    const uint8_t identity[static KDNET_IDENTITY_SIZE])
{
	for (size_t i = 0; i < KDNET_IDENTITIES; i++) {
		struct kdnet_known *known = &book->known[i];
		if (known->used && kdnet_same_identity(known->identity, identity))
			return known;
	}
	return NULL;
}

/* A free page, or that of the identity which was silent longest; never the live one's. */
static struct kdnet_known *page_for_new(struct kdnet_poke_book *book, const uint8_t *live)
{
	struct kdnet_known *oldest = NULL;
	for (size_t i = 0; i < KDNET_IDENTITIES; i++) {
		struct kdnet_known *known = &book->known[i];
		if (!known->used)
			return known;
		if (live && kdnet_same_identity(known->identity, live))
			continue;
		if (!oldest || known->seen_us < oldest->seen_us)
			oldest = known;
	}
	return oldest;
}

/* Does the poke's counter go on from what is known? With wrap, as it has 16 bits. */
static bool advances(const struct kdnet_known *known, uint16_t counter, uint64_t now_us)
{
	if (now_us - known->seen_us >= counter_expires_us)
		return true;
	uint16_t step = (uint16_t)(counter - known->counter);
	return step != 0 && step <= INT16_MAX;
}

static bool wants_answer(const struct kdnet_poke *poke, const uint8_t *live)
{
	if (!live || !kdnet_same_identity(poke->identity, live))
		return true; /* nobody is here, or the target rebooted */
	return poke->has_bound && poke->bound_port == 0;
}

enum kdnet_poke_verdict kdnet_poke_judge(struct kdnet_poke_book *book,
					 const struct kdnet_poke *poke,
					 const uint8_t *live, uint64_t now_us,
					 struct kdnet_known **known)
{
	struct kdnet_known *page = kdnet_poke_find(book, poke->identity);
	*known = page;
	if (page && !advances(page, poke->counter, now_us))
		return page->counter == poke->counter ? KDNET_POKE_REPEATED
						      : KDNET_POKE_REPLAYED;
	if (!page) {
		*known = page = page_for_new(book, live);
		*page = (struct kdnet_known){
			.used = true,
			.bound_first = poke->has_bound && poke->bound_port != 0,
		};
		memcpy(page->identity, poke->identity, KDNET_IDENTITY_SIZE);
	}
	page->counter = poke->counter;
	page->seen_us = now_us;

	if (!wants_answer(poke, live))
		return KDNET_POKE_HEARTBEAT;
	if (page->answered && now_us - page->answered_us < ANSWER_INTERVAL_US)
		return KDNET_POKE_TOO_SOON;
	page->answered = true;
	page->answered_us = now_us;
	return KDNET_POKE_ANSWER;
}
