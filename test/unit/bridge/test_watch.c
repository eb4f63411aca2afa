#include <stdio.h>

#include <sodium.h>

#include "bridge/setup/watch.h"
#include "test/util.h"

enum { SECOND_US = 1000000, POKE_SIZE = 344 };

static const uint8_t key[KDNET_KEY_SIZE] = { 7 }, other_key[KDNET_KEY_SIZE] = { 8 };

struct lab {
	struct watch *watch;
	const struct watch_facts *facts;
	struct kdnet_peer from;	   /* the target */
	uint8_t configured, bound; /* last bytes of host addresses; 0: all zeros */
	uint8_t version;
	uint64_t now_us;
};

static void set_address(uint8_t out[static 16], uint8_t a, uint8_t b, uint8_t last)
{
	const uint8_t address[16] = { [10] = 0xff, 0xff, a, b, 0, last };

	memcpy(out, address, sizeof(address));
}

static void fill(void *context, void *out, size_t size)
{
	(void)context;
	memset(out, 0x55, size);
}

static struct lab begin(const uint8_t *with_key, bool has_target)
{
	struct lab lab = { .from = { .port = 4000 },
			   .configured = 1,
			   .bound = 1,
			   .version = 5,
			   .now_us = SECOND_US };
	struct watch_config config = { .key = with_key,
				       .random = fill,
				       .has_target = has_target };

	set_address(config.target.address, 10, 0, 9);
	config.target.port = 50000;
	set_address(lab.from.address, 10, 0, 9);
	set_address(lab.from.local, 10, 0, 1);
	lab.watch = watch_new(&config);
	assert_non_null(lab.watch);
	lab.facts = watch_facts(lab.watch);
	return lab;
}

static size_t seal(uint8_t out[static KDNET_DATAGRAM_MAX], const uint8_t *aes,
		   enum kdnet_channel channel, uint8_t version, const uint8_t *payload,
		   size_t length, bool to_target)
{
	struct kdnet_cipher cipher;
	const struct kdnet_datagram d = { .version = version,
					  .channel = channel,
					  .to_target = to_target,
					  .sequence = 3,
					  .payload = payload,
					  .length = length };

	kdnet_cipher_init(&cipher, key, aes);
	return kdnet_seal(out, KDNET_DATAGRAM_MAX, &cipher, &d);
}

static void receive(struct lab *lab, const uint8_t *bytes, size_t length)
{
	uint8_t *exact = test_exact_copy(bytes, length);

	watch_receive(lab->watch, &lab->from, exact, length, lab->now_us);
	free(exact);
}

static void poke(struct lab *lab, uint8_t counter)
{
	uint8_t payload[POKE_SIZE] = { 1, 1, counter, 0, 0xaa };
	uint8_t datagram[KDNET_DATAGRAM_MAX];
	size_t length;

	set_address(payload + 52, 10, 0, lab->configured);
	if (lab->bound) {
		set_address(payload + 70, 10, 0, lab->bound);
		payload[86] = 0xc3; /* port 50000 */
		payload[87] = 0x50;
	}
	length = seal(datagram, key, KDNET_CHANNEL_CONTROL, lab->version, payload,
		      sizeof(payload), false);
	receive(lab, datagram, length);
}

/* The watch's answer, opened; false when it gives none. */
static bool take_answer(struct lab *lab, uint8_t data_key[static KDNET_KEY_SIZE])
{
	uint8_t out[KDNET_DATAGRAM_MAX], plain[KDNET_PLAINTEXT_MAX];
	struct kdnet_cipher cipher;
	struct kdnet_datagram d;
	struct kdnet_peer to;
	size_t length = watch_transmit(lab->watch, &to, out, sizeof(out), lab->now_us);

	if (length == 0)
		return false;
	kdnet_cipher_init(&cipher, key, key);
	assert_int_equal(kdnet_open(&d, plain, &cipher, out, length), KDNET_OPENED);
	if (!kdnet_is_response(d.payload, d.length))
		return false;
	assert_true(d.to_target);
	assert_int_equal(d.version, lab->version);
	assert_memory_equal(&to, &lab->from, sizeof(to));
	kdnet_data_key(data_key, key, d.payload);
	return true;
}

static void check_connection(struct lab *lab, const uint8_t *data_key)
{
	static const uint8_t check[12] = { [11] = 10 };
	uint8_t datagram[KDNET_DATAGRAM_MAX];

	receive(lab, datagram,
		seal(datagram, data_key, KDNET_CHANNEL_DATA, lab->version, check,
		     sizeof(check), false));
}

static void a_poke_is_answered_and_the_answer_proven(void **state)
{
	struct lab lab = begin(key, false);
	uint8_t data_key[KDNET_KEY_SIZE];

	(void)state;
	poke(&lab, 1);
	assert_int_equal(lab.facts->pokes.count, 1);
	assert_int_equal(lab.facts->version, 5);
	assert_true(take_answer(&lab, data_key));
	assert_false(take_answer(&lab, data_key));
	assert_int_equal(watch_awaits_until(lab.watch), lab.now_us + SECOND_US);
	lab.now_us += 1500;
	check_connection(&lab, data_key);
	assert_int_equal(lab.facts->proofs, 1);
	assert_int_equal(lab.facts->round_trip_us, 1500);
	assert_int_equal(watch_awaits_until(lab.watch), 0);
	check_connection(&lab, data_key);
	assert_int_equal(lab.facts->proofs, 1);
	watch_free(lab.watch);
}

static void answers_are_a_second_apart(void **state)
{
	struct lab lab = begin(key, false);
	uint8_t data_key[KDNET_KEY_SIZE];

	(void)state;
	poke(&lab, 1);
	assert_true(take_answer(&lab, data_key));
	lab.now_us += SECOND_US / 2;
	poke(&lab, 2);
	assert_false(take_answer(&lab, data_key));
	lab.now_us += SECOND_US;
	poke(&lab, 3);
	assert_true(take_answer(&lab, data_key));
	watch_free(lab.watch);
}

static void counters_tell_what_was_lost(void **state)
{
	struct lab lab = begin(key, false);

	(void)state;
	poke(&lab, 1);
	poke(&lab, 4);
	poke(&lab, 4);
	poke(&lab, 3);
	poke(&lab, 5);
	assert_int_equal(lab.facts->pokes.count, 3);
	assert_int_equal(lab.facts->pokes_lost, 2);
	watch_free(lab.watch);
}

static void a_target_of_another_host_is_left_alone(void **state)
{
	struct lab lab = begin(key, false);
	uint8_t data_key[KDNET_KEY_SIZE];

	(void)state;
	lab.bound = 2; /* it was taken over from us */
	poke(&lab, 1);
	assert_true(lab.facts->bound_elsewhere);
	assert_false(take_answer(&lab, data_key));
	watch_free(lab.watch);

	/* behind a router it names that one, and pokes us by itself */
	lab = begin(key, false);
	lab.configured = lab.bound = 77;
	poke(&lab, 1);
	assert_false(lab.facts->bound_elsewhere);
	assert_true(take_answer(&lab, data_key));
	watch_free(lab.watch);

	/* bound to nobody, as version 4 tells */
	lab = begin(key, false);
	lab.version = 4;
	lab.configured = 77;
	lab.bound = 0;
	poke(&lab, 1);
	assert_true(take_answer(&lab, data_key));
	watch_free(lab.watch);
}

static void a_target_that_had_to_be_asked_may_serve_who_it_names(void **state)
{
	struct lab lab = begin(key, true);
	uint8_t data_key[KDNET_KEY_SIZE];

	(void)state;
	assert_int_equal(watch_deadline(lab.watch), 0);
	assert_false(take_answer(&lab, data_key)); /* a host poke, to target= */
	assert_int_equal(watch_deadline(lab.watch), lab.now_us + SECOND_US / 2);
	lab.configured = lab.bound = 2;
	poke(&lab, 1);
	assert_true(lab.facts->bound_elsewhere);
	assert_false(take_answer(&lab, data_key));
	assert_int_equal(watch_deadline(lab.watch), UINT64_MAX);
	watch_free(lab.watch);
}

static void what_does_not_open_is_counted_by_kind(void **state)
{
	struct lab lab = begin(other_key, false);
	uint8_t datagram[KDNET_DATAGRAM_MAX];
	static const uint8_t payload[34] = { 1, 1 };
	size_t length;

	(void)state;
	poke(&lab, 1);
	assert_int_equal(lab.facts->wrong_key.count, 1);
	assert_int_equal(lab.facts->pokes.count, 0);
	receive(&lab, (const uint8_t *)"GET / HTTP/1.1\r\n", 16);
	assert_int_equal(lab.facts->not_kdnet.count, 1);
	length = seal(datagram, key, KDNET_CHANNEL_DATA, 5, payload, sizeof(payload),
		      false);
	receive(&lab, datagram, length);
	assert_int_equal(lab.facts->unopened.count, 1);
	assert_int_equal(lab.facts->datagrams.count, 3);
	watch_free(lab.watch);

	lab = begin(NULL, true);
	poke(&lab, 1);
	assert_int_equal(lab.facts->sealed.count, 1);
	assert_int_equal(watch_deadline(lab.watch), UINT64_MAX);
	watch_free(lab.watch);
}

static void our_own_datagrams_reflected_are_nobodys(void **state)
{
	struct lab lab = begin(key, true);
	uint8_t out[KDNET_DATAGRAM_MAX];
	struct kdnet_peer to;
	size_t length = watch_transmit(lab.watch, &to, out, sizeof(out), lab.now_us);

	(void)state;
	assert_true(length > 0);
	assert_int_equal(to.port, 50000);
	receive(&lab, out, length);
	assert_int_equal(lab.facts->datagrams.count, 0);
	watch_free(lab.watch);
}

static void sources_are_told_apart_up_to_a_bound(void **state)
{
	struct lab lab = begin(key, false);

	(void)state;
	for (uint8_t i = 0; i < 2 * WATCH_SOURCES_MAX; i++) {
		set_address(lab.from.address, i == 0 ? 169 : 10, i == 0 ? 254 : 0, i);
		poke(&lab, i);
		poke(&lab, i);
	}
	assert_int_equal(lab.facts->source_count, WATCH_SOURCES_MAX + 1);
	assert_int_equal(lab.facts->sources[1].pokes, 2);
	assert_int_equal(lab.facts->link_local.count, 2);
	watch_free(lab.watch);
}

static void every_truncation_of_a_poke_is_survived(void **state)
{
	uint8_t payload[POKE_SIZE] = { 1, 1 }, datagram[KDNET_DATAGRAM_MAX];
	struct lab lab = begin(key, false);

	(void)state;
	for (size_t length = 0; length < sizeof(payload); length++)
		receive(&lab, datagram,
			seal(datagram, key, KDNET_CHANNEL_CONTROL, 5, payload, length,
			     false));
	assert_int_equal(lab.facts->pokes.count, 1); /* all are the same one */
	watch_free(lab.watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_poke_is_answered_and_the_answer_proven),
		cmocka_unit_test(answers_are_a_second_apart),
		cmocka_unit_test(counters_tell_what_was_lost),
		cmocka_unit_test(a_target_of_another_host_is_left_alone),
		cmocka_unit_test(a_target_that_had_to_be_asked_may_serve_who_it_names),
		cmocka_unit_test(what_does_not_open_is_counted_by_kind),
		cmocka_unit_test(our_own_datagrams_reflected_are_nobodys),
		cmocka_unit_test(sources_are_told_apart_up_to_a_bound),
		cmocka_unit_test(every_truncation_of_a_poke_is_survived),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
