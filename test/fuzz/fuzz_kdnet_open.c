/* Opening a datagram: any bytes, and any plaintext under the right key. */
#include <stdint.h>
#include <stdlib.h>

#include "kdnet/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key[KDNET_KEY_SIZE] = { 8, [8] = 8, [16] = 8, [24] = 8 };
	struct kdnet_cipher cipher;
	struct kdnet_datagram d;
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	kdnet_cipher_init(&cipher, key, key);
	if (kdnet_open(&d, plain, &cipher, data, size) == KDNET_OPENED)
		must(d.length <= KDNET_PAYLOAD_MAX);

	uint8_t sealed[KDNET_DATAGRAM_MAX];
	struct kdnet_datagram in = { .version = 4, .payload = data, .length = size };
	size_t length = kdnet_seal(sealed, sizeof(sealed), &cipher, &in);
	must((length > 0) == (size <= KDNET_PAYLOAD_MAX));
	if (length == 0)
		return 0;
	must(kdnet_open(&d, plain, &cipher, sealed, length) == KDNET_OPENED);
	must(d.length == size);
	sealed[length / 2] ^= 1;
	must(kdnet_open(&d, plain, &cipher, sealed, length) != KDNET_OPENED);
	return 0;
}
