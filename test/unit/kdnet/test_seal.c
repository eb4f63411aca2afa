#include "kdnet/seal.h"

#include "kdnet/handshake.h"
#include "test/unit/kdnet/datagrams.h"

/* Opens one datagram of a capture, and takes the data key when it is the response. */
static void open_captured(struct capture_keys *keys, const struct captured *captured,
			  struct kdnet_datagram *d, uint8_t *plain)
{
	enum kdnet_channel channel;
	enum kdnet_open_result result;
	uint8_t version;
	assert_true(kdnet_peek(captured->bytes, captured->length, &channel, &version,
			       &result));
	bool control = channel == KDNET_CHANNEL_CONTROL;
	assert_int_equal(kdnet_open(d, plain, control ? &keys->control : &keys->data,
				    captured->bytes, captured->length),
			 KDNET_OPENED);
	assert_int_equal(d->channel, channel);
	assert_int_equal(d->to_target, captured->to_target);
	if (control && kdnet_is_response(d->payload, d->length)) {
		uint8_t key[KDNET_KEY_SIZE];
		kdnet_data_key(key, keys->control_key, d->payload);
		kdnet_cipher_init(&keys->data, keys->control_key, key);
	}
}

static void assert_reseals(const struct capture_keys *keys,
			   const struct captured *captured,
			   const struct kdnet_datagram *d)
{
	uint8_t sealed[KDNET_DATAGRAM_MAX];
	bool control = d->channel == KDNET_CHANNEL_CONTROL;
	size_t length = kdnet_seal(sealed, sizeof(sealed),
				   control ? &keys->control : &keys->data, d);
	assert_int_equal(length, captured->length);
	assert_memory_equal(sealed, captured->bytes, length);
}

static void
every_datagram_of_windows_8_1_opens_and_reseals_to_the_same_bytes(void **state)
{
	(void)state;
	struct capture c = capture_win81();
	struct capture_keys keys;
	capture_keys_init(&keys, WIN81_KEY);
	assert_int_equal(c.count, 17);
	for (size_t i = 0; i < c.count; i++) {
		uint8_t plain[KDNET_PLAINTEXT_MAX];
		struct kdnet_datagram d;
		open_captured(&keys, &c.datagrams[i], &d, plain);
		assert_int_equal(d.version, 2);
		assert_memory_equal(plain, c.datagrams[i].plain,
				    c.datagrams[i].plain_length);
		assert_reseals(&keys, &c.datagrams[i], &d);
	}
	capture_free(&c);
}

static void every_datagram_of_windows_10_opens_and_reseals_to_the_same_bytes(void **state)
{
	(void)state;
	struct capture c = capture_win10();
	struct capture_keys keys;
	capture_keys_init(&keys, WIN10_KEY);
	assert_int_equal(c.count, 955);
	for (size_t i = 0; i < c.count; i++) {
		uint8_t plain[KDNET_PLAINTEXT_MAX];
		struct kdnet_datagram d;
		open_captured(&keys, &c.datagrams[i], &d, plain);
		assert_int_equal(d.version, 4);
		assert_reseals(&keys, &c.datagrams[i], &d);
	}
	capture_free(&c);
}

/* The transcript leaves out the heartbeats of frames 519 to 941. */
static void windows_10_opens_to_its_transcript(void **state)
{
	(void)state;
	struct capture c = capture_win10();
	struct capture_keys keys;
	capture_keys_init(&keys, WIN10_KEY);
	char *text = test_vector_file("win10-v4.txt", NULL);
	size_t lines = 0;
	for (size_t i = 0; i < c.count; i++) {
		uint8_t plain[KDNET_PLAINTEXT_MAX];
		struct kdnet_datagram d;
		open_captured(&keys, &c.datagrams[i], &d, plain);
		char start[64];
		(void)snprintf(start, sizeof(start), "\n%zu %llu.%06llu %s %d %llu ",
			       i + 1,
			       (unsigned long long)c.datagrams[i].time_us / 1000000,
			       (unsigned long long)c.datagrams[i].time_us % 1000000,
			       d.to_target ? "H>T" : "T>H", (int)d.channel,
			       (unsigned long long)d.sequence);
		const char *line = strstr(text, start);
		if (!line) {
			assert_in_range(i + 1, 519, 941);
			continue;
		}
		size_t length;
		uint8_t *wanted = test_hex(line + strlen(start), &length);
		assert_int_equal(length, d.length);
		assert_memory_equal(wanted, d.payload, length);
		free(wanted);
		lines++;
	}
	assert_int_equal(lines, 955 - (941 - 519 + 1));
	free(text);
	capture_free(&c);
}

static void the_noted_data_key_is_the_derived_one(void **state)
{
	(void)state;
	struct capture c = capture_win81();
	char *text = test_vector_file("win81-v2.txt", NULL);
	size_t length;
	uint8_t *wanted = test_hex(strstr(text, "\ndata-key ") + 10, &length);
	uint8_t control[KDNET_KEY_SIZE];
	uint8_t key[KDNET_KEY_SIZE];
	assert_int_equal(kdnet_key_parse(control, WIN81_KEY), KDNET_KEY_OK);
	kdnet_data_key(key, control, c.datagrams[1].plain + KDNET_PREFIX_SIZE);
	assert_int_equal(length, sizeof(key));
	assert_memory_equal(wanted, key, sizeof(key));
	free(wanted);
	free(text);
	capture_free(&c);
}

/* Keys of the Windows 8.1 session, its data key included. */
static struct capture_keys win81_keys(const struct capture *c)
{
	struct capture_keys keys;
	capture_keys_init(&keys, WIN81_KEY);
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	open_captured(&keys, &c->datagrams[1], &d, plain);
	return keys;
}

static const struct kdnet_cipher *cipher_of(const struct capture_keys *keys,
					    const struct captured *captured)
{
	return captured->bytes[5] == KDNET_CHANNEL_CONTROL ? &keys->control : &keys->data;
}

static void every_truncation_is_rejected(void **state)
{
	(void)state;
	struct capture c = capture_win81();
	struct capture_keys keys = win81_keys(&c);
	for (size_t i = 0; i < c.count; i++) {
		const struct captured *captured = &c.datagrams[i];
		for (size_t length = 0; length < captured->length; length++) {
			uint8_t *exact = test_exact_copy(captured->bytes, length);
			uint8_t plain[KDNET_PLAINTEXT_MAX];
			struct kdnet_datagram d;
			assert_int_not_equal(kdnet_open(&d, plain,
							cipher_of(&keys, captured), exact,
							length),
					     KDNET_OPENED);
			free(exact);
		}
	}
	capture_free(&c);
}

static void every_flipped_bit_is_rejected(void **state)
{
	(void)state;
	struct capture c = capture_win81();
	struct capture_keys keys = win81_keys(&c);
	for (size_t i = 0; i < c.count; i++) {
		struct captured *captured = &c.datagrams[i];
		const struct kdnet_cipher *cipher = cipher_of(&keys, captured);
		for (size_t bit = 0; bit < captured->length * 8; bit++) {
			captured->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			uint8_t plain[KDNET_PLAINTEXT_MAX];
			struct kdnet_datagram d;
			assert_int_not_equal(kdnet_open(&d, plain, cipher,
							captured->bytes,
							captured->length),
					     KDNET_OPENED);
			captured->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	capture_free(&c);
}

static void each_fault_has_its_reason(void **state)
{
	(void)state;
	struct capture c = capture_win81();
	struct capture_keys keys = win81_keys(&c);
	struct captured *poke = &c.datagrams[0];
	uint8_t plain[KDNET_PLAINTEXT_MAX];
	uint8_t large[KDNET_DATAGRAM_MAX + KDNET_BLOCK_SIZE] = "MDBG\x02\x01";
	struct kdnet_datagram d;

	assert_int_equal(kdnet_open(&d, plain, &keys.control, large, 37),
			 KDNET_DROP_LENGTH);
	assert_int_equal(
		kdnet_open(&d, plain, &keys.control, poke->bytes, poke->length - 1),
		KDNET_DROP_LENGTH);
	size_t too_long = KDNET_DATAGRAM_MAX / 16 * 16 + 6;
	too_long += too_long <= KDNET_DATAGRAM_MAX ? 16 : 0;
	assert_int_equal(kdnet_open(&d, plain, &keys.control, large, too_long),
			 KDNET_DROP_LENGTH);
	assert_int_equal(kdnet_open(&d, plain, &keys.data, poke->bytes, poke->length),
			 KDNET_DROP_TAG);
	poke->bytes[5] = 2;
	assert_int_equal(kdnet_open(&d, plain, &keys.control, poke->bytes, poke->length),
			 KDNET_DROP_CHANNEL);
	poke->bytes[0] = 'm';
	assert_int_equal(kdnet_open(&d, plain, &keys.control, poke->bytes, poke->length),
			 KDNET_DROP_MAGIC);
	assert_int_equal(kdnet_open(&d, plain, &keys.control, NULL, 0), KDNET_DROP_MAGIC);
	capture_free(&c);
}

/* Seals a plaintext as it is, whatever its flags claim. */
static size_t seal_raw(uint8_t *out, const struct kdnet_cipher *cipher, uint8_t flags,
		       size_t blocks)
{
	struct kdnet_datagram d = { .version = 4,
				    .length = blocks * KDNET_BLOCK_SIZE - 8 };
	uint8_t payload[64] = { 0 };
	d.payload = payload;
	size_t length = kdnet_seal(out, KDNET_DATAGRAM_MAX, cipher, &d);
	/* only the header of that is of use: all behind it is made anew, by hand */
	uint8_t plain[64] = { 0 };
	plain[7] = flags;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx = cipher->mac_inner;
	sha256_update(&ctx, KDNET_HEADER_SIZE, out);
	sha256_update(&ctx, blocks * KDNET_BLOCK_SIZE, plain);
	sha256_digest(&ctx, sizeof(digest), digest);
	ctx = cipher->mac_outer;
	sha256_update(&ctx, sizeof(digest), digest);
	sha256_digest(&ctx, KDNET_TAG_SIZE, digest);
	memcpy(out + length - KDNET_TAG_SIZE, digest, KDNET_TAG_SIZE);
	for (size_t block = 0; block < blocks; block++) {
		uint8_t *at = out + KDNET_HEADER_SIZE + block * KDNET_BLOCK_SIZE;
		const uint8_t *before = block == 0 ? digest : at - KDNET_BLOCK_SIZE;
		for (size_t i = 0; i < KDNET_BLOCK_SIZE; i++)
			at[i] = plain[block * KDNET_BLOCK_SIZE + i] ^ before[i];
		aes256_encrypt(&cipher->encrypt, KDNET_BLOCK_SIZE, at, at);
	}
	return length;
}

static void authentic_padding_that_does_not_fit_is_rejected(void **state)
{
	(void)state;
	struct capture_keys keys;
	capture_keys_init(&keys, WIN10_KEY);
	for (unsigned padding = 0; padding < 128; padding++) {
		uint8_t sealed[KDNET_DATAGRAM_MAX];
		uint8_t plain[KDNET_PLAINTEXT_MAX];
		struct kdnet_datagram d;
		size_t length = seal_raw(sealed, &keys.data, (uint8_t)padding, 1);
		assert_int_equal(kdnet_open(&d, plain, &keys.data, sealed, length),
				 padding <= 8 ? KDNET_OPENED : KDNET_DROP_PADDING);
		length = seal_raw(sealed, &keys.data, (uint8_t)padding, 2);
		assert_int_equal(kdnet_open(&d, plain, &keys.data, sealed, length),
				 padding <= 15 ? KDNET_OPENED : KDNET_DROP_PADDING);
	}
}

static void every_payload_length_survives_sealing(void **state)
{
	(void)state;
	struct capture_keys keys;
	capture_keys_init(&keys, WIN10_KEY);
	uint8_t payload[KDNET_PAYLOAD_MAX + 1];
	memset(payload, 0x5a, sizeof(payload));
	struct kdnet_datagram d = { .version = 9,
				    .to_target = true,
				    .sequence = (UINT64_C(1) << 56) - 1,
				    .payload = payload };
	for (d.length = 0; d.length <= KDNET_PAYLOAD_MAX; d.length++) {
		uint8_t sealed[KDNET_DATAGRAM_MAX];
		uint8_t plain[KDNET_PLAINTEXT_MAX];
		struct kdnet_datagram opened;
		size_t length = kdnet_seal(sealed, sizeof(sealed), &keys.data, &d);
		assert_in_range(length, KDNET_DATAGRAM_MIN, KDNET_DATAGRAM_MAX);
		assert_int_equal(kdnet_open(&opened, plain, &keys.data, sealed, length),
				 KDNET_OPENED);
		assert_int_equal(opened.length, d.length);
		assert_int_equal(opened.sequence, d.sequence);
		assert_int_equal(opened.version, 9);
		assert_memory_equal(opened.payload, payload, d.length);
		assert_int_equal(kdnet_seal(sealed, length - 1, &keys.data, &d), 0);
	}
	uint8_t sealed[KDNET_DATAGRAM_MAX + 64];
	assert_int_equal(kdnet_seal(sealed, sizeof(sealed), &keys.data, &d), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_datagram_of_windows_8_1_opens_and_reseals_to_the_same_bytes),
		cmocka_unit_test(
			every_datagram_of_windows_10_opens_and_reseals_to_the_same_bytes),
		cmocka_unit_test(windows_10_opens_to_its_transcript),
		cmocka_unit_test(the_noted_data_key_is_the_derived_one),
		cmocka_unit_test(every_truncation_is_rejected),
		cmocka_unit_test(every_flipped_bit_is_rejected),
		cmocka_unit_test(each_fault_has_its_reason),
		cmocka_unit_test(authentic_padding_that_does_not_fit_is_rejected),
		cmocka_unit_test(every_payload_length_survives_sealing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
