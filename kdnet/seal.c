#include "kdnet/seal.h"

#include <nettle/cbc.h>
#include <sodium.h>

#include "kdnet/wire.h"

enum { TO_TARGET_BIT = 0x80, PADDING_MASK = 0x7f };

static const uint8_t magic[4] = { 'M', 'D', 'B', 'G' };

/* RFC 2104: the key, padded to one SHA-256 block, under ipad and opad. */
static void mac_key(struct sha256_ctx *ctx, const uint8_t *control, uint8_t pad)
{
	uint8_t block[SHA256_BLOCK_SIZE];
	for (size_t i = 0; i < sizeof(block); i++) {
		/* the HMAC key is the control key inverted (KDNET.md §2) */
		uint8_t key = i < KDNET_KEY_SIZE ? (uint8_t)~control[i] : 0;
		block[i] = key ^ pad;
	}
	sha256_init(ctx);
	sha256_update(ctx, sizeof(block), block);
	sodium_memzero(block, sizeof(block));
}

void kdnet_cipher_init(struct kdnet_cipher *cipher,
		       const uint8_t control[static KDNET_KEY_SIZE],
		       const uint8_t key[static KDNET_KEY_SIZE])
{
	aes256_set_encrypt_key(&cipher->encrypt, key);
	aes256_set_decrypt_key(&cipher->decrypt, key);
	mac_key(&cipher->mac_inner, control, 0x36);
	mac_key(&cipher->mac_outer, control, 0x5c);
}

void kdnet_cipher_wipe(struct kdnet_cipher *cipher)
{
	sodium_memzero(cipher, sizeof(*cipher));
}

/* The tag: HMAC over the clear header and the whole plaintext. */
static void make_tag(uint8_t tag[static KDNET_TAG_SIZE],
		     const struct kdnet_cipher *cipher, const uint8_t *header,
		     const uint8_t *plain, size_t length)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx = cipher->mac_inner;
	sha256_update(&ctx, KDNET_HEADER_SIZE, header);
	sha256_update(&ctx, length, plain);
	sha256_digest(&ctx, sizeof(digest), digest);
	ctx = cipher->mac_outer;
	sha256_update(&ctx, sizeof(digest), digest);
	sha256_digest(&ctx, KDNET_TAG_SIZE, tag);
}

bool kdnet_peek(const uint8_t *datagram, size_t length, enum kdnet_channel *channel,
		uint8_t *version, enum kdnet_open_result *result)
{
	struct reader r = rd_init(datagram, length);
	const uint8_t *start = rd_bytes(&r, sizeof(magic));
	*version = rd_8(&r);
	uint8_t wanted = rd_8(&r);
	*channel =
		wanted == KDNET_CHANNEL_DATA ? KDNET_CHANNEL_DATA : KDNET_CHANNEL_CONTROL;
	*result = KDNET_OPENED;
	if (!start || memcmp(start, magic, sizeof(magic)) != 0)
		*result = KDNET_DROP_MAGIC;
	else if (length < KDNET_DATAGRAM_MIN || length > KDNET_DATAGRAM_MAX ||
		 (length - KDNET_HEADER_SIZE - KDNET_TAG_SIZE) % KDNET_BLOCK_SIZE != 0)
		*result = KDNET_DROP_LENGTH;
	else if (wanted > KDNET_CHANNEL_CONTROL)
		*result = KDNET_DROP_CHANNEL;
	return *result == KDNET_OPENED;
}

static bool decode_plaintext(struct kdnet_datagram *d, const uint8_t *plain,
			     size_t length)
{
	struct reader r = rd_init(plain, length);
	d->sequence = rd_be56(&r);
	uint8_t flags = rd_8(&r);
	size_t padding = flags & PADDING_MASK;
	d->to_target = flags & TO_TARGET_BIT;
	if (!rd_ok(&r) || padding >= KDNET_BLOCK_SIZE || padding > r.left)
		return false;
	d->length = r.left - padding;
	d->payload = rd_bytes(&r, d->length);
	return rd_ok(&r);
}

enum kdnet_open_result kdnet_open(struct kdnet_datagram *d,
				  uint8_t plain[static KDNET_PLAINTEXT_MAX],
				  const struct kdnet_cipher *cipher,
				  const uint8_t *datagram, size_t length)
{
	enum kdnet_open_result result;
	if (!kdnet_peek(datagram, length, &d->channel, &d->version, &result))
		return result;

	size_t size = length - KDNET_HEADER_SIZE - KDNET_TAG_SIZE;
	const uint8_t *sealed_tag = datagram + length - KDNET_TAG_SIZE;
	uint8_t iv[KDNET_TAG_SIZE];
	memcpy(iv, sealed_tag, sizeof(iv));
	cbc_decrypt(&cipher->decrypt, (nettle_cipher_func *)aes256_decrypt, sizeof(iv),
		    iv, size, plain, datagram + KDNET_HEADER_SIZE);

	uint8_t tag[KDNET_TAG_SIZE];
	make_tag(tag, cipher, datagram, plain, size);
	if (sodium_memcmp(tag, sealed_tag, sizeof(tag)) != 0)
		return KDNET_DROP_TAG;
	return decode_plaintext(d, plain, size) ? KDNET_OPENED : KDNET_DROP_PADDING;
}

size_t kdnet_seal(uint8_t *out, size_t size, const struct kdnet_cipher *cipher,
		  const struct kdnet_datagram *d)
{
	size_t used = (KDNET_PREFIX_SIZE + d->length) % KDNET_BLOCK_SIZE;
	size_t padding = used == 0 ? 0 : KDNET_BLOCK_SIZE - used;
	if (d->length > KDNET_PAYLOAD_MAX)
		return 0;

	struct writer w = wr_init(out, size);
	wr_bytes(&w, magic, sizeof(magic));
	wr_8(&w, d->version);
	wr_8(&w, (uint8_t)d->channel);
	wr_be56(&w, d->sequence);
	wr_8(&w, (uint8_t)((d->to_target ? TO_TARGET_BIT : 0) | padding));
	wr_bytes(&w, d->payload, d->length);
	wr_zeros(&w, padding);
	size_t plain_size = w.length - KDNET_HEADER_SIZE;
	uint8_t *tag = wr_room(&w, KDNET_TAG_SIZE);
	if (!wr_ok(&w))
		return 0;

	uint8_t *plain = out + KDNET_HEADER_SIZE;
	uint8_t iv[KDNET_TAG_SIZE];
	make_tag(tag, cipher, out, plain, plain_size);
	memcpy(iv, tag, sizeof(iv));
	cbc_aes256_encrypt(&cipher->encrypt, iv, plain_size, plain, plain);
	return w.length;
}
