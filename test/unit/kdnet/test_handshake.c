#include "kdnet/handshake.h"

#include "kdnet/wire.h"
#include "test/unit/kdnet/datagrams.h"

enum { SECOND_US = 1000000 };

static const uint64_t hour_us = UINT64_C(3600) * SECOND_US;

/* The payload of a block in win81-v2.txt; free() it. */
static uint8_t *win81_payload(const char *name, size_t *length)
{
	struct capture c = capture_win81();
	uint8_t *payload = NULL;
	for (size_t i = 0; i < c.count; i++) {
		const struct captured *d = &c.datagrams[i];
		if (strcmp(d->name, name) != 0)
			continue;
		*length = d->plain_length - KDNET_PREFIX_SIZE - (d->plain[7] & 0x7f);
		payload = test_exact_copy(d->plain + KDNET_PREFIX_SIZE, *length);
	}
	capture_free(&c);
	assert_non_null(payload);
	return payload;
}

static void a_poke_of_windows_8_1_decodes(void **state)
{
	(void)state;
	size_t length;
	uint8_t *payload = win81_payload("poke", &length);
	struct kdnet_poke poke;
	assert_int_equal(length, 344);
	assert_true(kdnet_poke_decode(&poke, payload, length));
	assert_int_equal(poke.counter, 0x4b0d);
	assert_memory_equal(poke.nonce, payload + 2, KDNET_NONCE_SIZE);
	assert_memory_equal(poke.identity, payload + 4, KDNET_IDENTITY_SIZE);
	assert_true(poke.has_bound);
	assert_int_equal(poke.bound_port, 50000);
	free(payload);
}

static void the_heartbeat_has_the_identity_of_the_poke(void **state)
{
	(void)state;
	size_t length;
	uint8_t *first = win81_payload("poke", &length);
	uint8_t *later = win81_payload("poke-heartbeat", &length);
	struct kdnet_poke a;
	struct kdnet_poke b;
	assert_true(kdnet_poke_decode(&a, first, length));
	assert_true(kdnet_poke_decode(&b, later, length));
	assert_true(kdnet_same_identity(a.identity, b.identity));
	assert_int_not_equal(a.counter, b.counter);
	free(first);
	free(later);
}

static void a_poke_of_34_bytes_is_one_without_a_bound_port(void **state)
{
	(void)state;
	size_t full;
	uint8_t *payload = win81_payload("poke", &full);
	for (size_t length = 0; length <= full; length++) {
		struct kdnet_poke poke;
		uint8_t *exact = test_exact_copy(payload, length);
		assert_int_equal(kdnet_poke_decode(&poke, exact, length), length >= 34);
		if (length >= 34)
			assert_int_equal(poke.has_bound, length >= 88);
		free(exact);
	}
	free(payload);
}

static void only_01_01_begins_a_poke(void **state)
{
	(void)state;
	size_t length;
	uint8_t *payload = win81_payload("poke", &length);
	struct kdnet_poke poke;
	payload[1] = 2;
	assert_false(kdnet_poke_decode(&poke, payload, length));
	payload[0] = 0;
	payload[1] = 1;
	assert_false(kdnet_poke_decode(&poke, payload, length));
	free(payload);
}

static void the_response_is_that_of_windbg(void **state)
{
	(void)state;
	size_t length;
	uint8_t *wanted = win81_payload("response", &length);
	uint8_t response[KDNET_RESPONSE_SIZE];
	assert_int_equal(length, sizeof(response));
	assert_true(kdnet_is_response(wanted, length));
	assert_false(kdnet_is_response(wanted, length - 1));
	kdnet_response_encode(response, wanted + 2, wanted + 2 + KDNET_NONCE_SIZE);
	assert_memory_equal(response, wanted, length);
	free(wanted);
}

/* ---- the book of pokes ---- */

static struct kdnet_poke poke_of(uint8_t identity, uint16_t counter, uint16_t bound_port)
{
	struct kdnet_poke poke = { .counter = counter,
				   .has_bound = true,
				   .bound_port = bound_port };
	memset(poke.identity, identity, sizeof(poke.identity));
	return poke;
}

static enum kdnet_poke_verdict judge(struct kdnet_poke_book *book, uint8_t identity,
				     uint16_t counter, uint16_t bound_port, uint8_t live,
				     uint64_t now_us)
{
	struct kdnet_poke poke = poke_of(identity, counter, bound_port);
	struct kdnet_poke session = poke_of(live, 0, 0);
	struct kdnet_known *known;
	enum kdnet_poke_verdict verdict = kdnet_poke_judge(
		book, &poke, live ? session.identity : NULL, now_us, &known);
	assert_ptr_equal(known, kdnet_poke_find(book, poke.identity));
	return verdict;
}

static void without_a_session_every_poke_is_answered(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	assert_int_equal(judge(&book, 1, 5, 0, 0, 0), KDNET_POKE_ANSWER);
	assert_int_equal(judge(&book, 1, 6, 50000, 0, 3 * SECOND_US), KDNET_POKE_ANSWER);
	struct kdnet_poke brief = { .counter = 7 }; /* without a port field */
	struct kdnet_known *known;
	assert_int_equal(kdnet_poke_judge(&book, &brief, NULL, 0, &known),
			 KDNET_POKE_ANSWER);
	assert_false(known->bound_first);
}

static void the_live_identity_with_a_bound_port_is_a_heartbeat(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	assert_int_equal(judge(&book, 1, 5, 50000, 1, 0), KDNET_POKE_HEARTBEAT);
	struct kdnet_poke brief = poke_of(1, 6, 0);
	brief.has_bound = false;
	struct kdnet_known *known;
	assert_int_equal(kdnet_poke_judge(&book, &brief, brief.identity, 0, &known),
			 KDNET_POKE_HEARTBEAT);
}

static void the_live_identity_without_a_bound_port_is_answered(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	assert_int_equal(judge(&book, 1, 5, 0, 1, 0), KDNET_POKE_ANSWER);
}

static void another_identity_is_a_reboot_and_answered(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	assert_int_equal(judge(&book, 1, 5, 0, 0, 0), KDNET_POKE_ANSWER);
	assert_int_equal(judge(&book, 2, 0, 50000, 1, 10), KDNET_POKE_ANSWER);
}

static void an_unproven_identity_gets_one_answer_a_second(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	assert_int_equal(judge(&book, 1, 5, 0, 0, 0), KDNET_POKE_ANSWER);
	assert_int_equal(judge(&book, 1, 6, 0, 0, SECOND_US - 1), KDNET_POKE_TOO_SOON);
	assert_int_equal(judge(&book, 1, 7, 0, 0, SECOND_US), KDNET_POKE_ANSWER);
	/* proven: the answer that it needs next is another one */
	struct kdnet_poke poke = poke_of(1, 0, 0);
	kdnet_poke_find(&book, poke.identity)->answered = false;
	assert_int_equal(judge(&book, 1, 8, 0, 1, SECOND_US + 1), KDNET_POKE_ANSWER);
}

static void a_counter_that_does_not_advance_is_a_replay(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	assert_int_equal(judge(&book, 1, 5, 0, 0, 0), KDNET_POKE_ANSWER);
	assert_int_equal(judge(&book, 1, 5, 0, 0, 9 * SECOND_US), KDNET_POKE_REPEATED);
	assert_int_equal(judge(&book, 1, 4, 0, 0, 9 * SECOND_US), KDNET_POKE_REPLAYED);
	/* other identities meanwhile change nothing */
	assert_int_equal(judge(&book, 2, 90, 0, 0, 9 * SECOND_US), KDNET_POKE_ANSWER);
	assert_int_equal(judge(&book, 1, 3, 0, 2, 20 * SECOND_US), KDNET_POKE_REPLAYED);
	assert_int_equal(judge(&book, 1, 6, 0, 2, 20 * SECOND_US), KDNET_POKE_ANSWER);
}

static void the_counter_wraps(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	assert_int_equal(judge(&book, 1, 0xffff, 50000, 1, 0), KDNET_POKE_HEARTBEAT);
	assert_int_equal(judge(&book, 1, 0, 50000, 1, 1), KDNET_POKE_HEARTBEAT);
	assert_int_equal(judge(&book, 1, 0xffff, 50000, 1, 2), KDNET_POKE_REPLAYED);
	assert_int_equal(judge(&book, 1, 0x7fff, 50000, 1, 3), KDNET_POKE_HEARTBEAT);
	assert_int_equal(judge(&book, 1, 0xffff, 50000, 1, 4), KDNET_POKE_REPLAYED);
}

static void after_hours_of_silence_any_counter_is_progress(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	assert_int_equal(judge(&book, 1, 500, 0, 0, 0), KDNET_POKE_ANSWER);
	assert_int_equal(judge(&book, 1, 400, 0, 0, 6 * hour_us - 1),
			 KDNET_POKE_REPLAYED);
	assert_int_equal(judge(&book, 1, 400, 0, 0, 6 * hour_us), KDNET_POKE_ANSWER);
}

static void the_longest_silent_identity_is_forgotten_but_never_the_live_one(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	for (uint8_t identity = 1; identity <= KDNET_IDENTITIES; identity++)
		(void)judge(&book, identity, 5, 0, 1, identity);
	(void)judge(&book, 100, 5, 0, 1, 50); /* in the place of 2: 1 is live */
	assert_int_equal(judge(&book, 1, 5, 0, 1, 60), KDNET_POKE_REPEATED);
	assert_int_equal(judge(&book, 3, 5, 0, 1, 60), KDNET_POKE_REPEATED);
	assert_int_equal(judge(&book, 2, 5, 0, 1, 60), KDNET_POKE_ANSWER);
}

static void what_the_first_poke_named_is_kept(void **state)
{
	(void)state;
	struct kdnet_poke_book book = { 0 };
	struct kdnet_poke a = poke_of(1, 0, 0);
	struct kdnet_poke b = poke_of(2, 0, 0);
	(void)judge(&book, 1, 5, 0, 0, 0);
	(void)judge(&book, 1, 6, 50000, 0, 1);
	assert_false(kdnet_poke_find(&book, a.identity)->bound_first);
	(void)judge(&book, 2, 5, 50000, 0, 0);
	(void)judge(&book, 2, 6, 0, 0, 1);
	assert_true(kdnet_poke_find(&book, b.identity)->bound_first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_poke_of_windows_8_1_decodes),
		cmocka_unit_test(the_heartbeat_has_the_identity_of_the_poke),
		cmocka_unit_test(a_poke_of_34_bytes_is_one_without_a_bound_port),
		cmocka_unit_test(only_01_01_begins_a_poke),
		cmocka_unit_test(the_response_is_that_of_windbg),
		cmocka_unit_test(without_a_session_every_poke_is_answered),
		cmocka_unit_test(the_live_identity_with_a_bound_port_is_a_heartbeat),
		cmocka_unit_test(the_live_identity_without_a_bound_port_is_answered),
		cmocka_unit_test(another_identity_is_a_reboot_and_answered),
		cmocka_unit_test(an_unproven_identity_gets_one_answer_a_second),
		cmocka_unit_test(a_counter_that_does_not_advance_is_a_replay),
		cmocka_unit_test(the_counter_wraps),
		cmocka_unit_test(after_hours_of_silence_any_counter_is_progress),
		cmocka_unit_test(
			the_longest_silent_identity_is_forgotten_but_never_the_live_one),
		cmocka_unit_test(what_the_first_poke_named_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
