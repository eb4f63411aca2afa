#include "test/sim/target.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

/* A booting kernel waits for a couple of pokes to be answered, not longer. */
#define BOOT_WAIT_US UINT64_C(4000000)

/* ---- what the layers tell each other ---- */

static void flush_out(struct target *t)
{
	struct impair_datagram d;
	while (impair_pop(&t->out, &d, t->now_us))
		t->handlers.transmit(t->handlers.context, &d.address, d.bytes, d.length);
}

static void on_transmit(void *context, const struct net_address *to,
			const uint8_t *datagram, size_t length)
{
	struct target *t = context;
	impair_push(&t->out, to, datagram, length, t->now_us);
	flush_out(t);
}

static void on_connected(void *context)
{
	struct target *t = context;
	kd_connected(&t->kd);
	if (!t->booting)
		return;
	t->booting = false;
	kd_boot(&t->kd, t->now_us);
}

/* Looked at once at rest, at the next tick while the machine runs. */
static void on_payload(void *context, const uint8_t *payload, size_t length)
{
	struct target *t = context;
	target_link_receive(&t->link, payload, length);
	if (t->kd.state != KD_RUNNING)
		target_link_poll(&t->link, t->now_us);
}

static void on_send(void *context, const uint8_t *payload, size_t length)
{
	struct target *t = context;
	(void)target_net_send(&t->net, payload, length);
}

static void on_acknowledged(void *context, uint64_t now_us)
{
	struct target *t = context;
	kd_acknowledged(&t->kd, now_us);
}

static void on_packet(void *context, enum target_link_type type, const uint8_t *data,
		      size_t length, uint64_t now_us)
{
	struct target *t = context;
	kd_packet(&t->kd, type, data, length, now_us);
}

/* ---- starting ---- */

static void start_link(struct target *t)
{
	const struct target_link_handlers handlers = { t, on_send, on_acknowledged,
						       on_packet };
	uint32_t first = 0; /* as the captured version 4; any number elsewhere */
	if (t->options.kd.version != 4)
		first = (uint32_t)(t->options.seed * 2654435761u >> 3) & ~1u;
	target_link_init(&t->link, &handlers, &t->stats, first);
	t->link.keep_break_in = t->options.keep_break_in;
	t->link.new_id_on_repeat = t->options.new_id_on_repeat;
	t->link.lenient = impair_is_active(&t->options.impair);
}

static void start_net(struct target *t)
{
	uint8_t identity[TARGET_NET_IDENTITY_SIZE];
	struct net_address own = { .port = 0 };
	struct net_address host = { .port = 0 };
	randombytes_buf(identity, sizeof(identity));
	t->handlers.start(t->handlers.context, &own, &host);
	target_net_start(&t->net, identity, &own, &host, t->now_us);
}

/* Without --boot the machine has been up for long; a reboot always boots. */
static const char *start_machine(struct target *t)
{
	const char *error = NULL;
	struct machine_options options = t->options.machine;
	options.boot_number = t->boots;
	options.boot = options.boot || t->boots > 0;
	t->boots++;
	if (t->machine)
		machine_free(t->machine);
	t->machine = machine_new(&options, &error);
	if (!t->machine)
		return error ? error : "the machine did not start";
	t->booting = options.boot;
	t->boot_until_us = t->now_us + BOOT_WAIT_US;
	return NULL;
}

static const char *start(struct target *t)
{
	const char *error = start_machine(t);
	if (error)
		return error;
	start_link(t);
	kd_init(&t->kd, t->machine, &t->link, &t->stats, &t->options.kd);
	start_net(t);
	return NULL;
}

struct target *target_new(const struct target_options *options,
			  const struct target_handlers *handlers, uint64_t now_us,
			  const char **error)
{
	struct target *t = calloc(1, sizeof(*t));
	*error = "out of memory";
	if (!t)
		return NULL;
	t->options = *options;
	t->handlers = *handlers;
	t->now_us = now_us;
	t->started_us = now_us;
	t->slice = TARGET_SLICE_RESUME;
	const struct target_net_handlers net = { t, on_transmit, on_connected,
						 on_payload };
	target_net_init(&t->net, &net, &t->stats, options->key, options->kd.version);
	if (!impair_init(&t->in, &options->impair, options->seed) ||
	    !impair_init(&t->out, &options->impair, ~options->seed) ||
	    (*error = start(t)) != NULL) {
		target_free(t);
		return NULL;
	}
	return t;
}

void target_free(struct target *t)
{
	if (!t)
		return;
	target_net_wipe(&t->net);
	impair_wipe(&t->in);
	impair_wipe(&t->out);
	if (t->machine)
		machine_free(t->machine);
	free(t);
}

/* ---- running ---- */

bool target_is_running(const struct target *t)
{
	return t->kd.state == KD_RUNNING && !t->hung && !t->booting &&
	       t->reboot_at_us == 0;
}

/* The transport falls silent at once; the new one comes up after a while. */
static void check_reboot(struct target *t)
{
	if (!t->kd.reboot || t->reboot_at_us != 0)
		return;
	stats_count(&t->stats, STATS_REBOOTS);
	t->reboot_at_us = t->now_us + t->options.reboot_us + 1;
}

/* Short at first, so that a step does not let the others run far. */
static void shorten_first_slice(struct target *t)
{
	uint64_t resumes = t->stats.counters[STATS_RESUMES];
	if (resumes != t->resumes && t->slice > TARGET_SLICE_RESUME)
		t->slice = TARGET_SLICE_RESUME;
	t->resumes = resumes;
}

bool target_run(struct target *t, uint64_t now_us)
{
	struct machine_event event;
	t->now_us = now_us;
	if (!target_is_running(t))
		return false;
	target_link_poll(&t->link, now_us);
	kd_tick(&t->kd);
	shorten_first_slice(t);
	if (machine_run(t->machine, t->slice, &event) != MACHINE_NONE)
		kd_event(&t->kd, &event, now_us);
	check_reboot(t);
	return target_is_running(t);
}

static void deliver_in(struct target *t)
{
	struct impair_datagram d;
	while (impair_pop(&t->in, &d, t->now_us)) {
		if (!t->hung && t->reboot_at_us == 0)
			target_net_receive(&t->net, &d.address, d.bytes, d.length,
					   t->now_us);
		check_reboot(t);
	}
}

void target_receive(struct target *t, const struct net_address *from,
		    const uint8_t *datagram, size_t length, uint64_t now_us)
{
	t->now_us = now_us;
	impair_push(&t->in, from, datagram, length, now_us);
	deliver_in(t);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t target_deadline(const struct target *t)
{
	uint64_t deadline = earlier(impair_deadline(&t->in), impair_deadline(&t->out));
	if (t->reboot_at_us != 0)
		return earlier(deadline, t->reboot_at_us);
	if (t->hung)
		return deadline;
	if (t->options.hang_after_us != 0)
		deadline = earlier(deadline, t->started_us + t->options.hang_after_us);
	if (t->booting)
		deadline = earlier(deadline, t->boot_until_us);
	deadline = earlier(deadline, target_link_deadline(&t->link));
	return earlier(deadline, target_net_deadline(&t->net));
}

static void restart(struct target *t)
{
	t->reboot_at_us = 0;
	if (start(t) != NULL)
		t->hung = true; /* it loaded once: only a lack of memory is left */
}

void target_expire(struct target *t, uint64_t now_us)
{
	t->now_us = now_us;
	deliver_in(t);
	flush_out(t);
	if (t->options.hang_after_us != 0 &&
	    now_us >= t->started_us + t->options.hang_after_us)
		t->hung = true;
	if (t->reboot_at_us != 0 && now_us >= t->reboot_at_us)
		restart(t);
	if (t->hung || t->reboot_at_us != 0)
		return;
	if (t->booting && now_us >= t->boot_until_us)
		t->booting = false;
	target_net_expire(&t->net, now_us);
	target_link_expire(&t->link, now_us);
}

/* ---- what tests do to it ---- */

void target_reboot(struct target *t, bool announce, uint64_t now_us)
{
	t->now_us = now_us;
	if (announce && t->kd.present && target_is_running(t))
		kd_announce_reboot(&t->kd, now_us);
	else
		t->kd.reboot = true;
	check_reboot(t);
}

void target_silence(struct target *t, uint64_t duration_us, uint64_t now_us)
{
	t->in.silent_until_us = now_us + duration_us;
	t->out.silent_until_us = now_us + duration_us;
	t->link.lenient = true;
}

void target_impair(struct target *t, const struct impair_options *options)
{
	t->in.options = *options;
	t->out.options = *options;
	t->options.impair = *options;
	t->link.lenient = t->link.lenient || impair_is_active(options);
}

const char *target_state(const struct target *t)
{
	if (t->kd.state == KD_STOPPED)
		return "stopped";
	return t->kd.state == KD_RUNNING ? "running" : "frozen";
}

void target_print_stats(struct target *t, FILE *out)
{
	(void)fprintf(out, "state %s\n", target_state(t));
	(void)fprintf(out, "planted %u\n", kd_breakpoint_count(&t->kd));
	(void)fprintf(out, "foreign_opcodes %u\n", kd_opcode_count(&t->kd));
	(void)fprintf(out, "dr7 %u\n", kd_debug_registers_active(&t->kd));
	(void)fprintf(out, "connected %d\n", t->net.connected);
	(void)fprintf(out, "boots %u\n", t->boots);
	stats_print(&t->stats, out);
}
