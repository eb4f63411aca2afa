/* Whole conversations of a scripted host with the target, on the fake machine. */
#include "test/unit/sim/fake_machine.h"
#include "test/unit/sim/script_host.h"

static void set64(uint8_t *u, size_t offset, uint64_t value)
{
	store_le(u + offset, value, 8);
}

static void connect_and_break_in(struct host *h)
{
	host_connect(h);
	host_break_in(h);
	host_expect_silence(h);
	(void)target_run(h->target, h->now_us);
	const uint8_t *state = host_expect_stop(h);
	assert_int_equal(load_le(state, 4), 0x3030);
	assert_int_equal(load_le(state + 32, 4), 0x80000003);
	assert_string_equal(target_state(h->target), "stopped");
}

static void a_session_from_connection_to_leaving_has_no_violations(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t u[40] = { 0 };
	(void)state;
	host_init(&h, &options);
	connect_and_break_in(&h);

	/* A new host's RESET brings the same stop again. */
	uint32_t stop_id = h.last_id;
	host_control(&h, 6, h.id);
	host_expect_control(&h, 6, stop_id);
	(void)host_expect_stop(&h);
	assert_int_equal(h.last_id, stop_id);

	struct host_reply r = host_call(&h, 0x3146, 0, NULL, NULL, 0);
	assert_int_equal(r.status, 0);
	assert_int_equal(load_le(r.u + 16, 8), FAKE_BASE);

	r = host_range(&h, 0x3130, FAKE_BASE + FAKE_CODE, 32, NULL, 0);
	assert_int_equal(r.length, 32);
	assert_memory_equal(r.data, fake.memory + FAKE_CODE, 32);

	set64(u, 0, FAKE_BASE + FAKE_CODE + 0x100);
	r = host_call(&h, 0x3134, 0, u, NULL, 0);
	assert_int_equal(load_le(r.u + 8, 4), 1);
	assert_int_equal(fake.memory[FAKE_CODE + 0x100], 0xcc);

	host_continue(&h, 0, false, 0x400);
	assert_int_equal(fake.resumes, 1);
	assert_string_equal(target_state(h.target), "running");

	store_le(fake.context[0] + CONTEXT_RIP, FAKE_BASE + FAKE_CODE + 0x100, 8);
	const uint8_t *hit = host_stop_at(&h, fake_stop(0x80000003));
	assert_int_equal(load_le(hit + 24, 8), FAKE_BASE + FAKE_CODE + 0x100);
	assert_memory_equal(hit + 216, fake.memory + FAKE_CODE + 0x100, 16);
	assert_int_not_equal(hit[216], 0xcc);

	host_continue(&h, 0, false, 0x400);
	assert_int_equal(kd_breakpoint_count(&h.target->kd), 0);
	assert_int_equal(host_violations(&h), 0);
	host_expect_silence(&h);
	host_free(&h);
}

static void a_running_target_looks_at_packets_only_when_it_ticks(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	host_break_in(&h);
	host_wait(&h, 1000);
	host_expect_silence(&h);
	assert_int_equal(fake.break_ins, 0);
	(void)target_run(h.target, h.now_us);
	(void)host_expect_stop(&h);
	host_free(&h);
}

static void a_print_freezes_the_target_until_it_is_acknowledged(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	fake.next.type = MACHINE_PRINT;
	fake.next.u.text.length = 5;
	memcpy(fake.next.u.text.bytes, "hello", 5);
	assert_false(target_run(h.target, h.now_us));
	assert_string_equal(target_state(h.target), "frozen");
	const uint8_t *print = host_packet(&h, 3, NULL);
	assert_int_equal(load_le(print, 4), 0x3230);
	assert_memory_equal(print + 16, "hello", 5);
	uint32_t id = h.last_id;
	host_wait(&h, 500000);
	(void)host_packet(&h, 3, NULL); /* again, under the same id */
	assert_int_equal(h.last_id, id);
	assert_int_equal(h.target->stats.counters[STATS_RETRANSMISSIONS], 1);
	host_control(&h, 4, id + 2); /* an ACK of another packet acknowledges nothing */
	assert_int_equal(fake.resumes, 0);
	host_acknowledge(&h);
	assert_int_equal(fake.resumes, 1);
	assert_true(target_is_running(h.target));
	host_free(&h);
}

static void without_a_debugger_prints_and_loads_are_not_reported(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	fake.next.type = MACHINE_PRINT;
	assert_true(target_run(h.target, h.now_us));
	fake.next.type = MACHINE_LOAD;
	assert_true(target_run(h.target, h.now_us));
	assert_int_equal(fake.resumes, 2);
	host_expect_silence(&h);
	host_free(&h);
}

static void a_stop_without_a_host_is_told_to_the_one_that_comes(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	fake.next = fake_stop(0xc0000005);
	(void)target_run(h.target, h.now_us);
	host_connect(&h);
	host_control(&h, 5, 0); /* the usual answer to the connection check */
	const uint8_t *stop = host_expect_stop(&h);
	assert_int_equal(load_le(stop + 32, 4), 0xc0000005);
	host_free(&h);
}

static void a_booting_target_waits_for_a_host_a_few_seconds(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	options.machine.boot = true;
	host_init(&h, &options);
	assert_false(target_is_running(h.target));
	host_connect(&h);
	assert_true(target_is_running(h.target));
	host_free(&h);

	host_init(&h, &options);
	host_wait(&h, 3000000);
	assert_false(target_is_running(h.target));
	host_wait(&h, 1000000);
	assert_true(target_is_running(h.target));
	host_free(&h);
}

static void a_reboot_brings_a_new_identity_and_another_port(void **state)
{
	struct host h;
	struct target_options options = host_options();
	uint8_t identity[30];
	(void)state;
	host_init(&h, &options);
	connect_and_break_in(&h);
	memcpy(identity, h.inbox[0].payload + 4, sizeof(identity));
	uint8_t u[40] = { 0 };
	host_ask(&h, 0x313b, 0, u, NULL, 0);
	host_expect_silence(&h); /* no reply */
	host_wait(&h, 100000);
	host_expect_silence(&h);
	host_wait(&h, 300000);
	const struct host_datagram *poke = host_next(&h);
	assert_int_equal(poke->channel, KDNET_CHANNEL_CONTROL);
	assert_memory_not_equal(poke->payload + 4, identity, sizeof(identity));
	assert_int_equal(load_le(poke->payload + 50, 2), 0x51c3); /* port 50001 */
	assert_int_equal(load_le(poke->payload + 86, 2), 0);	  /* nobody bound */
	assert_int_equal(h.target->stats.counters[STATS_REBOOTS], 1);
	host_free(&h);
}

static void an_announced_reboot_says_goodbye_first(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	target_reboot(h.target, true, h.now_us);
	const uint8_t *stop = host_expect_stop(&h);
	assert_int_equal(load_le(stop, 4), 0x3031);
	assert_int_equal(load_le(stop + 40, 8), UINT64_MAX);
	assert_int_equal(load_le(stop + 48, 8), 0);
	assert_int_equal(stop[64], 1);
	host_continue(&h, 0, false, 0x400);
	assert_int_equal(h.target->stats.counters[STATS_REBOOTS], 1);
	host_wait(&h, 400000);
	assert_int_equal(h.starts, 2);
	host_free(&h);
}

static void a_target_that_hangs_is_silent_for_ever(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	options.hang_after_us = 2000000;
	host_init(&h, &options);
	host_connect(&h);
	assert_int_equal(target_deadline(h.target), 3000000);
	host_wait(&h, 2000000);
	host_break_in(&h);
	assert_false(target_run(h.target, h.now_us));
	host_wait(&h, 10000000);
	host_expect_silence(&h);
	assert_int_equal(target_deadline(h.target), UINT64_MAX);
	host_free(&h);
}

static void silence_drops_both_directions_and_ends(void **state)
{
	struct host h;
	struct target_options options = host_options();
	(void)state;
	host_init(&h, &options);
	host_connect(&h);
	target_silence(h.target, 4000000, h.now_us);
	host_break_in(&h);
	host_wait(&h, 3000000); /* a poke that is lost */
	(void)target_run(h.target, h.now_us);
	host_expect_silence(&h);
	assert_int_equal(fake.break_ins, 0);
	host_wait(&h, 3000000);
	assert_int_equal(host_next(&h)->channel, KDNET_CHANNEL_CONTROL);
	host_free(&h);
}

static void a_break_in_during_a_stop_is_lost_or_makes_a_second_one(void **state)
{
	(void)state;
	for (unsigned stale = 0; stale < 2; stale++) {
		struct host h;
		struct target_options options = host_options();
		options.keep_break_in = stale;
		host_init(&h, &options);
		connect_and_break_in(&h);
		host_break_in(&h);
		host_continue(&h, 0, false, 0x400);
		(void)target_run(h.target, h.now_us);
		if (stale)
			(void)host_expect_stop(&h);
		host_expect_silence(&h);
		host_free(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_from_connection_to_leaving_has_no_violations),
		cmocka_unit_test(a_running_target_looks_at_packets_only_when_it_ticks),
		cmocka_unit_test(a_print_freezes_the_target_until_it_is_acknowledged),
		cmocka_unit_test(without_a_debugger_prints_and_loads_are_not_reported),
		cmocka_unit_test(a_stop_without_a_host_is_told_to_the_one_that_comes),
		cmocka_unit_test(a_booting_target_waits_for_a_host_a_few_seconds),
		cmocka_unit_test(a_reboot_brings_a_new_identity_and_another_port),
		cmocka_unit_test(an_announced_reboot_says_goodbye_first),
		cmocka_unit_test(a_target_that_hangs_is_silent_for_ever),
		cmocka_unit_test(silence_drops_both_directions_and_ends),
		cmocka_unit_test(a_break_in_during_a_stop_is_lost_or_makes_a_second_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
