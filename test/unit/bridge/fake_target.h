/*
 * A whole target for tests of bridge/target/: a KD of few lines with a computer whose
 * every instruction is one byte long and does nothing, but CC, which is int3. So what
 * happens is known to the byte; and what a test wants otherwise it does in a hook.
 * It is strict: what a kernel would choke on fails the test. KD.md §2, §3.
 */
#ifndef TEST_FAKE_TARGET_H
#define TEST_FAKE_TARGET_H

#include "test/unit/bridge/fake_computer.h"

/* ---- requests ---- */

static inline void fake_reply(struct fake_target *f, uint8_t *data, uint32_t status,
			      const void *trailing, size_t length)
{
	uint8_t reply[KDNET_KD_DATA_MAX];
	assert_true(KD_MANIPULATE_SIZE + length <= sizeof(reply));
	memcpy(reply, data, KD_MANIPULATE_SIZE);
	store_le(reply + 8, status, 4);
	if (length > 0)
		memcpy(reply + KD_MANIPULATE_SIZE, trailing, length);
	fake_send(&f->link, KD_PACKET_MANIPULATE, reply, KD_MANIPULATE_SIZE + length);
}

static inline void fake_read(struct fake_target *f, uint8_t *data)
{
	uint64_t address = load_le(data + 16, 8);
	size_t wanted = (size_t)load_le(data + 24, 4);
	size_t count = wanted < f->reply_max ? wanted : f->reply_max;
	size_t actual = fake_readable(address, count);
	store_le(data + 28, actual, 4);
	fake_reply(f, data, actual < count ? KD_STATUS_UNSUCCESSFUL : KD_STATUS_SUCCESS,
		   fake_at(f, address), actual);
}

static inline void fake_write(struct fake_target *f, uint8_t *data, size_t length)
{
	uint64_t address = load_le(data + 16, 8);
	size_t count = length - KD_MANIPULATE_SIZE;
	assert_int_equal(count, load_le(data + 24, 4));
	size_t actual = fake_readable(address, count);
	if (actual > 0)
		memcpy(fake_at(f, address), data + KD_MANIPULATE_SIZE, actual);
	store_le(data + 28, actual, 4);
	fake_reply(f, data, actual < count ? KD_STATUS_UNSUCCESSFUL : KD_STATUS_SUCCESS,
		   NULL, 0);
}

static inline void fake_plant(struct fake_target *f, uint8_t *data)
{
	uint64_t address = load_le(data + 16, 8);
	unsigned slot = KD_BREAKPOINTS;
	for (unsigned i = f->breakpoint_limit; i-- > 0;) {
		if (!f->breakpoints[i].used)
			slot = i;
		else if (f->breakpoints[i].address == address)
			slot = KD_BREAKPOINTS + 1, i = 0;
	}
	uint8_t *code = fake_at(f, address);
	if (slot >= KD_BREAKPOINTS || !code) {
		fake_reply(f, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
		return;
	}
	f->breakpoints[slot].used = true;
	f->breakpoints[slot].address = address;
	f->breakpoints[slot].saved = *code;
	*code = 0xcc;
	store_le(data + 24, slot + 1, 4);
	fake_reply(f, data, KD_STATUS_SUCCESS, NULL, 0);
}

static inline void fake_restore(struct fake_target *f, uint8_t *data)
{
	unsigned slot = (unsigned)load_le(data + 16, 4) - 1;
	assert_true(slot < KD_BREAKPOINTS);
	if (!f->breakpoints[slot].used) {
		fake_reply(f, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
		return;
	}
	f->breakpoints[slot].used = false;
	*fake_at(f, f->breakpoints[slot].address) = f->breakpoints[slot].saved;
	fake_reply(f, data, KD_STATUS_SUCCESS, NULL, 0);
}

static inline void fake_version(struct fake_target *f, uint8_t *data)
{
	uint8_t *u = data + 16;
	memset(u, 0, 40);
	store_le(u + 2, 9600, 2);
	u[4] = 6;
	store_le(u + 6, 7, 2);
	store_le(u + 8, f->machine, 2);
	store_le(u + 16, FAKE_BASE, 8);
	store_le(u + 24, f->module_list, 8);
	store_le(u + 32, f->data_list, 8);
	fake_reply(f, data, KD_STATUS_SUCCESS, NULL, 0);
}

static inline void fake_serve(struct fake_target *f, uint16_t api, uint8_t *data,
			      size_t length)
{
	unsigned cpu = (unsigned)load_le(data + 6, 2);
	assert_true(cpu < f->cpus);
	switch (api) {
	case KD_READ_VIRTUAL:
		fake_read(f, data);
		break;
	case KD_WRITE_VIRTUAL:
		fake_write(f, data, length);
		break;
	case KD_GET_CONTEXT:
		f->context_read[cpu] = true;
		fake_reply(f, data, KD_STATUS_SUCCESS, f->context[cpu],
			   sizeof(f->context[cpu]));
		break;
	case KD_SET_CONTEXT:
		assert_true(f->context_read[cpu]);
		assert_int_equal(length, KD_MANIPULATE_SIZE + KD_CONTEXT_AMD64);
		assert_int_equal(load_le(data + KD_MANIPULATE_SIZE + 0x30, 4), 0x10001f);
		memcpy(f->context[cpu], data + KD_MANIPULATE_SIZE, KD_CONTEXT_AMD64);
		fake_reply(f, data, KD_STATUS_SUCCESS, NULL, 0);
		break;
	case KD_READ_CONTROL_SPACE:
		assert_int_equal(load_le(data + 16, 8), KD_CONTROL_SPECIAL);
		store_le(data + 28, KD_SPECIAL_AMD64, 4);
		fake_reply(f, data, KD_STATUS_SUCCESS, f->special[cpu], KD_SPECIAL_AMD64);
		break;
	case KD_WRITE_CONTROL_SPACE:
		assert_int_equal(length, KD_MANIPULATE_SIZE + KD_SPECIAL_AMD64);
		memcpy(f->special[cpu], data + KD_MANIPULATE_SIZE, KD_SPECIAL_AMD64);
		store_le(data + 28, KD_SPECIAL_AMD64, 4);
		fake_reply(f, data, KD_STATUS_SUCCESS, NULL, 0);
		break;
	case KD_WRITE_BREAKPOINT:
		fake_plant(f, data);
		break;
	case KD_RESTORE_BREAKPOINT:
		fake_restore(f, data);
		break;
	case KD_GET_VERSION:
		fake_version(f, data);
		break;
	case KD_READ_MSR:
		store_le(data + 20, UINT64_C(0x1122334455667788), 8);
		fake_reply(f, data, KD_STATUS_SUCCESS, NULL, 0);
		break;
	case KD_CONTINUE:
	case KD_CONTINUE2:
		fake_resume(f, data + 16, api == KD_CONTINUE2);
		break;
	case KD_SWITCH_PROCESSOR:
		fake_switch(f, cpu);
		break;
	case KD_REBOOT:
		f->stopped = false;
		break;
	default:
		fake_reply(f, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
	}
}

static inline void fake_on_data(void *context, enum kd_packet_type type, uint8_t *data,
				size_t length)
{
	struct fake_target *f = context;
	if (type != KD_PACKET_MANIPULATE) {
		if (f->on_other)
			f->on_other(f, type, data, length);
		return;
	}
	assert_true(length >= KD_MANIPULATE_SIZE);
	assert_true(f->stopped); /* nothing is asked of a running target */
	uint16_t api = (uint16_t)load_le(data, 2);
	assert_true(api >= 0x3130 && api < 0x3130 + FAKE_APIS);
	f->count[api - 0x3130]++;
	if (f->logged < FAKE_LOG)
		f->log[f->logged++] = api;
	if (!f->on_request || !f->on_request(f, api, data, length))
		fake_serve(f, api, data, length);
}

/* ---- what happens by itself ---- */

static inline void fake_on_break_in(void *context)
{
	struct fake_target *f = context;
	if (!f->stopped && !f->ignores_break_in)
		fake_break_with_status(f, 1);
}

static inline void fake_repeat_state(void *context)
{
	struct fake_target *f = context;
	if (f->stopped)
		fake_send(&f->link, KD_PACKET_STATE_CHANGE64, f->state, f->state_length);
}

static inline void fake_on_connected(void *context)
{
	fake_repeat_state(context);
}

static inline void fake_told_connected(void *context, bool reboot)
{
	struct fake_target *f = context;
	f->connects++;
	f->reboots += reboot;
}

static inline void fake_told_lost(void *context)
{
	((struct fake_target *)context)->losses++;
}

static inline void fake_told_stopped(void *context, const struct target_stop *stop)
{
	struct fake_target *f = context;
	f->stops++;
	f->last_stop = *stop;
	if (f->on_stopped)
		f->on_stopped(f);
	else if (f->resumes_loads && stop->kind == TARGET_STOP_LOAD)
		assert_int_equal(
			target_resume(f->t,
				      &(struct target_resume){ .kind = TARGET_CONTINUE }),
			KD_DONE);
}

static inline bool fake_told_missed(void *context, const struct target_stop *stop)
{
	struct fake_target *f = context;
	return f->on_missed && f->on_missed(f, stop);
}

static inline void fake_told_print(void *context, unsigned processor, const char *text,
				   size_t length)
{
	struct fake_target *f = context;
	(void)processor;
	f->prints++;
	assert_true(length < sizeof(f->print_text));
	memcpy(f->print_text, text, length);
	f->print_text[length] = '\0';
}

static inline void fake_told_prompt(void *context, const char *text, size_t length)
{
	struct fake_target *f = context;
	f->prompts++;
	assert_true(length < sizeof(f->prompt_text));
	memcpy(f->prompt_text, text, length);
	f->prompt_text[length] = '\0';
}

static inline void fake_told_notice(void *context, enum kdnet_notice notice,
				    const char *text)
{
	struct fake_target *f = context;
	(void)notice;
	f->notices++;
	size_t length = strnlen(text, sizeof(f->notice_text) - 1);
	memcpy(f->notice_text, text, length);
	f->notice_text[length] = '\0';
}

static const struct target_events fake_events = {
	.connected = fake_told_connected,
	.lost = fake_told_lost,
	.stopped = fake_told_stopped,
	.missed = fake_told_missed,
	.print = fake_told_print,
	.prompt = fake_told_prompt,
	.notice = fake_told_notice,
};

/* ---- setting up, waiting ---- */

static inline void fake_on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	*(bool *)timer->data = true;
	ev_break(loop, EVBREAK_ONE);
}

static inline void fake_spin(struct fake_target *f, unsigned ms)
{
	bool over = false;
	struct ev_timer timer;
	ev_timer_init(&timer, fake_on_time, (double)ms / 1e3, 0.);
	timer.data = &over;
	ev_now_update(f->loop);
	ev_timer_start(f->loop, &timer);
	while (!over)
		(void)ev_run(f->loop, EVRUN_ONCE);
	ev_timer_stop(f->loop, &timer);
}

static inline void fake_spin_until(struct fake_target *f, const unsigned *counter,
				   unsigned value)
{
	for (int tries = 0; *counter < value && tries < 500; tries++)
		fake_spin(f, 2);
	assert_int_equal(*counter, value);
}

/* The computer as it starts. */
static inline void fake_set_up(struct fake_target *f, unsigned cpus)
{
	f->cpus = cpus;
	f->cpus_told = cpus;
	f->machine = KD_MACHINE_AMD64;
	f->module_list = FAKE_MODULE_LIST;
	f->reply_max = FAKE_REPLY_MAX;
	f->breakpoint_limit = KD_BREAKPOINTS;
	memset(f->ram, 0x90, sizeof(f->ram));
	memset(f->ram + 0x3000, 0, 0xf00);
	*fake_at(f, FAKE_BREAK) = 0xcc;
	for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++) {
		store_le(f->context[cpu] + 0x30, 0x10001f, 4);
		store_le(f->context[cpu] + FAKE_EFLAGS, 0x202, 4);
		fake_set_register(f, cpu, FAKE_RIP, FAKE_CODE + cpu * 0x100);
		fake_set_register(f, cpu, FAKE_RSP, FAKE_BASE + 0x2000 + cpu * 0x200);
		store_le(f->special[cpu] + 0x48, 0x400, 8);
	}
	f->link.context = f;
	f->link.on_data = fake_on_data;
	f->link.on_break_in = fake_on_break_in;
	f->link.on_reset = fake_repeat_state;
	f->link.on_connected = fake_on_connected;
}

/* Connected and running; nothing of a session before. */
static inline struct fake_target *fake_start(unsigned cpus)
{
	struct fake_target *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(f->loop);
	struct target_options options = { .events = &fake_events, .context = f };
	assert_int_equal(kdnet_key_parse(options.kdnet.key, "1.2.3.4"), KDNET_KEY_OK);
	assert_int_equal(target_open(&f->t, f->loop, &options), 0);

	fake_set_up(f, cpus);
	fake_link_open(&f->link, f->loop, target_port(f->t));
	fake_boot(&f->link, 1);
	fake_spin_until(f, &f->connects, 1);
	return f;
}

static inline void fake_forget_counts(struct fake_target *f)
{
	memset(f->count, 0, sizeof(f->count));
	f->logged = 0;
}

/* Stopped by processor 0 at FAKE_CODE with an exception that means nothing. */
static inline struct fake_target *fake_start_stopped(unsigned cpus)
{
	struct fake_target *f = fake_start(cpus);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	fake_forget_counts(f);
	return f;
}

static inline void fake_end(struct fake_target *f)
{
	target_close(f->t);
	fake_link_close(&f->link);
	ev_loop_destroy(f->loop);
	free(f);
}

static inline void fake_do_resume(struct fake_target *f, enum target_resume_kind kind,
				  unsigned processor)
{
	assert_int_equal(
		target_resume(f->t, &(struct target_resume){ .kind = kind,
							     .processor = processor }),
		KD_DONE);
}

/* Resumes, and the next stop is there. */
static inline void fake_go(struct fake_target *f, enum target_resume_kind kind,
			   unsigned processor)
{
	unsigned stops = f->stops;
	fake_do_resume(f, kind, processor);
	fake_spin_until(f, &f->stops, stops + 1);
}

#endif
