/* The computer of the lying target, and its KD: what a true answer would be. */
#ifndef TEST_FUZZ_LYING_MACHINE_H
#define TEST_FUZZ_LYING_MACHINE_H

#include "test/fuzz/lying_target.h"

static uint8_t *lying_at(struct lying_target *l, uint64_t address, size_t *length)
{
	uint64_t at = address - LYING_BASE;
	if (at >= LYING_RAM) {
		*length = 0;
		return NULL;
	}
	if (*length > LYING_RAM - at)
		*length = (size_t)(LYING_RAM - at);
	return l->ram + at;
}

/* ---- reports ---- */

static void lying_report(struct lying_target *l, uint32_t code)
{
	uint64_t pc = load_le(l->context[l->cpu] + LYING_RIP, 8);
	uint8_t *s = l->state;
	size_t stream = 16;
	memset(s, 0, sizeof(l->state));
	l->stopped = true;
	l->state_length = LYING_STATE;
	store_le(s, KD_STATE_EXCEPTION, 4);
	store_le(s + 6, l->cpu, 2);
	store_le(s + 8, LYING_CPUS, 4);
	store_le(s + 24, pc, 8);
	store_le(s + 32, code, 4);
	store_le(s + 48, pc, 8);
	store_le(s + 184, 1, 4);
	store_le(s + 192, 0xffff0ff0, 8);
	store_le(s + 200, load_le(l->special[l->cpu] + 0x48, 8), 8);
	store_le(s + 208, 0x202, 4);
	const uint8_t *code_bytes = lying_at(l, pc, &stream);
	store_le(s + 212, stream, 2);
	if (code_bytes)
		memcpy(s + 216, code_bytes, stream);
	lying_say(l, KD_PACKET_STATE_CHANGE64, s, l->state_length);
}

static void lying_load(struct lying_target *l)
{
	static const char path[] = "\\SystemRoot\\system32\\x.sys";
	uint8_t *s = l->state;
	memset(s, 0, sizeof(l->state));
	l->stopped = true;
	store_le(s, KD_STATE_LOAD_SYMBOLS, 4);
	store_le(s + 8, LYING_CPUS, 4);
	store_le(s + 24, load_le(l->context[0] + LYING_RIP, 8), 8);
	store_le(s + 32, sizeof(path), 4);
	store_le(s + 40, LYING_BASE + 0x4000, 8);
	store_le(s + 48, UINT64_MAX, 8);
	store_le(s + 60, 0x2000, 4);
	memcpy(s + LYING_STATE, path, sizeof(path));
	l->state_length = LYING_STATE + sizeof(path);
	lying_say(l, KD_PACKET_STATE_CHANGE64, s, l->state_length);
}

/* It runs: into a breakpoint, a step's end, an event, or until somebody breaks in. */
static void lying_run(struct lying_target *l, bool trace)
{
	uint8_t *pc = l->context[l->cpu] + LYING_RIP;
	l->stopped = false;
	if (trace) {
		store_le(pc, load_le(pc, 8) + 1, 8);
		lying_report(l, KD_STATUS_SINGLE_STEP);
		return;
	}
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++) {
		if (!l->breakpoints[i].used ||
		    l->breakpoints[i].address == load_le(pc, 8))
			continue;
		store_le(pc, l->breakpoints[i].address, 8);
		lying_report(l, KD_STATUS_BREAKPOINT);
		return;
	}
	if (rd_8(&l->script) & 1)
		lying_load(l);
}

/* ---- requests ---- */

static void lying_reply(struct lying_target *l, const uint8_t *data, uint32_t status,
			const uint8_t *trailing, size_t length)
{
	uint8_t reply[KDNET_KD_DATA_MAX];
	memcpy(reply, data, KD_MANIPULATE_SIZE);
	store_le(reply + 8, status, 4);
	if (length > 0)
		memcpy(reply + KD_MANIPULATE_SIZE, trailing, length);
	lying_say(l, KD_PACKET_MANIPULATE, reply, KD_MANIPULATE_SIZE + length);
}

static void lying_memory(struct lying_target *l, uint8_t *data, size_t length, bool write)
{
	uint64_t address = load_le(data + 16, 8);
	size_t wanted = (size_t)load_le(data + 24, 4), limit = KDNET_KD_DATA_MAX / 2;
	size_t count = wanted < limit ? wanted : limit;
	if (write && count > length - KD_MANIPULATE_SIZE)
		count = length - KD_MANIPULATE_SIZE;
	size_t actual = count;
	uint8_t *at = lying_at(l, address, &actual);
	if (write && actual > 0)
		memcpy(at, data + KD_MANIPULATE_SIZE, actual);
	store_le(data + 28, actual, 4);
	lying_reply(l, data, actual < count ? KD_STATUS_UNSUCCESSFUL : KD_STATUS_SUCCESS,
		    at, write ? 0 : actual);
}

static void lying_plant(struct lying_target *l, uint8_t *data)
{
	size_t one = 1;
	uint8_t *at = lying_at(l, load_le(data + 16, 8), &one);
	for (unsigned i = 0; at && i < KD_BREAKPOINTS; i++) {
		if (l->breakpoints[i].used)
			continue;
		l->breakpoints[i].used = true;
		l->breakpoints[i].address = load_le(data + 16, 8);
		l->breakpoints[i].saved = *at;
		*at = 0xcc;
		store_le(data + 24, i + 1, 4);
		lying_reply(l, data, KD_STATUS_SUCCESS, NULL, 0);
		return;
	}
	lying_reply(l, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
}

static void lying_restore(struct lying_target *l, const uint8_t *data)
{
	uint64_t slot = load_le(data + 16, 4) - 1;
	size_t one = 1;
	if (slot >= KD_BREAKPOINTS || !l->breakpoints[slot].used) {
		lying_reply(l, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
		return;
	}
	l->breakpoints[slot].used = false;
	*lying_at(l, l->breakpoints[slot].address, &one) = l->breakpoints[slot].saved;
	lying_reply(l, data, KD_STATUS_SUCCESS, NULL, 0);
}

static void lying_version(struct lying_target *l, uint8_t *data)
{
	uint8_t *u = data + 16;
	memset(u, 0, 40);
	store_le(u + 2, 9600, 2);
	u[4] = 6;
	store_le(u + 6, 7, 2);
	store_le(u + 8, KD_MACHINE_AMD64, 2);
	store_le(u + 16, LYING_BASE, 8);
	store_le(u + 24, LYING_LIST, 8);
	lying_reply(l, data, KD_STATUS_SUCCESS, NULL, 0);
}

/* Contexts and special registers: `size` bytes of one processor. */
static void lying_record(struct lying_target *l, uint8_t *data, size_t length,
			 uint8_t *record, size_t size, bool write)
{
	if (write && length - KD_MANIPULATE_SIZE >= size)
		memcpy(record, data + KD_MANIPULATE_SIZE, size);
	lying_reply(l, data, KD_STATUS_SUCCESS, record, write ? 0 : size);
}

static void lying_serve(struct lying_target *l, uint8_t *data, size_t length)
{
	unsigned api = (unsigned)load_le(data, 4) & 0xffff;
	unsigned cpu = (unsigned)load_le(data + 6, 2) % LYING_CPUS;
	bool write = api == KD_SET_CONTEXT || api == KD_WRITE_CONTROL_SPACE ||
		     api == KD_WRITE_VIRTUAL;
	switch (api) {
	case KD_READ_VIRTUAL:
	case KD_WRITE_VIRTUAL:
		lying_memory(l, data, length, write);
		break;
	case KD_GET_CONTEXT:
	case KD_SET_CONTEXT:
		lying_record(l, data, length, l->context[cpu], KD_CONTEXT_AMD64, write);
		break;
	case KD_READ_CONTROL_SPACE:
	case KD_WRITE_CONTROL_SPACE:
		store_le(data + 28, KD_SPECIAL_AMD64, 4);
		lying_record(l, data, length, l->special[cpu], KD_SPECIAL_AMD64, write);
		break;
	case KD_WRITE_BREAKPOINT:
		lying_plant(l, data);
		break;
	case KD_RESTORE_BREAKPOINT:
		lying_restore(l, data);
		break;
	case KD_GET_VERSION:
		lying_version(l, data);
		break;
	case KD_CONTINUE:
	case KD_CONTINUE2:
		lying_run(l, api == KD_CONTINUE2 && load_le(data + 20, 4) != 0);
		break;
	case KD_SWITCH_PROCESSOR:
		l->cpu = cpu;
		lying_report(l, KD_STATUS_WAKE_DEBUGGER);
		break;
	case KD_REBOOT:
		lying_reboot(l);
		break;
	default:
		lying_reply(l, data, KD_STATUS_UNSUCCESSFUL, NULL, 0);
	}
}

/* ---- what comes from the host ---- */

static void lying_on_packet(struct lying_target *l, uint8_t *payload, size_t length)
{
	struct kd_packet p;
	if (length == 1) {
		must(payload[0] == KD_BREAK_IN_BYTE);
		if (!l->stopped)
			lying_report(l, KD_STATUS_BREAKPOINT);
		return;
	}
	must(kd_packet_decode(&p, payload, length));
	if (p.leader == KD_LEADER_CONTROL) {
		if (p.type == KD_PACKET_ACKNOWLEDGE)
			lying_acknowledged(l, p.id);
		if (p.type == KD_PACKET_RESET) {
			l->host_seen = false;
			lying_control(l, KD_PACKET_RESET, l->next_id);
			if (l->in_flight)
				lying_send_first(l);
			else if (l->stopped)
				lying_send(l, KD_PACKET_STATE_CHANGE64, l->state,
					   l->state_length);
		}
		return;
	}
	lying_control(l, KD_PACKET_ACKNOWLEDGE, p.id);
	if (l->host_seen && l->host_id == p.id)
		return;
	l->host_seen = true;
	l->host_id = p.id;
	if (p.type == KD_PACKET_MANIPULATE && l->stopped) {
		must(p.length >= KD_MANIPULATE_SIZE);
		lying_serve(l, payload + KD_HEADER_SIZE, p.length);
	}
}

static void lying_take(struct lying_target *l, const uint8_t *datagram, size_t length)
{
	static uint8_t plain[KDNET_PLAINTEXT_MAX];
	uint8_t payload[KDNET_PLAINTEXT_MAX];
	struct kdnet_datagram d;
	bool control = datagram[5] == KDNET_CHANNEL_CONTROL;
	if (kdnet_open(&d, plain, control ? &l->control : &l->data, datagram, length) !=
	    KDNET_OPENED)
		return; /* under the key of an earlier session */
	memcpy(payload, d.payload, d.length);
	if (!control) {
		lying_on_packet(l, payload, d.length);
	} else if (d.length == KDNET_RESPONSE_SIZE) {
		uint8_t key[KDNET_KEY_SIZE], check[12] = { 0 };
		kdnet_data_key(key, l->key, payload);
		kdnet_cipher_init(&l->data, l->key, key);
		l->connected = true;
		lying_payload(l, check, sizeof(check));
		if (l->stopped)
			lying_send(l, KD_PACKET_STATE_CHANGE64, l->state,
				   l->state_length);
	}
}

/* ---- time ---- */

static uint64_t lying_next_us(const struct lying_target *l)
{
	return l->in_flight && l->repeat_us < l->heartbeat_us ? l->repeat_us
							      : l->heartbeat_us;
}

static void lying_expire(struct lying_target *l, uint64_t now_us)
{
	l->now_us = now_us;
	if (l->in_flight && now_us >= l->repeat_us)
		lying_send_first(l);
	if (now_us >= l->heartbeat_us)
		lying_poke(l);
}

static void lying_put_module(struct lying_target *l, unsigned number, uint64_t next)
{
	static const char name[] = "\0n\0t\0.\0s\0y\0s";
	uint8_t *entry = l->ram + (LYING_LIST - LYING_BASE) + 0xb0 * number;
	store_le(entry, next, 8);
	store_le(entry + 0x30, LYING_BASE + 0x2000 * number, 8);
	store_le(entry + 0x40, 0x2000, 4);
	store_le(entry + 0x48, 12, 2);
	store_le(entry + 0x50, LYING_NAMES, 8);
	memcpy(l->ram + (LYING_NAMES - LYING_BASE), name + 1, 12);
}

static void lying_start(struct lying_target *l, const uint8_t *script, size_t size)
{
	memset(l, 0, sizeof(*l));
	l->script = rd_init(script, size);
	l->version = 5;
	l->identity = 1;
	memset(l->ram, 0x90, 0x6000);
	lying_put_module(l, 0, LYING_LIST + 0xb0);
	lying_put_module(l, 1, LYING_LIST);
	for (unsigned cpu = 0; cpu < LYING_CPUS; cpu++) {
		store_le(l->context[cpu] + 0x30, 0x10001f, 4);
		store_le(l->context[cpu] + LYING_RIP, LYING_BASE + 0x1000 * (cpu + 1), 8);
		store_le(l->context[cpu] + LYING_RSP, LYING_BASE + 0x5000, 8);
		store_le(l->special[cpu] + 0x48, 0x400, 8);
	}
	must(kdnet_key_parse(l->key, "1.2.3.4") == KDNET_KEY_OK);
	kdnet_cipher_init(&l->control, l->key, l->key);
	lying_poke(l);
}

#endif
